/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_stats.c - what each counter counts
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

static struct urcu_kvfree_stats before;

static struct urcu_kvfree_stats now(void)
{
	return kvtest_stats(&kvgp_flavor);
}

static int begin(void **state)
{
	(void) state;
	kvtest_start(60000, 2);
	kvinside_settle();
	kvarena_reset();
	kvinside_record(&kvgp_flavor);
	before = now();
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static void queue(void)
{
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
}

static void queued_and_pending_count_objects_in_the_current_page(void **state)
{
	(void) state;
	queue();
	assert_int_equal(now().queued, before.queued + 1);
	assert_int_equal(now().pending, 1);
	queue();
	assert_int_equal(now().queued, before.queued + 2);
	assert_int_equal(now().pending, 2);
	assert_int_equal(now().freed, before.freed);
}

static void emergency_objects_are_counted_there_and_as_queued(void **state)
{
	(void) state;
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	assert_int_equal(now().emergency, before.emergency + 1);
	assert_int_equal(now().queued, before.queued + 1);
	assert_int_equal(now().pending, 1);
}

static void a_barrier_moves_pending_to_freed(void **state)
{
	(void) state;
	queue();
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	assert_int_equal(now().pending, 0);
	assert_int_equal(now().freed, before.freed + 2);
	assert_int_equal(now().drains, before.drains + 1);
	assert_int_equal(now().grace_periods, before.grace_periods + 1);
	assert_int_equal(now().leaked, before.leaked);
	assert_int_equal(now().inline_freed, before.inline_freed);
}

static void *count_with_one_more(void *arg)
{
	kvinside_record(&kvgp_flavor);
	*(uint64_t *) arg = now().threads;
	return NULL;
}

static void threads_are_records_that_have_an_owner(void **state)
{
	uint64_t with_one_more = 0;

	(void) state;
	assert_int_equal(before.threads, 1);
	kvtest_on_thread(count_with_one_more, &with_one_more);
	assert_int_equal(with_one_more, 2);
	assert_int_equal(now().threads, 1);
	urcu_kvfree_unregister_thread_flavor(&kvgp_flavor);
	assert_int_equal(now().threads, 0);
}

static void pages_are_those_cached_and_those_in_use(void **state)
{
	(void) state;
	assert_int_equal(before.pages, before.cached_pages);
	queue();
	kvinside_settle();
	assert_int_equal(now().pages, now().cached_pages + 1);
	assert_true(now().pages_allocated >= now().pages);
}

static void large_bytes_belong_to_no_flavor(void **state)
{
	void *large = urcu_kvmalloc(300000);

	(void) state;
	kvinside_needs_range();
	assert_int_equal(now().large_bytes, 303104);
	assert_int_equal(kvtest_stats(NULL).large_bytes, 303104);
	urcu_kvfree(large);
	assert_int_equal(now().large_bytes, 0);
}

static void no_flavor_means_the_sum(void **state)
{
	struct urcu_kvfree_stats all = kvtest_stats(NULL), more;

	(void) state;
	queue();
	urcu_kvfree_rcu_flavor(&urcu_mb_flavor, kvarena_object(), head);
	urcu_kvfree_rcu_flavor(&urcu_bp_flavor, kvarena_object(), head);
	more = kvtest_stats(NULL);
	assert_int_equal(more.queued, all.queued + 3);
	assert_int_equal(now().queued, before.queued + 1);
}

static void an_unknown_flavor_has_zeroes(void **state)
{
	struct rcu_flavor_struct unknown = kvgp_flavor;
	struct urcu_kvfree_stats stats = kvtest_stats(&unknown);

	(void) state;
	queue();
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.threads, 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(queued_and_pending_count_objects_in_the_current_page),
		test(emergency_objects_are_counted_there_and_as_queued),
		test(a_barrier_moves_pending_to_freed),
		test(threads_are_records_that_have_an_owner),
		test(pages_are_those_cached_and_those_in_use),
		test(large_bytes_belong_to_no_flavor),
		test(no_flavor_means_the_sum),
		test(an_unknown_flavor_has_zeroes),
	};

	return kvtest_run(tests);
}
