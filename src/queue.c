/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * queue.c - the deferring calls, and the design on one page
 *
 * The problem: an object is to be freed after a grace period, and the caller may hold a spinlock,
 * be in a signal handler, or run as SCHED_FIFO. There it may not allocate, block or wait for a
 * lock, and yet the pointer must be kept somewhere until its grace period is over.
 *
 * Words. A *domain* (domain.h) is what belongs to one flavor of RCU. A *record* (record.h) is what
 * one thread has in one domain. A *page* (page.h) is 4096 bytes of pointers that wait together. A
 * *channel* (free.h) says how the objects of a page are freed. A *cookie* (gp.h) is the number of
 * the grace period that a page waits for. An object is *ripe* when its grace period is over.
 *
 * The way of a pointer:
 *
 *  1. A raw call finds its thread's record through TLS, tries the record's spinlock, stores the
 *     pointer into the open page, unlocks. That is the fast path, below.
 *  2. A page that is full is closed: it gets a cookie and goes to the end of the record's closed
 *     pages, where it stays until its objects are freed. The next page comes from the record's
 *     cache (cache.h). When a page comes into use, the call arms the alarm of the tick.
 *  3. If there is no page or no record, or the lock is held, the object itself goes to one of the
 *     domain's emergency lists through its rcu_head (emergency.h), and the alarm of the tick is
 *     armed.
 *  4. When batch_bytes are closed and wait for a grace period (more or less than that: gp.h), a
 *     clean call runs it, while grace periods are short; else the domain's grace-period thread does
 *     (service.h). A raw call arms the kick's alarm.
 *  5. The timer thread (timer.h) wakes and queues work on the worker pool (workqueue.h). It exists
 *     so that a raw call wakes nobody itself: the lock of the pool could be held by the code that a
 *     handler interrupted.
 *  6. The owner frees its ripe objects one by one in clean calls: a _mightsleep call queues one and
 *     frees one in the same critical section; urcu_kvmalloc() frees, or returns, as many as it
 *     allocates.
 *  7. Workers free what owners leave, a piece at a time (reap.h), on the processor where it was
 *     queued (placement.h).
 *
 * What always holds:
 *
 *  A. Nothing is freed before the grace period of its cookie is over. An object is unlinked, then
 *     appended, then its page is closed and the cookie read; whoever frees it has seen that number
 *     completed. So every reader that could see the object is waited for. The emergency lists are
 *     closed in the same way.
 *  B. A raw call takes a bounded number of steps. The record's lock is only tried; the emergency
 *     push is lock-free; its system calls are timerfd_gettime() and timerfd_settime(), made by
 *     whoever finds a gate open, and fstat() and close() in one call after the program took
 *     descriptors of the library away.
 *  C. No wake-up is lost: state is published, then its gate read; the server opens the gate, then
 *     looks at the state (gate.h). A request that could not be delivered leaves its gate open, and
 *     so does a thread that is stopped on the way: it holds up nobody else.
 *  D. Records, once published, stay; nothing that a raw call or a worker walks is freed before
 *     urcu_kvfree_exit().
 *  E. At most one grace period of a domain runs, and freeing what is ripe never waits for it. A
 *     record whose lock is held holds up only its own objects.
 *
 * Lock order: lockrank.h. The raw lock is innermost and guards bounded pointer work only. Calls go
 * down the list of rooms in doc/design.md.
 */

#include "area.h"
#include "count.h"
#include "debug.h"
#include "service.h"
#include "start.h"
#include "timer.h"
#include "trace.h"

/* What an append left to do, once the lock is released. */
enum {
	EVENT_CLOSED = 1 << 0,	/* a page was closed */
	EVENT_OPENED = 1 << 1,	/* a page came into use */
	EVENT_REFILL = 1 << 2,	/* the cache is empty */
};

/* How many bytes an object on the emergency list counts for. */
#define EMERGENCY_BYTES	512

