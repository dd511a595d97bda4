/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_cache.c - the supply of empty pages: caches, their age, refills, back-off
 *
 * The library does not run: the tests call the work function themselves, and have a
 * timer of their own where one is wanted.
 */

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

/* More pages than a cache grows to by itself. */
#define MANY	(KVFREE_MAX_TARGET + 44)

static struct kvfree_domain *domain;
static struct kvfree_record *record;

/* A record with an empty cache, and no blank ones. */
FIXTURE(begin)
{
	kvfree_conf.min_cached_pages = 5;
	kvfree_conf.refill_backoff_msec = 100000;
	domain = kvfree_domain_get(&kvgp_flavor);
	record = kvfree_record_get_clean(domain);
	return record ? 0 : -1;
}

FIXTURE(end)
{
	kvfault_memory(false);
	kvhold_off();
	urcu_kvfree_exit();
	return domain->count.page.pages ? -1 : 0;
}

static uint64_t pages(void)
{
	return domain->count.page.pages;
}

static uint64_t allocated(void)
{
	return domain->count.page.allocated;
}

static void refill(void)
{
	kvfree_refill.fn(&kvfree_refill);
}

static void ask(void)
{
	__atomic_store_n(&record->refill_gate, 1, __ATOMIC_SEQ_CST);
}

static void push(unsigned int nr)
{
	while (nr--)
		kvfree_cache_push(record,
				kvfree_page_alloc(&domain->count.page));
}

/* Take a page out as a call does, and give it back to the allocator. */
static bool pop(void)
{
	struct kvfree_page *page = kvfree_cache_pop(record);

	kvfree_page_free(&domain->count.page, page);
	return page;
}

/* Make the record's lock look held by someone else while @fn runs. */
static void with_lock_held(void (*fn)(void))
{
	kvinside_lock(record);
	fn();
	kvfree_record_unlock(record);
}

static void *claim(void *arg)
{
	(void) arg;
	return kvfree_record_get_clean(domain);
}

/* ------------------------------------------------------------------ */
/* One record's pages                                                 */

TEST(a_page_goes_in_and_out)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	page->nr = 3;
	kvfree_cache_push(record, page);
	assert_int_equal(page->nr, 0);
	assert_int_equal(kvinside_cached(record), 1);
	assert_ptr_equal(kvfree_cache_pop(record), page);
	assert_int_equal(kvinside_cached(record), 0);
	assert_int_equal(record->pages_used, 1);
	assert_false(record->starved);
	kvfree_page_free(&domain->count.page, page);
}

TEST(a_cache_that_had_no_page_is_starved)
{
	assert_null(kvfree_cache_pop(record));
	assert_true(record->starved);
	assert_int_equal(record->pages_used, 0);
}

/* K3 */
TEST(a_record_without_a_page_is_given_one)
{
	assert_true(kvfree_cache_prefill(record));
	assert_int_equal(kvinside_cached(record), 1);
	assert_true(kvfree_cache_prefill(record));
	assert_int_equal(kvinside_cached(record), 1);
}

/* K11 */
TEST(without_a_cache_no_record_is_given_a_page)
{
	kvfree_conf.min_cached_pages = 0;
	assert_true(kvfree_cache_prefill(record));
	assert_int_equal(kvinside_cached(record), 0);
}

TEST(a_record_gets_no_page_where_there_is_no_memory)
{
	kvfault_memory(true);
	assert_false(kvfree_cache_prefill(record));
	kvfault_memory(false);
	assert_true(kvfree_cache_prefill(record));
}

TEST(a_cache_is_trimmed_to_what_is_kept)
{
	struct kvfree_page_list spare = { NULL, NULL, 0 };

	push(5);
	kvfree_cache_trim(record, 7, &spare);
	assert_null(spare.head);
	kvfree_cache_trim(record, 2, &spare);
	assert_int_equal(spare.nr, 3);
	assert_int_equal(kvinside_cached(record), 2);
	kvfree_page_list_free(&domain->count.page, &spare);
	assert_int_equal(pages(), 2);
}

/* ------------------------------------------------------------------ */
/* Pages that were emptied                                            */

static struct kvfree_page *emptied_page(void)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	page->record = record;
	page->bytes = 100;
	return page;
}

/* What the page held is pending until then. */
static void recycle_owner(void)
{
	__atomic_fetch_add(&domain->pending_bytes, 100, __ATOMIC_RELAXED);
	kvfree_cache_recycle_owner(emptied_page());
	assert_int_equal(domain->pending_bytes, 0);
}

