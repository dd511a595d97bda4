/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * kvfree.c - the entry points, and the design on one page
 *
 * The problem: freeing after a grace period from a thread that holds a spinlock,
 * from a signal handler, from a SCHED_FIFO thread. There, nothing may
 * allocate, block or wait for a lock, and yet the pointer must be kept
 * somewhere until its grace period is over.
 *
 * Words. A *domain* (domain.h) is what belongs to one flavor of RCU. A
 * *record* (thread.h) is what one thread has in one domain. A *bulk page*
 * (bulk.h) is 4096 bytes of pointers that wait together. A *channel*
 * (channel.h) says how the objects of a page are freed. A *batch* (reclaim.h)
 * is what one grace period frees. An object is *ripe* when its grace period
 * is over.
 *
 * The way of a pointer:
 *
 *  1. A raw call finds its thread's record through TLS, tries the record's
 *     spinlock, stores the pointer into the current page, unlocks. That is the
 *     fast path, below.
 *  2. A full page goes to the record's full list and the next comes from the
 *     record's cache of empty pages. When a page comes into use, the call arms
 *     the tick timer; when kick_pages full ones wait, it asks for a drain now, by the
 *     kick timer or by the thread's next clean call (pages_wait(), below).
 *  3. No page, no record, or the lock is held: the object itself, through its
 *     rcu_head, goes to the domain's emergency list (emergency.h), and the
 *     refill timer is armed.
 *  4. The timer thread (timer.h) wakes and puts work on the worker pool
 *     (workqueue.h). It exists so that a raw call wakes nobody itself: the lock
 *     of the pool could be held by the code that a handler interrupted.
 *  5. A refill (refill.h) allocates pages and gives them to the record that
 *     asked.
 *  6. A drain (reclaim.h) collects pages and emergency list of all records into
 *     a batch, waits for one grace period for all of it, and then
 *     frees each page or hands it back to the record that queued it.
 *  7. The owner frees its ripe objects one by one in clean calls: a
 *     _mightsleep call queues one and frees one in the same critical section;
 *     urcu_kvmalloc() frees as many as it allocates. An owner that stays
 *     away loses its ripe pages to the workers.
 *
 * What always holds:
 *
 *  A. All that a batch frees was collected before its grace period began.
 *     An object is unlinked, then appended (released with the record's lock, or by
 *     the emergency list's compare-and-exchange), then collected (acquired by
 *     the same), then the grace period starts: so every reader that could see
 *     the object is waited for.
 *  B. A raw call takes a bounded number of steps. The record's lock is only
 *     tried; the emergency push is lock-free; the one system call is
 *     timerfd_settime(), made by whoever finds a gate open.
 *  C. No wake-up is lost: state is published, then its gate read; the server
 *     opens the gate, then looks at the state (timer.h). A request that
 *     could not be delivered leaves its gate open, and so does a thread that
 *     is stopped on the way: it stops nobody else.
 *  D. Records, once published, stay; nothing that a raw call or a drain walks
 *     is freed before urcu_kvfree_exit().
 *  E. At most two batches of a domain exist, one of them in its free phase. A
 *     record whose lock is held does not stop a drain; a grace period that
 *     lasts does not stop the freeing of what is ripe.
 *
 * Lock order: runtime.h. The raw lock is innermost and guards bounded pointer
 * work alone.
 */

#include <urcu/flavor.h>

#include "reclaim.h"
#include "refill.h"
#include "runtime.h"
#include "thread.h"
#include "trace.h"

/* Largest number of rounds in which exit empties what frees queue anew. */
#define EXIT_ROUNDS	1000

#define DOMAIN_INIT {							\
	.lock = PTHREAD_MUTEX_INITIALIZER,				\
	.cond = PTHREAD_COND_INITIALIZER,				\
	.reap_lock = PTHREAD_MUTEX_INITIALIZER,				\
	.drain = { .fn = kvfree_drain_work },				\
	.reap = { .fn = kvfree_reap_work, .single = true },				\
}

