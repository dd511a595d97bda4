/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * gp.c - numbered grace periods
 */

#include <stdbool.h>
#include <sys/resource.h>
#include <urcu/flavor.h>

#include "gp.h"
#include "trace.h"
#include "tsan.h"

/* A grace period longer than this is reported, then at each doubling. */
#define STALL_MSEC	10000
/* Grace periods for which it counts that a runner lost its processor. */
#define LOST_PERIODS	256

#ifdef KVFREE_CHECK
unsigned int kvfree_check_stall_msec = STALL_MSEC;
# undef STALL_MSEC
# define STALL_MSEC	kvfree_check_stall_msec
#endif

bool kvfree_gp_begin_for(struct kvfree_gp *gp, unsigned long cookie)
{
	bool mine;

	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
	mine = !gp->running && !gp->held && !kvfree_gp_over(gp, cookie);
	if (mine)
		__atomic_store_n(&gp->running, true, __ATOMIC_RELAXED);
	kvfree_mutex_unlock(&gp->lock);
	return mine;
}

bool kvfree_gp_begin(struct kvfree_gp *gp)
{
	/* False also if a grace period that begins after this line is over by then. */
	return kvfree_gp_begin_for(gp, kvfree_gp_cookie(gp));
}

/* How often the calling thread has lost its processor. (Its processor-time clock would
 * tell too, but reading that makes the kernel end a time slice that is used up.) */
static long times_preempted(void)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

/* For how many more grace periods it counts that a runner lost its processor. */
static void note_lost(struct kvfree_gp *gp, bool preempted)
{
	unsigned int lost = gp->lost;

	if (preempted)
		lost = LOST_PERIODS;
	else if (lost)
		lost--;
	/* Relaxed: a hint, written by the one runner. */
	__atomic_store_n(&gp->lost, lost, __ATOMIC_RELAXED);
}

/* How long short grace periods usually take, an average. */
static void note_usual(struct kvfree_gp *gp, uint64_t nsec)
{
	uint64_t usual = gp->usual_nsec;

	/* Relaxed: as above. */
	if (nsec < KVFREE_GP_SHORT_NSEC)
		__atomic_store_n(&gp->usual_nsec, usual + nsec / 32 - usual / 32, __ATOMIC_RELAXED);
}

/* How long grace periods take at present: the estimate rises at once and falls by quarters. */
static void note_estimate(struct kvfree_gp *gp, uint64_t nsec)
{
	uint64_t estimate = gp->estimate_nsec - gp->estimate_nsec / 4;

	if (estimate < nsec)
		estimate = nsec;
	/* Relaxed: as above. */
	__atomic_store_n(&gp->estimate_nsec, estimate, __ATOMIC_RELAXED);
}

/* If the runner was @preempted, the length tells nothing about the next one, unless it is
 * so long that a reader is the more likely cause. */
static void note_length(struct kvfree_gp *gp, uint64_t nsec, bool preempted)
{
	bool unlucky = preempted && nsec / 1000000 < KVFREE_GP_OLD_MSEC;

	note_lost(gp, preempted);
	if (!preempted)
		note_usual(gp, nsec);
	note_estimate(gp, unlucky ? 0 : nsec);
	/* Relaxed, both: for the statistics. */
	if (nsec / 1000000 > gp->longest_msec)
		__atomic_store_n(&gp->longest_msec, nsec / 1000000, __ATOMIC_RELAXED);
	__atomic_store_n(&gp->count, gp->count + 1, __ATOMIC_RELAXED);
}

void kvfree_gp_synchronize(const struct rcu_flavor_struct *flavor)
{
	flavor->update_synchronize_rcu();
	kvfree_tsan_acquire(flavor);
}

