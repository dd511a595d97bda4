/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_THREAD_H
#define KVFREE_THREAD_H

/*
 * thread.h - the record of one thread in one domain
 *
 * Locking discipline. kvfree_thread.lock is *raw*: inside it there is only
 * bounded pointer work, no call that could block, allocate or fault on a lock.
 *
 *  - Raw contexts take it with kvfree_thread_trylock() alone. When it is held
 *    (by a preempted drain, or by the very code that this signal handler
 *    interrupted) they go to the emergency list.
 *  - Clean contexts use kvfree_thread_lock(): trylock, relax, yield, sleep.
 *  - A drain uses kvfree_thread_lock_few(): a few tries, then it leaves the
 *    record for the next drain.
 *
 * It is the innermost lock: nothing is taken inside it. Two records' locks are held
 * at the same time by urcu_kvfree_before_fork() alone.
 *
 * A record once published in its domain's list stays there: readers of the list
 * need no lock, and a record's address is valid until urcu_kvfree_exit().
 */

#include <pthread.h>
#include <stdlib.h>

#include "bulk.h"
#include "hooks.h"

enum kvfree_thread_state {
	KVFREE_THREAD_FREE,	/* nobody's; a clean call may claim it */
	KVFREE_THREAD_BLANK,	/* in a slot of the domain, for a raw claim */
	KVFREE_THREAD_OWNED,	/* a thread's */
	KVFREE_THREAD_EXITING,	/* its thread left; a drain empties it */
};

/* Pages that a record's cache grows to at the most; min_cached_pages may ask for
 * more. */
#define KVFREE_MAX_TARGET	256
/* Drain periods without use after which a cache shrinks to one page. */
#define KVFREE_IDLE_TICKS	10

struct kvfree_thread {
	/* What the fast path touches comes first. */
	pthread_spinlock_t lock;
	int state;		/* atomic; left EXITING under lock alone */
	const struct rcu_flavor_struct *flavor;	/* read-only */
	struct kvfree_bulk *current[KVFREE_CHANNELS];	/* under lock */

	struct kvfree_bulk_list full;	/* under lock: filled, not collected */
	struct kvfree_bulk *cache;	/* under lock: empty pages */
	unsigned int nr_cached;		/* under lock: length of cache */
	unsigned int target;		/* under lock: what a refill fills to */
	bool starved;			/* under lock: a call found no page */
	unsigned int pages_used;	/* under lock: since the last tick */
	unsigned int idle_ticks;	/* under lock: ticks without use */

	/* Objects whose grace period is over; the owner frees them. */
	struct kvfree_bulk *ripe;	/* written under lock, atomic to peek */
	unsigned int nr_ripe_pages;	/* written under lock, atomic to peek */
	bool was_clean;			/* under lock: in a clean context in the
					 * drain period that ended last */
	bool clean_seen;		/* atomic: the same, in this period */

	uint64_t nr_queued;	/* under lock: in pages that left current */
	uint64_t nr_taken;	/* under lock: ripe objects the owner took */
	uint64_t nr_freed;	/* atomic, written by the owner: of nr_taken */

	unsigned int allocations; /* owner thread: urcu_kvmalloc() calls */
	int kick_due;		/* atomic, owner thread: its next clean call asks
				 * for a drain */
	int refill_gate;	/* atomic: 1 from request to refill */
	struct kvfree_domain *domain;	/* read-only */
	struct kvfree_thread *next;	/* read-only once published */
} KVFREE_CACHE_ALIGNED;

/*
 * What a thread knows about itself. Written by the thread and by signal
 * handlers that run on it; nobody else looks.
 */
struct kvfree_tls {
	struct kvfree_thread *recent;	/* of record[], used last; or NULL */
	struct kvfree_thread *record[KVFREE_MAX_DOMAINS];
	unsigned char claiming;		/* a claim is under way below us */
	unsigned char exited;		/* the destructor ran */
	unsigned char freeing;		/* inside a channel's free function */
};

