/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_queue.c - the deferring calls: which way a pointer takes
 *
 * Started with a tick that never comes by itself, and with grace periods that do not
 * end. The budget is eight pages of eight objects.
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

#define PAGE		8		/* objects in a page */
#define BUDGET		(8 * PAGE)	/* objects in pages that fill the budget */
#define BUDGET_BYTES	(BUDGET * KVARENA_BYTES)

static struct kvfree_domain *domain;
static struct kvfree_record *record;

static void start(size_t max_pending_bytes)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	urcu_kvfree_attr_set_workers(attr, 2);
	urcu_kvfree_attr_set_batch_bytes(attr, BUDGET_BYTES);
	urcu_kvfree_attr_set_max_pending_bytes(attr, max_pending_bytes);
	if (urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
	kvinside_settle();
	record = kvinside_record(&kvgp_flavor);
	/* One that does not know would ask for grace periods to find out. */
	record->object_bytes[KVFREE_CHANNEL_MALLOC] = KVARENA_BYTES;
}

FIXTURE(begin)
{
	domain = kvfree_domain_get(&kvgp_flavor);
	kvarena_reset();
	start(0);
	kvgp_hold();
	return 0;
}

FIXTURE(end)
{
	kvhold_off();
	kvfault_memory(false);
	kvgp_let_go();
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

static struct urcu_kvfree_stats now(void)
{
	return kvtest_stats(&kvgp_flavor);
}

/* Pages for all that a test queues, so that none goes another way. */
static void supply_pages(void)
{
	kvfree_record_lock(record);
	record->target = 40;
	kvfree_record_unlock(record);
	kvfree_cache_request(record);
	kvinside_settle();
}

/* ------------------------------------------------------------------ */
/* Raw calls                                                          */

TEST(a_raw_call_appends_to_the_open_page)
{
	uint64_t before = now().emergency;

	/* A worker that brings a page has the record's lock for a moment. */
	supply_pages();
	queue_raw(3);
	assert_int_equal(record->open[0]->nr, 3);
	assert_ptr_equal(record->open[0]->ptrs[2], kvarena_nth(2));
	assert_int_equal(now().emergency, before);
}

/* As in an allocator hook that the claim of its record calls. */
static void *queue_raw_while_claiming(void *arg)
{
	kvfree_tls.claiming = 1;
	queue_raw(3);
	kvfree_tls.claiming = 0;
	return arg;
}

/* Each call would wake two threads, for slots that are full. */
TEST(a_call_that_may_claim_no_record_asks_for_none)
{
	uint64_t before = now().emergency;
	unsigned int gate = kvfree_gate_read(&domain->blank_gate);

	kvtest_join(kvtest_thread(queue_raw_while_claiming, NULL));
	kvgp_let_go();
	kvinside_settle();
	assert_int_equal(now().emergency, before + 3);
	assert_int_equal(kvfree_gate_read(&domain->blank_gate), gate);
}

TEST(a_full_page_is_closed_and_stays_with_its_record)
{
	supply_pages();
	queue_raw(PAGE);
	assert_null(record->closed[KVFREE_CLOSED_OWNER].head);
	queue_raw(1);
	assert_int_equal(record->closed[KVFREE_CLOSED_OWNER].nr, 1);
	assert_int_equal(record->closed[KVFREE_CLOSED_OWNER].head->nr, PAGE);
	assert_int_equal(record->open[0]->nr, 1);
}

TEST(a_raw_call_that_finds_the_lock_held_uses_the_emergency_list)
{
	uint64_t before = now().emergency;

	kvinside_lock(record);
	queue_raw(1);
	assert_false(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, record));
	kvfree_record_unlock(record);
	assert_int_equal(now().emergency, before + 1);
	assert_int_equal(kvfree_record_queued(record), 0);
}

TEST(a_raw_call_that_finds_no_page_uses_the_emergency_list)
{
	uint64_t before = now().emergency;

	kvfree_refill_hold();
	kvinside_empty_cache(record);
	queue_raw(1);
	assert_false(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, record));
	assert_int_equal(now().emergency, before + 1);
}

TEST(a_raw_call_asks_for_pages_before_it_runs_out)
{
	assert_int_equal(kvinside_cached(record), 1);
	queue_raw(1);
	kvinside_settle();
	assert_true(kvinside_cached(record) >= 5);
}

static void *queue_first(void *arg)
{
	queue_raw(1);
	return arg;
}

