/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * drain-gate.spin - the tick and kick gates
 *
 * Two producers: one appends to its record, and kicks by a raw or a clean call
 * when pages are full; the other pushes to the emergency list, and kicks by
 * a raw call after each push. The timer thread serves the timers, NR_WORKERS workers
 * drain. The tick drains everything, a kick full pages and the emergency list.
 *
 * A gate is a counter, even while it is open. A request publishes its state, reads
 * the gate by a read-modify-write, and if it is open arms the timer and then
 * closes it by compare-and-exchange from what it read. A service moves it to the next
 * even number, then looks at the state.
 *
 * Memory. What a producer publishes (the unlock of its record, its push) sits
 * in its store buffer until the machine flushes it at some later moment. A
 * read-modify-write of a gate is a full barrier, which waits for that, unless a switch
 * takes the barrier away. A worker's opening of the kick gate may sit in a
 * buffer likewise.
 *
 * Time. A timer expires at any moment after it was armed. The tick does so
 * NR_EARLY times on its own; after that only when nothing else can happen,
 * which is when the model looks whether a kick was lost.
 *
 * Faults. With NR_FAULTS, arming fails that many times, at any place. With
 * LATE_START the timers do not exist at first; a starter makes them and asks for a
 * drain. (A kick may be lost to a fault; the tick covers it.) With PARKED the
 * pusher may be stopped for ever at any point of a request.
 *
 * Properties, when everything is quiet:
 *  - nothing is pending, but for what a stopped thread did not ask for (after
 *    a fault: or the gate is open, so that the next call arms the timer);
 *  - no gate is left closed, for nobody would open it;
 *  - before the tick expires: no kick_pages full pages wait, unless the drain
 *    found the record's lock held.
 * No process is stuck (an invalid end state).
 *
 * Switches, each of which must make the model fail:
 *  SET_NO_BARRIER	a gate may be read before what is published is visible
 *  SET_BEFORE_PUBLISH	the request is made before the publication
 *  CLOSE_BY_STORE	the gate is closed by a store, not from what was read
 *  FLAG_GATE		the gate is a flag: a service does not change an open one
 *  CLOSE_FIRST		the gate is closed before the timer is armed (PARKED)
 *  KICKED_FIRST		the domain's kicked is set before the gate is read
 *  TICK_OPEN_LATE	the tick gate is opened after the drain was asked for
 *  KICK_OPEN_LATE	the kick gate is opened after the collection
 *  KICK_OPEN_NO_BARRIER	the same by a delayed store
 *  READ_LATE		the timerfd is read after its gate was opened
 *			(NR_EARLY=2)
 *  SKIP_NO_ARM		a drain that leaves a locked record does not arm the tick
 *			(NR_EARLY=2)
 *  REQUEST_NO_FLAGS	a put-off drain forgets that it was for everything
 *  REQUEST_LOST		the end of a phase does not look for requests
 *  FAIL_CLOSES_GATE	arming fails and the gate is closed (NR_FAULTS=1)
 */

#ifndef NR_APPENDS
#define NR_APPENDS	3
#endif
#ifndef NR_PUSHES
#define NR_PUSHES	1
#endif
#ifndef NR_WORKERS
#define NR_WORKERS	2
#endif
#ifndef NR_FAULTS
#define NR_FAULTS	0
#endif
#ifndef NR_EARLY
#define NR_EARLY	1
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

/* Store buffers: set while the store has not reached memory. */
bit sb_unlock, sb_push;
bit sb_kick_open;
#ifdef FLAG_GATE
#define opened(gate)	(gate & 254)
#else
#define opened(gate)	((gate | 1) + 1)
#endif

byte tick_gate, kick_gate;	/* even: open */
bit kicked;			/* a kick asks for this domain */
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
bit faulted, skipped, stopped;
bit nothing;

