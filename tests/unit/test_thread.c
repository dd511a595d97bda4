/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_thread.c - thread records: claims, appends, ripe objects, leaving
 *
 * The library is not started: nothing happens but what the tests do.
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

static struct kvfree_domain *domain;

/* No thread of the library, and a record of its own for each test. */
static int begin(void **state)
{
	(void) state;
	domain = kvfree_domain_get(&kvgp_flavor);
	kvarena_reset();
	kvfree_runtime.state = KVFREE_STATE_STOPPED;
	kvfree_runtime.conf.min_cached_pages = 1;
	kvfree_runtime.conf.kick_pages = 8;
	kvfree_runtime.conf.workers = 2;
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvhold_off();
	kvfault_memory(false);
	urcu_kvfree_exit();
	return 0;
}

/* ------------------------------------------------------------------ */
/* Claims                                                             */

static void a_clean_call_makes_a_record_with_a_page(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	assert_non_null(thread);
	assert_int_equal(thread->state, KVFREE_THREAD_OWNED);
	assert_ptr_equal(thread->domain, domain);
	assert_int_equal(kvinside_cached(thread), 1);
	assert_ptr_equal(kvfree_thread_get_clean(domain), thread);
	assert_int_equal(kvinside_count_records(domain), 1);
}

static void a_raw_call_finds_the_record_that_is_there(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	bool want_blank = false;

	(void) state;
	assert_ptr_equal(kvfree_thread_get_raw(domain, &want_blank), thread);
	assert_false(want_blank);
}

static void a_raw_call_makes_no_record_and_asks_for_blank_ones(void **state)
{
	unsigned long called = kvfault_memory_called();
	bool want_blank = false;

	(void) state;
	assert_null(kvfree_thread_get_raw(domain, &want_blank));
	assert_true(want_blank);
	assert_int_equal(kvfault_memory_called(), called);
}

static void a_raw_call_takes_a_blank_record_with_a_page(void **state)
{
	unsigned long called;
	struct kvfree_thread *thread;
	bool want_blank = false;

	(void) state;
	assert_true(kvfree_thread_make_blanks(domain));
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
	called = kvfault_memory_called();
	thread = kvfree_thread_get_raw(domain, &want_blank);
	assert_non_null(thread);
	assert_int_equal(kvfault_memory_called(), called);
	assert_int_equal(thread->state, KVFREE_THREAD_OWNED);
	assert_int_equal(kvinside_cached(thread), 1);
	assert_ptr_equal(kvfree_thread_get_raw(domain, &want_blank), thread);
}

static void *claim_raw(void *arg)
{
	bool want_blank = false;

	(void) arg;
	return kvfree_thread_get_raw(domain, &want_blank);
}

static void no_two_threads_get_the_same_blank_record(void **state)
{
	struct kvfree_thread *got[KVFREE_BLANKS + 1];
	unsigned int i, n;

	(void) state;
	assert_true(kvfree_thread_make_blanks(domain));
	for (i = 0; i <= KVFREE_BLANKS; i++) {
		got[i] = kvtest_on_thread(claim_raw, NULL);
		for (n = 0; got[i] && n < i; n++)
			assert_ptr_not_equal(got[i], got[n]);
	}
	assert_non_null(got[KVFREE_BLANKS - 1]);
	assert_null(got[KVFREE_BLANKS]);
}

static void making_blanks_again_makes_no_more(void **state)
{
	(void) state;
	assert_true(kvfree_thread_make_blanks(domain));
	assert_true(kvfree_thread_make_blanks(domain));
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
}

static void making_blanks_without_memory_is_false_and_can_be_repeated(
		void **state)
{
	(void) state;
	kvfault_memory(true);
	assert_false(kvfree_thread_make_blanks(domain));
	kvfault_memory(false);
	assert_true(kvfree_thread_make_blanks(domain));
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
}

static struct kvfree_thread *seen_inside;
static bool wanted_inside;

static void claim_inside(void)
{
	seen_inside = kvfree_thread_get_raw(domain, &wanted_inside);
}

/* A signal handler in the middle of a claim gets no second record. */
static void a_claim_inside_a_claim_gets_none(void **state)
{
	struct kvfree_thread *thread;

	(void) state;
	assert_true(kvfree_thread_make_blanks(domain));
	seen_inside = (void *) 1;
	kvhold_call(KVFREE_HOOK_CLAIMING, claim_inside);
	thread = kvfree_thread_get_clean(domain);
	kvhold_off();
	assert_non_null(thread);
	assert_null(seen_inside);
	assert_false(wanted_inside);
}

