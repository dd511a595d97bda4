/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_exit_rounds.c - urcu_kvfree_exit() and free functions that queue more (O10)
 *
 * What a free function queues may belong to a flavor that exit is through with. Exit
 * goes on until nothing is left on any, and says so when that does not happen.
 */

#include "cmocka-all.h"
#include "kvchild.h"

/* Objects that are queued one after the other, each by the free of the last. */
#define LINKS	50

struct link {
	struct urcu_kvfree_channel *channel;
	unsigned int left;	/* atomic */
	const struct rcu_flavor_struct *turn[2];
};

static void queue_link(struct link *link, unsigned int left)
{
	urcu_kvfree_rcu_channel_flavor(link->turn[left % 2],
			kvtest_object_new(left), head, link->channel);
}

static void free_and_queue_next(size_t nr, void **ptrs, void *priv)
{
	struct link *link = priv;
	unsigned int left;

	while (nr--) {
		free(ptrs[nr]);
		left = __atomic_load_n(&link->left, __ATOMIC_RELAXED);
		if (!left)
			continue;
		__atomic_store_n(&link->left, left - 1, __ATOMIC_RELAXED);
		queue_link(link, left - 1);
	}
}

/* Nothing is freed before exit: the tick is far away. */
static void exit_with_links(struct link *link, unsigned int nr)
{
	kvtest_start(60000, 2);
	link->channel = urcu_kvfree_channel_create("links",
			free_and_queue_next, link);
	if (!link->channel)
		abort();
	link->left = nr;
	queue_link(link, nr);
	urcu_kvfree_exit();
}

TEST(exit_frees_what_free_functions_queue_on_other_flavors)
{
	struct link link = { .turn = { &urcu_memb_flavor, &urcu_bp_flavor } };
	struct urcu_kvfree_stats before = kvtest_stats(NULL), after;

	exit_with_links(&link, LINKS);
	after = kvtest_stats(NULL);
	assert_int_equal(after.queued - before.queued, LINKS + 1);
	assert_int_equal(after.freed - before.freed, LINKS + 1);
	assert_int_equal(after.pending, 0);
	assert_int_equal(urcu_kvfree_channel_destroy(link.channel), 0);
}

/* From each flavor to each other, whichever was used first. */
TEST(exit_frees_what_is_queued_from_any_flavor_to_any)
{
	const struct kvtest_flavor *a, *b;

	for (a = kvtest_flavors; a->name; a++)
		for (b = kvtest_flavors; b->name; b++) {
			struct link link = { .turn = { a->rcu, b->rcu } };

			exit_with_links(&link, 3);
			assert_int_equal(kvtest_stats(NULL).pending, 0);
			urcu_kvfree_channel_destroy(link.channel);
		}
}

static int without_end(void)
{
	struct link link = { .turn = { &urcu_memb_flavor, &urcu_bp_flavor } };

	exit_with_links(&link, 1000000000);
	return kvtest_stats(NULL).pending ? KVCHILD_OK : 1;
}

static const struct kvchild_scenario scenarios[] = {
	{ "without_end", without_end },
	{ NULL, NULL },
};

TEST(exit_warns_of_free_functions_that_queue_without_end)
{
	char err[4096];

	assert_int_equal(kvchild_run("without_end", err, sizeof(err)),
		KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), 1);
	assert_non_null(strstr(err, "urcu_kvfree_exit()"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		exit_frees_what_free_functions_queue_on_other_flavors),
		cmocka_unit_test(
		exit_frees_what_is_queued_from_any_flavor_to_any),
		cmocka_unit_test(
		exit_warns_of_free_functions_that_queue_without_end),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
