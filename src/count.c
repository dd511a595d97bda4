/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * count.c - objects ever queued, ever freed
 */

#include "count.h"

uint64_t kvfree_count_owner_freed(struct kvfree_domain *domain)
{
	uint64_t nr = kvfree_count_get(&domain->count.owner_freed);
	struct kvfree_record *record;

	/* Acquire: pairs with kvfree_record_freed(). */
	kvfree_for_each_record(record, domain)
		nr += __atomic_load_n(&record->nr_freed, __ATOMIC_ACQUIRE);
	return nr;
}

uint64_t kvfree_count_freed(struct kvfree_domain *domain)
{
	/* Acquire: pairs with the release of whoever freed. */
	return __atomic_load_n(&domain->count.freed, __ATOMIC_ACQUIRE) +
		__atomic_load_n(&domain->count.inline_freed, __ATOMIC_ACQUIRE) +
		kvfree_count_owner_freed(domain);
}

uint64_t kvfree_count_leaked(struct kvfree_domain *domain)
{
	return kvfree_count_get(&domain->count.leaked) + kvfree_count_get(&domain->count.doubles);
}

uint64_t kvfree_count_queued(struct kvfree_domain *domain, bool wait)
{
	struct kvfree_record *record;
	uint64_t nr;

	nr = kvfree_count_get(&domain->count.emergency) +
		kvfree_count_get(&domain->count.inline_freed) +
		kvfree_count_get(&domain->count.doubles) +
		kvfree_count_get(&domain->count.retired_queued);
	kvfree_for_each_record(record, domain) {
		if (wait)
			kvfree_record_lock(record);
		else if (!kvfree_record_lock_few(record))
			continue;
		nr += kvfree_record_queued(record);
		kvfree_record_unlock(record);
	}
	return nr;
}

uint64_t kvfree_count_pending(struct kvfree_domain *domain, bool wait)
{
	uint64_t done, queued;

	done = kvfree_count_freed(domain) + kvfree_count_leaked(domain);
	queued = kvfree_count_queued(domain, wait);
	/* Without the records that were left out it may be less. */
	return queued > done ? queued - done : 0;
}
