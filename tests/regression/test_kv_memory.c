/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_kv_memory.c - urcu_kvmalloc() and its kin
 *
 * The check build's range of large memory is 64 MiB, so that it can be
 * exhausted.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvfault.h"
#include "kvinside.h"
#include "tsan.h"

/* A sanitizer's own memory would be limited as well. */
#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
# define MAY_LIMIT	false
#else
# define MAY_LIMIT	true
#endif

#define KIB	((size_t) 1 << 10)
#define MIB	((size_t) 1 << 20)
#define LARGE	(256 * KIB)

/* What the compiler must not reason about: it knows that these cannot work. */
/* One more on 32 bits, where almost half of all may be had. */
static volatile size_t too_much = SIZE_MAX / 2 + !KVFREE_AREA_EXISTS;
static volatile size_t half_of_all = SIZE_MAX / 2 + 1;

FIXTURE(begin)
{
	kvtest_start(2, 2);
	return 0;
}

static uint64_t large_bytes(void)
{
	return kvtest_stats(NULL).large_bytes;
}

static bool is_large(const void *ptr)
{
	return kvfree_area_has(ptr);
}

static void fill(void *ptr, size_t size, unsigned char seed)
{
	unsigned char *bytes = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (unsigned char) (seed + i * 7);
}

static bool is_filled(const void *ptr, size_t size, unsigned char seed)
{
	const unsigned char *bytes = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i] != (unsigned char) (seed + i * 7))
			return false;
	return true;
}

