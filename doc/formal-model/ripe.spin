/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * ripe.spin - ripe lists against barrier
 *
 * One record. Its owner appends NR_OBJ objects, each by a raw call or by a
 * clean one, which also takes one victim from the record's ripe list and frees
 * it outside the lock. A tick asks for a drain and for a reap. Two workers run
 * drains: at most two batches at a time, one of them in the collect and
 * grace period phase; after its grace period a batch goes back to the ripe
 * list, or is freed. A worker reaps: it takes the ripe list of an owner
 * that stayed away since the last tick. NR_BARRIERS threads call the barrier
 * once each, at any time.
 *
 * Properties:
 *  - when a barrier returns, every object queued before its call is freed;
 *  - no object is freed twice;
 *  - when everything is quiet, every object is freed: an owner that stays away
 *    strands nothing, and nobody waits for ever (a barrier that does is an
 *    invalid end state).
 *
 * A critical section of the record's lock or of domain.lock is one atomic step
 * here; emergency.spin has the former in detail. A barrier may find the record's lock
 * held NR_MISSES times, at any place; then it leaves the record and tries again
 * with a batch, or a reap, of its own. domain.reap_lock is held
 * over several steps and modelled as such. The grace period is the matter of
 * batch.spin, the gates that of drain-gate.spin.
 *
 * Switches, each of which must make the model fail:
 *  NO_RETRY		barrier does not try a record again that it missed
 *			(NR_MISSES=1)
 *  NO_REAP_LOCK		ripe lists are taken and freed without reap_lock
 *  NO_WAIT_OLDER	barrier does not wait for older batches
 *  RIPE_BEFORE_OLDER	barrier takes ripe lists, then waits for older batches
 *  NO_WAIT_VICTIM	barrier does not wait for the owner's victim
 *  SAMPLE_FIRST		victims are sampled before the ripe lists are taken
 *  COUNT_OUTSIDE	nr_taken is counted after the unlock
 *  FREED_RELAXED	nr_freed may become visible before the free
 *  BATCH_ENDS_EARLY	a batch ends before its pages are handed back or freed
 *  HANDBACK_NO_ARM	handing back does not arm the drain timer
 *  LEAVE_NO_ARM		a reap leaves a ripe list without arming the timer
 *  REQUEST_LOST		the end of a phase does not look for requests
 */

#ifndef NR_OBJ
#define NR_OBJ		3
#endif
#ifndef NR_BARRIERS
#define NR_BARRIERS	1
#endif
#ifndef NR_WORKERS
#define NR_WORKERS	1
#endif
#ifndef NR_MISSES
#define NR_MISSES	0
#endif
#define ALL		((1 << NR_OBJ) - 1)
#define lowest(set)	((set) & (256 - (set)))

/* The record; all but nr_freed under its lock. */
byte cur;			/* objects in its pages */
byte ripe;			/* objects handed back */
bit clean_seen, was_clean;	/* in this drain period, in the last */
byte nr_taken;
byte nr_freed;

/* The domain, under domain.lock. */
bit collecting;
bit slot[2];			/* a batch is in it */
bit requested;
byte waiters;
byte older[NR_BARRIERS];	/* slots that held a batch at the begin */

bit reap_lock;
bit drain_work, reap_work, tick_armed;

byte calls;			/* barriers called */

byte misses = NR_MISSES;

/* Ghosts: what the properties speak of. */
byte queued, freed;

#define may_begin	(!collecting && !(slot[0] && slot[1]))

inline free_set(set)
{
	d_step {
		assert((freed & (set)) == 0);
		freed = freed | (set);
		set = 0
	}
}

/* The next two: caller is in an atomic step. */
inline begin(mine)
{
	mine = slot[0];
	slot[mine] = 1;
	requested = 0;
	collecting = 1
}

inline queue_again()
{
#ifndef REQUEST_LOST
	if
	:: requested && !waiters && may_begin -> drain_work = 1
	:: else
	fi
#else
	skip
#endif
}

inline collecting_over()
{
	d_step {
		collecting = 0;
		queue_again()
	}
}

inline batch_over(mine)
{
	d_step {
		slot[mine] = 0;
		older[0] = older[0] & ~(1 << mine);
#if NR_BARRIERS > 1
		older[1] = older[1] & ~(1 << mine);
#endif
		mine = 0;
		queue_again()
	}
}

/* Ripe lists are freed under reap_lock. Take is one step with the lock. */
#ifdef NO_REAP_LOCK
#define reap_may_take	true
#else
#define reap_may_take	(!reap_lock)
#endif

