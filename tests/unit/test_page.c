/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_page.c - bulk pages and lists of them
 */

#include "cmocka-all.h"
#include "kvfault.h"
#include "page.h"

static struct kvfree_page_count count;

static uint64_t pages(void)
{
	return count.pages;
}

TEST(a_page_holds_as_many_pointers_as_4096_bytes_can)
{
	size_t bytes = sizeof(struct kvfree_page) +
		KVFREE_PAGE_PTRS * sizeof(void *);

	assert_in_range(bytes, sizeof(struct kvfree_page) + sizeof(void *),
		KVFREE_PAGE_BYTES);
#ifndef KVFREE_BULK_RECORDS_OVERRIDE
	assert_true(bytes + sizeof(void *) > KVFREE_PAGE_BYTES);
#endif
}

TEST(a_page_is_empty_aligned_and_counted)
{
	uint64_t before = pages();
	uint64_t ever = count.allocated;
	struct kvfree_page *page = kvfree_page_alloc(&count);

	assert_non_null(page);
	assert_int_equal(page->nr, 0);
	assert_int_equal((uintptr_t) page % CAA_CACHE_LINE_SIZE, 0);
	assert_int_equal(pages(), before + 1);
	kvfree_page_free(&count, page);
	assert_int_equal(pages(), before);
	assert_int_equal(count.allocated, ever + 1);
}

static unsigned long early_calls = 1;
static struct kvfree_page_count early_count;

/* Before anybody has said that free() accepts memory of posix_memalign(). */
static __attribute__((constructor(101))) void make_an_early_page(void)
{
	struct kvfree_page *page = kvfree_page_alloc(&early_count);

	early_calls = kvfault_memory_called();
	kvfree_page_free(&early_count, page);
}

TEST(until_it_is_said_that_memalign_fits_a_page_is_mallocs)
{
	assert_int_equal(early_count.allocated, 1);
	assert_int_equal(early_calls, 0);
}

TEST(freeing_no_page_is_a_no_op)
{
	uint64_t before = pages();

	kvfree_page_free(&count, NULL);
	assert_int_equal(pages(), before);
}

TEST(without_memory_there_is_no_page_and_none_is_counted)
{
	uint64_t before = pages(), ever = count.allocated;

	kvfault_memory(true);
	assert_null(kvfree_page_alloc(&count));
	kvfault_memory(false);
	assert_int_equal(pages(), before);
	assert_int_equal(count.allocated, ever);
}

/* A list of the @nr pages from @page on. */
static struct kvfree_page_list list_of(struct kvfree_page *page,
		unsigned int nr)
{
	struct kvfree_page_list list = { NULL, NULL, 0 };
	unsigned int i;

	for (i = 0; i < nr; i++)
		kvfree_page_list_push(&list, &page[i]);
	return list;
}

TEST(a_list_is_first_in_first_out)
{
	struct kvfree_page page[3];
	struct kvfree_page_list list = list_of(page, 3);

	assert_int_equal(list.nr, 3);
	assert_ptr_equal(kvfree_page_list_pop(&list), &page[0]);
	assert_ptr_equal(kvfree_page_list_pop(&list), &page[1]);
	assert_int_equal(list.nr, 1);
	assert_ptr_equal(kvfree_page_list_pop(&list), &page[2]);
	assert_null(kvfree_page_list_pop(&list));
	assert_int_equal(list.nr, 0);
}

TEST(a_list_that_was_emptied_can_be_filled_again)
{
	struct kvfree_page page[2];
	struct kvfree_page_list list = list_of(page, 1);

	kvfree_page_list_pop(&list);
	kvfree_page_list_push(&list, &page[1]);
	assert_int_equal(list.nr, 1);
	assert_ptr_equal(kvfree_page_list_pop(&list), &page[1]);
	assert_null(kvfree_page_list_pop(&list));
}

TEST(a_list_of_pages_is_freed_as_a_whole)
{
	struct kvfree_page_list list = { NULL, NULL, 0 };
	uint64_t before = pages();
	unsigned int i;

	for (i = 0; i < 10; i++)
		kvfree_page_list_push(&list, kvfree_page_alloc(&count));
	assert_int_equal(pages(), before + 10);
	kvfree_page_list_free(&count, &list);
	assert_int_equal(pages(), before);
	assert_null(list.head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_page_holds_as_many_pointers_as_4096_bytes_can),
		cmocka_unit_test(a_page_is_empty_aligned_and_counted),
		cmocka_unit_test(until_it_is_said_that_memalign_fits_a_page_is_mallocs),
		cmocka_unit_test(freeing_no_page_is_a_no_op),
		cmocka_unit_test(
			without_memory_there_is_no_page_and_none_is_counted),
		cmocka_unit_test(a_list_is_first_in_first_out),
		cmocka_unit_test(a_list_that_was_emptied_can_be_filled_again),
		cmocka_unit_test(a_list_of_pages_is_freed_as_a_whole),
	};

	kvfree_page_use_memalign();
	return kvtest_run(tests);
}
