/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * cookie.spin - numbered grace periods against readers and an updater
 *
 * An updater replaces the object that a shared pointer names NR_OBJ times and
 * queues the old one, in its record or on the emergency list. It closes its
 * open page at once or leaves that to the tick. NR_READERS readers load the pointer
 * inside a read-side section, use the object and write to it until the section ends,
 * NR_SECTIONS times each. A runner runs grace periods while something waits
 * for one. A barrier closes the emergency list at any moment, beside the
 * runner. A worker frees what is ripe, and its free function reads what
 * readers wrote. With NR_EXTRA, that many grace periods are run when nobody
 * needs them.
 *
 * Memory. The updater's unlinking, the runner's moving of `started` and what
 * readers write sit in store buffers until the machine flushes them. A cookie is
 * read by a read-modify-write with release order, which waits for the
 * caller's buffer; so do the unlock of the record, the push, and the end of a section.
 * Taking the record's lock does not: an acquire waits for nothing. Readers'
 * sections and the grace period are liburcu's and taken to be right: the
 * grace period waits for every section that is open when it begins.
 *
 * Numbers are bytes and begin at FIRST, so that they wrap.
 *
 * Properties:
 *  - no reader uses an object that was freed;
 *  - a free function sees all that readers wrote;
 *  - no object is freed twice;
 *  - when everything is quiet, every replaced object is freed; nobody waits for
 *    ever (an invalid end state).
 *
 * Switches, each of which must make the model fail:
 *  COOKIE_PLAIN_LOAD	the cookie is read before the unlinking is visible
 *  COOKIE_FIRST		it is read when the page is opened
 *  COOKIE_CURRENT	it is the number that began last, not the next
 *  COOKIE_UNLOCKED	the tick reads it before it takes the record's lock
 *  START_NO_BARRIER	`started` moves after the grace period began
 *  RELAXED_UNLOCK	the unlock may overtake the unlinking
 *  RELAXED_PUSH		the push may
 *  QUEUE_FIRST		the caller queues before it unlinks (its error, not ours)
 *  EMERGENCY_LATE	the runner takes the emergency list once the grace period
 *			began
 *  CHAIN_COOKIE_FIRST	whoever closes the list reads the cookie, then takes it
 *  CHAIN_ADDS		it adds to a chain that waits already
 *  CHAIN_FREED_EARLY	the chain is freed without a look at its cookie
 *  COMPLETED_EARLY	`completed` is stored before the grace period is over
 *  COMPLETED_RELAXED	the free function's loads go before that of `completed`
 *  NOT_ORDERED		numbers are compared without regard to wrapping
 *			(FIRST=254)
 *  WITHOUT_WAITING	the grace period waits for no reader
 */

#ifndef NR_OBJ
#define NR_OBJ		2
#endif
#ifndef NR_READERS
#define NR_READERS	1
#endif
#ifndef NR_SECTIONS
#define NR_SECTIONS	2
#endif
#ifndef NR_EXTRA
#define NR_EXTRA	0
#endif
#ifndef FIRST
#define FIRST		255
#endif
#define OBJ(n)		(1 << (n))
#define ALL		((1 << NR_OBJ) - 1)
#define EMPTY		255

#ifdef NOT_ORDERED
#define reached(number, cookie)	(number >= cookie)
#else
#define reached(number, cookie)	(((number - cookie) & 255) < 128)
#endif

byte extra = NR_EXTRA;

byte shared = 0;		/* number of the object that readers find */
byte sb_shared = EMPTY;		/* the updater's store buffer */

byte started = FIRST, completed = FIRST;
bit sb_started;			/* the runner's: started is to move */
bit running;

/* The record. A page is the set of its objects. */
bit record_lock;
byte open_page, open_cookie;
byte closed[NR_OBJ], cookie[NR_OBJ], nr_closed;

byte emergency;			/* the list */
byte chain, chain_cookie;	/* the closed part of it, under domain.lock */

byte inside, waited_for;	/* readers: sets by number */
byte sb_used[NR_READERS];	/* their store buffers */
byte used;			/* the objects that they wrote to */
byte wrote;			/* ghost: the same, not delayed */
byte freed;			/* ghost */

active proctype machine()
{
end:
	do
	:: d_step { sb_shared != EMPTY -> shared = sb_shared; sb_shared = EMPTY }
	:: d_step { sb_used[0] -> used = used | sb_used[0]; sb_used[0] = 0 }
#if NR_READERS > 1
	:: d_step { sb_used[1] -> used = used | sb_used[1]; sb_used[1] = 0 }
#endif
	:: d_step { sb_started -> sb_started = 0; started++ }
	od
}

/* ------------------------------------------------------------------ */

proctype reader(byte me)
{
	byte n, obj;

	do
	:: n < NR_SECTIONS ->
		n++;
		inside = inside | (1 << me);
		obj = shared;
		d_step {
			assert(!(freed & OBJ(obj)));
			sb_used[me] = OBJ(obj);
			wrote = wrote | OBJ(obj)
		}
		/* The section ends at any later moment. */
		d_step {
			!sb_used[me] ->
			assert(!(freed & OBJ(obj)));
			inside = inside & ~(1 << me);
			waited_for = waited_for & ~(1 << me);
			obj = 0
		}
	:: else -> break
	od
}

/* ------------------------------------------------------------------ */

#define drained		(sb_shared == EMPTY)
#ifdef COOKIE_PLAIN_LOAD
#define cookie_order	true
#else
#define cookie_order	drained
#endif
#ifdef RELAXED_UNLOCK
#define unlock_order	true
#else
#define unlock_order	drained
#endif
#ifdef RELAXED_PUSH
#define push_order	true
#else
#define push_order	drained
#endif
#ifdef COOKIE_CURRENT
#define NEXT		0
#else
#define NEXT		1
#endif

