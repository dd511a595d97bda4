/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_channel.c - channels of the program: made, named, destroyed
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

static void nothing(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

FIXTURE(begin)
{
	kvarena_reset();
	return 0;
}

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

TEST(channels_have_numbers_of_their_own)
{
	struct urcu_kvfree_channel *channel[URCU_KVFREE_MAX_CHANNELS];
	bool used[KVFREE_CHANNELS] = { false };
	unsigned int i;

	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++) {
		channel[i] = urcu_kvfree_channel_create("x", nothing, NULL);
		assert_in_range(channel[i]->number, KVFREE_CHANNEL_USER,
			KVFREE_CHANNELS - 1);
		assert_false(used[channel[i]->number]);
		used[channel[i]->number] = true;
	}
	errno = 0;
	assert_null(urcu_kvfree_channel_create("x", nothing, NULL));
	assert_int_equal(errno, ENOSPC);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		assert_int_equal(urcu_kvfree_channel_destroy(channel[i]), 0);
}

TEST(a_channel_without_a_free_function_is_einval)
{
	errno = 0;
	assert_null(urcu_kvfree_channel_create("x", NULL, NULL));
	assert_int_equal(errno, EINVAL);
}

TEST(the_name_is_copied_and_cut_at_31_bytes)
{
	char name[100];
	struct urcu_kvfree_channel *channel;

	memset(name, 'n', sizeof(name) - 1);
	name[99] = '\0';
	channel = urcu_kvfree_channel_create(name, nothing, NULL);
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(strlen(channel->name), 31);
	assert_int_equal(strspn(channel->name, "n"), 31);
	urcu_kvfree_channel_destroy(channel);
	channel = urcu_kvfree_channel_create("short", nothing, NULL);
	assert_string_equal(channel->name, "short");
	urcu_kvfree_channel_destroy(channel);
	channel = urcu_kvfree_channel_create(NULL, nothing, NULL);
	assert_string_equal(channel->name, "");
	urcu_kvfree_channel_destroy(channel);
}

TEST(destroyed_channels_can_be_had_again)
{
	unsigned int i;

	for (i = 0; i < 3 * URCU_KVFREE_MAX_CHANNELS; i++) {
		struct urcu_kvfree_channel *channel =
			urcu_kvfree_channel_create("again", nothing, NULL);

		assert_non_null(channel);
		assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	}
}

TEST(no_channel_is_destroyed_at_once)
{
	assert_int_equal(urcu_kvfree_channel_destroy(NULL), 0);
}

/* K15: on each flavor, in pages and on the emergency list. */
TEST(destroy_waits_until_all_that_was_queued_is_freed)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create("x",
			kvarena_free_bulk, NULL);
	const struct kvtest_flavor *flavor;

	kvtest_start(60000, 2);
	for (flavor = kvtest_flavors; flavor->name; flavor++) {
		urcu_kvfree_rcu_channel_flavor(flavor->rcu, kvarena_object(),
			head, channel);
		kvinside_queue_emergency(flavor->rcu, kvarena_object(),
			channel);
	}
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	kvarena_assert_exact();
}

static int result, error;

static void destroy_inside(size_t nr, void **ptrs, void *priv)
{
	errno = 0;
	result = urcu_kvfree_channel_destroy(
			*(struct urcu_kvfree_channel **) priv);
	error = errno;
	kvarena_free_bulk(nr, ptrs, NULL);
}

/* K16: it would wait for itself. */
TEST(destroy_in_a_free_function_is_edeadlk)
{
	struct urcu_kvfree_channel *channel;

	channel = urcu_kvfree_channel_create("x", destroy_inside, &channel);
	kvtest_start(60000, 2);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		channel);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	kvarena_assert_exact();
	assert_int_equal(result, -1);
	assert_int_equal(error, EDEADLK);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(channels_have_numbers_of_their_own),
		test(a_channel_without_a_free_function_is_einval),
		test(the_name_is_copied_and_cut_at_31_bytes),
		test(destroyed_channels_can_be_had_again),
		test(no_channel_is_destroyed_at_once),
		test(destroy_waits_until_all_that_was_queued_is_freed),
		test(destroy_in_a_free_function_is_edeadlk),
	};

	return kvtest_run(tests);
}
