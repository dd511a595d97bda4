/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_DOMAIN_H
#define KVFREE_DOMAIN_H

/*
 * domain.h - what belongs to one flavor of RCU
 *
 * Domains are a small static table. An entry is claimed by compare-and-exchange
 * on its flavor pointer and stays claimed, so that the first use of a flavor
 * is raw-safe too.
 *
 * Locking discipline: domain.lock is a mutex for clean contexts and guards the
 * batches (see reclaim.h). Nothing but workqueue.lock nests inside it; a grace period is
 * never waited for under it. domain.reap_lock guards the taking back of ripe
 * lists; record locks nest inside it. Order: reap_lock, lock, workqueue.lock,
 * record lock.
 */

#include <pthread.h>

#include "bulk.h"
#include "emergency.h"
#include "workqueue.h"

/* Blank records that wait for raw first calls. */
#define KVFREE_BLANKS	4

/*
 * A batch: what one grace period frees. Owned by the thread that runs it from
 * begin_locked() to its end, but for pages, which helpers pop under
 * domain.lock once the grace period is over.
 */
struct kvfree_batch {
	bool busy;			/* under domain.lock */
	uint64_t seq;			/* under domain.lock: older is less */
	unsigned int how;		/* enum kvfree_drain_how */
	struct kvfree_bulk_list pages;
	struct kvfree_emergency *emergency;
	uint64_t collected;		/* domain.clock after the collection */
	uint64_t grace_period;		/* domain.clock when it began; 0: none */
	bool unfinished;		/* a later drain has work to do */
	bool missed;			/* a record's lock was held */
	struct kvfree_domain *domain;
	struct kvfree_work help;	/* helpers of the free phase */
};

struct kvfree_domain {
	const struct rcu_flavor_struct *flavor;	/* atomic; set once */
	struct kvfree_thread *threads;	/* atomic; pushed under records_lock */
	struct kvfree_thread *blank[KVFREE_BLANKS];	/* atomic */
	unsigned int blank_gate;	/* atomic: a gate (timer.h) */
	int blanks_wanted;	/* atomic: 1 from request to refill */

	/* Written by raw calls that leave the fast path. */
	struct kvfree_emergency *emergency KVFREE_CACHE_ALIGNED; /* atomic */
	/* Atomic: a gate (timer.h), until collection. */
	unsigned int kick_gate KVFREE_CACHE_ALIGNED;
	int kicked;		/* atomic: a kick asks for this domain */

	pthread_mutex_t lock KVFREE_CACHE_ALIGNED;
	pthread_cond_t cond;	/* under lock: a batch changed its state */
	struct kvfree_batch batch[2];
	bool collecting;	/* under lock: a batch collects or waits */
	unsigned int requested;	/* under lock: drains asked for, as how */
	unsigned int waiters;	/* under lock: threads that wait for a slot */
	uint64_t seq;		/* under lock: of the youngest batch */
	uint64_t clock;		/* atomic: see kvfree_batch.collected */
	uint64_t gp_since;	/* atomic: msec when a batch began to wait, or 0 */
	uint64_t stall_since;	/* timer thread: the gp_since it warns about */
	uint64_t stall_msec;	/* timer thread: age at which it warns next */
	struct kvfree_work drain;
	struct kvfree_work reap;

	pthread_mutex_t reap_lock;

	struct {		/* all atomic, relaxed: they order nothing */
		uint64_t emergency;
		uint64_t freed;
		uint64_t inline_freed;
		uint64_t owner_freed;	/* of records that are gone */
		uint64_t retired_queued; /* of records that are gone */
		uint64_t leaked;	/* batches that failed their check */
		uint64_t doubles;	/* queued twice; the second is leaked */
		uint64_t pages;
		uint64_t pages_allocated;
		uint64_t refills;
		uint64_t refill_failures;
		uint64_t drains;
		uint64_t kicks;
		uint64_t grace_periods;
	} count KVFREE_CACHE_ALIGNED;
};

/*
 * The domain of @flavor; claims an entry on first use. Raw-safe. Aborts when
 * the process uses more than KVFREE_MAX_DOMAINS flavors.
 */
struct kvfree_domain *kvfree_domain_get(const struct rcu_flavor_struct *flavor);

/* The flavor of an entry in use. */
static inline const struct rcu_flavor_struct *kvfree_domain_flavor(
		const struct kvfree_domain *domain)
{
	/* Relaxed: set before anybody had @domain, and never again. Atomic,
	 * because another thread may still be trying to claim the entry. */
	return __atomic_load_n(&domain->flavor, __ATOMIC_RELAXED);
}

unsigned int kvfree_domain_index(const struct kvfree_domain *domain);

/*
 * Objects ever queued in this domain, ever freed, freed by their owners. With
 * @wait the first waits for each record's lock, without it leaves out the
 * records whose lock is held.
 */
uint64_t kvfree_domain_queued(struct kvfree_domain *domain, bool wait);
uint64_t kvfree_domain_freed(struct kvfree_domain *domain);
uint64_t kvfree_domain_leaked(struct kvfree_domain *domain);
uint64_t kvfree_domain_owner_freed(struct kvfree_domain *domain);

/* Wait for a grace period of the domain's flavor. Clean context. */
void kvfree_domain_synchronize(struct kvfree_domain *domain);

/*
 * Around waits of a thread that may be a reader: an online QSBR thread goes
 * offline (returns true: pass it to _leave), a thread inside a read-side
 * section is a program error that would deadlock: @what is named, abort.
 */
bool kvfree_domain_enter_wait(struct kvfree_domain *domain, const char *what);
void kvfree_domain_leave_wait(struct kvfree_domain *domain, bool was_online);

/*
 * The same for all domains in use, around waits for more than one of them: while
 * this thread waits for one, a free function may wait for another and so for this
 * thread. Returns what kvfree_leave_wait() is to be told.
 */
unsigned int kvfree_enter_wait(const char *what);
void kvfree_leave_wait(unsigned int online);

/* Acquire: pairs with the release in record_publish(). */
#define kvfree_for_each_thread(thread, domain)				\
	for ((thread) = __atomic_load_n(&(domain)->threads, __ATOMIC_ACQUIRE); \
	     (thread); (thread) = (thread)->next)

/* The entries of the table that are in use. */
#define kvfree_for_each_domain(domain)					\
	for ((domain) = kvfree_runtime.domains;				\
	     (domain) < kvfree_runtime.domains + KVFREE_MAX_DOMAINS &&	\
	     __atomic_load_n(&(domain)->flavor, __ATOMIC_ACQUIRE);	\
	     (domain)++)

#endif /* KVFREE_DOMAIN_H */
