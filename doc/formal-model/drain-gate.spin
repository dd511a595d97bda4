/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * drain-gate.spin - the tick and kick gates
 *
 * Two producers: one appends to its record, the other pushes to the emergency
 * list. Each sets a gate with an exchange and arms a timerfd when the
 * gate was open. The timer thread serves the timers, NR_WORKERS workers drain.
 * The tick drains everything, a kick full pages and the emergency list.
 *
 * Memory. What a producer publishes (the unlock of its record, its push) sits
 * in its store buffer until the machine flushes it at some later moment. A full
 * barrier waits for that; an exchange is one, unless a switch takes the
 * barrier away. A worker's opening of the kick gate may sit in a buffer likewise.
 *
 * Time. A timer expires at any moment after it was armed. The tick does so
 * NR_EARLY times on its own; after that only when nothing else can happen,
 * which is when the model looks whether a kick was lost.
 *
 * Faults. With NR_FAULTS, arming fails that many times, at any place. With
 * LATE_START the timers do not exist at first; a starter makes them, asks for a
 * drain and arms the tick whatever its gate says: a call that found no timer
 * is about to open the gate, and others may trust it meanwhile. (A kick may be lost
 * like that; the tick covers it.)
 *
 * Properties, when everything is quiet:
 *  - nothing is pending (after a fault: or the gate is open, so that the
 *    next call arms the timer);
 *  - no gate is left closed, for nobody would open it;
 *  - before the tick expires: no kick_pages full pages wait, unless the drain
 *    found the record's lock held.
 * No process is stuck (an invalid end state).
 *
 * Switches, each of which must make the model fail:
 *  SET_NO_BARRIER	a request may be set before what it publishes is visible
 *  SET_BEFORE_PUBLISH	the request is made before the publication
 *  TICK_OPEN_LATE	the tick gate is opened after the drain was asked for
 *  KICK_OPEN_LATE	the kick gate is opened after the collection
 *  KICK_OPEN_NO_BARRIER	the same by a delayed store
 *  READ_LATE		the timerfd is read after its gate was opened
 *  SKIP_NO_ARM		a drain that leaves a locked record does not arm the tick
 *  REQUEST_NO_FLAGS	a put-off drain forgets that it was for everything
 *  REQUEST_LOST		the end of a phase does not look for requests
 *  FAIL_KEEPS_GATE	arming fails and leaves the gate closed (NR_FAULTS=1)
 *  START_NO_ARM		the start leaves the tick to its gate (LATE_START)
 */

#ifndef NR_APPENDS
#define NR_APPENDS	3
#endif
#ifndef NR_PUSHES
#define NR_PUSHES	2
#endif
#ifndef NR_WORKERS
#define NR_WORKERS	2
#endif
#ifndef NR_FAULTS
#define NR_FAULTS	0
#endif
#ifndef NR_EARLY
#define NR_EARLY	2
#endif
#define KICK_PAGES	1
#define RECORDS		2		/* objects in a page */

#define FULL		1
#define ALL		2

/* The producers' publications. */
bit record_lock;
byte cur;			/* objects in the current page */
byte full_pages;			/* full pages */
byte emergency;			/* objects on the list */
short nr_full;			/* the counter that producers compare */

/* Store buffers: set while the store has not reached memory. */
bit sb_unlock, sb_push;
bit sb_kick_open;

bit tick_gate, kick_gate;
bit tick_armed, tick_readable, kick_armed, kick_readable;
#ifdef LATE_START
bit started;
#else
#define started	1
#endif

bit collecting, work;
byte requested;

byte faults = NR_FAULTS;
byte early = NR_EARLY;
bit faulted, skipped;

#define pending	(cur || full_pages || emergency)

