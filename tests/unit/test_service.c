/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_service.c - ticks, kicks, the budget, the grace-period thread, rest
 *
 * Started with a tick that never comes by itself: the tests make ticks. The budget is
 * eight pages of eight objects.
 */

#include "cmocka-all.h"
#include "count.h"
#include "kvarena.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

#define PAGE	8		/* objects in a page */
#define BUDGET	(8 * PAGE)	/* objects in pages that fill the budget */

static struct kvfree_domain *domain;
static struct kvfree_record *record;
static struct urcu_kvfree_channel *channel;

static void start(unsigned int workers)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	urcu_kvfree_attr_set_workers(attr, workers);
	urcu_kvfree_attr_set_batch_bytes(attr, BUDGET * KVARENA_BYTES);
	if (urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
	kvinside_settle();
	record = kvinside_record(&kvgp_flavor);
	/* One that does not know would ask for grace periods to find out. */
	record->object_bytes[KVFREE_CHANNEL_MALLOC] = KVARENA_BYTES;
	kvfree_record_lock(record);
	record->target = 40;
	kvfree_record_unlock(record);
	kvfree_cache_request(record);
	kvinside_settle();
}

static void set_estimate(uint64_t nsec)
{
	__atomic_store_n(&domain->gp.estimate_nsec, nsec, __ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.usual_nsec, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.lost, 0, __ATOMIC_SEQ_CST);
}

FIXTURE(begin)
{
	kvarena_reset();
	domain = kvfree_domain_get(&kvgp_flavor);
	start(2);
	set_estimate(0);
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	kvfault_threads_after(-1);
	kvhold_go();
	kvgp_let_go();
	kvfree_service_resume();	/* after a test that failed at rest */
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	kvarena_assert_exact();
	return 0;
}

static void queue_raw(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
}

static void queue_clean(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor,
				kvarena_object());
}

static unsigned int ticks(void)
{
	return __atomic_load_n(&domain->tick, __ATOMIC_SEQ_CST);
}

static bool tick_is_over(void *before)
{
	return ticks() != *(unsigned int *) before &&
		kvinside_is_quiet(&kvfree_pool);
}

/* A tick, to the end of what the pool does in it. */
static void tick(void)
{
	unsigned int before = ticks();

	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_true(kvtest_wait(tick_is_over, &before, KVTEST_LONG));
}

/* The same, and to the end of its grace period. */
static void tick_and_settle(void)
{
	tick();
	kvinside_settle();
}

static uint64_t helped(void)
{
	return kvtest_stats(&kvgp_flavor).helped;
}

static bool as_many_are_freed(void *nr)
{
	return kvarena_freed() >= *(size_t *) nr;
}

static void assert_frees(size_t nr)
{
	assert_true(kvtest_wait(as_many_are_freed, &nr, KVTEST_LONG));
	kvinside_settle();
	assert_int_equal(kvarena_freed(), nr);
}

/* ------------------------------------------------------------------ */
/* The tick                                                           */

TEST(a_tick_closes_all_and_one_grace_period_serves_it)
{
	uint64_t gp = kvgp_begun();

	queue_raw(3);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		channel);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), channel);
	tick_and_settle();
	kvarena_assert_exact();
	assert_int_equal(kvgp_begun(), gp + 1);
}

TEST(a_tick_with_nothing_queued_begins_no_grace_period)
{
	uint64_t gp = kvgp_begun();

	tick_and_settle();
	assert_int_equal(kvgp_begun(), gp);
	assert_true(kvtest_threads_are("kvfree-gp", 0));
}

static bool tick_is_armed(void)
{
	return kvinside_is_armed(KVFREE_ALARM_TICK);
}

/* P7: while there is something to do, and then no more. */
TEST(a_tick_arms_the_next_until_there_is_nothing_left)
{
	unsigned int i;

	kvgp_hold();
	queue_raw(3);
	tick();
	assert_true(tick_is_armed());
	kvgp_let_go();
	for (i = 0; i < 2 * KVFREE_IDLE_TICKS && tick_is_armed(); i++)
		tick_and_settle();
	assert_false(tick_is_armed());
}

