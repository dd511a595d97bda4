/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_grace_period_order.c - nothing is freed behind a grace period that began
 * before it was queued
 *
 * With a flavor whose grace periods the test begins and ends, so that "before"
 * is exact. (lessons: K1, K2)
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

#define LARGE	((size_t) 256 << 10)

static struct urcu_kvfree_channel *channel;
static unsigned long too_early;		/* atomic */

FIXTURE(begin)
{
	kvtest_start(2, 2);
	kvarena_reset();
	too_early = 0;
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	kvgp_let_go();
	kvarena_on_free = NULL;
	return urcu_kvfree_channel_destroy(channel);
}

static void queue(struct kvtest_object *object)
{
	urcu_kvfree_rcu_flavor(&kvgp_flavor, object, head);
}

static void *queue_one(void *object)
{
	queue(object);
	return NULL;
}

static bool is_freed(void *object)
{
	return kvarena_is_freed(object);
}

static bool large_is_freed(void *unused)
{
	(void) unused;
	return kvtest_stats(NULL).large_bytes == 0;
}

/* K1: every place an object can wait in, filled while a batch waits. */
TEST(what_is_queued_during_a_grace_period_waits_for_the_next)
{
	struct kvtest_object *first, *later[6];
	uint64_t gp = kvgp_begun();
	void *large = urcu_kvmalloc(LARGE);
	unsigned int i;

	assert_non_null(large);
	kvgp_hold();
	first = kvarena_object();
	for (i = 0; i < 6; i++)
		later[i] = kvarena_object();
	queue(first);
	assert_true(kvgp_wait_begun(gp + 1));

	queue(later[0]);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, later[1], head, channel);
	kvinside_queue_emergency(&kvgp_flavor, later[2], NULL);
	kvinside_queue_emergency(&kvgp_flavor, later[3], channel);
	kvtest_on_thread(queue_one, later[4]);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, later[5]);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, large);

	kvgp_end_one();
	assert_true(kvgp_wait_begun(gp + 2));
	assert_true(kvtest_wait(is_freed, first, KVTEST_LONG));
	for (i = 0; i < 6; i++)
		assert_false(kvarena_is_freed(later[i]));
	if (KVFREE_AREA_EXISTS)
		assert_int_equal(kvtest_stats(NULL).large_bytes, LARGE);

	kvgp_let_go();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_true(kvtest_wait(large_is_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

/* The object remembers how many grace periods had begun. */
static void check_order(struct kvtest_object *object)
{
	if (kvgp_last_ended() <= object->value)
		__atomic_fetch_add(&too_early, 1, __ATOMIC_RELAXED);
}

static void queue_marked(unsigned int n)
{
	struct kvtest_object *object = kvarena_object();

	object->value = kvgp_begun();
	if (n % 16 == 0)
		kvinside_queue_emergency(&kvgp_flavor, object, NULL);
	else if (n % 4 == 0)
		urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, object);
	else if (n % 4 == 1)
		urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, object, head,
				channel);
	else
		queue(object);
}

static void *queue_many_marked(void *arg)
{
	unsigned int n;

	(void) arg;
	for (n = 0; n < 20000; n++) {
		queue_marked(n);
		if (n % 4000 == 0)
			urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
		else if (n % 1000 == 0)
			urcu_kvfree_shrink();
	}
	return NULL;
}

TEST(no_object_is_freed_without_its_grace_period)
{
	pthread_t tid[3];
	unsigned int i;

	kvarena_on_free = check_order;
	for (i = 0; i < 3; i++)
		tid[i] = kvtest_thread(queue_many_marked, NULL);
	for (i = 0; i < 3; i++)
		kvtest_join(tid[i]);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor), 0);
	assert_int_equal(too_early, 0);
	kvarena_assert_exact();
}

/* A barrier has a grace period of its own, whatever waits already. */
static void *barrier_thread(void *done)
{
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	__atomic_store_n((int *) done, 1, __ATOMIC_RELEASE);
	return NULL;
}

TEST(a_barrier_does_not_ride_on_an_older_grace_period)
{
	uint64_t gp = kvgp_begun();
	struct kvtest_object *object;
	pthread_t tid;
	int done = 0;

	kvgp_hold();
	queue(kvarena_object());
	assert_true(kvgp_wait_begun(gp + 1));
	object = kvarena_object();
	queue(object);
	tid = kvtest_thread(barrier_thread, &done);
	kvgp_end_one();
	assert_true(kvgp_wait_begun(gp + 2));
	assert_false(kvarena_is_freed(object));
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_ACQUIRE), 0);
	kvgp_let_go();
	kvtest_join(tid);
	assert_true(kvarena_is_freed(object));
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_queued_during_a_grace_period_waits_for_the_next),
		test(no_object_is_freed_without_its_grace_period),
		test(a_barrier_does_not_ride_on_an_older_grace_period),
	};

	return kvtest_run(tests);
}
