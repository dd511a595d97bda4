/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * refill-gate.spin - the refill gates and the back-off
 *
 * Two records with a cache of one page each. Their owners make NR_CALLS calls
 * that need a page; whoever takes the last one, or finds none, sets the
 * record's gate and, unless a back-off is under way, arms the refill timer
 * for now. The timer thread queues the refill work, a worker opens each gate and
 * gives a page. Allocation may fail NR_ALLOC_FAILS times, at any place: the
 * gate is set again, the hold raised, the timer armed for the back-off time. NR_SKIPS
 * times the worker may find a record's lock held and pass it over. With SHRINK, a
 * thread raises the hold at some moment, as urcu_kvfree_shrink() does. With SERVE, the
 * owner of the first record serves its own request now and then, as urcu_kvmalloc() does.
 *
 * Memory. The worker's lowering of the hold is a store that may sit in its
 * store buffer until it is flushed; a sequentially consistent load or an
 * exchange waits for that. The owner's exchange of its gate and its load of
 * the hold happen in this order, unless a switch lets the load go first.
 *
 * Time. An armed timer expires at any moment. The back-off passes at any
 * moment after it began, and has passed when a timer armed for it expires.
 *
 * Faults. With NR_FAULTS, arming fails that many times, at any place.
 *
 * Properties:
 *  - when everything is quiet, each record has a page, unless it was passed
 *    over or there was a fault; no gate is closed, so that the next call that
 *    needs a page asks again, and no hold is raised;
 *  - after a failed allocation the worker tries none before the back-off has passed
 *    (but for a fault: then the next call asks at once; and but for SERVE).
 *
 * Switches, each of which must make the model fail:
 *  HOLD_LOAD_EARLY	the owner's load of the hold goes before its exchange
 *  GATE_LOAD_EARLY	the worker's load of a gate goes before the hold's store
 *  OPEN_LATE		the gate is opened after the record was looked at
 *  FAIL_FORGETS_GATE	a failed allocation leaves the gate open
 *  HOLD_NO_ARM		the hold is raised without arming the timer
 *  HOLD_CUT_SHORT	a request that missed the hold ends it
 *  TWO_AT_ONCE		the refill work may run on two workers at once
 *  FAIL_KEEPS_GATE	arming fails and leaves the gate closed (NR_FAULTS=1)
 *  FAIL_KEEPS_HOLD	arming for the back-off fails, the hold stays (NR_FAULTS=1)
 */

#ifndef NR_CALLS
#define NR_CALLS	2
#endif
#ifndef NR_ALLOC_FAILS
#define NR_ALLOC_FAILS	2
#endif
#ifndef NR_SKIPS
#define NR_SKIPS	0
#endif
#ifndef NR_FAULTS
#define NR_FAULTS	0
#endif
#ifdef TWO_AT_ONCE
#define NR_WORKERS	2
#else
#define NR_WORKERS	1
#endif
#define NR_RECORDS	2

#define NOW		1
#define BACKOFF		2

bit page[NR_RECORDS];		/* under the record's lock: in the cache */
bit gate[NR_RECORDS];
bit hold, sb_lower;		/* sb_lower: its lowering is in the buffer */
bit passed = 1;			/* the end of the hold lies behind */

byte armed;			/* NOW, BACKOFF or 0 */
bit readable, work;

byte alloc_fails = NR_ALLOC_FAILS;
byte faults = NR_FAULTS;
bit faulted;
byte skips = NR_SKIPS;
bit skipped[NR_RECORDS];
bit resting;			/* ghost: an allocation failed, not passed yet */

inline arm(when, ok)
{
	atomic {
		if
		:: armed = when; readable = 0; ok = 1
		:: faults -> faults--; faulted = 1; ok = 0
		fi
	}
}

active proctype machine()
{
end:
	do
	:: d_step { sb_lower -> sb_lower = 0; hold = 0 }
	:: d_step { !passed -> passed = 1; resting = 0 }
	:: d_step {
		armed ->
		if
		:: armed == BACKOFF -> passed = 1; resting = 0
		:: else
		fi;
		armed = 0;
		readable = 1
	   }
	od
}