static void recycle(void)
{
	struct kvfree_page_list spent = { NULL, NULL, 0 };

	kvfree_page_list_push(&spent, emptied_page());
	kvfree_cache_recycle(&spent);
	assert_null(spent.head);
}

static void recycle_try(void)
{
	struct kvfree_page_list spent = { NULL, NULL, 0 };

	kvfree_page_list_push(&spent, emptied_page());
	kvfree_cache_recycle_try(&spent);
	assert_non_null(spent.head);
	kvfree_cache_recycle(&spent);
}

/* K12 */
TEST(an_emptied_page_goes_to_the_cache_while_it_has_room)
{
	record->target = 2;
	recycle();
	assert_int_equal(kvinside_cached(record), 1);
	recycle_owner();
	assert_int_equal(kvinside_cached(record), 2);
	recycle();
	recycle_owner();
	assert_int_equal(kvinside_cached(record), 2);
	assert_int_equal(pages(), 2);
}

TEST(an_emptied_page_goes_to_the_allocator_while_the_lock_is_held)
{
	with_lock_held(recycle);
	assert_int_equal(kvinside_cached(record), 0);
	assert_int_equal(pages(), 0);
}

TEST(an_emptied_page_stays_with_who_has_it_when_a_try_finds_the_lock_held)
{
	with_lock_held(recycle_try);
	assert_int_equal(pages(), 0);
}

TEST(an_emptied_page_of_a_record_that_nobody_has_goes_to_the_allocator)
{
	kvfree_record_leave(domain);
	recycle();
	assert_int_equal(record->nr_cached, 0);
	assert_int_equal(pages(), 0);
}

/* ------------------------------------------------------------------ */
/* Age                                                                */

/* One tick older; whether there is more to shrink later. */
static bool age(void)
{
	struct kvfree_page_list spare = { NULL, NULL, 0 };
	bool more = kvfree_cache_age(record, &spare);

	kvfree_page_list_free(&domain->count.page, &spare);
	return more;
}

TEST(the_target_falls_by_quarters_to_the_setting)
{
	record->target = 100;
	push(100);
	assert_true(age());
	assert_int_equal(record->target, 75);
	assert_int_equal(kvinside_cached(record), 75);
	age();
	assert_int_equal(record->target, 57);
	record->target = 6;
	age();
	assert_int_equal(record->target, 5);
	assert_int_equal(kvinside_cached(record), 5);
}

TEST(the_target_of_a_cache_in_use_falls_by_sixteenths)
{
	record->target = 100;
	push(100);
	record->pages_used = 1;
	assert_true(age());
	assert_int_equal(record->target, 93);
	assert_int_equal(kvinside_cached(record), 93);
	record->target = 6;
	record->pages_used = 1;
	age();
	assert_int_equal(record->target, 5);
	record->pages_used = 1;
	age();
	assert_int_equal(record->target, 5);
}

TEST(the_target_follows_what_is_used_up_to_a_limit)
{
	record->pages_used = 60;
	age();
	assert_int_equal(record->target, 60);
	assert_int_equal(record->pages_used, 0);
	record->pages_used = MANY;
	age();
	assert_int_equal(record->target, KVFREE_MAX_TARGET);
}

/* Pages that come back as fast as they are used are no reason for a large cache. */
TEST(the_target_follows_what_is_out_at_a_time)
{
	unsigned int i;

	record->target = 3;
	push(3);
	for (i = 0; i < 60; i++) {
		assert_true(pop());
		recycle();
	}
	assert_int_equal(record->pages_used, 1);
	age();
	assert_int_equal(record->target, 5);
	assert_int_equal(record->pages_out, 0);
}

TEST(a_cache_that_is_not_used_shrinks_to_one_page)
{
	unsigned int i;

	push(5);
	for (i = 1; i < KVFREE_IDLE_TICKS; i++) {
		assert_true(age());
		assert_int_equal(kvinside_cached(record), 5);
	}
	assert_false(age());
	assert_int_equal(kvinside_cached(record), 1);
	assert_int_equal(record->target, 1);
	/* Used again, it has what the setting says. */
	assert_true(pop());
	age();
	assert_int_equal(record->target, 5);
}

TEST(the_cache_of_a_record_that_nobody_has_is_emptied)
{
	push(3);
	kvfree_record_leave(domain);
	age();
	assert_int_equal(record->nr_cached, 0);
	assert_int_equal(pages(), 0);
}