TEST(a_record_whose_lock_is_held_is_left_for_the_next_tick)
{
	struct kvfree_record *other = kvfree_record_make_blank(domain);
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	queue_raw(1);
	kvfree_record_lock(other);
	kvfree_record_open(other, KVFREE_CHANNEL_MALLOC, page,
			kvarena_object());
	kvfree_record_unlock(other);
	kvinside_lock(record);
	tick_and_settle();
	kvfree_record_unlock(record);
	assert_true(kvarena_is_freed(kvarena_nth(1)));
	assert_false(kvarena_is_freed(kvarena_nth(0)));
	assert_true(tick_is_armed());
	tick_and_settle();
	kvarena_assert_exact();
	kvfree_record_give_back(other);
}

TEST(an_owner_in_clean_contexts_keeps_its_pages)
{
	queue_clean(10);
	tick_and_settle();
	assert_int_equal(kvarena_freed(), 0);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 100), 10);
	kvarena_assert_exact();
}

TEST(ripe_pages_of_an_owner_that_stays_away_are_taken)
{
	uint64_t owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;

	queue_clean(10);
	tick_and_settle();
	assert_int_equal(kvarena_freed(), 0);
	/* This one no longer finds the clean calls in it or the last. */
	tick_and_settle();
	kvarena_assert_exact();
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed, owner_freed);
}

/* O5: its clean calls are too few for what is ripe. */
TEST(pages_that_were_ripe_for_a_whole_tick_are_taken)
{
	queue_clean(10);
	tick_and_settle();
	kvfree_record_mark_clean(record);
	tick_and_settle();
	assert_int_equal(kvarena_freed(), 0);
	kvfree_record_mark_clean(record);
	tick_and_settle();
	kvarena_assert_exact();
}

/* E11, K12: an idle record keeps one page. */
TEST(a_cache_that_is_not_used_shrinks_to_one_page)
{
	unsigned int i;

	assert_true(kvinside_cached(record) > 1);
	for (i = 0; i <= KVFREE_IDLE_TICKS; i++)
		tick_and_settle();
	assert_int_equal(kvinside_cached(record), 1);
}

TEST(the_target_follows_the_use)
{
	set_estimate(KVFREE_GP_SHORT_NSEC);	/* nobody waits here */
	kvgp_hold();	/* no page comes back */
	queue_raw(30 * PAGE);
	kvgp_let_go();
	kvfree_record_lock(record);
	record->target = 1;
	kvfree_record_unlock(record);
	tick();
	kvfree_record_lock(record);
	assert_in_range(record->target, 30, KVFREE_MAX_TARGET);
	kvfree_record_unlock(record);
}

/* ------------------------------------------------------------------ */
/* The kick                                                           */

TEST(a_kick_takes_closed_pages_and_leaves_open_ones)
{
	queue_raw(BUDGET + 1);
	assert_frees(BUDGET);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending, 1);
}

TEST(a_kick_takes_the_emergency_list)
{
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), channel);
	queue_raw(BUDGET + 1);
	assert_frees(BUDGET + 2);
}

static bool kick_was_served(void *unused)
{
	(void) unused;
	return !kvinside_is_armed(KVFREE_ALARM_KICK);
}

/* Of another domain, that is. */
TEST(a_kick_begins_no_grace_period_below_the_budget)
{
	uint64_t gp = kvgp_begun();

	queue_raw(PAGE + 1);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(kvtest_wait(kick_was_served, NULL, KVTEST_LONG));
	kvinside_settle();
	assert_int_equal(kvgp_begun(), gp);
}

/* ------------------------------------------------------------------ */
/* The budget, when a clean call closes a page                        */

static pthread_t runner;	/* written before its grace period is counted */

static void note_runner(void)
{
	runner = pthread_self();
}

static bool is_runner(void)
{
	return pthread_equal(runner, pthread_self());
}

