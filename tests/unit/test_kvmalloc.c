/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_kvmalloc.c - allocations that return ripe objects
 *
 * The library is not started: nothing happens but what the tests do. The objects
 * are of the real malloc(), and each free() of one is counted.
 */

#include <malloc.h>
#include <urcu/urcu-mb.h>

#include "cmocka-all.h"
#include "kvgp.h"
#include "kvinside.h"
#include "service.h"
#include "tsan.h"

/* Sanitizers want to see each free(). */
#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
# define RECYCLES	false
#else
# define RECYCLES	true
#endif

#define NR	16	/* objects that a test queues */

static struct kvfree_domain *domain;
static struct kvfree_record *record;
static void *objects[NR];
static unsigned int frees;	/* of objects[] */

void __real_free(void *ptr);
void __wrap_free(void *ptr);

void __wrap_free(void *ptr)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		if (ptr && ptr == objects[i])
			frees++;
	__real_free(ptr);
}

static unsigned int yields;

int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
	yields++;
	return 0;
}

static uint64_t recycled(void)
{
	return kvtest_stats(&kvgp_flavor).recycled;
}

static uint64_t recycled_before;

FIXTURE(begin)
{
	kvfree_conf.batch_bytes = 1 << 20;
	kvfree_conf.min_cached_pages = 0;
	kvfree_conf.recycle = 1;
	domain = kvfree_domain_get(&kvgp_flavor);
	record = kvfree_record_get_clean(domain);
	recycled_before = recycled();
	memset(objects, 0, sizeof(objects));
	frees = 0;
	yields = 0;
	return record ? 0 : -1;
}

FIXTURE(end)
{
	kvgp_set_in_section(false);
	domain->gp.estimate_nsec = 0;
	domain->gp.since_msec = 0;
	domain->uncovered = 0;
	kvfree_conf.debug = URCU_KVFREE_DEBUG_OFF;
	urcu_kvfree_exit();
	return 0;
}

/* Fill a page of @on with NR objects of @size bytes, and close it. */
static void queue_on(struct kvfree_record *on, size_t size)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);
	unsigned int i;

	for (i = 0; i < NR; i++)
		objects[i] = memset(malloc(size), 0xff, size);
	kvfree_record_lock(on);
	kvfree_record_open(on, KVFREE_CHANNEL_MALLOC, page, objects[0]);
	for (i = 1; i < NR; i++)
		if (!kvfree_record_append(on, KVFREE_CHANNEL_MALLOC,
				objects[i]))
			abort();
	kvfree_record_close(on, KVFREE_CHANNEL_MALLOC);
	kvfree_record_unlock(on);
}

static void run_grace_period(void)
{
	assert_true(kvfree_domain_run(domain));
}

static void queue_ripe(size_t size)
{
	queue_on(record, size);
	run_grace_period();
}

static bool is_object(const void *ptr)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		if (ptr == objects[i])
			return true;
	return false;
}

/* One request; whether it was answered with a ripe object. */
static bool request_recycles(size_t size)
{
	unsigned int freed = frees;
	uint64_t before = recycled();
	void *ptr = urcu_kvmalloc(size);
	bool recycles = recycled() == before + 1;

	assert_non_null(ptr);
	if (recycles) {
		assert_true(is_object(ptr));
		assert_int_equal(frees, freed);
	}
	__real_free(ptr);
	return recycles;
}

/* ------------------------------------------------------------------ */
/* What is returned                                                   */

TEST(a_ripe_object_that_fits_is_returned)
{
	unsigned int i;
	void *ptr[NR];

	if (!RECYCLES)
		kvtest_skip("under a sanitizer nothing is returned");
	queue_ripe(100);
	for (i = 0; i < NR; i++) {
		ptr[i] = urcu_kvmalloc(100);
		assert_true(is_object(ptr[i]));
	}
	assert_int_equal(frees, 0);
	assert_int_equal(recycled(), recycled_before + NR);
	/* All were handed out, and each once. */
	assert_false(request_recycles(100));
	for (i = 0; i < NR; i++)
		__real_free(ptr[i]);
}

