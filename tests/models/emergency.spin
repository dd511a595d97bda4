/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * emergency.spin - append, trylock and emergency list against whoever takes
 *
 * One record with NR_PAGES pages of two objects. Its owner appends NR_APPENDS objects; a
 * signal handler interrupts the owner at any one point and queues another, the
 * owner standing still meanwhile; a thread without a record pushes to
 * the emergency list, and pushes the same object again if it was freed (the
 * allocator returned its address). Whoever finds the lock held or no
 * page pushes. A taker closes and takes all there is NR_LOOKS times at any moment and once
 * in the end, leaving the record alone when its lock is held. The owner may be
 * stopped for ever while it holds the lock. (The taker is several in the library: the
 * tick closes, a runner closes the list, a worker takes and frees.)
 *
 * Memory. Each processor has a store buffer, first in first out; the handler
 * shares its thread's. What a page holds and the links of the list are stored
 * through it. The lock and the list's head change by read-modify-write
 * operations and by the unlock; release waits for the buffer to drain, and the
 * switches take that away.
 *
 * Properties:
 *  - no link is followed that is not written, or that was freed;
 *  - no object is taken twice;
 *  - in the end all objects are taken, but for those that an owner stopped
 *    for ever has in its record;
 *  - nobody waits for ever (an invalid end state), the stopped owner apart.
 *
 * Switches, each of which must make the model fail:
 *  BLIND_LOCK		raw calls wait for the lock instead of trying it
 *  BLIND_TAKE		the taker waits for the lock
 *  RELAXED_UNLOCK	the unlock may overtake what was stored under the lock
 *  RELAXED_PUSH		the push may overtake its link
 *  PUBLISH_FIRST	the push is made before its link (wfcqueue's order)
 *  RACY_TAKE		the list is taken by a load and a store
 *  FREE_FIRST		an object is freed before its link is read
 */

#ifndef NR_APPENDS
#define NR_APPENDS	3
#endif
#ifndef NR_PAGES
#define NR_PAGES	2
#endif
#ifndef NR_LOOKS
#define NR_LOOKS	1
#endif

/* Objects: 1 to 3 the owner's, 4 the handler's, 5 the pusher's. */
#define HANDLERS	4
#define PUSHERS		5
#define NONE		0
#define POISON		15

/* Memory that is stored to through the buffers. */
#define NEXT(obj)	(obj)
#define SLOT(page, i)	(5 + 2 * (page) + (i))
#define NR(page)	(10 + (page))
byte mem[13] = POISON;

#define NR_CPUS		2
chan sb[NR_CPUS] = [2] of { byte, byte };
#define store(cpu, where, what)	sb[cpu]!where,what
#define drained(cpu)	(len(sb[cpu]) == 0)

/* The record, under its lock: page numbers, 0 is none; sets of pages. */
bit record_lock;
byte cur, closed_pages;
byte cache = (1 << NR_PAGES) - 1;

byte head;			/* of the emergency list */

bit in_handler;
bit owner_gone, owner_stopped, handler_gone, pusher_gone;
byte taken;			/* ghost: set of objects, bit obj - 1 */
#define bit_of(obj)	(1 << ((obj) - 1))

active proctype machine()
{
	byte where, what;

end:
	do
	:: d_step { sb[0]?where,what -> mem[where] = what; where = 0; what = 0 }
	:: d_step { sb[1]?where,what -> mem[where] = what; where = 0; what = 0 }
	od
}

#ifdef RELAXED_PUSH
#define push_release(cpu)	true
#else
#define push_release(cpu)	drained(cpu)
#endif
#ifdef RELAXED_UNLOCK
#define unlock_release(cpu)	true
#else
#define unlock_release(cpu)	drained(cpu)
#endif

inline push(cpu, obj)
{
	do
	:: seen = head;
#ifndef PUBLISH_FIRST
	   store(cpu, NEXT(obj), seen);
#endif
	   atomic {
		push_release(cpu) ->
		if
		:: head == seen -> head = obj; break
		:: else
		fi
	   }
	od;
#ifdef PUBLISH_FIRST
	store(cpu, NEXT(obj), seen);
#endif
	seen = 0
}

/* Try the lock: a read-modify-write, hence after the buffer has drained. */
inline trylock(cpu, got)
{
	atomic {
#ifdef BLIND_LOCK
		drained(cpu) && !record_lock -> record_lock = 1; got = 1
#else
		drained(cpu) -> got = !record_lock; record_lock = 1
#endif
	}
}

/* The raw call. Needs locals seen, got, nr. */
inline queue_raw(cpu, obj)
{
	trylock(cpu, got);
	if
	:: got ->
		d_step {
			nr = 2;
			if
			:: cur -> nr = mem[NR(cur)]
			:: else
			fi;
			if
			:: nr == 2 ->
				closed_pages = closed_pages | cur;
				cur = cache & (256 - cache);
				cache = cache & ~cur;
				nr = 0
			:: else
			fi
		}
		if
		:: cur ->
			store(cpu, SLOT(cur, nr), obj);
			store(cpu, NR(cur), nr + 1)
		:: else -> got = 0
		fi;
		atomic { unlock_release(cpu) -> record_lock = 0; nr = 0 }
	:: else
	fi;
	if
	:: got -> got = 0
	:: else -> push(cpu, obj)
	fi
}

active proctype owner() provided (!in_handler)
{
	byte n, seen, nr;
	bit got;

	do
	:: n < NR_APPENDS ->
		n++;
		queue_raw(0, n)
	:: n < NR_APPENDS ->		/* stopped for ever, with the lock */
		trylock(0, got);
		if
		:: got ->
			owner_stopped = 1;
end_stopped:		false
		:: else -> push(0, n + 1); n++
		fi
	:: else -> break
	od;
	owner_gone = 1
}

active proctype handler()
{
	byte seen, nr;
	bit got;

	in_handler = 1;
	queue_raw(0, HANDLERS);
	atomic { in_handler = 0; handler_gone = 1 }
}

active proctype pusher()
{
	byte seen;

	push(1, PUSHERS);
	if
	:: taken & bit_of(PUSHERS) ->
		taken = taken & ~bit_of(PUSHERS);
		push(1, PUSHERS)
	:: true
	fi;
	pusher_gone = 1
}

/* What is taken is freed: this is not about grace periods. */
inline free_object(obj)
{
	d_step {
		assert(obj >= 1 && obj <= PUSHERS);
		assert(!(taken & bit_of(obj)));
		taken = taken | bit_of(obj);
		mem[NEXT(obj)] = POISON
	}
}

inline look()
{
	/* The record. */
	atomic {
#ifdef BLIND_TAKE
		!record_lock;
#endif
		if
		:: !record_lock ->
			record_lock = 1;
			locked = 1;
			pages = closed_pages | cur;
			closed_pages = 0;
			cur = 0
		:: else
		fi
	}
	if
	:: locked -> d_step { record_lock = 0; locked = 0 }
	:: else
	fi;
	/* The emergency list. */
#ifdef RACY_TAKE
	list = head;
	head = NONE;
#else
	d_step { list = head; head = NONE }
#endif
	/* The grace period is here. */
	do
	:: pages ->
		atomic {
			page = pages & (256 - pages);
			pages = pages & ~page;
			do
			:: i < mem[NR(page)] ->
				next = mem[SLOT(page, i)];
				free_object(next);
				i++
			:: else -> break
			od;
			/* Recycle: to the cache, or away if the lock is held. */
			if
			:: !record_lock -> cache = cache | page
			:: else
			fi;
			page = 0;
			next = NONE;
			i = 0
		}
	:: else -> break
	od;
	do
	:: list ->
#ifdef FREE_FIRST
		free_object(list);
		next = mem[NEXT(list)];
#else
		next = mem[NEXT(list)];
		free_object(list);
#endif
		assert(next != POISON);
		d_step { list = next; next = 0 }
	:: else -> break
	od
}

#define all_queued	((owner_gone || owner_stopped) && handler_gone && pusher_gone)

active proctype taker()
{
	byte looks, pages, page, i, list, next;
	bit locked;

	do
	:: looks < NR_LOOKS ->
		looks++;
		look()
	:: all_queued && looks == NR_LOOKS -> break
	od;
	look();
	assert(taken & bit_of(PUSHERS));
	assert((taken & bit_of(HANDLERS)) || owner_stopped);
	assert(owner_stopped ||
		(taken & ((1 << NR_APPENDS) - 1)) == (1 << NR_APPENDS) - 1)
}
