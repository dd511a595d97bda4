/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * leave.spin - a thread leaves its record, others claim it
 *
 * One record. Its first owner queues an object, leaves the record, and
 * makes a clean call after that, as a destructor may. A signal handler
 * interrupts that thread at any one point and queues an object: through the thread's
 * TLS if that names a record, else on the emergency list. Another thread claims
 * the record if it was left, with all that is in it, uses it for one object, and leaves
 * it. Ticks, grace periods and reaping go on all the while.
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
 * Critical sections of the record's lock and of domain.lock, which guards the list of
 * records that were left, are atomic steps. The state is written under domain.lock and
 * read without it.
 *
 * Switches, each of which must make the model fail:
 *  RECENT_FIRST		the leaver clears recent, then record[]
 *  STATE_FIRST		the leaver gives the record away, then clears TLS
 *  CLAIM_RACY		a claim looks at the list and takes the record in two steps
 *  REAP_OWNED		reaping passes over records without an owner
 *  TICK_OWNED		the tick does
 */

mtype = { LEFT, OWNED };

#define NOBODY		0
#define LEAVER		1
#define CLAIMER		2
#define RIVAL		3
#define HANDLERS	4	/* the handler's object; the others' are 1 and 2 */

mtype state = OWNED;
bit on_list;			/* of records that were left */
byte cur, closed, ripe, emergency;	/* sets of objects, under the lock */
bit clean_seen = 1, was_clean = 1;	/* in this tick, in the last */
bit ripe_at_tick;		/* something was, at the last tick */
byte nr_taken, nr_freed;

bit tls_record = 1, tls_recent = 1;	/* the leaver's */
bit in_handler;

bit tick_armed, gp_work, reap_work;

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
		state = LEFT;
		on_list = 1;
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

inline take(who)
{
	on_list = 0;
	assert(holder == NOBODY);
	holder = who
}

active proctype claimer()
{
	byte victim, count;
	bit found;

#ifdef CLAIM_RACY
	found = on_list;
	if
	:: found -> d_step { take(CLAIMER) }
	:: else
	fi;
#else
	d_step {
		if
		:: on_list -> take(CLAIMER)
		:: else
		fi
	}
#endif
	if
	:: holder == CLAIMER ->
		state = OWNED;
		d_step { append(2) }
		reclaim(CLAIMER);
		give_away();
		tick_armed = 1
	:: else
	fi
}

#ifdef CLAIM_RACY
active proctype rival()
{
	bit found;

	found = on_list;
	if
	:: found -> d_step { take(RIVAL) }
	:: else
	fi
}
#endif

/* The timer thread and the tick's service. */
active proctype tick()
{
end:
	do
	:: d_step {
		tick_armed ->
		tick_armed = 0;
		was_clean = clean_seen;
		clean_seen = 0;
#ifdef TICK_OWNED
		if
		:: state == OWNED -> closed = closed | cur; cur = 0
		:: else
		fi;
#else
		closed = closed | cur;
		cur = 0;
#endif
		gp_work = (closed || emergency -> 1 : gp_work);
		reap_work = (ripe -> 1 : reap_work);
		/* Nothing changes when it comes again in vain. */
		tick_armed = (closed || (ripe && (was_clean || !ripe_at_tick)) ->
			1 : 0);
		ripe_at_tick = (ripe != 0)
	   }
	od
}

active proctype gp_thread()
{
	byte covers, listed;

end:
	do
	:: d_step {
		gp_work ->
		gp_work = 0;
		covers = closed;
		listed = emergency;
		emergency = 0
	   }
	   d_step {
		ripe = ripe | covers;
		closed = closed & ~covers;
		covers = 0;
		free_set(listed);
		reap_work = 1
	   }
	od
}

active proctype worker()
{
	byte pages;
	bit owner_frees;

end:
	do
	:: d_step {
		reap_work ->
		reap_work = 0;
		owner_frees = (state == OWNED) && (was_clean || clean_seen)
	   }
	   d_step {
		if
#ifdef REAP_OWNED
		:: state == OWNED && (!owner_frees || ripe_at_tick) ->
#else
		:: !owner_frees || ripe_at_tick ->
#endif
			pages = ripe;
			ripe = 0
		:: else
		fi;
		owner_frees = 0
	   }
	   free_set(pages)
	od
}

active proctype quiet()
{
	timeout;
	assert(queued == freed);
	assert(nr_taken == nr_freed)
}