TEST(returned_objects_count_as_freed_by_their_owner)
{
	struct urcu_kvfree_stats before = kvtest_stats(&kvgp_flavor), now;
	unsigned int i;

	queue_ripe(100);
	for (i = 0; i < NR; i++)
		__real_free(urcu_kvmalloc(100));
	now = kvtest_stats(&kvgp_flavor);
	assert_int_equal(now.owner_freed, before.owner_freed + NR);
	assert_int_equal(now.freed, before.freed + NR);
	assert_int_equal(now.pending, before.pending);
	assert_int_equal(now.recycled - before.recycled, RECYCLES ? NR : 0);
}

TEST(an_object_that_does_not_fit_is_freed)
{
	queue_ripe(100);
	assert_false(request_recycles(200));
	assert_int_equal(frees, 1);
	assert_false(request_recycles(20));
	assert_int_equal(frees, 2);
	assert_int_equal(recycled(), recycled_before);
}

/* From as much as an eighth and 32 bytes too large to exactly right. */
TEST(what_fits_has_two_limits)
{
	size_t usable, least;

	if (!RECYCLES)
		kvtest_skip("under a sanitizer nothing is returned");
	queue_ripe(1000);
	usable = malloc_usable_size(objects[0]);
	for (least = usable; usable <= least - 1 + (least - 1) / 8 + 32; )
		least--;
	assert_true(request_recycles(usable));
	assert_false(request_recycles(usable + 1));
	assert_true(request_recycles(least));
	assert_false(request_recycles(least - 1));
}

TEST(zeroed_memory_is_zero)
{
	static const char zero[100];
	void *ptr;

	queue_ripe(100);
	ptr = urcu_kvzalloc(100);
	assert_memory_equal(ptr, zero, 100);
	__real_free(ptr);
	ptr = urcu_kvcalloc(10, 10);
	assert_memory_equal(ptr, zero, 100);
	__real_free(ptr);
	assert_int_equal(recycled() - recycled_before, RECYCLES ? 2 : 0);
}

TEST(a_product_that_overflows_is_enomem_and_takes_nothing)
{
	volatile size_t many = SIZE_MAX / 2;	/* the compiler would warn */

	queue_ripe(100);
	errno = 0;
	assert_null(urcu_kvcalloc(many, 3));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(frees, 0);
	assert_int_equal(record->nr_stash, 0);
}

/* ------------------------------------------------------------------ */
/* What is not                                                        */

TEST(nothing_is_returned_before_its_grace_period_is_over)
{
	queue_on(record, 100);
	assert_false(request_recycles(100));
	assert_int_equal(frees, 0);
	assert_int_equal(record->nr_stash, 0);
	run_grace_period();
	assert_int_equal(request_recycles(100), RECYCLES);
}

/* Between the hooks of a fork. */
TEST(nothing_is_returned_while_grace_periods_are_held)
{
	queue_ripe(100);
	kvfree_gp_hold(&domain->gp);
	assert_false(request_recycles(100));
	assert_int_equal(record->nr_stash, 0);
	kvfree_gp_release(&domain->gp);
	assert_int_equal(request_recycles(100), RECYCLES);
}

TEST(nothing_is_returned_while_the_lock_is_held)
{
	queue_ripe(100);
	kvinside_lock(record);
	__real_free(urcu_kvmalloc(100));
	kvfree_record_unlock(record);
	assert_int_equal(record->nr_stash, 0);
	assert_int_equal(recycled(), recycled_before);
}

TEST(without_recycling_each_request_frees_one)
{
	unsigned int i;

	kvfree_conf.recycle = 0;
	queue_ripe(100);
	for (i = 1; i <= NR; i++) {
		assert_false(request_recycles(100));
		assert_int_equal(frees, i);
	}
	assert_false(request_recycles(100));
	assert_int_equal(frees, NR);
}

