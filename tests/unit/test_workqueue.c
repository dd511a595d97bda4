/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_workqueue.c - the worker pool
 */

#include <semaphore.h>

#include "cmocka-all.h"
#include "kvfault.h"
#include "workqueue.h"

static struct kvfree_workqueue wq;

/* An item that counts its runs, and stands still in each while asked to. */
static struct item {
	struct kvfree_work work;
	int runs, at_once, most_at_once;	/* atomic */
	int stands;				/* atomic */
	sem_t standing, go;
} item[2];

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void run(struct kvfree_work *work)
{
	struct item *it = (struct item *) work;
	int now = __atomic_add_fetch(&it->at_once, 1, __ATOMIC_SEQ_CST);

	if (now > __atomic_load_n(&it->most_at_once, __ATOMIC_SEQ_CST))
		__atomic_store_n(&it->most_at_once, now, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&it->stands, __ATOMIC_SEQ_CST)) {
		sem_post(&it->standing);
		wait_for(&it->go);
	}
	__atomic_fetch_add(&it->runs, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&it->at_once, 1, __ATOMIC_SEQ_CST);
}

static int runs(struct item *it)
{
	return __atomic_load_n(&it->runs, __ATOMIC_SEQ_CST);
}

static void stand(struct item *it, int on)
{
	__atomic_store_n(&it->stands, on, __ATOMIC_SEQ_CST);
}

static int begin(void **state)
{
	unsigned int i;

	(void) state;
	memset(item, 0, sizeof(item));
	for (i = 0; i < 2; i++) {
		item[i].work.fn = run;
		sem_init(&item[i].standing, 0, 0);
		sem_init(&item[i].go, 0, 0);
	}
	kvfree_workqueue_reset(&wq);
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvfree_workqueue_stop(&wq);
	return 0;
}

static bool has_run(void *it)
{
	return runs(it) > 0;
}

static bool has_run_twice(void *it)
{
	return runs(it) > 1;
}

static void start(unsigned int workers)
{
	assert_int_equal(kvfree_workqueue_start(&wq, workers), 0);
	kvfree_workqueue_open(&wq);
}

static void an_item_runs_once_for_each_queueing(void **state)
{
	(void) state;
	start(2);
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_true(kvtest_wait(has_run_twice, &item[0], KVTEST_LONG));
	kvfree_workqueue_cancel(&wq, &item[0].work);
	assert_int_equal(runs(&item[0]), 2);
}

static void an_item_that_waits_is_not_queued_twice(void **state)
{
	int i;

	(void) state;
	start(1);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	for (i = 0; i < 5; i++)
		kvfree_workqueue_queue(&wq, &item[1].work);
	stand(&item[0], 0);
	sem_post(&item[0].go);
	assert_true(kvtest_wait(has_run, &item[1], KVTEST_LONG));
	kvfree_workqueue_cancel(&wq, &item[1].work);
	assert_int_equal(runs(&item[1]), 1);
}

static void an_item_that_runs_may_be_queued_again(void **state)
{
	(void) state;
	start(2);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	kvfree_workqueue_queue(&wq, &item[0].work);
	/* On another worker, at the same time. */
	wait_for(&item[0].standing);
	stand(&item[0], 0);
	sem_post(&item[0].go);
	sem_post(&item[0].go);
	assert_true(kvtest_wait(has_run_twice, &item[0], KVTEST_LONG));
	assert_int_equal(item[0].most_at_once, 2);
}

static void a_single_item_runs_again_after_and_never_beside_itself(
		void **state)
{
	(void) state;
	item[0].work.single = true;
	start(2);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	kvfree_workqueue_queue(&wq, &item[0].work);
	kvfree_workqueue_queue(&wq, &item[0].work);
	kvtest_sleep_msec(10);
	stand(&item[0], 0);
	sem_post(&item[0].go);
	assert_true(kvtest_wait(has_run_twice, &item[0], KVTEST_LONG));
	kvfree_workqueue_cancel(&wq, &item[0].work);
	assert_int_equal(runs(&item[0]), 2);
	assert_int_equal(item[0].most_at_once, 1);
}