struct kvfree_runtime kvfree_runtime = {
	.area = { .base = KVFREE_AREA_NONE,
		.lock = PTHREAD_MUTEX_INITIALIZER },
	.timer = KVFREE_TIMER_INIT,
	.refill = { .fn = kvfree_refill_work, .single = true },
	.workqueue = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.more = PTHREAD_COND_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER,
		.tail = &kvfree_runtime.workqueue.head,
		.stop = true },
	.records_lock = PTHREAD_MUTEX_INITIALIZER,
	.start_lock = PTHREAD_MUTEX_INITIALIZER,
	.channels = { .lock = PTHREAD_MUTEX_INITIALIZER },
	.domains = { [0 ... KVFREE_MAX_DOMAINS - 1] = DOMAIN_INIT },
};

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

/* What was queued while nothing ran, and what was asked for before there were
 * timers and a pool to ask: look at all of it. */
static void start_pending(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain) {
		/* Relaxed: the pool's lock takes it to the worker. */
		__atomic_store_n(&domain->blanks_wanted, 1, __ATOMIC_RELAXED);
		kvfree_drain_request(domain, KVFREE_DRAIN_ALL |
				KVFREE_DRAIN_TICK);
	}
	kvfree_workqueue_queue(&kvfree_runtime.workqueue,
			&kvfree_runtime.refill);
}

/* Caller holds start_lock. */
static int start_locked(const struct urcu_kvfree_attr *attr)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_conf conf;
	int saved;

	if (kvfree_runtime_running())
		return 0;
	if (kvfree_conf_resolve(&conf, attr) || kvfree_thread_make_key())
		return -1;
	/* A start without attributes keeps those of an earlier start: the
	 * child of a fork() and a start after exit go on as before. */
	if (attr || !rt->configured)
		kvfree_conf_publish(&rt->conf, &conf);
	rt->configured = true;
	if (kvfree_setting(debug) && kvfree_debug_start(&rt->debug))
		return -1;
	if (kvfree_workqueue_start(&rt->workqueue, kvfree_setting(workers)))
		return -1;
	if (kvfree_timer_start(&rt->timer)) {
		saved = errno;
		kvfree_workqueue_stop(&rt->workqueue);
		errno = saved;
		return -1;
	}
	/* Not before the start is sure to succeed: a worker that waited for a
	 * grace period, and so perhaps for this thread, could not be joined. */
	kvfree_workqueue_open(&rt->workqueue);
	/* Release: pairs with kvfree_runtime_running(). */
	__atomic_store_n(&rt->state, KVFREE_STATE_RUNNING, __ATOMIC_RELEASE);
	start_pending();
	return 0;
}

/* Take start_lock. A start that no caller asked for does not wait for it: a thread
 * between the hooks of a fork has it, and may wait for this one. */
static int start_lock(bool wait)
{
	if (wait)
		return pthread_mutex_lock(&kvfree_runtime.start_lock);
	return pthread_mutex_trylock(&kvfree_runtime.start_lock);
}

/* Not inlined: tests/proofs/disasm.pl knows by name where raw code ends. */
static __attribute__((noinline)) int runtime_start(
		const struct urcu_kvfree_attr *attr, bool wait)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_tls *tls = &kvfree_tls;
	unsigned char claiming = tls->claiming;
	int ret = -1, cancel;

	/* In a free function: exit and before_fork hold start_lock while they
	 * wait for those. */
	if (tls->freeing) {
		if (kvfree_runtime_running())
			return 0;
		errno = EDEADLK;
		return -1;
	}
	/* An allocator hook that queues comes back here while the start
	 * allocates: claiming tells it that this thread is busy. */
	tls->claiming = 1;
	kvfree_signal_fence();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (start_lock(wait) == 0) {
		ret = start_locked(attr);
		/* Release, as all stores of the state; nobody relies on what
		 * comes before this one. */
		if (ret)
			__atomic_store_n(&rt->state, KVFREE_STATE_STOPPED,
					__ATOMIC_RELEASE);
		pthread_mutex_unlock(&rt->start_lock);
	}
	pthread_setcancelstate(cancel, NULL);
	kvfree_signal_fence();
	tls->claiming = claiming;
	return ret;
}