TEST(with_debugging_nothing_is_returned)
{
	queue_ripe(100);
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	assert_false(request_recycles(100));
	assert_int_equal(recycled(), recycled_before);
}

TEST(under_a_sanitizer_nothing_is_returned)
{
	if (RECYCLES)
		kvtest_skip("no sanitizer is in the build");
	queue_ripe(100);
	assert_false(request_recycles(100));
	assert_int_equal(frees, 1);
}

static void *request(void *arg)
{
	__real_free(urcu_kvmalloc(100));
	return arg;
}

TEST(another_thread_gets_none_of_it)
{
	queue_ripe(100);
	kvtest_on_thread(request, NULL);
	assert_int_equal(frees, 0);
	assert_int_equal(recycled(), recycled_before);
}

TEST(large_requests_take_none_of_it)
{
	void *large;

	kvinside_needs_range();
	queue_ripe(100);
	large = urcu_kvmalloc(1 << 20);
	assert_true(kvfree_area_has(large));
	urcu_kvfree(large);
	assert_int_equal(record->nr_stash, 0);
	assert_int_equal(frees, 0);
}

/* ------------------------------------------------------------------ */
/* The stash                                                          */

static void set_object_bytes(size_t bytes)
{
	__atomic_store_n(&record->object_bytes[KVFREE_CHANNEL_MALLOC], bytes,
			__ATOMIC_SEQ_CST);
}

static void free_stash(void)
{
	while (record->nr_stash)
		__real_free(record->stash[--record->nr_stash]);
}

/* 8192 bytes are as much as a thread keeps. */
TEST(the_stash_is_small_and_smaller_for_large_objects)
{
	queue_ripe(100);
	set_object_bytes(64);
	__real_free(urcu_kvmalloc(100));
	assert_int_equal(record->nr_stash, KVFREE_STASH - 1);
	free_stash();
	set_object_bytes(4096);
	__real_free(urcu_kvmalloc(100));
	assert_int_equal(record->nr_stash, 1);
	free_stash();
	set_object_bytes(100000);
	__real_free(urcu_kvmalloc(100));
	assert_int_equal(record->nr_stash, 0);
	set_object_bytes(0);
}

static void *queue_request_and_end(void *arg)
{
	struct kvfree_record *mine = kvfree_record_get_clean(domain);

	queue_on(mine, 100);
	run_grace_period();
	__real_free(urcu_kvmalloc(100));
	*(unsigned int *) arg = mine->nr_stash;
	return NULL;
}

TEST(the_stash_is_freed_when_its_thread_ends)
{
	unsigned int stashed = 0;

	kvtest_on_thread(queue_request_and_end, &stashed);
	assert_true(stashed > 0);
	assert_int_equal(frees, stashed + (RECYCLES ? 0 : 1));
}

TEST(the_stash_is_freed_when_its_thread_leaves)
{
	unsigned int stashed;

	queue_ripe(100);
	request_recycles(100);
	stashed = record->nr_stash;
	frees = 0;
	urcu_kvfree_unregister_thread_flavor(&kvgp_flavor);
	assert_int_equal(frees, stashed);
	assert_int_equal(record->nr_stash, 0);
}

/* ------------------------------------------------------------------ */
/* A clean call                                                       */

TEST(an_allocation_says_that_its_thread_is_in_clean_contexts)
{
	domain->tick += 10;
	assert_false(kvfree_record_owner_frees(record));
	__real_free(urcu_kvmalloc(100));
	assert_true(kvfree_record_owner_frees(record));
}

TEST(an_allocation_serves_its_threads_request_for_pages)
{
	kvfree_conf.min_cached_pages = 3;
	kvinside_empty_cache(record);
	record->refill_gate = 1;
	__real_free(urcu_kvmalloc(100));
	assert_int_equal(kvinside_cached(record), 3);
	assert_int_equal(record->refill_gate, 0);
}