/* Nor does the claim that a handler came before. */
static void a_claim_finds_what_a_handler_claimed_just_before(void **state)
{
	struct kvfree_thread *thread;
	bool want_blank = false;

	(void) state;
	assert_true(kvfree_thread_make_blanks(domain));
	kvhold_call(KVFREE_HOOK_CLAIM, claim_inside);
	thread = kvfree_thread_get_clean(domain);
	assert_non_null(thread);
	assert_ptr_equal(thread, seen_inside);
	kvfree_thread_leave(domain);
	kvhold_call(KVFREE_HOOK_CLAIM, claim_inside);
	thread = kvfree_thread_get_raw(domain, &want_blank);
	assert_non_null(thread);
	assert_ptr_equal(thread, seen_inside);
	assert_false(want_blank);
	kvhold_off();
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
}

static void without_memory_a_clean_call_gets_no_record(void **state)
{
	(void) state;
	kvfault_memory(true);
	assert_null(kvfree_thread_get_clean(domain));
	kvfault_memory(false);
	assert_non_null(kvfree_thread_get_clean(domain));
}

/* glibc allocates for a key beyond the first 32: not for a raw call. */
static void a_raw_call_claims_nothing_where_the_key_is_late(void **state)
{
	pthread_key_t saved = kvfree_runtime.key;
	bool want_blank = false;

	(void) state;
	assert_true(saved < 32);
	assert_true(kvfree_thread_make_blanks(domain));
	kvfree_runtime.key = 32;
	assert_null(kvfree_thread_get_raw(domain, &want_blank));
	kvfree_runtime.key = saved;
	assert_non_null(kvfree_thread_get_raw(domain, &want_blank));
}

/* ------------------------------------------------------------------ */
/* Appends                                                            */

static void an_append_without_a_page_asks_for_a_refill(void **state)
{
	struct kvfree_thread *thread;
	unsigned int events = 0;
	int object;

	(void) state;
	kvfree_runtime.conf.min_cached_pages = 0;
	thread = kvfree_thread_get_clean(domain);
	assert_false(kvfree_thread_append(thread, 0, &object));
	assert_false(kvfree_thread_append_slow(thread, 0, &object, &events));
	assert_int_equal(events, KVFREE_EVENT_REFILL);
	assert_int_equal(kvfree_thread_queued(thread), 0);
}

/* malloc's objects, since they will be freed. */
static void fill_page(struct kvfree_thread *thread, unsigned int channel)
{
	unsigned int i, events = 0;

	if (!kvfree_thread_append_slow(thread, channel, kvarena_object(),
			&events))
		abort();
	for (i = 1; i < KVFREE_BULK_RECORDS; i++)
		if (!kvfree_thread_append(thread, channel, kvarena_object()))
			abort();
}

static void the_first_append_takes_a_page_and_asks_for_a_tick(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	unsigned int events = 0;

	(void) state;
	assert_true(kvfree_thread_append_slow(thread, 0, kvarena_object(),
		&events));
	assert_true(events & KVFREE_EVENT_TICK);
	/* One page ahead: the cache is empty now. */
	assert_true(events & KVFREE_EVENT_REFILL);
	assert_false(events & KVFREE_EVENT_KICK);
	assert_true(kvfree_thread_append(thread, 0, kvarena_object()));
	assert_int_equal(kvfree_thread_queued(thread), 2);
}

static void a_full_page_goes_to_the_full_list(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	unsigned int events = 0;

	(void) state;
	kvfree_runtime.conf.kick_pages = 2;
	fill_page(thread, 0);
	assert_false(kvfree_thread_append(thread, 0, kvarena_nth(0)));
	assert_false(kvfree_thread_append_slow(thread, 0, kvarena_nth(0),
		&events));
	assert_false(events & KVFREE_EVENT_KICK);
	assert_int_equal(thread->full.count, 1);
	assert_int_equal(thread->full.head->nr, KVFREE_BULK_RECORDS);
	assert_null(thread->current[0]);
	assert_int_equal(kvfree_thread_queued(thread), KVFREE_BULK_RECORDS);
}

static void kick_pages_full_pages_ask_for_a_kick(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	unsigned int events, nr;

	(void) state;
	kvfree_runtime.conf.kick_pages = 2;
	for (nr = 1; nr <= 4; nr++) {
		events = 0;
		if (!thread->cache)
			kvfree_thread_cache_push(thread,
					kvfree_bulk_alloc(domain));
		fill_page(thread, 0);
		kvfree_thread_append_slow(thread, 0, kvarena_nth(0), &events);
		assert_int_equal(thread->full.count, nr);
		assert_int_equal(!!(events & KVFREE_EVENT_KICK), nr >= 2);
		assert_int_equal(!!(events & KVFREE_EVENT_LATE), nr >= 4);
	}
}

