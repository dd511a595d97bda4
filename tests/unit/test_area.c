/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_area.c - the range of large memory: runs, joining, reuse
 *
 * In the check build the range has 64 MiB.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvinside.h"

#define UNIT	KVFREE_AREA_UNIT
#define UNITS	((size_t) KVFREE_AREA_BYTES / UNIT)

FIXTURE(begin)
{
	kvfree_area.failed = false;
	return kvfree_area.units ? -1 : 0;
}

/* As much as a limit can be, so that nothing else fails, or none. */
static void limit_address_space(bool limited)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = RLIM_INFINITY - limited;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Skips a test where a limit can be set and is not there then. */
static void needs_limits(void)
{
	struct rlimit limit;

	limit_address_space(true);
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit_address_space(false);
	if (limit.rlim_cur == RLIM_INFINITY)
		kvtest_skip("an emulator limits nothing");
}

FIXTURE(end)
{
	limit_address_space(false);
	kvfree_area_release();
	return kvfree_area.base == KVFREE_AREA_NONE ? 0 : -1;
}

TEST(no_pointer_is_in_a_range_that_is_not_there)
{
	int local;

	assert_false(kvfree_area_has(NULL));
	assert_false(kvfree_area_has(&local));
	assert_false(kvfree_area_has(&kvfree_area));
	assert_false(kvfree_area_has((void *) UINTPTR_MAX));
}

TEST(the_range_has_its_own_pointers_and_no_others)
{
	char *ptr = kvfree_area_alloc(1);
	char *base = (char *) kvfree_area.base;

	assert_true(kvfree_area_has(ptr));
	assert_true(kvfree_area_has(base));
	assert_true(kvfree_area_has(base + KVFREE_AREA_BYTES - 1));
	assert_false(kvfree_area_has(base - 1));
	assert_false(kvfree_area_has(base + KVFREE_AREA_BYTES));
	assert_false(kvfree_area_has(NULL));
	kvfree_area_free(ptr);
}

TEST(runs_do_not_overlap)
{
	static const size_t sizes[] = { 1, UNIT, UNIT + 1, 5 * UNIT, 4096,
		3 * UNIT - 1 };
	char *ptr[6];
	unsigned int i, n;

	for (i = 0; i < 6; i++) {
		ptr[i] = kvfree_area_alloc(sizes[i]);
		assert_non_null(ptr[i]);
		assert_true(kvfree_area_usable(ptr[i]) >= sizes[i]);
		memset(ptr[i], (int) i + 1, sizes[i]);
	}
	for (i = 0; i < 6; i++)
		for (n = 0; n < 6; n++)
			assert_true(i == n || ptr[i] + sizes[i] <= ptr[n] ||
				ptr[n] + sizes[n] <= ptr[i]);
	for (i = 0; i < 6; i++) {
		assert_int_equal(ptr[i][0], i + 1);
		assert_int_equal(ptr[i][sizes[i] - 1], i + 1);
		kvfree_area_free(ptr[i]);
	}
	assert_int_equal(kvfree_area.bytes, 0);
}

/* Kernels for arm64 and ppc64el have them; a multiple of this kernel's pages will do. */
TEST(pages_may_be_larger_than_4_kib)
{
	static const size_t pages[] = { 4096, 16384, 65536 };
	unsigned int i;

	kvfree_area_free(kvfree_area_alloc(1));		/* the range is there */
	for (i = 0; i < 3; i++) {
		char *one, *two;

		if (pages[i] < (size_t) sysconf(_SC_PAGESIZE))
			continue;
		kvfree_area.page_bytes = pages[i];
		one = kvfree_area_alloc(1);
		two = kvfree_area_alloc(pages[i] + 1);
		assert_int_equal(kvfree_area_usable(one), pages[i]);
		assert_int_equal(kvfree_area_usable(two), 2 * pages[i]);
		assert_int_equal(kvfree_area.bytes, 3 * pages[i]);
		memset(one, 1, pages[i]);
		memset(two, 2, 2 * pages[i]);
		assert_true(one + pages[i] <= two || two + 2 * pages[i] <= one);
		kvfree_area_free(one);
		kvfree_area_free(two);
		assert_int_equal(kvfree_area.bytes, 0);
	}
}

