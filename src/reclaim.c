/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * reclaim.c - drain: collect, grace period, free or hand back; barrier
 *
 * See reclaim.h for the phases of a batch.
 *
 * Locking discipline: domain.lock guards which batches exist and their phase.
 * It is not held while a batch collects, waits or frees; the thread that
 * began a batch owns its contents, and helpers of the free phase take pages off its
 * list under domain.lock. domain.reap_lock is held from the taking of ripe
 * lists until they are freed, so that whoever gets it next knows that
 * all that was taken before is freed.
 */

#include <string.h>
#include <urcu/flavor.h>

#include "reclaim.h"
#include "runtime.h"
#include "thread.h"
#include "trace.h"

/* A batch of more pages than this asks another worker to help free it. */
#define HELP_PAGES	64
/* An owner with this many times kick_pages ripe pages has fallen behind. */
#define RIPE_KICKS	32
/* Pointers of the emergency list that are freed in one call. */
#define EMERGENCY_BULK	64
/* A grace period longer than this is reported, then at each doubling. */
#define STALL_MSEC	10000

#ifdef KVFREE_CHECK
unsigned int kvfree_check_stall_msec = STALL_MSEC;
# undef STALL_MSEC
# define STALL_MSEC	kvfree_check_stall_msec
#endif

static const struct timespec nap = { .tv_sec = 0, .tv_nsec = 50000 };

/* ------------------------------------------------------------------ */
/* Freeing                                                            */

/* Give an empty page to the record that filled it, or to the allocator. */
static void page_recycle(struct kvfree_domain *domain, struct kvfree_bulk *bulk)
{
	struct kvfree_thread *owner = bulk->owner;

	if (kvfree_thread_lock_few(owner)) {
		bool wanted = owner->nr_cached < owner->target &&
			kvfree_thread_has_use(owner);

		if (wanted)
			kvfree_thread_cache_push(owner, bulk);
		kvfree_thread_unlock(owner);
		if (wanted)
			return;
	}
	kvfree_bulk_free(domain, bulk);
}

static void objects_free(struct kvfree_domain *domain, unsigned int channel,
		size_t nr, void **ptrs)
{
	kvfree_channel_free(channel, nr, ptrs);
	/* Relaxed: a barrier learns of it through domain.lock. */
	__atomic_fetch_add(&domain->count.freed, nr, __ATOMIC_RELAXED);
}

static void page_free(struct kvfree_domain *domain, struct kvfree_bulk *bulk)
{
	if (bulk->nr)
		objects_free(domain, bulk->channel, bulk->nr, bulk->records);
	page_recycle(domain, bulk);
}

static void emergency_free(struct kvfree_domain *domain,
		struct kvfree_emergency *link)
{
	void *ptrs[EMERGENCY_BULK];
	unsigned int channel = 0;
	size_t nr = 0;

	while (link) {
		struct kvfree_emergency *next = link->next;

		if (nr == EMERGENCY_BULK ||
		    (nr && channel != kvfree_emergency_channel(link))) {
			objects_free(domain, channel, nr, ptrs);
			nr = 0;
		}
		channel = kvfree_emergency_channel(link);
		ptrs[nr++] = kvfree_emergency_object(link);
		link = next;
	}
	if (nr)
		objects_free(domain, channel, nr, ptrs);
}

/* Ripe pages with which an owner has fallen behind. */
static unsigned int ripe_limit(void)
{
	return RIPE_KICKS * kvfree_setting(kick_pages);
}

/*
 * Give @chain to @owner if it will free what is ripe: it is in clean contexts now
 * and then, and keeps up. One short critical section however long the chain: a raw
 * call that meets it goes to the emergency list.
 */
static bool chain_hand_back(const struct kvfree_bulk_list *chain,
		struct kvfree_thread *owner)
{
	bool wanted;

	if (!kvfree_thread_lock_few(owner))
		return false;
	wanted = owner->nr_ripe_pages < ripe_limit() &&
		(owner->was_clean ||
		 __atomic_load_n(&owner->clean_seen, __ATOMIC_RELAXED)) &&
		__atomic_load_n(&owner->state, __ATOMIC_RELAXED) ==
			KVFREE_THREAD_OWNED;
	if (wanted) {
		chain->tail->next = owner->ripe;
		kvfree_thread_set_ripe(owner, chain->head,
				owner->nr_ripe_pages +
				(unsigned int) chain->count);
	}
	kvfree_thread_unlock(owner);
	return wanted;
}

