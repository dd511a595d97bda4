/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * stopped.spin - a thread stopped anywhere in a raw call stops nobody else
 *
 * Two threads with a record each make NR_CALLS raw calls. One of them may be
 * stopped for ever between any two steps of a call: with its record's lock held,
 * between the unlock and its requests, or within a request. A call whose record's
 * lock is held, by the tick or by the worker, pushes to the emergency list. The tick
 * walks both records, the grace-period thread runs what is asked for, the worker frees
 * what is ripe. Tick and worker leave a record alone whose lock is held.
 *
 * A record that stays locked makes it tick for ever. A tick that was armed by
 * the tick comes when nothing else can happen, ROUNDS times.
 *
 * The model is sequentially consistent: the orders of memory are the matter of
 * cookie.spin, emergency.spin and request-gate.spin.
 *
 * Properties, when everything is quiet:
 *  - every object of the thread that cannot be stopped is freed;
 *  - and every object of the other, unless it was stopped;
 *  - no gate is closed.
 *
 * Switches, each of which must make the model fail:
 *  BLIND_TICK		the tick waits for a record's lock
 *  BLIND_WORKER		the worker does
 *  DOMAIN_LOCK		closing a page takes a lock that all share
 *  RAW_RUNS		a call that fills the budget claims the grace period itself
 *  CLOSE_FIRST		a gate is closed before the timer is armed
 *  TICK_COUNTS		the tick asks for a grace period once all records were closed
 */

#ifndef NR_CALLS
#define NR_CALLS	1
#endif
#define OBJ(me, n)	(1 << ((me) * NR_CALLS + (n)))
#define ROUNDS	3

/* Records: sets of objects. An append fills its page and closes it, or does not. */
bit record_lock[2];
byte open_page[2], closed[2];
byte ripe[2];			/* those of closed whose grace period is over */

bit domain_lock;
byte emergency, chain;
bit chain_over;
bit uncovered;

bit tick_gate, kick_gate, tick_armed, kick_armed;
bit again;			/* a tick armed the next one */
bit tick_work, gp_work, reap_work, running;

bit stop;			/* the second thread is stopped */
byte queued[2], freed;		/* ghosts */

/* The closing fails if the gate was served meanwhile. Here it also fails when the timer
 * has expired and the service is still to come, which leaves the gate open. */
inline request(gate, armed)
{
	if
	:: gate
	:: !gate ->
#ifdef CLOSE_FIRST
		gate = 1;
		armed = 1
#else
		armed = 1;
		d_step { gate = (armed -> 1 : gate) }
#endif
	fi
}

/* The thread that is not stopped. What it does under its lock is one step. */
active proctype other()
{
	byte n;
	bit kicks;

	do
	:: n < NR_CALLS ->
		atomic {
			!domain_lock ->
			queued[0] = queued[0] | OBJ(0, n);
			if
			:: open_page[0] = open_page[0] | OBJ(0, n)
			:: closed[0] = closed[0] | open_page[0] | OBJ(0, n);
				open_page[0] = 0;
				uncovered = 1;
				kicks = 1
			:: emergency = emergency | OBJ(0, n);
				uncovered = 1;
				kicks = 1
			fi
		}
		atomic {
			if
			:: kicks && uncovered -> request(kick_gate, kick_armed)
			:: else
			fi
		}
		atomic { request(tick_gate, tick_armed); kicks = 0; n++ }
	:: else -> break
	od
}

/* The thread that may be. */
active proctype caller() provided (!stop)
{
	byte n;
	bit got, kicks;

	do
	:: n < NR_CALLS ->
		if
		:: atomic { !record_lock[1] -> record_lock[1] = 1; got = 1 }
		:: true			/* tick or worker has it */
		fi;
		if
		:: got ->
			if
			:: kicks = 1	/* the page is full */
			:: true
			fi;
#ifdef DOMAIN_LOCK
			if
			:: kicks ->
				atomic { !domain_lock -> domain_lock = 1 }
				domain_lock = 0
			:: else
			fi;
#endif
			d_step {
				open_page[1] = open_page[1] | OBJ(1, n);
				queued[1] = queued[1] | OBJ(1, n)
			}
			if
			:: kicks ->
				d_step {
					closed[1] = closed[1] | open_page[1];
					open_page[1] = 0
				}
				uncovered = 1
			:: else
			fi;
			record_lock[1] = 0
		:: else ->
			d_step {
				emergency = emergency | OBJ(1, n);
				queued[1] = queued[1] | OBJ(1, n)
			}
			d_step { uncovered = 1; kicks = 1 }
		fi;
		got = 0;
		if
		:: kicks && uncovered ->
#ifdef RAW_RUNS
			if
			:: d_step { !running -> running = 1 }
				running = 0
			:: running
			fi;
#endif
			request(kick_gate, kick_armed)
		:: else
		fi;
		request(tick_gate, tick_armed);
		d_step { kicks = 0; n++ }
	:: else -> break
	od
}

