/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_workqueue.c - threads that run work items
 */

#include <semaphore.h>

#include "cmocka-all.h"
#include "kvfault.h"
#include "workqueue.h"

#define ITEMS	3

static struct kvfree_workqueue wq;

/* An item that counts its runs, and stands still in each while asked to. */
static struct item {
	struct kvfree_work work;
	int runs, at_once, most_at_once;	/* atomic */
	int stands;				/* atomic */
	sem_t standing, go;
} item[ITEMS];

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

/* Let it go, and stand no more. */
static void let_go(struct item *it)
{
	stand(it, 0);
	sem_post(&it->go);
}

FIXTURE(begin)
{
	unsigned int i;

	memset(item, 0, sizeof(item));
	for (i = 0; i < ITEMS; i++) {
		item[i].work.fn = run;
		sem_init(&item[i].standing, 0, 0);
		sem_init(&item[i].go, 0, 0);
	}
	wq = (struct kvfree_workqueue) KVFREE_WORKQUEUE_INIT(KVFREE_RANK_POOL);
	return 0;
}

/* After a test that failed items may stand yet. */
FIXTURE(end)
{
	unsigned int i;

	for (i = 0; i < ITEMS; i++) {
		let_go(&item[i]);
		sem_post(&item[i].go);
	}
	kvfree_workqueue_resume(&wq);
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
	assert_int_equal(kvfree_workqueue_start(&wq, workers, "kvfree-test"),
		0);
	kvfree_workqueue_open(&wq);
}

static bool queue(unsigned int i)
{
	return kvfree_workqueue_queue(&wq, &item[i].work);
}

/* Queue item @i and wait until it stands. */
static void queue_and_stand(unsigned int i)
{
	stand(&item[i], 1);
	assert_true(queue(i));
	wait_for(&item[i].standing);
}

static bool is_idle(void *unused)
{
	bool idle;

	(void) unused;
	pthread_mutex_lock(&wq.lock);
	idle = !wq.head && !wq.running;
	pthread_mutex_unlock(&wq.lock);
	return idle;
}

/* Until nothing is queued and nothing runs. */
static void settle(void)
{
	assert_true(kvtest_wait(is_idle, NULL, KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* Items                                                              */

TEST(an_item_runs_once_for_each_queueing)
{
	start(2);
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run_twice, &item[0], KVTEST_LONG));
	settle();
	assert_int_equal(runs(&item[0]), 2);
}

TEST(an_item_that_waits_is_not_queued_twice)
{
	int i;

	start(1);
	queue_and_stand(0);
	for (i = 0; i < 5; i++)
		assert_true(queue(1));
	let_go(&item[0]);
	settle();
	assert_int_equal(runs(&item[1]), 1);
}

TEST(a_reentrant_item_runs_on_two_workers_at_once)
{
	item[0].work.reentrant = true;
	start(2);
	queue_and_stand(0);
	queue_and_stand(0);
	stand(&item[0], 0);
	sem_post(&item[0].go);
	sem_post(&item[0].go);
	settle();
	assert_int_equal(runs(&item[0]), 2);
	assert_int_equal(item[0].most_at_once, 2);
}

TEST(any_other_item_runs_again_after_and_never_beside_itself)
{
	start(2);
	queue_and_stand(0);
	assert_true(queue(0));
	assert_true(queue(0));
	/* The second worker is there, and passes it over. */
	assert_true(queue(1));
	assert_true(kvtest_wait(has_run, &item[1], KVTEST_LONG));
	assert_int_equal(item[0].at_once, 1);
	let_go(&item[0]);
	settle();
	assert_int_equal(runs(&item[0]), 2);
	assert_int_equal(item[0].most_at_once, 1);
}

TEST(items_run_in_the_order_of_their_queueing)
{
	start(1);
	stand(&item[1], 1);
	queue_and_stand(0);
	assert_true(queue(1));
	assert_int_equal(sem_trywait(&item[1].standing), -1);
	sem_post(&item[0].go);
	wait_for(&item[1].standing);
	assert_int_equal(runs(&item[0]), 1);
	sem_post(&item[1].go);
}

/* The last of the list goes while one before it has to wait. */
TEST(an_item_that_is_passed_over_keeps_its_place)
{
	start(2);
	queue_and_stand(0);
	assert_true(queue(0));
	queue_and_stand(1);
	assert_ptr_equal(wq.head, &item[0].work);
	assert_true(queue(2));
	assert_ptr_equal(wq.head, &item[0].work);
	assert_ptr_equal(wq.head->next, &item[2].work);
	let_go(&item[0]);
	let_go(&item[1]);
	settle();
	assert_int_equal(runs(&item[0]), 2);
	assert_int_equal(runs(&item[1]), 1);
	assert_int_equal(runs(&item[2]), 1);
}

static void run_and_queue_once_more(struct kvfree_work *work)
{
	if (!has_run(work))
		kvfree_workqueue_queue(&wq, work);
	run(work);
}

TEST(an_item_may_queue_itself)
{
	item[0].work.fn = run_and_queue_once_more;
	start(2);
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run_twice, &item[0], KVTEST_LONG));
	settle();
	assert_int_equal(runs(&item[0]), 2);
	assert_int_equal(item[0].most_at_once, 1);
}