/* After a raw call of this thread closed a page in a crowd; now @bytes wait. */
static void allocate_while(size_t bytes)
{
	domain->uncovered = bytes;
	record->yield_due = true;
	__real_free(urcu_kvmalloc(100));
}

static void allocate_in_a_crowd(void)
{
	allocate_while(2 << 20);
}

TEST(an_allocation_in_a_crowd_yields_once)
{
	allocate_in_a_crowd();
	assert_int_equal(yields, 1);
	assert_false(record->yield_due);
	__real_free(urcu_kvmalloc(100));
	assert_int_equal(yields, 1);
}

/* The grace period would wait for this thread. */
TEST(in_a_section_it_yields_to_nobody)
{
	kvgp_set_in_section(true);
	allocate_in_a_crowd();
	assert_int_equal(yields, 0);
}

/* A grace period of that flavor would. */
TEST(nor_in_a_section_of_another_flavor)
{
	kvfree_domain_get(&urcu_mb_flavor);
	urcu_mb_register_thread();
	urcu_mb_read_lock();
	allocate_in_a_crowd();
	urcu_mb_read_unlock();
	urcu_mb_unregister_thread();
	assert_int_equal(yields, 0);
}

TEST(after_the_crowd_it_yields_no_more)
{
	allocate_while((2 << 20) - 1);
	assert_int_equal(yields, 0);
}

TEST(with_a_small_budget_less_than_a_mebibyte_is_no_crowd)
{
	kvfree_conf.batch_bytes = 4096;
	domain->uncovered = (1 << 20) - 1;
	assert_false(kvfree_service_is_crowded(domain));
	domain->uncovered++;
	assert_true(kvfree_service_is_crowded(domain));
}

/* It waits for a reader then. */
TEST(while_one_lasts_long_it_yields_to_nobody)
{
	domain->gp.since_msec = kvfree_now_msec() - KVFREE_GP_OLD_MSEC;
	allocate_in_a_crowd();
	assert_int_equal(yields, 0);
}

/* The same. */
TEST(while_grace_periods_are_long_it_yields_to_nobody)
{
	domain->gp.estimate_nsec = KVFREE_GP_SHORT_NSEC;
	allocate_in_a_crowd();
	assert_int_equal(yields, 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_ripe_object_that_fits_is_returned),
		test(returned_objects_count_as_freed_by_their_owner),
		test(an_object_that_does_not_fit_is_freed),
		test(what_fits_has_two_limits),
		test(zeroed_memory_is_zero),
		test(a_product_that_overflows_is_enomem_and_takes_nothing),
		test(nothing_is_returned_before_its_grace_period_is_over),
		test(nothing_is_returned_while_grace_periods_are_held),
		test(nothing_is_returned_while_the_lock_is_held),
		test(without_recycling_each_request_frees_one),
		test(with_debugging_nothing_is_returned),
		test(under_a_sanitizer_nothing_is_returned),
		test(another_thread_gets_none_of_it),
		test(large_requests_take_none_of_it),
		test(the_stash_is_small_and_smaller_for_large_objects),
		test(the_stash_is_freed_when_its_thread_ends),
		test(the_stash_is_freed_when_its_thread_leaves),
		test(an_allocation_says_that_its_thread_is_in_clean_contexts),
		test(an_allocation_serves_its_threads_request_for_pages),
		test(an_allocation_in_a_crowd_yields_once),
		test(in_a_section_it_yields_to_nobody),
		test(nor_in_a_section_of_another_flavor),
		test(after_the_crowd_it_yields_no_more),
		test(with_a_small_budget_less_than_a_mebibyte_is_no_crowd),
		test(while_one_lasts_long_it_yields_to_nobody),
		test(while_grace_periods_are_long_it_yields_to_nobody),
	};

	return kvtest_run(tests);
}