/* K5 */
TEST(all_caches_are_dropped_but_those_that_are_locked)
{
	struct kvfree_record *other = kvtest_on_thread(claim, NULL);

	push(3);
	record->pages_used = 60;
	kvfree_cache_push(other, kvfree_page_alloc(&domain->count.page));
	kvinside_lock(record);
	kvfree_cache_drop(domain, false);
	kvfree_record_unlock(record);
	assert_int_equal(other->nr_cached, 0);
	assert_int_equal(kvinside_cached(record), 3);
	kvfree_cache_drop(domain, true);
	assert_int_equal(kvinside_cached(record), 0);
	assert_int_equal(record->target, 0);
	assert_int_equal(pages(), 0);
	/* What was used before is no reason to grow. */
	assert_int_equal(record->pages_used, 0);
}

/* ------------------------------------------------------------------ */
/* Refills                                                            */

TEST(who_asked_gets_pages_up_to_the_target)
{
	ask();
	refill();
	assert_int_equal(kvinside_cached(record), 5);
	assert_int_equal(record->target, 5);
	assert_int_equal(record->refill_gate, 0);
	assert_int_equal(domain->count.refills, 1);
}

TEST(who_did_not_ask_gets_nothing)
{
	uint64_t refills = domain->count.refills;

	refill();
	assert_int_equal(kvinside_cached(record), 0);
	assert_int_equal(domain->count.refills, refills);
}

/* K12 */
TEST(a_full_cache_gets_nothing)
{
	uint64_t before;

	ask();
	refill();
	before = allocated();
	ask();
	refill();
	assert_int_equal(allocated(), before);
	assert_int_equal(kvinside_cached(record), 5);
}

/* K10 */
TEST(pages_go_to_the_record_that_asked)
{
	struct kvfree_record *other;

	/* First, for none to be made of the other one. */
	refill();
	other = kvtest_on_thread(claim, NULL);
	other->state = KVFREE_RECORD_OWNED;
	ask();
	refill();
	assert_int_equal(other->nr_cached, 0);
	assert_int_equal(kvinside_cached(record), 5);
	other->state = KVFREE_RECORD_LEFT;
	/* And to nobody where the thread has left meanwhile. */
	other->refill_gate = 1;
	refill();
	assert_int_equal(other->nr_cached, 0);
	assert_int_equal(other->refill_gate, 0);
}

TEST(a_call_that_found_no_page_doubles_the_target)
{
	assert_false(pop());
	ask();
	refill();
	assert_int_equal(record->target, 10);
	assert_int_equal(kvinside_cached(record), 10);
	assert_false(record->starved);
}

/* P4 */
TEST(the_target_has_a_limit)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		record->starved = true;
		ask();
		refill();
	}
	assert_int_equal(record->target, KVFREE_MAX_TARGET);
	assert_int_equal(kvinside_cached(record), KVFREE_MAX_TARGET);
}

TEST(the_setting_may_ask_for_more_than_the_limit)
{
	kvfree_conf.min_cached_pages = MANY;
	ask();
	refill();
	assert_int_equal(kvinside_cached(record), MANY);
	/* A tick takes none of them. */
	age();
	assert_int_equal(kvinside_cached(record), MANY);
}

TEST(a_record_whose_lock_is_held_does_not_stop_the_worker)
{
	ask();
	with_lock_held(refill);
	assert_int_equal(kvinside_cached(record), 0);
	ask();
	refill();
	assert_int_equal(kvinside_cached(record), 5);
}

/* Its own thread, in a clean call, is sooner than a worker. */
TEST(an_owner_serves_its_own_request)
{
	kvfree_cache_serve(record);
	assert_int_equal(kvinside_cached(record), 0);
	ask();
	kvfree_cache_serve(record);
	assert_int_equal(kvinside_cached(record), 5);
	assert_int_equal(record->refill_gate, 0);
}

/* ------------------------------------------------------------------ */
/* Blank records                                                      */

static unsigned int blanks(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < KVFREE_BLANKS; i++)
		if (domain->blank[i])
			nr++;
	return nr;
}

TEST(an_empty_slot_is_filled_with_a_record_that_has_a_page)
{
	struct kvfree_record *blank;

	refill();
	assert_int_equal(blanks(), KVFREE_BLANKS);
	assert_int_equal(kvinside_count_records(domain), 1 + KVFREE_BLANKS);
	blank = domain->blank[0];
	assert_int_equal(blank->state, KVFREE_RECORD_BLANK);
	assert_int_equal(kvinside_cached(blank), 1);
}