extern KVFREE_TLS struct kvfree_tls kvfree_tls;

/* The calling thread's record for @flavor, if it was used last. */
static inline struct kvfree_thread *kvfree_thread_recent(
		const struct rcu_flavor_struct *flavor)
{
	struct kvfree_thread *thread = kvfree_tls.recent;

	if (caa_likely(thread && thread->flavor == flavor))
		return thread;
	return NULL;
}

static inline bool kvfree_thread_trylock(struct kvfree_thread *thread)
{
#ifdef KVFREE_TWIN_BLIND_LOCK
	return pthread_spin_lock(&thread->lock) == 0;
#else
	return pthread_spin_trylock(&thread->lock) == 0;
#endif
}

static inline void kvfree_thread_unlock(struct kvfree_thread *thread)
{
	pthread_spin_unlock(&thread->lock);
}

void kvfree_thread_lock(struct kvfree_thread *thread);
bool kvfree_thread_lock_few(struct kvfree_thread *thread);

/*
 * Put @ptr into the current page of @channel. Caller holds the lock. False
 * when there is no page or it is full; see kvfree_thread_append_slow().
 */
static inline bool kvfree_thread_append(struct kvfree_thread *thread,
		unsigned int channel, void *ptr)
{
	struct kvfree_bulk *bulk = thread->current[channel];

	if (caa_unlikely(!bulk || bulk->nr >= KVFREE_BULK_RECORDS))
		return false;
	bulk->records[bulk->nr++] = ptr;
	return true;
}

/* What an append asks its caller to do once the lock is released. */
enum kvfree_event {
	KVFREE_EVENT_KICK = 1 << 0,	/* kick_pages full pages wait */
	KVFREE_EVENT_LATE = 1 << 1,	/* twice as many do */
	KVFREE_EVENT_TICK = 1 << 2,	/* a page came into use */
	KVFREE_EVENT_REFILL = 1 << 3,	/* the cache is empty */
};

/*
 * The rest of an append: retire the full page, take the next from the cache.
 * Caller holds the lock. Adds to *@events. False when the cache is empty.
 */
bool kvfree_thread_append_slow(struct kvfree_thread *thread,
		unsigned int channel, void *ptr, unsigned int *events);

/* Whether empty pages are of use to the record: somebody has or will have it. */
static inline bool kvfree_thread_has_use(const struct kvfree_thread *thread)
{
	/* Relaxed: a page too many is given back by the next drain. */
	int state = __atomic_load_n(&thread->state, __ATOMIC_RELAXED);

	return state == KVFREE_THREAD_OWNED || state == KVFREE_THREAD_BLANK;
}

/* Put an empty page into the cache, whatever the target. Caller holds the lock. */
static inline void kvfree_thread_cache_push(struct kvfree_thread *thread,
		struct kvfree_bulk *bulk)
{
	bulk->nr = 0;
	bulk->next = thread->cache;
	thread->cache = bulk;
	thread->nr_cached++;
}

/*
 * Take one ripe object, NULL when there is none. Caller holds the lock, is the
 * owner, and calls kvfree_thread_free_victim() after it released the lock.
 * *@spent is a page to free then, or NULL.
 */
void *kvfree_thread_take_ripe(struct kvfree_thread *thread,
		struct kvfree_bulk **spent);

/* The same for up to @max, as many as the first page still has; how many. */
size_t kvfree_thread_take_some(struct kvfree_thread *thread, size_t max,
		void **victims, struct kvfree_bulk **spent);

/* The list @ripe of @nr pages becomes the record's. Caller holds the lock. */
static inline void kvfree_thread_set_ripe(struct kvfree_thread *thread,
		struct kvfree_bulk *ripe, unsigned int nr)
{
	/* Relaxed: the lock orders it; atomic for the owner's peek. */
	__atomic_store_n(&thread->ripe, ripe, __ATOMIC_RELAXED);
	__atomic_store_n(&thread->nr_ripe_pages, nr, __ATOMIC_RELAXED);
}

