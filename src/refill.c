/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * refill.c - pages for the records that ran out of them
 *
 * A raw call that finds its cache empty sets its record's refill_gate and arms
 * the timer (kvfree_refill_request()). The worker opens the gate, then looks what
 * the record needs, allocates outside the lock and pushes the pages to the record that
 * asked, whoever runs meanwhile.
 *
 * When the allocator fails the worker stops at once: it sets the gate again,
 * raises the hold and arms the timer for the back-off time. There is
 * one attempt per back-off, and every request made meanwhile waits for it.
 */

#include "domain.h"
#include "refill.h"
#include "runtime.h"
#include "thread.h"
#include "trace.h"

static bool refill_wanted(int *gate)
{
#ifdef KVFREE_TWIN_LOST_GATE
	return __atomic_load_n(gate, __ATOMIC_SEQ_CST);
#else
	/* Seq_cst: opened before the state is looked at; pairs with the
	 * exchange in kvfree_refill_request() and the store in
	 * kvfree_blanks_request(). The load too: it must not be
	 * done before refill_hold_over() lowered the hold, or a request that
	 * still saw the hold would be missed. */
	return __atomic_load_n(gate, __ATOMIC_SEQ_CST) &&
		__atomic_exchange_n(gate, 0, __ATOMIC_SEQ_CST);
#endif
}

/*
 * A call that found no page says that the target is too low, even if pages came
 * back since. Caller holds the lock.
 */
static void target_grow(struct kvfree_thread *thread)
{
	unsigned int least = kvfree_setting(min_cached_pages);
	unsigned int target = thread->target;

	if (thread->starved)
		target *= 2;
	thread->starved = false;
	if (target > KVFREE_MAX_TARGET)
		target = KVFREE_MAX_TARGET;
	if (target < least)
		target = least;
	if (target > thread->target)
		thread->target = target;
}

/*
 * Fill @thread's cache to its target. False: the allocator failed. A record
 * whose lock is held is left alone: its owner may be stopped inside a raw call, and
 * the worker has others to serve. The owner asks again when it needs a page.
 */
static bool refill_thread(struct kvfree_thread *thread)
{
	if (!kvfree_thread_lock_few(thread))
		return true;
	if (!kvfree_thread_has_use(thread)) {
		kvfree_thread_unlock(thread);
		return true;	/* its thread left meanwhile */
	}
	target_grow(thread);
	kvfree_trace(refill, thread, thread->target);
	while (thread->nr_cached < thread->target) {
		struct kvfree_bulk *bulk;

		kvfree_thread_unlock(thread);
		bulk = kvfree_bulk_alloc(thread->domain);
		if (!bulk) {
			kvfree_trace(refill_failed, thread);
			return false;
		}
		if (!kvfree_thread_lock_few(thread)) {
			kvfree_bulk_free(thread->domain, bulk);
			return true;
		}
		/* Pages may have come back from a drain meanwhile; one too
		 * many is cheaper than one allocated for nothing. */
		kvfree_thread_cache_push(thread, bulk);
	}
	kvfree_thread_unlock(thread);
	return true;
}

static bool refill_domain(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;

	kvfree_gate_open(&domain->blank_gate);
	if (refill_wanted(&domain->blanks_wanted) &&
	    !kvfree_thread_make_blanks(domain)) {
		/* Relaxed: for the worker that comes after the back-off. */
		__atomic_store_n(&domain->blanks_wanted, 1, __ATOMIC_RELAXED);
		return false;
	}
	kvfree_for_each_thread(thread, domain) {
		if (!refill_wanted(&thread->refill_gate))
			continue;
		__atomic_fetch_add(&domain->count.refills, 1, __ATOMIC_RELAXED);
		if (refill_thread(thread))
			continue;
		/* Seq_cst: before the hold, which brings the worker back for
		 * it and for who finds it set. */
		__atomic_store_n(&thread->refill_gate, 1, __ATOMIC_SEQ_CST);
		return false;
	}
	return true;
}

static void open_gates(void)
{
	struct kvfree_domain *domain;
	struct kvfree_thread *thread;

	kvfree_for_each_domain(domain) {
		kvfree_gate_open(&domain->blank_gate);
		kvfree_for_each_thread(thread, domain)
			/* Seq_cst: after the hold is lowered, as above. */
			__atomic_store_n(&thread->refill_gate, 0,
					__ATOMIC_SEQ_CST);
	}
}

void kvfree_refill_hold(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	unsigned int msec = kvfree_setting(refill_backoff_msec);

	__atomic_store_n(&rt->refill_hold_until, kvfree_now_msec() + msec,
			__ATOMIC_RELAXED);
	/* Seq_cst: before the timer is armed. A request that sees it leaves the
	 * arming to this call (kvfree_refill_request()); one that does not arms
	 * the timer for now, and refill_hold_over() puts that right. */
	__atomic_store_n(&rt->refill_hold, 1, __ATOMIC_SEQ_CST);
	if (kvfree_refill_timer(msec))
		return;
	/* Nobody would come back: let the next raw call ask anew. Seq_cst: before
	 * the gates are opened; who finds one open is not to find the hold. */
	__atomic_store_n(&rt->refill_hold, 0, __ATOMIC_SEQ_CST);
	open_gates();
}

/* Whether a back-off, if there is one, has passed. */
static bool refill_hold_over(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	uint64_t now, until;

	if (!__atomic_load_n(&rt->refill_hold, __ATOMIC_RELAXED))
		return true;
	now = kvfree_now_msec();
	until = __atomic_load_n(&rt->refill_hold_until, __ATOMIC_RELAXED);
	/* A request that missed the hold by a moment armed the timer for at
	 * once: the rest of the time stands. */
	if (now < until && kvfree_refill_timer((unsigned int) (until - now)))
		return false;
	/* Seq_cst: before the gates are looked at; pairs with the load in
	 * kvfree_refill_request(). */
	__atomic_store_n(&rt->refill_hold, 0, __ATOMIC_SEQ_CST);
	return true;
}

void kvfree_refill_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain;

	(void) work;
	kvfree_hook(KVFREE_HOOK_REFILL);
	if (!refill_hold_over())
		return;
	kvfree_for_each_domain(domain) {
		if (refill_domain(domain))
			continue;
		__atomic_fetch_add(&domain->count.refill_failures, 1,
				__ATOMIC_RELAXED);
		kvfree_refill_hold();
		return;
	}
}