/* What the machine and the kernel do by themselves. */
active proctype machine()
{
end:
	do
	:: d_step { sb_unlock -> sb_unlock = 0; record_lock = 0 }
	:: d_step { sb_push -> sb_push = 0; emergency++ }
#ifdef KICK_OPEN_NO_BARRIER
	:: d_step { sb_kick_open -> sb_kick_open = 0; kick_gate = opened(kick_gate) }
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
	:: who && !stopped -> stopped = 1; goto end_stopped				\
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
 * barrier waits for it. @mark: for a kick, the flag that says whose it is. Arming
 * is timerfd_settime(), which forgets an expiry that was not read, and may fail.
 */
inline request(gate, mark, armed, readable, visible, stoppable)
{
	atomic { visible -> seen = gate }
	if
	:: seen & 1
	:: !(seen & 1) ->
		maybe_stop(stoppable);
		mark = 1;
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

#ifdef KICKED_FIRST
#define kick(visible, stoppable)					\
	kicked = 1;							\
	request(kick_gate, nothing, kick_armed, kick_readable, visible,	\
		stoppable)
#else
#define kick(visible, stoppable)					\
	request(kick_gate, kicked, kick_armed, kick_readable, visible,	\
		stoppable)
#endif
#define tick(visible, stoppable)					\
	request(tick_gate, nothing, tick_armed, tick_readable, visible,	\
		stoppable)

/* Caller is in an atomic step. */
inline drain_request(flag)
{
	requested = requested | (flag);
	work = 1
}

/* A kick from a clean context: no timer, under domain.lock. */
inline drain_kick()
{
	d_step {
		work = (!(requested & FULL) && !collecting -> 1 : work);
		requested = requested | FULL
	}
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
	byte n, seen;
	bit ok, fresh, retired;

	do
	:: n < NR_APPENDS ->
#ifdef SET_BEFORE_PUBLISH
		tick(unlock_visible, false);
#endif
		d_step { !record_lock && !sb_unlock ->
			n++;
			record_lock = 1;
			retired = (cur == RECORDS);
			full_pages = full_pages + retired;
			fresh = (cur == 0 || retired);
			cur = (retired -> 1 : cur + 1);
			retired = (retired && full_pages >= KICK_PAGES)
		}
		sb_unlock = 1;
		if
		:: retired ->
			retired = 0;
			if
			:: kick(unlock_visible, false)
			:: unlock_visible -> drain_kick()
			fi
		:: else
		fi;
#ifndef SET_BEFORE_PUBLISH
		if
		:: fresh -> tick(unlock_visible, false)
		:: else
		fi;
#endif
		fresh = 0
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
		tick(push_visible, true);
#endif
		d_step { !sb_push -> sb_push = 1; n++ }
#ifndef SET_BEFORE_PUBLISH
		tick(push_visible, true);
#endif
		kick(push_visible, true)
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
		d_step { drain_request(ALL) }
#elif defined(TICK_OPEN_LATE)
		tick_readable = 0;
		d_step { drain_request(ALL) }
		tick_gate = opened(tick_gate)
#else
		tick_readable = 0;
		tick_gate = opened(tick_gate);
		d_step { drain_request(ALL) }
#endif
	:: kick_readable ->
		kick_readable = 0;
		atomic {
			if
			:: kicked -> kicked = 0
			:: else -> goto end
			fi
		}
		d_step { drain_request(FULL) }
	od
}

active [NR_WORKERS] proctype worker()
{
	byte how, seen;
	bit ok, unfinished;

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
	kick_gate = opened(kick_gate);
#endif
	d_step {
		if
		:: record_lock ->
			unfinished = 1;
			skipped = 1
		:: else ->
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
	kick_gate = opened(kick_gate);
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
		tick(true, false)
#endif
	:: else
	fi;
	goto end;
	STOPPED
}

#ifdef LATE_START
active proctype starter()
{
	started = 1;
	d_step { drain_request(ALL) }
}
#endif

active proctype quiet()
{
	do
	:: timeout ->
#ifndef LATE_START
		assert(full_pages < KICK_PAGES || skipped || faulted || stopped);
#endif
		if
		:: tick_armed -> d_step { tick_armed = 0; tick_readable = 1 }
		:: else -> break
		fi
	od;
	assert(!(cur || full_pages) || faulted);
	assert(!emergency || faulted || stopped);
	assert(!(tick_gate & 1) && !(kick_gate & 1))
}