bool kvfree_runtime_start_clean(void)
{
	if (caa_likely(kvfree_runtime_running()))
		return true;
	return !kvfree_tls.claiming && runtime_start(NULL, false) == 0;
}

bool kvfree_runtime_start_raw(void)
{
	/* Acquire: as in kvfree_runtime_running(). */
	int state = __atomic_load_n(&kvfree_runtime.state, __ATOMIC_ACQUIRE);

	if (caa_unlikely(state == KVFREE_STATE_NEVER))
		return kvfree_runtime_start_clean();
	return state == KVFREE_STATE_RUNNING;
}

int urcu_kvfree_init(const struct urcu_kvfree_attr *attr)
{
	return runtime_start(attr, true);
}

static void exit_domain(struct kvfree_domain *domain)
{
	unsigned int rounds = 0;

	kvfree_thread_leave(domain);
	/* Free functions may queue more. */
	do {
		kvfree_barrier(domain, KVFREE_DRAIN_SHRINK);
	} while (kvfree_domain_freed(domain) + kvfree_domain_leaked(domain) !=
		 kvfree_domain_queued(domain, true) && ++rounds < EXIT_ROUNDS);
}

void urcu_kvfree_exit(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;
	unsigned int online;

	if (kvfree_tls.freeing) {
		kvfree_warn("urcu_kvfree_exit() called from a free function; ignored");
		return;
	}
	/* Before the workers are joined: one may wait for this very thread. */
	online = kvfree_enter_wait("urcu_kvfree_exit()");
	pthread_mutex_lock(&rt->start_lock);
	/* A free function that we call may call back: no start below us. */
	kvfree_tls.claiming = 1;
	kvfree_signal_fence();
	if (kvfree_runtime_running()) {
		kvfree_timer_stop(&rt->timer);
		__atomic_store_n(&rt->state, KVFREE_STATE_STOPPED,
				__ATOMIC_RELEASE);
		kvfree_workqueue_stop(&rt->workqueue);
	}
	kvfree_for_each_domain(domain) {
		exit_domain(domain);
		kvfree_thread_free_all(domain);
		domain->requested = 0;
		kvfree_gate_open(&domain->kick_gate);
	}
	kvfree_gate_open(&rt->tick_gate);
	__atomic_store_n(&rt->refill_hold, 0, __ATOMIC_RELAXED);
	kvfree_area_release(&rt->area);
	kvfree_signal_fence();
	kvfree_tls.claiming = 0;
	pthread_mutex_unlock(&rt->start_lock);
	kvfree_leave_wait(online);
}

/* ------------------------------------------------------------------ */
/* Queueing                                                           */

static inline unsigned int channel_of(const void *ptr)
{
	return kvfree_area_has(&kvfree_runtime.area, ptr) ?
		KVFREE_CHANNEL_LARGE : KVFREE_CHANNEL_MALLOC;
}

/*
 * Inlined, like run_events(), so that a raw call's machine code has no way to a
 * mutex, whatever @clean is at run time: tests/proofs/disasm.pl sees to it.
 *
 * kick_pages full pages wait. A clean call asks the workers for a drain itself. So
 * does the next clean call of an owner that makes some: the timer costs a raw call
 * much more. An owner that makes none, or is late, arms the timer.
 */
static inline __attribute__((always_inline)) void pages_wait(
		struct kvfree_thread *thread, bool late, bool clean)
{
	if (clean)
		kvfree_drain_kick(thread->domain);
	else if (!late && __atomic_load_n(&thread->clean_seen,
			__ATOMIC_RELAXED))
		__atomic_store_n(&thread->kick_due, 1, __ATOMIC_RELAXED);
	else
		kvfree_kick(thread->domain);
}

