/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * cache.c - the supply of empty pages
 *
 * See cache.h.
 */

#include "cache.h"
#include "timer.h"
#include "trace.h"

static uint32_t hold;		/* atomic: when the back-off ends, in msec, or 0: none */

/* ------------------------------------------------------------------ */
/* One record's pages                                                 */

/* Caller holds the lock. */
static struct kvfree_page *cache_take(struct kvfree_record *record)
{
	struct kvfree_page *page = record->cache;

	record->cache = page->next;
	record->nr_cached--;
	return page;
}

struct kvfree_page *kvfree_cache_pop(struct kvfree_record *record)
{
	if (!record->cache) {
		record->starved = true;
		return NULL;
	}
	if (++record->pages_out > record->pages_used)
		record->pages_used = record->pages_out;
	return cache_take(record);
}

/* Caller holds the lock. */
static bool push_if_short(struct kvfree_record *record, struct kvfree_page *page)
{
	if (record->pages_out)
		record->pages_out--;
	if (record->nr_cached >= record->target || !kvfree_record_has_use(record))
		return false;
	kvfree_cache_push(record, page);
	return true;
}

static void recycle(struct kvfree_page_list *spent, bool locked)
{
	struct kvfree_record *record = spent->head->record;
	struct kvfree_page_list surplus = { NULL, NULL, 0 };
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(spent)))
		if (!locked || !push_if_short(record, page))
			kvfree_page_list_push(&surplus, page);
	if (locked)
		kvfree_record_unlock(record);
	kvfree_page_list_free(&record->domain->count.page, &surplus);
}

void kvfree_cache_recycle(struct kvfree_page_list *spent)
{
	if (spent->head)
		recycle(spent, kvfree_record_lock_few(spent->head->record));
}

void kvfree_cache_recycle_try(struct kvfree_page_list *spent)
{
	if (spent->head && kvfree_record_trylock(spent->head->record))
		recycle(spent, true);
}

void kvfree_cache_recycle_owner(struct kvfree_page *page)
{
	struct kvfree_page_list spent = { NULL, NULL, 0 };

	kvfree_trace(page_freed, page->record, page);
	kvfree_domain_unpend(page->record->domain, page->bytes);
	kvfree_page_list_push(&spent, page);
	kvfree_record_lock(page->record);
	recycle(&spent, true);
}

bool kvfree_cache_prefill(struct kvfree_record *record)
{
	bool empty;

	if (!kvfree_setting(min_cached_pages))
		return true;
	kvfree_record_lock(record);
	empty = !record->cache;
	kvfree_record_unlock(record);
	return !empty || kvfree_cache_add(record);
}

bool kvfree_cache_add(struct kvfree_record *record)
{
	struct kvfree_page *page = kvfree_page_alloc(&record->domain->count.page);

	if (!page)
		return false;
	kvfree_record_lock(record);
	kvfree_cache_push(record, page);
	kvfree_record_unlock(record);
	return true;
}

void kvfree_cache_trim(struct kvfree_record *record, unsigned int keep,
		struct kvfree_page_list *spare)
{
	while (record->nr_cached > keep)
		kvfree_page_list_push(spare, cache_take(record));
}

/*
 * The target rises to what a tick used: the most by which the pages taken were ahead of
 * those that came back. A target that is higher falls by a sixteenth, since some ticks use
 * more than others, or by a quarter if nothing was used. A cache that is not used for long
 * shrinks to one page. While memory is short there is no lower limit.
 */
bool kvfree_cache_age(struct kvfree_record *record, struct kvfree_page_list *spare)
{
	unsigned int least = kvfree_refill_is_held() ? 0 : kvfree_setting(min_cached_pages);
	unsigned int used = record->pages_used;

	record->pages_used = record->pages_out = 0;
	if (used)
		record->idle_ticks = 0;
	else if (record->idle_ticks < KVFREE_IDLE_TICKS)
		record->idle_ticks++;
	if (record->idle_ticks == KVFREE_IDLE_TICKS && least > 1)
		least = 1;
	record->target -= used ? (record->target + 15) / 16 : record->target / 4;
	if (record->target < used && kvfree_setting(min_cached_pages))
		record->target = used;
	if (record->target > KVFREE_MAX_TARGET)
		record->target = KVFREE_MAX_TARGET;
	if (record->target < least || record->idle_ticks == KVFREE_IDLE_TICKS)
		record->target = least;
	kvfree_cache_trim(record, kvfree_record_has_use(record) ? record->target : 0, spare);
	return record->nr_cached > 1 && record->idle_ticks < KVFREE_IDLE_TICKS;
}

