/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_LOCKRANK_H
#define KVFREE_LOCKRANK_H

/*
 * lockrank.h - the order in which locks nest, checked in the check build
 *
 * A thread may take a lock only while every lock that it holds has a lower rank, or the
 * same rank and a lower address. The check build keeps a list of what each thread
 * holds and aborts at the first violation; the installed library only locks.
 */

#include <pthread.h>

#include "util.h"

/* Outermost first. */
enum kvfree_rank {
	KVFREE_RANK_START,	/* start.c: start, exit, fork */
	KVFREE_RANK_IDLE,	/* the same: who frees all while nothing runs, fork */
	KVFREE_RANK_CHANNELS,	/* free.c: which channels are in use */
	KVFREE_RANK_AREA,	/* area.c: the table of large memory */
	KVFREE_RANK_GP,		/* gp.c: who runs the grace period */
	KVFREE_RANK_HANDS,	/* reap.c: who has objects in hand */
	KVFREE_RANK_DOMAIN,	/* domain.c: records and emergency chains */
	KVFREE_RANK_POOL,	/* workqueue.c: items and threads of the pool */
	KVFREE_RANK_GP_THREAD,	/* the same, of a grace-period thread */
	KVFREE_RANK_PLACEMENT,	/* placement.c: which worker is bound */
	KVFREE_RANK_RECORD,	/* record.c: the raw lock, innermost */
};

#ifdef KVFREE_CHECK
void kvfree_rank_enter(const void *lock, enum kvfree_rank rank);
void kvfree_rank_leave(const void *lock);
/* In the child of a fork: this thread holds nothing. */
void kvfree_rank_forget(void);
#else
static inline void kvfree_rank_enter(const void *lock, enum kvfree_rank rank)
{
	(void) lock;
	(void) rank;
}

static inline void kvfree_rank_leave(const void *lock)
{
	(void) lock;
}

static inline void kvfree_rank_forget(void)
{
}
#endif

static inline void kvfree_mutex_lock(pthread_mutex_t *mutex, enum kvfree_rank rank)
{
	kvfree_rank_enter(mutex, rank);
	pthread_mutex_lock(mutex);
}

/* False, and nothing taken, if a thread has it, be it this one. */
static inline bool kvfree_mutex_trylock(pthread_mutex_t *mutex, enum kvfree_rank rank)
{
	if (pthread_mutex_trylock(mutex))
		return false;
	kvfree_rank_enter(mutex, rank);
	return true;
}

static inline void kvfree_mutex_unlock(pthread_mutex_t *mutex)
{
	pthread_mutex_unlock(mutex);
	kvfree_rank_leave(mutex);
}

#endif /* KVFREE_LOCKRANK_H */