TEST(below_the_budget_nobody_runs_a_grace_period)
{
	uint64_t gp = kvgp_begun();

	queue_clean(BUDGET);
	kvinside_settle();
	assert_int_equal(kvgp_begun(), gp);
}

TEST(while_they_are_short_a_clean_call_runs_the_next_itself)
{
	uint64_t gp = kvgp_begun(), before = helped();

	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, note_runner);
	queue_clean(BUDGET);
	assert_int_equal(helped(), before);
	queue_clean(1);
	kvhold_off();
	assert_int_equal(helped(), before + 1);
	assert_int_equal(kvgp_begun(), gp + 1);
	assert_true(is_runner());
	assert_true(kvtest_threads_are("kvfree-gp", 0));
	assert_int_equal(kvtest_stats(&kvgp_flavor).grace_periods, gp + 1);
}

TEST(while_they_are_long_it_asks_for_one_and_goes_on)
{
	uint64_t gp = kvgp_begun(), before = helped();

	set_estimate(KVFREE_GP_SHORT_NSEC);
	kvgp_hold();
	queue_clean(BUDGET + 1);
	assert_true(kvgp_wait_begun(gp + 1));
	/* And goes on with twice the budget and more: one runs. */
	queue_clean(2 * BUDGET);
	assert_int_equal(helped(), before);
	assert_int_equal(kvgp_begun(), gp + 1);
	assert_true(kvtest_threads_are("kvfree-gp", 1));
}

/* No thread of the library gets a processor, say. */
TEST(over_twice_the_budget_it_runs_one_if_nobody_does)
{
	uint64_t gp = kvgp_begun(), before = helped();

	set_estimate(KVFREE_GP_SHORT_NSEC);
	kvfree_workqueue_pause(&kvfree_pool);
	kvfree_workqueue_pause(&domain->gp_thread);
	queue_clean(2 * BUDGET);
	assert_int_equal(kvgp_begun(), gp);
	queue_clean(1);
	assert_int_equal(helped(), before + 1);
	assert_int_equal(kvgp_begun(), gp + 1);
	kvfree_workqueue_resume(&domain->gp_thread);
	kvfree_workqueue_resume(&kvfree_pool);
}

/* Too many threads: each would keep its part of the budget for long. */
TEST(after_a_runner_lost_its_processor_three_quarters_of_it_are_the_rule)
{
	uint64_t gp = kvgp_begun();

	__atomic_store_n(&domain->gp.usual_nsec, 3 * KVFREE_GP_CHEAP_NSEC,
			__ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.lost, 1, __ATOMIC_SEQ_CST);
	queue_clean(BUDGET * 3 / 4);
	assert_int_equal(kvgp_begun(), gp);
	queue_clean(1);
	assert_int_equal(kvgp_begun(), gp + 1);
}

/* What interrupts all processors is worth some memory. */
TEST(while_they_are_dear_more_than_one_budget_waits_for_the_next)
{
	uint64_t gp = kvgp_begun();

	__atomic_store_n(&domain->gp.usual_nsec, 3 * KVFREE_GP_CHEAP_NSEC,
			__ATOMIC_SEQ_CST);
	queue_clean(3 * BUDGET);
	assert_int_equal(kvgp_begun(), gp);
	queue_clean(1);
	assert_int_equal(kvgp_begun(), gp + 1);
}

/* Close pages for twice the budget by raw calls that nobody hears. */
static void fill_budget(void)
{
	unsigned int seen = kvfree_gate_read(&domain->kick_gate);

	kvfree_gate_close(&domain->kick_gate, seen);
	queue_raw(2 * BUDGET + 1);
	assert_true(kvfree_domain_over_budget(domain, 2 * KVFREE_ONE_BUDGET));
}

TEST(in_a_section_it_runs_none_and_asks_for_one)
{
	uint64_t gp = kvgp_begun(), before = helped();

	fill_budget();
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, note_runner);
	kvgp_set_in_section(true);
	kvfree_service_budget(domain);
	kvgp_set_in_section(false);
	assert_true(kvgp_wait_begun(gp + 1));
	assert_false(is_runner());
	assert_frees(2 * BUDGET);
	kvhold_off();
	assert_int_equal(helped(), before);
}

