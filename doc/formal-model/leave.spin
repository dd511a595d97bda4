/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * leave.spin - a thread leaves its record, others claim it
 *
 * One record. Its first owner queues an object, leaves the record, and
 * makes a clean call after that, as a destructor may. A signal handler
 * interrupts that thread at any one point and queues an object: through the thread's
 * TLS if that names a record, else on the emergency list. Another thread tries to
 * get the record, uses it for one object, and leaves it. Drains, reaps and
 * hand-backs go on all the while: a drain makes the record of a thread that left
 * free, once it is empty.
 *
 * TLS is two words: record[] says which record the thread owns, recent is the one
 * that the fast path looks at. The look-up sets recent from record[].
 *
 * Properties:
 *  - no thread makes clean use of a record that it does not own;
 *  - a record has one owner at most;
 *  - when everything is quiet, every object is freed, and the owners have freed as
 *    many as they took (else a barrier would wait for ever).
 *
 * Critical sections of the record's lock are atomic steps, but the state, which is
 * changed by compare-and-exchange without the lock, is looked at in a step of
 * its own.
 *
 * Switches, each of which must make the model fail:
 *  RECENT_FIRST		the leaver clears recent, then record[]
 *  STATE_FIRST		the leaver gives the record away, then clears TLS
 *  RELEASE_BY_STORE	a drain frees the record by a store
 *  REAP_OWNED		reaping passes over records without an owner
 *  DRAIN_OWNED		a drain passes over records without an owner
 */

mtype = { FREE, OWNED, EXITING };

#define NOBODY		0
#define LEAVER		1
#define CLAIMER		2
#define HANDLERS	4	/* the handler's object; the others' are 1 and 2 */

mtype state = OWNED;
byte cur, ripe, emergency;	/* sets of objects, under the lock */
bit clean_seen = 1, was_clean = 1;
byte nr_taken, nr_freed;

bit tls_record = 1, tls_recent = 1;	/* the leaver's */
bit in_handler;

bit tick_armed, drain_work, reap_work;

/* Ghosts. */
byte holder = LEAVER;
byte queued, freed;

inline free_set(set)
{
	d_step {
		assert(!(freed & (set)));
		freed = freed | (set);
		set = 0
	}
}

/* In an atomic step. */
inline append(obj)
{
	queued = queued | (obj);
	cur = cur | (obj);
	tick_armed = 1
}

/* A clean call of thread @me, which thinks that it owns the record. */
inline reclaim(me)
{
	d_step {
		assert(holder == me);
		clean_seen = 1;
		victim = ripe & (256 - ripe);
		ripe = ripe & ~victim;
		nr_taken = nr_taken + (victim != 0)
	}
	if
	:: victim ->
		free_set(victim);
		count = nr_freed;
		nr_freed = count + 1;
		count = 0
	:: else
	fi
}

inline give_away()
{
	d_step {
		state = EXITING;
		holder = NOBODY
	}
}

active proctype leaver() provided (!in_handler)
{
	byte victim, count;

	d_step { append(1) }
	reclaim(LEAVER);
#ifdef STATE_FIRST
	give_away();
#endif
#ifdef RECENT_FIRST
	tls_recent = 0;
	tls_record = 0;
#else
	tls_record = 0;
	tls_recent = 0;
#endif
#ifndef STATE_FIRST
	give_away();
#endif
	tick_armed = 1;
	if
	:: tls_recent -> reclaim(LEAVER)
	:: else
	fi
}

active proctype handler()
{
	bit found;

	in_handler = 1;
	if
	:: tls_recent -> found = 1
	:: !tls_recent && tls_record -> tls_recent = 1; found = 1
	:: else
	fi;
	if
	:: found ->
		/* Giving away is the leaver's own step: it cannot come between. */
		d_step { assert(holder == LEAVER); append(HANDLERS) }
	:: else ->
		d_step {
			queued = queued | HANDLERS;
			emergency = emergency | HANDLERS;
			tick_armed = 1
		}
	fi;
	in_handler = 0
}

active proctype claimer()
{
	byte victim, count;
	mtype seen;

	seen = state;
	if
	:: seen != OWNED ->
		d_step {
			if
			:: state == seen ->
				state = OWNED;
				assert(holder == NOBODY);
				holder = CLAIMER
			:: else
			fi
		}
	:: else
	fi;
	if
	:: holder == CLAIMER ->
		d_step { append(2) }
		reclaim(CLAIMER);
		give_away();
		tick_armed = 1
	:: else
	fi
}

active proctype timer()
{
end:
	do
	:: d_step {
		tick_armed ->
		tick_armed = 0;
		drain_work = 1;
		reap_work = 1
	   }
	od
}

active proctype drain()
{
	byte pages, listed;
	bit exiting, owned, handed;

end:
	atomic { drain_work -> drain_work = 0 }
	d_step {
		exiting = (state == EXITING) && !ripe;
#ifdef DRAIN_OWNED
		if
		:: state == OWNED -> pages = cur; cur = 0
		:: else
		fi;
#else
		pages = cur;
		cur = 0;
#endif
		listed = emergency;
		emergency = 0
	}
	if
	:: exiting ->
		exiting = 0;
#ifdef RELEASE_BY_STORE
		d_step { assert(holder == NOBODY); state = FREE }
#else
		d_step {
			if
			:: state == EXITING -> state = FREE
			:: else
			fi
		}
#endif
	:: else
	fi;
	/* the grace period is here */
	owned = (state == OWNED);
	d_step {
		if
		:: owned && (was_clean || clean_seen) ->
			handed = (pages != 0);
			ripe = ripe | pages;
			pages = 0
		:: else
		fi;
		owned = 0
	}
	d_step {
		tick_armed = tick_armed | handed;
		handed = 0;
		free_set(pages);
		free_set(listed)
	}
	goto end
}

active proctype reap()
{
	byte pages;

end:
	atomic {
		reap_work -> reap_work = 0;
		was_clean = clean_seen;
		clean_seen = 0;
		if
#ifdef REAP_OWNED
		:: state != OWNED
		:: state == OWNED && !was_clean -> pages = ripe; ripe = 0
#else
		:: state != OWNED || !was_clean -> pages = ripe; ripe = 0
#endif
		:: state == OWNED && was_clean && ripe -> tick_armed = 1
		:: else
		fi
	}
	free_set(pages);
	goto end
}

active proctype quiet()
{
	timeout;
	assert(queued == freed);
	assert(nr_taken == nr_freed)
}