TEST(blank_records_that_are_there_are_enough)
{
	uint64_t before;

	refill();
	before = allocated();
	refill();
	assert_int_equal(kvinside_count_records(domain), 1 + KVFREE_BLANKS);
	assert_int_equal(allocated(), before);
}

TEST(records_that_were_left_are_made_blank_first)
{
	struct kvfree_record *left = kvtest_on_thread(claim, NULL);

	refill();
	assert_int_equal(kvinside_count_records(domain), 1 + KVFREE_BLANKS);
	assert_int_equal(left->state, KVFREE_RECORD_BLANK);
}

/* K11 */
TEST(without_a_cache_there_are_no_blank_records)
{
	kvfree_conf.min_cached_pages = 0;
	refill();
	assert_int_equal(blanks(), 0);
}

TEST(blank_records_are_made_once_there_is_memory)
{
	unsigned long failed = kvfault_memory_failed();

	kvfault_memory(true);
	refill();
	assert_int_equal(kvfault_memory_failed(), failed + 1);
	assert_int_equal(blanks(), 0);
	kvfault_memory(false);
	refill();
	assert_int_equal(blanks(), KVFREE_BLANKS);
	assert_int_equal(kvinside_count_records(domain), 1 + KVFREE_BLANKS);
}

/* Nor is the record lost that there is no page for. */
TEST(a_record_without_a_page_is_not_offered)
{
	struct kvfree_record *left = kvtest_on_thread(claim, NULL);

	kvfault_memory(true);
	refill();
	kvfault_memory(false);
	assert_int_equal(blanks(), 0);
	assert_int_equal(left->state, KVFREE_RECORD_LEFT);
	refill();
	assert_int_equal(left->state, KVFREE_RECORD_BLANK);
}

/* ------------------------------------------------------------------ */
/* Requests, with a timer and nobody who serves its alarms            */

static unsigned long rung;	/* atomic */

static void on_alarm(enum kvfree_alarm alarm)
{
	if (alarm == KVFREE_ALARM_REFILL)
		__atomic_fetch_add(&rung, 1, __ATOMIC_SEQ_CST);
}

static void on_pressure(void)
{
}

static int begin_timed(void **state)
{
	rung = 0;
	if (begin(state))
		return -1;
	/* The blank records are there. */
	refill();
	if (kvfree_timer_start(on_alarm, on_pressure))
		return -1;
	kvfree_timer_open();
	return 0;
}

static int end_timed(void **state)
{
	kvfree_timer_stop();
	return end(state);
}

static bool has_rung(void *times)
{
	return __atomic_load_n(&rung, __ATOMIC_SEQ_CST) >=
		*(unsigned long *) times;
}

static bool rings(unsigned long times)
{
	return kvtest_wait(has_rung, &times, KVTEST_LONG);
}

static bool is_armed(void)
{
	return kvinside_is_armed(KVFREE_ALARM_REFILL);
}

static void disarm(void)
{
	kvinside_disarm(KVFREE_ALARM_REFILL);
}

TEST(a_request_sets_its_gate_and_arms_once)
{
	kvfree_cache_request(record);
	assert_int_equal(record->refill_gate, 1);
	assert_true(rings(1));
	/* Set: a second request makes no system call. */
	kvfree_cache_request(record);
	assert_false(is_armed());
	refill();
	kvfree_cache_request(record);
	assert_int_equal(record->refill_gate, 1);
	assert_true(rings(2));
}

/* K20 */
TEST(a_request_that_could_not_be_armed_clears_its_gate)
{
	kvinside_let_arm(false);
	kvfree_cache_request(record);
	kvinside_let_arm(true);
	assert_int_equal(record->refill_gate, 0);
	kvfree_cache_request(record);
	assert_true(rings(1));
}

/* K11 */
TEST(without_a_cache_nothing_is_asked_for)
{
	kvfree_conf.min_cached_pages = 0;
	kvfree_cache_request(record);
	kvfree_cache_request_blanks(domain);
	assert_int_equal(record->refill_gate, 0);
	assert_false(is_armed());
	assert_int_equal(rung, 0);
}

/* Unlike a record's gate: others wait for blank records too. */
TEST(blank_records_are_asked_for_once_until_they_are_made)
{
	kvfree_cache_request_blanks(domain);
	assert_true(rings(1));
	kvfree_cache_request_blanks(domain);
	assert_false(is_armed());
	assert_non_null(kvtest_on_thread(claim, NULL));
	refill();
	assert_int_equal(blanks(), KVFREE_BLANKS);
	kvfree_cache_request_blanks(domain);
	assert_true(rings(2));
}

