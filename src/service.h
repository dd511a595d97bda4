/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_SERVICE_H
#define KVFREE_SERVICE_H

/*
 * service.h - what the timer thread and the workers do
 *
 * The timer thread only queues work. Work on the pool waits for nothing: the tick's
 * service, refills, pieces of what is ripe. Grace periods are waited for by one
 * thread per domain in use, the *grace-period thread*, so that neither a reader
 * that stays nor a slow free function can hold up anything else.
 *
 * The first walk of a tick closes what is open, so that an object waits for drain_msec
 * at the most before its grace period is asked for.
 */

#include "barrier.h"

/* Start the timer and the pool, and handle all that waits already; 0, or -1 with errno
 * and nothing left running. */
int kvfree_service_start(void);
void kvfree_service_stop(void);

/* Ask for a grace period. From the timer thread, workers and clean calls. */
void kvfree_service_request_gp(struct kvfree_domain *domain);
/* After a grace period that the caller ran or waited for: ask workers for what only they
 * free, if there is any. */
void kvfree_service_request_reap(struct kvfree_domain *domain);

/*
 * A clean call closed a page, and the budget may be full, or more or less than that: see
 * kvfree_gp_quarters(). While grace periods are short, the call runs the next one
 * itself: no wake-up, no second processor. While they are long, it asks for one and
 * goes on; only if twice as much is closed and none runs (the grace-period thread got no
 * processor) does it run one all the same. If one runs already, it may yield.
 */
void kvfree_service_budget(struct kvfree_domain *domain);

/* Whether so much waits that the library's threads seem to get no processor: twice the
 * budget, and 1 MiB. Raw-safe. */
bool kvfree_service_is_crowded(struct kvfree_domain *domain);

/* If it is crowded while grace periods are short, give up the processor once, unless this thread is
 * in a section. Clean context; the flavor may register the thread. */
void kvfree_service_give_way(struct kvfree_domain *domain);

/* Bring all domains to rest for a fork, and let them go on. */
void kvfree_service_rest(void);
void kvfree_service_resume(void);

#endif /* KVFREE_SERVICE_H */