void kvfree_gp_run(struct kvfree_gp *gp, const struct rcu_flavor_struct *flavor)
{
	/* Read before the first and after the last reading of the clock, so that no loss
	 * of the processor in between goes unnoticed. */
	long preempted = times_preempted();
	uint64_t begin = kvfree_now_nsec(), nsec;
	unsigned long number;

	/* Relaxed: the tick's service compares it with the clock. */
	__atomic_store_n(&gp->since_msec, begin / 1000000, __ATOMIC_RELAXED);
	kvfree_hook(KVFREE_HOOK_GRACE_PERIOD_BEGIN);
	/* Acq_rel: pairs with kvfree_gp_cookie(). Whoever was told this number unlinked before. */
	number = __atomic_add_fetch(&gp->started, 1, __ATOMIC_ACQ_REL);
	kvfree_trace(grace_period_begun, gp, number);
	kvfree_gp_synchronize(flavor);
	kvfree_trace(grace_period_over, gp, number);
	kvfree_hook(KVFREE_HOOK_GRACE_PERIOD_OVER);
	nsec = kvfree_now_nsec() - begin;
	note_length(gp, nsec, times_preempted() != preempted);
	__atomic_store_n(&gp->since_msec, 0, __ATOMIC_RELAXED);
	/* Release: pairs with kvfree_gp_completed(). */
	__atomic_store_n(&gp->completed, number, __ATOMIC_RELEASE);
	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
	__atomic_store_n(&gp->running, false, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&gp->cond);
	kvfree_mutex_unlock(&gp->lock);
}

bool kvfree_gp_wait(struct kvfree_gp *gp, unsigned long cookie, bool hold)
{
	bool over;

	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
	while (!(over = kvfree_gp_over(gp, cookie)) && (gp->running || (gp->held && hold)))
		pthread_cond_wait(&gp->cond, &gp->lock);
	kvfree_mutex_unlock(&gp->lock);
	return over;
}

void kvfree_gp_hold(struct kvfree_gp *gp)
{
	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
	__atomic_store_n(&gp->held, true, __ATOMIC_RELAXED);
	while (gp->running)
		pthread_cond_wait(&gp->cond, &gp->lock);
	kvfree_mutex_unlock(&gp->lock);
}

void kvfree_gp_release(struct kvfree_gp *gp)
{
	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
	__atomic_store_n(&gp->held, false, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&gp->cond);
	kvfree_mutex_unlock(&gp->lock);
}

/* ------------------------------------------------------------------ */
/* Stall report                                                       */

/* Flavors that the program is not linked with are NULL. dladdr() would not do: it takes the dynamic
 * linker's lock, whose holder may wait for this thread. */
#pragma weak urcu_memb_flavor
#pragma weak urcu_mb_flavor
#pragma weak urcu_qsbr_flavor
#pragma weak urcu_bp_flavor

static const char *flavor_name(const struct rcu_flavor_struct *flavor)
{
	if (flavor == &urcu_memb_flavor)
		return "urcu_memb_flavor";
	if (flavor == &urcu_mb_flavor)
		return "urcu_mb_flavor";
	if (flavor == &urcu_qsbr_flavor)
		return "urcu_qsbr_flavor";
	if (flavor == &urcu_bp_flavor)
		return "urcu_bp_flavor";
	return "an RCU flavor";
}

bool kvfree_gp_stall_check(struct kvfree_gp *gp,
		const struct rcu_flavor_struct *flavor, uint64_t pending)
{
	uint64_t since = __atomic_load_n(&gp->since_msec, __ATOMIC_RELAXED);
	uint64_t now = kvfree_now_msec();

	if (!since)
		return false;
	if (since != gp->stall_since) {
		gp->stall_since = since;
		gp->stall_msec = STALL_MSEC;
	}
	/* now may be a moment earlier. */
	if (now < since || now - since < gp->stall_msec)
		return true;
	if (kvfree_report("a grace period of %s has lasted %llu s: a reader does not leave its section; grace period %llu is waited for, objects pending: %llu",
			flavor_name(flavor), (unsigned long long) (now - since) / 1000,
			(unsigned long long) kvfree_gp_completed(gp) + 1,
			(unsigned long long) pending))
		gp->stall_msec *= 2;
	return true;
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

void kvfree_gp_prefork(struct kvfree_gp *gp)
{
	kvfree_mutex_lock(&gp->lock, KVFREE_RANK_GP);
}

void kvfree_gp_postfork(struct kvfree_gp *gp)
{
	kvfree_mutex_unlock(&gp->lock);
}

void kvfree_gp_fork_reset(struct kvfree_gp *gp, bool forget)
{
	pthread_mutex_init(&gp->lock, NULL);
	pthread_cond_init(&gp->cond, NULL);
	gp->held = false;
	gp->running = false;
	gp->since_msec = 0;
	gp->completed = gp->started;
	if (forget) {
		gp->count = 0;
		gp->longest_msec = 0;
	}
}
