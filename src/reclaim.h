/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_RECLAIM_H
#define KVFREE_RECLAIM_H

/*
 * reclaim.h - collect, wait for a grace period, free or hand back
 *
 * A batch goes through three phases: it collects, it waits for its grace
 * period, it frees. At most one batch of a domain is in the first two phases
 * (domain.collecting), and at most two exist, so that one can be freed
 * while the next waits.
 *
 * The order that everything hangs on: all that a batch frees was collected
 * before its grace period began. A batch that waits never takes in anything more.
 */

#include "domain.h"

enum kvfree_drain_how {
	KVFREE_DRAIN_FULL = 1 << 0,	/* full pages, emergency list */
	KVFREE_DRAIN_ALL = 1 << 1,	/* partial pages too */
	KVFREE_DRAIN_TICK = 1 << 2,	/* age the page caches */
	KVFREE_DRAIN_KEEP = 1 << 3,	/* free all, hand nothing back */
	KVFREE_DRAIN_SHRINK = 1 << 4,	/* drop the page caches */
};

/* Ask the workers for a drain. From the timer thread and from workers. */
void kvfree_drain_request(struct kvfree_domain *domain, unsigned int how);

/* A kick from a clean call: straight to the workers, no timer. Once per drain. */
void kvfree_drain_kick(struct kvfree_domain *domain);

/* Work functions. */
void kvfree_drain_work(struct kvfree_work *work);
void kvfree_reap_work(struct kvfree_work *work);
void kvfree_help_work(struct kvfree_work *work);

/*
 * Drain in the calling thread and wait until all that was queued before is
 * freed, wherever it was. Clean context, outside read-side sections and free
 * functions. Needs no worker: it goes on while all of them are stuck.
 */
void kvfree_barrier(struct kvfree_domain *domain, unsigned int how);

/* Take back the ripe lists and free them: those of all records, or those
 * whose owners stay away or fall behind. False: not all that it should, since a
 * record's lock was held or an owner keeps up. Clean context. */
bool kvfree_reap(struct kvfree_domain *domain, bool all);
/* Free all that is ripe, and wait until owners have freed what they took. */
void kvfree_take_back(struct kvfree_domain *domain);

/* Stop batches from beginning and wait until none exists; let them go on. */
void kvfree_batches_stop(struct kvfree_domain *domain);
void kvfree_batches_resume(struct kvfree_domain *domain);

/* Whether a grace period is being waited for; warns when it takes long.
 * Timer thread alone. */
bool kvfree_stall_check(struct kvfree_domain *domain);

#endif /* KVFREE_RECLAIM_H */
