/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * workqueue.c - the worker pool
 */

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "runtime.h"
#include "workqueue.h"

/* Room for a free function of the program's own, above the system's least. */
#define STACK_BYTES	(256 * 1024)

static __attribute__((constructor)) void cpus_learn(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;

	/* Fails where there are more processors than the set has room for. */
	rt->cpus_known = sched_getaffinity(0, sizeof(rt->cpus), &rt->cpus) == 0;
}

/*
 * Create the thread where the process may run, not where its creator happens to be
 * pinned; if that may no longer be, with the creator.
 */
static int create_somewhere(pthread_t *tid, pthread_attr_t *attr,
		void *(*fn)(void *), void *arg)
{
	const struct kvfree_runtime *rt = &kvfree_runtime;
	cpu_set_t mine;
	int ret;

	if (!rt->cpus_known || pthread_attr_setaffinity_np(attr,
			sizeof(rt->cpus), &rt->cpus))
		return pthread_create(tid, attr, fn, arg);
	ret = pthread_create(tid, attr, fn, arg);
	if (ret != EINVAL || sched_getaffinity(0, sizeof(mine), &mine) ||
	    pthread_attr_setaffinity_np(attr, sizeof(mine), &mine))
		return ret;
	return pthread_create(tid, attr, fn, arg);
}

int kvfree_thread_create(pthread_t *tid, void *(*fn)(void *), void *arg,
		const char *name)
{
	const struct sched_param normal = { .sched_priority = 0 };
	pthread_attr_t attr;
	sigset_t all, saved;
	long least = sysconf(_SC_THREAD_STACK_MIN);
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return ret;
	if (least < (long) PTHREAD_STACK_MIN)
		least = PTHREAD_STACK_MIN;
	pthread_attr_setstacksize(&attr, (size_t) least + STACK_BYTES);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &normal);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	ret = create_somewhere(tid, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attr);
	if (!ret)
		pthread_setname_np(*tid, name);
	return ret;
}

/* Next item, or NULL at the end. Caller holds the lock. */
static struct kvfree_work *next_locked(struct kvfree_workqueue *wq)
{
	struct kvfree_work *work;

	while (!wq->head && !wq->stop)
		pthread_cond_wait(&wq->more, &wq->lock);
	if (wq->stop)
		return NULL;
	work = wq->head;
	wq->head = work->next;
	if (!wq->head)
		wq->tail = &wq->head;
	work->queued = false;
	work->running++;
	return work;
}

/* Caller holds the lock. */
static void queue_locked(struct kvfree_workqueue *wq, struct kvfree_work *work)
{
	if (work->queued || !wq->open)
		return;
	if (work->single && work->running) {
		work->again = true;
		return;
	}
	work->queued = true;
	work->next = NULL;
	*wq->tail = work;
	wq->tail = &work->next;
	pthread_cond_signal(&wq->more);
}

/* Caller holds the lock. */
static void finish_locked(struct kvfree_workqueue *wq, struct kvfree_work *work)
{
	kvfree_assert(work->running);
	work->running--;
	if (work->again) {
		work->again = false;
		queue_locked(wq, work);
	}
	pthread_cond_broadcast(&wq->done);
}

static void *worker(void *arg)
{
	struct kvfree_workqueue *wq = arg;
	struct kvfree_work *work;

	pthread_mutex_lock(&wq->lock);
	while ((work = next_locked(wq))) {
		pthread_mutex_unlock(&wq->lock);
		work->fn(work);
		pthread_mutex_lock(&wq->lock);
		finish_locked(wq, work);
	}
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

int kvfree_workqueue_start(struct kvfree_workqueue *wq, unsigned int workers)
{
	int ret;

	pthread_mutex_lock(&wq->lock);
	wq->stop = false;
	pthread_mutex_unlock(&wq->lock);
	wq->nr_threads = 0;
	while (wq->nr_threads < workers) {
		ret = kvfree_thread_create(&wq->threads[wq->nr_threads],
				worker, wq, "kvfree-worker");
		if (ret) {
			kvfree_workqueue_stop(wq);
			errno = ret;
			return -1;
		}
		wq->nr_threads++;
	}
	return 0;
}

void kvfree_workqueue_open(struct kvfree_workqueue *wq)
{
	pthread_mutex_lock(&wq->lock);
	wq->open = true;
	pthread_mutex_unlock(&wq->lock);
}

void kvfree_workqueue_stop(struct kvfree_workqueue *wq)
{
	struct kvfree_work *work;
	unsigned int i;

	pthread_mutex_lock(&wq->lock);
	wq->open = false;
	wq->stop = true;
	pthread_cond_broadcast(&wq->more);
	pthread_mutex_unlock(&wq->lock);
	for (i = 0; i < wq->nr_threads; i++)
		pthread_join(wq->threads[i], NULL);
	wq->nr_threads = 0;

	pthread_mutex_lock(&wq->lock);
	for (work = wq->head; work; work = work->next)
		work->queued = false;
	wq->head = NULL;
	wq->tail = &wq->head;
	pthread_mutex_unlock(&wq->lock);
}

void kvfree_workqueue_queue(struct kvfree_workqueue *wq,
		struct kvfree_work *work)
{
	pthread_mutex_lock(&wq->lock);
	queue_locked(wq, work);
	pthread_mutex_unlock(&wq->lock);
}

/* Take @work off the list, if it is there. Caller holds the lock. */
static bool dequeue_locked(struct kvfree_workqueue *wq,
		struct kvfree_work *work)
{
	struct kvfree_work **link;

	if (!work->queued)
		return false;
	for (link = &wq->head; *link != work; link = &(*link)->next)
		;
	*link = work->next;
	if (!*link)
		wq->tail = link;
	work->queued = false;
	return true;
}

void kvfree_workqueue_cancel(struct kvfree_workqueue *wq,
		struct kvfree_work *work)
{
	pthread_mutex_lock(&wq->lock);
	for (;;) {
		/* Each time: who runs it may have queued it again. */
		dequeue_locked(wq, work);
		work->again = false;
		if (!work->running)
			break;
		pthread_cond_wait(&wq->done, &wq->lock);
	}
	pthread_mutex_unlock(&wq->lock);
}

void kvfree_workqueue_hold(struct kvfree_workqueue *wq,
		struct kvfree_work *work)
{
	pthread_mutex_lock(&wq->lock);
	while (work->running)
		pthread_cond_wait(&wq->done, &wq->lock);
	/* As if it were running: who queues it is told to wait for its end. */
	work->again = dequeue_locked(wq, work);
	work->running = 1;
	pthread_mutex_unlock(&wq->lock);
}

void kvfree_workqueue_release(struct kvfree_workqueue *wq,
		struct kvfree_work *work)
{
	pthread_mutex_lock(&wq->lock);
	finish_locked(wq, work);
	pthread_mutex_unlock(&wq->lock);
}

void kvfree_workqueue_reset(struct kvfree_workqueue *wq)
{
	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->more, NULL);
	pthread_cond_init(&wq->done, NULL);
	wq->head = NULL;
	wq->tail = &wq->head;
	wq->open = false;
	wq->stop = true;
	wq->nr_threads = 0;
}

void kvfree_work_reset(struct kvfree_work *work)
{
	work->queued = false;
	work->again = false;
	work->running = 0;
}
