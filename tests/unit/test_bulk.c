/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_bulk.c - bulk pages and lists of them
 */

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvinside.h"

static struct kvfree_domain *domain(void)
{
	return kvfree_domain_get(&kvgp_flavor);
}

static uint64_t pages(void)
{
	return kvtest_stats(&kvgp_flavor).pages;
}

static void a_page_holds_as_many_pointers_as_4096_bytes_can(void **state)
{
	size_t bytes = sizeof(struct kvfree_bulk) +
		KVFREE_BULK_RECORDS * sizeof(void *);

	(void) state;
	assert_in_range(bytes, sizeof(struct kvfree_bulk) + sizeof(void *),
		KVFREE_BULK_BYTES);
#ifndef KVFREE_BULK_RECORDS_OVERRIDE
	assert_true(bytes + sizeof(void *) > KVFREE_BULK_BYTES);
#endif
}

static void a_page_is_empty_aligned_and_counted(void **state)
{
	uint64_t before = pages();
	uint64_t ever = kvtest_stats(&kvgp_flavor).pages_allocated;
	struct kvfree_bulk *bulk = kvfree_bulk_alloc(domain());

	(void) state;
	assert_non_null(bulk);
	assert_int_equal(bulk->nr, 0);
	assert_int_equal((uintptr_t) bulk % CAA_CACHE_LINE_SIZE, 0);
	assert_int_equal(pages(), before + 1);
	kvfree_bulk_free(domain(), bulk);
	assert_int_equal(pages(), before);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pages_allocated, ever + 1);
}

static void freeing_no_page_is_a_no_op(void **state)
{
	uint64_t before = pages();

	(void) state;
	kvfree_bulk_free(domain(), NULL);
	assert_int_equal(pages(), before);
}

static void without_memory_there_is_no_page_and_none_is_counted(void **state)
{
	uint64_t before = pages();

	(void) state;
	kvfault_memory(true);
	assert_null(kvfree_bulk_alloc(domain()));
	kvfault_memory(false);
	assert_int_equal(pages(), before);
}

/* A list of the @nr pages from @bulk on. */
static struct kvfree_bulk_list list_of(struct kvfree_bulk *bulk,
		unsigned int nr)
{
	struct kvfree_bulk_list list = { NULL, NULL, 0 };
	unsigned int i;

	for (i = 0; i < nr; i++)
		kvfree_bulk_list_push(&list, &bulk[i]);
	return list;
}

static void a_list_is_first_in_first_out(void **state)
{
	struct kvfree_bulk bulk[3];
	struct kvfree_bulk_list list = list_of(bulk, 3);

	(void) state;
	assert_int_equal(list.count, 3);
	assert_ptr_equal(kvfree_bulk_list_pop(&list), &bulk[0]);
	assert_ptr_equal(kvfree_bulk_list_pop(&list), &bulk[1]);
	assert_int_equal(list.count, 1);
	assert_ptr_equal(kvfree_bulk_list_pop(&list), &bulk[2]);
	assert_null(kvfree_bulk_list_pop(&list));
	assert_int_equal(list.count, 0);
}

static void a_list_that_was_emptied_can_be_filled_again(void **state)
{
	struct kvfree_bulk bulk[2];
	struct kvfree_bulk_list list = list_of(bulk, 1);

	(void) state;
	kvfree_bulk_list_pop(&list);
	kvfree_bulk_list_push(&list, &bulk[1]);
	assert_int_equal(list.count, 1);
	assert_ptr_equal(kvfree_bulk_list_pop(&list), &bulk[1]);
	assert_null(kvfree_bulk_list_pop(&list));
}

static void assert_pops(struct kvfree_bulk_list *list,
		struct kvfree_bulk *bulk, unsigned int nr)
{
	unsigned int i;

	assert_int_equal(list->count, nr);
	for (i = 0; i < nr; i++)
		assert_ptr_equal(kvfree_bulk_list_pop(list), &bulk[i]);
	assert_null(kvfree_bulk_list_pop(list));
}

static void a_splice_appends_and_empties_its_source(void **state)
{
	struct kvfree_bulk bulk[5];
	struct kvfree_bulk_list to = list_of(bulk, 2);
	struct kvfree_bulk_list from = list_of(bulk + 2, 3);

	(void) state;
	kvfree_bulk_list_splice(&to, &from);
	assert_null(from.head);
	assert_int_equal(from.count, 0);
	assert_pops(&to, bulk, 5);
}

static void a_splice_works_with_empty_lists_on_either_side(void **state)
{
	struct kvfree_bulk bulk[3];
	struct kvfree_bulk_list none = { NULL, NULL, 0 };
	struct kvfree_bulk_list to = { NULL, NULL, 0 };
	struct kvfree_bulk_list from = list_of(bulk, 2);

	(void) state;
	kvfree_bulk_list_splice(&to, &none);
	assert_null(to.head);
	kvfree_bulk_list_splice(&to, &from);
	kvfree_bulk_list_splice(&to, &none);
	kvfree_bulk_list_push(&to, &bulk[2]);
	assert_pops(&to, bulk, 3);
}

static void a_list_of_pages_is_freed_as_a_whole(void **state)
{
	struct kvfree_bulk_list list = { NULL, NULL, 0 };
	uint64_t before = pages();
	unsigned int i;

	(void) state;
	for (i = 0; i < 10; i++)
		kvfree_bulk_list_push(&list, kvfree_bulk_alloc(domain()));
	assert_int_equal(pages(), before + 10);
	kvfree_bulk_list_free(domain(), &list);
	assert_int_equal(pages(), before);
	assert_null(list.head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_page_holds_as_many_pointers_as_4096_bytes_can),
		cmocka_unit_test(a_page_is_empty_aligned_and_counted),
		cmocka_unit_test(freeing_no_page_is_a_no_op),
		cmocka_unit_test(
			without_memory_there_is_no_page_and_none_is_counted),
		cmocka_unit_test(a_list_is_first_in_first_out),
		cmocka_unit_test(a_list_that_was_emptied_can_be_filled_again),
		cmocka_unit_test(a_splice_appends_and_empties_its_source),
		cmocka_unit_test(
			a_splice_works_with_empty_lists_on_either_side),
		cmocka_unit_test(a_list_of_pages_is_freed_as_a_whole),
	};

	return kvtest_run(tests);
}
