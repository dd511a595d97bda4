/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_CACHE_H
#define KVFREE_CACHE_H

/*
 * cache.h - the supply of empty pages
 *
 * Each record has a cache of empty pages. A call that closes a page takes the next one
 * from there; the thread that empties a page puts it back. When the cache runs dry, a
 * raw call asks for a refill: it sets its record's refill_gate and arms the timer.
 * A worker opens the gate, then looks at what the record needs, allocates outside the
 * lock and pushes the pages to the record that asked.
 *
 * The refill_gate of a record is closed before the timer is armed, unlike those of
 * gate.h: its thread holds up only itself. It also says which record asked.
 *
 * When the allocator fails, the worker, or an owner that serves itself in urcu_kvmalloc(), stops at
 * once: it sets the gate again, arms the timer for the back-off time and raises the hold. There is
 * one attempt of each per back-off, and every request made meanwhile waits for it.
 */

#include "record.h"

/* A cache grows to at most so many pages, unless min_cached_pages asks for more. */
#define KVFREE_MAX_TARGET	256
/* Ticks without use after which a cache shrinks to one page. */
#define KVFREE_IDLE_TICKS	10

/* The next empty page, or NULL. Caller holds the record's lock. */
struct kvfree_page *kvfree_cache_pop(struct kvfree_record *record);

/* Put an empty page into the cache, whatever the target. Caller holds the lock. */
static inline void kvfree_cache_push(struct kvfree_record *record, struct kvfree_page *page)
{
	page->nr = 0;
	page->next = record->cache;
	record->cache = page;
	record->nr_cached++;
}

/*
 * Give emptied pages to the record that filled them if it is short of pages, else to
 * the allocator. All of @spent are of one record. _try tries its lock once, and
 * leaves @spent as it is if that is held. _owner is for the record's owner, and takes
 * what the page held off the pending bytes. Clean context, no lock held.
 */
void kvfree_cache_recycle(struct kvfree_page_list *spent);
void kvfree_cache_recycle_try(struct kvfree_page_list *spent);
void kvfree_cache_recycle_owner(struct kvfree_page *page);

/* Allocate a page for the cache; for one that has none, so that the next raw call finds one.
 * False: no memory. Clean context, no lock held. */
bool kvfree_cache_add(struct kvfree_record *record);
bool kvfree_cache_prefill(struct kvfree_record *record);

/* Make the cache a tick older. Surplus pages go to @spare. Caller holds the lock. Returns whether
 * there is more to shrink later. */
bool kvfree_cache_age(struct kvfree_record *record, struct kvfree_page_list *spare);
/* Leave @keep pages; the others go to @spare. Caller holds the lock. */
void kvfree_cache_trim(struct kvfree_record *record, unsigned int keep,
		struct kvfree_page_list *spare);
/* Give all empty pages of @domain back; refills begin small again. Without @wait, leave out
 * records whose lock is held. Clean context. */
void kvfree_cache_drop(struct kvfree_domain *domain, bool wait);

/* Ask for a refill of @record; for blank records. Raw-safe, may change errno. */
void kvfree_cache_request(struct kvfree_record *record);
void kvfree_cache_request_blanks(struct kvfree_domain *domain);

/* Serve @record's request, if it made one. For its owner in a clean context. */
void kvfree_cache_serve(struct kvfree_record *record);

/* The work function of kvfree_refill: serve all that was asked for. */
extern struct kvfree_work kvfree_refill;
/* Make no pages for the back-off time: memory is short. Clean context. */
void kvfree_refill_hold(void);
/* At exit and in the child of a fork: no hold. */
void kvfree_refill_reset(void);
/* Whether a back-off is on. */
bool kvfree_refill_is_held(void);

#endif /* KVFREE_CACHE_H */
