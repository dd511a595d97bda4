/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_flavors_together.c - four flavors in one process at the same time
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

#define FLAVORS	4
#define EACH	20000

FIXTURE(begin)
{
	kvtest_start(2, 2);
	kvarena_reset();
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return 0;
}

static void barrier_all(void)
{
	const struct kvtest_flavor *flavor;

	for (flavor = kvtest_flavors; flavor->name; flavor++)
		assert_int_equal(urcu_kvfree_rcu_barrier_flavor(flavor->rcu),
			0);
}

static void *one_flavor(void *arg)
{
	const struct kvtest_flavor *flavor = arg;
	unsigned int i;

	for (i = 0; i < EACH; i++)
		if (i % 2)
			urcu_kvfree_rcu_flavor(flavor->rcu, kvarena_object(),
					head);
		else
			urcu_kvfree_rcu_mightsleep_flavor(flavor->rcu,
					kvarena_object());
	return NULL;
}

TEST(threads_of_different_flavors_do_not_mix)
{
	struct urcu_kvfree_stats before[FLAVORS], after;
	pthread_t tid[FLAVORS];
	unsigned int i;

	for (i = 0; i < FLAVORS; i++)
		before[i] = kvtest_stats(kvtest_flavors[i].rcu);
	for (i = 0; i < FLAVORS; i++)
		tid[i] = kvtest_thread(one_flavor,
				(void *) &kvtest_flavors[i]);
	for (i = 0; i < FLAVORS; i++)
		kvtest_join(tid[i]);
	barrier_all();
	for (i = 0; i < FLAVORS; i++) {
		after = kvtest_stats(kvtest_flavors[i].rcu);
		assert_int_equal(after.queued - before[i].queued, EACH);
		assert_int_equal(after.freed - before[i].freed, EACH);
	}
	kvarena_assert_exact();
}

/* The fast path remembers one record: it must be the right one. */
static void *all_flavors_in_turn(void *arg)
{
	unsigned int i;

	for (i = 0; i < EACH; i++) {
		const struct rcu_flavor_struct *rcu =
			kvtest_flavors[i % FLAVORS].rcu;

		if (i % 3)
			urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
		else
			urcu_kvfree_rcu_mightsleep_flavor(rcu,
					kvarena_object());
		if (i % 5 == 0)
			urcu_kvfree_rcu_reclaim_flavor(rcu, 2);
	}
	return arg;
}

TEST(a_thread_may_use_all_flavors_in_turn)
{
	struct urcu_kvfree_stats before[FLAVORS], after;
	pthread_t tid[2];
	unsigned int i;

	for (i = 0; i < FLAVORS; i++)
		before[i] = kvtest_stats(kvtest_flavors[i].rcu);
	for (i = 0; i < 2; i++)
		tid[i] = kvtest_thread(all_flavors_in_turn, NULL);
	for (i = 0; i < 2; i++)
		kvtest_join(tid[i]);
	barrier_all();
	for (i = 0; i < FLAVORS; i++) {
		after = kvtest_stats(kvtest_flavors[i].rcu);
		assert_int_equal(after.queued - before[i].queued,
			2 * EACH / FLAVORS);
	}
	kvarena_assert_exact();
}

/* Readers of all flavors sit inside; each holds back its own objects alone. */
TEST(each_reader_holds_back_its_own_flavor_alone)
{
	struct kvtest_object *object[FLAVORS];
	struct kvtest_reader reader[FLAVORS];
	unsigned int i, n;

	for (i = 0; i < FLAVORS; i++) {
		object[i] = kvarena_object();
		kvtest_reader_enter(&reader[i], kvtest_flavors[i].rcu);
		urcu_kvfree_rcu_flavor(kvtest_flavors[i].rcu, object[i], head);
	}
	for (i = 0; i < FLAVORS; i++) {
		kvtest_reader_leave(&reader[i]);
		urcu_kvfree_rcu_barrier_flavor(kvtest_flavors[i].rcu);
		for (n = 0; n < FLAVORS; n++)
			assert_int_equal(kvarena_is_freed(object[n]), n <= i);
	}
	kvarena_assert_exact();
}

static bool is_freed(void *object)
{
	return kvarena_is_freed(object);
}

static bool grace_period_runs(void *flavor)
{
	return kvfree_gp_is_running(&kvfree_domain_get(flavor)->gp);
}

/* K21: the only worker waits for no reader. */
TEST(waiting_flavors_do_not_stop_the_workers_for_another)
{
	struct kvtest_object *object[FLAVORS];
	struct kvtest_reader reader[FLAVORS];
	unsigned int i, nr;
	bool freed;

	urcu_kvfree_exit();
	kvtest_start(2, 1);
	for (nr = 1; nr < FLAVORS; nr++) {
		for (i = 0; i < nr; i++) {
			object[i] = kvarena_object();
			kvtest_reader_enter(&reader[i], kvtest_flavors[i].rcu);
			urcu_kvfree_rcu_flavor(kvtest_flavors[i].rcu,
					object[i], head);
		}
		for (i = 0; i < nr; i++)
			assert_true(kvtest_wait(grace_period_runs,
				(void *) kvtest_flavors[i].rcu, KVTEST_LONG));
		object[nr] = kvarena_object();
		urcu_kvfree_rcu_flavor(kvtest_flavors[nr].rcu, object[nr],
				head);
		freed = kvtest_wait(is_freed, object[nr], KVTEST_LONG);
		for (i = 0; i < nr; i++)
			kvtest_reader_leave(&reader[i]);
		assert_true(freed);
	}
	barrier_all();
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(threads_of_different_flavors_do_not_mix),
		test(a_thread_may_use_all_flavors_in_turn),
		test(each_reader_holds_back_its_own_flavor_alone),
		test(waiting_flavors_do_not_stop_the_workers_for_another),
	};

	return kvtest_run(tests);
}
