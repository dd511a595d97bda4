/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_BARRIER_H
#define KVFREE_BARRIER_H

/*
 * barrier.h - wait until all that was queued is freed
 *
 * Three steps: close every open page, once per record; wait for the number of the next grace
 * period, or run it; then, once per record, free what waited for it, and wait for what others have
 * in hand. A page that was closed before the cookie is either seen by the second walk, or was taken
 * by somebody whose hand was open then. No step looks at a record twice, so threads that spend
 * their time inside their records' locks hold up nothing. Concurrent barriers share grace periods.
 */

#include "reap.h"

/* Works in the calling thread and needs no worker: it goes on while all of them are stuck. Clean
 * context, outside read-side sections and free functions, offline: kvfree_enter_wait(). */
void kvfree_barrier(struct kvfree_domain *domain);

/* The same for a thread that may be one of many: it yields once before it runs the grace
 * period, so that those that come right after wait for the same one. */
void kvfree_barrier_shared(struct kvfree_domain *domain);

#endif /* KVFREE_BARRIER_H */