TEST(a_raw_call_of_a_new_thread_asks_for_blank_records)
{
	unsigned int i;

	/* More than there were, so that the slots are empty. */
	kvfree_refill_hold();
	for (i = 0; i <= KVFREE_BLANKS; i++)
		kvtest_on_thread(queue_first, NULL);
	kvfree_refill_reset();
	kvtest_on_thread(queue_first, NULL);
	kvinside_settle();
	for (i = 0; i < KVFREE_BLANKS; i++)
		assert_non_null(__atomic_load_n(&domain->blank[i],
			__ATOMIC_SEQ_CST));
}

/* P12 */
TEST(raw_calls_free_nothing)
{
	queue_raw(5);
	kvgp_let_go();
	kvinside_ripen(record);
	kvgp_hold();
	supply_pages();
	queue_raw(5 * PAGE);
	assert_true(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, kvarena_object()));
	assert_int_equal(kvarena_freed(), 0);
}

TEST(raw_calls_keep_errno)
{
	supply_pages();
	errno = 12345;
	queue_raw(BUDGET + 1);
	assert_int_equal(errno, 12345);
	kvinside_lock(record);
	queue_raw(1);
	assert_false(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, record));
	kvfree_record_unlock(record);
	assert_int_equal(errno, 12345);
}

TEST(null_is_queued_by_no_call)
{
	struct kvtest_object *none = NULL;

	urcu_kvfree_rcu_flavor(&kvgp_flavor, none, head);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, NULL);
	assert_true(urcu_kvfree_rcu_try_flavor(&kvgp_flavor, NULL));
	assert_int_equal(kvfree_record_queued(record), 0);
}

TEST(large_memory_goes_to_a_page_of_its_own_channel)
{
	void *large;

	kvinside_needs_range();
	large = urcu_kvmalloc(1 << 20);
	queue_clean(1);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, large);
	assert_int_equal(record->open[KVFREE_CHANNEL_MALLOC]->nr, 1);
	assert_int_equal(record->open[KVFREE_CHANNEL_LARGE]->nr, 1);
	assert_ptr_equal(record->open[KVFREE_CHANNEL_LARGE]->ptrs[0], large);
}

/* ------------------------------------------------------------------ */
/* Kicks                                                              */

TEST(raw_calls_kick_when_the_budget_is_full_and_once)
{
	uint64_t kicks = now().kicks, gp = kvgp_begun();

	supply_pages();
	queue_raw(BUDGET);
	assert_int_equal(now().kicks, kicks);
	queue_raw(1);
	assert_int_equal(now().kicks, kicks + 1);
	assert_true(kvgp_wait_begun(gp + 1));
	/* The next budget asks for the next, whether or not this one is over; and after
	 * that nobody until it begins. */
	queue_raw(BUDGET);
	assert_int_equal(now().kicks, kicks + 2);
	queue_raw(3 * BUDGET);
	assert_int_equal(now().kicks, kicks + 2);
	assert_int_equal(kvgp_begun(), gp + 1);
}

/* The library's threads may wait for this one's processor: see kvmalloc.c. */
TEST(a_page_that_a_raw_call_closes_in_a_crowd_makes_the_next_allocation_yield)
{
	uint64_t gp = kvgp_begun();

	supply_pages();
	queue_raw(BUDGET + 1);
	/* It is held, so that no other takes what is closed from here on into account. */
	assert_true(kvgp_wait_begun(gp + 1));
	kvfree_domain_closed(domain, 0, (1 << 20) - PAGE * KVARENA_BYTES - 1);
	queue_raw(PAGE);
	assert_false(record->yield_due);
	queue_raw(PAGE);
	assert_true(record->yield_due);
}

/* An object there counts for more than its size: the list frees slowly. */
TEST(the_emergency_list_kicks_when_it_is_long)
{
	uint64_t kicks = now().kicks, gp = kvgp_begun();

	kvinside_lock(record);
	queue_raw(BUDGET_BYTES / 512 - 1);
	assert_int_equal(__atomic_load_n(&domain->count.kicks,
		__ATOMIC_SEQ_CST), kicks);
	queue_raw(1);
	kvfree_record_unlock(record);
	assert_int_equal(now().kicks, kicks + 1);
	assert_true(kvgp_wait_begun(gp + 1));
}

/* They have other ways: service.c. */
TEST(clean_calls_do_not_kick)
{
	uint64_t kicks = now().kicks;

	kvgp_let_go();
	queue_clean(3 * BUDGET);
	assert_int_equal(now().kicks, kicks);
}

/* ------------------------------------------------------------------ */
/* Clean calls                                                        */