void kvfree_cache_drop(struct kvfree_domain *domain, bool wait)
{
	struct kvfree_record *record;

	kvfree_for_each_record(record, domain) {
		struct kvfree_page_list spare = { NULL, NULL, 0 };

		if (wait)
			kvfree_record_lock(record);
		else if (!kvfree_record_lock_few(record))
			continue;
		record->target = 0;	/* until the record is used or refilled */
		record->pages_used = record->pages_out = 0;
		kvfree_cache_trim(record, 0, &spare);
		kvfree_record_unlock(record);
		kvfree_page_list_free(&domain->count.page, &spare);
	}
}

/* ------------------------------------------------------------------ */
/* Requests                                                           */

void kvfree_cache_request(struct kvfree_record *record)
{
	/* Without a cache there is nothing to refill. */
	if (!kvfree_setting(min_cached_pages))
		return;
	/* Seq_cst: pairs with the exchange in refill_wanted(). */
	if (__atomic_exchange_n(&record->refill_gate, 1, __ATOMIC_SEQ_CST))
		return;
	/* Seq_cst: pairs with the store in hold_over(). During a back-off the timer is armed
	 * already, and its work looks at all gates after it cleared the hold. */
	if (__atomic_load_n(&hold, __ATOMIC_SEQ_CST))
		return;
	if (!kvfree_timer_arm(KVFREE_ALARM_REFILL, 0))
		__atomic_store_n(&record->refill_gate, 0, __ATOMIC_SEQ_CST);
}

void kvfree_cache_request_blanks(struct kvfree_domain *domain)
{
	/* Seq_cst: as in kvfree_cache_request(). The empty slot is the request. */
	if (kvfree_setting(min_cached_pages) && !__atomic_load_n(&hold, __ATOMIC_SEQ_CST))
		kvfree_timer_request(KVFREE_ALARM_REFILL, 0, &domain->blank_gate);
}

/* ------------------------------------------------------------------ */
/* Refill                                                             */

static bool refill_wanted(int *gate)
{
	/* Seq_cst: opened before the state is looked at; pairs with the exchange in
	 * kvfree_cache_request(). The load too: it must not be done before hold_over() lowered the
	 * hold, or a request that still saw the hold would be missed. */
	return __atomic_load_n(gate, __ATOMIC_SEQ_CST) &&
		__atomic_exchange_n(gate, 0, __ATOMIC_SEQ_CST);
}

/* If a call found no page, the target is too low, even if pages have come back since. Caller holds
 * the lock. */
static void target_grow(struct kvfree_record *record)
{
	unsigned int least = kvfree_setting(min_cached_pages);
	unsigned int target = record->target;

	if (record->starved)
		target *= 2;
	record->starved = false;
	if (target > KVFREE_MAX_TARGET)
		target = KVFREE_MAX_TARGET;
	if (target < least)
		target = least;
	if (target > record->target)
		record->target = target;
}

/*
 * Fill @record's cache to its target. False: the allocator failed. A record
 * whose lock is held is left alone: its owner may be stopped inside a raw call, and
 * the worker has others to serve. The owner asks again when it needs a page.
 */
static bool refill_record(struct kvfree_record *record)
{
	unsigned int need = 0;

	if (!kvfree_record_lock_few(record))
		return true;
	/* Otherwise its thread left meanwhile. */
	if (kvfree_record_has_use(record)) {
		target_grow(record);
		kvfree_trace(refill, record, record->target);
		/* Counted once: an owner that takes pages as fast as they come asks again. */
		if (record->target > record->nr_cached)
			need = record->target - record->nr_cached;
	}
	kvfree_record_unlock(record);
	while (need--) {
		struct kvfree_page *page = kvfree_page_alloc(&record->domain->count.page);

		if (!page) {
			kvfree_trace(refill_failed, record);
			return false;
		}
		if (!kvfree_record_lock_few(record)) {
			kvfree_page_free(&record->domain->count.page, page);
			return true;
		}
		/* Pages may have been emptied meanwhile; one too many is
		 * cheaper than one allocated for nothing. */
		kvfree_cache_push(record, page);
		kvfree_record_unlock(record);
	}
	return true;
}

/* Serve @record's request, if it made one. False: there was no memory. */
static bool serve(struct kvfree_record *record)
{
	if (!refill_wanted(&record->refill_gate))
		return true;
	__atomic_fetch_add(&record->domain->count.refills, 1, __ATOMIC_RELAXED);
	if (refill_record(record))
		return true;
	/* Seq_cst: before the hold, which brings a worker back to serve
	 * this request and those of callers that find the gate closed. */
	__atomic_store_n(&record->refill_gate, 1, __ATOMIC_SEQ_CST);
	return false;
}