TEST(all_units_can_be_had_and_not_one_more)
{
	static void *ptr[UNITS];
	size_t i;

	for (i = 0; i < UNITS; i++) {
		ptr[i] = kvfree_area_alloc(1);
		assert_non_null(ptr[i]);
	}
	assert_null(kvfree_area_alloc(1));
	kvfree_area_free(ptr[UNITS / 2]);
	assert_ptr_equal(kvfree_area_alloc(1), ptr[UNITS / 2]);
	for (i = 0; i < UNITS; i++)
		kvfree_area_free(ptr[i]);
}

/* Free neighbours join, whatever the order in which they become free. */
TEST(free_neighbours_join_in_any_order)
{
	static const unsigned int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
		{ 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	unsigned int i, n;

	for (i = 0; i < 6; i++) {
		void *third[3], *whole;

		for (n = 0; n < 3; n++) {
			third[n] = kvfree_area_alloc(KVFREE_AREA_BYTES / 4);
			assert_non_null(third[n]);
		}
		for (n = 0; n < 3; n++)
			kvfree_area_free(third[orders[i][n]]);
		whole = kvfree_area_alloc(KVFREE_AREA_BYTES);
		assert_non_null(whole);
		kvfree_area_free(whole);
	}
}

TEST(more_than_the_range_is_null)
{
	assert_null(kvfree_area_alloc(KVFREE_AREA_BYTES + 1));
	assert_null(kvfree_area_alloc(SIZE_MAX));
	assert_null(kvfree_area_alloc(SIZE_MAX - 4096));
}

TEST(what_is_handed_out_again_is_zero)
{
	unsigned int i, n;

	for (i = 0; i < 3; i++) {
		char *ptr = kvfree_area_alloc(3 * UNIT);

		for (n = 0; n < 3 * UNIT; n += 512)
			assert_int_equal(ptr[n], 0);
		memset(ptr, 0xff, 3 * UNIT);
		kvfree_area_free(ptr);
	}
}

/* Too many mappings, say: the run cannot be replaced, but it can be emptied. */
TEST(memory_that_cannot_be_unmapped_is_emptied)
{
	char *ptr = kvfree_area_alloc(UNIT), *again;

	memset(ptr, 0xff, UNIT);
	kvfault_mmap(true);
	kvfree_area_free(ptr);
	kvfault_mmap(false);
	again = kvfree_area_alloc(UNIT);
	assert_ptr_equal(again, ptr);
	assert_int_equal(again[0], 0);
	assert_int_equal(again[UNIT - 1], 0);
	kvfree_area_free(again);
}

TEST(a_range_that_cannot_be_had_is_not_asked_for_again)
{
	kvfault_mmap(true);
	assert_null(kvfree_area_alloc(1));
	kvfault_mmap(false);
	assert_null(kvfree_area_alloc(1));
	assert_int_equal(kvfree_area.base, KVFREE_AREA_NONE);
}

TEST(a_range_in_use_is_not_given_back)
{
	char *ptr = kvfree_area_alloc(10);

	*ptr = 1;
	kvfree_area_release();
	assert_true(kvfree_area_has(ptr));
	assert_int_equal(*ptr, 1);
	kvfree_area_free(ptr);
	kvfree_area_release();
	assert_false(kvfree_area_has(ptr));
	/* And it can be had again. */
	ptr = kvfree_area_alloc(10);
	assert_non_null(ptr);
	kvfree_area_free(ptr);
}

/* ------------------------------------------------------------------ */
/* RLIMIT_AS                                                          */

TEST(where_addresses_are_limited_there_is_no_range)
{
	needs_limits();
	limit_address_space(true);
	assert_null(kvfree_area_alloc(1));
	assert_int_equal(kvfree_area.base, KVFREE_AREA_NONE);
	limit_address_space(false);
	kvfree_area_free(kvfree_area_alloc(1));
	assert_int_not_equal(kvfree_area.base, KVFREE_AREA_NONE);
}

static bool is_mapped(void *ptr)
{
	unsigned char there;

	return mincore(ptr, 1, &there) == 0;
}

static void assert_range_ends_behind(char *ptr)
{
	assert_true(kvfree_area_has(ptr + UNIT - 1));
	assert_false(kvfree_area_has(ptr + UNIT));
	assert_true(is_mapped(ptr));
	assert_false(is_mapped(ptr + UNIT));
}

TEST(a_limit_that_comes_later_leaves_what_is_in_use)
{
	char *ptr[4];
	unsigned int i;

	needs_limits();
	for (i = 0; i < 4; i++)
		ptr[i] = kvfree_area_alloc(UNIT);
	limit_address_space(true);
	assert_null(kvfree_area_alloc(1));
	assert_range_ends_behind(ptr[3]);
	kvfree_area_free(ptr[2]);
	assert_range_ends_behind(ptr[3]);
	kvfree_area_free(ptr[3]);
	assert_range_ends_behind(ptr[1]);
	*ptr[0] = *ptr[1] = 1;
	/* Without the limit, what is left of the range serves again. */
	kvfree_area_free(ptr[0]);
	limit_address_space(false);
	assert_ptr_equal(kvfree_area_alloc(UNIT), ptr[0]);
	assert_null(kvfree_area_alloc(1));
	kvfree_area_free(ptr[0]);
	limit_address_space(true);
	kvfree_area_free(ptr[1]);
	assert_int_equal(kvfree_area.base, KVFREE_AREA_NONE);
	assert_false(is_mapped(ptr[0]));
}

TEST(a_limit_is_noticed_without_an_allocation)
{
	char *ptr;

	needs_limits();
	ptr = kvfree_area_alloc(UNIT);
	kvfree_area_heed_limit();
	assert_true(kvfree_area_has(ptr + UNIT));
	limit_address_space(true);
	kvfree_area_heed_limit();
	assert_range_ends_behind(ptr);
	kvfree_area_free(ptr);
	assert_false(kvfree_area_has(ptr));
	kvfree_area_heed_limit();
}

/* ------------------------------------------------------------------ */
/* Core files                                                         */

/* Bytes of the range that a core file takes, or those that it does not take, by the
 * kernel's word. */
static size_t range_bytes(bool dumped)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	uintptr_t first = 0, last = 0, from, to;
	size_t sum = 0;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
			first = from;
			last = to;
		}
		/* The last line of a mapping; dd: do not dump. */
		if (!strncmp(line, "VmFlags:", 8) &&
		    kvfree_area_has((void *) first) &&
		    dumped == !strstr(line, " dd"))
			sum += last - first;
	}
	fclose(file);
	return sum;
}

