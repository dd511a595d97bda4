/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_RECORD_H
#define KVFREE_RECORD_H

/*
 * record.h - what one thread has in one domain
 *
 * A record holds one open page per channel, which is being filled, and its closed pages: those that
 * are full, or old. A closed page never leaves its record until its objects are freed. It waits for
 * a cookie (gp.h); in a list of closed pages cookies only grow, so that the first page is the first
 * to be ripe.
 *
 * Locking discipline. kvfree_record.lock is *raw*: inside it there is only bounded pointer work, no
 * call that could block, allocate or fault on a lock. It is a spinlock made of one exchange and one
 * store, in the caller's own code: calls of pthread_spin_trylock() and pthread_spin_unlock() cost a
 * tenth of a deferring call, and POSIX does not say that a signal handler may make them.
 *
 *  - Raw contexts take it with kvfree_record_trylock() only. When it is held (by a preempted
 *    worker, or by the very code that this signal handler interrupted) they go to the emergency
 *    list.
 *  - Clean contexts use kvfree_record_lock(): trylock, relax, yield, sleep.
 *  - A worker uses kvfree_record_lock_few(): a few tries, then it leaves the record alone until it
 *    looks again.
 *
 * It is the innermost lock: nothing is taken inside it. Only a fork with the hooks holds the locks
 * of several records at the same time.
 *
 * Once published in its domain's list, a record stays there: readers of the list need no lock, and
 * a record's address is valid until urcu_kvfree_exit().
 */

#include <sys/types.h>

#include "domain.h"
#include "free.h"

enum kvfree_record_state {
	KVFREE_RECORD_LEFT,	/* no thread's: in domain.left, for a claim */
	KVFREE_RECORD_BLANK,	/* in a slot of the domain, for a raw claim */
	KVFREE_RECORD_OWNED,	/* a thread's */
};

/* Closed pages, by the threads that may free them. */
enum {
	KVFREE_CLOSED_OWNER,	/* objects of malloc: owner or workers */
	KVFREE_CLOSED_LARGE,	/* large memory: workers */
	KVFREE_CLOSED_USER,	/* of the program's channels: one worker at a time */
	KVFREE_CLOSED_LISTS,
};

/* Pointers in the first page of a record; each page has room for twice as
 * many as the one before, up to what size and budget allow. */
#define KVFREE_FIRST_LIMIT	32

/* Objects that the kv allocator may take each time it holds the lock. */
#define KVFREE_STASH	8

struct kvfree_record {
	/* What the fast path touches comes first. */
	int lock;		/* atomic: 1 while it is held */
	int state;		/* atomic */
	const struct rcu_flavor_struct *flavor;	/* read-only */
	struct kvfree_domain *domain;		/* read-only */
	struct kvfree_page_list closed[KVFREE_CLOSED_LISTS];	/* under lock */
	struct kvfree_page *open[KVFREE_CHANNELS];		/* under lock */

	/* Hints for workers that look without the lock; atomic, written
	 * under lock: the cookie of each list's first page, and its length. */
	struct {
		unsigned long cookie;
		unsigned int pages;
	} peek[KVFREE_CLOSED_LISTS];

	uint64_t nr_queued;	/* under lock: in pages that were closed */
	uint64_t nr_taken;	/* under lock: ripe objects that the owner took */
	uint64_t nr_freed;	/* atomic, written by the owner: of nr_taken */
	uint64_t nr_recycled;	/* atomic, written by the owner: of nr_freed */
	bool yield_due;		/* atomic, the owner's: a raw call closed a page in a crowd */
	unsigned int clean_at;	/* atomic: domain.tick at the owner's last clean
				 * call */
	int cpu;		/* under lock: where it began its last page */
	pid_t tid;		/* atomic: of the owner */

	unsigned int next_limit;	/* under lock: pointers in its next page */
	size_t object_bytes[KVFREE_CHANNELS];	/* atomic: estimates; 0: unknown */

	/* Page supply: cache.h. */
	struct kvfree_page *cache;	/* under lock: empty pages */
	unsigned int nr_cached;		/* under lock: length of cache */
	unsigned int target;		/* under lock: what a refill fills to */
	bool starved;			/* under lock: a call found no page */
	unsigned int pages_out;		/* under lock: pages taken since the last tick,
					 * less those that came back */
	unsigned int pages_used;	/* under lock: the most that this has been */
	unsigned int idle_ticks;	/* under lock: ticks without use */
	int refill_gate;		/* atomic: 1 from request to refill */

	/* For the kv allocator: objects that count as freed, for the next requests. */
	void *stash[KVFREE_STASH];	/* owner thread */
	unsigned int nr_stash;		/* owner thread */

	struct kvfree_record *next;	/* read-only once published */
	struct kvfree_record *next_left;	/* under domain.lock */
};