active [NR_RECORDS] proctype owner()
{
	byte n;
	bit was, held, ok;
	byte me = _pid - 1;

	do
	:: n < NR_CALLS ->
		d_step { page[me] = 0; n++ }
#ifdef HOLD_LOAD_EARLY
		held = hold;
		d_step { was = gate[me]; gate[me] = 1 }
#else
		d_step { was = gate[me]; gate[me] = 1 }
		held = hold;
#endif
		if
		:: !was && !held ->
			arm(NOW, ok);
			if
			:: ok
			:: else ->
#ifndef FAIL_KEEPS_GATE
				gate[me] = 0
#endif
			fi
		:: else
		fi;
		d_step { was = 0; held = 0; ok = 0 }
	:: else -> break
	od
}

active proctype timer()
{
end:
	do
	:: readable -> d_step { readable = 0; work = 1 }
	od
}

/* The timer is armed before the hold is raised, and once more after it. */
inline raise_hold()
{
#ifdef HOLD_NO_ARM
	passed = 0;
	hold = 1
#else
	arm(BACKOFF, ok);
	if
	:: ok ->
		passed = 0;
		hold = 1;
		arm(BACKOFF, ok)
	:: else
	fi;
	if
	:: ok -> ok = 0
	:: else ->
#ifndef FAIL_KEEPS_HOLD
		hold = 0;
		gate[0] = 0;
		gate[1] = 0
#endif
	fi
#endif
}

/* Give record i a page, or fail. */
inline give(failed)
{
	if
	:: d_step { page[i] = 1; skipped[i] = 0 }
	:: d_step { alloc_fails -> alloc_fails--; resting = 1 }
#ifndef FAIL_FORGETS_GATE
		gate[i] = 1;
#endif
		raise_hold();
		failed = 1
	fi
}

active [NR_WORKERS] proctype worker()
{
	byte i;
	bit ok, failed;

end:
	atomic { work -> work = 0 }
	if
	:: hold ->
#ifndef HOLD_CUT_SHORT
		if
		:: !passed ->
			arm(BACKOFF, ok);
			if
			:: ok -> ok = 0; goto end
			:: else
			fi
		:: else
		fi;
#endif
		sb_lower = 1
	:: else
	fi;
	i = 0;
	do
	:: i < NR_RECORDS ->
		if
#ifdef GATE_LOAD_EARLY
		:: !gate[i] -> i++; goto next
		:: gate[i]
#else
		:: !sb_lower && !gate[i] -> i++; goto next
		:: !sb_lower && gate[i]
#endif
		fi;
		!sb_lower;		/* the exchange is a full barrier */
#ifndef OPEN_LATE
		gate[i] = 0;
#endif
		if
		:: d_step { skips -> skips--; skipped[i] = !page[i] }
		:: page[i]
		:: !page[i] ->
#ifndef SERVE
			assert(!resting || faulted);
#endif
			give(failed);
			if
			:: failed -> failed = 0; i = 0; goto end
			:: else
			fi
		fi;
#ifdef OPEN_LATE
		gate[i] = 0;
#endif
		i++;
next:		skip
	:: else -> break
	od;
	goto end
}

#ifdef SERVE
active proctype server()
{
	byte i, n;
	bit ok, failed;

	do
	:: n < NR_CALLS ->
		n++;
		if
		:: hold
		:: !hold ->
			if
			:: d_step { !gate[i] -> skip }
			:: d_step { gate[i] -> gate[i] = 0 }
				if
				:: page[i]
				:: !page[i] -> give(failed)
				fi
			fi
		fi
	:: else -> break
	od
}
#endif

#ifdef SHRINK
active proctype shrinker()
{
	bit ok;

	raise_hold()
}
#endif

active proctype quiet()
{
	timeout;
	assert(page[0] || skipped[0] || faulted);
	assert(page[1] || skipped[1] || faulted);
	assert(!gate[0] && !gate[1]);
	assert(!hold)
}