TEST(core_files_hold_what_is_allocated_and_no_more)
{
	char *ptr = kvfree_area_alloc(UNIT + 1);

	assert_non_null(ptr);
	/* An emulator may keep what it is told of core files to itself. */
	if (range_bytes(true) + range_bytes(false) == 0 || kvtest_is_emulated()) {
		kvfree_area_free(ptr);
		kvtest_skip("/proc does not show the mappings, or it shows an emulator's");
	}
	assert_int_equal(range_bytes(true), kvfree_area_usable(ptr));
	kvfree_area_free(ptr);
	assert_int_equal(range_bytes(true), 0);
	ptr = kvfree_area_alloc(1);
	assert_int_equal(range_bytes(true), kvfree_area_usable(ptr));
	kvfree_area_free(ptr);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(no_pointer_is_in_a_range_that_is_not_there),
		test(the_range_has_its_own_pointers_and_no_others),
		test(runs_do_not_overlap),
		test(pages_may_be_larger_than_4_kib),
		test(all_units_can_be_had_and_not_one_more),
		test(free_neighbours_join_in_any_order),
		test(more_than_the_range_is_null),
		test(what_is_handed_out_again_is_zero),
		test(memory_that_cannot_be_unmapped_is_emptied),
		test(a_range_that_cannot_be_had_is_not_asked_for_again),
		test(a_range_in_use_is_not_given_back),
		test(where_addresses_are_limited_there_is_no_range),
		test(a_limit_that_comes_later_leaves_what_is_in_use),
		test(a_limit_is_noticed_without_an_allocation),
		test(core_files_hold_what_is_allocated_and_no_more),
	};

	if (!kvinside_has_range()) {
		puts("SKIP: 32 bits, or an RLIMIT_AS");
		return 77;
	}
	return kvtest_run(tests);
}