static bool is_zero(const void *ptr, size_t size)
{
	const char *bytes = ptr;
	size_t i;

	for (i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

TEST(small_comes_from_malloc_and_large_from_the_range)
{
	void *small, *large;

	kvinside_needs_range();
	small = urcu_kvmalloc(128 * KIB - 1);
	large = urcu_kvmalloc(128 * KIB);
	assert_non_null(small);
	assert_non_null(large);
	assert_false(is_large(small));
	assert_true(is_large(large));
	assert_int_equal((uintptr_t) large % 4096, 0);
	assert_int_equal(large_bytes(), 128 * KIB);
	fill(small, 128 * KIB - 1, 1);
	fill(large, 128 * KIB, 2);
	free(small);
	urcu_kvfree(large);
	assert_int_equal(large_bytes(), 0);
}

TEST(large_sizes_are_rounded_up_to_pages)
{
	void *ptr;

	kvinside_needs_range();
	ptr = urcu_kvmalloc(LARGE + 1);
	assert_int_equal(large_bytes(), LARGE + 4096);
	fill(ptr, LARGE + 1, 1);
	urcu_kvfree(ptr);
}

TEST(zalloc_and_calloc_return_zeroed_memory)
{
	static const size_t sizes[] = { 1, 100, 4096, LARGE, LARGE + 5000 };
	unsigned int i, round;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* The second round gets what the first made dirty. */
		for (round = 0; round < 2; round++) {
			char *one = urcu_kvzalloc(sizes[i]);
			char *two = urcu_kvcalloc(sizes[i], 2);

			assert_true(is_zero(one, sizes[i]));
			assert_true(is_zero(two, 2 * sizes[i]));
			fill(one, sizes[i], 3);
			fill(two, 2 * sizes[i], 4);
			urcu_kvfree(one);
			urcu_kvfree(two);
		}
	}
}

TEST(calloc_that_overflows_is_enomem)
{
	errno = 0;
	assert_null(urcu_kvcalloc(half_of_all, 2));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(urcu_kvcalloc(3, half_of_all));
	assert_int_equal(errno, ENOMEM);
}

TEST(what_nobody_has_is_enomem)
{
	errno = 0;
	assert_null(urcu_kvmalloc(too_much));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(urcu_kvzalloc(too_much));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(urcu_kvcalloc(too_much, 1));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(large_bytes(), 0);
}

TEST(size_0_is_a_pointer_that_can_be_freed)
{
	urcu_kvfree(urcu_kvmalloc(0));
	urcu_kvfree(urcu_kvzalloc(0));
	urcu_kvfree(urcu_kvcalloc(0, 10));
	urcu_kvfree(urcu_kvcalloc(10, 0));
	urcu_kvfree(NULL);
}

TEST(pointers_of_the_malloc_family_may_be_freed)
{
	void *aligned = NULL;

	urcu_kvfree(malloc(10));
	urcu_kvfree(calloc(3, 300000));
	urcu_kvfree(strdup("text"));
	assert_int_equal(posix_memalign(&aligned, 4096, LARGE), 0);
	urcu_kvfree(aligned);
	urcu_kvfree(aligned_alloc(64, 128));
}

/* ------------------------------------------------------------------ */
/* The range                                                          */

TEST(when_the_range_is_full_large_comes_from_malloc)
{
	void *ptr[64] = { NULL }, *more;
	unsigned int nr = 0, i;

	kvinside_needs_range();
	do {
		ptr[nr] = urcu_kvmalloc(MIB);
		assert_non_null(ptr[nr]);
		fill(ptr[nr], 64, (unsigned char) nr);
	} while (is_large(ptr[nr]) && ++nr < 64);
	assert_int_equal(nr, 64);
	assert_int_equal(large_bytes(), 64 * MIB);
	more = urcu_kvmalloc(MIB);
	assert_non_null(more);
	assert_false(is_large(more));
	fill(more, MIB, 9);
	urcu_kvfree(more);
	/* With a hole, the range serves again. */
	urcu_kvfree(ptr[30]);
	ptr[30] = urcu_kvmalloc(MIB);
	assert_true(is_large(ptr[30]));
	fill(ptr[30], 64, 30);
	for (i = 0; i < nr; i++) {
		assert_true(is_filled(ptr[i], 64, (unsigned char) i));
		urcu_kvfree(ptr[i]);
	}
	assert_int_equal(large_bytes(), 0);
	/* Free neighbours join: all of it can be had in one piece. */
	more = urcu_kvmalloc(64 * MIB);
	assert_true(is_large(more));
	urcu_kvfree(more);
}

static unsigned int resident_pages(void *ptr, size_t bytes)
{
	unsigned char *there = malloc(bytes / 4096);
	unsigned int nr = 0;
	size_t i;

	assert_int_equal(mincore(ptr, bytes, there), 0);
	for (i = 0; i < bytes / 4096; i++)
		nr += there[i] & 1;
	free(there);
	return nr;
}

/* To an emulator, pages that nobody may touch do not exist. */
static bool can_tell_residence(void)
{
	void *ptr = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char there;
	bool can = ptr != MAP_FAILED && mincore(ptr, 4096, &there) == 0;

	munmap(ptr, 4096);
	return can;
}

TEST(large_memory_goes_back_to_the_system_at_once)
{
	char *ptr;

	kvinside_needs_range();
	if (!can_tell_residence())
		kvtest_skip("an emulator does not tell what is resident");
	ptr = urcu_kvmalloc(16 * MIB);
	assert_true(is_large(ptr));
	memset(ptr, 1, 16 * MIB);
	assert_int_equal(resident_pages(ptr, 16 * MIB), 16 * MIB / 4096);
	urcu_kvfree(ptr);
	assert_int_equal(resident_pages(ptr, 16 * MIB), 0);
}

/* What the library said last, in a process of its own that it ended. */
static void assert_aborts(const char *scenario, const char *said)
{
	char err[4096];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, said));
}

static const char not_in_use[] = "BUG: no large memory in use begins at ";

/* Something is still in use, or the range would be given back. */
static char *large_of_two(void)
{
	kvtest_start(2, 2);
	urcu_kvmalloc(LARGE);
	return urcu_kvmalloc(LARGE);
}

static int free_twice(void)
{
	char *ptr = large_of_two();

	urcu_kvfree(ptr);
	urcu_kvfree(ptr);
	return KVCHILD_OK;
}

static int free_the_middle(void)
{
	urcu_kvfree(large_of_two() + LARGE / 2);
	return KVCHILD_OK;
}

static int free_the_middle_of_a_page(void)
{
	urcu_kvfree(large_of_two() + 16);
	return KVCHILD_OK;
}

