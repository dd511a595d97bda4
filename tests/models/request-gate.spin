/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * request-gate.spin - the gates of tick and kick
 *
 * Two producers make raw calls. One appends to its record; the call that closes a full
 * page kicks, the call that opens one arms the tick. The other pushes to the
 * emergency list, which arms the tick and kicks each time. The budget is one page, or
 * one object of the list. The timer thread serves the timers, a worker serves
 * the tick, the grace-period thread runs grace periods, and NR_HELPS times a clean
 * caller or a barrier runs one at any moment.
 *
 * A gate is a counter, even while it is open. A request publishes its state, reads
 * the gate by a read-modify-write, and if it is open arms the timer and then
 * closes it by compare-and-exchange from what it read. A service moves it to the next
 * even number, then looks at the state. The tick gate is opened by the timer thread. The
 * kick gate is opened by whoever begins a grace period, before it takes what is
 * `uncovered`; and by the timer thread if it finds the budget not full.
 *
 * Memory. What a producer publishes (the unlock of its record, its push, what it adds
 * to `uncovered`) sits in its store buffer until the machine flushes it at some
 * later moment. A read-modify-write of a gate is a full barrier, which waits for
 * that, unless a switch takes the barrier away. The runner's opening of the kick gate
 * may sit in a buffer likewise.
 *
 * Time. A timer expires at any moment after it was armed. The tick does so
 * NR_EARLY times on its own; after that only when nothing else can happen,
 * which is when the model looks whether a kick was lost.
 *
 * Faults. With NR_FAULTS, arming fails that many times, at any place. With
 * LATE_START the timers do not exist at first; a starter makes them and queues the
 * tick's service. (A kick may be lost to a fault; the tick covers it.) With PARKED the
 * pusher may be stopped for ever at any point of a request.
 *
 * The grace-period thread looks at the budget again when it is done, for pages that
 * clean callers closed meanwhile. No kick depends on that: with NO_RECHECK it does
 * not, and the model must pass all the same.
 *
 * Properties, when everything is quiet:
 *  - nothing is pending, but for what a stopped thread did not ask for (after
 *    a fault: or the gate is open, so that the next call arms the timer);
 *  - no gate is left closed, for nobody would open it;
 *  - before the tick expires: the budget is not full.
 * No process is stuck (an invalid end state).
 *
 * Switches, each of which must make the model fail:
 *  SET_NO_BARRIER	a gate may be read before what is published is visible
 *  SET_BEFORE_PUBLISH	the request is made before the publication
 *  CLOSE_BY_STORE	the gate is closed by a store, not from what was read
 *  FLAG_GATE		the gate is a flag: a service does not change an open one
 *  CLOSE_FIRST		the gate is closed before the timer is armed (PARKED)
 *  TICK_OPEN_LATE	the tick gate is opened after the service was queued
 *  KICK_OPEN_LATE	the kick gate is opened after `uncovered` was taken
 *			(NO_RECHECK)
 *  KICK_OPEN_NO_BARRIER	the same by a delayed store (NO_RECHECK)
 *  KICK_KEEPS_GATE	a kick that finds the budget not full leaves the gate closed
 *  KICK_LOOKS_ONCE	it opens the gate and does not look again
 *  READ_LATE		the timerfd is read after its gate was opened
 *			(NR_EARLY=2)
 *  SKIP_NO_ARM		a tick that leaves a locked record does not arm the next
 *			(LIMIT=2)
 *  FAIL_CLOSES_GATE	arming fails and the gate is closed (NR_FAULTS=1)
 */

#ifndef NR_APPENDS
#define NR_APPENDS	2
#endif
#ifndef NR_PUSHES
#define NR_PUSHES	0
#endif
#ifndef NR_HELPS
#define NR_HELPS	1
#endif
#ifndef NR_FAULTS
#define NR_FAULTS	0
#endif
#ifndef NR_EARLY
#define NR_EARLY	1
#endif
#ifndef LIMIT
#define LIMIT		1		/* objects in a page */
#endif

/* The record and the list. */
bit record_lock;
byte open_objects;		/* objects in the open page */
byte closed;			/* closed pages that no grace period covers */
byte covered;			/* closed pages that the running one covers */
byte emergency;			/* objects on the list */

byte uncovered;			/* in budgets */
#define over_budget	(uncovered != 0)