/* Move the pages at the head of @pages that have one owner to @chain, as many as an
 * owner may be given, or to @rest where they hold what an owner does not free. */
static struct kvfree_thread *chain_take(struct kvfree_bulk_list *pages,
		struct kvfree_bulk_list *chain, struct kvfree_bulk_list *rest)
{
	struct kvfree_thread *owner = pages->head->owner;

	while (pages->head && pages->head->owner == owner &&
	       chain->count < ripe_limit()) {
		struct kvfree_bulk *bulk = kvfree_bulk_list_pop(pages);

		if (bulk->channel == KVFREE_CHANNEL_MALLOC && bulk->nr)
			kvfree_bulk_list_push_front(chain, bulk);
		else
			kvfree_bulk_list_push(rest, bulk);
	}
	return owner;
}

/*
 * Hand pages back to their owners, unless somebody asked for everything to be freed.
 * The others stay in the batch. Returns whether an owner got some. With a
 * single worker nobody could take them back from an owner that stays away while the
 * worker waits for a grace period.
 */
static bool batch_hand_back(struct kvfree_batch *batch)
{
	struct kvfree_bulk_list rest = { NULL, NULL, 0 };
	bool handed = false;

	if (batch->how & KVFREE_DRAIN_KEEP || kvfree_setting(workers) == 1 ||
	    kvfree_setting(debug))
		return false;
	while (batch->pages.head) {
		struct kvfree_bulk_list chain = { NULL, NULL, 0 };
		struct kvfree_thread *owner = chain_take(&batch->pages, &chain,
				&rest);

		if (chain.head && chain_hand_back(&chain, owner))
			handed = true;
		else
			kvfree_bulk_list_splice(&rest, &chain);
	}
	kvfree_bulk_list_splice(&batch->pages, &rest);
	return handed;
}

/* ------------------------------------------------------------------ */
/* Collecting                                                         */

static void trim_cache(struct kvfree_thread *thread, unsigned int keep,
		struct kvfree_bulk_list *spare)
{
	while (thread->nr_cached > keep) {
		struct kvfree_bulk *bulk = thread->cache;

		kvfree_assert(bulk);
		thread->cache = bulk->next;
		thread->nr_cached--;
		kvfree_bulk_list_push(spare, bulk);
	}
}

/*
 * One tick older: the target follows the pages used in this drain period, or
 * falls by a quarter; a cache that is not used at all shrinks to one
 * page. Caller holds the lock. Returns whether there is more to shrink later.
 */
static bool cache_age(struct kvfree_thread *thread,
		struct kvfree_bulk_list *spare)
{
	unsigned int least = kvfree_setting(min_cached_pages);
	unsigned int used = thread->pages_used;

	thread->pages_used = 0;
	if (used)
		thread->idle_ticks = 0;
	else if (thread->idle_ticks < KVFREE_IDLE_TICKS)
		thread->idle_ticks++;
	if (thread->idle_ticks == KVFREE_IDLE_TICKS && least > 1)
		least = 1;
	thread->target -= thread->target / 4;
	if (thread->target < used && least)
		thread->target = used;
	if (thread->target > KVFREE_MAX_TARGET)
		thread->target = KVFREE_MAX_TARGET;
	if (thread->target < least || thread->idle_ticks == KVFREE_IDLE_TICKS)
		thread->target = least;
	trim_cache(thread, thread->target, spare);
	return thread->nr_cached > 1 &&
		thread->idle_ticks < KVFREE_IDLE_TICKS;
}

/* Take the pages that are being filled. Caller holds the lock. */
static void collect_current(struct kvfree_thread *thread,
		struct kvfree_batch *batch)
{
	unsigned int i;

	for (i = 0; i < KVFREE_CHANNELS; i++) {
		struct kvfree_bulk *bulk = thread->current[i];

		if (!bulk)
			continue;
		thread->nr_queued += bulk->nr;
		thread->current[i] = NULL;
		kvfree_bulk_list_push(&batch->pages, bulk);
	}
}

/* The thread left and its record is empty: free for the next, unless a new
 * thread claimed it this moment, which loses nothing either. */
static void record_release(struct kvfree_thread *thread)
{
	int state = KVFREE_THREAD_EXITING;

	/* Release: pairs with the acquire of record_find(). */
	__atomic_compare_exchange_n(&thread->state, &state,
			KVFREE_THREAD_FREE, false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED);
}