/* ------------------------------------------------------------------ */
/* Pause and stop                                                     */

static int returned;	/* atomic */

static void *pause_queue(void *arg)
{
	kvfree_workqueue_pause(&wq);
	__atomic_store_n(&returned, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static bool is_set(void *flag)
{
	bool set;

	pthread_mutex_lock(&wq.lock);
	set = *(bool *) flag;
	pthread_mutex_unlock(&wq.lock);
	return set;
}

TEST(a_pause_waits_for_what_runs_and_begins_nothing)
{
	pthread_t tid;

	returned = 0;
	start(2);
	queue_and_stand(0);
	tid = kvtest_thread(pause_queue, NULL);
	assert_true(kvtest_wait(is_set, &wq.paused, KVTEST_LONG));
	/* The second worker has nothing to do, and leaves it. */
	assert_true(queue(1));
	assert_int_equal(__atomic_load_n(&returned, __ATOMIC_SEQ_CST), 0);
	let_go(&item[0]);
	kvtest_join(tid);
	assert_int_equal(runs(&item[0]), 1);
	assert_int_equal(runs(&item[1]), 0);
	assert_true(item[1].work.queued);
	kvfree_workqueue_resume(&wq);
	assert_true(kvtest_wait(has_run, &item[1], KVTEST_LONG));
}

TEST(what_is_queued_during_a_pause_runs_once_after_it)
{
	unsigned int i;

	start(1);
	kvfree_workqueue_pause(&wq);
	for (i = 0; i < ITEMS; i++) {
		assert_true(queue(i));
		assert_true(queue(i));
	}
	for (i = 0; i < ITEMS; i++)
		assert_int_equal(runs(&item[i]), 0);
	kvfree_workqueue_resume(&wq);
	settle();
	for (i = 0; i < ITEMS; i++)
		assert_int_equal(runs(&item[i]), 1);
}

TEST(a_queue_that_does_not_run_can_be_paused)
{
	kvfree_workqueue_pause(&wq);
	kvfree_workqueue_resume(&wq);
	start(1);
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
}

TEST(a_paused_queue_can_be_stopped)
{
	start(2);
	kvfree_workqueue_pause(&wq);
	assert_true(queue(0));
	kvfree_workqueue_stop(&wq);
	assert_true(kvtest_threads_become("kvfree-", 0));
	assert_int_equal(runs(&item[0]), 0);
	assert_false(item[0].work.queued);
}

static void *stop(void *arg)
{
	kvfree_workqueue_stop(&wq);
	return arg;
}

TEST(stop_finishes_what_runs_and_drops_the_rest)
{
	pthread_t tid;

	start(1);
	queue_and_stand(0);
	assert_true(queue(1));
	tid = kvtest_thread(stop, NULL);
	assert_true(kvtest_wait(is_set, &wq.stop, KVTEST_LONG));
	/* What runs may find that it can queue no more. */
	assert_false(queue(2));
	let_go(&item[0]);
	kvtest_join(tid);
	assert_int_equal(runs(&item[0]), 1);
	assert_int_equal(runs(&item[1]), 0);
	assert_true(kvtest_threads_become("kvfree-", 0));
	/* What was dropped can be queued after the next start. */
	start(1);
	assert_true(queue(1));
	assert_true(kvtest_wait(has_run, &item[1], KVTEST_LONG));
}

TEST(a_stopped_queue_takes_no_items)
{
	assert_false(queue(0));
	assert_false(item[0].work.queued);
	assert_null(wq.head);
	start(1);
	kvfree_workqueue_stop(&wq);
	assert_false(queue(0));
	assert_false(item[0].work.queued);
	assert_null(wq.head);
}

/* A start may still fail then, and would wait for what runs. */
TEST(a_queue_that_is_not_open_takes_no_items)
{
	assert_int_equal(kvfree_workqueue_start(&wq, 1, "kvfree-test"), 0);
	assert_false(queue(0));
	assert_false(item[0].work.queued);
	kvfree_workqueue_open(&wq);
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* Threads                                                            */

TEST(a_start_has_the_threads_that_there_are_to_be_had)
{
	int after;

	kvfault_threads_after(0);
	errno = 0;
	assert_int_equal(kvfree_workqueue_start(&wq, 3, "kvfree-test"), -1);
	kvfault_threads_after(-1);
	assert_int_equal(errno, EAGAIN);
	assert_true(kvtest_threads_become("kvfree-", 0));
	assert_false(queue(0));
	for (after = 1; after < 3; after++) {
		kvfault_threads_after(after);
		assert_int_equal(kvfree_workqueue_start(&wq, 3, "kvfree-test"),
			0);
		kvfault_threads_after(-1);
		assert_true(kvtest_threads_become("kvfree-test",
			(unsigned int) after));
		kvfree_workqueue_stop(&wq);
	}
	start(3);
	assert_true(kvtest_threads_become("kvfree-test", 3));
}

/* In the child of a fork the threads are the parent's, and so is what they run. */
TEST(the_child_of_a_fork_has_an_empty_queue_without_threads)
{
	static struct kvfree_workqueue copy;

	start(1);
	queue_and_stand(0);
	assert_true(queue(1));
	pthread_mutex_lock(&wq.lock);
	copy = wq;
	pthread_mutex_unlock(&wq.lock);
	copy.paused = true;
	kvfree_workqueue_fork_reset(&copy);
	assert_int_equal(copy.nr_threads, 0);
	assert_null(copy.head);
	assert_false(kvfree_workqueue_queue(&copy, &item[2].work));
	/* Nothing to wait for. */
	kvfree_workqueue_pause(&copy);
	kvfree_workqueue_resume(&copy);
	assert_int_equal(kvfree_workqueue_start(&copy, 1, "kvfree-test"), 0);
	kvfree_workqueue_open(&copy);
	assert_true(kvfree_workqueue_queue(&copy, &item[2].work));
	assert_true(kvtest_wait(has_run, &item[2], KVTEST_LONG));
	kvfree_workqueue_stop(&copy);
	let_go(&item[0]);
	settle();
}

TEST(an_item_that_was_queued_at_a_fork_can_be_queued_in_the_child)
{
	item[0].work.queued = true;
	item[0].work.running = 1;
	kvfree_work_init(&item[0].work, run);
	start(1);
	assert_true(queue(0));
	assert_true(kvtest_wait(has_run, &item[0], KVTEST_LONG));
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_item_runs_once_for_each_queueing),
		test(an_item_that_waits_is_not_queued_twice),
		test(a_reentrant_item_runs_on_two_workers_at_once),
		test(any_other_item_runs_again_after_and_never_beside_itself),
		test(items_run_in_the_order_of_their_queueing),
		test(an_item_that_is_passed_over_keeps_its_place),
		test(an_item_may_queue_itself),
		test(a_pause_waits_for_what_runs_and_begins_nothing),
		test(what_is_queued_during_a_pause_runs_once_after_it),
		test(a_queue_that_does_not_run_can_be_paused),
		test(a_paused_queue_can_be_stopped),
		test(stop_finishes_what_runs_and_drops_the_rest),
		test(a_stopped_queue_takes_no_items),
		test(a_queue_that_is_not_open_takes_no_items),
		test(a_start_has_the_threads_that_there_are_to_be_had),
		test(the_child_of_a_fork_has_an_empty_queue_without_threads),
		test(an_item_that_was_queued_at_a_fork_can_be_queued_in_the_child),
	};

	return kvtest_run(tests);
}