static int free_twice_later(void)
{
	char *ptr = large_of_two();

	urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, ptr);
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, ptr);
	urcu_kvfree_rcu_barrier_flavor(&urcu_mb_flavor);
	return KVCHILD_OK;
}

static int realloc_after_free(void)
{
	char *ptr = large_of_two();

	urcu_kvfree(ptr);
	return urcu_kvrealloc(ptr, 2 * LARGE) ? KVCHILD_OK : 1;
}

TEST(what_is_no_large_memory_in_use_is_not_freed)
{
	kvinside_needs_range();
	assert_aborts("free_twice", not_in_use);
	assert_aborts("free_the_middle", not_in_use);
	assert_aborts("free_the_middle_of_a_page", not_in_use);
	assert_aborts("free_twice_later", not_in_use);
	assert_aborts("realloc_after_free", not_in_use);
}

static int use_after_free(void)
{
	volatile char *ptr;

	kvtest_start(2, 2);
	ptr = urcu_kvmalloc(LARGE);
	if (!is_large((void *) ptr))
		return KVCHILD_OK;
	*ptr = 1;
	urcu_kvfree((void *) ptr);
	*ptr = 2;
	return KVCHILD_OK;
}

TEST(use_after_free_of_large_memory_crashes)
{
	char err[4096];

	kvinside_needs_range();
	assert_int_not_equal(kvchild_run("use_after_free", err, sizeof(err)),
		KVCHILD_OK);
}

/* In a process of its own: the range is asked for once. */
static int without_a_range(void)
{
	void *ptr;

	kvtest_start(2, 2);
	kvfault_mmap(true);
	ptr = urcu_kvmalloc(LARGE);
	kvfault_mmap(false);
	if (!ptr || is_large(ptr))
		return 1;
	fill(ptr, LARGE, 1);
	ptr = urcu_kvrealloc(ptr, 2 * LARGE);
	if (!ptr || !is_filled(ptr, LARGE, 1))
		return 2;
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, ptr);
	ptr = urcu_kvzalloc(LARGE);
	if (!ptr || !is_zero(ptr, LARGE))
		return 3;
	urcu_kvfree(ptr);
	urcu_kvfree_exit();
	return large_bytes() ? 4 : KVCHILD_OK;
}

TEST(without_a_range_large_comes_from_malloc)
{
	char err[4096];

	assert_int_equal(kvchild_run("without_a_range", err, sizeof(err)),
		KVCHILD_OK);
}

static void *more_than_the_heap_has(void)
{
	/* Volatile: a compiler may leave out the pair of calls. */
	void *volatile ptr = malloc(32 * MIB);

	free(ptr);
	return ptr;
}

#define LIMIT_IGNORED	77

/* The program has all the addresses that it may have, and the range most of them. */
static int limited_later(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	struct rlimit limit;
	size_t pages;
	char *ptr;

	kvtest_start(2, 2);
	ptr = urcu_kvmalloc(LARGE);
	if (!is_large(ptr) || !statm || fscanf(statm, "%zu", &pages) != 1 ||
	    getrlimit(RLIMIT_AS, &limit))
		return 1;
	limit.rlim_cur = pages * 4096;
	if (setrlimit(RLIMIT_AS, &limit))
		return 2;
	if (kvinside_has_range())
		return LIMIT_IGNORED;
	if (more_than_the_heap_has())
		return 3;
	urcu_kvfree_shrink();
	if (!more_than_the_heap_has())
		return 4;
	fill(ptr, LARGE, 1);
	return KVCHILD_OK;
}

TEST(the_range_is_not_in_the_way_of_a_limit_that_comes_later)
{
	char err[4096];
	int ret;

	if (!MAY_LIMIT)
		kvtest_skip("a sanitizer's own memory would be limited as well");
	kvinside_needs_range();
	kvtest_needs_proc();
	ret = kvchild_run("limited_later", err, sizeof(err));
	if (ret == LIMIT_IGNORED)
		kvtest_skip("an emulator limits nothing");
	assert_int_equal(ret, KVCHILD_OK);
}

/* ------------------------------------------------------------------ */
/* realloc                                                            */