/* What a thread knows about itself. Read and written only by the thread and by signal handlers that
 * run on it. */
struct kvfree_tls {
	struct kvfree_record *recent;	/* of record[], used last; or NULL */
	struct kvfree_record *record[KVFREE_MAX_DOMAINS];
	unsigned char claiming;		/* a claim is under way below us */
	unsigned char exited;		/* the destructor ran */
};

extern KVFREE_TLS struct kvfree_tls kvfree_tls;

/* The calling thread's record for @flavor, if it was used last. */
static inline struct kvfree_record *kvfree_record_recent(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_record *record = kvfree_tls.recent;

	if (caa_likely(record && record->flavor == flavor))
		return record;
	return NULL;
}

/* The same, also if another was used last; NULL with debugging, which has no fast path.
 * Raw-safe. */
struct kvfree_record *kvfree_record_find(const struct rcu_flavor_struct *flavor);

/* ------------------------------------------------------------------ */
/* The lock                                                           */

static inline bool kvfree_record_trylock(struct kvfree_record *record)
{
	/* Acquire: pairs with the release in kvfree_record_unlock(). */
	if (__atomic_exchange_n(&record->lock, 1, __ATOMIC_ACQUIRE))
		return false;
	urcu_rawcheck_enter();
	return true;
}

static inline void kvfree_record_unlock(struct kvfree_record *record)
{
	urcu_rawcheck_leave();
	/* Release: pairs with the acquire in kvfree_record_trylock(). */
	__atomic_store_n(&record->lock, 0, __ATOMIC_RELEASE);
}

void kvfree_record_lock(struct kvfree_record *record);
bool kvfree_record_lock_few(struct kvfree_record *record);

/* ------------------------------------------------------------------ */
/* Queueing: caller holds the lock                                    */

/* Put @ptr into the open page of @channel. False when there is none or it is full. */
static inline bool kvfree_record_append(struct kvfree_record *record,
		unsigned int channel, void *ptr)
{
	struct kvfree_page *page = record->open[channel];

	if (caa_unlikely(!page || page->nr >= page->limit))
		return false;
	page->ptrs[page->nr++] = ptr;
	return true;
}

/* Make the empty @page the open page of @channel, with @ptr as its first object. */
void kvfree_record_open(struct kvfree_record *record, unsigned int channel,
		struct kvfree_page *page, void *ptr);
/* Close the open page of @channel, if there is one: from here on it waits for a cookie.
 * Returns whether there was one. */
bool kvfree_record_close(struct kvfree_record *record, unsigned int channel);
/* The same for all channels. */
bool kvfree_record_close_all(struct kvfree_record *record);

/* Bytes of one object of @channel, an estimate. */
size_t kvfree_record_object_bytes(const struct kvfree_record *record, unsigned int channel);

/* Objects that were ever queued in the record. */
uint64_t kvfree_record_queued(struct kvfree_record *record);

/* ------------------------------------------------------------------ */
/* Taking what is ripe                                                */

/* How many ripe objects ahead a cache line is prefetched. */
#define KVFREE_PREFETCH_AHEAD	4

/* The page that the owner takes from: ripe, or NULL. Caller holds the lock. */
static inline struct kvfree_page *kvfree_record_ripe_page(struct kvfree_record *record)
{
	struct kvfree_page *page = record->closed[KVFREE_CLOSED_OWNER].head;

	if (page && kvfree_gp_ripe(&record->domain->gp, page->cookie))
		return page;
	return NULL;
}

/*
 * Take one ripe object where that costs only a few instructions: in the middle of a page.
 * Otherwise returns NULL and takes nothing. Caller holds the lock, is the owner, and
 * calls kvfree_record_free_victim() after it released the lock.
 */
static inline void *kvfree_record_take_quick(struct kvfree_record *record)
{
	struct kvfree_page *page = record->closed[KVFREE_CLOSED_OWNER].head;

	if (caa_unlikely(!page || page->nr <= KVFREE_PREFETCH_AHEAD ||
			 !kvfree_gp_ripe(&record->domain->gp, page->cookie)))
		return NULL;
	page->nr--;
	/* The next victims' lines are cold; fetch them ahead. */
	__builtin_prefetch(page->ptrs[page->nr - KVFREE_PREFETCH_AHEAD], 1);
	record->nr_taken++;
	return page->ptrs[page->nr];
}

/* The same for up to @max objects of the first page; returns how many, and fetches the lines
 * of as many that come next. If the page is empty then, it is taken off the record into
 * *@spent, for kvfree_cache_recycle_owner(). */
size_t kvfree_record_take(struct kvfree_record *record, size_t max,
		void **victims, struct kvfree_page **spent);

/* The owner has freed @nr of the objects that it took. */
static inline void kvfree_record_freed(struct kvfree_record *record, size_t nr)
{
	/* Release: a barrier that reads the count (acquire, in
	 * kvfree_record_wait_owner()) knows that the frees before it are done. */
	__atomic_store_n(&record->nr_freed, record->nr_freed + nr, __ATOMIC_RELEASE);
}