TEST(a_mightsleep_call_makes_a_page_where_there_is_none)
{
	uint64_t allocated = now().pages_allocated;

	/* No refill comes in between. */
	kvfree_refill_hold();
	queue_clean(PAGE + 1);
	assert_int_equal(now().pages_allocated, allocated + 1);
	assert_int_equal(now().pending, PAGE + 1);
}

TEST(each_mightsleep_call_frees_one_ripe_object)
{
	unsigned int i;

	queue_clean(2 * PAGE);
	kvgp_let_go();
	kvinside_ripen(record);
	kvgp_hold();
	kvinside_settle();	/* no refill holds the lock meanwhile */
	for (i = 1; i <= 2 * PAGE; i++) {
		queue_clean(1);
		assert_int_equal(kvarena_freed(), i);
	}
	queue_clean(1);
	assert_int_equal(kvarena_freed(), 2 * PAGE);
}

TEST(reclaim_frees_as_many_as_it_is_told_also_inside_a_section)
{
	/* Workers leave what is ripe to who makes clean calls. */
	queue_clean(20);
	kvgp_let_go();
	kvinside_ripen(record);
	kvinside_settle();	/* no refill holds the lock meanwhile */
	kvgp_set_in_section(true);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 3), 3);
	kvgp_set_in_section(false);
	assert_int_equal(kvarena_freed(), 3);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&urcu_mb_flavor, 3), 0);
}

/* While nothing runs they free it all themselves, but not between the hooks of a fork: who
 * holds idle_lock then may wait for this thread. */
TEST(while_nothing_runs_a_mightsleep_call_frees_unless_a_fork_is_under_way)
{
	uint64_t gp;

	kvgp_let_go();
	urcu_kvfree_exit();
	gp = kvgp_begun();
	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	kvfree_mutex_lock(&kvfree_idle_lock, KVFREE_RANK_IDLE);
	queue_clean(2 * BUDGET);
	assert_int_equal(kvgp_begun(), gp);
	assert_int_equal(kvarena_freed(), 0);
	kvfree_mutex_unlock(&kvfree_idle_lock);
	queue_clean(2 * BUDGET);
	kvfree_mutex_unlock(&kvfree_start_lock);
	assert_true(kvgp_begun() > gp);
	assert_true(kvarena_freed() >= 2 * BUDGET);
}

static void *start_again(void *arg)
{
	*(int *) arg = urcu_kvfree_init(NULL);
	return NULL;
}

/* It waits for a grace period, and a start may come from a section. */
TEST(a_start_does_not_wait_for_a_call_that_frees_all)
{
	int said = -1;

	kvgp_let_go();
	urcu_kvfree_exit();
	kvfree_mutex_lock(&kvfree_idle_lock, KVFREE_RANK_IDLE);
	kvtest_on_thread(start_again, &said);
	kvfree_mutex_unlock(&kvfree_idle_lock);
	assert_int_equal(said, 0);
}

static int result;	/* atomic: steps of the other thread */

static void *queue_without_memory(void *arg)
{
	queue_clean(1);
	__atomic_store_n(&result, 1, __ATOMIC_SEQ_CST);
	return arg;
}

/* P13: the last resort. */
TEST(without_memory_a_mightsleep_call_frees_after_a_grace_period)
{
	uint64_t inline_freed = now().inline_freed, gp = kvgp_begun();
	pthread_t tid;

	kvfault_memory(true);
	kvinside_empty_cache(record);
	result = 0;
	tid = kvtest_thread(queue_without_memory, NULL);
	assert_true(kvgp_wait_begun(gp + 1));
	assert_int_equal(__atomic_load_n(&result, __ATOMIC_SEQ_CST), 0);
	assert_int_equal(kvarena_freed(), 0);
	kvgp_let_go();
	kvtest_join(tid);
	assert_int_equal(kvarena_freed(), 1);
	assert_int_equal(now().inline_freed, inline_freed + 1);
}

/* Between the hooks of a fork: who holds them may wait for this thread. */
TEST(while_they_are_held_it_waits_for_one_outside_the_numbers)
{
	unsigned long completed = kvfree_gp_completed(&domain->gp);
	uint64_t gp = kvgp_begun();

	kvgp_let_go();
	kvfault_memory(true);
	kvinside_empty_cache(record);
	kvfree_gp_hold(&domain->gp);
	queue_clean(1);
	assert_int_equal(kvarena_freed(), 1);
	assert_int_equal(kvgp_begun(), gp + 1);
	assert_int_equal(kvfree_gp_completed(&domain->gp), completed);
	kvfree_gp_release(&domain->gp);
}