static void each_channel_has_a_page_of_its_own(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	unsigned int events = 0;

	(void) state;
	kvfree_thread_cache_push(thread, kvfree_bulk_alloc(domain));
	assert_true(kvfree_thread_append_slow(thread, 0, kvarena_object(),
		&events));
	assert_true(kvfree_thread_append_slow(thread, 1, kvarena_object(),
		&events));
	assert_ptr_not_equal(thread->current[0], thread->current[1]);
	assert_int_equal(thread->current[0]->channel, 0);
	assert_int_equal(thread->current[1]->channel, 1);
	assert_ptr_equal(thread->current[1]->owner, thread);
	/* The arena's objects are no large memory: take it back. */
	thread->current[1]->channel = 0;
}

/* ------------------------------------------------------------------ */
/* The lock                                                           */

static void *try_lock(void *thread)
{
	if (!kvfree_thread_trylock(thread))
		return NULL;
	kvfree_thread_unlock(thread);
	return thread;
}

static void *try_few(void *thread)
{
	if (!kvfree_thread_lock_few(thread))
		return NULL;
	kvfree_thread_unlock(thread);
	return thread;
}

static void a_held_lock_is_given_up_on_after_a_few_tries(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	kvinside_lock(thread);
	assert_null(kvtest_on_thread(try_lock, thread));
	assert_null(kvtest_on_thread(try_few, thread));
	kvfree_thread_unlock(thread);
	assert_ptr_equal(kvtest_on_thread(try_lock, thread), thread);
	assert_ptr_equal(kvtest_on_thread(try_few, thread), thread);
}

static int locked;	/* atomic */

static void *lock(void *thread)
{
	kvfree_thread_lock(thread);
	__atomic_store_n(&locked, 1, __ATOMIC_SEQ_CST);
	kvfree_thread_unlock(thread);
	return NULL;
}

static void a_clean_lock_waits(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	pthread_t tid;

	(void) state;
	kvinside_lock(thread);
	tid = kvtest_thread(lock, thread);
	kvtest_sleep_msec(5);
	assert_int_equal(__atomic_load_n(&locked, __ATOMIC_SEQ_CST), 0);
	kvfree_thread_unlock(thread);
	kvtest_join(tid);
	assert_int_equal(locked, 1);
}

/* ------------------------------------------------------------------ */
/* Ripe objects                                                       */

static void reclaim_without_ripe_objects_frees_none(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	assert_int_equal(kvfree_thread_reclaim(thread, 100), 0);
	fill_page(thread, 0);
	assert_int_equal(kvfree_thread_reclaim(thread, 100), 0);
	assert_int_equal(kvarena_freed(), 0);
}

static void reclaim_frees_at_most_what_it_is_told(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	fill_page(thread, 0);
	kvinside_ripen(thread);
	assert_int_equal(kvfree_thread_reclaim(thread, 0), 0);
	assert_int_equal(kvfree_thread_reclaim(thread, 1), 1);
	assert_int_equal(kvfree_thread_reclaim(thread, 13), 13);
	assert_int_equal(kvarena_freed(), 14);
	assert_int_equal(kvfree_thread_reclaim(thread, SIZE_MAX),
		KVFREE_BULK_RECORDS - 14);
	assert_int_equal(kvfree_thread_reclaim(thread, SIZE_MAX), 0);
	assert_null(thread->ripe);
	assert_int_equal(thread->nr_ripe_pages, 0);
	assert_int_equal(thread->nr_taken, KVFREE_BULK_RECORDS);
	assert_int_equal(thread->nr_freed, KVFREE_BULK_RECORDS);
	kvarena_assert_exact();
}

static void the_spent_page_goes_to_the_cache_while_it_has_room(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);
	uint64_t pages;

	(void) state;
	fill_page(thread, 0);
	kvinside_ripen(thread);
	assert_int_equal(kvinside_cached(thread), 0);
	assert_int_equal(kvfree_thread_reclaim(thread, SIZE_MAX),
		KVFREE_BULK_RECORDS);
	assert_int_equal(kvinside_cached(thread), 1);
	/* And beyond the target to the allocator. K12 */
	fill_page(thread, 0);
	kvinside_ripen(thread);
	thread->target = 0;
	pages = kvtest_stats(&kvgp_flavor).pages;
	kvfree_thread_reclaim(thread, SIZE_MAX);
	assert_int_equal(kvinside_cached(thread), 0);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pages, pages - 1);
}

