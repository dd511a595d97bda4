/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_pending_count.c - the counters are exact at every moment of rest
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

static struct urcu_kvfree_channel *channel[2];

FIXTURE(begin)
{
	kvtest_start(1, 2);
	kvarena_reset();
	channel[0] = urcu_kvfree_channel_create("0", kvarena_free_bulk, NULL);
	channel[1] = urcu_kvfree_channel_create("1", kvarena_free_bulk, NULL);
	return channel[0] && channel[1] ? 0 : -1;
}

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_channel_destroy(channel[0]);
	return urcu_kvfree_channel_destroy(channel[1]);
}

/* @nr on malloc's channel, twice that on the first, thrice on the second. */
static void queue(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
	for (i = 0; i < 2 * nr; i++)
		urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(),
				head, channel[0]);
	for (i = 0; i < 3 * nr; i++)
		kvinside_queue_emergency(&kvgp_flavor, kvarena_object(),
				channel[1]);
}

/* Something is freed, and what waits is counted, once nobody is about to free more:
 * an object is counted a moment after it is freed. */
static bool the_rest_is_pending(void *unused)
{
	uint64_t pending = kvtest_stats(&kvgp_flavor).pending;

	(void) unused;
	return kvarena_freed() && pending == kvarena_made() - kvarena_freed();
}

/*
 * K9: pages of all channels get ripe at different times; when some are freed, the
 * count of the others stays.
 */
TEST(pending_is_exact_while_pages_are_freed_separately)
{
	uint64_t gp = kvgp_begun();
	struct urcu_kvfree_stats stats;

	kvgp_hold();
	queue(1);
	assert_true(kvgp_wait_begun(gp + 1));
	queue(600);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending, 6 * 601);

	kvgp_end_one();
	assert_true(kvgp_wait_begun(gp + 2));
	assert_true(kvtest_wait(the_rest_is_pending, NULL, KVTEST_LONG));
	/* One object at least waited for the first grace period, six at most. */
	assert_in_range(kvtest_stats(&kvgp_flavor).pending, 6 * 600,
		6 * 601 - 1);
	queue(10);
	assert_true(kvtest_wait(the_rest_is_pending, NULL, KVTEST_LONG));
	assert_in_range(kvtest_stats(&kvgp_flavor).pending, 6 * 610,
		6 * 611 - 1);

	kvgp_let_go();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor), 0);
	stats = kvtest_stats(&kvgp_flavor);
	assert_int_equal(stats.pending, 0);
	assert_int_equal(stats.freed, stats.queued);
	kvarena_assert_exact();
}

TEST(counters_add_up_for_each_flavor_and_for_all)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	struct urcu_kvfree_stats before = kvtest_stats(rcu), after;
	struct urcu_kvfree_stats all_before = kvtest_stats(NULL), all;
	unsigned int i;

	for (i = 0; i < 1000; i++)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	for (i = 0; i < 50; i++)
		kvinside_queue_emergency(rcu, kvarena_object(), NULL);
	for (i = 0; i < 500; i++)
		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	after = kvtest_stats(rcu);
	assert_int_equal(after.queued - before.queued, 1550);
	assert_true(after.emergency - before.emergency >= 50);
	assert_true(after.pending <= 1550);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	after = kvtest_stats(rcu);
	all = kvtest_stats(NULL);
	assert_int_equal(after.freed - before.freed, 1550);
	assert_int_equal(all.freed - all_before.freed, 1550);
	assert_int_equal(all.queued - all_before.queued, 1550);
	assert_int_equal(after.pending, 0);
	assert_int_equal(after.inline_freed, 0);
	kvarena_assert_exact();
}

static void *queue_and_exit(void *arg)
{
	unsigned int i;

	for (i = 0; i < 700; i++)
		urcu_kvfree_rcu_mightsleep_flavor(arg, kvarena_object());
	return NULL;
}

TEST(counters_outlive_threads_and_the_library)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	struct urcu_kvfree_stats before = kvtest_stats(rcu), after;
	unsigned int i;

	for (i = 0; i < 5; i++)
		kvtest_on_thread(queue_and_exit, (void *) rcu);
	urcu_kvfree_exit();
	after = kvtest_stats(rcu);
	assert_int_equal(after.queued - before.queued, 3500);
	assert_int_equal(after.freed - before.freed, 3500);
	assert_int_equal(after.pending, 0);
	assert_true(after.owner_freed <= after.freed);
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(pending_is_exact_while_pages_are_freed_separately),
		test_each(counters_add_up_for_each_flavor_and_for_all),
		test_each(counters_outlive_threads_and_the_library),
	};

	return kvtest_run(tests);
}