active proctype owner()
{
	byte victim;

	do
	:: atomic {
		queued < ALL ->
		cur = cur | (queued + 1);
		queued = queued | (queued + 1);
		tick_armed = 1;
		if
		:: true				/* a raw call */
		:: true ->			/* a clean one */
			clean_seen = 1;
			victim = lowest(ripe);
			ripe = ripe & ~victim;
#ifndef COUNT_OUTSIDE
			nr_taken = nr_taken + (victim != 0)
#endif
		fi
	   }
	   if
	   :: victim ->
#ifdef COUNT_OUTSIDE
		nr_taken++;
#endif
#ifdef FREED_RELAXED
		nr_freed++;
		free_set(victim)
#else
		free_set(victim);
		nr_freed++
#endif
	   :: else
	   fi
	:: else -> break
	od
}

active proctype timer()
{
end:
	do
	:: d_step {
		tick_armed ->
		tick_armed = 0;
		requested = 1;
		drain_work = 1;
		reap_work = 1
	   }
	od
}

active [NR_WORKERS] proctype drain()
{
	byte pages;
	bit mine, handed;

end:
	atomic {
		drain_work -> drain_work = 0;
		if
		:: requested && !waiters && may_begin -> begin(mine)
		:: else -> goto end
		fi
	}
	d_step { pages = cur; cur = 0 }
	/* the grace period is here */
	collecting_over();
#ifdef BATCH_ENDS_EARLY
	batch_over(mine);
#endif
	d_step {
		if
		:: was_clean || clean_seen ->
			handed = (pages != 0);
			ripe = ripe | pages;
			pages = 0
		:: else ->
			free_set(pages)
		fi
	}
	d_step {
#ifndef HANDBACK_NO_ARM
		tick_armed = tick_armed | handed;
#endif
		handed = 0
	}
#ifndef BATCH_ENDS_EARLY
	batch_over(mine);
#endif
	goto end
}

active proctype reap()
{
	byte pages;

end:
	atomic {
		reap_work && reap_may_take ->
		reap_work = 0;
		reap_lock = 1;
		was_clean = clean_seen;
		clean_seen = 0;
		if
		:: !was_clean -> pages = ripe; ripe = 0
#ifndef LEAVE_NO_ARM
		:: was_clean && ripe -> tick_armed = 1
#endif
		:: else
		fi
	}
	d_step { free_set(pages); reap_lock = 0 }
	goto end
}

/* Sets missed if the record's lock was held. */
inline reap_all()
{
	do
	:: atomic {
		reap_may_take -> reap_lock = 1;
		if
		:: pages = ripe; ripe = 0; missed = 0
		:: misses -> misses--; missed = 1
		fi
	   }
	   d_step {
		free_set(pages);
		reap_lock = 0;
		tick_armed = tick_armed | missed
	   }
	   if
#ifndef NO_RETRY
	   :: missed
	   :: !missed -> break
#else
	   :: true -> break
#endif
	   fi
	od
}

proctype barrier(byte me)
{
	byte before, pages, sample;
	bit mine, missed;

	/* The barriers are alike: only one order of their calls is tried. */
	d_step { calls == me -> calls++; before = queued; waiters++ }
	do
	:: d_step {
		may_begin ->
		waiters--;
		begin(mine);
		older[me] = slot[1 - mine] << (1 - mine)
	   }
	   atomic {
		if
		:: pages = cur; cur = 0; missed = 0
		:: misses -> misses--; missed = 1
		fi
	   }
	   /* the grace period is here */
	   collecting_over();
	   d_step {
		free_set(pages);
		tick_armed = tick_armed | missed;
		batch_over(mine)
	   }
	   if
#ifndef NO_RETRY
	   :: missed -> waiters++
	   :: !missed -> break
#else
	   :: true -> break
#endif
	   fi
	od;
#ifdef RIPE_BEFORE_OLDER
	reap_all();
#endif
#ifndef NO_WAIT_OLDER
	older[me] == 0;
#endif
#ifdef SAMPLE_FIRST
	sample = nr_taken;
#endif
#ifndef RIPE_BEFORE_OLDER
	reap_all();
#endif
#ifndef SAMPLE_FIRST
	sample = nr_taken;
#endif
#ifndef NO_WAIT_VICTIM
	nr_freed >= sample;
#endif
	assert((before & ~freed) == 0)
}

/* When nothing else can happen: nothing may be pending. */
active proctype quiet()
{
	timeout;
	assert(queued == freed);
	assert(queued == ALL)
}

init
{
	atomic {
		run barrier(0);
#if NR_BARRIERS > 1
		run barrier(1)
#endif
	}
}
