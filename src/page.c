/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * page.c - where bulk pages come from and go to
 */

#include "page.h"

struct kvfree_page *kvfree_page_alloc(struct kvfree_page_count *count)
{
	void *mem;

	if (posix_memalign(&mem, CAA_CACHE_LINE_SIZE, KVFREE_PAGE_BYTES))
		return NULL;
	/* Relaxed: counters order nothing. */
	__atomic_fetch_add(&count->pages, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&count->allocated, 1, __ATOMIC_RELAXED);
	((struct kvfree_page *) mem)->nr = 0;
	/* It may lie on two pages of the system: touch the second one here, so
	 * that no raw call takes the page fault. */
	((volatile char *) mem)[KVFREE_PAGE_BYTES - 1] = 0;
	return mem;
}

void kvfree_page_free(struct kvfree_page_count *count,
		struct kvfree_page *page)
{
	if (!page)
		return;
	__atomic_fetch_sub(&count->pages, 1, __ATOMIC_RELAXED);
	free(page);
}

void kvfree_page_list_free(struct kvfree_page_count *count,
		struct kvfree_page_list *list)
{
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(list)))
		kvfree_page_free(count, page);
}