/* Free a ripe object that was taken; the lock is released. */
static inline void kvfree_record_free_victim(struct kvfree_record *record, void *victim)
{
	kvfree_hook(KVFREE_HOOK_VICTIM);
	free(victim);
	kvfree_record_freed(record, 1);
}

/* Wait until the owner has freed the ripe objects that it took before now. */
void kvfree_record_wait_owner(struct kvfree_record *record);

/* Move the first pages of @list whose cookie @number has reached, up to @max, to @pages;
 * returns how many. Caller holds the lock. */
unsigned int kvfree_record_take_pages(struct kvfree_record *record, unsigned int list,
		unsigned long number, unsigned int max, struct kvfree_page_list *pages);

/* Whether a look without the lock says that @number has reached a page of @list. */
static inline bool kvfree_record_peek(struct kvfree_record *record,
		unsigned int list, unsigned long number)
{
	/* Relaxed: a hint; whoever acts on it takes the lock. */
	return __atomic_load_n(&record->peek[list].pages, __ATOMIC_RELAXED) &&
		kvfree_gp_reached(number, __atomic_load_n(
			&record->peek[list].cookie, __ATOMIC_RELAXED));
}

/* Whether it says that there is a page of @list that @number has not reached. */
static inline bool kvfree_record_peek_later(struct kvfree_record *record,
		unsigned int list, unsigned long number)
{
	/* Relaxed: as above. */
	return __atomic_load_n(&record->peek[list].pages, __ATOMIC_RELAXED) &&
		!kvfree_record_peek(record, list, number);
}

/* The owner makes a clean call: for a while, workers leave it what becomes ripe. */
static inline void kvfree_record_mark_clean(struct kvfree_record *record)
{
	/* Relaxed: a hint. Loaded first, to leave the line alone. */
	unsigned int tick = __atomic_load_n(&record->domain->tick, __ATOMIC_RELAXED);

	if (__atomic_load_n(&record->clean_at, __ATOMIC_RELAXED) != tick)
		__atomic_store_n(&record->clean_at, tick, __ATOMIC_RELAXED);
}

/* Whether its owner frees what is ripe: it made a clean call in this tick or the last. */
static inline bool kvfree_record_owner_frees(const struct kvfree_record *record)
{
	return __atomic_load_n(&record->state, __ATOMIC_RELAXED) == KVFREE_RECORD_OWNED &&
		__atomic_load_n(&record->domain->tick, __ATOMIC_RELAXED) -
		__atomic_load_n(&record->clean_at, __ATOMIC_RELAXED) <= 1 && !kvfree_setting(debug);
}

/* Whether empty pages are of use to the record: a thread owns it, or will. */
static inline bool kvfree_record_has_use(const struct kvfree_record *record)
{
	/* Relaxed: a page too many is given back by the next tick. */
	return __atomic_load_n(&record->state, __ATOMIC_RELAXED) != KVFREE_RECORD_LEFT;
}

/* ------------------------------------------------------------------ */
/* Whose it is                                                        */

/* The calling thread's record in @domain, NULL if it has none. Raw-safe. */
struct kvfree_record *kvfree_record_own(struct kvfree_domain *domain);

/* The calling thread's record in @domain. If it has none, _raw claims a blank one and _clean makes
 * one. NULL if that is not possible. */
struct kvfree_record *kvfree_record_get_raw(struct kvfree_domain *domain);
struct kvfree_record *kvfree_record_get_clean(struct kvfree_domain *domain);

/* Whether a raw call of this thread may claim a blank one. Raw-safe. */
bool kvfree_record_may_claim(void);

/* Leave the calling thread's record to the workers. Clean context. */
void kvfree_record_leave(struct kvfree_domain *domain);

/* Make a record for a blank slot; give it back if it could not be made ready. */
struct kvfree_record *kvfree_record_make_blank(struct kvfree_domain *domain);
void kvfree_record_give_back(struct kvfree_record *record);

/* In fork.c. Any use of the library uses records: through this reference, a program that is
 * linked with the static library gets the fork handlers with them. */
extern const char kvfree_fork_linked;

/* The thread-exit key: made in the library's constructor, again at a start
 * if that failed. 0, or -1 with errno. */
int kvfree_record_make_key(void);

/* Free all records that no living thread owns. Their pages are gone already, and no other
 * thread uses the library. */
void kvfree_record_free_all(struct kvfree_domain *domain);

void kvfree_records_prefork(void);
void kvfree_records_postfork(void);
/* In the child: with @forget this thread has no records; else it keeps its own, and those
 * of other threads are left. */
void kvfree_records_fork_reset(bool forget);

#endif /* KVFREE_RECORD_H */
