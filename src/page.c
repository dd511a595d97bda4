/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * page.c - where bulk pages come from and go to
 */

#include "page.h"

static bool only_malloc;	/* atomic: free() does not accept posix_memalign()'s memory */

void kvfree_page_start(bool memalign)
{
	/* Relaxed: nothing is allocated before the first start. */
	__atomic_store_n(&only_malloc, !memalign, __ATOMIC_RELAXED);
}

void *kvfree_page_memory(size_t size)
{
	size_t line = CAA_CACHE_LINE_SIZE;
	void *mem;

	size = (size + line - 1) / line * line;
	if (__atomic_load_n(&only_malloc, __ATOMIC_RELAXED))
		return malloc(size);
	return posix_memalign(&mem, line, size) ? NULL : mem;
}

struct kvfree_page *kvfree_page_alloc(struct kvfree_page_count *count)
{
	void *mem = kvfree_page_memory(KVFREE_PAGE_BYTES);

	if (!mem)
		return NULL;
	/* Relaxed: counters order nothing. */
	__atomic_fetch_add(&count->pages, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&count->allocated, 1, __ATOMIC_RELAXED);
	((struct kvfree_page *) mem)->nr = 0;
	/* It may lie on two pages of the system: touch the second one here, so
	 * that no raw call causes the page fault. */
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