/* What an append left to do, once the lock is released. Raw-safe if not @clean. */
static inline __attribute__((always_inline)) void run_events(
		struct kvfree_thread *thread, unsigned int events, bool clean)
{
	if (events & KVFREE_EVENT_KICK)
		pages_wait(thread, events & KVFREE_EVENT_LATE, clean);
	if (events & KVFREE_EVENT_TICK)
		kvfree_tick_arm();
	if (events & KVFREE_EVENT_REFILL)
		kvfree_refill_request(&thread->refill_gate);
}

/* Append through a record; false when its lock is held or it has no page. */
static bool raw_append(struct kvfree_thread *thread, unsigned int channel,
		void *ptr)
{
	unsigned int events = 0;
	bool done;

	if (!kvfree_thread_trylock(thread))
		return false;
	kvfree_hook(KVFREE_HOOK_RAW_LOCKED);
	done = kvfree_thread_append(thread, channel, ptr) ||
		kvfree_thread_append_slow(thread, channel, ptr, &events);
#ifdef KVFREE_TWIN_ALLOC_IN_RAW
	if (!done) {
		struct kvfree_bulk *bulk = kvfree_bulk_alloc(thread->domain);

		kvfree_thread_cache_push(thread, bulk);
		done = kvfree_thread_append_slow(thread, channel, ptr, &events);
	}
#endif
	kvfree_thread_unlock(thread);
	run_events(thread, events, false);
	return done;
}

/* With debugging on: whether @ptr may be queued. Raw-safe. */
static bool debug_queue(struct kvfree_domain *domain, void *ptr)
{
	if (caa_likely(!kvfree_setting(debug)) ||
	    kvfree_debug_queue(&kvfree_runtime.debug, ptr))
		return true;
	__atomic_fetch_add(&domain->count.doubles, 1, __ATOMIC_RELAXED);
	return false;
}

/* Everything but the fast path; keeps errno. */
static __attribute__((noinline)) bool raw_slow(
		const struct rcu_flavor_struct *flavor, unsigned int channel,
		void *ptr)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	struct kvfree_thread *thread;
	bool want_blank = false, done;
	int saved = errno;

	kvfree_runtime_start_raw();
	thread = kvfree_thread_get_raw(domain, &want_blank);
	if (want_blank)
		kvfree_blanks_request(domain);
	done = !debug_queue(domain, ptr) ||
		(thread && raw_append(thread, channel, ptr));
	errno = saved;
	return done;
}

/* The fast path. */
static inline bool raw_queue(const struct rcu_flavor_struct *flavor,
		unsigned int channel, void *ptr)
{
	struct kvfree_thread *thread = kvfree_thread_recent(flavor);
	bool done;

	if (caa_unlikely(!thread || !kvfree_thread_trylock(thread)))
		return raw_slow(flavor, channel, ptr);
	kvfree_hook(KVFREE_HOOK_RAW_LOCKED);
	done = kvfree_thread_append(thread, channel, ptr);
	kvfree_thread_unlock(thread);
#ifdef KVFREE_TWIN_FREE_IN_RAW
	kvfree_thread_reclaim(thread, 1);
#endif
	return caa_likely(done) || raw_slow(flavor, channel, ptr);
}

/* The object itself, through its rcu_head; keeps errno. */
static __attribute__((noinline)) void emergency_queue(
		const struct rcu_flavor_struct *flavor, unsigned int channel,
		void *ptr, size_t offset)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	uint64_t many = (uint64_t) kvfree_setting(kick_pages) *
		KVFREE_BULK_RECORDS;
	uint64_t nr;
	int saved = errno;

	/* Counted first, so that nothing is ever freed that was not queued. */
	nr = __atomic_add_fetch(&domain->count.emergency, 1, __ATOMIC_RELAXED);
	kvfree_emergency_push(&domain->emergency, ptr, offset, channel);
	kvfree_trace(emergency, flavor, ptr);
	kvfree_tick_arm();
	if (many && nr % many == 0)
		kvfree_kick(domain);
	errno = saved;
}

