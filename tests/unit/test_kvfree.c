/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_kvfree.c - the entry points: which way a pointer takes
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "refill.h"

static struct kvfree_runtime *const rt = &kvfree_runtime;
static struct kvfree_thread *thread;

/* Started with a tick that never comes by itself and kicks at two pages. */
static int begin(void **state)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	(void) state;
	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	urcu_kvfree_attr_set_workers(attr, 2);
	urcu_kvfree_attr_set_kick_pages(attr, 2);
	if (urcu_kvfree_init(attr))
		return -1;
	urcu_kvfree_attr_destroy(attr);
	kvinside_settle();
	kvarena_reset();
	kvgp_hold();
	thread = kvinside_record(&kvgp_flavor);
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvhold_off();
	kvfault_memory(false);
	kvgp_let_go();
	urcu_kvfree_exit();
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

static uint64_t emergency(void)
{
	return kvtest_stats(&kvgp_flavor).emergency;
}

static void a_raw_call_appends_to_the_current_page(void **state)
{
	uint64_t before = emergency();

	(void) state;
	queue_raw(3);
	assert_int_equal(thread->current[0]->nr, 3);
	assert_ptr_equal(thread->current[0]->records[2], kvarena_nth(2));
	assert_int_equal(emergency(), before);
}

static void a_raw_call_that_finds_the_lock_held_uses_the_emergency_list(
		void **state)
{
	uint64_t before = emergency();

	(void) state;
	kvinside_lock(thread);
	queue_raw(1);
	assert_false(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, thread));
	kvfree_thread_unlock(thread);
	assert_int_equal(emergency(), before + 1);
	assert_int_equal(kvfree_thread_queued(thread), 0);
}

static void a_raw_call_asks_for_pages_before_it_runs_out(void **state)
{
	(void) state;
	assert_int_equal(kvinside_cached(thread), 1);
	queue_raw(1);
	kvinside_settle();
	assert_true(kvinside_cached(thread) >= 5);
}

static void a_mightsleep_call_makes_a_page_where_there_is_none(void **state)
{
	uint64_t allocated = kvtest_stats(&kvgp_flavor).pages_allocated;

	(void) state;
	/* No refill comes in between. */
	kvfree_refill_hold();
	queue_clean(KVFREE_BULK_RECORDS + 1);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pages_allocated,
		allocated + 1);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending,
		KVFREE_BULK_RECORDS + 1);
}

/* kick_pages is 2 here: more than 4 ripe pages are many. */
static void a_clean_call_frees_more_the_longer_the_ripe_list_is(void **state)
{
	static const unsigned int pages[] = { 1, 4, 5, 8, 27, 28, 1000 };
	static const unsigned int frees[] = { 1, 1, 2, 3, 7, 8, 8 };
	unsigned int i;

	(void) state;
	queue_clean(100);
	kvinside_ripen(thread);
	queue_clean(1);		/* takes a new page, and that is all */
	/* No refill holds the lock meanwhile. */
	kvinside_settle();
	for (i = 0; i < 7; i++) {
		size_t before = kvarena_freed();

		kvinside_lock(thread);
		kvfree_thread_set_ripe(thread, thread->ripe, pages[i]);
		kvfree_thread_unlock(thread);
		queue_clean(1);
		assert_int_equal(kvarena_freed() - before, frees[i]);
	}
	kvinside_lock(thread);
	kvfree_thread_set_ripe(thread, thread->ripe, 1);
	kvfree_thread_unlock(thread);
}

static bool was_kicked(void *kicks)
{
	return kvtest_stats(&kvgp_flavor).kicks > *(uint64_t *) kicks;
}

static void clean_calls_kick_at_kick_pages(void **state)
{
	uint64_t kicks = kvtest_stats(&kvgp_flavor).kicks;

	(void) state;
	queue_clean(2 * KVFREE_BULK_RECORDS);
	assert_int_equal(kvtest_stats(&kvgp_flavor).kicks, kicks);
	queue_clean(1);
	assert_true(kvtest_wait(was_kicked, &kicks, KVTEST_LONG));
}

