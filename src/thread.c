/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * thread.c - thread records: claim, append, ripe objects, thread exit
 *
 * See thread.h for the locking discipline.
 *
 * A record is claimed by one of two ways. A clean call takes a FREE record of
 * its domain, or the EXITING one of a thread that left (with all that is in
 * it), or allocates one. A raw call cannot allocate; it takes one of a few
 * BLANK records that a worker put into the domain's slots. A signal handler
 * may interrupt a claim on its own thread: it sees kvfree_tls.claiming and
 * goes to the emergency list instead, so that a thread never ends up with two.
 */

#include <sched.h>
#include <string.h>

#include "domain.h"
#include "reclaim.h"
#include "runtime.h"
#include "thread.h"

/* Tries of a drain before it leaves a record alone. */
#define FEW_TRIES	16
/* Tries of a clean call before it yields, and yields before it sleeps. */
#define RELAX_TRIES	64
#define YIELD_TRIES	64

KVFREE_TLS struct kvfree_tls kvfree_tls;

void kvfree_thread_lock(struct kvfree_thread *thread)
{
	/* A SCHED_FIFO caller must sleep: yielding alone would never let a
	 * SCHED_OTHER holder run. */
	const struct timespec nap = { .tv_sec = 0, .tv_nsec = 50000 };
	unsigned int tries = 0;

	while (pthread_spin_trylock(&thread->lock) != 0) {
		tries++;
		if (tries < RELAX_TRIES)
			caa_cpu_relax();
		else if (tries < RELAX_TRIES + YIELD_TRIES)
			sched_yield();
		else
			nanosleep(&nap, NULL);
	}
}

bool kvfree_thread_lock_few(struct kvfree_thread *thread)
{
	unsigned int tries;

	for (tries = 0; tries < FEW_TRIES; tries++) {
		unsigned int i, pause = 8u << (tries < 4 ? tries : 4);

		if (pthread_spin_trylock(&thread->lock) == 0)
			return true;
		/* Not at once again. An owner in its fast path takes the line
		 * back for its next lock: who asks in a tight loop always sees
		 * the lock held, and slows the owner down. */
		for (i = 0; i < pause; i++)
			caa_cpu_relax();
	}
	return false;
}

bool kvfree_thread_append_slow(struct kvfree_thread *thread,
		unsigned int channel, void *ptr, unsigned int *events)
{
	struct kvfree_bulk *bulk = thread->current[channel];

	if (bulk) {
		thread->nr_queued += bulk->nr;
		kvfree_bulk_list_push(&thread->full, bulk);
		thread->current[channel] = NULL;
		if (thread->full.count >= kvfree_setting(kick_pages))
			*events |= KVFREE_EVENT_KICK;
		if (thread->full.count >= 2 * kvfree_setting(kick_pages))
			*events |= KVFREE_EVENT_LATE;
	}
	bulk = thread->cache;
	if (!bulk) {
		thread->starved = true;
		*events |= KVFREE_EVENT_REFILL;
		return false;
	}
	thread->cache = bulk->next;
	thread->nr_cached--;
	thread->pages_used++;
	bulk->owner = thread;
	bulk->channel = channel;
	bulk->records[0] = ptr;
	bulk->nr = 1;
	thread->current[channel] = bulk;
	/* Ask one page ahead, so that a steady caller never finds it empty. */
	*events |= KVFREE_EVENT_TICK;
	if (!thread->cache)
		*events |= KVFREE_EVENT_REFILL;
	return true;
}

void *kvfree_thread_take_ripe(struct kvfree_thread *thread,
		struct kvfree_bulk **spent)
{
	struct kvfree_bulk *bulk = thread->ripe;
	void *ptr;

	if (!bulk)
		return NULL;
	ptr = bulk->records[--bulk->nr];
	thread->nr_taken++;
	if (bulk->nr)
		return ptr;
	kvfree_thread_set_ripe(thread, bulk->next, thread->nr_ripe_pages - 1);
	if (thread->nr_cached < thread->target)
		kvfree_thread_cache_push(thread, bulk);
	else
		*spent = bulk;
	return ptr;
}

void kvfree_thread_kick_due(struct kvfree_thread *thread)
{
	__atomic_store_n(&thread->kick_due, 0, __ATOMIC_RELAXED);
	kvfree_drain_kick(thread->domain);
}

