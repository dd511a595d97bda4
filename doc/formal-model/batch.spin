/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * batch.spin - collect, grace period, free, with two batches in flight
 *
 * An updater replaces the object that a shared pointer names NR_OBJ times and
 * queues the old one: on either of two channels (a page of its record each) or
 * on the emergency list. NR_READERS readers load the pointer inside a
 * read-side section and use the object until the section ends, NR_SECTIONS
 * times each. Two workers run drains: one batch at a time collects and waits
 * for its grace period, another may be freed meanwhile.
 *
 * Memory. The updater's store to the shared pointer sits in its store buffer
 * until it is flushed. What publishes the queued object (the unlock of the
 * record, the push) is a release and waits for that. Readers' sections and the grace
 * period are liburcu's and taken to be right: the grace period waits for every
 * section that is open when it begins.
 *
 * Properties:
 *  - no reader uses an object that was freed;
 *  - no object is freed twice;
 *  - a page is not filled while a batch has it;
 *  - when everything is quiet, every replaced object is freed; nobody waits for
 *    ever (an invalid end state).
 *
 * Switches, each of which must make the model fail:
 *  LATE_CHANNEL		a channel is collected after the grace period began
 *  LATE_EMERGENCY	the emergency list is
 *  LEAVE_CURRENT	the page being filled is collected but stays in use
 *  RELAXED_QUEUE	the queueing may overtake the unlinking
 *  QUEUE_FIRST		the caller queues before it unlinks (its error, not ours)
 *  NO_GRACE_PERIOD	a batch is freed at once
 *  JOIN_BATCH		a second drain adds to the batch that waits
 *  ONE_SLOT		a batch begins where the last is not freed yet
 *  REQUEST_LOST		the end of a phase does not look for requests
 *  RECYCLE_EARLY	pages go back to the cache before they are freed
 */

#ifndef NR_OBJ
#define NR_OBJ		3
#endif
#ifndef NR_READERS
#define NR_READERS	2
#endif
#ifndef NR_SECTIONS
#define NR_SECTIONS	1
#endif
#define NR_WORKERS	2
#define NR_PAGES	2
#define NR_SLOTS	2
#define NONE		NR_PAGES
#define OBJ(n)		(1 << (n))

byte shared = 0;		/* number of the object that readers find */
byte sb_shared = 255;		/* the updater's store buffer; 255: empty */

/* The record. A page is the set of its objects. */
byte page[NR_PAGES + 1];
byte current[2] = NONE;
byte cache = (1 << NR_PAGES) - 1;
byte emergency;

/* Batches, under domain.lock but for what they hold. */
byte batch_page[4] = NONE;	/* [2 * slot + channel] */
byte batch_emergency[NR_SLOTS];
bit slot[NR_SLOTS];
bit collecting, requested, work;

/* Readers: sets by number. */
byte inside, waited_for;

byte freed;			/* ghost: set of objects */

active proctype machine()
{
end:
	do
	:: d_step { sb_shared != 255 -> shared = sb_shared; sb_shared = 255 }
	od
}

proctype reader(byte me)
{
	byte n, obj;

	do
	:: n < NR_SECTIONS ->
		n++;
		inside = inside | (1 << me);
		obj = shared;
		assert(!(freed & OBJ(obj)));
		/* Uses it; the section ends at any later moment. */
		d_step {
			assert(!(freed & OBJ(obj)));
			inside = inside & ~(1 << me);
			waited_for = waited_for & ~(1 << me);
			obj = 0
		}
	:: else -> break
	od
}

#ifdef RELAXED_QUEUE
#define release	true
#else
#define release	(sb_shared == 255)
#endif

/* Caller is in an atomic step: the record's lock, or the push. */
inline append(channel, obj)
{
	if
	:: current[channel] == NONE && cache ->
		/* the lower of the two that is in the cache */
		current[channel] = (cache & 1 -> 0 : 1);
		cache = cache & (cache - 1);
		assert(page[current[channel]] == 0)
	:: else
	fi;
	if
	:: current[channel] != NONE ->
		page[current[channel]] = page[current[channel]] | OBJ(obj)
	:: else ->
		emergency = emergency | OBJ(obj)
	fi
}