/* Store buffers: set while the store has not reached memory. */
bit sb_unlock, sb_push, sb_kick_open;
byte sb_closed, sb_pushed;	/* what is being added to uncovered */

#ifdef FLAG_GATE
#define opened(gate)	(gate & 14)
#else
#define opened(gate)	(((gate | 1) + 1) & 15)	/* wraps: fewer states */
#endif

byte tick_gate, kick_gate;	/* even: open */
bit tick_armed, tick_readable, kick_armed, kick_readable;
#ifdef LATE_START
bit started;
#else
#define started	1
#endif

bit tick_work, gp_work, running;

byte faults = NR_FAULTS;
byte early = NR_EARLY;
bit faulted, stopped;

/* What the machine and the kernel do by themselves. */
active proctype machine()
{
end:
	do
	:: d_step { sb_unlock && !sb_closed -> sb_unlock = 0; record_lock = 0 }
	:: d_step {
		sb_closed ->
		uncovered = uncovered + sb_closed;
		sb_closed = 0
	   }
	:: d_step { sb_push -> sb_push = 0; emergency++ }
	:: d_step {
		sb_pushed && !sb_push ->
		uncovered = uncovered + sb_pushed;
		sb_pushed = 0
	   }
#ifdef KICK_OPEN_NO_BARRIER
	:: d_step {
		sb_kick_open -> sb_kick_open = 0;
		kick_gate = opened(kick_gate)
	   }
#endif
	:: d_step { kick_armed -> kick_armed = 0; kick_readable = 1 }
	:: d_step {
		tick_armed && early ->
		early--;
		tick_armed = 0;
		tick_readable = 1
	   }
	od
}

#ifdef PARKED
#define maybe_stop(who)							\
	if								\
	:: who && !stopped -> stopped = 1; goto end_stopped		\
	:: true								\
	fi
/* Where a thread is stopped for ever. */
#define STOPPED								\
	goto gone;							\
end_stopped:								\
	false;								\
gone:									\
	skip
#else
#define maybe_stop(who)	skip
#define STOPPED	skip
#endif

/*
 * A request. @visible: the caller's publication has reached memory; a full
 * barrier waits for it. Arming is timerfd_settime(), which forgets an expiry that
 * was not read, and may fail.
 */
inline request(gate, armed, readable, visible, stoppable)
{
	atomic { visible -> seen = gate }
	if
	:: seen & 1
	:: !(seen & 1) ->
		maybe_stop(stoppable);
#ifdef CLOSE_FIRST
		gate = seen | 1;
		maybe_stop(stoppable);
#endif
		atomic {
			if
			:: started -> armed = 1; readable = 0; ok = 1
			:: !started -> ok = 0
			:: faults -> faults--; faulted = 1; ok = 0
			fi
		}
		maybe_stop(stoppable);
#if defined(FAIL_CLOSES_GATE)
		ok = 1;
#endif
		d_step {
			if
#ifdef CLOSE_BY_STORE
			:: ok -> gate = seen | 1
#else
			:: ok && gate == seen -> gate = seen | 1
#endif
#ifdef CLOSE_FIRST
			:: !ok -> gate = seen
#endif
			:: else
			fi;
			seen = 0;
			ok = 0
		}
	fi;
	seen = 0
}

#define kick(visible, stoppable)					\
	request(kick_gate, kick_armed, kick_readable, visible, stoppable)
#define tick(visible, stoppable)					\
	request(tick_gate, tick_armed, tick_readable, visible, stoppable)

#ifdef SET_NO_BARRIER
#define owner_visible	true
#define pusher_visible	true
#else
#define owner_visible	(!sb_unlock && !sb_closed)
#define pusher_visible	(!sb_push && !sb_pushed)
#endif

/* Appends to its record. */
active proctype owner()
{
	byte n, seen;
	bit ok, fresh, retired;

	do
	:: n < NR_APPENDS ->
#ifdef SET_BEFORE_PUBLISH
		tick(owner_visible, false);
#endif
		d_step { !record_lock && !sb_unlock && !sb_closed ->
			n++;
			record_lock = 1;
			retired = (open_objects == LIMIT);
			closed = closed + retired;
			sb_closed = retired;
			fresh = (open_objects == 0 || retired);
			open_objects = (retired -> 1 : open_objects + 1)
		}
		sb_unlock = 1;
		if
		:: retired && (uncovered + sb_closed) ->
			kick(owner_visible, false)
		:: else
		fi;
#ifndef SET_BEFORE_PUBLISH
		if
		:: fresh -> tick(owner_visible, false)
		:: else
		fi;
#endif
		d_step { fresh = 0; retired = 0 }
	:: else -> break
	od;
	STOPPED
}