/* ------------------------------------------------------------------ */
/* Raw calls                                                          */

static bool raw_slow(const struct rcu_flavor_struct *flavor, unsigned int channel, void *ptr);
static void emergency_queue(const struct rcu_flavor_struct *flavor,
		unsigned int channel, void *ptr, size_t offset);

static inline unsigned int channel_of(const void *ptr)
{
	return kvfree_area_has(ptr) ? KVFREE_CHANNEL_LARGE : KVFREE_CHANNEL_MALLOC;
}

/* The fast path. */
static inline bool raw_queue(const struct rcu_flavor_struct *flavor,
		unsigned int channel, void *ptr)
{
	struct kvfree_record *record = kvfree_record_recent(flavor);
	bool done;

	if (caa_unlikely(!record || !kvfree_record_trylock(record)))
		return raw_slow(flavor, channel, ptr);
	kvfree_hook(KVFREE_HOOK_RAW_LOCKED);
	done = kvfree_record_append(record, channel, ptr);
	kvfree_record_unlock(record);
	return caa_likely(done) || raw_slow(flavor, channel, ptr);
}

void urcu_kvfree_rcu_offset_flavor(const struct rcu_flavor_struct *flavor,
		const volatile void *object, size_t offset)
{
	void *ptr = (void *) object;
	unsigned int channel = channel_of(ptr);

	if (caa_unlikely(!ptr))
		return;
	if (caa_unlikely(!raw_queue(flavor, channel, ptr)))
		emergency_queue(flavor, channel, ptr, offset);
}

void urcu_kvfree_rcu_channel_offset_flavor(
		const struct rcu_flavor_struct *flavor, const volatile void *object,
		size_t offset, struct urcu_kvfree_channel *channel)
{
	void *ptr = (void *) object;

	if (caa_unlikely(!ptr))
		return;
	if (caa_unlikely(!raw_queue(flavor, channel->number, ptr)))
		emergency_queue(flavor, channel->number, ptr, offset);
}

bool urcu_kvfree_rcu_try_flavor(const struct rcu_flavor_struct *flavor, const volatile void *object)
{
	void *ptr = (void *) object;

	if (caa_unlikely(!ptr) || caa_likely(raw_queue(flavor, channel_of(ptr), ptr)))
		return true;
	if (kvfree_setting(debug))
		kvfree_debug_forget(ptr);
	return false;
}

/* The rest of an append: close the full page, open the next from the cache. Caller holds the lock.
 * Adds to *@events. False when the cache is empty. */
static bool append_slow(struct kvfree_record *record, unsigned int channel,
		void *ptr, unsigned int *events)
{
	struct kvfree_page *page;

	if (kvfree_record_close(record, channel))
		*events |= EVENT_CLOSED;
	page = kvfree_cache_pop(record);
	/* Ask one page ahead, so that a steady caller never finds it empty. */
	if (!record->cache)
		*events |= EVENT_REFILL;
	if (!page)
		return false;
	kvfree_record_open(record, channel, page, ptr);
	*events |= EVENT_OPENED;
	return true;
}

/* Ask the timer thread for a grace period. */
static void kick(struct kvfree_domain *domain)
{
	if (!kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET))
		return;
	if (caa_unlikely(kvfree_setting(debug)))
		kvfree_say_idle();
	if (!kvfree_timer_request(KVFREE_ALARM_KICK, 0, &domain->kick_gate))
		return;
	kvfree_trace(kick, domain);
	__atomic_fetch_add(&domain->count.kicks, 1, __ATOMIC_RELAXED);
}

/* A raw call cannot give its processor to the library's threads. The owner's next allocation
 * can: see kvfree_service_give_way(). */
static void note_crowd(struct kvfree_record *record)
{
	/* Relaxed: the same thread reads it; handlers of signals run here, too. */
	if (kvfree_is_running() && kvfree_service_is_crowded(record->domain))
		__atomic_store_n(&record->yield_due, true, __ATOMIC_RELAXED);
}

