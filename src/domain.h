/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_DOMAIN_H
#define KVFREE_DOMAIN_H

/*
 * domain.h - what belongs to one flavor of RCU
 *
 * Domains are a small static table. An entry is claimed by compare-and-exchange on its flavor
 * pointer and stays claimed, so that the first use of a flavor is raw-safe too.
 *
 * Locking discipline: domain.lock guards the list of records that nobody owns, the pushing of
 * records, and the emergency chains. It is held for a few instructions.
 */

#include "conf.h"
#include "emergency.h"
#include "gate.h"
#include "gp.h"
#include "page.h"
#include "workqueue.h"

/* Blank records that wait for raw first calls. */
#define KVFREE_BLANKS	4

/* What an emergency list held when it was closed: it waits for one cookie. */
struct kvfree_chain {
	struct kvfree_emergency *head;	/* under domain.lock */
	unsigned long cookie;		/* under domain.lock */
	bool taken;	/* under domain.lock: a thread frees a part of it */
	bool missed;	/* under domain.lock: while it was there, a grace period
			 * began, and the list could not be closed */
};

/* Which threads have ripe objects of the domain in hand; see reap.h. */
struct kvfree_hands {
	pthread_mutex_t lock;
	pthread_cond_t cond;		/* under lock: one closed, or held changed */
	struct kvfree_hand *open;	/* under lock: the oldest first */
	unsigned long last;		/* under lock: number of the youngest */
	bool held;			/* under lock: none may open (fork.c) */
};

struct kvfree_domain {
	/* Read by every clean call, written once a tick. */
	const struct rcu_flavor_struct *flavor;	/* atomic; set once */
	unsigned int tick;		/* atomic, written by the tick's service */
	unsigned long ripe_at_tick;	/* atomic: what was over at the last tick */
	unsigned long ripe_for_tick;	/* atomic: at the one before */
	struct kvfree_record *records;	/* atomic; pushed under lock */
	struct kvfree_record *blank[KVFREE_BLANKS];	/* atomic */
	struct kvfree_gate blank_gate;

	/* Written by raw calls that leave the fast path. */
	struct kvfree_emergency *emergency[KVFREE_EMERGENCY_LISTS]
			KVFREE_CACHE_ALIGNED;	/* atomic */
	struct kvfree_gate kick_gate KVFREE_CACHE_ALIGNED; /* open at a start of a
							    * grace period */
	/* Written once per page. */
	size_t uncovered KVFREE_CACHE_ALIGNED;	/* atomic: bytes closed since the
				 * last grace period began, an estimate */
	size_t pending_bytes;	/* atomic: bytes closed and not freed */
	bool user_taken;	/* atomic: a worker may be in free functions of the program */
	bool reap_due;		/* atomic: something is closed that only workers free: ask
				 * them after the next grace period */

	struct kvfree_gp gp;
	struct kvfree_hands hands;

	pthread_mutex_t lock KVFREE_CACHE_ALIGNED;
	struct kvfree_record *left;	/* under lock: records nobody owns */
	struct kvfree_chain chain[KVFREE_EMERGENCY_LISTS];
	/* Atomic: where the next walk for a piece begins, and the next one for objects of the
	 * program's channels. Walks that skip those would pass by records with some. */
	struct kvfree_record *reap_at, *reap_user_at;

	struct kvfree_workqueue gp_thread;	/* runs only gp_work */
	struct kvfree_work gp_work;
	struct kvfree_work gp_start;	/* start gp_thread */
	struct kvfree_work tick_work;
	struct kvfree_work reap_work;

	struct {		/* all atomic, relaxed unless said otherwise */
		uint64_t emergency;
		uint64_t freed;		/* added with release, after the free */
		uint64_t inline_freed;	/* the same */
		uint64_t owner_freed;	/* of records that are gone */
		uint64_t retired_queued; /* of records that are gone */
		uint64_t leaked;	/* objects that failed their check */
		uint64_t doubles;	/* queued twice; the second is leaked */
		uint64_t refills;
		uint64_t refill_failures;
		uint64_t kicks;
		uint64_t helped;
		uint64_t recycled;
		struct kvfree_page_count page;
	} count KVFREE_CACHE_ALIGNED;
};

extern struct kvfree_domain kvfree_domains[KVFREE_MAX_DOMAINS];

/* The domain of @flavor; claims an entry on first use. Raw-safe. Aborts when the process uses more
 * than KVFREE_MAX_DOMAINS flavors. */
struct kvfree_domain *kvfree_domain_get(const struct rcu_flavor_struct *flavor);

/* The flavor of an entry in use. */
static inline const struct rcu_flavor_struct *kvfree_domain_flavor(
		const struct kvfree_domain *domain)
{
	/* Relaxed: set once, before anybody had @domain. Atomic,
	 * because another thread may still be trying to claim the entry. */
	return __atomic_load_n(&domain->flavor, __ATOMIC_RELAXED);
}

static inline unsigned int kvfree_domain_index(const struct kvfree_domain *domain)
{
	return (unsigned int) (domain - kvfree_domains);
}