/* Pushes to the emergency list. */
active proctype pusher()
{
	byte n, seen;
	bit ok;

	do
	:: n < NR_PUSHES ->
#ifdef SET_BEFORE_PUBLISH
		tick(pusher_visible, true);
#endif
		d_step { !sb_push && !sb_pushed -> sb_push = 1; n++ }
		maybe_stop(true);
		sb_pushed = 1;
#ifndef SET_BEFORE_PUBLISH
		tick(pusher_visible, true);
#endif
		if
		:: uncovered + sb_pushed -> kick(pusher_visible, true)
		:: else
		fi
	:: else -> break
	od;
	STOPPED
}

active proctype timer()
{
end:
	do
	:: tick_readable ->
#ifdef READ_LATE
		tick_gate = opened(tick_gate);
		tick_readable = 0;
		tick_work = 1
#elif defined(TICK_OPEN_LATE)
		tick_readable = 0;
		tick_work = 1;
		tick_gate = opened(tick_gate)
#else
		tick_readable = 0;
		tick_gate = opened(tick_gate);
		tick_work = 1
#endif
	:: kick_readable ->
		kick_readable = 0;
		if
		:: over_budget -> gp_work = 1
		:: else ->
#ifndef KICK_KEEPS_GATE
			kick_gate = opened(kick_gate);
#ifndef KICK_LOOKS_ONCE
			if
			:: over_budget -> gp_work = 1
			:: else
			fi
#endif
#else
			skip
#endif
		fi
	od
}

/* The tick's service, on the pool. */
active proctype worker()
{
	byte seen;
	bit ok, left, listed;

end:
	atomic { tick_work -> tick_work = 0; listed = (emergency != 0) }
	d_step {
		if
		:: record_lock ->
#ifndef SKIP_NO_ARM
			left = 1
#endif
		:: else ->
			if
			:: open_objects ->
				open_objects = 0;
				closed++;
				uncovered++
			:: else
			fi;
			left = (closed + covered != 0)
		fi
	}
	if
	:: listed || uncovered -> gp_work = 1
	:: else
	fi;
	if
	:: left || listed -> tick(true, false)
	:: else
	fi;
	d_step { left = 0; listed = 0 }
	goto end;
	STOPPED
}

/* One grace period. Caller has set running. */
inline run_grace_period()
{
#ifdef KICK_OPEN_NO_BARRIER
	sb_kick_open = 1;
#elif !defined(KICK_OPEN_LATE)
	kick_gate = opened(kick_gate);
#endif
	uncovered = 0;
	listed = emergency;
	d_step { emergency = emergency - listed };
#ifdef KICK_OPEN_LATE
	kick_gate = opened(kick_gate);
#endif
	/* The number moves. */
	d_step { covered = covered + closed; closed = 0 }
	d_step { covered = 0; listed = 0; running = 0 }
}

/* What was asked for before an item runs is covered by what it runs, or by one that
 * began meanwhile: so it may as well run one. */
active proctype gp_thread()
{
	byte listed;

end:
	atomic { gp_work && !running -> gp_work = 0; running = 1 }
	run_grace_period();
#ifndef NO_RECHECK
	if
	:: over_budget -> gp_work = 1
	:: else
	fi;
#endif
	goto end
}

active proctype helper()
{
	byte n, listed;

	do
	:: atomic { n < NR_HELPS && !running -> running = 1; n++ }
	   run_grace_period()
	:: n < NR_HELPS -> n++		/* or it does not come */
	:: n == NR_HELPS -> break
	od
}

#ifdef LATE_START
active proctype starter()
{
	started = 1;
	tick_work = 1
}
#endif

active proctype quiet()
{
	do
	:: timeout ->
#ifndef LATE_START
		assert(!over_budget || faulted || stopped);
#endif
		if
		:: tick_armed -> d_step { tick_armed = 0; tick_readable = 1 }
		:: else -> break
		fi
	od;
	assert(!(open_objects || closed || covered) || faulted);
	assert(!emergency || faulted || stopped);
	assert(!(tick_gate & 1) && !(kick_gate & 1))
}