/* How many ripe objects ahead of the next a line is fetched. */
#define KVFREE_PREFETCH_AHEAD	4

/*
 * The same where it is a few instructions: in the middle of a page. NULL
 * otherwise, and nothing was taken.
 */
static inline void *kvfree_thread_take_quick(struct kvfree_thread *thread)
{
	struct kvfree_bulk *bulk = thread->ripe;

	if (caa_unlikely(!bulk || bulk->nr <= KVFREE_PREFETCH_AHEAD))
		return NULL;
	bulk->nr--;
	/* The next victims' lines are cold; fetch them ahead. */
	__builtin_prefetch(bulk->records[bulk->nr - KVFREE_PREFETCH_AHEAD], 1);
	thread->nr_taken++;
	return bulk->records[bulk->nr];
}

/* Free a ripe object that was taken; the lock is released. */
static inline void kvfree_thread_free_victim(struct kvfree_thread *thread,
		void *victim)
{
	kvfree_hook(KVFREE_HOOK_VICTIM);
	free(victim);
	/*
	 * Release: a barrier that reads the count (acquire, in
	 * wait_for_owner()) knows that the frees before it are done.
	 */
	__atomic_store_n(&thread->nr_freed, thread->nr_freed + 1,
			__ATOMIC_RELEASE);
}

/* The owner is in a clean context: what gets ripe may be handed to it. */
static inline void kvfree_thread_mark_clean(struct kvfree_thread *thread)
{
	/* Relaxed: a hint. Loaded first, to leave the line alone. */
	if (!__atomic_load_n(&thread->clean_seen, __ATOMIC_RELAXED))
		__atomic_store_n(&thread->clean_seen, true, __ATOMIC_RELAXED);
}

/* The kick that a raw call left to the owner's next clean call. */
void kvfree_thread_kick_due(struct kvfree_thread *thread);

/* For clean calls that do not append. */
static inline void kvfree_thread_clean_call(struct kvfree_thread *thread)
{
	kvfree_thread_mark_clean(thread);
	/* Relaxed: the thread itself set it, or a handler that ran on it. */
	if (caa_unlikely(__atomic_load_n(&thread->kick_due, __ATOMIC_RELAXED)))
		kvfree_thread_kick_due(thread);
}

/* Free up to @max of the calling thread's own ripe objects; how many. Clean
 * context. */
size_t kvfree_thread_reclaim(struct kvfree_thread *thread, size_t max);

/* Objects that wait in the record's pages, ripe ones not counted. Caller
 * holds the lock. */
uint64_t kvfree_thread_queued(struct kvfree_thread *thread);

/* The calling thread's record in @domain, NULL if it has none. Raw-safe. */
struct kvfree_thread *kvfree_thread_own(struct kvfree_domain *domain);

/*
 * The calling thread's record in @domain. _raw looks it up and claims a blank
 * one; _clean makes one. NULL when there is none to be had; _raw may set
 * *@want_blank then, to have blank records made.
 */
struct kvfree_thread *kvfree_thread_get_raw(struct kvfree_domain *domain,
		bool *want_blank);
struct kvfree_thread *kvfree_thread_get_clean(struct kvfree_domain *domain);

/* Leave the record to the drains. Clean context, the thread's own. */
void kvfree_thread_leave(struct kvfree_domain *domain);

/* Fill the blank slots of @domain. False when there was no memory. */
bool kvfree_thread_make_blanks(struct kvfree_domain *domain);

/* The thread-exit key: made in the library's constructor, again at a start
 * if that failed. 0, or -1 with errno. */
int kvfree_thread_make_key(void);

/* Give back all records that no living thread owns. Nothing else runs. */
void kvfree_thread_free_all(struct kvfree_domain *domain);

#endif /* KVFREE_THREAD_H */