TEST(in_a_free_function_it_runs_none_and_asks_for_one)
{
	uint64_t gp = kvgp_begun(), before = helped();

	fill_budget();
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, note_runner);
	kvfree_freeing++;
	kvfree_service_budget(domain);
	kvfree_freeing--;
	assert_true(kvgp_wait_begun(gp + 1));
	assert_false(is_runner());
	assert_frees(2 * BUDGET);
	kvhold_off();
	assert_int_equal(helped(), before);
}

static int online_inside = -1;

static void note_online(void)
{
	online_inside = urcu_qsbr_flavor.read_ongoing();
}

/* O3: or every grace period of QSBR that somebody else runs would wait for it. */
TEST(a_caller_that_is_online_is_offline_meanwhile)
{
	fill_budget();
	urcu_qsbr_flavor.register_thread();
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, note_online);
	kvfree_service_budget(domain);
	kvhold_off();
	assert_int_equal(online_inside, 0);
	assert_true(urcu_qsbr_flavor.read_ongoing());
	urcu_qsbr_flavor.unregister_thread();
}

/* What it closed itself is its own to free; the rest is not. */
TEST(a_caller_that_ran_one_lets_workers_free_what_is_theirs)
{
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		channel);
	kvfree_record_lock(record);
	kvfree_record_close(record, channel->number);
	kvfree_record_unlock(record);
	kvfree_record_mark_clean(record);
	queue_clean(BUDGET + 1);
	assert_int_equal(helped(), kvtest_stats(NULL).helped);
	kvinside_settle();
	assert_true(kvarena_is_freed(kvarena_nth(0)));
}

/* Workers that come at the end of an earlier grace period are asked again at the end of theirs. */
TEST(what_was_not_ripe_for_them_is_asked_for_again)
{
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		channel);
	kvinside_close_pages(record);
	kvfree_service_request_reap(domain);
	kvinside_settle();
	assert_int_equal(kvarena_freed(), 0);
	assert_true(kvfree_domain_run(domain));
	kvfree_service_request_reap(domain);
	assert_frees(1);
}

/* ------------------------------------------------------------------ */
/* Threads                                                            */

TEST(each_domain_in_use_has_one_grace_period_thread)
{
	kvfree_service_request_gp(domain);
	kvfree_service_request_gp(domain);
	kvinside_settle();
	assert_true(kvtest_threads_are("kvfree-gp", 1));
	kvfree_service_request_gp(kvfree_domain_get(&urcu_mb_flavor));
	kvinside_settle();
	kvfree_service_request_gp(domain);
	kvinside_settle();
	assert_true(kvtest_threads_are("kvfree-gp", 2));
	urcu_kvfree_exit();
	assert_true(kvtest_threads_become("kvfree-", 0));
	start(2);
}

static bool nothing_of_mb_is_pending(void *unused)
{
	(void) unused;
	return !kvtest_stats(&urcu_mb_flavor).pending;
}

/* O8, K21. */
TEST(one_worker_frees_while_a_grace_period_of_another_flavor_lasts)
{
	uint64_t gp = kvgp_begun();

	urcu_kvfree_exit();
	start(1);
	kvgp_hold();
	queue_raw(1);
	tick();
	assert_true(kvgp_wait_begun(gp + 1));
	urcu_kvfree_rcu_flavor(&urcu_mb_flavor, kvarena_object(), head);
	tick();
	assert_true(kvtest_wait(nothing_of_mb_is_pending, NULL, KVTEST_LONG));
	assert_false(kvarena_is_freed(kvarena_nth(0)));
}

/* K21 */
TEST(what_is_ripe_is_freed_while_the_next_grace_period_lasts)
{
	uint64_t gp = kvgp_begun();
	size_t freed = 3;

	queue_raw(3);
	kvinside_ripen(record);
	kvgp_hold();
	queue_raw(2);
	tick();
	assert_true(kvgp_wait_begun(gp + 2));
	assert_true(kvtest_wait(as_many_are_freed, &freed, KVTEST_LONG));
	assert_int_equal(kvarena_freed(), 3);
}

