/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_page_supply.c - empty caches, refills, an allocator that fails
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

static const struct rcu_flavor_struct *rcu;


static void start_ticking(unsigned int msec, unsigned int pages,
		unsigned int backoff_msec)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_drain_msec(attr, msec);
	urcu_kvfree_attr_set_workers(attr, 2);
	urcu_kvfree_attr_set_min_cached_pages(attr, pages);
	urcu_kvfree_attr_set_refill_backoff_msec(attr, backoff_msec);
	if (urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

static void start(unsigned int pages, unsigned int backoff_msec)
{
	start_ticking(2, pages, backoff_msec);
}

static int begin(void **state)
{
	rcu = kvtest_of(state);
	urcu_kvfree_exit();
	kvarena_reset();
	kvfault_memory(false);
	return 0;
}

FIXTURE(end)
{
	kvfault_memory(false);
	kvhold_go();
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static void queue_raw(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

static void assert_all_freed(void)
{
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* This thread's record, as it is. */
static struct kvfree_record *own(void)
{
	return kvfree_record_own(kvfree_domain_get(rcu));
}

/* No page in the cache, no room in the open one. */
static bool is_dry(struct kvfree_record *record)
{
	struct kvfree_page *page;
	bool dry;

	kvfree_record_lock(record);
	page = record->open[KVFREE_CHANNEL_MALLOC];
	dry = !record->cache && (!page || page->nr >= page->limit);
	kvfree_record_unlock(record);
	return dry;
}

/* Until calls of this thread find no page. A reader keeps pages from coming
 * back: call it inside one. A refill may be as fast as the calls are. */
static void run_dry(void)
{
	struct kvfree_record *record = own();

	do {
		kvinside_empty_cache(record);
		queue_raw(KVFREE_PAGE_PTRS / 4 + 1);
	} while (!is_dry(record));
	queue_raw(1);
}

/* A refill that finds the record's lock held leaves it to the owner's next call
 * to ask again. This asks as that call would. */
static void ask_again(struct kvfree_record *record)
{
	kvfree_cache_request(record);
}

static bool a_refill_failed(void *nr)
{
	ask_again(own());
	return kvtest_stats(NULL).refill_failures >= *(uint64_t *) nr;
}

static bool has_a_cached_page(void *record)
{
	ask_again(record);
	return kvinside_cached(record) > 0;
}

/* K4: one attempt, and then none until the back-off is over. */
TEST(a_failing_allocator_is_asked_once_per_back_off)
{
	uint64_t failures = kvtest_stats(NULL).refill_failures + 1;
	struct kvtest_reader reader;
	unsigned long failed;
	unsigned int i;

	start(5, 100000);
	kvinside_record(rcu);
	kvtest_reader_enter(&reader, rcu);
	failed = kvfault_memory_failed();
	kvfault_memory(true);
	run_dry();
	assert_true(kvtest_wait(a_refill_failed, &failures, KVTEST_LONG));
	for (i = 0; i < 30; i++) {
		queue_raw(300);
		kvtest_sleep_msec(2);
	}
	kvtest_reader_leave(&reader);
	assert_int_equal(kvfault_memory_failed() - failed, 1);
	assert_int_equal(kvtest_stats(NULL).refill_failures, failures);
	kvfault_memory(false);
	assert_all_freed();
}

/* K4: the gate is open again: pages come once the allocator works. */
TEST(pages_come_again_after_the_fault_clears)
{
	uint64_t failures = kvtest_stats(NULL).refill_failures + 3;
	struct kvtest_reader reader;
	bool failed, refilled;

	start(5, 20);
	kvinside_record(rcu);
	kvtest_reader_enter(&reader, rcu);
	kvfault_memory(true);
	run_dry();
	/* Each back-off ends in an attempt, whoever calls meanwhile. */
	failed = kvtest_wait(a_refill_failed, &failures, KVTEST_LONG);
	kvfault_memory(false);
	refilled = kvtest_wait(has_a_cached_page, own(), KVTEST_LONG);
	kvtest_reader_leave(&reader);
	assert_true(failed);
	assert_true(refilled);
	assert_all_freed();
}

/* P13: no page, no memory for one: the call waits and frees by itself. */
TEST(mightsleep_without_memory_frees_inline)
{
	struct urcu_kvfree_stats before, after;
	unsigned int i;

	start(0, 100000);
	kvinside_record(rcu);
	kvfault_memory(true);
	before = kvtest_stats(rcu);
	for (i = 0; i < 20; i++) {
		struct kvtest_object *object = kvarena_object();

		urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
		assert_true(kvarena_is_freed(object));
	}
	after = kvtest_stats(rcu);
	kvfault_memory(false);
	assert_int_equal(after.inline_freed - before.inline_freed, 20);
	assert_int_equal(after.freed - before.freed, 20);
	assert_int_equal(after.queued - before.queued, 20);
	assert_true(after.grace_periods - before.grace_periods >= 20);
	assert_all_freed();
}

static void *first_mightsleep(void *object)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
	return NULL;
}

/* And the wait is one for readers. */
TEST(mightsleep_without_memory_waits_for_a_reader)
{
	struct kvtest_object *object = kvarena_object();
	struct kvtest_reader reader;
	pthread_t tid;
	bool early;

	start(0, 100000);
	kvtest_reader_enter(&reader, rcu);
	kvfault_memory(true);
	tid = kvtest_thread(first_mightsleep, object);
	kvtest_sleep_msec(20);
	early = kvarena_is_freed(object);
	kvtest_reader_leave(&reader);
	kvtest_join(tid);
	kvfault_memory(false);
	assert_false(early);
	assert_true(kvarena_is_freed(object));
	kvarena_assert_exact();
}

/* P13: not even memory for the thread's record. */
TEST(mightsleep_without_a_record_frees_inline)
{
	struct kvtest_object *object = kvarena_object();

	start(1, 100000);
	kvfault_memory(true);
	kvtest_on_thread(first_mightsleep, object);
	kvfault_memory(false);
	assert_all_freed();
}

TEST(try_without_a_page_is_false_and_queues_nothing)
{
	struct kvtest_object *object;
	uint64_t queued;
	bool taken = true;

	start(1, 100000);
	kvinside_record(rcu);
	kvfault_memory(true);
	do {
		object = kvarena_object();
		queued = kvtest_stats(rcu).queued;
		taken = urcu_kvfree_rcu_try_flavor(rcu, object);
	} while (taken);
	assert_int_equal(kvtest_stats(rcu).queued, queued);
	kvfault_memory(false);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_false(kvarena_is_freed(object));
	urcu_kvfree_rcu_flavor(rcu, object, head);
	assert_all_freed();
}

static void *register_without_memory(void *arg)
{
	int *seen = arg;

	kvfault_memory(true);
	errno = 0;
	seen[0] = urcu_kvfree_register_thread_flavor(rcu);
	seen[1] = errno;
	kvfault_memory(false);
	seen[2] = urcu_kvfree_register_thread_flavor(rcu);
	return NULL;
}

TEST(register_without_memory_is_enomem)
{
	int seen[3] = { 0 };

	start(0, 100000);
	kvtest_on_thread(register_without_memory, seen);
	assert_int_equal(seen[0], -1);
	assert_int_equal(seen[1], ENOMEM);
	assert_int_equal(seen[2], 0);
}

/* ------------------------------------------------------------------ */
/* No cache at all                                                    */

static bool refill_timer_is_armed(void)
{
	return kvinside_is_armed(KVFREE_ALARM_REFILL);
}

/* K11 */
TEST(without_a_cache_nothing_is_refilled_and_all_works)
{
	struct urcu_kvfree_stats stats;
	uint64_t refills;
	unsigned int i;
	bool armed = false;

	start(0, 100000);
	kvinside_settle();	/* the start looks for refills once */
	refills = kvtest_stats(rcu).refills;
	kvhold_count(KVFREE_HOOK_REFILL);
	for (i = 0; i < 3000; i++) {
		queue_raw(1);
		armed |= refill_timer_is_armed();
		if (i % 3 == 0)
			urcu_kvfree_rcu_mightsleep_flavor(rcu,
					kvarena_object());
	}
	assert_all_freed();
	kvtest_sleep_msec(10);
	stats = kvtest_stats(rcu);
	assert_false(armed);
	assert_int_equal(kvhold_counted(), 0);
	assert_int_equal(stats.refills, refills);
	assert_int_equal(stats.cached_pages, 0);
}

TEST(without_a_cache_raw_calls_use_the_emergency_list)
{
	uint64_t emergency = kvtest_stats(rcu).emergency;

	start(0, 100000);
	queue_raw(100);
	assert_false(urcu_kvfree_rcu_try_flavor(rcu, kvarena_nth(0)));
	assert_int_equal(kvtest_stats(rcu).emergency - emergency, 100);
	assert_all_freed();
}

/* ------------------------------------------------------------------ */
/* Who gets the pages, and how many                                   */

static bool cache_is_full(void *arg)
{
	struct kvfree_record *record = arg;
	bool full;

	kvfree_record_lock(record);
	full = record->nr_cached >= record->target;
	kvfree_record_unlock(record);
	if (!full)
		ask_again(record);
	return full;
}

struct registered {
	struct kvfree_record *record;	/* atomic */
	sem_t leave;
};

/* A thread that has a record and a page, and stays. */
static void *register_and_stay(void *arg)
{
	struct registered *other = arg;

	__atomic_store_n(&other->record, kvinside_record(rcu),
			__ATOMIC_RELEASE);
	while (sem_wait(&other->leave))
		;
	return NULL;
}

static bool is_registered(void *arg)
{
	struct registered *other = arg;

	return __atomic_load_n(&other->record, __ATOMIC_ACQUIRE);
}

/* K10: whatever runs between the request and the refill. */
TEST(pages_go_to_the_record_that_asked)
{
	uint64_t gp = kvgp_begun();
	struct registered other = { 0 };
	struct kvfree_record *mine;
	unsigned int cached;
	pthread_t tid;

	sem_init(&other.leave, 0, 0);
	kvgp_hold();
	rcu = &kvgp_flavor;	/* no page comes back */
	start(3, 100000);
	mine = kvinside_record(rcu);
	kvinside_settle();
	kvhold_at(KVFREE_HOOK_REFILL);
	run_dry();
	assert_true(kvhold_wait());
	assert_true(kvgp_wait_begun(gp + 1));
	tid = kvtest_thread(register_and_stay, &other);
	assert_true(kvtest_wait(is_registered, &other, KVTEST_LONG));
	assert_ptr_not_equal(mine, other.record);
	assert_int_equal(kvinside_cached(mine), 0);
	cached = kvinside_cached(other.record);
	kvhold_go();
	assert_true(kvtest_wait(cache_is_full, mine, KVTEST_LONG));
	/* The other did not ask: it got nothing, and nothing was taken. */
	assert_int_equal(kvinside_cached(other.record), cached);
	sem_post(&other.leave);
	kvtest_join(tid);
	kvgp_let_go();
	assert_all_freed();
}

/* The @nr-th refill began, and none is under way. */
static bool refill_is_over(void *nr)
{
	bool over;

	pthread_mutex_lock(&kvfree_pool.lock);
	over = kvhold_counted() >= *(unsigned int *) nr &&
		!kvfree_refill.running && !kvfree_refill.queued;
	pthread_mutex_unlock(&kvfree_pool.lock);
	return over;
}

/* K12, P4: a refill stops at the target and allocates nothing beyond. */
TEST(no_page_is_allocated_beyond_the_target)
{
	struct kvfree_record *record;
	struct kvtest_reader reader;
	uint64_t allocated;
	unsigned int i;

	/* A tick in the middle of a refill would lower the target. */
	start_ticking(60000, 5, 100000);
	record = kvinside_record(rcu);
	kvtest_reader_enter(&reader, rcu);
	run_dry();
	assert_true(kvtest_wait(cache_is_full, record, KVTEST_LONG));
	kvfree_record_lock(record);
	assert_in_range(record->target, 1, KVFREE_MAX_TARGET);
	assert_int_equal(record->nr_cached, record->target);
	kvfree_record_unlock(record);
	/* Requests that find the cache full get nothing. */
	kvhold_count(KVFREE_HOOK_REFILL);
	allocated = kvtest_stats(rcu).pages_allocated;
	for (i = 1; i <= 3; i++) {
		kvfree_cache_request(record);
		assert_true(kvtest_wait(refill_is_over, &i, KVTEST_LONG));
	}
	assert_int_equal(kvtest_stats(rcu).pages_allocated, allocated);
	kvtest_reader_leave(&reader);
	assert_all_freed();
}

/* ------------------------------------------------------------------ */
/* The last resort inside a read-side section                         */

static int last_resort(void)
{
	rcu = &urcu_mb_flavor;
	start(0, 100000);
	rcu->register_thread();
	kvfault_memory(true);
	rcu->read_lock();
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	return 1;
}

static const struct kvchild_scenario scenarios[] = {
	{ "last_resort", last_resort },
	{ NULL, NULL },
};

TEST(the_last_resort_inside_a_section_aborts_with_a_message)
{
	char err[4096];

	assert_int_equal(kvchild_run("last_resort", err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, "urcu_kvfree_rcu_mightsleep()"));
	assert_non_null(strstr(err, "read-side critical section"));
}

#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test_each(a_failing_allocator_is_asked_once_per_back_off),
		test_each(pages_come_again_after_the_fault_clears),
		test_each(mightsleep_without_memory_frees_inline),
		test_each(mightsleep_without_memory_waits_for_a_reader),
		test_each(mightsleep_without_a_record_frees_inline),
		test_each(try_without_a_page_is_false_and_queues_nothing),
		test_each(register_without_memory_is_enomem),
		test_each(without_a_cache_nothing_is_refilled_and_all_works),
		test_each(without_a_cache_raw_calls_use_the_emergency_list),
		test_each(pages_go_to_the_record_that_asked),
		test_each(no_page_is_allocated_beyond_the_target),
		cmocka_unit_test(
		the_last_resort_inside_a_section_aborts_with_a_message),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