/* Append through a record; false when its lock is held or it has no page. */
static bool raw_append(struct kvfree_record *record, unsigned int channel, void *ptr)
{
	unsigned int events = 0;
	bool done;

	if (!kvfree_record_trylock(record))
		return false;
	kvfree_hook(KVFREE_HOOK_RAW_LOCKED);
	done = kvfree_record_append(record, channel, ptr) ||
		append_slow(record, channel, ptr, &events);
	kvfree_record_unlock(record);
	if (events & EVENT_CLOSED) {
		kick(record->domain);
		note_crowd(record);
	}
	if (events & EVENT_OPENED)
		kvfree_tick_arm();
	if (events & EVENT_REFILL)
		kvfree_cache_request(record);
	return done;
}

/* With debugging on: whether @ptr may be queued. Raw-safe. */
static bool debug_queue(struct kvfree_domain *domain, void *ptr)
{
	if (caa_likely(!kvfree_setting(debug)) || kvfree_debug_queue(ptr))
		return true;
	__atomic_fetch_add(&domain->count.doubles, 1, __ATOMIC_RELAXED);
	return false;
}

/* Everything but the fast path; keeps errno. */
static __attribute__((noinline)) bool raw_slow(
		const struct rcu_flavor_struct *flavor, unsigned int channel, void *ptr)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	struct kvfree_record *record;
	int saved = errno;
	bool done;

	kvfree_start_raw();
	record = kvfree_record_get_raw(domain);
	if (!record && kvfree_record_may_claim())
		kvfree_cache_request_blanks(domain);
	done = !debug_queue(domain, ptr) || (record && raw_append(record, channel, ptr));
	errno = saved;
	return done;
}

/* Put the object itself on an emergency list, through its rcu_head; keeps errno. */
static __attribute__((noinline)) void emergency_queue(
		const struct rcu_flavor_struct *flavor, unsigned int channel,
		void *ptr, size_t offset)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	int saved = errno;

	/* Counted first, so that no more is ever counted as freed than as queued. */
	__atomic_fetch_add(&domain->count.emergency, 1, __ATOMIC_RELAXED);
	kvfree_emergency_push(&domain->emergency[kvfree_emergency_list(channel)],
			ptr, offset, channel);
	kvfree_trace_frame();
	kvfree_trace(emergency, flavor, ptr);
	/* Relaxed: a hint; the tick looks at the list itself. */
	__atomic_fetch_add(&domain->uncovered, EMERGENCY_BYTES, __ATOMIC_RELAXED);
	kvfree_tick_arm();
	kick(domain);
	errno = saved;
}

/* ------------------------------------------------------------------ */
/* Clean calls                                                        */

/* More than the cap waits: wait for a grace period, and free the thread's own objects. */
static void over_cap(struct kvfree_record *record)
{
	struct kvfree_domain *domain = record->domain;
	unsigned int online = kvfree_enter_wait("urcu_kvfree_rcu_mightsleep()");

	kvfree_domain_try_wait(domain, kvfree_gp_cookie(&domain->gp));
	kvfree_leave_wait(online);
	kvfree_service_request_reap(domain);
	kvfree_reap_own(record, SIZE_MAX);
}

/* Nothing runs that would free: do it all here. */
static void free_all(struct kvfree_domain *domain)
{
	unsigned int online = kvfree_enter_wait("urcu_kvfree_rcu_mightsleep()");

	/* A fork that began during the barrier would stop it halfway until its end, which may
	 * wait for this thread. Nor in an allocator hook that a start calls, which holds a lock. */
	if (!kvfree_tls.claiming && kvfree_mutex_trylock(&kvfree_idle_lock, KVFREE_RANK_IDLE)) {
		kvfree_barrier(domain);
		kvfree_mutex_unlock(&kvfree_idle_lock);
	}
	kvfree_leave_wait(online);
}

