/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_GP_H
#define KVFREE_GP_H

/*
 * gp.h - numbered grace periods
 *
 * Grace periods of a domain are numbered from 1. `started` counts those that have begun,
 * `completed` those that are over; at most one runs at a time. A *cookie* is the number of the
 * first grace period that begins after it was read. What was unlinked before the cookie was read
 * may be freed once the grace period of that number is over. Numbers wrap; they are compared by
 * their difference. (The kernel's get_state_synchronize_rcu() and rcu_seq.)
 *
 * Order. Reading a cookie is a read-modify-write of `started`, and so is starting. If a cookie is
 * n, it was read before the start of n in the order of that word, and by release and acquire
 * everything that was done before reading it is visible to the runner before grace period n begins.
 * A plain load of `started` could be done before the caller's unlinking is visible, and a reader
 * that begins during grace period n could still find the object. `completed` is stored with release
 * after the grace period and loaded with acquire by whoever frees: what readers did in their
 * sections comes before the free.
 *
 * Locking discipline: gp.lock guards who runs. It is never held while a grace period is waited for.
 * `started` moves in the hands of the one runner only.
 */

#include <pthread.h>

#include "lockrank.h"

struct rcu_flavor_struct;

struct kvfree_gp {
	/* Written by every thread that closes a page. */
	unsigned long started KVFREE_CACHE_ALIGNED;	/* atomic */

	/* Read by every clean call. */
	unsigned long completed KVFREE_CACHE_ALIGNED;	/* atomic */
	bool held;		/* atomic, written under lock: none may begin,
				 * and owners free nothing (fork.c) */
	bool running;		/* the same: a thread runs one */
	uint64_t since_msec;	/* atomic: when it began, or 0 */
	uint64_t estimate_nsec;	/* atomic: how long they take at present */
	uint64_t usual_nsec;	/* atomic: an average of short ones */
	unsigned int lost;	/* atomic: for how many more it counts that a runner lost
				 * its processor */
	uint64_t longest_msec;	/* atomic: of all so far */
	uint64_t count;		/* atomic: that were run */
	uint64_t stall_since;	/* tick's service: the since_msec it watches */
	uint64_t stall_msec;	/* the same: age at which it reports next */

	pthread_mutex_t lock KVFREE_CACHE_ALIGNED;
	pthread_cond_t cond;	/* under lock: running or held changed */
};

/* Grace periods are called short while they take less than this. */
#define KVFREE_GP_SHORT_NSEC	200000
/* One that runs is called old when it has lasted this long. */
#define KVFREE_GP_OLD_MSEC	100
/* If grace periods usually take twice this long, one is run for every two byte budgets, and
 * so on, up to KVFREE_GP_MOST_BUDGETS. */
#define KVFREE_GP_CHEAP_NSEC	25000
#define KVFREE_GP_MOST_BUDGETS	4
/* Budgets are counted in quarters. */
#define KVFREE_ONE_BUDGET	4

/* The number of the first grace period that begins after now. Raw-safe. */
static inline unsigned long kvfree_gp_cookie(struct kvfree_gp *gp)
{
	/* Acq_rel read-modify-write: pairs with the one in kvfree_gp_run(). */
	return __atomic_fetch_add(&gp->started, 0, __ATOMIC_ACQ_REL) + 1;
}

/* Whether @cookie is over when @number is the last grace period that is. */
static inline bool kvfree_gp_reached(unsigned long number, unsigned long cookie)
{
	return (long) (number - cookie) >= 0;
}

/* The last grace period that is over. Raw-safe. */
static inline unsigned long kvfree_gp_completed(const struct kvfree_gp *gp)
{
	/* Acquire: pairs with the release in kvfree_gp_run(). */
	return __atomic_load_n(&gp->completed, __ATOMIC_ACQUIRE);
}

static inline bool kvfree_gp_over(const struct kvfree_gp *gp, unsigned long cookie)
{
	return kvfree_gp_reached(kvfree_gp_completed(gp), cookie);
}

/* Whether an owner may free what waits for @cookie. */
static inline bool kvfree_gp_ripe(const struct kvfree_gp *gp, unsigned long cookie)
{
	/* Relaxed: kvfree_gp_hold()'s caller takes every record's lock after
	 * it, and owners look with their record's lock held. */
	return kvfree_gp_over(gp, cookie) && !__atomic_load_n(&gp->held, __ATOMIC_RELAXED);
}

