/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVINSIDE_H
#define KVINSIDE_H

/*
 * kvinside.h - what tests do with the insides of the check build
 */

#include <sys/timerfd.h>

#include <urcu/rawcheck.h>

#include "kvtest.h"
#include "runtime.h"
#include "thread.h"

/*
 * Lock a record, as a holder that is stopped would have it locked: the test goes
 * on meanwhile, and is no raw context to urcu-rawcheck.
 */
static inline void kvinside_lock(struct kvfree_thread *thread)
{
	kvfree_thread_lock(thread);
	urcu_rawcheck_disown(&thread->lock);
}

/* The calling thread's record, made if need be. */
static inline struct kvfree_thread *kvinside_record(
		const struct rcu_flavor_struct *rcu)
{
	struct kvfree_thread *thread =
		kvfree_thread_get_clean(kvfree_domain_get(rcu));

	if (!thread)
		abort();
	return thread;
}

/* Queue on the emergency list: what a raw call does when the record is locked.
 * @channel may be NULL. */
static inline void kvinside_queue_emergency(
		const struct rcu_flavor_struct *rcu,
		struct kvtest_object *object,
		struct urcu_kvfree_channel *channel)
{
	struct kvfree_thread *thread = kvinside_record(rcu);

	kvinside_lock(thread);
	if (channel)
		urcu_kvfree_rcu_channel_flavor(rcu, object, head, channel);
	else
		urcu_kvfree_rcu_flavor(rcu, object, head);
	kvfree_thread_unlock(thread);
}

/* Empty pages in @thread's cache. */
static inline unsigned int kvinside_cached(struct kvfree_thread *thread)
{
	unsigned int nr;

	kvfree_thread_lock(thread);
	nr = thread->nr_cached;
	kvfree_thread_unlock(thread);
	return nr;
}

/* Take all pages out of @thread's cache. */
static inline void kvinside_empty_cache(struct kvfree_thread *thread)
{
	struct kvfree_bulk *bulk;

	do {
		kvfree_thread_lock(thread);
		bulk = thread->cache;
		if (bulk) {
			thread->cache = bulk->next;
			thread->nr_cached--;
		}
		kvfree_thread_unlock(thread);
		kvfree_bulk_free(thread->domain, bulk);
	} while (bulk);
}

/* Make the current page of @thread ripe, as a batch would. */
static inline void kvinside_ripen(struct kvfree_thread *thread)
{
	struct kvfree_bulk *bulk;

	kvfree_thread_lock(thread);
	bulk = thread->current[KVFREE_CHANNEL_MALLOC];
	thread->current[KVFREE_CHANNEL_MALLOC] = NULL;
	thread->nr_queued += bulk->nr;
	bulk->next = thread->ripe;
	kvfree_thread_set_ripe(thread, bulk, thread->nr_ripe_pages + 1);
	kvfree_thread_unlock(thread);
}

/* Skips a test of the range of large allocations where there is none: 32 bits. */
#define kvinside_needs_range()						\
	do {								\
		if (!KVFREE_AREA_EXISTS)				\
			skip();						\
	} while (0)

/* Records of @domain, in whatever state. */
static inline unsigned int kvinside_count_records(
		struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;
	unsigned int nr = 0;

	kvfree_for_each_thread(thread, domain)
		nr++;
	return nr;
}

/* No work is queued or runs, and no refill is asked for. */
static inline bool kvinside_is_idle(void *unused)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;
	struct kvfree_thread *thread;
	struct itimerspec left;
	bool idle;

	(void) unused;
	if (!kvfree_runtime_running())
		return true;
	if (timerfd_gettime(rt->timer.refill, &left))
		abort();
	pthread_mutex_lock(&rt->workqueue.lock);
	idle = !rt->workqueue.head && !rt->refill.running;
	kvfree_for_each_domain(domain)
		if (domain->drain.running || domain->reap.running)
			idle = false;
	pthread_mutex_unlock(&rt->workqueue.lock);
	/* The timer may have fired and its work not be queued yet. During a
	 * hold requests wait, and nothing is under way. */
	if (!__atomic_load_n(&rt->refill_hold, __ATOMIC_SEQ_CST))
		kvfree_for_each_domain(domain) {
			if (__atomic_load_n(&domain->blanks_wanted,
					__ATOMIC_SEQ_CST))
				idle = false;
			kvfree_for_each_thread(thread, domain)
				if (__atomic_load_n(&thread->refill_gate,
						__ATOMIC_SEQ_CST))
					idle = false;
		}
	return idle && !left.it_value.tv_sec && !left.it_value.tv_nsec;
}

/* Until what a start or a call set off is done; the drain timer may be armed.
 * Twice, since the timer thread may be between a timer and the queue. */
static inline void kvinside_settle(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (!kvtest_wait(kvinside_is_idle, NULL, KVTEST_LONG))
			abort();
		kvtest_sleep_msec(2);
	}
}

#endif /* KVINSIDE_H */
