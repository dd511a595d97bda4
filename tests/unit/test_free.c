/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_free.c - how the objects of each channel are freed, and how large they are
 */

#include <malloc.h>

#include "cmocka-all.h"
#include "debug.h"
#include "kvinside.h"

void __real_free(void *ptr);
void __wrap_free(void *ptr);

/* Every free() of the program and the library: how many, and what the watched
 * object held then. */
static unsigned int frees;
static unsigned char *watched, held[64];

void __wrap_free(void *ptr)
{
	frees++;
	if (ptr && ptr == watched)
		memcpy(held, ptr, sizeof(held));
	__real_free(ptr);
}

static struct {
	size_t nr;
	void *first, *priv;
	unsigned int freeing;
} seen;

static struct urcu_kvfree_channel *channel;

static void see(size_t nr, void **ptrs, void *priv)
{
	seen.nr = nr;
	seen.first = ptrs[0];
	seen.priv = priv;
	seen.freeing = kvfree_freeing;
}

FIXTURE(begin)
{
	memset(&seen, 0, sizeof(seen));
	watched = NULL;
	channel = urcu_kvfree_channel_create("sees", see, &seen);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	kvfree_conf.debug = URCU_KVFREE_DEBUG_OFF;
	return urcu_kvfree_channel_destroy(channel);
}

TEST(a_channels_free_function_gets_its_objects_and_its_priv)
{
	void *ptrs[3] = { &seen, NULL, NULL };

	kvfree_free_objects(channel->number, 3, ptrs);
	assert_int_equal(seen.nr, 3);
	assert_ptr_equal(seen.first, &seen);
	assert_ptr_equal(seen.priv, &seen);
}

/* What barrier, exit and destroy look at. K16 */
TEST(a_thread_in_a_free_function_is_known_to_be)
{
	void *ptr = &seen;

	assert_int_equal(kvfree_freeing, 0);
	kvfree_free_objects(channel->number, 1, &ptr);
	assert_int_equal(seen.freeing, 1);
	assert_int_equal(kvfree_freeing, 0);
}

TEST(mallocs_channel_frees_each)
{
	void *ptrs[100];
	unsigned int i, before = frees;

	for (i = 0; i < 100; i++)
		ptrs[i] = malloc(64);
	watched = ptrs[99];
	memset(watched, 7, 64);
	kvfree_free_objects(KVFREE_CHANNEL_MALLOC, 100, ptrs);
	assert_int_equal(frees, before + 100);
	assert_int_equal(held[63], 7);
}

TEST(the_large_channel_gives_memory_back)
{
	void *ptrs[3];
	unsigned int i;

	kvinside_needs_range();
	for (i = 0; i < 3; i++)
		ptrs[i] = kvfree_area_alloc(300000);
	assert_true(kvtest_stats(NULL).large_bytes >= 900000);
	kvfree_free_objects(KVFREE_CHANNEL_LARGE, 3, ptrs);
	assert_int_equal(kvtest_stats(NULL).large_bytes, 0);
}

/* ------------------------------------------------------------------ */
/* Sizes                                                              */

static char early_object[64];
static size_t early_bytes = 1;

/* Before the constructors of the library. */
static __attribute__((constructor(101))) void ask_early(void)
{
	early_bytes = kvfree_free_malloc_bytes(early_object);
}

/* What a program's own constructor frees may be of a malloc() that is not known yet. */
TEST(before_the_librarys_constructor_no_size_is_known)
{
	assert_int_equal(early_bytes, 0);
}

TEST(mallocs_objects_have_the_size_that_malloc_says)
{
	void *ptr = malloc(1000);

	assert_int_equal(kvfree_free_bytes(KVFREE_CHANNEL_MALLOC, ptr),
		malloc_usable_size(ptr));
	assert_true(kvfree_free_malloc_bytes(ptr) >= 1000);
	free(ptr);
}

TEST(large_objects_have_the_size_that_the_range_says)
{
	void *ptr;

	kvinside_needs_range();
	ptr = kvfree_area_alloc(300000);
	assert_int_equal(kvfree_free_bytes(KVFREE_CHANNEL_LARGE, ptr),
		kvfree_area_usable(ptr));
	kvfree_area_free(ptr);
}

/* Whatever they are, nobody may look in front of them. */
TEST(objects_of_the_programs_own_channels_have_no_known_size)
{
	assert_int_equal(kvfree_free_bytes(channel->number, NULL), 0);
}

/* ------------------------------------------------------------------ */
/* With debugging on                                                  */

TEST(what_is_freed_may_be_queued_again)
{
	void *ptr = malloc(64);

	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	assert_int_equal(kvfree_debug_start(), 0);
	assert_true(kvfree_debug_queue(ptr));
	kvfree_free_objects(channel->number, 1, &ptr);
	assert_true(kvfree_debug_queue(ptr));
	kvfree_free_objects(KVFREE_CHANNEL_MALLOC, 1, &ptr);
	assert_true(kvfree_debug_queue(ptr));
	kvfree_debug_forget(ptr);
}

/* What malloc made, and no more: nobody knows how large the others are. */
TEST(strict_debugging_poisons_what_malloc_made)
{
	static const unsigned char zero[64];
	unsigned char poison[64];
	void *ptr = malloc(64);

	watched = memset(ptr, 0, 64);
	memset(poison, 0x6b, sizeof(poison));
	kvfree_conf.debug = URCU_KVFREE_DEBUG_STRICT;
	kvfree_free_objects(channel->number, 1, &ptr);
	assert_memory_equal(watched, zero, 64);
	kvfree_free_objects(KVFREE_CHANNEL_MALLOC, 1, &ptr);
	assert_memory_equal(held, poison, 64);
}

TEST(debugging_that_is_not_strict_poisons_nothing)
{
	static const unsigned char zero[64];
	void *ptr = malloc(64);

	watched = memset(ptr, 0, 64);
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	kvfree_free_objects(KVFREE_CHANNEL_MALLOC, 1, &ptr);
	assert_memory_equal(held, zero, 64);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_channels_free_function_gets_its_objects_and_its_priv),
		test(a_thread_in_a_free_function_is_known_to_be),
		test(mallocs_channel_frees_each),
		test(the_large_channel_gives_memory_back),
		test(before_the_librarys_constructor_no_size_is_known),
		test(mallocs_objects_have_the_size_that_malloc_says),
		test(large_objects_have_the_size_that_the_range_says),
		test(objects_of_the_programs_own_channels_have_no_known_size),
		test(what_is_freed_may_be_queued_again),
		test(strict_debugging_poisons_what_malloc_made),
		test(debugging_that_is_not_strict_poisons_nothing),
	};

	return kvtest_run(tests);
}