/* Hints for those who decide whether to run one. */
static inline bool kvfree_gp_is_running(const struct kvfree_gp *gp)
{
	return __atomic_load_n(&gp->running, __ATOMIC_RELAXED);
}

static inline bool kvfree_gp_is_held(const struct kvfree_gp *gp)
{
	return __atomic_load_n(&gp->held, __ATOMIC_RELAXED);
}

static inline bool kvfree_gp_is_short(const struct kvfree_gp *gp)
{
	return __atomic_load_n(&gp->estimate_nsec, __ATOMIC_RELAXED) <
		KVFREE_GP_SHORT_NSEC;
}

/*
 * How many quarters of the byte budget a clean caller lets go by before it runs a grace period. One
 * that interrupts all processors (by membarrier, above all in a virtual machine) takes as long as a
 * few thousand calls: saving some is worth the memory. Long ones are run by a thread of the library
 * and cost the caller nothing. Where runners lose their processor there are more threads than
 * processors: each keeps what it has pending until it runs again, and finds it cold. There three
 * quarters are enough.
 */
static inline size_t kvfree_gp_quarters(const struct kvfree_gp *gp)
{
	uint64_t budgets = __atomic_load_n(&gp->usual_nsec, __ATOMIC_RELAXED) /
			KVFREE_GP_CHEAP_NSEC;

	if (!kvfree_gp_is_short(gp))
		return KVFREE_ONE_BUDGET;
	if (__atomic_load_n(&gp->lost, __ATOMIC_RELAXED))
		return KVFREE_ONE_BUDGET - 1;
	if (budgets < 1)
		return KVFREE_ONE_BUDGET;
	return KVFREE_ONE_BUDGET * (budgets < KVFREE_GP_MOST_BUDGETS ?
		(size_t) budgets : KVFREE_GP_MOST_BUDGETS);
}

/* Whether the one that runs has lasted for long: then a reader is the cause, and not a runner
 * without a processor. False also shortly before it begins and after its end. */
static inline bool kvfree_gp_is_old(const struct kvfree_gp *gp)
{
	uint64_t since = __atomic_load_n(&gp->since_msec, __ATOMIC_RELAXED);

	return since && kvfree_now_msec() >= since + KVFREE_GP_OLD_MSEC;
}

/* A grace period outside the numbers. */
void kvfree_gp_synchronize(const struct rcu_flavor_struct *flavor);
/* Become the runner. False: another thread is, or none may begin. */
bool kvfree_gp_begin(struct kvfree_gp *gp);
/* The same for @cookie; false also if it is over by then: of many threads that wait for
 * it, one runs it, and the others need no other. */
bool kvfree_gp_begin_for(struct kvfree_gp *gp, unsigned long cookie);
/* The runner's part: begin a grace period, wait for it, end. Clean context,
 * outside read-side sections, QSBR offline. */
void kvfree_gp_run(struct kvfree_gp *gp, const struct rcu_flavor_struct *flavor);
/* Wait until @cookie is over (true), or nobody runs a grace period and one may begin
 * (false); without @hold, also return false when none may begin. */
bool kvfree_gp_wait(struct kvfree_gp *gp, unsigned long cookie, bool hold);

/* Keep grace periods from beginning and wait until none runs; let them begin again. */
void kvfree_gp_hold(struct kvfree_gp *gp);
void kvfree_gp_release(struct kvfree_gp *gp);

/* Returns whether one runs; if it lasts long, writes a message with what is @pending, and
 * again each time that its age has doubled. Only for the tick's service; never blocks. */
bool kvfree_gp_stall_check(struct kvfree_gp *gp,
		const struct rcu_flavor_struct *flavor, uint64_t pending);

void kvfree_gp_prefork(struct kvfree_gp *gp);
void kvfree_gp_postfork(struct kvfree_gp *gp);
/* In the child: nobody runs one. With @forget, none was run. */
void kvfree_gp_fork_reset(struct kvfree_gp *gp, bool forget);

#endif /* KVFREE_GP_H */