/* A clean call filled a page. */
static void page_filled(struct kvfree_domain *domain)
{
	/* Inside a free function, do not wait: it has a hand open, which before_fork
	 * waits for while it lets no grace period begin. */
	if (!kvfree_is_running() && !kvfree_freeing)
		free_all(domain);
	else
		kvfree_service_budget(domain);
}

/* Whether a clean call has to wait until less is pending. */
static bool is_over_cap(struct kvfree_domain *domain)
{
	size_t cap = kvfree_setting(max_pending_bytes);

	/* In a free function: as above. Relaxed: an estimate. */
	return cap && kvfree_is_running() && !kvfree_freeing &&
		__atomic_load_n(&domain->pending_bytes, __ATOMIC_RELAXED) > cap;
}

/* What an append of a clean call left to do. */
static void clean_events(struct kvfree_record *record, unsigned int events)
{
	if (events & EVENT_OPENED)
		kvfree_tick_arm();
	if (events & EVENT_REFILL)
		kvfree_cache_request(record);
	/* A call that is slower than the tick finds its page closed, and fills none. */
	if ((events & (EVENT_CLOSED | EVENT_OPENED)) && is_over_cap(record->domain))
		over_cap(record);
	else if (events & EVENT_CLOSED)
		page_filled(record->domain);
}

/* Append; allocates a page if need be. False: no memory. */
static bool clean_append(struct kvfree_record *record, unsigned int channel, void *ptr)
{
	for (;;) {
		unsigned int events = 0;
		bool done;

		kvfree_record_lock(record);
		kvfree_hook(KVFREE_HOOK_CLEAN_LOCKED);
		done = kvfree_record_append(record, channel, ptr) ||
			append_slow(record, channel, ptr, &events);
		kvfree_record_unlock(record);
		clean_events(record, events);
		if (done)
			return true;
		/* A signal handler may take the page first: hence the loop. */
		if (!kvfree_cache_add(record))
			return false;
	}
}

/* The last resort: wait for a grace period here and free. */
static void free_inline(struct kvfree_domain *domain, unsigned int channel, void *ptr)
{
	unsigned int online = kvfree_enter_wait("urcu_kvfree_rcu_mightsleep()");

	/* Between the hooks of a fork no numbered grace period may begin, and this call
	 * may not wait for the fork: run one outside the numbers. */
	if (!kvfree_domain_try_wait(domain, kvfree_gp_cookie(&domain->gp)))
		kvfree_gp_synchronize(kvfree_domain_flavor(domain));
	kvfree_leave_wait(online);
	kvfree_service_request_reap(domain);
	kvfree_free_objects(channel, 1, &ptr);
	/* Release: pairs with kvfree_count_freed(). */
	__atomic_fetch_add(&domain->count.inline_freed, 1, __ATOMIC_RELEASE);
}

/* With debugging on: report a caller inside a section, which may one day have to
 * wait. Whether an online QSBR thread is in one cannot be told; it goes through a
 * quiescent state, which it has to expect. */
static void debug_section(void *place)
{
	unsigned int online;

	if (caa_likely(!kvfree_setting(debug)))
		return;
	if (kvfree_enter_wait_try(&online))
		kvfree_leave_wait(online);
	else
		kvfree_debug_section("urcu_kvfree_rcu_mightsleep()", place);
}

static __attribute__((noinline)) void mightsleep_slow(
		const struct rcu_flavor_struct *flavor, void *ptr, void *place)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	unsigned int channel = channel_of(ptr);
	struct kvfree_record *record;

	kvfree_start_clean();
	debug_section(place);
	record = kvfree_record_get_clean(domain);
	if (!debug_queue(domain, ptr))
		return;
	if (record) {
		kvfree_record_mark_clean(record);
		kvfree_reap_note_first(record, channel, ptr);
	}
	if (!record || !clean_append(record, channel, ptr))
		free_inline(domain, channel, ptr);
	if (record)
		kvfree_reap_own(record, 1);
}

