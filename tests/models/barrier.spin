/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * barrier.spin - barriers against owner, worker, and whoever runs grace periods
 *
 * One record. Its owner appends NR_OBJ objects, each by a raw call or by a clean one;
 * a raw call may find its record's lock held by a handler that it interrupted, and
 * pushes then. A clean call also takes one ripe object and frees it
 * outside the lock, and runs a grace period itself when the budget of one page is full.
 * The tick closes the open page and asks for a grace period and for a
 * reap. The grace-period thread runs what is asked for. A worker takes what
 * is ripe, in pieces of one page, and frees the closed emergency list in pieces of one
 * object. NR_BARRIERS threads call the barrier once each, at any time.
 *
 * Properties:
 *  - when a barrier returns, every object queued before its call is freed;
 *  - no object is freed twice, and none whose cookie is not over;
 *  - when everything is quiet, every object is freed, and nobody waits for
 *    ever (a barrier that does is an invalid end state).
 *
 * A critical section of a record's lock, domain.lock, gp.lock or hands.lock is one
 * atomic step here; emergency.spin has the first in detail. Why a cookie is
 * enough is the matter of cookie.spin, the gates that of request-gate.spin.
 *
 * Switches, each of which must make the model fail:
 *  NO_HANDS_WAIT	barrier does not wait for hands
 *  HANDS_FIRST		it waits for hands, then walks
 *  HAND_LATE		a worker opens its hand after it took the pages
 *  HAND_EARLY		it closes its hand before the frees
 *  NO_WAIT_OWNER	barrier does not wait for what the owner took
 *  SAMPLE_FIRST		it samples the owner's count before it walks
 *  COUNT_OUTSIDE	the owner counts after the unlock
 *  FREED_RELAXED	the owner's count of frees may become visible before the free
 *  COOKIE_FIRST		barrier reads its cookie before it closes the pages
 *  NO_CLOSE		barrier does not close open pages
 *  COMPLETED_AT_CALL	it takes the number that runs for the next one
 *  LEAVE_EMERGENCY	it does not close the emergency list
 *  LEAVE_CHAIN		it does not empty an earlier chain before it closes the list
 *  CHAIN_NOT_MARKED	a part of the chain that a worker has is not marked
 *  WAIT_FOR_RUNNER	it waits for a grace period that nobody runs
 */

#ifndef NR_OBJ
#define NR_OBJ		2
#endif
#ifndef NR_BARRIERS
#define NR_BARRIERS	1
#endif
#define ALL		((1 << NR_OBJ) - 1)
#define lowest(set)	((set) & (256 - (set)))

/* The record; all but nr_freed under its lock. */
byte open_page;			/* set of objects */
byte closed[NR_OBJ], cookie[NR_OBJ], nr_closed;
byte nr_taken, nr_freed;

/* The domain. */
byte emergency;			/* the list */
byte chain, chain_cookie;
bit chain_taken;
byte started, completed;
bit running, uncovered;
bit gp_work, reap_work, tick_armed;

/* Hands, and who waits for them. */
bit hand;			/* the worker's */
byte waits_for;			/* set of barriers that found it open */
bit barrier_hand[2], waits_for_barrier[2];

byte calls;			/* barriers called */

/* Ghosts. */
byte queued, freed;

#define over(with)	(completed >= with)

/* The next few: caller is in an atomic step. */
inline free_set(set)
{
	assert((freed & (set)) == 0);
	freed = freed | (set)
}

inline close_page()
{
	if
	:: open_page ->
		closed[nr_closed] = open_page;
		cookie[nr_closed] = started + 1;
		nr_closed++;
		open_page = 0;
		uncovered = 1
	:: else
	fi
}

inline pop_page()
{
	closed[0] = 0;
	nr_closed--;
	if
	:: nr_closed > 0 ->
		closed[0] = closed[1];
		cookie[0] = cookie[1];
		closed[1] = 0;
		cookie[1] = 0
	:: else -> cookie[0] = 0
	fi
#if NR_OBJ > 2
	;
	if
	:: nr_closed > 1 ->
		closed[1] = closed[2];
		cookie[1] = cookie[2];
		closed[2] = 0;
		cookie[2] = 0
	:: else
	fi
#endif
}

