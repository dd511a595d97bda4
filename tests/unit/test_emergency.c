/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_emergency.c - the lock-free list for objects that found no page
 */

#include "cmocka-all.h"
#include "emergency.h"
#include "kvhold.h"

#define THREADS	4
#define EACH	5000

static struct kvfree_emergency *list;	/* atomic */

struct thing {
	char front[1000];
	struct rcu_head head;
	char back[20];
};

TEST(an_empty_list_is_taken_as_null)
{
	assert_null(kvfree_emergency_take(&list));
	assert_null(kvfree_emergency_take(&list));
}

TEST(object_and_channel_are_found_again)
{
	static const size_t offsets[] = { 0, 8, 1000, 4088 };
	char *object = calloc(1, 8192);
	unsigned int i, channel;

	for (i = 0; i < 4; i++) {
		for (channel = 0; channel < KVFREE_CHANNELS; channel++) {
			struct kvfree_emergency *link;

			kvfree_emergency_push(&list, object, offsets[i],
				channel);
			link = kvfree_emergency_take(&list);
			assert_ptr_equal(link, object + offsets[i]);
			assert_ptr_equal(kvfree_emergency_object(link),
				object);
			assert_int_equal(kvfree_emergency_channel(link),
				channel);
			assert_null(link->next);
		}
	}
	free(object);
}

TEST(a_push_writes_nothing_but_the_head)
{
	struct thing thing, before;

	memset(&thing, 0x5a, sizeof(thing));
	before = thing;
	kvfree_emergency_push(&list, &thing, offsetof(struct thing, head), 3);
	kvfree_emergency_take(&list);
	assert_memory_equal(thing.front, before.front, sizeof(thing.front));
	assert_memory_equal(thing.back, before.back, sizeof(thing.back));
}

TEST(the_whole_list_is_taken_at_once)
{
	struct thing things[10];
	struct kvfree_emergency *link;
	unsigned int i, nr = 0;

	for (i = 0; i < 10; i++)
		kvfree_emergency_push(&list, &things[i],
			offsetof(struct thing, head), 0);
	for (link = kvfree_emergency_take(&list); link; link = link->next)
		nr++;
	assert_int_equal(nr, 10);
	assert_null(kvfree_emergency_take(&list));
}

static struct thing on_top;

static void push_on_top(void)
{
	kvfree_emergency_push(&list, &on_top, offsetof(struct thing, head), 1);
}

/* A signal handler between the link and the publication of another push. */
TEST(a_push_may_be_interrupted_by_a_push)
{
	struct thing below;
	struct kvfree_emergency *link;
	unsigned int nr = 0;

	kvhold_call(KVFREE_HOOK_EMERGENCY_LINKED, push_on_top);
	kvfree_emergency_push(&list, &below, offsetof(struct thing, head), 0);
	kvhold_off();
	for (link = kvfree_emergency_take(&list); link; link = link->next)
		nr++;
	assert_int_equal(nr, 2);
}

static void take_all(void)
{
	kvfree_emergency_take(&list);
}

/* The list is taken while a push has linked to its first element. */
TEST(a_push_that_loses_its_neighbour_does_not_keep_it)
{
	struct thing first, second;
	struct kvfree_emergency *link;

	kvfree_emergency_push(&list, &first, offsetof(struct thing, head), 0);
	kvhold_call(KVFREE_HOOK_EMERGENCY_LINKED, take_all);
	kvfree_emergency_push(&list, &second, offsetof(struct thing, head), 0);
	kvhold_off();
	link = kvfree_emergency_take(&list);
	assert_ptr_equal(kvfree_emergency_object(link), &second);
	assert_null(link->next);
}

/* ------------------------------------------------------------------ */
/* Many pushers, one taker                                            */

struct small {
	struct rcu_head head;
	unsigned int taken;
};

static struct small *pushed[THREADS];

static void *push_many(void *arg)
{
	struct small *things = arg;
	unsigned int i;

	for (i = 0; i < EACH; i++)
		kvfree_emergency_push(&list, &things[i], 0, 0);
	return NULL;
}

static unsigned int take_some(void)
{
	struct kvfree_emergency *link = kvfree_emergency_take(&list), *next;
	unsigned int nr = 0;

	for (; link; link = next) {
		next = link->next;
		((struct small *) kvfree_emergency_object(link))->taken++;
		nr++;
	}
	return nr;
}

TEST(pushes_at_once_lose_nothing_and_double_nothing)
{
	pthread_t tid[THREADS];
	unsigned int i, n, nr = 0;

	for (i = 0; i < THREADS; i++) {
		pushed[i] = calloc(EACH, sizeof(*pushed[i]));
		tid[i] = kvtest_thread(push_many, pushed[i]);
	}
	while (nr < THREADS * EACH / 2)
		nr += take_some();
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	nr += take_some();
	assert_int_equal(nr, THREADS * EACH);
	for (i = 0; i < THREADS; i++) {
		for (n = 0; n < EACH; n++)
			assert_int_equal(pushed[i][n].taken, 1);
		free(pushed[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_is_taken_as_null),
		cmocka_unit_test(object_and_channel_are_found_again),
		cmocka_unit_test(a_push_writes_nothing_but_the_head),
		cmocka_unit_test(the_whole_list_is_taken_at_once),
		cmocka_unit_test(a_push_may_be_interrupted_by_a_push),
		cmocka_unit_test(
			a_push_that_loses_its_neighbour_does_not_keep_it),
		cmocka_unit_test(
			pushes_at_once_lose_nothing_and_double_nothing),
	};

	return kvtest_run(tests);
}
