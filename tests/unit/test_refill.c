/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_refill.c - pages for the records that ran out of them
 *
 * The library does not run: the tests call the work function themselves.
 */

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "reclaim.h"
#include "refill.h"

/* More pages than a cache grows to by itself. */
#define MANY	(KVFREE_MAX_TARGET + 44)

static struct kvfree_runtime *const rt = &kvfree_runtime;
static struct kvfree_domain *domain;
static struct kvfree_thread *thread;

static int begin(void **state)
{
	(void) state;
	rt->state = KVFREE_STATE_STOPPED;
	rt->conf.min_cached_pages = 5;
	rt->conf.refill_backoff_msec = 100000;
	domain = kvfree_domain_get(&kvgp_flavor);
	domain->blanks_wanted = 0;
	thread = kvfree_thread_get_clean(domain);
	return thread ? 0 : -1;
}

static int end(void **state)
{
	(void) state;
	kvfault_memory(false);
	kvhold_off();
	urcu_kvfree_exit();
	return 0;
}

static void refill(void)
{
	kvfree_refill_work(&rt->refill);
}

static void ask(void)
{
	__atomic_store_n(&thread->refill_gate, 1, __ATOMIC_SEQ_CST);
}

/* Make the record's lock look held by someone else while @fn runs. */
static void with_lock_held(void (*fn)(void))
{
	kvinside_lock(thread);
	fn();
	kvfree_thread_unlock(thread);
}

static void who_asked_gets_pages_up_to_the_target(void **state)
{
	(void) state;
	ask();
	refill();
	assert_int_equal(kvinside_cached(thread), 5);
	assert_int_equal(thread->target, 5);
	assert_int_equal(thread->refill_gate, 0);
	assert_int_equal(kvtest_stats(&kvgp_flavor).cached_pages, 5);
}

static void who_did_not_ask_gets_nothing(void **state)
{
	unsigned int cached = kvinside_cached(thread);
	uint64_t refills = kvtest_stats(&kvgp_flavor).refills;

	(void) state;
	refill();
	assert_int_equal(kvinside_cached(thread), cached);
	assert_int_equal(kvtest_stats(&kvgp_flavor).refills, refills);
}

/* K12 */
static void a_full_cache_gets_nothing(void **state)
{
	uint64_t allocated;

	(void) state;
	ask();
	refill();
	allocated = kvtest_stats(&kvgp_flavor).pages_allocated;
	ask();
	refill();
	assert_int_equal(kvtest_stats(&kvgp_flavor).pages_allocated,
		allocated);
	assert_int_equal(kvinside_cached(thread), 5);
}

static void a_call_that_found_no_page_doubles_the_target(void **state)
{
	(void) state;
	thread->starved = true;
	ask();
	refill();
	assert_int_equal(thread->target, 10);
	assert_int_equal(kvinside_cached(thread), 10);
	assert_false(thread->starved);
}

/* P4 */
static void the_target_has_a_limit(void **state)
{
	unsigned int i;

	(void) state;
	for (i = 0; i < 12; i++) {
		thread->starved = true;
		ask();
		refill();
	}
	assert_int_equal(thread->target, KVFREE_MAX_TARGET);
	assert_int_equal(kvinside_cached(thread), KVFREE_MAX_TARGET);
}

static void the_setting_may_ask_for_more_than_the_limit(void **state)
{
	(void) state;
	rt->conf.min_cached_pages = MANY;
	ask();
	refill();
	assert_int_equal(kvinside_cached(thread), MANY);
	/* A drain that is also a tick takes none of them. */
	kvfree_drain_request(domain, KVFREE_DRAIN_TICK);
	kvfree_drain_work(&domain->drain);
	assert_int_equal(kvinside_cached(thread), MANY);
}

static void a_record_whose_lock_is_held_does_not_stop_the_worker(void **state)
{
	unsigned int cached = kvinside_cached(thread);

	(void) state;
	ask();
	with_lock_held(refill);
	assert_int_equal(kvinside_cached(thread), cached);
	ask();
	refill();
	assert_int_equal(kvinside_cached(thread), 5);
}

static void blank_records_are_made_on_request(void **state)
{
	(void) state;
	domain->blanks_wanted = 1;
	refill();
	assert_int_equal(kvinside_count_records(domain), 1 + KVFREE_BLANKS);
	assert_int_equal(domain->blanks_wanted, 0);
}

/* ------------------------------------------------------------------ */
/* K4: failures                                                       */

/* Without timers nobody would come back after a back-off: there is none. */
static void a_failure_without_timers_opens_all_gates(void **state)
{
	uint64_t failures = kvtest_stats(NULL).refill_failures;

	(void) state;
	ask();
	kvfault_memory(true);
	refill();
	assert_int_equal(kvtest_stats(NULL).refill_failures, failures + 1);
	assert_int_equal(thread->refill_gate, 0);
	assert_int_equal(rt->refill_hold, 0);
	kvfault_memory(false);
	ask();
	refill();
	assert_int_equal(kvinside_cached(thread), 5);
}

/* With timers, which the tests do not let run. */
static void start_held(void)
{
	kvtest_start(60000, 1);
	kvinside_settle();
	rt->conf.refill_backoff_msec = 100000;
	rt->conf.min_cached_pages = 5;
}

static void a_failure_keeps_the_request_and_raises_the_hold(void **state)
{
	unsigned long failed;

	(void) state;
	start_held();
	failed = kvfault_memory_failed();
	kvfault_memory(true);
	thread->target = 9;
	ask();
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	assert_int_equal(thread->refill_gate, 1);
	assert_int_equal(rt->refill_hold, 1);
	/* Come too early: nothing is tried. */
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	/* When the time is over: one attempt, with the old request. */
	rt->refill_hold_until = 0;
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 2);
	assert_int_equal(rt->refill_hold, 1);
	kvfault_memory(false);
	rt->refill_hold_until = 0;
	refill();
	assert_int_equal(rt->refill_hold, 0);
	assert_int_equal(thread->refill_gate, 0);
	assert_int_equal(kvinside_cached(thread), 9);
}

static void a_hold_stops_refills_until_its_time_is_over(void **state)
{
	unsigned int cached;

	(void) state;
	start_held();
	cached = kvinside_cached(thread);
	thread->target = 9;
	kvfree_refill_hold();
	ask();
	refill();
	assert_int_equal(kvinside_cached(thread), cached);
	rt->refill_hold_until = 0;
	refill();
	assert_int_equal(kvinside_cached(thread), 9);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(who_asked_gets_pages_up_to_the_target),
		test(who_did_not_ask_gets_nothing),
		test(a_full_cache_gets_nothing),
		test(a_call_that_found_no_page_doubles_the_target),
		test(the_target_has_a_limit),
		test(the_setting_may_ask_for_more_than_the_limit),
		test(a_record_whose_lock_is_held_does_not_stop_the_worker),
		test(blank_records_are_made_on_request),
		test(a_failure_without_timers_opens_all_gates),
		test(a_failure_keeps_the_request_and_raises_the_hold),
		test(a_hold_stops_refills_until_its_time_is_over),
	};

	return kvtest_run(tests);
}