static void collect_thread(struct kvfree_domain *domain,
		struct kvfree_thread *thread, struct kvfree_batch *batch)
{
	struct kvfree_bulk_list spare = { NULL, NULL, 0 };
	bool exiting;

#ifdef KVFREE_TWIN_DRAIN_WAITS
	kvfree_thread_lock(thread);
#else
	if (!kvfree_thread_lock_few(thread)) {
		batch->unfinished = batch->missed = true;
		return;
	}
#endif
	kvfree_hook(KVFREE_HOOK_DRAIN_LOCKED);
	exiting = __atomic_load_n(&thread->state, __ATOMIC_RELAXED) ==
		KVFREE_THREAD_EXITING;
	kvfree_bulk_list_splice(&batch->pages, &thread->full);
	if (exiting || batch->how & KVFREE_DRAIN_ALL)
		collect_current(thread, batch);
	if (batch->how & KVFREE_DRAIN_TICK && cache_age(thread, &spare))
		batch->unfinished = true;
	if (batch->how & KVFREE_DRAIN_SHRINK)
		thread->target = 0;	/* until the next refill */
	if (exiting || batch->how & KVFREE_DRAIN_SHRINK)
		trim_cache(thread, 0, &spare);
	if (exiting && !thread->ripe)
		record_release(thread);
	kvfree_thread_unlock(thread);
	kvfree_bulk_list_free(domain, &spare);
}

/* Everything that this batch will free; all of it was queued before now. */
static void batch_collect(struct kvfree_domain *domain,
		struct kvfree_batch *batch)
{
	struct kvfree_thread *thread;

	kvfree_gate_open(&domain->kick_gate);
	batch->unfinished = batch->missed = false;
	batch->grace_period = 0;
	kvfree_for_each_thread(thread, domain)
		collect_thread(domain, thread, batch);
	batch->emergency = kvfree_emergency_take(&domain->emergency);
	/* Seq_cst, here and in batch_grace_period(): after the collection, before
	 * the grace period, in one order. batch_may_free() compares the two. */
	batch->collected = __atomic_add_fetch(&domain->clock, 1,
			__ATOMIC_SEQ_CST);
	__atomic_fetch_add(&domain->count.drains, 1, __ATOMIC_RELAXED);
	kvfree_trace(batch_collected, domain, batch->seq, batch->pages.count);
	kvfree_hook(KVFREE_HOOK_COLLECTED);
}

static bool batch_empty(const struct kvfree_batch *batch)
{
	return !batch->pages.head && !batch->emergency;
}

static void batch_grace_period(struct kvfree_domain *domain,
		struct kvfree_batch *batch)
{
	batch->grace_period = __atomic_add_fetch(&domain->clock, 1,
			__ATOMIC_SEQ_CST);
	/* Batches wait one after the other, so this is one at a time. Relaxed:
	 * the timer thread only compares it with the clock. */
	__atomic_store_n(&domain->gp_since, kvfree_now_msec(),
			__ATOMIC_RELAXED);
	/* A tick looks how long it lasts, and goes on ticking while it does.
	 * The one that asked for this batch came too early for that. */
	kvfree_tick_arm();
	kvfree_domain_synchronize(domain);
	__atomic_store_n(&domain->gp_since, 0, __ATOMIC_RELAXED);
	kvfree_trace(grace_period_over, domain, batch->seq);
	kvfree_hook(KVFREE_HOOK_GRACE_PERIOD_OVER);
}

/* ------------------------------------------------------------------ */
/* Phases                                                             */

static struct kvfree_batch *free_slot_locked(struct kvfree_domain *domain)
{
	if (!domain->batch[0].busy)
		return &domain->batch[0];
	if (!domain->batch[1].busy)
		return &domain->batch[1];
	return NULL;
}

static bool may_begin_locked(struct kvfree_domain *domain)
{
	return !domain->collecting && free_slot_locked(domain);
}

static struct kvfree_batch *begin_locked(struct kvfree_domain *domain,
		unsigned int how)
{
	struct kvfree_batch *batch = free_slot_locked(domain);

	kvfree_assert(batch && !batch->pages.head && !domain->collecting);
	batch->busy = true;
	batch->domain = domain;
	batch->seq = ++domain->seq;
	batch->how = how | domain->requested;
	batch->help.fn = kvfree_help_work;
	domain->requested = 0;
	domain->collecting = true;
	return batch;
}

