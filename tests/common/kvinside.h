/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVINSIDE_H
#define KVINSIDE_H

/*
 * kvinside.h - what tests do with the insides of the check build
 */

#include <limits.h>
#include <sys/resource.h>

#include "kvtest.h"
#include "area.h"
#include "cache.h"
#include "service.h"
#include "start.h"
#include "timer.h"

/*
 * Lock a record, as a holder that is stopped would have it locked: the test goes
 * on meanwhile, and is no raw context to urcu-rawcheck.
 */
static inline void kvinside_lock(struct kvfree_record *record)
{
	kvfree_record_lock(record);
	urcu_rawcheck_leave();
}

/* The calling thread's record, made if need be. */
static inline struct kvfree_record *kvinside_record(
		const struct rcu_flavor_struct *rcu)
{
	struct kvfree_record *record =
		kvfree_record_get_clean(kvfree_domain_get(rcu));

	if (!record)
		abort();
	kvfree_cache_prefill(record);
	return record;
}

/* Queue on the emergency list: what a raw call does when the record is locked.
 * @channel may be NULL. */
static inline void kvinside_queue_emergency(
		const struct rcu_flavor_struct *rcu,
		struct kvtest_object *object,
		struct urcu_kvfree_channel *channel)
{
	struct kvfree_record *record = kvinside_record(rcu);

	kvinside_lock(record);
	if (channel)
		urcu_kvfree_rcu_channel_flavor(rcu, object, head, channel);
	else
		urcu_kvfree_rcu_flavor(rcu, object, head);
	kvfree_record_unlock(record);
}

/* The same, onto the list itself, where no call is to be made. */
static inline void kvinside_link_emergency(struct kvfree_domain *domain,
		struct kvtest_object *object, unsigned int channel)
{
	/* Counted first, as in queue.c. */
	__atomic_fetch_add(&domain->count.emergency, 1, __ATOMIC_RELAXED);
	kvfree_emergency_push(
			&domain->emergency[kvfree_emergency_list(channel)],
			object, offsetof(struct kvtest_object, head), channel);
}

/* Close the open pages of @record, as a tick does. */
static inline void kvinside_close_pages(struct kvfree_record *record)
{
	kvfree_record_lock(record);
	kvfree_record_close_all(record);
	kvfree_record_unlock(record);
}

/* Empty pages in @record's cache. */
static inline unsigned int kvinside_cached(struct kvfree_record *record)
{
	unsigned int nr;

	kvfree_record_lock(record);
	nr = record->nr_cached;
	kvfree_record_unlock(record);
	return nr;
}

/* Take all pages out of @record's cache. */
static inline void kvinside_empty_cache(struct kvfree_record *record)
{
	struct kvfree_page_list spare = { NULL, NULL, 0 };

	kvfree_record_lock(record);
	kvfree_cache_trim(record, 0, &spare);
	kvfree_record_unlock(record);
	kvfree_page_list_free(&record->domain->count.page, &spare);
}

/* Make the open page of @record ripe: close it and run its grace period. */
static inline void kvinside_ripen(struct kvfree_record *record)
{
	unsigned long cookie;

	kvfree_record_lock(record);
	kvfree_record_close(record, KVFREE_CHANNEL_MALLOC);
	kvfree_record_unlock(record);
	cookie = kvfree_gp_cookie(&record->domain->gp);
	kvfree_domain_wait(record->domain, cookie);
}

/* Whether there can be a range of large allocations: not on 32 bits. */
static inline bool kvinside_has_range(void)
{
	struct rlimit limit;

	return KVFREE_AREA_EXISTS && getrlimit(RLIMIT_AS, &limit) == 0 &&
		limit.rlim_cur == RLIM_INFINITY;
}

/* Skips a test of the range where there is none. */
#define kvinside_needs_range()	\
	kvtest_needs(kvinside_has_range(), "32 bits, or an RLIMIT_AS")

/* Records of @domain, in whatever state. */
static inline unsigned int kvinside_count_records(
		struct kvfree_domain *domain)
{
	struct kvfree_record *record;
	unsigned int nr = 0;

