/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * stats.c - urcu_kvfree_get_stats()
 */

#include <string.h>

#include "area.h"
#include "cache.h"
#include "count.h"

/* The age of the oldest page, in ticks since its first object came. Ticks follow each other while
 * anything is pending, so they serve as a clock; raw calls cannot read one. Caller holds the
 * lock. */
static unsigned int record_age(const struct kvfree_record *record)
{
	unsigned int now = __atomic_load_n(&record->domain->tick, __ATOMIC_RELAXED);
	unsigned int i, oldest = 0;

	for (i = 0; i < KVFREE_CHANNELS + KVFREE_CLOSED_LISTS; i++) {
		const struct kvfree_page *page = i < KVFREE_CHANNELS ? record->open[i] :
			record->closed[i - KVFREE_CHANNELS].head;

		if (page && oldest < now - page->opened_at)
			oldest = now - page->opened_at;
	}
	return oldest;
}

static uint64_t open_bytes(const struct kvfree_record *record)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < KVFREE_CHANNELS; i++)
		if (record->open[i])
			bytes += record->open[i]->nr * kvfree_record_object_bytes(record, i);
	return bytes;
}

static void add_records(struct kvfree_domain *domain, struct urcu_kvfree_stats *sum)
{
	struct kvfree_record *record;
	uint64_t msec;

	kvfree_for_each_record(record, domain) {
		kvfree_record_lock(record);
		sum->cached_pages += record->nr_cached;
		sum->pending_bytes += open_bytes(record);
		msec = (uint64_t) record_age(record) * kvfree_setting(drain_msec);
		if (sum->oldest_msec < msec)
			sum->oldest_msec = msec;
		kvfree_record_unlock(record);
		sum->recycled += kvfree_count_get(&record->nr_recycled);
		if (__atomic_load_n(&record->state, __ATOMIC_RELAXED) == KVFREE_RECORD_OWNED)
			sum->threads++;
	}
}

static void add_domain(struct kvfree_domain *domain, struct urcu_kvfree_stats *sum)
{
	uint64_t freed = kvfree_count_freed(domain);
	uint64_t leaked = kvfree_count_leaked(domain);
	uint64_t longest = kvfree_count_get(&domain->gp.longest_msec);
	uint64_t queued;

	sum->owner_freed += kvfree_count_owner_freed(domain);
	sum->inline_freed += kvfree_count_get(&domain->count.inline_freed);
	sum->emergency += kvfree_count_get(&domain->count.emergency);
	sum->pages += kvfree_count_get(&domain->count.page.pages);
	sum->pages_allocated += kvfree_count_get(&domain->count.page.allocated);
	sum->refills += kvfree_count_get(&domain->count.refills);
	sum->refill_failures += kvfree_count_get(&domain->count.refill_failures);
	sum->kicks += kvfree_count_get(&domain->count.kicks);
	sum->helped += kvfree_count_get(&domain->count.helped);
	sum->grace_periods += kvfree_count_get(&domain->gp.count);
	sum->pending_bytes += __atomic_load_n(&domain->pending_bytes, __ATOMIC_RELAXED);
	sum->recycled += kvfree_count_get(&domain->count.recycled);
	if (sum->grace_period_msec < longest)
		sum->grace_period_msec = longest;
	add_records(domain, sum);
	/* Read after what is freed: see count.h. */
	queued = kvfree_count_queued(domain, true);
	sum->freed += freed;
	sum->leaked += leaked;
	sum->queued += queued;
	sum->pending += queued - freed - leaked;
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
	sum.large_bytes = kvfree_count_get(&kvfree_area.bytes);
	memset(stats, 0, size);
	memcpy(stats, &sum, size < sizeof(sum) ? size : sizeof(sum));
	return 0;
}