/* One in, one out, in one critical section. False: nothing was done. */
static inline bool swap(struct kvfree_record *record, void *ptr)
{
	unsigned int channel = channel_of(ptr);
	void *victim;

	if (caa_unlikely(!kvfree_record_trylock(record)))
		return false;
	if (caa_unlikely(!kvfree_record_append(record, channel, ptr))) {
		kvfree_record_unlock(record);
		return false;
	}
	kvfree_hook(KVFREE_HOOK_CLEAN_LOCKED);
	victim = kvfree_record_take_quick(record);
	kvfree_record_unlock(record);
	kvfree_record_mark_clean(record);
	if (caa_likely(victim))
		kvfree_record_free_victim(record, victim);
	else
		kvfree_reap_own(record, 1);
	return true;
}

void urcu_kvfree_rcu_mightsleep_flavor(const struct rcu_flavor_struct *flavor,
		const volatile void *object)
{
	void *ptr = (void *) object;
	struct kvfree_record *record = kvfree_record_recent(flavor);

	if (caa_unlikely(!ptr))
		return;
	if (caa_unlikely(!record))
		record = kvfree_record_find(flavor);
	/* There may be a record while nothing runs: after a start that failed, or
	 * after exit. Each clean call then tries to start again. */
	if (caa_unlikely(!record || !kvfree_is_running() || !swap(record, ptr)))
		mightsleep_slow(flavor, ptr, __builtin_return_address(0));
}

size_t urcu_kvfree_rcu_reclaim_flavor(const struct rcu_flavor_struct *flavor, size_t max)
{
	struct kvfree_record *record = kvfree_record_find(flavor);

	if (!record)
		return 0;
	kvfree_record_mark_clean(record);
	return kvfree_reap_own(record, max);
}

int urcu_kvfree_rcu_barrier_flavor(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	unsigned int online;

	if (kvfree_freeing) {
		errno = EDEADLK;
		return -1;
	}
	online = kvfree_enter_wait("urcu_kvfree_rcu_barrier()");
	kvfree_barrier_shared(domain);
	kvfree_leave_wait(online);
	return 0;
}

int urcu_kvfree_register_thread_flavor(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_record *record;

	kvfree_start_clean();
	record = kvfree_record_get_clean(kvfree_domain_get(flavor));
	if (record) {
		kvfree_cache_prefill(record);
		return 0;
	}
	errno = ENOMEM;
	return -1;
}

void urcu_kvfree_unregister_thread_flavor(const struct rcu_flavor_struct *flavor)
{
	kvfree_record_leave(kvfree_domain_get(flavor));
}

size_t urcu_kvfree_shrink_count(void)
{
	struct kvfree_domain *domain;
	uint64_t pages = 0;

	kvfree_for_each_domain(domain)
		pages += __atomic_load_n(&domain->count.page.pages, __ATOMIC_RELAXED);
	return (size_t) pages * KVFREE_PAGE_BYTES;
}

size_t urcu_kvfree_shrink(void)
{
	struct kvfree_domain *domain;
	size_t before, after, nr = 0;
	unsigned int online;

	if (kvfree_freeing)
		return 0;
	online = kvfree_enter_wait("urcu_kvfree_shrink()");
	kvfree_refill_hold();
	before = urcu_kvfree_shrink_count();
	kvfree_for_each_domain(domain) {
		uint64_t freed = kvfree_count_freed(domain);

		kvfree_barrier(domain);
		kvfree_cache_drop(domain, true);
		nr += (size_t) (kvfree_count_freed(domain) - freed);
	}
	after = urcu_kvfree_shrink_count();
	kvfree_area_heed_limit();
	kvfree_leave_wait(online);
	return nr + (after < before ? (before - after) / KVFREE_PAGE_BYTES : 0);
}