/* K20 */
TEST(blank_records_that_could_not_be_asked_for_are_asked_for_again)
{
	kvinside_let_arm(false);
	kvfree_cache_request_blanks(domain);
	kvinside_let_arm(true);
	kvfree_cache_request_blanks(domain);
	assert_true(rings(1));
}

/* ------------------------------------------------------------------ */
/* K4: failures and back-off                                          */

static void close_blank_gate(void)
{
	kvfree_gate_close(&domain->blank_gate,
		kvfree_gate_read(&domain->blank_gate));
}

/* Without timers nobody would come back after a back-off: there is none. */
TEST(a_failure_without_timers_opens_all_gates)
{
	uint64_t failures = domain->count.refill_failures;

	refill();
	ask();
	close_blank_gate();
	kvfault_memory(true);
	refill();
	assert_int_equal(domain->count.refill_failures, failures + 1);
	assert_int_equal(record->refill_gate, 0);
	assert_false(kvfree_gate_is_closed(
		kvfree_gate_read(&domain->blank_gate)));
	assert_false(kvfree_refill_is_held());
	kvfault_memory(false);
	ask();
	refill();
	assert_int_equal(kvinside_cached(record), 5);
}

/* As if the time of the back-off had passed. */
static void let_back_off_pass(void)
{
	kvfree_conf.refill_backoff_msec = 0;
	kvfree_refill_hold();
	kvfree_conf.refill_backoff_msec = 100000;
}

TEST(a_failure_keeps_the_request_and_raises_the_hold)
{
	unsigned long failed = kvfault_memory_failed();

	kvfault_memory(true);
	record->target = 9;
	ask();
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	assert_int_equal(record->refill_gate, 1);
	assert_true(kvfree_refill_is_held());
	assert_true(is_armed());
	/* Come too early: nothing is tried. */
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	/* When the time is over: one attempt, with the old request. */
	let_back_off_pass();
	refill();
	assert_int_equal(kvfault_memory_failed() - failed, 2);
	assert_true(kvfree_refill_is_held());
	kvfault_memory(false);
	let_back_off_pass();
	refill();
	assert_false(kvfree_refill_is_held());
	assert_int_equal(record->refill_gate, 0);
	assert_int_equal(kvinside_cached(record), 9);
}

/* K4: the next request would try again at once. */
TEST(so_does_that_of_an_owner_that_serves_itself)
{
	unsigned long failed = kvfault_memory_failed();
	uint64_t failures = domain->count.refill_failures;

	kvfault_memory(true);
	ask();
	kvfree_cache_serve(record);
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	assert_int_equal(domain->count.refill_failures, failures + 1);
	assert_int_equal(record->refill_gate, 1);
	assert_true(kvfree_refill_is_held());
	assert_true(is_armed());
	kvfree_cache_serve(record);
	assert_int_equal(kvfault_memory_failed() - failed, 1);
}

static __thread bool hold_again;	/* when this thread reads the clock */

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int ret = __real_clock_gettime(clock, ts);

	if (hold_again) {
		hold_again = false;
		kvfree_refill_hold();
	}
	return ret;
}

/* Memory is short once more. */
TEST(a_hold_that_begins_while_another_ends_goes_on)
{
	let_back_off_pass();
	hold_again = true;
	refill();
	assert_false(hold_again);
	assert_true(kvfree_refill_is_held());
	assert_true(is_armed());
}

TEST(a_hold_stops_refills_until_its_time_is_over)
{
	kvfree_refill_hold();
	ask();
	refill();
	kvfree_cache_serve(record);
	assert_int_equal(kvinside_cached(record), 0);
	assert_int_equal(record->refill_gate, 1);
	let_back_off_pass();
	refill();
	assert_false(kvfree_refill_is_held());
	assert_int_equal(kvinside_cached(record), 5);
}

TEST(during_a_back_off_requests_leave_the_timer_alone)
{
	kvfree_refill_hold();
	assert_true(is_armed());
	disarm();
	kvfree_cache_request(record);
	assert_int_equal(record->refill_gate, 1);
	kvfree_cache_request_blanks(domain);
	assert_false(is_armed());
}