/* A page of @bytes was closed, after its cookie was read. It takes @share of the budget. */
static inline void kvfree_domain_closed(struct kvfree_domain *domain, size_t bytes, size_t share)
{
	/* Release: whoever exchanges uncovered (kvfree_domain_run()) and
	 * begins a grace period after that comes after the cookie. */
	__atomic_fetch_add(&domain->uncovered, share, __ATOMIC_RELEASE);
	__atomic_fetch_add(&domain->pending_bytes, bytes, __ATOMIC_RELAXED);
}

/* Something was closed that only workers free, or they found it before it was ripe. */
static inline void kvfree_domain_note_reap(struct kvfree_domain *domain)
{
	/* Acq_rel, a read-modify-write: pairs with that of kvfree_domain_take_reap(). Either that
	 * one comes later and sees the note, or what follows here sees what came before it. */
	(void) __atomic_exchange_n(&domain->reap_due, true, __ATOMIC_ACQ_REL);
}

/* A grace period is over: whether workers are to be asked. */
static inline bool kvfree_domain_take_reap(struct kvfree_domain *domain)
{
	return __atomic_exchange_n(&domain->reap_due, false, __ATOMIC_ACQ_REL);
}

/* @bytes that were pending are freed. */
static inline void kvfree_domain_unpend(struct kvfree_domain *domain, size_t bytes)
{
	__atomic_fetch_sub(&domain->pending_bytes, bytes, __ATOMIC_RELAXED);
}

/* Whether as much waits for a grace period to begin as @quarters of the budget. Nothing
 * never does, also before the first start, when the budget is 0. */
static inline bool kvfree_domain_over_budget(struct kvfree_domain *domain, size_t quarters)
{
	/* Relaxed: a hint, looked at again with the next page. */
	size_t waits = __atomic_load_n(&domain->uncovered, __ATOMIC_RELAXED);

	return waits && waits / quarters >= kvfree_setting(batch_bytes) / KVFREE_ONE_BUDGET;
}

/*
 * Close the emergency lists: what each holds waits for a cookie of its own from now on. Where
 * an earlier chain is there, the list stays open, and the return is false: earlier chains wait
 * for no more than *@cookie. Clean context.
 */
bool kvfree_domain_close_emergency(struct kvfree_domain *domain, unsigned long *cookie);
/* Whether objects of a list missed a grace period, and there is no chain of it any more:
 * they need another. Clean context. */
bool kvfree_domain_emergency_missed(struct kvfree_domain *domain);
/* Whether a list or a chain holds anything. Clean context. */
bool kvfree_domain_has_emergency(struct kvfree_domain *domain);

/* Run one grace period for all that is closed. False if another thread runs one or none may begin.
 * The caller is offline and outside sections: kvfree_enter_wait(). */
bool kvfree_domain_run(struct kvfree_domain *domain);
/* Run grace periods, or wait for those of others, until @cookie is over. */
void kvfree_domain_wait(struct kvfree_domain *domain, unsigned long cookie);
/* The same for a call that may be made between the hooks of a fork: false if
 * none may begin, since the thread that forks may wait for this one. */
bool kvfree_domain_try_wait(struct kvfree_domain *domain, unsigned long cookie);

/*
 * Around waits of a thread that may be a reader. They look at all flavors in use, and at QSBR in
 * any case: the thread that this one waits for may wait for a grace period of another flavor, and
 * so for this thread. An online QSBR thread goes offline. A thread inside a read-side section would
 * deadlock, which is an error of the program: abort with a message that names @what. _try returns
 * false instead, and does nothing. Pass *@online, or what was returned, to kvfree_leave_wait().
 */
unsigned int kvfree_enter_wait(const char *what);
bool kvfree_enter_wait_try(unsigned int *online);
void kvfree_leave_wait(unsigned int online);

/* Acquire: pairs with the release of the push. */
#define kvfree_for_each_record(record, domain)				\
	for ((record) = __atomic_load_n(&(domain)->records, __ATOMIC_ACQUIRE); \
	     (record); (record) = (record)->next)

/* The entries of the table that are in use. */
#define kvfree_for_each_domain(domain)					\
	for ((domain) = kvfree_domains;					\
	     (domain) < kvfree_domains + KVFREE_MAX_DOMAINS &&		\
	     __atomic_load_n(&(domain)->flavor, __ATOMIC_ACQUIRE);	\
	     (domain)++)

/* All entries, used or not: a raw call may claim one meanwhile. */
#define kvfree_for_each_slot(domain)					\
	for ((domain) = kvfree_domains;					\
	     (domain) < kvfree_domains + KVFREE_MAX_DOMAINS; (domain)++)

void kvfree_domains_prefork(void);
void kvfree_domains_postfork(void);
/* In the child: unlock all, and forget queued work. With @forget also drop the records
 * and all that they hold, which are the parent's. */
void kvfree_domains_fork_reset(bool forget);

#endif /* KVFREE_DOMAIN_H */