/* For a worker: the batch that was asked for, if one may begin. When not, the
 * request stands and the end of the phase that is in the way queues it again. */
static struct kvfree_batch *batch_begin(struct kvfree_domain *domain)
{
	struct kvfree_batch *batch = NULL;

	pthread_mutex_lock(&domain->lock);
	if (domain->requested && !domain->waiters && may_begin_locked(domain))
		batch = begin_locked(domain, 0);
	pthread_mutex_unlock(&domain->lock);
	return batch;
}

/* For a barrier: wait until a batch may begin; workers stand back. */
static struct kvfree_batch *batch_begin_wait(struct kvfree_domain *domain,
		unsigned int how)
{
	struct kvfree_batch *batch;

	pthread_mutex_lock(&domain->lock);
	domain->waiters++;
	while (!may_begin_locked(domain))
		pthread_cond_wait(&domain->cond, &domain->lock);
	domain->waiters--;
	batch = begin_locked(domain, how);
	pthread_mutex_unlock(&domain->lock);
	return batch;
}

/* A phase is over: @batch stops collecting, or (@end) is no more. */
static void phase_over(struct kvfree_domain *domain,
		struct kvfree_batch *batch, bool end)
{
	bool again;

	pthread_mutex_lock(&domain->lock);
	kvfree_assert(end ? batch->busy : domain->collecting);
	if (end)
		batch->busy = false;
	else
		domain->collecting = false;
	pthread_cond_broadcast(&domain->cond);
	again = domain->requested && !domain->waiters &&
		may_begin_locked(domain);
	pthread_mutex_unlock(&domain->lock);
	if (again)
		kvfree_workqueue_queue(&kvfree_runtime.workqueue,
				&domain->drain);
}

static void wait_for_older(struct kvfree_domain *domain, uint64_t seq)
{
	unsigned int i;

	pthread_mutex_lock(&domain->lock);
	for (i = 0; i < 2; i++)
		while (domain->batch[i].busy && domain->batch[i].seq < seq)
			pthread_cond_wait(&domain->cond, &domain->lock);
	pthread_mutex_unlock(&domain->lock);
}

void kvfree_batches_stop(struct kvfree_domain *domain)
{
	pthread_mutex_lock(&domain->lock);
	domain->waiters++;
	while (domain->collecting || domain->batch[0].busy ||
	       domain->batch[1].busy)
		pthread_cond_wait(&domain->cond, &domain->lock);
	domain->collecting = true;
	domain->waiters--;
	pthread_mutex_unlock(&domain->lock);
}

void kvfree_batches_resume(struct kvfree_domain *domain)
{
	phase_over(domain, NULL, false);
}

/* ------------------------------------------------------------------ */
/* The free phase                                                     */

static struct kvfree_bulk *batch_pop(struct kvfree_batch *batch, size_t *left)
{
	struct kvfree_domain *domain = batch->domain;
	struct kvfree_bulk *bulk;

	pthread_mutex_lock(&domain->lock);
	bulk = kvfree_bulk_list_pop(&batch->pages);
	*left = batch->pages.count;
	pthread_mutex_unlock(&domain->lock);
	return bulk;
}

/* Free pages of @batch until there are none; ask for help with many. */
static void batch_free_pages(struct kvfree_batch *batch)
{
	struct kvfree_bulk *bulk;
	size_t left;
	bool asked = false;

	while ((bulk = batch_pop(batch, &left))) {
		if (left > HELP_PAGES && !asked) {
			kvfree_workqueue_queue(&kvfree_runtime.workqueue,
					&batch->help);
			asked = true;
		}
		page_free(batch->domain, bulk);
	}
}

void kvfree_help_work(struct kvfree_work *work)
{
	batch_free_pages(caa_container_of(work, struct kvfree_batch, help));
}

/*
 * The check of the order that everything hangs on. A batch that fails it is
 * leaked: losing memory is bad, freeing it under a reader is worse.
 */
static bool batch_may_free(struct kvfree_domain *domain,
		struct kvfree_batch *batch)
{
	struct kvfree_emergency *link;
	struct kvfree_bulk *bulk;
	uint64_t nr = 0;