inline close_emergency()
{
	if
	:: !chain && !chain_taken ->
		chain = emergency;
		emergency = 0;
		chain_cookie = (chain -> started + 1 : 0)
	:: else
	fi
}

/* Caller has set running. */
inline run_grace_period()
{
	d_step { uncovered = 0; close_emergency(); started++ }
	/* readers are waited for here */
	d_step { completed = started; running = 0 }
}

active proctype owner()
{
	byte victim;

	do
	:: queued < ALL ->
		if
#ifndef NO_LIST
		:: d_step {		/* the lock is held, or no page */
			emergency = emergency | (queued + 1);
			queued = queued | (queued + 1);
			tick_armed = 1
		   }
#endif
		:: d_step {		/* a raw call */
			close_page();
			open_page = open_page | (queued + 1);
			queued = queued | (queued + 1);
			tick_armed = 1
		   }
		:: d_step {		/* a clean one */
			close_page();
			open_page = open_page | (queued + 1);
			queued = queued | (queued + 1);
			tick_armed = 1;
			if
			:: nr_closed && over(cookie[0]) ->
				victim = lowest(closed[0]);
				closed[0] = closed[0] & ~victim;
				if
				:: !closed[0] -> pop_page()
				:: else
				fi;
#ifndef COUNT_OUTSIDE
				nr_taken++
#endif
			:: else
			fi
		   }
		   if
		   :: victim ->
#ifdef COUNT_OUTSIDE
			nr_taken++;
#endif
#ifdef FREED_RELAXED
			nr_freed++;
			d_step { free_set(victim); victim = 0 }
#else
			d_step { free_set(victim); victim = 0 }
			nr_freed++
#endif
		   :: else
		   fi;
		   /* It helps. */
		   if
		   :: d_step { uncovered && !running -> running = 1 }
			run_grace_period()
		   :: true
		   fi
		fi
	:: else -> break
	od
}

/* The timer thread and the tick's service. While an earlier chain is there, the
 * library asks for grace periods in vain; here it does not, for a finite number
 * of states. */
active proctype tick()
{
end:
	do
	:: d_step {
		tick_armed ->
		tick_armed = 0;
		close_page();
		if
		:: uncovered || (emergency && !chain && !chain_taken) ->
			gp_work = 1
		:: else
		fi;
		if
		:: nr_closed || chain || chain_taken -> reap_work = 1
		:: else
		fi;
		/* Left for a later tick. */
		tick_armed = (emergency || nr_closed || chain || chain_taken)
	   }
	od
}

active proctype gp_thread()
{
end:
	do
	:: d_step { gp_work && !running -> gp_work = 0; running = 1 }
	   run_grace_period();
	   reap_work = 1
	od
}

inline hand_open()
{
	hand = 1
}

inline hand_close()
{
	hand = 0;
	waits_for = 0
}

active proctype worker()
{
	byte pages, part;

end:
	do
	:: d_step {
		reap_work -> reap_work = 0;
#ifndef HAND_LATE
		hand_open()
#endif
	   }
	   d_step {
		if
		:: nr_closed && over(cookie[0]) ->
			pages = closed[0];
			pop_page();
			reap_work = 1
		:: else
		fi
	   }
#ifdef HAND_LATE
	   hand_open();
#endif
#ifdef HAND_EARLY
	   d_step { hand_close() }
#endif
	   if
	   :: pages -> d_step { free_set(pages); pages = 0 }
	   :: else
	   fi;
	   d_step {
		if
		:: chain && over(chain_cookie) ->
			part = chain;
			chain = 0;
#ifndef CHAIN_NOT_MARKED
			chain_taken = 1
#endif
		:: else
		fi
	   }
	   if
	   :: part ->
		d_step {
			free_set(lowest(part));
			part = part & ~lowest(part)
		}
		d_step {
			assert(!chain || !part);
			chain = chain | part;
			reap_work = (part -> 1 : reap_work);
			part = 0;
			chain_taken = 0;
			chain_cookie = (chain -> chain_cookie : 0)
		}
	   :: else
	   fi;
#ifndef HAND_EARLY
	   d_step { hand_close() }
#endif
	od
}