size_t kvfree_thread_take_some(struct kvfree_thread *thread, size_t max,
		void **victims, struct kvfree_bulk **spent)
{
	size_t nr = 0;

	while (nr < max && !*spent) {
		void *ptr = kvfree_thread_take_quick(thread);

		if (!ptr)
			ptr = kvfree_thread_take_ripe(thread, spent);
		if (!ptr)
			break;
		victims[nr++] = ptr;
	}
	return nr;
}

size_t kvfree_thread_reclaim(struct kvfree_thread *thread, size_t max)
{
	size_t nr, i, sum = 0;

	do {
		struct kvfree_bulk *spent = NULL;
		void *victims[KVFREE_RECLAIM_BULK];
		size_t left = max - sum;

		if (pthread_spin_trylock(&thread->lock) != 0)
			break;
		nr = kvfree_thread_take_some(thread,
				left < KVFREE_RECLAIM_BULK ? left :
				KVFREE_RECLAIM_BULK, victims, &spent);
		kvfree_thread_unlock(thread);
		for (i = 0; i < nr; i++)
			kvfree_thread_free_victim(thread, victims[i]);
		kvfree_bulk_free(thread->domain, spent);
		sum += nr;
	} while (nr && sum < max);
	return sum;
}

uint64_t kvfree_thread_queued(struct kvfree_thread *thread)
{
	uint64_t nr = thread->nr_queued;
	unsigned int i;

	for (i = 0; i < KVFREE_CHANNELS; i++)
		if (thread->current[i])
			nr += thread->current[i]->nr;
	return nr;
}

/* ------------------------------------------------------------------ */
/* Making and claiming records                                        */

static struct kvfree_thread *record_alloc(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;
	void *mem;

	if (posix_memalign(&mem, CAA_CACHE_LINE_SIZE, sizeof(*thread)))
		return NULL;
	thread = memset(mem, 0, sizeof(*thread));
	pthread_spin_init(&thread->lock, PTHREAD_PROCESS_PRIVATE);
	thread->flavor = kvfree_domain_flavor(domain);
	thread->domain = domain;
	thread->target = kvfree_setting(min_cached_pages);
	return thread;
}

/* Add @thread to the domain's list for good. */
static void record_publish(struct kvfree_thread *thread)
{
	struct kvfree_domain *domain = thread->domain;

	/* A fork that carries the queue over holds it: see fork.c. */
	pthread_mutex_lock(&kvfree_runtime.records_lock);
	thread->next = __atomic_load_n(&domain->threads, __ATOMIC_RELAXED);
	/* Release: pairs with the acquire in kvfree_for_each_thread(); a drain
	 * that finds the record finds it initialized. */
	__atomic_store_n(&domain->threads, thread, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&kvfree_runtime.records_lock);
}

/* A record of the list in state @from becomes @to's, or NULL. */
static struct kvfree_thread *record_find(struct kvfree_domain *domain,
		int from, int to)
{
	struct kvfree_thread *thread;

	kvfree_for_each_thread(thread, domain) {
		int state = __atomic_load_n(&thread->state, __ATOMIC_RELAXED);

		/* Acquire: pairs with the release stores of the state; what
		 * the last owner wrote without the lock is visible. */
		if (state == from &&
		    __atomic_compare_exchange_n(&thread->state, &state, to,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return thread;
	}
	return NULL;
}

/* A record in state @state: used before, or allocated. Clean context. */
static struct kvfree_thread *record_make(struct kvfree_domain *domain,
		int state)
{
	struct kvfree_thread *thread;

	thread = record_find(domain, KVFREE_THREAD_FREE, state);
	if (!thread && state == KVFREE_THREAD_OWNED)
		thread = record_find(domain, KVFREE_THREAD_EXITING, state);
	if (thread)
		return thread;
	thread = record_alloc(domain);
	if (!thread)
		return NULL;
	thread->state = state;
	record_publish(thread);
	return thread;
}

/* Give a page to a record that has none, so that its first call finds one. */
static bool record_prefill(struct kvfree_thread *thread)
{
	struct kvfree_bulk *bulk;
	bool empty;

	if (!kvfree_setting(min_cached_pages))
		return true;
	kvfree_thread_lock(thread);
	empty = !thread->cache && !thread->current[KVFREE_CHANNEL_MALLOC];
	kvfree_thread_unlock(thread);
	if (!empty)
		return true;
	bulk = kvfree_bulk_alloc(thread->domain);
	if (!bulk)
		return false;
	kvfree_thread_lock(thread);
	kvfree_thread_cache_push(thread, bulk);
	kvfree_thread_unlock(thread);
	return true;
}

bool kvfree_thread_make_blanks(struct kvfree_domain *domain)
{
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		struct kvfree_thread *thread, *none = NULL;

		if (__atomic_load_n(&domain->blank[i], __ATOMIC_RELAXED))
			continue;
		thread = record_make(domain, KVFREE_THREAD_BLANK);
		if (!thread)
			return false;
		if (!record_prefill(thread)) {
			/* Release, here and below: pairs with record_find(). */
			__atomic_store_n(&thread->state, KVFREE_THREAD_FREE,
					__ATOMIC_RELEASE);
			return false;
		}
		/* Release: pairs with the acquire exchange of the claim. */
		if (!__atomic_compare_exchange_n(&domain->blank[i], &none,
				thread, false, __ATOMIC_RELEASE,
				__ATOMIC_RELAXED))
			__atomic_store_n(&thread->state, KVFREE_THREAD_FREE,
					__ATOMIC_RELEASE);
	}
	return true;
}

static struct kvfree_thread *blank_take(struct kvfree_domain *domain)
{
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		struct kvfree_thread *thread;

		/* Acquire: pairs with the release in
		 * kvfree_thread_make_blanks(). Exchange: no ABA. */
		thread = __atomic_exchange_n(&domain->blank[i], NULL,
				__ATOMIC_ACQUIRE);
		if (thread)
			return thread;
	}
	return NULL;
}