/* Caller holds the record's lock, and is in a d_step. */
inline close_page(with)
{
	closed[nr_closed] = open_page;
#ifdef COOKIE_FIRST
	cookie[nr_closed] = open_cookie;
#else
	cookie[nr_closed] = with;
#endif
	nr_closed++;
	open_page = 0;
	open_cookie = 0
}

inline queue_in_record(obj)
{
	d_step { !record_lock -> record_lock = 1 }
	d_step {
#ifdef COOKIE_FIRST
		drained ->
		if
		:: !open_page -> open_cookie = started + NEXT
		:: else
		fi;
#endif
		open_page = open_page | OBJ(obj)
	}
	if
	:: true ->
		d_step { cookie_order -> number = started + NEXT }
		d_step { close_page(number); number = 0 }
	:: true
	fi;
	d_step { unlock_order -> record_lock = 0 }
}

inline queue_object(obj)
{
	if
	:: true -> queue_in_record(obj)
	:: d_step { push_order -> emergency = emergency | OBJ(obj) }
	fi
}

active proctype updater()
{
	byte n, number;

	do
	:: n < NR_OBJ ->
#ifdef QUEUE_FIRST
		queue_object(n);
#endif
		d_step { drained -> sb_shared = n + 1 }
#ifndef QUEUE_FIRST
		queue_object(n);
#endif
		n++
	:: else -> break
	od
}

active proctype tick()
{
	byte number;

end:
#ifdef COOKIE_UNLOCKED
	atomic { open_page -> number = started + NEXT }
	if
	:: atomic { !record_lock && open_page -> record_lock = 1 }
	:: atomic { !record_lock && !open_page -> number = 0; goto end }
	fi;
#else
	atomic { !record_lock && open_page -> record_lock = 1 }
	number = started + NEXT;
#endif
	d_step { close_page(number); number = 0; record_lock = 0 }
	goto end
}

/* ------------------------------------------------------------------ */

/* Whoever closes the list holds domain.lock; of two closers one goes first. */
bit domain_lock;

inline close_emergency()
{
	atomic { !domain_lock -> domain_lock = 1 }
#ifdef CHAIN_COOKIE_FIRST
	if
	:: !chain -> with = started + NEXT
	:: else
	fi;
	if
	:: !chain -> d_step { chain = emergency; emergency = 0; chain_cookie = with }
#else
	if
	:: !chain ->
		d_step { taken = emergency; emergency = 0 }
		d_step { chain = taken; chain_cookie = started + NEXT }
#endif
#ifdef CHAIN_ADDS
	:: chain -> d_step { chain = chain | emergency; emergency = 0 }
#endif
	:: else
	fi;
	d_step { domain_lock = 0; taken = 0; with = 0 }
}

#define wanted								\
	((emergency && !chain) || (chain && !reached(completed, chain_cookie)) ||	\
	 (nr_closed && !reached(completed, cookie[nr_closed - 1])))

active proctype runner()
{
	byte taken, with, number;

end:
	atomic {
		if
		:: wanted && !running -> running = 1
		:: extra && !running -> running = 1; extra--
		fi
	}
#ifdef EMERGENCY_LATE
	with = started + NEXT;
#else
	close_emergency();
#endif
#ifdef START_NO_BARRIER
	d_step { sb_started = 1; number = started + 1 }
#else
	d_step { started++; number = started }
#endif
#ifdef COMPLETED_EARLY
	completed = number;
#endif
#ifndef WITHOUT_WAITING
	waited_for = inside;
#endif
#ifdef EMERGENCY_LATE
	d_step {
		!domain_lock ->
		if
		:: !chain ->
			chain = emergency;
			emergency = 0;
			chain_cookie = with
		:: else
		fi;
		with = 0
	}
#endif
	waited_for == 0;
	d_step { !sb_started -> completed = number; number = 0; running = 0 }
	goto end
}

/* A barrier, as far as it closes the list. */
active proctype closer()
{
	byte taken, with;

	close_emergency()
}

/* ------------------------------------------------------------------ */

inline free_set(set)
{
	assert(!(freed & (set)));
	/* What the free function reads in the objects. */
	assert((contents & (set)) == (wrote & (set)));
	freed = freed | (set)
}

#ifdef COMPLETED_RELAXED
#define look_early	contents = used
#define look_late	skip
#else
#define look_early	skip
#define look_late	contents = used
#endif

active proctype worker()
{
	byte contents, over = FIRST, i;

end:
	do
	:: nr_closed && !reached(over, cookie[0]) ->
		look_early;
		over = completed;
	:: nr_closed && reached(over, cookie[0]) ->
		look_late;
		d_step {
			!record_lock ->
			free_set(closed[0]);
			nr_closed--;
			do
			:: i < nr_closed ->
				closed[i] = closed[i + 1];
				cookie[i] = cookie[i + 1];
				i++
			:: else -> break
			od;
			closed[nr_closed] = 0;
			cookie[nr_closed] = 0;
			i = 0;
			contents = 0
		}
#ifdef CHAIN_FREED_EARLY
	:: d_step { chain && !domain_lock ->
#else
	:: chain && !reached(over, chain_cookie) ->
		over = completed
	:: d_step {
		chain && !domain_lock && reached(over, chain_cookie) ->
#endif
		contents = used;
		free_set(chain);
		chain = 0;
		chain_cookie = 0;
		contents = 0
	   }
	od
}

active proctype quiet()
{
	timeout;
	assert(freed == ALL)
}

init
{
	atomic {
		run reader(0);
#if NR_READERS > 1
		run reader(1)
#endif
	}
}