active proctype stopper()
{
	if
	:: stop = 1
	:: true
	fi
}

active proctype timer()
{
end:
	do
	:: d_step { tick_armed -> tick_armed = 0; tick_gate = 0; tick_work = 1 }
	:: d_step {
		kick_armed ->
		kick_armed = 0;
		gp_work = (uncovered -> 1 : gp_work);
		kick_gate = (uncovered -> kick_gate : 0)
	   }
	od
}

#define tickable(i)							\
	if								\
	:: !record_lock[i] ->						\
		uncovered = (open_page[i] -> 1 : uncovered);		\
		closed[i] = closed[i] | open_page[i];			\
		open_page[i] = 0;					\
		left = (closed[i] -> 1 : left)				\
	:: else -> passed_over = 1					\
	fi

#ifdef BLIND_TICK
#define tick_waits	(!record_lock[0] && !record_lock[1])
#else
#define tick_waits	true
#endif
#ifdef BLIND_WORKER
#define worker_waits	(!record_lock[0] && !record_lock[1])
#else
#define worker_waits	true
#endif
#ifdef TICK_COUNTS
#define all_closed	!passed_over
#else
#define all_closed	true
#endif

active proctype tick()
{
	bit left, passed_over;

end:
	do
	:: d_step {
		tick_work && tick_waits ->
		tick_work = 0;
		tickable(0);
		tickable(1);
		gp_work = ((uncovered || emergency) && all_closed -> 1 : gp_work);
		left = left || emergency || chain;
		reap_work = (left -> 1 : reap_work);
		again = (left || passed_over -> 1 : again);
		left = 0;
		passed_over = 0
	   }
	od
}

active proctype gp_thread()
{
	byte covers[2];

end:
	do
	:: d_step {
		gp_work && !running && !domain_lock ->
		gp_work = 0;
		running = 1;
		kick_gate = 0;
		uncovered = 0;
		if
		:: !chain -> chain = emergency; emergency = 0; chain_over = 0
		:: else
		fi;
		covers[0] = closed[0];
		covers[1] = closed[1]
	   }
	   d_step {
		ripe[0] = ripe[0] | (covers[0] & closed[0]);
		ripe[1] = ripe[1] | (covers[1] & closed[1]);
		covers[0] = 0;
		covers[1] = 0;
		chain_over = 1;
		running = 0;
		reap_work = 1
	   }
	od
}

inline reap(i)
{
	if
	:: !record_lock[i] ->
		closed[i] = closed[i] & ~ripe[i];
		assert(!(freed & ripe[i]));
		freed = freed | ripe[i];
		ripe[i] = 0
	:: else
	fi
}

active proctype worker()
{
end:
	do
	:: d_step {
		reap_work && worker_waits ->
		reap_work = 0;
		reap(0);
		reap(1);
		if
		:: chain_over ->
			assert(!(freed & chain));
			freed = freed | chain;
			chain = 0
		:: else
		fi
	   }
	od
}

active proctype quiet()
{
	byte rounds;

	do
	:: timeout ->
		if
		:: again && rounds < ROUNDS ->
			d_step { rounds++; again = 0; tick_work = 1 }
		:: else -> break
		fi
	od;
	assert((queued[0] & ~freed) == 0);
	assert(stop || (queued[1] & ~freed) == 0);
	assert(!tick_gate && !kick_gate);
	/* The stopped thread is no invalid end. */
	do
	:: freed = freed
	od
}
