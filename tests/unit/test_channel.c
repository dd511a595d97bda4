/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_channel.c - the table of channels, and how each frees
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

static struct {
	size_t nr;
	void *first, *priv;
	unsigned int freeing;
} seen;

static void see(size_t nr, void **ptrs, void *priv)
{
	seen.nr = nr;
	seen.first = ptrs[0];
	seen.priv = priv;
	seen.freeing = kvfree_tls.freeing;
}

static int begin(void **state)
{
	(void) state;
	memset(&seen, 0, sizeof(seen));
	kvarena_reset();
	return 0;
}

static void channels_have_numbers_of_their_own(void **state)
{
	struct urcu_kvfree_channel *channel[URCU_KVFREE_MAX_CHANNELS];
	bool used[KVFREE_CHANNELS] = { false };
	unsigned int i;

	(void) state;
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++) {
		channel[i] = urcu_kvfree_channel_create("x", see, NULL);
		assert_in_range(channel[i]->number, KVFREE_CHANNEL_USER,
			KVFREE_CHANNELS - 1);
		assert_false(used[channel[i]->number]);
		used[channel[i]->number] = true;
	}
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		assert_int_equal(urcu_kvfree_channel_destroy(channel[i]), 0);
}

static void the_name_is_copied_and_cut_at_31_bytes(void **state)
{
	char name[100];
	struct urcu_kvfree_channel *channel;

	(void) state;
	memset(name, 'n', sizeof(name) - 1);
	name[99] = '\0';
	channel = urcu_kvfree_channel_create(name, see, NULL);
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(strlen(channel->name), 31);
	assert_int_equal(strspn(channel->name, "n"), 31);
	urcu_kvfree_channel_destroy(channel);
	channel = urcu_kvfree_channel_create("short", see, NULL);
	assert_string_equal(channel->name, "short");
	urcu_kvfree_channel_destroy(channel);
	channel = urcu_kvfree_channel_create(NULL, see, NULL);
	assert_string_equal(channel->name, "");
	urcu_kvfree_channel_destroy(channel);
}

static void a_channels_free_function_gets_its_objects_and_its_priv(void **state)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create("x",
			see, &seen);
	void *ptrs[3] = { &seen, NULL, NULL };

	(void) state;
	kvfree_channel_free(channel->number, 3, ptrs);
	assert_int_equal(seen.nr, 3);
	assert_ptr_equal(seen.first, &seen);
	assert_ptr_equal(seen.priv, &seen);
	urcu_kvfree_channel_destroy(channel);
}

/* What barrier, exit and destroy look at. K16 */
static void a_thread_in_a_free_function_is_known_to_be(void **state)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create("x",
			see, NULL);
	void *ptr = &seen;

	(void) state;
	assert_int_equal(kvfree_tls.freeing, 0);
	kvfree_channel_free(channel->number, 1, &ptr);
	assert_int_equal(seen.freeing, 1);
	assert_int_equal(kvfree_tls.freeing, 0);
	urcu_kvfree_channel_destroy(channel);
}

static void mallocs_channel_frees_each(void **state)
{
	void *ptrs[100];
	unsigned int i;

	(void) state;
	for (i = 0; i < 100; i++)
		ptrs[i] = kvarena_object();
	kvfree_channel_free(KVFREE_CHANNEL_MALLOC, 100, ptrs);
	kvarena_assert_exact();
}

static void the_large_channel_gives_memory_back(void **state)
{
	void *ptrs[3];
	unsigned int i;

	(void) state;
	kvinside_needs_range();
	for (i = 0; i < 3; i++)
		ptrs[i] = kvfree_area_alloc(&kvfree_runtime.area, 300000);
	assert_true(kvtest_stats(NULL).large_bytes >= 900000);
	kvfree_channel_free(KVFREE_CHANNEL_LARGE, 3, ptrs);
	assert_int_equal(kvtest_stats(NULL).large_bytes, 0);
}

static void destroyed_channels_can_be_had_again(void **state)
{
	unsigned int i;

	(void) state;
	for (i = 0; i < 3 * URCU_KVFREE_MAX_CHANNELS; i++) {
		struct urcu_kvfree_channel *channel =
			urcu_kvfree_channel_create("again", see, NULL);

		assert_non_null(channel);
		assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	}
}

#define test(f)	cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(channels_have_numbers_of_their_own),
		test(the_name_is_copied_and_cut_at_31_bytes),
		test(a_channels_free_function_gets_its_objects_and_its_priv),
		test(a_thread_in_a_free_function_is_known_to_be),
		test(mallocs_channel_frees_each),
		test(the_large_channel_gives_memory_back),
		test(destroyed_channels_can_be_had_again),
	};

	return kvtest_run(tests);
}