static sem_t in_free, free_on;

static void standing_free(size_t nr, void **ptrs, void *priv)
{
	sem_post(&in_free);
	while (sem_wait(&free_on))
		;
	kvarena_free_bulk(nr, ptrs, priv);
}

/* O8: neither the next grace period nor the other worker waits for it. */
TEST(others_are_freed_while_a_free_function_stands)
{
	struct urcu_kvfree_channel *stands = urcu_kvfree_channel_create(
			"stands", standing_free, NULL);
	size_t freed = 3;

	sem_init(&in_free, 0, 0);
	sem_init(&free_on, 0, 0);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		stands);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	while (sem_wait(&in_free))
		;
	queue_raw(3);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_true(kvtest_wait(as_many_are_freed, &freed, KVTEST_LONG));
	assert_false(kvarena_is_freed(kvarena_nth(0)));
	sem_post(&free_on);
	assert_int_equal(urcu_kvfree_channel_destroy(stands), 0);
	kvarena_assert_exact();
}

static void *call_barrier(void *arg)
{
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	return arg;
}

/* A grace period cannot take the list while the barrier has its chain; no tick comes. */
TEST(what_missed_its_grace_period_during_a_barrier_gets_the_next)
{
	struct urcu_kvfree_channel *stands = urcu_kvfree_channel_create(
			"stands", standing_free, NULL);
	pthread_t tid;

	sem_init(&in_free, 0, 0);
	sem_init(&free_on, 0, 0);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), stands);
	tid = kvtest_thread(call_barrier, NULL);
	while (sem_wait(&in_free))
		;
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), stands);
	assert_true(kvfree_domain_run(domain));
	sem_post(&free_on);
	sem_post(&free_on);
	kvtest_join(tid);
	assert_frees(2);
	assert_int_equal(urcu_kvfree_channel_destroy(stands), 0);
}

/* Then a worker waits itself. */
TEST(without_a_thread_for_grace_periods_they_come_all_the_same)
{
	kvfault_threads_after(0);
	queue_raw(3);
	tick_and_settle();
	assert_true(kvtest_threads_are("kvfree-gp", 0));
	kvarena_assert_exact();
	kvfault_threads_after(-1);
	queue_raw(3);
	tick_and_settle();
	assert_true(kvtest_threads_are("kvfree-gp", 1));
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* Rest                                                               */

TEST(at_rest_no_grace_period_begins_and_nothing_is_freed)
{
	uint64_t gp = kvgp_begun(), before = helped();

	queue_raw(3);
	kvinside_ripen(record);
	kvfree_service_rest();
	assert_int_equal(kvgp_begun(), gp + 1);
	/* Calls of all kinds return, whatever they would like to set off. */
	queue_raw(BUDGET + 1);
	kvfree_service_budget(domain);
	kvfree_service_request_gp(domain);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 100), 0);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_true(kvtest_wait(kick_was_served, NULL, KVTEST_LONG));
	assert_int_equal(kvgp_begun(), gp + 1);
	assert_int_equal(helped(), before);
	assert_int_equal(kvarena_freed(), 0);
	kvfree_service_resume();
	/* What was asked for meanwhile is not forgotten. */
	assert_true(kvgp_wait_begun(gp + 2));
	tick_and_settle();
	/* The owner made a clean call. */
	tick_and_settle();
	kvarena_assert_exact();
}

static int rester;	/* atomic: its thread number */
static int rests;	/* atomic */