/* ------------------------------------------------------------------ */
/* The cap                                                            */

static int queuer;	/* atomic: thread number */

/* Up to the cap of two budgets, then one page more. */
static void *queue_over_the_cap(void *arg)
{
	uint64_t gp = kvgp_begun();

	kvinside_record(&kvgp_flavor)->object_bytes[KVFREE_CHANNEL_MALLOC] =
		KVARENA_BYTES;
	__atomic_store_n(&queuer, kvtest_tid(), __ATOMIC_SEQ_CST);
	queue_clean(BUDGET + 1);
	/* Not the budget is to stop it, but the cap. */
	if (!kvgp_wait_begun(gp + 1))
		return NULL;
	queue_clean(BUDGET + PAGE - 1);
	__atomic_store_n(&result, 1, __ATOMIC_SEQ_CST);
	queue_clean(1);
	__atomic_store_n(&result, 2, __ATOMIC_SEQ_CST);
	return arg;
}

static bool queuer_sleeps_at_the_cap(void *unused)
{
	(void) unused;
	return __atomic_load_n(&result, __ATOMIC_SEQ_CST) == 1 &&
		kvtest_sleeps(__atomic_load_n(&queuer, __ATOMIC_SEQ_CST));
}

TEST(over_the_cap_a_clean_call_waits_and_a_raw_call_does_not)
{
	pthread_t tid;

	kvtest_needs_proc();
	kvgp_let_go();
	urcu_kvfree_exit();
	start(2 * BUDGET_BYTES);
	kvgp_hold();
	__atomic_store_n(&domain->gp.estimate_nsec, KVFREE_GP_SHORT_NSEC,
			__ATOMIC_SEQ_CST);
	__atomic_store_n(&domain->gp.usual_nsec, 0, __ATOMIC_SEQ_CST);
	result = 0;
	tid = kvtest_thread(queue_over_the_cap, NULL);
	assert_true(kvtest_wait(queuer_sleeps_at_the_cap, NULL, KVTEST_LONG));
	queue_raw(3 * PAGE);
	assert_int_equal(__atomic_load_n(&result, __ATOMIC_SEQ_CST), 1);
	kvgp_let_go();
	kvtest_join(tid);
	assert_int_equal(__atomic_load_n(&result, __ATOMIC_SEQ_CST), 2);
	assert_true(kvarena_freed() >= 2 * BUDGET);
	kvinside_settle();
	assert_true(now().pending_bytes <= 2 * BUDGET_BYTES);
}

/* The same. */
TEST(while_grace_periods_are_held_nobody_waits_for_the_cap)
{
	uint64_t gp = kvgp_begun();

	kvgp_let_go();
	kvfree_conf.max_pending_bytes = 1;
	kvfree_gp_hold(&domain->gp);
	queue_clean(3 * PAGE);
	assert_int_equal(kvgp_begun(), gp);
	assert_int_equal(kvarena_freed(), 0);
	kvfree_gp_release(&domain->gp);
	queue_clean(PAGE);
	assert_true(kvgp_begun() > gp);
	kvfree_conf.max_pending_bytes = 0;
}

/* A thread whose calls come more slowly than ticks fills no page. */
TEST(a_call_that_finds_its_page_closed_waits_at_the_cap_too)
{
	uint64_t gp = kvgp_begun();

	kvgp_let_go();
	kvfree_conf.max_pending_bytes = KVARENA_BYTES;
	queue_clean(2);
	kvinside_close_pages(record);
	assert_int_equal(kvgp_begun(), gp);
	queue_clean(1);
	kvfree_conf.max_pending_bytes = 0;
	assert_int_equal(kvgp_begun(), gp + 1);
	assert_int_equal(kvarena_freed(), 2);
}

/* A page and one more object of a thread that makes no clean call. */
static void *queue_raw_only(void *arg)
{
	kvinside_record(&kvgp_flavor)->object_bytes[KVFREE_CHANNEL_MALLOC] =
		KVARENA_BYTES;
	queue_raw(PAGE + 1);
	return arg;
}

static void queue_on_raw_thread(void)
{
	kvtest_join(kvtest_thread(queue_raw_only, NULL));
	/* A record whose lock is held by a refill would wait for the next tick. */
	kvinside_settle();
}

/* The page of the other thread, and @nr objects of this one. */
static void assert_freed_with_page(unsigned int nr)
{
	kvinside_settle();
	assert_in_range(kvarena_freed(), PAGE + nr, BUDGET);
}