/* ------------------------------------------------------------------ */

/* Until the hands that are open are closed. */
inline hands_wait(me)
{
	d_step {
		waits_for = (hand -> waits_for | (1 << me) : waits_for);
#if NR_BARRIERS > 1
		waits_for_barrier[1 - me] = (barrier_hand[1 - me] ->
			1 : waits_for_barrier[1 - me])
#endif
	}
#if NR_BARRIERS > 1
	!(waits_for & (1 << me)) && !waits_for_barrier[1 - me]
#else
	!(waits_for & (1 << me))
#endif
}

/* Until @with is over: wait for a runner, or be it. */
inline wait_for(with)
{
	do
	:: over(with) -> break
#ifndef WAIT_FOR_RUNNER
	:: d_step { !over(with) && !running -> running = 1 }
	   run_grace_period()
#endif
	od
}

inline hand_close_barrier(me)
{
	barrier_hand[me] = 0;
	waits_for_barrier[me] = 0
}

/* Its hand is open from the look until what it took is free. */
inline reap_chain(me, with)
{
	do
	:: atomic {
		if
		:: chain && chain_cookie <= with ->
			assert(over(chain_cookie));
			part = chain;
			chain = 0;
			chain_taken = 1;
			barrier_hand[me] = 1
		:: else
		fi
	   }
	   if
	   :: part ->
		d_step {
			free_set(part);
			part = 0;
			chain_taken = 0;
			chain_cookie = 0;
			hand_close_barrier(me)
		}
	   :: else
	   fi;
#ifndef NO_HANDS_WAIT
#ifndef HANDS_FIRST
	   hands_wait(me);
#endif
#endif
	   if
	   :: (chain || chain_taken) && chain_cookie <= with
	   :: else -> break
	   fi
	od
}

inline reap_record(me, with)
{
	do
	:: atomic {
		nr_closed && cookie[0] <= with ->
		assert(over(cookie[0]));
		part = closed[0];
		pop_page();
		barrier_hand[me] = 1
	   }
	   d_step { free_set(part); part = 0; hand_close_barrier(me) }
	:: !(nr_closed && cookie[0] <= with) -> break
	od
}

proctype barrier(byte me)
{
	byte before, part, mine, sample;
	bit there;

	/* The barriers are alike: only one order of their calls is tried. */
	d_step {
		calls == me ->
		calls++;
		before = queued;
#ifdef COOKIE_FIRST
		mine = started + 1
#endif
	}
#ifndef NO_CLOSE
	d_step { close_page() }
#endif
#ifndef LEAVE_EMERGENCY
#ifndef LEAVE_CHAIN
	d_step {
		there = chain || chain_taken;
		sample = (there -> chain_cookie : 0);
		close_emergency()
	}
	if
	:: there ->
		wait_for(sample);
		reap_chain(me, sample);
		atomic { close_emergency(); sample = 0; there = 0 }
	:: else
	fi;
#else
	d_step { close_emergency() }
#endif
#endif
#ifndef COOKIE_FIRST
#ifdef COMPLETED_AT_CALL
	mine = started;
#else
	mine = started + 1;
#endif
#endif
	wait_for(mine);
#ifdef HANDS_FIRST
	hands_wait(me);
#endif
#ifdef SAMPLE_FIRST
	sample = nr_taken;
#endif
	reap_record(me, mine);
#ifndef SAMPLE_FIRST
	sample = nr_taken;
#endif
#ifndef NO_WAIT_OWNER
	nr_freed >= sample;
#endif
	sample = 0;
	reap_chain(me, mine);
	assert((before & ~freed) == 0);
	d_step { before = 0; mine = 0 }
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