/* What the machine and the kernel do by themselves. */
active proctype machine()
{
end:
	do
	:: d_step { sb_unlock -> sb_unlock = 0; record_lock = 0 }
	:: d_step { sb_push -> sb_push = 0; emergency++ }
#ifdef KICK_OPEN_NO_BARRIER
	:: d_step { sb_kick_open -> sb_kick_open = 0; kick_gate = 0 }
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

/* timerfd_settime(): forgets an expiry that was not read. May fail. */
#define ARMED		0
#define NO_TIMER	1
#define FAILED		2

inline arm(armed, readable, result)
{
	d_step {
		if
		:: started && !fail -> armed = 1; readable = 0; result = ARMED
		:: !started -> result = NO_TIMER
		:: else -> faults--; faulted = 1; result = FAILED
		fi;
		fail = 0
	}
}

/*
 * A request: close the gate, arm the timer if it was open. @visible: the
 * caller's publication has reached memory; a full barrier waits for it.
 */
inline request(gate, armed, readable, visible)
{
	if
	:: visible && gate
	:: atomic {
		visible && !gate -> gate = 1;
		if
		:: fail = 0
		:: faults -> fail = 1
		fi
	   }
	   arm(armed, readable, result);
	   if
	   :: result == ARMED
	   :: else ->
#ifndef FAIL_KEEPS_GATE
		gate = 0;
#endif
		result = ARMED
	   fi
	fi
}

#ifdef SET_NO_BARRIER
#define unlock_visible	true
#define push_visible	true
#else
#define unlock_visible	(!sb_unlock)
#define push_visible	(!sb_push)
#endif

/* Appends to its record. A page in use asks for the tick, a full one to kick. */
active proctype owner()
{
	byte n, result;
	bit fail, fresh, retired;

	do
	:: n < NR_APPENDS ->
#ifdef SET_BEFORE_PUBLISH
		request(tick_gate, tick_armed, tick_readable, unlock_visible);
#endif
		d_step { !record_lock && !sb_unlock ->
			n++;
			record_lock = 1;
			retired = (cur == RECORDS);
			full_pages = full_pages + retired;
			fresh = (cur == 0 || retired);
			cur = (retired -> 1 : cur + 1)
		}
		sb_unlock = 1;
		if
		:: retired ->
			d_step { unlock_visible -> nr_full++; retired = 0 }
			if
			:: nr_full >= KICK_PAGES ->
				request(kick_gate, kick_armed, kick_readable,
					unlock_visible)
			:: else
			fi
		:: else
		fi;
#ifndef SET_BEFORE_PUBLISH
		if
		:: fresh ->
			request(tick_gate, tick_armed, tick_readable,
				unlock_visible)
		:: else
		fi;
#endif
		fresh = 0
	:: else -> break
	od
}

/* Pushes to the emergency list. */
active proctype pusher()
{
	byte n, result;
	bit fail;

	do
	:: n < NR_PUSHES ->
#ifdef SET_BEFORE_PUBLISH
		request(tick_gate, tick_armed, tick_readable, push_visible);
#endif
		d_step { !sb_push -> sb_push = 1; n++ }
#ifndef SET_BEFORE_PUBLISH
		request(tick_gate, tick_armed, tick_readable, push_visible)
#endif
	:: else -> break
	od
}

/* Caller is in an atomic step. */
inline drain_request(flag)
{
	requested = requested | (flag);
	work = 1
}

active proctype timer()
{
end:
	do
	:: tick_readable ->
#ifdef READ_LATE
		tick_gate = 0;
		tick_readable = 0;
		d_step { drain_request(ALL) }
#elif defined(TICK_OPEN_LATE)
		tick_readable = 0;
		d_step { drain_request(ALL) }
		tick_gate = 0
#else
		tick_readable = 0;
		tick_gate = 0;
		d_step { drain_request(ALL) }
#endif
	:: kick_readable ->
		kick_readable = 0;
		d_step {
			if
			:: kick_gate -> drain_request(FULL)
			:: else
			fi
		}
	od
}

active [NR_WORKERS] proctype worker()
{
	byte how, result;
	bit fail, unfinished;

end:
	atomic {
		work -> work = 0;
		if
		:: requested && !collecting ->
			how = requested;
			requested = 0;
			collecting = 1
#ifdef REQUEST_NO_FLAGS
		:: requested && collecting -> requested = FULL; goto end
#endif
		:: else -> goto end
		fi
	}
#ifdef KICK_OPEN_NO_BARRIER
	sb_kick_open = 1;
#elif !defined(KICK_OPEN_LATE)
	kick_gate = 0;
#endif
	d_step {
		if
		:: record_lock ->
			unfinished = 1;
			skipped = 1
		:: else ->
			nr_full = nr_full - full_pages;
			full_pages = 0;
			if
			:: how & ALL -> cur = 0
			:: else
			fi;
			skipped = 0
		fi
	}
	emergency = 0;
#ifdef KICK_OPEN_LATE
	kick_gate = 0;
#endif
	d_step {
		collecting = 0;
#ifndef REQUEST_LOST
		if
		:: requested -> work = 1
		:: else
		fi;
#endif
		how = 0
	}
	if
	:: unfinished ->
		unfinished = 0;
#ifndef SKIP_NO_ARM
		request(tick_gate, tick_armed, tick_readable, true)
#endif
	:: else
	fi;
	goto end
}

#ifdef LATE_START
active proctype starter()
{
	started = 1;
	d_step { drain_request(ALL) }
#ifndef START_NO_ARM
	tick_gate = 1;
	d_step { tick_armed = 1; tick_readable = 0 }
#endif
}
#endif

active proctype quiet()
{
	do
	:: timeout ->
#ifndef LATE_START
		assert(full_pages < KICK_PAGES || skipped || faulted);
#endif
		if
		:: tick_armed -> d_step { tick_armed = 0; tick_readable = 1 }
		:: else -> break
		fi
	od;
	assert(!pending || faulted);
	assert(!tick_gate && !kick_gate)
}