	if (batch->grace_period > batch->collected)
		return true;
	for (link = batch->emergency; link; link = link->next)
		nr++;
	while ((bulk = kvfree_bulk_list_pop(&batch->pages)))
		nr += bulk->nr;
	batch->emergency = NULL;
	__atomic_fetch_add(&domain->count.leaked, nr, __ATOMIC_RELAXED);
	kvfree_warn("BUG: a batch was collected after its grace period began; %llu objects are leaked",
		(unsigned long long) nr);
	return false;
}

static void batch_free(struct kvfree_domain *domain, struct kvfree_batch *batch)
{
	if (batch_empty(batch) || !batch_may_free(domain, batch))
		return;
	/* An owner that never comes back: the next tick's reaping looks. */
	if (batch_hand_back(batch))
		kvfree_tick_arm();
	batch_free_pages(batch);
	emergency_free(domain, batch->emergency);
	batch->emergency = NULL;
	kvfree_workqueue_cancel(&kvfree_runtime.workqueue, &batch->help);
	kvfree_trace(batch_freed, domain, batch->seq);
}

/* Returns whether the batch looked at every record. */
static bool batch_run(struct kvfree_domain *domain, struct kvfree_batch *batch)
{
	bool unfinished, missed;

#ifdef KVFREE_TWIN_LATE_COLLECT
	batch_grace_period(domain, batch);
	batch_collect(domain, batch);
#else
	batch_collect(domain, batch);
	if (!batch_empty(batch))
		batch_grace_period(domain, batch);
#endif
	unfinished = batch->unfinished;
	missed = batch->missed;
	phase_over(domain, batch, false);
	batch_free(domain, batch);
	phase_over(domain, batch, true);
	if (unfinished)
		kvfree_tick_arm();
	return !missed;
}

/* ------------------------------------------------------------------ */
/* Ripe lists                                                         */

/*
 * Take the ripe list of @thread: if @all, or if its owner was in no clean
 * context since the last tick, or is gone. Sets *@left if it stays, with @all
 * because the record's lock was held.
 */
static struct kvfree_bulk *take_ripe_list(struct kvfree_thread *thread,
		bool all, bool *left)
{
	struct kvfree_bulk *bulk = NULL;
	bool clean;

	if (!kvfree_thread_lock_few(thread)) {
		*left = true;
		return NULL;
	}
	clean = __atomic_load_n(&thread->clean_seen, __ATOMIC_RELAXED);
	if (!all) {
		thread->was_clean = clean;
		__atomic_store_n(&thread->clean_seen, false, __ATOMIC_RELAXED);
	}
	if (all || !clean || __atomic_load_n(&thread->state,
			__ATOMIC_RELAXED) != KVFREE_THREAD_OWNED) {
		bulk = thread->ripe;
		kvfree_thread_set_ripe(thread, NULL, 0);
	} else if (thread->ripe) {
		*left = true;
	}
	kvfree_thread_unlock(thread);
	return bulk;
}

bool kvfree_reap(struct kvfree_domain *domain, bool all)
{
	struct kvfree_thread *thread;
	bool left = false;

	pthread_mutex_lock(&domain->reap_lock);
	kvfree_for_each_thread(thread, domain) {
		struct kvfree_bulk *next, *bulk;

		bulk = take_ripe_list(thread, all, &left);
		for (; bulk; bulk = next) {
			next = bulk->next;
			page_free(domain, bulk);
		}
	}
	pthread_mutex_unlock(&domain->reap_lock);
	if (left)
		kvfree_tick_arm();
	return !left;
}

/* Until each record's lock was free at some moment since the call. */
static void wait_for_locks(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;

	kvfree_for_each_thread(thread, domain) {
		kvfree_thread_lock(thread);
		kvfree_thread_unlock(thread);
	}
}

/* Until the owner has freed the ripe objects that it took before now. */
static void wait_for_owner(struct kvfree_thread *thread)
{
	uint64_t taken;

	kvfree_thread_lock(thread);
	taken = thread->nr_taken;
	kvfree_thread_unlock(thread);
	/* Acquire: pairs with the release in kvfree_thread_free_victim(). */
	while (__atomic_load_n(&thread->nr_freed, __ATOMIC_ACQUIRE) < taken)
		nanosleep(&nap, NULL);
}

/* ------------------------------------------------------------------ */
/* What others call                                                   */

