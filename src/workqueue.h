/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_WORKQUEUE_H
#define KVFREE_WORKQUEUE_H

/*
 * workqueue.h - threads that run work items
 *
 * A work item is a struct inside what it works on, so queueing allocates nothing. An item that is
 * queued already is not queued twice; one that is running may be queued again, and is run once more
 * when it ends, or at the same time by another worker if it is reentrant. (The kernel's work_struct
 * is never reentrant.)
 *
 * Locking discipline: workqueue.lock guards the list and the items' fields, and is held for a few
 * instructions. No lock but a placement's or a record's is taken inside it.
 */

#include <pthread.h>

#include "lockrank.h"

struct kvfree_work {
	void (*fn)(struct kvfree_work *work);	/* set before the first queueing */
	bool reentrant;				/* the same */
	struct kvfree_work *next;		/* under workqueue.lock */
	bool queued;				/* under workqueue.lock */
	unsigned int running;			/* under workqueue.lock */
};

struct kvfree_workqueue {
	pthread_mutex_t lock;
	enum kvfree_rank rank;		/* read-only */
	pthread_cond_t more;		/* under lock: an item, or stop */
	pthread_cond_t done;		/* under lock: an item finished */
	struct kvfree_work *head;	/* under lock */
	struct kvfree_work **tail;	/* under lock: the last one's next; undefined if none */
	unsigned int running;		/* under lock: items that run */
	bool open;			/* under lock: takes items */
	bool paused;			/* under lock: begins none */
	bool stop;			/* under lock: the threads end */
	const char *name;		/* read-only while running: the threads' */
	unsigned int nr_threads;	/* read-only while running */
	/* The same. Not allocated: the child of a fork could not give it back. */
	pthread_t threads[KVFREE_MAX_WORKERS];
};

#define KVFREE_WORKQUEUE_INIT(lockrank) {				\
	.rank = (lockrank),						\
	.lock = PTHREAD_MUTEX_INITIALIZER,				\
	.more = PTHREAD_COND_INITIALIZER,				\
	.done = PTHREAD_COND_INITIALIZER,				\
}

/* The process's worker pool. */
extern struct kvfree_workqueue kvfree_pool;

/* Before the first queueing, and in the child of a fork before the next. */
static inline void kvfree_work_init(struct kvfree_work *work, void (*fn)(struct kvfree_work *work))
{
	work->fn = fn;
	work->queued = false;
	work->running = 0;
}

/* Start @workers threads named @name, a constant, KVFREE_MAX_WORKERS at most, or as many as can be
 * created; returns 0, or -1 with errno if there is none. Items are not taken yet. */
int kvfree_workqueue_start(struct kvfree_workqueue *wq, unsigned int workers, const char *name);
/* Take items from now on. */
void kvfree_workqueue_open(struct kvfree_workqueue *wq);
/* Let running items finish, drop the others, join the threads. */
void kvfree_workqueue_stop(struct kvfree_workqueue *wq);

/* False, and nothing was done, while no items are taken. */
bool kvfree_workqueue_queue(struct kvfree_workqueue *wq, struct kvfree_work *work);

/* Begin no item and wait until none runs; begin items again. */
void kvfree_workqueue_pause(struct kvfree_workqueue *wq);
void kvfree_workqueue_resume(struct kvfree_workqueue *wq);

void kvfree_workqueue_prefork(struct kvfree_workqueue *wq);
void kvfree_workqueue_postfork(struct kvfree_workqueue *wq);
/* In the child: make the queue empty and unlocked, without threads. */
void kvfree_workqueue_fork_reset(struct kvfree_workqueue *wq);

#endif /* KVFREE_WORKQUEUE_H */