void urcu_kvfree_rcu_offset_flavor(const struct rcu_flavor_struct *flavor,
		void *ptr, size_t offset)
{
	unsigned int channel = channel_of(ptr);

	if (caa_unlikely(!ptr))
		return;
	if (caa_unlikely(!raw_queue(flavor, channel, ptr)))
		emergency_queue(flavor, channel, ptr, offset);
}

void urcu_kvfree_rcu_channel_offset_flavor(
		const struct rcu_flavor_struct *flavor, void *ptr,
		size_t offset, struct urcu_kvfree_channel *channel)
{
	if (caa_unlikely(!ptr))
		return;
	if (caa_unlikely(!raw_queue(flavor, channel->number, ptr)))
		emergency_queue(flavor, channel->number, ptr, offset);
}

bool urcu_kvfree_rcu_try_flavor(const struct rcu_flavor_struct *flavor,
		void *ptr)
{
	if (caa_unlikely(!ptr) ||
	    caa_likely(raw_queue(flavor, channel_of(ptr), ptr)))
		return true;
	if (kvfree_setting(debug))
		kvfree_debug_forget(&kvfree_runtime.debug, ptr);
	return false;
}

/* ------------------------------------------------------------------ */
/* Clean calls                                                        */

/* Append, with a page allocated here if need be. False: no memory. */
static bool clean_append(struct kvfree_thread *thread, unsigned int channel,
		void *ptr)
{
	for (;;) {
		struct kvfree_bulk *bulk;
		unsigned int events = 0;
		bool done;

		kvfree_thread_lock(thread);
		kvfree_hook(KVFREE_HOOK_CLEAN_LOCKED);
		done = kvfree_thread_append(thread, channel, ptr) ||
			kvfree_thread_append_slow(thread, channel, ptr,
					&events);
		kvfree_thread_unlock(thread);
		run_events(thread, events, true);
		if (done)
			return true;
		bulk = kvfree_bulk_alloc(thread->domain);
		if (!bulk)
			return false;
		/* A signal handler may take it first: hence the loop. */
		kvfree_thread_lock(thread);
		kvfree_thread_cache_push(thread, bulk);
		kvfree_thread_unlock(thread);
	}
}

/* The last resort: wait for a grace period here and free. */
static void free_inline(struct kvfree_domain *domain, unsigned int channel,
		void *ptr)
{
	bool online = kvfree_domain_enter_wait(domain,
			"urcu_kvfree_rcu_mightsleep()");

	kvfree_domain_synchronize(domain);
	kvfree_domain_leave_wait(domain, online);
	__atomic_fetch_add(&domain->count.inline_freed, 1, __ATOMIC_RELAXED);
	kvfree_channel_free(channel, 1, &ptr);
}

static __attribute__((noinline)) void mightsleep_slow(
		const struct rcu_flavor_struct *flavor, void *ptr)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	unsigned int channel = channel_of(ptr);
	struct kvfree_thread *thread;

	kvfree_runtime_start_clean();
	thread = kvfree_thread_get_clean(domain);
	if (thread)
		kvfree_thread_mark_clean(thread);
	if (!debug_queue(domain, ptr))
		return;
	if (!thread || !clean_append(thread, channel, ptr))
		free_inline(domain, channel, ptr);
}

/*
 * The rest of a swap where a ripe page ends, there is none, or the owner falls
 * behind. Caller holds the lock, which is released.
 */
static __attribute__((noinline)) void swap_slow(struct kvfree_thread *thread)
{
	void *victims[KVFREE_RECLAIM_BULK];
	struct kvfree_bulk *spent = NULL;
	size_t i, nr;

	nr = kvfree_thread_take_some(thread,
			kvfree_ripe_share(thread->nr_ripe_pages), victims,
			&spent);
	kvfree_thread_unlock(thread);
	kvfree_thread_mark_clean(thread);
	for (i = 0; i < nr; i++)
		kvfree_thread_free_victim(thread, victims[i]);
	kvfree_bulk_free(thread->domain, spent);
}