TEST(realloc_keeps_the_contents_across_kinds)
{
	static const size_t steps[] = { 100, LARGE, 2 * LARGE, 3 * MIB, MIB,
		LARGE, 5000, 10, LARGE + 1, 1 };
	size_t size = 50, i;
	char *ptr = malloc(size);

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		size_t kept = steps[i] < size ? steps[i] : size;

		fill(ptr, size, (unsigned char) i);
		ptr = urcu_kvrealloc(ptr, steps[i]);
		assert_non_null(ptr);
		assert_true(is_filled(ptr, kept, (unsigned char) i));
		size = steps[i];
	}
	urcu_kvfree(ptr);
	assert_int_equal(large_bytes(), 0);
}

TEST(realloc_to_a_little_less_moves_nothing)
{
	char *ptr = urcu_kvmalloc(MIB);

	fill(ptr, MIB, 7);
	assert_ptr_equal(urcu_kvrealloc(ptr, MIB - 5000), ptr);
	assert_ptr_equal(urcu_kvrealloc(ptr, MIB), ptr);
	assert_true(is_filled(ptr, MIB, 7));
	urcu_kvfree(ptr);
}

TEST(realloc_of_null_allocates)
{
	void *small = urcu_kvrealloc(NULL, 10);
	void *large = urcu_kvrealloc(NULL, LARGE);

	kvinside_needs_range();
	assert_non_null(small);
	assert_true(is_large(large));
	urcu_kvfree(small);
	urcu_kvfree(large);
}

TEST(realloc_to_0_is_a_pointer_that_can_be_freed)
{
	void *ptr = urcu_kvrealloc(urcu_kvmalloc(10), 0);

	assert_non_null(ptr);
	urcu_kvfree(ptr);
	ptr = urcu_kvrealloc(urcu_kvmalloc(LARGE), 0);
	assert_non_null(ptr);
	assert_false(is_large(ptr));
	urcu_kvfree(ptr);
	assert_int_equal(large_bytes(), 0);
}

TEST(realloc_that_fails_leaves_the_memory_alone)
{
	char *small = urcu_kvmalloc(100), *large = urcu_kvmalloc(LARGE);

	fill(small, 100, 1);
	fill(large, LARGE, 2);
	errno = 0;
	assert_null(urcu_kvrealloc(small, too_much));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(urcu_kvrealloc(large, too_much));
	assert_int_equal(errno, ENOMEM);
	assert_true(is_filled(small, 100, 1));
	assert_true(is_filled(large, LARGE, 2));
	urcu_kvfree(small);
	urcu_kvfree(large);
}

/* ------------------------------------------------------------------ */
/* Deferred                                                           */

struct big {
	struct rcu_head head;
	char bytes[LARGE];
};

TEST(large_memory_can_be_deferred_by_every_call)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	struct big *head = urcu_kvmalloc(sizeof(*head));
	struct big *emergency = urcu_kvmalloc(sizeof(*emergency));
	struct kvfree_record *record = kvinside_record(rcu);
	void *sleeping = urcu_kvmalloc(LARGE), *trying = urcu_kvmalloc(LARGE);
	struct kvtest_reader reader;

	kvtest_reader_enter(&reader, rcu);
	urcu_kvfree_rcu_flavor(rcu, head, head);
	kvfree_record_lock(record);
	urcu_kvfree_rcu_flavor(rcu, emergency, head);
	kvfree_record_unlock(record);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, sleeping);
	if (!urcu_kvfree_rcu_try_flavor(rcu, trying))
		urcu_kvfree_rcu_flavor(rcu, trying);
	/* A reader may look at all four. */
	memset(head->bytes, 1, sizeof(head->bytes));
	memset(emergency->bytes, 1, sizeof(emergency->bytes));
	memset(sleeping, 1, LARGE);
	memset(trying, 1, LARGE);
	kvtest_reader_leave(&reader);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(large_bytes(), 0);
}

