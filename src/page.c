/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * page.c - where bulk pages come from and go to
 */

#include "page.h"

static bool memalign_fits;	/* atomic: free() accepts memory of posix_memalign() */

void kvfree_page_use_memalign(void)
{
	/* Relaxed: memory of malloc() is right, too. */
	__atomic_store_n(&memalign_fits, true, __ATOMIC_RELAXED);
}

void *kvfree_page_memory(size_t size)
{
	size_t line = CAA_CACHE_LINE_SIZE;
	void *mem;

	size = (size + line - 1) / line * line;
	if (!__atomic_load_n(&memalign_fits, __ATOMIC_RELAXED))
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

void kvfree_page_free(struct kvfree_page_count *count, struct kvfree_page *page)
{
	if (!page)
		return;
	__atomic_fetch_sub(&count->pages, 1, __ATOMIC_RELAXED);
	free(page);
}

void kvfree_page_list_free(struct kvfree_page_count *count, struct kvfree_page_list *list)
{
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(list)))
		kvfree_page_free(count, page);
}