/* K5 */
TEST(while_memory_is_short_a_tick_brings_no_cache_up_to_the_setting)
{
	kvfree_cache_drop(domain, true);
	kvfree_refill_hold();
	age();
	assert_int_equal(record->target, 0);
	/* What is used stays. */
	record->pages_used = 3;
	age();
	assert_int_equal(record->target, 3);
	let_back_off_pass();
	refill();
	age();
	assert_int_equal(record->target, 5);
}

/* A request that missed the hold by a moment armed the timer for at once. */
TEST(a_refill_that_comes_too_early_arms_the_timer_for_the_rest)
{
	kvfree_refill_hold();
	disarm();
	refill();
	assert_true(kvfree_refill_is_held());
	assert_true(is_armed());
}

/* K20: nobody would come back. */
TEST(a_hold_that_could_not_be_armed_is_none)
{
	kvinside_let_arm(false);
	ask();
	close_blank_gate();
	kvfree_refill_hold();
	assert_false(kvfree_refill_is_held());
	assert_int_equal(record->refill_gate, 0);
	assert_false(kvfree_gate_is_closed(
		kvfree_gate_read(&domain->blank_gate)));
	kvinside_let_arm(true);
	/* Nor is one that can no longer be armed. */
	kvfree_refill_hold();
	kvinside_let_arm(false);
	ask();
	refill();
	kvinside_let_arm(true);
	assert_false(kvfree_refill_is_held());
	assert_int_equal(kvinside_cached(record), 5);
}

#define test(f)		cmocka_unit_test_setup_teardown(f, begin, end)
#define timed(f)	cmocka_unit_test_setup_teardown(f, begin_timed, end_timed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_page_goes_in_and_out),
		test(a_cache_that_had_no_page_is_starved),
		test(a_record_without_a_page_is_given_one),
		test(without_a_cache_no_record_is_given_a_page),
		test(a_record_gets_no_page_where_there_is_no_memory),
		test(a_cache_is_trimmed_to_what_is_kept),
		test(an_emptied_page_goes_to_the_cache_while_it_has_room),
		test(an_emptied_page_goes_to_the_allocator_while_the_lock_is_held),
		test(an_emptied_page_stays_with_who_has_it_when_a_try_finds_the_lock_held),
		test(an_emptied_page_of_a_record_that_nobody_has_goes_to_the_allocator),
		test(the_target_falls_by_quarters_to_the_setting),
		test(the_target_of_a_cache_in_use_falls_by_sixteenths),
		test(the_target_follows_what_is_used_up_to_a_limit),
		test(the_target_follows_what_is_out_at_a_time),
		test(a_cache_that_is_not_used_shrinks_to_one_page),
		test(the_cache_of_a_record_that_nobody_has_is_emptied),
		test(all_caches_are_dropped_but_those_that_are_locked),
		test(who_asked_gets_pages_up_to_the_target),
		test(who_did_not_ask_gets_nothing),
		test(a_full_cache_gets_nothing),
		test(pages_go_to_the_record_that_asked),
		test(a_call_that_found_no_page_doubles_the_target),
		test(the_target_has_a_limit),
		test(the_setting_may_ask_for_more_than_the_limit),
		test(a_record_whose_lock_is_held_does_not_stop_the_worker),
		test(an_owner_serves_its_own_request),
		test(an_empty_slot_is_filled_with_a_record_that_has_a_page),
		test(blank_records_that_are_there_are_enough),
		test(records_that_were_left_are_made_blank_first),
		test(without_a_cache_there_are_no_blank_records),
		test(blank_records_are_made_once_there_is_memory),
		test(a_record_without_a_page_is_not_offered),
		timed(a_request_sets_its_gate_and_arms_once),
		timed(a_request_that_could_not_be_armed_clears_its_gate),
		timed(without_a_cache_nothing_is_asked_for),
		timed(blank_records_are_asked_for_once_until_they_are_made),
		timed(blank_records_that_could_not_be_asked_for_are_asked_for_again),
		test(a_failure_without_timers_opens_all_gates),
		timed(a_failure_keeps_the_request_and_raises_the_hold),
		timed(so_does_that_of_an_owner_that_serves_itself),
		timed(a_hold_that_begins_while_another_ends_goes_on),
		timed(a_hold_stops_refills_until_its_time_is_over),
		timed(during_a_back_off_requests_leave_the_timer_alone),
		timed(while_memory_is_short_a_tick_brings_no_cache_up_to_the_setting),
		timed(a_refill_that_comes_too_early_arms_the_timer_for_the_rest),
		timed(a_hold_that_could_not_be_armed_is_none),
	};

	return kvtest_run(tests);
}