/* Only workers free those of a thread that makes no clean calls, and nobody else asks them:
 * each grace period of a call at the cap keeps the budget from being full. */
TEST(a_call_at_the_cap_has_workers_free_what_others_queued)
{
	kvgp_let_go();
	queue_on_raw_thread();
	kvfree_conf.max_pending_bytes = 1;
	queue_clean(PAGE + 1);
	kvfree_conf.max_pending_bytes = 0;
	assert_freed_with_page(PAGE);
}

TEST(so_has_a_call_without_memory)
{
	kvgp_let_go();
	queue_on_raw_thread();
	kvfault_memory(true);
	kvinside_empty_cache(record);
	queue_clean(1);
	kvfault_memory(false);
	assert_freed_with_page(1);
}

/* ------------------------------------------------------------------ */
/* Calls that wait, in a free function                                */

static int barrier_said, barrier_errno;
static size_t shrink_said;

static void wait_inside(size_t nr, void **ptrs, void *priv)
{
	errno = 0;
	barrier_said = urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	barrier_errno = errno;
	shrink_said = urcu_kvfree_shrink();
	kvarena_free_bulk(nr, ptrs, priv);
}

/* K16 */
TEST(in_a_free_function_barrier_is_edeadlk_and_shrink_does_nothing)
{
	struct urcu_kvfree_channel *waits = urcu_kvfree_channel_create("waits",
			wait_inside, NULL);

	kvgp_let_go();
	shrink_said = 1;
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		waits);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor), 0);
	assert_int_equal(barrier_said, -1);
	assert_int_equal(barrier_errno, EDEADLK);
	assert_int_equal(shrink_said, 0);
	urcu_kvfree_channel_destroy(waits);
}

/* ------------------------------------------------------------------ */
/* Shrink                                                             */

/* K5 */
TEST(shrink_frees_what_is_queued_and_drops_the_pages_that_were_counted)
{
	kvgp_let_go();
	queue_raw(3);
	kvinside_settle();
	assert_int_equal(urcu_kvfree_shrink_count(),
		kvtest_stats(NULL).pages * KVFREE_PAGE_BYTES);
	assert_true(urcu_kvfree_shrink() >= 3);
	kvarena_assert_exact();
	assert_int_equal(urcu_kvfree_shrink_count(), 0);
	assert_true(kvfree_refill_is_held());
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_raw_call_appends_to_the_open_page),
		test(a_call_that_may_claim_no_record_asks_for_none),
		test(a_full_page_is_closed_and_stays_with_its_record),
		test(a_raw_call_that_finds_the_lock_held_uses_the_emergency_list),
		test(a_raw_call_that_finds_no_page_uses_the_emergency_list),
		test(a_raw_call_asks_for_pages_before_it_runs_out),
		test(a_raw_call_of_a_new_thread_asks_for_blank_records),
		test(raw_calls_free_nothing),
		test(raw_calls_keep_errno),
		test(null_is_queued_by_no_call),
		test(large_memory_goes_to_a_page_of_its_own_channel),
		test(raw_calls_kick_when_the_budget_is_full_and_once),
		test(a_page_that_a_raw_call_closes_in_a_crowd_makes_the_next_allocation_yield),
		test(the_emergency_list_kicks_when_it_is_long),
		test(clean_calls_do_not_kick),
		test(a_mightsleep_call_makes_a_page_where_there_is_none),
		test(each_mightsleep_call_frees_one_ripe_object),
		test(reclaim_frees_as_many_as_it_is_told_also_inside_a_section),
		test(while_nothing_runs_a_mightsleep_call_frees_unless_a_fork_is_under_way),
		test(a_start_does_not_wait_for_a_call_that_frees_all),
		test(without_memory_a_mightsleep_call_frees_after_a_grace_period),
		test(while_they_are_held_it_waits_for_one_outside_the_numbers),
		test(over_the_cap_a_clean_call_waits_and_a_raw_call_does_not),
		test(a_call_that_finds_its_page_closed_waits_at_the_cap_too),
		test(while_grace_periods_are_held_nobody_waits_for_the_cap),
		test(a_call_at_the_cap_has_workers_free_what_others_queued),
		test(so_has_a_call_without_memory),
		test(in_a_free_function_barrier_is_edeadlk_and_shrink_does_nothing),
		test(shrink_frees_what_is_queued_and_drops_the_pages_that_were_counted),
	};

	return kvtest_run(tests);
}