static void *rest(void *arg)
{
	__atomic_store_n(&rester, kvtest_tid(), __ATOMIC_SEQ_CST);
	kvfree_service_rest();
	__atomic_store_n(&rests, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static bool rester_sleeps(void *unused)
{
	int tid = __atomic_load_n(&rester, __ATOMIC_SEQ_CST);

	(void) unused;
	return tid && kvtest_sleeps(tid);
}

static void assert_rest_waits(void)
{
	pthread_t tid;

	assert_true(kvhold_wait());
	__atomic_store_n(&rester, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&rests, 0, __ATOMIC_SEQ_CST);
	tid = kvtest_thread(rest, NULL);
	assert_true(kvtest_wait(rester_sleeps, NULL, KVTEST_LONG));
	assert_int_equal(__atomic_load_n(&rests, __ATOMIC_SEQ_CST), 0);
	kvhold_go();
	kvtest_join(tid);
	kvfree_service_resume();
}

TEST(rest_waits_for_the_piece_that_a_worker_has)
{
	kvtest_needs_proc();
	queue_raw(3);
	kvinside_ripen(record);
	kvhold_at(KVFREE_HOOK_PIECE);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_rest_waits();
}

TEST(rest_waits_for_the_grace_period_that_runs)
{
	kvtest_needs_proc();
	queue_raw(3);
	kvhold_at(KVFREE_HOOK_GRACE_PERIOD_OVER);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_rest_waits();
}

static void *queue_and_free(void *arg)
{
	struct kvfree_record *mine = kvinside_record(&kvgp_flavor);

	queue_raw(1);
	kvinside_ripen(mine);
	urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 1);
	return arg;
}

TEST(rest_waits_for_what_an_owner_has_in_hand)
{
	pthread_t owner;

	kvtest_needs_proc();
	kvhold_at(KVFREE_HOOK_VICTIM);
	owner = kvtest_thread(queue_and_free, NULL);
	assert_rest_waits();
	kvtest_join(owner);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_tick_closes_all_and_one_grace_period_serves_it),
		test(a_tick_with_nothing_queued_begins_no_grace_period),
		test(a_tick_arms_the_next_until_there_is_nothing_left),
		test(a_record_whose_lock_is_held_is_left_for_the_next_tick),
		test(an_owner_in_clean_contexts_keeps_its_pages),
		test(ripe_pages_of_an_owner_that_stays_away_are_taken),
		test(pages_that_were_ripe_for_a_whole_tick_are_taken),
		test(a_cache_that_is_not_used_shrinks_to_one_page),
		test(the_target_follows_the_use),
		test(a_kick_takes_closed_pages_and_leaves_open_ones),
		test(a_kick_takes_the_emergency_list),
		test(a_kick_begins_no_grace_period_below_the_budget),
		test(below_the_budget_nobody_runs_a_grace_period),
		test(while_they_are_short_a_clean_call_runs_the_next_itself),
		test(while_they_are_long_it_asks_for_one_and_goes_on),
		test(over_twice_the_budget_it_runs_one_if_nobody_does),
		test(after_a_runner_lost_its_processor_three_quarters_of_it_are_the_rule),
		test(while_they_are_dear_more_than_one_budget_waits_for_the_next),
		test(in_a_section_it_runs_none_and_asks_for_one),
		test(in_a_free_function_it_runs_none_and_asks_for_one),
		test(a_caller_that_is_online_is_offline_meanwhile),
		test(a_caller_that_ran_one_lets_workers_free_what_is_theirs),
		test(what_was_not_ripe_for_them_is_asked_for_again),
		test(each_domain_in_use_has_one_grace_period_thread),
		test(one_worker_frees_while_a_grace_period_of_another_flavor_lasts),
		test(what_is_ripe_is_freed_while_the_next_grace_period_lasts),
		test(others_are_freed_while_a_free_function_stands),
		test(what_missed_its_grace_period_during_a_barrier_gets_the_next),
		test(without_a_thread_for_grace_periods_they_come_all_the_same),
		test(at_rest_no_grace_period_begins_and_nothing_is_freed),
		test(rest_waits_for_the_piece_that_a_worker_has),
		test(rest_waits_for_the_grace_period_that_runs),
		test(rest_waits_for_what_an_owner_has_in_hand),
	};

	return kvtest_run(tests);
}
