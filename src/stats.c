/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * stats.c - urcu_kvfree_get_stats()
 *
 * Objects in pages are counted when their page leaves the thread's hands, so that
 * the fast path counts nothing; reading the counters adds what the current
 * pages hold.
 */

#include <string.h>

#include "runtime.h"
#include "thread.h"

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_threads(struct kvfree_domain *domain,
		struct urcu_kvfree_stats *sum)
{
	struct kvfree_thread *thread;

	kvfree_for_each_thread(thread, domain) {
		kvfree_thread_lock(thread);
		sum->cached_pages += thread->nr_cached;
		kvfree_thread_unlock(thread);
		if (__atomic_load_n(&thread->state, __ATOMIC_RELAXED) ==
		    KVFREE_THREAD_OWNED)
			sum->threads++;
	}
}

static void add_domain(struct kvfree_domain *domain,
		struct urcu_kvfree_stats *sum)
{
	/* freed first: what is freed after it was read does not make freed
	 * exceed queued. */
	sum->freed += kvfree_domain_freed(domain);
	sum->owner_freed += kvfree_domain_owner_freed(domain);
	sum->inline_freed += get(&domain->count.inline_freed);
	sum->leaked += kvfree_domain_leaked(domain);
	sum->emergency += get(&domain->count.emergency);
	sum->pages += get(&domain->count.pages);
	sum->pages_allocated += get(&domain->count.pages_allocated);
	sum->refills += get(&domain->count.refills);
	sum->refill_failures += get(&domain->count.refill_failures);
	sum->drains += get(&domain->count.drains);
	sum->kicks += get(&domain->count.kicks);
	sum->grace_periods += get(&domain->count.grace_periods);
	add_threads(domain, sum);
	sum->queued += kvfree_domain_queued(domain, true);
}

int urcu_kvfree_get_stats_flavor(const struct rcu_flavor_struct *flavor,
		struct urcu_kvfree_stats *stats, size_t size)
{
	struct urcu_kvfree_stats sum = { 0 };
	struct kvfree_domain *domain;

	if (!stats || !size) {
		errno = EINVAL;
		return -1;
	}
	kvfree_for_each_domain(domain)
		if (!flavor || kvfree_domain_flavor(domain) == flavor)
			add_domain(domain, &sum);
	sum.pending = sum.queued - sum.freed - sum.leaked;
	sum.large_bytes = get(&kvfree_runtime.area.bytes);
	memset(stats, 0, size);
	memcpy(stats, &sum, size < sizeof(sum) ? size : sizeof(sum));
	return 0;
}
