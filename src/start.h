/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_START_H
#define KVFREE_START_H

/*
 * start.h - start and exit
 *
 * Locking discipline: kvfree_start_lock is held by a start, by exit, and by fork from
 * its first hook to its last. It is the outermost lock. kvfree_idle_lock comes next. It is
 * held by fork, too, and by a clean call that frees all while nothing runs: fork waits for
 * that call, and such calls do not wait for fork.
 */

#include "lockrank.h"

/* Start if need be; the raw form only in the first call of the process. */
void kvfree_start_raw(void);
void kvfree_start_clean(void);

enum {
	KVFREE_STATE_NEVER,	/* the next call of any kind starts the library */
	KVFREE_STATE_STOPPED,	/* the next clean call does: after exit, in the child of a
				 * fork, and some time after a start that failed */
	KVFREE_STATE_RUNNING,
};

extern int kvfree_state;	/* atomic */

static inline bool kvfree_is_running(void)
{
	/* Acquire: pairs with the release in start_locked(); what a start
	 * wrote is visible to whoever sees it running. */
	return __atomic_load_n(&kvfree_state, __ATOMIC_ACQUIRE) == KVFREE_STATE_RUNNING;
}

/* When a budget of bytes waits, and nothing runs that would free it: say so once. May
 * allocate and block as a write to stderr may. */
void kvfree_say_idle(void);

/* In the child of a fork: nothing runs there. Async-signal-safe. */
void kvfree_stopped(void);

extern pthread_mutex_t kvfree_start_lock, kvfree_idle_lock;

#endif /* KVFREE_START_H */
