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

FIXTURE(begin)
{
	kvtest_start(60000, 2);
	kvinside_settle();
	kvarena_reset();
	kvinside_record(&kvgp_flavor);
	before = now();
	return 0;
}

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static void queue(void)
{
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
}

TEST(queued_and_pending_count_objects_in_the_open_page)
{
	queue();
	assert_int_equal(now().queued, before.queued + 1);
	assert_int_equal(now().pending, 1);
	queue();
	assert_int_equal(now().queued, before.queued + 2);
	assert_int_equal(now().pending, 2);
	assert_int_equal(now().freed, before.freed);
}

TEST(emergency_objects_are_counted_there_and_as_queued)
{
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	assert_int_equal(now().emergency, before.emergency + 1);
	assert_int_equal(now().queued, before.queued + 1);
	assert_int_equal(now().pending, 1);
}

TEST(a_barrier_moves_pending_to_freed)
{
	queue();
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	assert_int_equal(now().pending, 0);
	assert_int_equal(now().freed, before.freed + 2);
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

TEST(threads_are_records_that_have_an_owner)
{
	uint64_t with_one_more = 0;

	assert_int_equal(before.threads, 1);
	kvtest_on_thread(count_with_one_more, &with_one_more);
	assert_int_equal(with_one_more, 2);
	assert_int_equal(now().threads, 1);
	urcu_kvfree_unregister_thread_flavor(&kvgp_flavor);
	assert_int_equal(now().threads, 0);
}

TEST(pages_are_those_cached_and_those_in_use)
{
	assert_int_equal(before.pages, before.cached_pages);
	queue();
	kvinside_settle();
	assert_int_equal(now().pages, now().cached_pages + 1);
	assert_true(now().pages_allocated >= now().pages);
}

TEST(large_bytes_belong_to_no_flavor)
{
	void *large;

	kvinside_needs_range();
	large = urcu_kvmalloc(300000);
	assert_int_equal(now().large_bytes, 303104);
	assert_int_equal(kvtest_stats(NULL).large_bytes, 303104);
	urcu_kvfree(large);
	assert_int_equal(now().large_bytes, 0);
}

TEST(no_flavor_means_the_sum)
{
	struct urcu_kvfree_stats all = kvtest_stats(NULL), more;

	queue();
	urcu_kvfree_rcu_flavor(&urcu_mb_flavor, kvarena_object(), head);
	urcu_kvfree_rcu_flavor(&urcu_bp_flavor, kvarena_object(), head);
	more = kvtest_stats(NULL);
	assert_int_equal(more.queued, all.queued + 3);
	assert_int_equal(now().queued, before.queued + 1);
}

TEST(an_unknown_flavor_has_zeroes)
{
	struct rcu_flavor_struct unknown = kvgp_flavor;
	struct urcu_kvfree_stats stats = kvtest_stats(&unknown);

	queue();
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.threads, 0);
}

/* ------------------------------------------------------------------ */
/* Bytes and times                                                    */

static void close_page(struct kvfree_record *record)
{
	kvinside_close_pages(record);
}

TEST(pending_bytes_are_those_in_open_and_closed_pages)
{
	assert_int_equal(before.pending_bytes, 0);
	queue();
	queue();
	assert_int_equal(now().pending_bytes, 2 * KVARENA_BYTES);
	close_page(kvinside_record(&kvgp_flavor));
	queue();
	assert_int_equal(now().pending_bytes, 3 * KVARENA_BYTES);
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	assert_int_equal(now().pending_bytes, 0);
}

/* In ticks since its first object came. */
TEST(the_oldest_page_is_open_or_closed)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);

	assert_int_equal(before.oldest_msec, 0);
	queue();
	assert_int_equal(now().oldest_msec, 0);
	__atomic_fetch_add(&domain->tick, 3, __ATOMIC_SEQ_CST);
	assert_int_equal(now().oldest_msec, 3 * 60000);
	close_page(kvinside_record(&kvgp_flavor));
	queue();
	assert_int_equal(now().oldest_msec, 3 * 60000);
	assert_int_equal(kvtest_stats(NULL).oldest_msec, 3 * 60000);
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	assert_int_equal(now().oldest_msec, 0);
}

TEST(the_longest_grace_period_is_that_of_all_flavors)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);

	domain->gp.longest_msec += 100000;
	assert_int_equal(now().grace_period_msec,
		before.grace_period_msec + 100000);
	assert_int_equal(kvtest_stats(NULL).grace_period_msec,
		now().grace_period_msec);
	domain->gp.longest_msec -= 100000;
}

/* ------------------------------------------------------------------ */
/* Who did it                                                         */

TEST(helped_counts_grace_periods_that_clean_calls_ran)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);
	struct kvfree_record *record = kvinside_record(&kvgp_flavor);

	queue();
	close_page(record);
	__atomic_fetch_add(&domain->uncovered, kvfree_setting(batch_bytes),
			__ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.estimate_nsec, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.usual_nsec, 0, __ATOMIC_SEQ_CST);
	kvfree_service_budget(domain);
	assert_int_equal(now().helped, before.helped + 1);
	assert_int_equal(now().grace_periods, before.grace_periods + 1);
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	assert_int_equal(now().helped, before.helped + 1);
}

TEST(owner_freed_and_recycled_outlive_the_record)
{
	struct kvfree_record *record = kvinside_record(&kvgp_flavor);

	queue();
	queue();
	kvinside_ripen(record);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 10), 2);
	record->nr_recycled++;
	assert_int_equal(now().owner_freed, before.owner_freed + 2);
	assert_int_equal(now().recycled, before.recycled + 1);
	urcu_kvfree_exit();
	assert_int_equal(now().owner_freed, before.owner_freed + 2);
	assert_int_equal(now().recycled, before.recycled + 1);
	assert_int_equal(now().freed, before.freed + 2);
}

/* ------------------------------------------------------------------ */
/* The caller's version                                               */

TEST(a_shorter_structure_is_filled_as_far_as_it_goes)
{
	struct urcu_kvfree_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	queue();
	assert_int_equal(urcu_kvfree_get_stats_flavor(&kvgp_flavor, &stats,
		offsetof(struct urcu_kvfree_stats, pending)), 0);
	assert_int_equal(stats.queued, before.queued + 1);
	assert_int_equal(stats.pending, UINT64_MAX);
	assert_int_equal(urcu_kvfree_get_stats_flavor(NULL, &stats, 0), -1);
	assert_int_equal(urcu_kvfree_get_stats_flavor(NULL, NULL, 8), -1);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(queued_and_pending_count_objects_in_the_open_page),
		test(emergency_objects_are_counted_there_and_as_queued),
		test(a_barrier_moves_pending_to_freed),
		test(threads_are_records_that_have_an_owner),
		test(pages_are_those_cached_and_those_in_use),
		test(large_bytes_belong_to_no_flavor),
		test(no_flavor_means_the_sum),
		test(pending_bytes_are_those_in_open_and_closed_pages),
		test(the_oldest_page_is_open_or_closed),
		test(the_longest_grace_period_is_that_of_all_flavors),
		test(helped_counts_grace_periods_that_clean_calls_ran),
		test(owner_freed_and_recycled_outlive_the_record),
		test(a_shorter_structure_is_filled_as_far_as_it_goes),
		test(an_unknown_flavor_has_zeroes),
	};

	return kvtest_run(tests);
}