void kvfree_drain_request(struct kvfree_domain *domain, unsigned int how)
{
	struct kvfree_workqueue *wq = &kvfree_runtime.workqueue;

	pthread_mutex_lock(&domain->lock);
	domain->requested |= how;
	pthread_mutex_unlock(&domain->lock);
	kvfree_workqueue_queue(wq, &domain->drain);
	/* On its own, so that a grace period that lasts does not keep what
	 * is ripe already from being freed. */
	if (how & KVFREE_DRAIN_TICK)
		kvfree_workqueue_queue(wq, &domain->reap);
}

void kvfree_drain_kick(struct kvfree_domain *domain)
{
	bool queue;

	pthread_mutex_lock(&domain->lock);
	/* Asked for already, by someone who queues it; or the end of the phase
	 * that is in the way will queue it. */
	queue = !(domain->requested & KVFREE_DRAIN_FULL) &&
		may_begin_locked(domain);
	domain->requested |= KVFREE_DRAIN_FULL;
	pthread_mutex_unlock(&domain->lock);
	if (!queue)
		return;
	kvfree_trace(kick, domain);
	__atomic_fetch_add(&domain->count.kicks, 1, __ATOMIC_RELAXED);
	kvfree_workqueue_queue(&kvfree_runtime.workqueue, &domain->drain);
}

void kvfree_drain_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain =
		caa_container_of(work, struct kvfree_domain, drain);
	struct kvfree_batch *batch = batch_begin(domain);

	if (batch)
		batch_run(domain, batch);
}

void kvfree_reap_work(struct kvfree_work *work)
{
	kvfree_reap(caa_container_of(work, struct kvfree_domain, reap), false);
}

void kvfree_take_back(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;

	while (!kvfree_reap(domain, true))
		wait_for_locks(domain);
	kvfree_for_each_thread(thread, domain)
		wait_for_owner(thread);
}

void kvfree_barrier(struct kvfree_domain *domain, unsigned int how)
{
	struct kvfree_batch *batch;
	uint64_t seq;

	/* A record's lock may be held for long, by a thread that is stopped
	 * inside a raw call. It is waited for between batches, not inside
	 * one, so that the drains of all others go on meanwhile. */
	for (;;) {
		batch = batch_begin_wait(domain, how | KVFREE_DRAIN_ALL |
				KVFREE_DRAIN_KEEP);
		seq = batch->seq;
		if (batch_run(domain, batch))
			break;
		wait_for_locks(domain);
	}
	/* An older batch may still hand pages back: first it, then the ripe
	 * lists, then what owners took off those. */
	wait_for_older(domain, seq);
	kvfree_take_back(domain);
}

/* ------------------------------------------------------------------ */
/* Stall warning                                                      */

/*
 * Those that the program is not linked with are NULL. Not dladdr(): it takes
 * the dynamic linker's lock, whose holder may wait for this thread.
 */
#pragma weak urcu_memb_flavor
#pragma weak urcu_mb_flavor
#pragma weak urcu_qsbr_flavor
#pragma weak urcu_bp_flavor

static const char *flavor_name(const struct rcu_flavor_struct *flavor)
{
	if (flavor == &urcu_memb_flavor)
		return "urcu_memb_flavor";
	if (flavor == &urcu_mb_flavor)
		return "urcu_mb_flavor";
	if (flavor == &urcu_qsbr_flavor)
		return "urcu_qsbr_flavor";
	if (flavor == &urcu_bp_flavor)
		return "urcu_bp_flavor";
	return "an RCU flavor";
}

bool kvfree_stall_check(struct kvfree_domain *domain)
{
	uint64_t since = __atomic_load_n(&domain->gp_since, __ATOMIC_RELAXED);
	uint64_t freed, queued, now;

	if (!since)
		return false;
	if (since != domain->stall_since) {
		domain->stall_since = since;
		domain->stall_msec = STALL_MSEC;
	}
	now = kvfree_now_msec();
	if (now - since < domain->stall_msec)
		return true;
	domain->stall_msec *= 2;
	freed = kvfree_domain_freed(domain);
	/* The timer thread waits for nobody: see kvfree_domain_queued(). */
	queued = kvfree_domain_queued(domain, false);
	kvfree_warn("a grace period of %s has lasted %llu s: a reader does not leave its section; batch %llu waits, %llu objects are pending",
		flavor_name(kvfree_domain_flavor(domain)),
		(unsigned long long) (now - since) / 1000,
		(unsigned long long) __atomic_load_n(&domain->count.drains,
			__ATOMIC_RELAXED),
		(unsigned long long) (queued > freed ? queued - freed : 0));
	return true;
}