	kvfree_for_each_record(record, domain)
		nr++;
	return nr;
}

/* No work is queued or runs on @wq. */
static inline bool kvinside_is_quiet(struct kvfree_workqueue *wq)
{
	bool quiet;

	pthread_mutex_lock(&wq->lock);
	quiet = !wq->head && !wq->running;
	pthread_mutex_unlock(&wq->lock);
	return quiet;
}

/* In how many milliseconds @alarm is due; UINT64_MAX: it was not asked for. */
static inline uint64_t kvinside_due(enum kvfree_alarm alarm)
{
	/* Seq_cst: pairs with take_asked(), which stores the other first. */
	unsigned int asked = __atomic_load_n(&kvfree_timer.asked[alarm],
			__ATOMIC_SEQ_CST);
	uint64_t now, due;

	if (asked)
		return asked - 1;
	due = __atomic_load_n(&kvfree_timer.due[alarm], __ATOMIC_RELAXED);
	now = kvfree_now_msec();
	return !due ? UINT64_MAX : due < now ? 0 : due - now;
}

/* Whether @alarm was asked for at a time that comes. */
static inline bool kvinside_is_armed(enum kvfree_alarm alarm)
{
	const uint64_t month = UINT64_C(30) * 24 * 60 * 60 * 1000;

	return kvinside_due(alarm) < month;
}

/* The opposite: seven weeks. */
static inline void kvinside_disarm(enum kvfree_alarm alarm)
{
	if (!kvfree_timer_arm(alarm, UINT_MAX - 1))
		abort();
}

/* Nothing can be armed, or can be again. */
static inline void kvinside_let_arm(bool may)
{
	__atomic_store_n(&kvfree_timer.open, may, __ATOMIC_SEQ_CST);
}

/* No work is queued or runs, and no refill is asked for. */
static inline bool kvinside_is_idle(void *unused)
{
	struct kvfree_domain *domain;
	struct kvfree_record *record;
	bool idle;

	(void) unused;
	if (!kvfree_is_running())
		return true;
	idle = kvinside_is_quiet(&kvfree_pool);
	kvfree_for_each_domain(domain) {
		if (!kvinside_is_quiet(&domain->gp_thread))
			idle = false;
		/* The timer may have fired and its work not be queued yet.
		 * During a hold requests wait, and nothing is under way. */
		if (kvfree_refill_is_held())
			continue;
		kvfree_for_each_record(record, domain)
			if (__atomic_load_n(&record->refill_gate,
					__ATOMIC_SEQ_CST))
				idle = false;
	}
	return idle && !kvinside_is_armed(KVFREE_ALARM_REFILL);
}

/* Until what a start or a call set off is done; the drain timer may be armed.
 * Twice, since the timer thread may be between a timer and the queue. */
static inline void kvinside_settle(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (!kvtest_wait(kvinside_is_idle, NULL, KVTEST_LONG))
			abort();
		kvtest_sleep_msec(2);
	}
}

/*
 * Before a fork in an emulator, whose child hangs if a thread began or ended at that moment:
 * until the threads of the library run. Elsewhere a fork may come at any time.
 */
static inline void kvinside_await_threads(void)
{
	if (!kvtest_is_emulated() || !kvfree_is_running())
		return;
	if (!kvtest_threads_become("kvfree-worker", kvfree_setting(workers)) ||
	    !kvtest_threads_become("kvfree-timer", 1))
		abort();
}

/* The same, and the thread for grace periods of @rcu, which runs one. */
static inline void kvinside_await_gp_thread(const struct rcu_flavor_struct *rcu)
{
	unsigned int online;

	if (!kvtest_is_emulated())
		return;
	online = kvfree_enter_wait("a test");
	kvfree_service_request_gp(kvfree_domain_get(rcu));
	kvinside_settle();
	kvfree_leave_wait(online);
	kvinside_await_threads();
}

#endif /* KVINSIDE_H */