static void raw_calls_kick_by_the_timer(void **state)
{
	uint64_t kicks = kvtest_stats(&kvgp_flavor).kicks;
	uint64_t gp = kvgp_begun();

	(void) state;
	/* Pages for all of it, so that none goes another way. */
	thread->target = 10;
	kvfree_refill_request(&thread->refill_gate);
	kvinside_settle();
	/* No clean call was seen: nobody to leave the kick to. */
	__atomic_store_n(&thread->clean_seen, false, __ATOMIC_SEQ_CST);
	queue_raw(2 * KVFREE_BULK_RECORDS);
	assert_int_equal(kvtest_stats(&kvgp_flavor).kicks, kicks);
	queue_raw(2 * KVFREE_BULK_RECORDS + 1);
	assert_true(kvtest_wait(was_kicked, &kicks, KVTEST_LONG));
	assert_true(kvgp_wait_begun(gp + 1));
}

static void the_emergency_list_kicks_when_it_is_long(void **state)
{
	uint64_t kicks = kvtest_stats(&kvgp_flavor).kicks, gp = kvgp_begun();
	unsigned int i;

	(void) state;
	kvinside_lock(thread);
	for (i = 0; i < 2 * KVFREE_BULK_RECORDS; i++)
		queue_raw(1);
	kvfree_thread_unlock(thread);
	assert_true(kvtest_wait(was_kicked, &kicks, KVTEST_LONG));
	assert_true(kvgp_wait_begun(gp + 1));
}

static void large_memory_goes_to_a_page_of_its_own_channel(void **state)
{
	void *large = urcu_kvmalloc(1 << 20);

	(void) state;
	kvinside_needs_range();
	queue_clean(1);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, large);
	assert_int_equal(thread->current[KVFREE_CHANNEL_MALLOC]->nr, 1);
	assert_int_equal(thread->current[KVFREE_CHANNEL_LARGE]->nr, 1);
	assert_ptr_equal(thread->current[KVFREE_CHANNEL_LARGE]->records[0],
		large);
}

/* ------------------------------------------------------------------ */
/* Start                                                              */

static void a_raw_call_does_not_start_what_was_stopped(void **state)
{
	uint64_t before;

	(void) state;
	kvgp_let_go();
	urcu_kvfree_exit();
	before = emergency();
	queue_raw(5);
	assert_int_equal(rt->state, KVFREE_STATE_STOPPED);
	assert_int_equal(emergency(), before + 5);
}

static void a_clean_call_starts_what_was_stopped(void **state)
{
	(void) state;
	kvgp_let_go();
	urcu_kvfree_exit();
	queue_clean(1);
	assert_int_equal(rt->state, KVFREE_STATE_RUNNING);
	assert_int_equal(rt->conf.kick_pages, 2);	/* as before */
}

/* The allocator of the start itself, when it comes back through a hook. */
static void a_clean_call_inside_a_claim_does_not_start(void **state)
{
	(void) state;
	kvgp_let_go();
	urcu_kvfree_exit();
	kvfree_tls.claiming = 1;
	assert_false(kvfree_runtime_start_clean());
	kvfree_tls.claiming = 0;
	assert_int_equal(rt->state, KVFREE_STATE_STOPPED);
	assert_true(kvfree_runtime_start_clean());
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_raw_call_appends_to_the_current_page),
		test(a_raw_call_that_finds_the_lock_held_uses_the_emergency_list),
		test(a_raw_call_asks_for_pages_before_it_runs_out),
		test(a_mightsleep_call_makes_a_page_where_there_is_none),
		test(a_clean_call_frees_more_the_longer_the_ripe_list_is),
		test(clean_calls_kick_at_kick_pages),
		test(raw_calls_kick_by_the_timer),
		test(the_emergency_list_kicks_when_it_is_long),
		test(large_memory_goes_to_a_page_of_its_own_channel),
		test(a_raw_call_does_not_start_what_was_stopped),
		test(a_clean_call_starts_what_was_stopped),
		test(a_clean_call_inside_a_claim_does_not_start),
	};

	return kvtest_run(tests);
}
