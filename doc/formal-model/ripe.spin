/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * ripe.spin - ripe lists against barrier
 *
 * One record. Its owner appends NR_OBJ objects, each by a raw call or by a
 * clean one, which also takes one victim from the record's ripe list and frees
 * it outside the lock. Two workers run drains: at most two batches at a time,
 * one of them in the collect and grace period phase. After its grace period
 * a batch goes back to the ripe list, or is freed by the worker; a drain takes
 * the ripe list of an owner that stayed away. NR_BARRIERS threads call
 * the barrier once each, at any time.
 *
 * Properties:
 *  - when a barrier returns, every object queued before its call is freed;
 *  - no object is freed twice;
 *  - when everything is quiet, every object is freed: an owner that stays away
 *    strands nothing, and nobody waits for ever (a barrier that does is an
 *    invalid end state).
 *
 * A critical section of the record's lock or of the domain's drain mutex is
 * one atomic step here; emergency.spin has the lock in detail. The grace
 * period is the matter of batch.spin, the gates that of drain-gate.spin.
 *
 * Switches, each of which must make the model fail:
 *  STEAL_DURING_BARRIER	drains that begin during a barrier take ripe lists
 *  BATCH_ENDS_EARLY	a barrier's batch ends before its ripe lists are freed
 *  NO_WAIT_OLDER	barrier does not wait for older batches
 *  RIPE_BEFORE_OLDER	barrier takes ripe lists, then waits for older batches
 *  NO_WAIT_VICTIM	barrier does not wait for the owner's victim
 *  SAMPLE_FIRST		victims are sampled before the ripe lists are taken
 *  COUNT_OUTSIDE	victims_taken is counted after the unlock
 *  FREED_RELAXED	victims_freed may become visible before the free
 *  HANDBACK_NO_ARM	handing back does not arm the drain timer
 *  LEAVE_NO_ARM		a drain leaves a ripe list without arming the timer
 *  AGAIN_LOST		ending a phase does not look for drains put off
 */

#ifndef NR_OBJ
#define NR_OBJ		3
#endif
#ifndef NR_BARRIERS
#define NR_BARRIERS	2
#endif
#define NR_WORKERS	2
#define ALL		((1 << NR_OBJ) - 1)
#define lowest(set)	((set) & (256 - (set)))

/* The record; all but victims_freed under its lock. */
byte cur;			/* objects in its pages */
byte ripe;			/* objects handed back */
bit clean;			/* owner was in a clean context */
byte victims_taken;
byte victims_freed;

/* The domain, under its drain mutex. */
bit gp_busy;
bit slot[2];			/* a batch is in it */
bit elder;			/* the older batch while both are taken */
bit again;
byte barriers_waiting;		/* for the phase and a slot */
byte barriers;			/* between call and return */

bit work, tick_armed;

/* Ghosts: what the properties speak of. */
byte queued, freed;

#define slots_full	(slot[0] && slot[1])
#define older(mine)	(slot[1 - mine] && elder != mine)

inline free_set(set)
{
	d_step {
		assert((freed & (set)) == 0);
		freed = freed | (set);
		set = 0
	}
}

/* The next three: caller is in an atomic step. */
inline requeue_deferred()
{
#ifndef AGAIN_LOST
	if
	:: again -> again = 0; work = 1
	:: else
	fi
#else
	skip
#endif
}

inline take_slot(mine)
{
	gp_busy = 1;
	mine = slot[0];
	slot[mine] = 1;
	elder = 1 - mine
}

inline end_batch(mine)
{
	slot[mine] = 0;
	elder = 0;
	requeue_deferred()
}

inline end_gp_phase()
{
	d_step {
		gp_busy = 0;
		requeue_deferred()
	}
}

inline take_ripe(set)
{
	d_step { set = ripe; ripe = 0 }
}

active proctype owner()
{
	byte n, victim;
	bit swap;

	do
	:: n < NR_OBJ ->
		if
		:: swap = 0			/* a raw call */
		:: swap = 1			/* a clean one */
		fi;
		d_step {
			cur = cur | (1 << n);
			queued = queued | (1 << n);
			n++;
			if
			:: swap ->
				clean = 1;
				victim = lowest(ripe);
				ripe = ripe & ~victim;
#ifndef COUNT_OUTSIDE
				victims_taken = victims_taken + (victim != 0)
#endif
			:: else
			fi
		}
		if
		:: victim ->
#ifdef COUNT_OUTSIDE
			victims_taken++;
#endif
#ifdef FREED_RELAXED
			victims_freed++;
			free_set(victim)
#else
			free_set(victim);
			victims_freed++
#endif
		:: else
		fi;
		tick_armed = 1
	:: else -> break
	od
}

active proctype timer()
{
end:
	do
	:: atomic { tick_armed -> tick_armed = 0; work = 1 }
	od
}

active [NR_WORKERS] proctype worker()
{
	byte pages, stolen;
	bit mine, was_clean, may_steal;

end:
	atomic {
		work -> work = 0;
		if
		:: gp_busy || slots_full || barriers_waiting ->
			again = 1;
			goto end
		:: else
		fi;
		take_slot(mine);
#ifdef STEAL_DURING_BARRIER
		may_steal = 1
#else
		may_steal = (barriers == 0)
#endif
	}
	d_step {			/* collect */
		pages = cur;
		cur = 0;
		was_clean = clean;
		clean = 0;
		if
		:: !was_clean && may_steal -> stolen = ripe; ripe = 0
		:: else
		fi;
		may_steal = 0;
#ifndef LEAVE_NO_ARM
		/* What stays pending needs another drain. */
		if
		:: ripe -> tick_armed = 1
		:: else
		fi
#endif
	}
	/* the grace period is here */
	end_gp_phase();
	if
	:: stolen -> free_set(stolen)
	:: else
	fi;
	if
	:: pages && was_clean ->
		d_step { ripe = ripe | pages; pages = 0 }
#ifndef HANDBACK_NO_ARM
		tick_armed = 1
#endif
	:: pages && !was_clean -> free_set(pages)
	:: else
	fi;
	d_step {
		was_clean = 0;
		end_batch(mine);
		mine = 0
	}
	goto end
}

active [NR_BARRIERS] proctype barrier()
{
	byte before, pages, sample;
	bit mine;

	d_step { before = queued; barriers_waiting++; barriers++ }
	d_step {
		!gp_busy && !slots_full ->
		barriers_waiting--;
		take_slot(mine)
	}
	d_step { pages = cur; cur = 0 }
	/* the grace period is here */
	end_gp_phase();
	free_set(pages);
#ifdef RIPE_BEFORE_OLDER
	take_ripe(pages);
	free_set(pages);
#endif
#ifndef NO_WAIT_OLDER
	!older(mine);
#endif
#ifdef BATCH_ENDS_EARLY
	d_step { end_batch(mine) }
#endif
#ifdef SAMPLE_FIRST
	sample = victims_taken;
#endif
#ifndef RIPE_BEFORE_OLDER
	take_ripe(pages);
	free_set(pages);
#endif
#ifndef SAMPLE_FIRST
	sample = victims_taken;
#endif
#ifndef NO_WAIT_VICTIM
	victims_freed >= sample;
#endif
#ifndef BATCH_ENDS_EARLY
	d_step { end_batch(mine) }
#endif
	d_step {
		barriers--;
		assert((before & ~freed) == 0)
	}
}

/* When nothing else can happen: nothing may be pending. */
active proctype quiet()
{
	timeout;
	assert(queued == freed);
	assert(queued == ALL)
}
