/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_calls.c - the small print of the header: NULL, errno, macros, bad input
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

static const struct rcu_flavor_struct *rcu;
static struct urcu_kvfree_channel *channel;

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &urcu_memb_flavor;
	kvtest_start(2, 2);
	kvarena_reset();
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	return urcu_kvfree_channel_destroy(channel);
}

TEST(null_is_a_no_op_in_every_call)
{
	struct urcu_kvfree_stats before = kvtest_stats(rcu);
	struct kvtest_object *none = NULL;

	urcu_kvfree_rcu_flavor(rcu, none, head);
	urcu_kvfree_rcu_flavor(rcu, none);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, NULL);
	assert_true(urcu_kvfree_rcu_try_flavor(rcu, NULL));
	urcu_kvfree_rcu_channel_flavor(rcu, none, head, channel);
	urcu_kvfree_rcu_offset_flavor(rcu, NULL, 16);
	urcu_kvfree_rcu_channel_offset_flavor(rcu, NULL, 16, channel);
	assert_int_equal(kvtest_stats(rcu).queued, before.queued);
}

/* Every path of the raw calls: first call, fast, page full, locked, empty. */
static void *check_errno(void *arg)
{
	int *changed = arg, i;

	for (i = 0; i < 5000; i++) {
		struct kvtest_object *object = kvarena_object();

		errno = 12345;
		if (i % 3 == 0)
			urcu_kvfree_rcu_flavor(rcu, object, head);
		else if (i % 3 == 1)
			urcu_kvfree_rcu_channel_flavor(rcu, object, head,
					channel);
		else if (!urcu_kvfree_rcu_try_flavor(rcu, object))
			urcu_kvfree_rcu_flavor(rcu, object, head);
		if (errno != 12345)
			(*changed)++;
	}
	for (i = 0; i < 3; i++) {
		errno = 12345;
		kvinside_queue_emergency(rcu, kvarena_object(), NULL);
		if (errno != 12345)
			(*changed)++;
	}
	return NULL;
}

TEST(raw_calls_keep_errno)
{
	int changed = 0;

	kvtest_on_thread(check_errno, &changed);
	assert_int_equal(changed, 0);
	/* And where the timers are not there to be armed. */
	urcu_kvfree_exit();
	errno = 12345;
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	assert_int_equal(errno, 12345);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

TEST(the_pointer_is_evaluated_once)
{
	struct kvtest_object *objects[5], **next = objects;
	unsigned int i;

	for (i = 0; i < 5; i++)
		objects[i] = kvarena_object();
	urcu_kvfree_rcu_flavor(rcu, *next++, head);
	urcu_kvfree_rcu_flavor(rcu, *next++);
	urcu_kvfree_rcu_channel_flavor(rcu, *next++, head, channel);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, *next++);
	if (!urcu_kvfree_rcu_try_flavor(rcu, *next++))
		urcu_kvfree_rcu_flavor(rcu, objects[4], head);
	assert_ptr_equal(next, objects + 5);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

struct nested {
	struct {
		int value;
		struct {
			struct rcu_head head;
		} links[2];
	} node;
	char rest[1000];
};

struct far {
	char front[URCU_KVFREE_MAX_OFFSET - sizeof(struct rcu_head)];
	struct rcu_head head;
	char back[8000];
};

/* Queue @ptr with its head at @offset on the emergency list, where the offset
 * counts. */
#define queue_on_emergency(ptr, field)					\
	do {								\
		struct kvfree_record *record_ = kvinside_record(rcu);	\
									\
		kvfree_record_lock(record_);				\
		urcu_kvfree_rcu_flavor(rcu, ptr, field);		\
		kvfree_record_unlock(record_);				\
	} while (0)

/* malloc's own objects: AddressSanitizer checks each free. */
TEST(the_head_may_be_nested_and_far_from_the_start)
{
	struct urcu_kvfree_stats before = kvtest_stats(rcu), after;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		struct nested *nested = malloc(sizeof(*nested));
		struct nested *again = malloc(sizeof(*again));
		struct far *far = malloc(sizeof(*far));
		struct far *further = malloc(sizeof(*further));

		urcu_kvfree_rcu_flavor(rcu, nested, node.links[1].head);
		queue_on_emergency(again, node.links[1].head);
		urcu_kvfree_rcu_flavor(rcu, far, head);
		queue_on_emergency(further, head);
	}
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	after = kvtest_stats(rcu);
	assert_int_equal(after.freed - before.freed, 80);
	assert_true(after.emergency - before.emergency >= 40);
}

TEST(every_malloc_family_pointer_may_be_deferred)
{
	struct kvtest_object *object;
	uint64_t freed = kvtest_stats(rcu).freed;
	void *mem = NULL;

	urcu_kvfree_rcu_mightsleep_flavor(rcu, malloc(1));
	urcu_kvfree_rcu_mightsleep_flavor(rcu, calloc(3, 100000));
	urcu_kvfree_rcu_mightsleep_flavor(rcu, realloc(NULL, 10));
	urcu_kvfree_rcu_mightsleep_flavor(rcu, aligned_alloc(64, 640));
	assert_int_equal(posix_memalign(&mem, 4096, 8192), 0);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, mem);
	urcu_kvfree_rcu_mightsleep_flavor(rcu, urcu_kvmalloc(10));
	urcu_kvfree_rcu_mightsleep_flavor(rcu, urcu_kvcalloc(10, 100000));
	assert_int_equal(posix_memalign(&mem, 256, sizeof(*object)), 0);
	object = mem;
	urcu_kvfree_rcu_flavor(rcu, object, head);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(kvtest_stats(rcu).freed - freed, 8);
}