/*
 * glibc keeps the first 32 keys' values in the thread itself and allocates for
 * the others: past them, setting a value is not for raw contexts.
 */
static bool key_is_raw_safe(void)
{
#ifdef __GLIBC__
	return kvfree_runtime.key_made && kvfree_runtime.key < 32;
#else
	return kvfree_runtime.key_made;
#endif
}

/* What the fast path will find; with debugging on there is none. */
static void tls_use(struct kvfree_thread *thread)
{
	if (caa_likely(!kvfree_setting(debug)))
		kvfree_tls.recent = thread;
}

/* The record becomes the calling thread's. */
static bool record_adopt(struct kvfree_thread *thread)
{
	struct kvfree_tls *tls = &kvfree_tls;

	if (!kvfree_runtime.key_made ||
	    pthread_setspecific(kvfree_runtime.key, tls) != 0) {
		/* Release: pairs with the acquire of record_find(). */
		__atomic_store_n(&thread->state, KVFREE_THREAD_FREE,
				__ATOMIC_RELEASE);
		return false;
	}
	/* Release: pairs with nothing but the state's other orders; what the
	 * thread writes to its record from here on is under the lock. */
	__atomic_store_n(&thread->state, KVFREE_THREAD_OWNED,
			__ATOMIC_RELEASE);
	kvfree_hook(KVFREE_HOOK_CLAIMING);
	tls->record[kvfree_domain_index(thread->domain)] = thread;
	tls_use(thread);
	return true;
}

struct kvfree_thread *kvfree_thread_own(struct kvfree_domain *domain)
{
	struct kvfree_tls *tls = &kvfree_tls;
	struct kvfree_thread *thread;

	thread = tls->record[kvfree_domain_index(domain)];
	if (thread)
		tls_use(thread);
	return thread;
}

/* From here on handlers claim nothing. Returns what one claimed before that. */
static struct kvfree_thread *claim_begin(struct kvfree_domain *domain)
{
	kvfree_hook(KVFREE_HOOK_CLAIM);
	kvfree_tls.claiming = 1;
	kvfree_signal_fence();
	return kvfree_thread_own(domain);
}

static void claim_end(void)
{
	kvfree_signal_fence();
	kvfree_tls.claiming = 0;
}

struct kvfree_thread *kvfree_thread_get_raw(struct kvfree_domain *domain,
		bool *want_blank)
{
	struct kvfree_tls *tls = &kvfree_tls;
	struct kvfree_thread *thread = kvfree_thread_own(domain);

	if (thread || tls->claiming || tls->exited || !key_is_raw_safe())
		return thread;
	thread = claim_begin(domain);
	if (!thread) {
		thread = blank_take(domain);
		*want_blank = !thread;
		if (thread && !record_adopt(thread))
			thread = NULL;
	}
	claim_end();
	return thread;
}

