/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * workqueue.c - threads that run work items
 */

#include <assert.h>

#include "launch.h"
#include "workqueue.h"

struct kvfree_workqueue kvfree_pool = KVFREE_WORKQUEUE_INIT(KVFREE_RANK_POOL);

static void lock(struct kvfree_workqueue *wq)
{
	kvfree_mutex_lock(&wq->lock, wq->rank);
}

static void unlock(struct kvfree_workqueue *wq)
{
	kvfree_mutex_unlock(&wq->lock);
}

/* Take the first item that may be run now off the list; NULL if there is none. */
static struct kvfree_work *pop_locked(struct kvfree_workqueue *wq)
{
	struct kvfree_work **link = &wq->head, *work;

	while ((work = *link) && work->running && !work->reentrant)
		link = &work->next;
	if (!work || wq->paused)
		return NULL;
	*link = work->next;
	if (!work->next)
		wq->tail = link;
	work->queued = false;
	work->running++;
	wq->running++;
	return work;
}

static void *worker(void *arg)
{
	struct kvfree_workqueue *wq = arg;
	struct kvfree_work *work;

	kvfree_launched(wq->name);
	lock(wq);
	while (!wq->stop) {
		work = pop_locked(wq);
		if (!work) {
			pthread_cond_wait(&wq->more, &wq->lock);
			continue;
		}
		unlock(wq);
		work->fn(work);
		lock(wq);
		assert(work->running && wq->running);
		work->running--;
		wq->running--;
		/* It may have been queued meanwhile, and passed over. */
		if (work->queued)
			pthread_cond_signal(&wq->more);
		pthread_cond_broadcast(&wq->done);
	}
	unlock(wq);
	return NULL;
}

int kvfree_workqueue_start(struct kvfree_workqueue *wq, unsigned int workers, const char *name)
{
	wq->name = name;
	while (wq->nr_threads < workers &&
	       kvfree_launch(&wq->threads[wq->nr_threads], worker, wq) == 0)
		wq->nr_threads++;
	return wq->nr_threads ? 0 : -1;
}

void kvfree_workqueue_open(struct kvfree_workqueue *wq)
{
	lock(wq);
	wq->open = true;
	unlock(wq);
}

void kvfree_workqueue_stop(struct kvfree_workqueue *wq)
{
	unsigned int i;

	lock(wq);
	wq->open = false;
	wq->stop = true;
	pthread_cond_broadcast(&wq->more);
	unlock(wq);
	for (i = 0; i < wq->nr_threads; i++)
		pthread_join(wq->threads[i], NULL);
	wq->nr_threads = 0;

	lock(wq);
	for (; wq->head; wq->head = wq->head->next)
		wq->head->queued = false;
	wq->stop = false;
	unlock(wq);
}

bool kvfree_workqueue_queue(struct kvfree_workqueue *wq, struct kvfree_work *work)
{
	bool open;

	lock(wq);
	open = wq->open;
	if (open && !work->queued) {
		work->queued = true;
		work->next = NULL;
		if (!wq->head)
			wq->tail = &wq->head;
		*wq->tail = work;
		wq->tail = &work->next;
		pthread_cond_signal(&wq->more);
	}
	unlock(wq);
	return open;
}

void kvfree_workqueue_pause(struct kvfree_workqueue *wq)
{
	lock(wq);
	wq->paused = true;
	while (wq->running)
		pthread_cond_wait(&wq->done, &wq->lock);
	unlock(wq);
}

void kvfree_workqueue_resume(struct kvfree_workqueue *wq)
{
	lock(wq);
	wq->paused = false;
	pthread_cond_broadcast(&wq->more);
	unlock(wq);
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

void kvfree_workqueue_prefork(struct kvfree_workqueue *wq)
{
	lock(wq);
}

void kvfree_workqueue_postfork(struct kvfree_workqueue *wq)
{
	unlock(wq);
}

void kvfree_workqueue_fork_reset(struct kvfree_workqueue *wq)
{
	*wq = (struct kvfree_workqueue) KVFREE_WORKQUEUE_INIT(wq->rank);
}
