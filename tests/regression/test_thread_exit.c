/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_thread_exit.c - threads that come and go
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"
#include "tsan.h"

#define ROUNDS	150

static const struct rcu_flavor_struct *rcu;

static int begin(void **state)
{
	rcu = kvtest_of(state);
	kvtest_start(1, 2);
	kvarena_reset();
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return 0;
}

static void *queue_both_ways(void *arg)
{
	uintptr_t n = (uintptr_t) arg;
	unsigned int i;

	for (i = 0; i < n % 700; i++) {
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
		if (n % 3)
			urcu_kvfree_rcu_mightsleep_flavor(rcu,
					kvarena_object());
	}
	return NULL;
}

static void *churn(void *stop)
{
	uintptr_t n;

	for (n = 1; n <= ROUNDS; n++)
		kvtest_on_thread(queue_both_ways, (void *) n);
	__atomic_fetch_add((int *) stop, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

/* K18, P8: thread exit during barriers and ticks, in a loop. */
TEST(threads_may_exit_during_barriers_and_ticks)
{
	pthread_t tid[2];
	int stopped = 0;

	tid[0] = kvtest_thread(churn, &stopped);
	tid[1] = kvtest_thread(churn, &stopped);
	while (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) < 2)
		assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvtest_join(tid[0]);
	kvtest_join(tid[1]);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

static bool is_settled(void *unused)
{
	struct urcu_kvfree_stats stats = kvtest_stats(rcu);

	(void) unused;
	return kvarena_all_freed(NULL) && stats.pending == 0 &&
		stats.threads == 0;
}

/* P5: nothing is stranded with a thread that is gone. */
TEST(a_thread_that_exits_strands_nothing)
{
	int stopped = 0;

	churn(&stopped);
	/* Without a barrier, which would go and look. */
	assert_true(kvtest_wait(is_settled, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

static void *register_alone(void *arg)
{
	if (urcu_kvfree_register_thread_flavor(rcu))
		abort();
	return arg;
}

/* P5: a thousand threads, one after the other, need few records. */
TEST(records_are_used_again)
{
	struct kvfree_domain *domain = kvfree_domain_get(rcu);
	unsigned int i;

	for (i = 0; i < 1000; i++)
		kvtest_on_thread(register_alone, NULL);
	assert_in_range(kvinside_count_records(domain), 1, 100);
	/* Pages too: at most a cache for each record. */
	assert_true(kvtest_wait(is_settled, NULL, KVTEST_LONG));
	assert_in_range(kvtest_stats(rcu).pages, 0,
		kvinside_count_records(domain) * 8);
}

static void *register_and_unregister(void *arg)
{
	register_alone(NULL);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_unregister_thread_flavor(rcu);
	urcu_kvfree_unregister_thread_flavor(rcu);
	*(uint64_t *) arg = kvtest_stats(rcu).threads;
	/* And it can go on. */
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	return NULL;
}

TEST(unregistering_gives_the_record_back_and_loses_nothing)
{
	uint64_t threads = 1;

	kvtest_on_thread(register_and_unregister, &threads);
	assert_int_equal(threads, 0);
	assert_true(kvtest_wait(is_settled, NULL, KVTEST_LONG));
	kvarena_assert_exact();
	assert_int_equal(kvarena_made(), 3);
}

/* ------------------------------------------------------------------ */
/* Calls made while the thread is being taken down                    */

static pthread_key_t late_key;
static unsigned int late_calls;

/* Comes back in each round of destructors: some run after the library's. */
static void late_destructor(void *arg)
{
	uintptr_t round = (uintptr_t) arg;

	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	if (!urcu_kvfree_rcu_try_flavor(rcu, NULL))
		abort();
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	late_calls++;
	if (round < 3)
		pthread_setspecific(late_key, (void *) (round + 1));
}

static void *use_then_exit(void *arg)
{
	pthread_setspecific(late_key, (void *) 1);
	if (arg)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	return NULL;
}

TEST(calls_in_a_later_destructor_are_served)
{
#ifdef KVFREE_TSAN
	/* Once bp is in use, calls that wait ask it about this thread, and register it in
	 * the last rounds. */
	if (rcu == &urcu_bp_flavor)
		kvtest_skip("ThreadSanitizer crashes when bp's destructor runs after its own");
#endif
	late_calls = 0;
	assert_int_equal(pthread_key_create(&late_key, late_destructor), 0);
	kvtest_on_thread(use_then_exit, &late_key);
	kvtest_on_thread(use_then_exit, NULL);
	pthread_key_delete(late_key);
	assert_int_equal(late_calls, 6);
	assert_int_equal(kvarena_made(), 13);
	assert_true(kvtest_wait(is_settled, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

/* liburcu never heard of this thread, in any flavor. */
static void *unknown_to_liburcu(void *arg)
{
	struct kvtest_object *object = kvarena_object();

	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	/* Refused while the tick's service has the record. */
	while (!urcu_kvfree_rcu_try_flavor(rcu, object))
		sched_yield();
	*(int *) arg = urcu_kvfree_rcu_barrier_flavor(rcu);
	return NULL;
}

TEST(a_thread_that_liburcu_does_not_know_may_call)
{
	int ret = -1;

	kvtest_on_thread(unknown_to_liburcu, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(kvarena_made(), 3);
	kvarena_assert_exact();
}

#define test(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: see there. */
		test(calls_in_a_later_destructor_are_served),
		test(threads_may_exit_during_barriers_and_ticks),
		test(a_thread_that_exits_strands_nothing),
		test(records_are_used_again),
		test(unregistering_gives_the_record_back_and_loses_nothing),
		test(a_thread_that_liburcu_does_not_know_may_call),
	};

	return kvtest_run(tests);
}