static void reclaim_does_not_wait_for_the_lock(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	fill_page(thread, 0);
	kvinside_ripen(thread);
	kvfree_thread_lock(thread);
	assert_int_equal(kvfree_thread_reclaim(thread, 10), 0);
	kvfree_thread_unlock(thread);
	assert_int_equal(kvfree_thread_reclaim(thread, 10), 10);
}

/* ------------------------------------------------------------------ */
/* Leaving                                                            */

static void *claim_clean(void *arg)
{
	(void) arg;
	return kvfree_thread_get_clean(domain);
}

static void a_thread_that_exits_leaves_its_record_exiting(void **state)
{
	struct kvfree_thread *thread = kvtest_on_thread(claim_clean, NULL);

	(void) state;
	assert_int_equal(thread->state, KVFREE_THREAD_EXITING);
}

static void an_exiting_record_is_claimed_with_all_that_is_in_it(void **state)
{
	struct kvfree_thread *thread = kvtest_on_thread(claim_clean, NULL);

	(void) state;
	fill_page(thread, 0);
	assert_ptr_equal(kvfree_thread_get_clean(domain), thread);
	assert_int_equal(thread->state, KVFREE_THREAD_OWNED);
	assert_int_equal(kvfree_thread_queued(thread), KVFREE_BULK_RECORDS);
}

static void who_leaves_is_given_another_record_later(void **state)
{
	struct kvfree_thread *thread = kvfree_thread_get_clean(domain);

	(void) state;
	kvfree_thread_leave(domain);
	assert_int_equal(thread->state, KVFREE_THREAD_EXITING);
	assert_null(kvfree_thread_recent(&kvgp_flavor));
	kvfree_thread_leave(domain);
	assert_non_null(kvfree_thread_get_clean(domain));
}

static struct kvfree_thread *late_raw, *late_clean;

static void late(void *round)
{
	bool want_blank;

	if (!kvfree_tls.exited) {
		pthread_setspecific(*(pthread_key_t *) round, round);
		return;
	}
	late_raw = kvfree_thread_get_raw(domain, &want_blank);
	late_clean = kvfree_thread_get_clean(domain);
}

static void *claim_and_look_later(void *key)
{
	kvfree_thread_get_clean(domain);
	pthread_setspecific(*(pthread_key_t *) key, key);
	return NULL;
}

/* It would never be given back. */
static void a_thread_past_its_destructor_gets_no_record(void **state)
{
	pthread_key_t key;

	(void) state;
	late_raw = late_clean = (void *) 1;
	assert_int_equal(pthread_key_create(&key, late), 0);
	kvtest_on_thread(claim_and_look_later, &key);
	pthread_key_delete(key);
	assert_null(late_raw);
	assert_null(late_clean);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_clean_call_makes_a_record_with_a_page),
		test(a_raw_call_finds_the_record_that_is_there),
		test(a_raw_call_makes_no_record_and_asks_for_blank_ones),
		test(a_raw_call_takes_a_blank_record_with_a_page),
		test(no_two_threads_get_the_same_blank_record),
		test(making_blanks_again_makes_no_more),
		test(making_blanks_without_memory_is_false_and_can_be_repeated),
		test(a_claim_inside_a_claim_gets_none),
		test(a_claim_finds_what_a_handler_claimed_just_before),
		test(without_memory_a_clean_call_gets_no_record),
		test(a_raw_call_claims_nothing_where_the_key_is_late),
		test(an_append_without_a_page_asks_for_a_refill),
		test(the_first_append_takes_a_page_and_asks_for_a_tick),
		test(a_full_page_goes_to_the_full_list),
		test(kick_pages_full_pages_ask_for_a_kick),
		test(each_channel_has_a_page_of_its_own),
		test(a_held_lock_is_given_up_on_after_a_few_tries),
		test(a_clean_lock_waits),
		test(reclaim_without_ripe_objects_frees_none),
		test(reclaim_frees_at_most_what_it_is_told),
		test(the_spent_page_goes_to_the_cache_while_it_has_room),
		test(reclaim_does_not_wait_for_the_lock),
		test(a_thread_that_exits_leaves_its_record_exiting),
		test(an_exiting_record_is_claimed_with_all_that_is_in_it),
		test(who_leaves_is_given_another_record_later),
		test(a_thread_past_its_destructor_gets_no_record),
	};

	return kvtest_run(tests);
}