static void items_run_in_the_order_of_their_queueing(void **state)
{
	(void) state;
	start(1);
	stand(&item[0], 1);
	stand(&item[1], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	kvfree_workqueue_queue(&wq, &item[1].work);
	wait_for(&item[0].standing);
	assert_int_equal(sem_trywait(&item[1].standing), -1);
	sem_post(&item[0].go);
	wait_for(&item[1].standing);
	assert_int_equal(runs(&item[0]), 1);
	sem_post(&item[1].go);
}

/* ------------------------------------------------------------------ */
/* Cancel and stop                                                    */

static void cancel_takes_a_waiting_item_off(void **state)
{
	(void) state;
	start(1);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	kvfree_workqueue_queue(&wq, &item[1].work);
	kvfree_workqueue_cancel(&wq, &item[1].work);
	stand(&item[0], 0);
	sem_post(&item[0].go);
	kvfree_workqueue_stop(&wq);
	assert_int_equal(runs(&item[0]), 1);
	assert_int_equal(runs(&item[1]), 0);
}

static void cancel_of_an_idle_item_is_a_no_op(void **state)
{
	(void) state;
	kvfree_workqueue_cancel(&wq, &item[0].work);
	start(1);
	kvfree_workqueue_cancel(&wq, &item[0].work);
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
}

static int cancelled;	/* atomic */

static void *cancel(void *work)
{
	kvfree_workqueue_cancel(&wq, work);
	__atomic_store_n(&cancelled, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void cancel_waits_for_an_item_that_runs(void **state)
{
	pthread_t tid;

	(void) state;
	cancelled = 0;
	start(1);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	tid = kvtest_thread(cancel, &item[0].work);
	kvtest_sleep_msec(20);
	assert_int_equal(__atomic_load_n(&cancelled, __ATOMIC_SEQ_CST), 0);
	sem_post(&item[0].go);
	kvtest_join(tid);
	assert_int_equal(runs(&item[0]), 1);
}

/* A helper of the free phase asks for more help while its batch ends. */
static void cancel_also_takes_off_what_queues_itself_meanwhile(void **state)
{
	pthread_t tid;
	bool queued;

	(void) state;
	cancelled = 0;
	start(1);
	stand(&item[0], 1);
	stand(&item[1], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	tid = kvtest_thread(cancel, &item[0].work);
	kvtest_sleep_msec(20);
	/* The only worker is kept by another item in front of it. */
	kvfree_workqueue_queue(&wq, &item[1].work);
	kvfree_workqueue_queue(&wq, &item[0].work);
	sem_post(&item[0].go);
	kvtest_join(tid);
	queued = item[0].work.queued;
	stand(&item[0], 0);
	stand(&item[1], 0);
	sem_post(&item[1].go);
	kvfree_workqueue_stop(&wq);
	assert_false(queued);
	assert_int_equal(runs(&item[0]), 1);
}

static void *stop(void *arg)
{
	kvfree_workqueue_stop(&wq);
	return arg;
}

static bool is_stopping(void *unused)
{
	bool stopping;

	(void) unused;
	pthread_mutex_lock(&wq.lock);
	stopping = wq.stop;
	pthread_mutex_unlock(&wq.lock);
	return stopping;
}

static void stop_finishes_what_runs_and_drops_the_rest(void **state)
{
	pthread_t tid;

	(void) state;
	start(1);
	stand(&item[0], 1);
	kvfree_workqueue_queue(&wq, &item[0].work);
	wait_for(&item[0].standing);
	kvfree_workqueue_queue(&wq, &item[1].work);
	tid = kvtest_thread(stop, NULL);
	assert_true(kvtest_wait(is_stopping, NULL, KVTEST_LONG));
	sem_post(&item[0].go);
	kvtest_join(tid);
	assert_int_equal(runs(&item[0]), 1);
	assert_int_equal(runs(&item[1]), 0);
	assert_true(kvtest_threads_become("kvfree-", 0));
	/* What was dropped can be queued after the next start. */
	start(1);
	kvfree_workqueue_queue(&wq, &item[1].work);
	assert_true(kvtest_wait(has_run, &item[1], KVTEST_LONG));
}

static void a_stopped_pool_takes_no_items(void **state)
{
	(void) state;
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_false(item[0].work.queued);
	assert_null(wq.head);
}

/* A start may still fail then, and would wait for what runs. */
static void a_pool_that_is_not_open_takes_no_items(void **state)
{
	(void) state;
	assert_int_equal(kvfree_workqueue_start(&wq, 1), 0);
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_false(item[0].work.queued);
	kvfree_workqueue_open(&wq);
	kvfree_workqueue_queue(&wq, &item[0].work);
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* Threads                                                            */

static void a_start_that_fails_leaves_no_thread(void **state)
{
	int after;

	(void) state;
	for (after = 0; after < 3; after++) {
		kvfault_threads_after(after);
		errno = 0;
		assert_int_equal(kvfree_workqueue_start(&wq, 3), -1);
		kvfault_threads_after(-1);
		assert_int_equal(errno, EAGAIN);
		assert_true(kvtest_threads_become("kvfree-", 0));
	}
	start(3);
	assert_true(kvtest_threads_become("kvfree-worker", 3));
}

static void *scheduling(void *arg)
{
	struct sched_param param;

	pthread_getschedparam(pthread_self(), arg, &param);
	return NULL;
}

static void a_thread_has_its_name_and_scheduling(void **state)
{
	int policy = -1;
	pthread_t tid;

	(void) state;
	assert_int_equal(kvfree_thread_create(&tid, scheduling, &policy,
		"kvfree-test"), 0);
	kvtest_join(tid);
	assert_int_equal(policy, SCHED_OTHER);
	start(1);
	assert_true(kvtest_threads_become("kvfree-worker", 1));
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_item_runs_once_for_each_queueing),
		test(an_item_that_waits_is_not_queued_twice),
		test(an_item_that_runs_may_be_queued_again),
		test(a_single_item_runs_again_after_and_never_beside_itself),
		test(items_run_in_the_order_of_their_queueing),
		test(cancel_takes_a_waiting_item_off),
		test(cancel_of_an_idle_item_is_a_no_op),
		test(cancel_waits_for_an_item_that_runs),
		test(cancel_also_takes_off_what_queues_itself_meanwhile),
		test(stop_finishes_what_runs_and_drops_the_rest),
		test(a_stopped_pool_takes_no_items),
		test(a_pool_that_is_not_open_takes_no_items),
		test(a_start_that_fails_leaves_no_thread),
		test(a_thread_has_its_name_and_scheduling),
	};

	return kvtest_run(tests);
}
