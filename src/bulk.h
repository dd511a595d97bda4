/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_BULK_H
#define KVFREE_BULK_H

/*
 * bulk.h - the bulk page: 4096 bytes of pointers that wait together
 *
 * Locking discipline: a page has no lock. It belongs to whatever holds it: a
 * thread record (current, full list, cache, ripe list: that record's lock), a
 * batch (the thread that runs the batch), or the function that took it out.
 */

#include "common.h"

#define KVFREE_BULK_BYTES	4096

struct kvfree_thread;
struct kvfree_domain;

struct kvfree_bulk {
	struct kvfree_bulk *next;
	struct kvfree_thread *owner;	/* record that fills or filled it */
	unsigned int nr;		/* records in use */
	unsigned int channel;		/* of all its records */
	void *records[];
};

#ifdef KVFREE_BULK_RECORDS_OVERRIDE
# define KVFREE_BULK_RECORDS	((unsigned int) (KVFREE_BULK_RECORDS_OVERRIDE))
#else
# define KVFREE_BULK_RECORDS	((unsigned int) \
	((KVFREE_BULK_BYTES - sizeof(struct kvfree_bulk)) / sizeof(void *)))
#endif

_Static_assert(KVFREE_BULK_RECORDS >= 1 && sizeof(struct kvfree_bulk) +
	KVFREE_BULK_RECORDS * sizeof(void *) <= KVFREE_BULK_BYTES,
	"a page holds at least one record and no more than fit");
_Static_assert(KVFREE_BULK_RECORDS <= URCU_KVFREE_MAX_BULK,
	"what a free function is told to expect");

/* A list of pages, first in first out; count is the number of pages. */
struct kvfree_bulk_list {
	struct kvfree_bulk *head;
	struct kvfree_bulk *tail;	/* undefined when head is NULL */
	size_t count;
};

static inline void kvfree_bulk_list_push(struct kvfree_bulk_list *list,
		struct kvfree_bulk *bulk)
{
	bulk->next = NULL;
	if (list->head)
		list->tail->next = bulk;
	else
		list->head = bulk;
	list->tail = bulk;
	list->count++;
}

static inline void kvfree_bulk_list_push_front(struct kvfree_bulk_list *list,
		struct kvfree_bulk *bulk)
{
	bulk->next = list->head;
	if (!list->head)
		list->tail = bulk;
	list->head = bulk;
	list->count++;
}

static inline struct kvfree_bulk *kvfree_bulk_list_pop(
		struct kvfree_bulk_list *list)
{
	struct kvfree_bulk *bulk = list->head;

	if (bulk) {
		list->head = bulk->next;
		list->count--;
	}
	return bulk;
}

/* Move all of @from to the end of @to: a fixed number of steps. */
static inline void kvfree_bulk_list_splice(struct kvfree_bulk_list *to,
		struct kvfree_bulk_list *from)
{
	if (!from->head)
		return;
	if (to->head)
		to->tail->next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
	to->count += from->count;
	from->head = NULL;
	from->count = 0;
}

/*
 * Allocate an empty page for @domain's records, NULL when there is no memory;
 * give one back. From malloc's family, so that leak checkers find through the
 * page what waits in it. Clean context, no lock of the library held.
 */
struct kvfree_bulk *kvfree_bulk_alloc(struct kvfree_domain *domain);
void kvfree_bulk_free(struct kvfree_domain *domain, struct kvfree_bulk *bulk);
void kvfree_bulk_list_free(struct kvfree_domain *domain,
		struct kvfree_bulk_list *list);

#endif /* KVFREE_BULK_H */
