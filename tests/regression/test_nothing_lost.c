/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_nothing_lost.c - what is queued is freed, once, whatever way it went
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvhold.h"

#define THREADS	4
#define EACH	20000

static const struct rcu_flavor_struct *rcu;
static struct urcu_kvfree_channel *channel;

/* One object by the @n-th form of call. */
static void queue(unsigned long n)
{
	struct kvtest_object *object = kvarena_object();

	switch (n % 5) {
	case 0:
	case 1:
		urcu_kvfree_rcu_flavor(rcu, object, head);
		break;
	case 2:
		urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
		break;
	case 3:
		urcu_kvfree_rcu_channel_flavor(rcu, object, head, channel);
		break;
	case 4:
		if (!urcu_kvfree_rcu_try_flavor(rcu, object))
			urcu_kvfree_rcu_flavor(rcu, object);
		break;
	}
}

static int begin(void **state)
{
	rcu = kvtest_of(state);
	kvtest_start(5, 2);
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	kvarena_reset();
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	return urcu_kvfree_channel_destroy(channel);
}

/* The library's counters agree with what the objects counted. */
static void assert_all_went_well(void)
{
	struct urcu_kvfree_stats stats;

	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
	stats = kvtest_stats(rcu);
	assert_int_equal(stats.pending, 0);
	assert_int_equal(stats.queued, stats.freed);
	assert_int_equal(stats.leaked, 0);
}

TEST(each_form_of_call_frees_its_object_once)
{
	unsigned long n;

	for (n = 0; n < 10; n++)
		queue(n);
	assert_all_went_well();
	assert_int_equal(kvarena_made(), 10);
}

static void *queue_many(void *arg)
{
	unsigned long n;

	(void) arg;
	for (n = 0; n < EACH; n++)
		queue(n);
	return NULL;
}

TEST(threads_at_once_lose_nothing)
{
	pthread_t tid[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(queue_many, NULL);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	assert_int_equal(kvarena_made(), THREADS * EACH);
	assert_all_went_well();
}

TEST(without_a_barrier_the_timer_frees_all)
{
	unsigned long n;

	for (n = 0; n < 777; n++)
		queue(n);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_all_went_well();
}

/* Queue one more in the middle of an append, as a signal handler would. */
static void queue_inside(void)
{
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

TEST(objects_of_the_emergency_list_are_freed_too)
{
	struct urcu_kvfree_stats before = kvtest_stats(rcu), after;
	unsigned int i;

	kvhold_every(KVFREE_HOOK_RAW_LOCKED, queue_inside);
	for (i = 0; i < 1000; i++)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	kvhold_off();
	after = kvtest_stats(rcu);
	/* More where the tick's service had the lock: the outer call went
	 * there then. */
	assert_true(after.emergency - before.emergency >=
		kvarena_made() - 1000);
	assert_all_went_well();
}

static void on_signal(int nr)
{
	(void) nr;
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

static void *queue_until_told(void *arg)
{
	unsigned long n = 0;

	while (!__atomic_load_n((int *) arg, __ATOMIC_RELAXED) && n < EACH)
		queue(n++);
	return NULL;
}

TEST(signal_handlers_may_queue_on_top_of_any_call)
{
	struct sigaction action = { .sa_handler = on_signal };
	int stop = 0, i;
	pthread_t tid;

	sigaction(SIGUSR1, &action, NULL);
	tid = kvtest_thread(queue_until_told, &stop);
	for (i = 0; i < 5000; i++)
		pthread_kill(tid, SIGUSR1);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	kvtest_join(tid);
	assert_all_went_well();
}

TEST(objects_of_threads_that_exited_are_freed)
{
	int i;

	for (i = 0; i < 20; i++) {
		int told = 1;

		/* The first call of a thread, and no second. */
		kvtest_on_thread(queue_until_told, &told);
		told = 0;
		if (i % 4 == 0)
			kvtest_on_thread(queue_many, NULL);
	}
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_all_went_well();
}

#define test(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(each_form_of_call_frees_its_object_once),
		test(threads_at_once_lose_nothing),
		test(without_a_barrier_the_timer_frees_all),
		test(objects_of_the_emergency_list_are_freed_too),
		test(signal_handlers_may_queue_on_top_of_any_call),
		test(objects_of_threads_that_exited_are_freed),
	};

	return kvtest_run(tests);
}