inline queue_object(obj)
{
	atomic {
		release ->
		if
		:: true -> append(0, obj)
		:: true -> append(1, obj)
		:: emergency = emergency | OBJ(obj)
		fi;
		requested = 1;
		work = 1
	}
}

active proctype updater()
{
	byte n;

	do
	:: n < NR_OBJ ->
#ifdef QUEUE_FIRST
		queue_object(n);
#endif
		d_step { sb_shared == 255 -> sb_shared = n + 1 }
#ifndef QUEUE_FIRST
		queue_object(n);
#endif
		n++
	:: else -> break
	od
}

inline collect_channel(mine, channel)
{
	d_step {
		if
		:: batch_page[2 * mine + channel] == NONE ->
			batch_page[2 * mine + channel] = current[channel];
#ifndef LEAVE_CURRENT
			current[channel] = NONE
#endif
		:: else
#ifdef JOIN_BATCH
			-> page[batch_page[2 * mine + channel]] =
				page[batch_page[2 * mine + channel]] |
				page[current[channel]];
			page[current[channel]] = 0;
			current[channel] = NONE
#endif
		fi
	}
}

inline collect_emergency(mine)
{
	d_step {
		batch_emergency[mine] = batch_emergency[mine] | emergency;
		emergency = 0
	}
}

inline free_set(set)
{
	assert(!(freed & set));
	freed = freed | set;
	set = 0
}

inline free_page(mine, channel)
{
	d_step {
		if
		:: batch_page[2 * mine + channel] != NONE ->
			free_set(page[batch_page[2 * mine + channel]]);
			cache = cache | (1 << batch_page[2 * mine + channel]);
			batch_page[2 * mine + channel] = NONE
		:: else
		fi
	}
}

inline queue_again()
{
#ifndef REQUEST_LOST
	if
	:: requested -> work = 1
	:: else
	fi
#else
	skip
#endif
}

active [NR_WORKERS] proctype worker()
{
	bit mine;

end:
	atomic {
		work -> work = 0;
		if
#ifdef ONE_SLOT
		:: requested && !collecting -> mine = 0
#else
		:: requested && !collecting && !(slot[0] && slot[1]) ->
			mine = slot[0]
#endif
#ifdef JOIN_BATCH
		:: requested && collecting ->
			requested = 0;
			mine = !slot[0];
			collect_channel(mine, 0);
			collect_channel(mine, 1);
			collect_emergency(mine);
			mine = 0;
			goto end
#endif
		:: else -> goto end
		fi;
		requested = 0;
		slot[mine] = 1;
		collecting = 1
	}
	collect_channel(mine, 0);
#ifndef LATE_CHANNEL
	collect_channel(mine, 1);
#endif
#ifndef LATE_EMERGENCY
	collect_emergency(mine);
#endif
#ifndef NO_GRACE_PERIOD
	waited_for = inside;
#endif
#ifdef LATE_CHANNEL
	collect_channel(mine, 1);
#endif
#ifdef LATE_EMERGENCY
	collect_emergency(mine);
#endif
	d_step {
		waited_for == 0 ->
		collecting = 0;
		queue_again()
	}
#ifdef RECYCLE_EARLY
	d_step {
		if
		:: batch_page[2 * mine] != NONE ->
			cache = cache | (1 << batch_page[2 * mine])
		:: else
		fi
	}
#endif
	free_page(mine, 0);
	free_page(mine, 1);
	d_step {
		free_set(batch_emergency[mine]);
		slot[mine] = 0;
		mine = 0;
		queue_again()
	}
	goto end
}

active proctype quiet()
{
	timeout;
	assert(freed == (1 << NR_OBJ) - 1)
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
