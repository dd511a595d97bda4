/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_WORKQUEUE_H
#define KVFREE_WORKQUEUE_H

/*
 * workqueue.h - the worker pool
 *
 * A work item is a struct inside what it works on: queueing allocates nothing
 * and cannot fail. An item that is queued already is not queued twice; one
 * that is running may be queued again. Several workers may then run it at the
 * same time, unless it is single: then it is run once more when it ends.
 * (The kernel's work_struct is always single.)
 *
 * Locking discipline: workqueue.lock guards the list and the items' fields,
 * and is held for a few instructions. Innermost but for nothing: no lock is
 * taken inside it.
 */

#include <pthread.h>

#include "common.h"

#define KVFREE_MAX_WORKERS	64

struct kvfree_work {
	void (*fn)(struct kvfree_work *work);	/* read-only */
	struct kvfree_work *next;		/* under workqueue.lock */
	bool single;				/* read-only */
	bool queued;				/* under workqueue.lock */
	bool again;				/* under workqueue.lock: single */
	unsigned int running;			/* under workqueue.lock */
};

struct kvfree_workqueue {
	pthread_mutex_t lock;
	pthread_cond_t more;		/* under lock: an item, or stop */
	pthread_cond_t done;		/* under lock: an item finished */
	struct kvfree_work *head, **tail;	/* under lock */
	bool open;			/* under lock: takes items */
	bool stop;			/* under lock: the threads end */
	unsigned int nr_threads;	/* read-only while running */
	/* Read-only while running. Not allocated: the child of a fork could
	 * not give it back. */
	pthread_t threads[KVFREE_MAX_WORKERS];
};

/* Start @workers threads, KVFREE_MAX_WORKERS at most; 0, or -1 with errno and
 * nothing left behind. Items are not taken yet. */
int kvfree_workqueue_start(struct kvfree_workqueue *wq, unsigned int workers);
/* Take items from now on. */
void kvfree_workqueue_open(struct kvfree_workqueue *wq);
/* Let running items finish, drop the others, join the threads. */
void kvfree_workqueue_stop(struct kvfree_workqueue *wq);

/* Does nothing while no items are taken. */
void kvfree_workqueue_queue(struct kvfree_workqueue *wq,
		struct kvfree_work *work);
/* Take @work off the list and wait until nobody runs it. It may queue itself
 * meanwhile, others may not. */
void kvfree_workqueue_cancel(struct kvfree_workqueue *wq,
		struct kvfree_work *work);

/* Wait until nobody runs @work, which is single, and keep it from running;
 * let it run again. */
void kvfree_workqueue_hold(struct kvfree_workqueue *wq,
		struct kvfree_work *work);
void kvfree_workqueue_release(struct kvfree_workqueue *wq,
		struct kvfree_work *work);

/* In the child of a fork: empty, unlocked, no threads; not queued. */
void kvfree_workqueue_reset(struct kvfree_workqueue *wq);
void kvfree_work_reset(struct kvfree_work *work);

/*
 * Create a thread of the library: all signals blocked, SCHED_OTHER and not
 * pinned whatever the creator is, a small stack, named @name. 0, or an error number.
 */
int kvfree_thread_create(pthread_t *tid, void *(*fn)(void *), void *arg,
		const char *name);

#endif /* KVFREE_WORKQUEUE_H */
