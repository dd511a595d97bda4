/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_PAGE_H
#define KVFREE_PAGE_H

/*
 * page.h - the bulk page: 4096 bytes of pointers that wait together
 *
 * Locking discipline: a page has no lock. It belongs to what holds it: a record, under that
 * record's lock (as open page, closed page or in the cache), or the function that took it out.
 */

#include "util.h"

#define KVFREE_PAGE_BYTES	4096

struct kvfree_record;

struct kvfree_page {
	struct kvfree_page *next;
	struct kvfree_record *record;	/* that fills or filled it */
	unsigned long cookie;	/* once closed: the grace period it waits for */
	size_t bytes;		/* once closed: of its objects, an estimate */
	unsigned int opened_at;	/* domain.tick when its first object came */
	unsigned short nr;	/* pointers in it */
	unsigned short limit;	/* pointers at which it is full */
	unsigned int channel;	/* of all its objects */
	void *ptrs[];
};

#ifdef KVFREE_BULK_RECORDS_OVERRIDE
# define KVFREE_PAGE_PTRS	((unsigned int) (KVFREE_BULK_RECORDS_OVERRIDE))
#else
# define KVFREE_PAGE_PTRS	((unsigned int) \
	((KVFREE_PAGE_BYTES - sizeof(struct kvfree_page)) / sizeof(void *)))
#endif

_Static_assert(KVFREE_PAGE_PTRS >= 1 && sizeof(struct kvfree_page) +
	KVFREE_PAGE_PTRS * sizeof(void *) <= KVFREE_PAGE_BYTES,
	"a page holds at least one pointer and no more than fit");
_Static_assert(KVFREE_PAGE_PTRS <= URCU_KVFREE_MAX_BULK, "what a free function is told to expect");

/* A list of pages, first in first out. */
struct kvfree_page_list {
	struct kvfree_page *head;
	struct kvfree_page *tail;	/* undefined when head is NULL */
	unsigned int nr;		/* pages */
};

static inline void kvfree_page_list_push(struct kvfree_page_list *list, struct kvfree_page *page)
{
	page->next = NULL;
	if (list->head)
		list->tail->next = page;
	else
		list->head = page;
	list->tail = page;
	list->nr++;
}

static inline struct kvfree_page *kvfree_page_list_pop(struct kvfree_page_list *list)
{
	struct kvfree_page *page = list->head;

	if (page) {
		list->head = page->next;
		list->nr--;
	}
	return page;
}

/* How many pages there are; each domain has one of these. */
struct kvfree_page_count {
	uint64_t pages;		/* atomic, relaxed: it orders nothing */
	uint64_t allocated;	/* the same: ever */
};

/* From now on, pages may be memory of posix_memalign(): free() accepts it. */
void kvfree_page_use_memalign(void);
/* Memory for free(), which shares no cache line with a neighbour if that is possible;
 * NULL if there is none. Clean context, no lock of the library held. */
void *kvfree_page_memory(size_t size);

/*
 * Allocate an empty page, NULL when there is no memory; give one back (NULL is a
 * no-op). Pages are from malloc's family, so that leak checkers find what waits in
 * them. Clean context, no lock of the library held.
 */
struct kvfree_page *kvfree_page_alloc(struct kvfree_page_count *count);
void kvfree_page_free(struct kvfree_page_count *count, struct kvfree_page *page);
void kvfree_page_list_free(struct kvfree_page_count *count, struct kvfree_page_list *list);

#endif /* KVFREE_PAGE_H */