TEST(reclaim_frees_no_more_than_it_is_told)
{
	unsigned int i;
	size_t nr;

	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(rcu, 0), 0);
	for (i = 0; i < 20000; i++) {
		size_t freed;

		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
		freed = kvtest_stats(rcu).owner_freed;
		nr = urcu_kvfree_rcu_reclaim_flavor(rcu, 3);
		assert_in_range(nr, 0, 3);
		assert_int_equal(kvtest_stats(rcu).owner_freed, freed + nr);
	}
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(rcu, SIZE_MAX), 0);
	kvarena_assert_exact();
}

TEST(stats_without_a_place_are_einval)
{
	struct urcu_kvfree_stats stats;

	errno = 0;
	assert_int_equal(urcu_kvfree_get_stats_flavor(rcu, NULL,
		sizeof(stats)), -1);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(urcu_kvfree_get_stats_flavor(rcu, &stats, 0), -1);
	assert_int_equal(errno, EINVAL);
}

TEST(stats_write_no_more_and_no_less_than_the_size)
{
	struct {
		struct urcu_kvfree_stats known;
		uint64_t later[4];
	} stats;

	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	memset(&stats, 0xee, sizeof(stats));
	/* A caller that knows the first member alone. */
	assert_int_equal(urcu_kvfree_get_stats_flavor(rcu, &stats.known,
		sizeof(uint64_t)), 0);
	assert_true(stats.known.queued >= 1 && stats.known.queued < 1u << 30);
	assert_int_equal(stats.known.freed, 0xeeeeeeeeeeeeeeeeULL);
	/* A caller that knows more than the library. */
	memset(&stats, 0xee, sizeof(stats));
	assert_int_equal(urcu_kvfree_get_stats_flavor(rcu, &stats.known,
		sizeof(stats.known) + 2 * sizeof(uint64_t)), 0);
	assert_int_equal(stats.later[0], 0);
	assert_int_equal(stats.later[1], 0);
	assert_int_equal(stats.later[2], 0xeeeeeeeeeeeeeeeeULL);
}

/* Calls that the manual allows inside a read-side section. */
TEST(what_may_be_called_inside_a_section_works_there)
{
	struct urcu_kvfree_stats stats;

	rcu->register_thread();
	rcu->read_lock();
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	if (!urcu_kvfree_rcu_try_flavor(rcu, kvarena_object()))
		urcu_kvfree_rcu_flavor(rcu, kvarena_nth(2), head);
	urcu_kvfree(urcu_kvmalloc(10));
	urcu_kvfree(urcu_kvmalloc(1 << 20));
	urcu_kvfree_rcu_reclaim_flavor(rcu, 10);
	assert_int_equal(urcu_kvfree_get_stats_flavor(rcu, &stats,
		sizeof(stats)), 0);
	assert_int_equal(kvarena_freed(), 0);
	rcu->read_unlock();
	rcu->unregister_thread();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

TEST(the_short_names_mean_the_flavor_that_was_included)
{
	struct urcu_kvfree_stats stats, memb;
	struct kvtest_object *objects = kvarena_object();

	/* kvtest.h includes urcu.h: the map says memb. */
	assert_int_equal(urcu_kvfree_register_thread(), 0);
	urcu_kvfree_rcu(objects, head);
	urcu_kvfree_rcu(kvarena_object());
	urcu_kvfree_rcu_mightsleep(kvarena_object());
	if (!urcu_kvfree_rcu_try(kvarena_object()))
		urcu_kvfree_rcu(kvarena_nth(3), head);
	objects = kvarena_object();
	urcu_kvfree_rcu_channel(objects, head, channel);
	urcu_kvfree_rcu_reclaim(1);
	assert_int_equal(urcu_kvfree_rcu_barrier(), 0);
	assert_int_equal(urcu_kvfree_get_stats(&stats, sizeof(stats)), 0);
	memb = kvtest_stats(&urcu_memb_flavor);
	assert_int_equal(stats.queued, memb.queued);
	urcu_kvfree_unregister_thread();
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_each(null_is_a_no_op_in_every_call),
		test_each(raw_calls_keep_errno),
		test_each(the_pointer_is_evaluated_once),
		test_each(the_head_may_be_nested_and_far_from_the_start),
		test_each(every_malloc_family_pointer_may_be_deferred),
		test_each(reclaim_frees_no_more_than_it_is_told),
		test(stats_without_a_place_are_einval),
		test(stats_write_no_more_and_no_less_than_the_size),
		test_each(what_may_be_called_inside_a_section_works_there),
		test(the_short_names_mean_the_flavor_that_was_included),
	};

	return kvtest_run(tests);
}