struct kvfree_thread *kvfree_thread_get_clean(struct kvfree_domain *domain)
{
	struct kvfree_tls *tls = &kvfree_tls;
	struct kvfree_thread *thread = kvfree_thread_own(domain);

	/* claiming is set here when an allocator hook of the claim below
	 * comes back to us. */
	if (thread || tls->exited || tls->claiming)
		return thread;
	thread = claim_begin(domain);
	if (!thread) {
		thread = record_make(domain, KVFREE_THREAD_OWNED);
		if (thread && !record_adopt(thread))
			thread = NULL;
	}
	claim_end();
	if (thread)
		record_prefill(thread);	/* no page is no error: a call makes one */
	return thread;
}

/* ------------------------------------------------------------------ */
/* Leaving                                                            */

void kvfree_thread_leave(struct kvfree_domain *domain)
{
	struct kvfree_tls *tls = &kvfree_tls;
	unsigned int i = kvfree_domain_index(domain);
	struct kvfree_thread *thread = tls->record[i];

	if (!thread)
		return;
	/* A handler from here on finds no record, before anybody else can
	 * claim this one. In this order: one that came in between would take
	 * the record from record[] and put it back into recent. */
	tls->record[i] = NULL;
	kvfree_signal_fence();
	tls->recent = NULL;
	kvfree_signal_fence();
	/* Release: pairs with the acquire of the next claim. */
	__atomic_store_n(&thread->state, KVFREE_THREAD_EXITING,
			__ATOMIC_RELEASE);
	kvfree_tick_arm();
}

static void thread_exit(void *arg)
{
	unsigned int i;

	(void) arg;
	kvfree_tls.exited = 1;
	kvfree_signal_fence();
	for (i = 0; i < KVFREE_MAX_DOMAINS; i++)
		kvfree_thread_leave(&kvfree_runtime.domains[i]);
}

int kvfree_thread_make_key(void)
{
	int ret;

	if (kvfree_runtime.key_made)
		return 0;
	ret = pthread_key_create(&kvfree_runtime.key, thread_exit);
	if (ret) {
		errno = ret;
		return -1;
	}
	kvfree_runtime.key_made = true;
	return 0;
}

/*
 * In the constructor, so that the key lands among glibc's first 32 and raw
 * calls may claim records; see key_is_raw_safe().
 */
static __attribute__((constructor)) void make_key_early(void)
{
	kvfree_thread_make_key();
}

/* ------------------------------------------------------------------ */
/* Giving records back                                                */

static void record_free_pages(struct kvfree_thread *thread)
{
	struct kvfree_bulk *bulk;

	kvfree_thread_lock(thread);
	while ((bulk = thread->cache)) {
		thread->cache = bulk->next;
		thread->nr_cached--;
		kvfree_thread_unlock(thread);
		kvfree_bulk_free(thread->domain, bulk);
		kvfree_thread_lock(thread);
	}
	kvfree_thread_unlock(thread);
}

void kvfree_thread_free_all(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread, *next, *keep = NULL;
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		thread = blank_take(domain);
		if (!thread)
			continue;
		/* Relaxed: its pages are freed below, by this thread. */
		__atomic_store_n(&thread->state, KVFREE_THREAD_FREE,
				__ATOMIC_RELAXED);
	}
	/* Acquire: pairs with record_publish(). */
	thread = __atomic_exchange_n(&domain->threads, NULL, __ATOMIC_ACQUIRE);
	for (; thread; thread = next) {
		next = thread->next;
		record_free_pages(thread);
		/* Acquire: pairs with kvfree_thread_leave(); a thread that left
		 * no longer touches the record. */
		if (__atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) ==
		    KVFREE_THREAD_OWNED) {
			/* A living thread's TLS points here. */
			thread->next = keep;
			keep = thread;
			continue;
		}
		pthread_spin_destroy(&thread->lock);
		__atomic_fetch_add(&domain->count.retired_queued,
				thread->nr_queued, __ATOMIC_RELAXED);
		__atomic_fetch_add(&domain->count.owner_freed,
				thread->nr_freed, __ATOMIC_RELAXED);
		free(thread);
	}
	/* Release: pairs with kvfree_for_each_thread(). */
	__atomic_store_n(&domain->threads, keep, __ATOMIC_RELEASE);
}