static void *allocate_and_check(void *arg)
{
	uintptr_t seed = (uintptr_t) arg, bad = 0;
	unsigned int i;

	for (i = 0; i < 150; i++) {
		size_t size = LARGE + (seed * 7919 + i * 104729) % (300 * KIB);
		char *ptr = urcu_kvmalloc(size);

		if (!ptr)
			return (void *) 1;
		fill(ptr, 5000, (unsigned char) seed);
		fill(ptr + size - 500, 500, (unsigned char) seed);
		if (i % 3 == 0)
			ptr = urcu_kvrealloc(ptr, size + 9000);
		bad += !is_filled(ptr, 5000, (unsigned char) seed);
		bad += !is_filled(ptr + size - 500, 500, (unsigned char) seed);
		if (i % 2)
			urcu_kvfree(ptr);
		else
			urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor,
					ptr);
	}
	return (void *) bad;
}

TEST(threads_may_allocate_and_free_at_once)
{
	pthread_t tid[4];
	uintptr_t i;

	for (i = 0; i < 4; i++)
		tid[i] = kvtest_thread(allocate_and_check, (void *) (i + 1));
	for (i = 0; i < 4; i++)
		assert_ptr_equal(kvtest_join(tid[i]), NULL);
	urcu_kvfree_rcu_barrier_flavor(&urcu_mb_flavor);
	assert_int_equal(large_bytes(), 0);
}

TEST(the_threshold_is_a_setting)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	void *small, *large;

	kvinside_needs_range();
	urcu_kvfree_exit();
	assert_int_equal(urcu_kvfree_attr_set_large_threshold(attr, 8192), 0);
	assert_int_equal(urcu_kvfree_init(attr), 0);
	urcu_kvfree_attr_destroy(attr);
	small = urcu_kvmalloc(8191);
	large = urcu_kvmalloc(8192);
	assert_false(is_large(small));
	assert_true(is_large(large));
	urcu_kvfree(small);
	urcu_kvfree(large);
	urcu_kvfree_exit();
	kvtest_start(2, 2);
}

/* Memory that is in use over an exit stays as it is. */
TEST(exit_leaves_large_memory_in_use_alone)
{
	char *ptr = urcu_kvmalloc(LARGE);

	fill(ptr, LARGE, 5);
	urcu_kvfree_exit();
	assert_true(is_filled(ptr, LARGE, 5));
	kvtest_start(2, 2);
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, ptr);
	urcu_kvfree_exit();
	assert_int_equal(large_bytes(), 0);
	assert_int_equal(kvfree_area.base, KVFREE_AREA_NONE);
}

static const struct kvchild_scenario scenarios[] = {
	{ "free_twice", free_twice },
	{ "free_the_middle", free_the_middle },
	{ "free_the_middle_of_a_page", free_the_middle_of_a_page },
	{ "free_twice_later", free_twice_later },
	{ "realloc_after_free", realloc_after_free },
	{ "use_after_free", use_after_free },
	{ "without_a_range", without_a_range },
	{ "limited_later", limited_later },
	{ NULL, NULL },
};

#define test(f)	cmocka_unit_test_setup(f, begin)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(small_comes_from_malloc_and_large_from_the_range),
		test(large_sizes_are_rounded_up_to_pages),
		test(zalloc_and_calloc_return_zeroed_memory),
		test(calloc_that_overflows_is_enomem),
		test(what_nobody_has_is_enomem),
		test(size_0_is_a_pointer_that_can_be_freed),
		test(pointers_of_the_malloc_family_may_be_freed),
		test(when_the_range_is_full_large_comes_from_malloc),
		test(large_memory_goes_back_to_the_system_at_once),
		test(what_is_no_large_memory_in_use_is_not_freed),
		test(use_after_free_of_large_memory_crashes),
		test(without_a_range_large_comes_from_malloc),
		test(the_range_is_not_in_the_way_of_a_limit_that_comes_later),
		test(realloc_keeps_the_contents_across_kinds),
		test(realloc_to_a_little_less_moves_nothing),
		test(realloc_of_null_allocates),
		test(realloc_to_0_is_a_pointer_that_can_be_freed),
		test(realloc_that_fails_leaves_the_memory_alone),
		kvtest_flavors_test_setup_teardown(
			large_memory_can_be_deferred_by_every_call, begin,
			NULL),
		test(threads_may_allocate_and_free_at_once),
		test(the_threshold_is_a_setting),
		test(exit_leaves_large_memory_in_use_alone),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