/* One in, one out, in one critical section. False: nothing was done. */
static inline bool swap(struct kvfree_thread *thread, void *ptr)
{
	void *victim;

	if (caa_unlikely(!kvfree_thread_trylock(thread)))
		return false;
	if (caa_unlikely(!kvfree_thread_append(thread, channel_of(ptr), ptr))) {
		kvfree_thread_unlock(thread);
		return false;
	}
	kvfree_hook(KVFREE_HOOK_CLEAN_LOCKED);
	victim = kvfree_many_ripe(thread->nr_ripe_pages) ? NULL :
		kvfree_thread_take_quick(thread);
	if (caa_unlikely(!victim)) {
		swap_slow(thread);
		return true;
	}
	kvfree_thread_unlock(thread);
	kvfree_thread_mark_clean(thread);
	kvfree_thread_free_victim(thread, victim);
	return true;
}

void urcu_kvfree_rcu_mightsleep_flavor(const struct rcu_flavor_struct *flavor,
		void *ptr)
{
	struct kvfree_thread *thread = kvfree_thread_recent(flavor);

	if (caa_unlikely(!ptr))
		return;
	/* A record may be there while nothing runs: after a start that failed,
	 * after exit. Each clean call then tries to start again. */
	if (caa_unlikely(!thread || !kvfree_runtime_running() ||
			 !swap(thread, ptr)))
		mightsleep_slow(flavor, ptr);
}

size_t urcu_kvfree_rcu_reclaim_flavor(const struct rcu_flavor_struct *flavor,
		size_t max)
{
	struct kvfree_thread *thread = kvfree_thread_recent(flavor);

	if (!thread)
		thread = kvfree_thread_own(kvfree_domain_get(flavor));
	if (!thread)
		return 0;
	kvfree_thread_clean_call(thread);
	return kvfree_thread_reclaim(thread, max);
}

int urcu_kvfree_rcu_barrier_flavor(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	bool online;

	if (kvfree_tls.freeing) {
		errno = EDEADLK;
		return -1;
	}
	online = kvfree_domain_enter_wait(domain, "urcu_kvfree_rcu_barrier()");
	kvfree_barrier(domain, 0);
	kvfree_domain_leave_wait(domain, online);
	return 0;
}

int urcu_kvfree_register_thread_flavor(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);

	kvfree_runtime_start_clean();
	if (kvfree_thread_get_clean(domain))
		return 0;
	errno = ENOMEM;
	return -1;
}

void urcu_kvfree_unregister_thread_flavor(
		const struct rcu_flavor_struct *flavor)
{
	kvfree_thread_leave(kvfree_domain_get(flavor));
}

size_t urcu_kvfree_shrink_count(void)
{
	struct kvfree_domain *domain;
	uint64_t pages = 0;

	kvfree_for_each_domain(domain)
		pages += __atomic_load_n(&domain->count.pages,
				__ATOMIC_RELAXED);
	return (size_t) pages * KVFREE_BULK_BYTES;
}

size_t urcu_kvfree_shrink(void)
{
	struct kvfree_domain *domain;
	uint64_t before, after;
	unsigned int online;
	size_t nr = 0;

	if (kvfree_tls.freeing)
		return 0;
	online = kvfree_enter_wait("urcu_kvfree_shrink()");
	kvfree_refill_hold();
	kvfree_for_each_domain(domain) {
		before = __atomic_load_n(&domain->count.pages,
				__ATOMIC_RELAXED);
		nr -= (size_t) kvfree_domain_freed(domain);
		kvfree_barrier(domain, KVFREE_DRAIN_SHRINK);
		nr += (size_t) kvfree_domain_freed(domain);
		after = __atomic_load_n(&domain->count.pages,
				__ATOMIC_RELAXED);
		if (after < before)
			nr += (size_t) (before - after);
	}
	kvfree_leave_wait(online);
	return nr;
}