/* Fill the blank slots of @domain. False: there was no memory. */
static bool make_blanks(struct kvfree_domain *domain)
{
	unsigned int i;

	kvfree_gate_open(&domain->blank_gate);
	for (i = 0; i < KVFREE_BLANKS; i++) {
		struct kvfree_record *record;

		/* Seq_cst: after the gate was opened; pairs with the gate of
		 * kvfree_cache_request_blanks(). */
		if (__atomic_load_n(&domain->blank[i], __ATOMIC_SEQ_CST))
			continue;
		record = kvfree_record_make_blank(domain);
		if (!record)
			return false;
		if (!kvfree_cache_prefill(record)) {
			kvfree_record_give_back(record);
			return false;
		}
		/* Release: pairs with the acquire exchange of the claim. Only this work, of which
		 * one runs at a time, fills a slot. */
		__atomic_store_n(&domain->blank[i], record, __ATOMIC_RELEASE);
	}
	return true;
}

static bool refill_domain(struct kvfree_domain *domain)
{
	struct kvfree_record *record;

	if (kvfree_setting(min_cached_pages) && !make_blanks(domain))
		return false;
	kvfree_for_each_record(record, domain)
		if (!serve(record))
			return false;
	return true;
}

void kvfree_refill_hold(void)
{
	unsigned int msec = kvfree_setting(refill_backoff_msec);
	uint32_t until = (uint32_t) kvfree_now_msec() + msec;
	struct kvfree_domain *domain;
	struct kvfree_record *record;

	/* Armed before, since whoever sees the hold leaves the arming to this call
	 * (kvfree_cache_request()), which may lose its processor here; and after it, in case the
	 * alarm was served in between. Seq_cst: between the two. A request that does not see the
	 * hold arms the timer for at once, and hold_over() corrects that. */
	if (kvfree_timer_arm(KVFREE_ALARM_REFILL, msec)) {
		__atomic_store_n(&hold, until ? until : 1, __ATOMIC_SEQ_CST);
		if (kvfree_timer_arm(KVFREE_ALARM_REFILL, msec))
			return;
	}
	/* No worker would come back: let the next raw call ask again. Seq_cst: before
	 * the gates are opened; a call that finds one open must not find the hold. */
	__atomic_store_n(&hold, 0, __ATOMIC_SEQ_CST);
	kvfree_for_each_domain(domain) {
		kvfree_gate_open(&domain->blank_gate);
		kvfree_for_each_record(record, domain)
			__atomic_store_n(&record->refill_gate, 0, __ATOMIC_SEQ_CST);
	}
}

/* The allocator failed. */
static void back_off(struct kvfree_domain *domain)
{
	__atomic_fetch_add(&domain->count.refill_failures, 1, __ATOMIC_RELAXED);
	kvfree_refill_hold();
}

void kvfree_cache_serve(struct kvfree_record *record)
{
	/* During a back-off the request stays, and nothing is allocated. */
	if (!kvfree_refill_is_held() && !serve(record))
		back_off(record->domain);
}

/* Whether a back-off, if there is one, has passed. */
static bool hold_over(void)
{
	uint32_t until = __atomic_load_n(&hold, __ATOMIC_SEQ_CST);
	int32_t left = (int32_t) (until - (uint32_t) kvfree_now_msec());

	if (!until)
		return true;
	/* A request that just missed the hold armed the timer for at once: arm it
	 * for the rest of the time. */
	if (left > 0 && kvfree_timer_arm(KVFREE_ALARM_REFILL, (unsigned int) left))
		return false;
	/* Unless another hold began meanwhile, which armed the timer for its own end. Seq_cst:
	 * before the gates are looked at; pairs with the load in kvfree_cache_request(). */
	return __atomic_compare_exchange_n(&hold, &until, 0, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) || !until;
}

static void refill_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain;

	(void) work;
	kvfree_hook(KVFREE_HOOK_REFILL);
	if (!hold_over())
		return;
	kvfree_for_each_domain(domain) {
		if (refill_domain(domain))
			continue;
		back_off(domain);
		return;
	}
}

struct kvfree_work kvfree_refill = { .fn = refill_work };

bool kvfree_refill_is_held(void)
{
	return __atomic_load_n(&hold, __ATOMIC_SEQ_CST);
}

void kvfree_refill_reset(void)
{
	__atomic_store_n(&hold, 0, __ATOMIC_SEQ_CST);
}
