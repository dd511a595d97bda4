/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * bulk.c - where bulk pages come from and go to
 */

#include "bulk.h"
#include "domain.h"

struct kvfree_bulk *kvfree_bulk_alloc(struct kvfree_domain *domain)
{
	void *mem;

	if (posix_memalign(&mem, CAA_CACHE_LINE_SIZE, KVFREE_BULK_BYTES))
		return NULL;
	/* Relaxed: counters order nothing. */
	__atomic_fetch_add(&domain->count.pages, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&domain->count.pages_allocated, 1, __ATOMIC_RELAXED);
	((struct kvfree_bulk *) mem)->nr = 0;
	/* It may lie on two pages of the system: touch the second one here, so
	 * that no raw call takes the page fault. */
	((volatile char *) mem)[KVFREE_BULK_BYTES - 1] = 0;
	return mem;
}

void kvfree_bulk_free(struct kvfree_domain *domain, struct kvfree_bulk *bulk)
{
	if (!bulk)
		return;
	__atomic_fetch_sub(&domain->count.pages, 1, __ATOMIC_RELAXED);
	free(bulk);
}

void kvfree_bulk_list_free(struct kvfree_domain *domain,
		struct kvfree_bulk_list *list)
{
	struct kvfree_bulk *bulk;

	while ((bulk = kvfree_bulk_list_pop(list)))
		kvfree_bulk_free(domain, bulk);
}
