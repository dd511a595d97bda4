/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_count_order.c - an object counts as queued before it counts as freed, and
 * is pending from before the one to after the other (O17)
 *
 * Otherwise the pending count, which is a difference, would wrap. What processors
 * with weak memory may make of the counters' order is shown by GenMC.
 */

#include "cmocka-all.h"
#include "kvhold.h"

#define EACH		100000
#define QUEUERS		3
#define CLEAN_EACH	3	/* one clean call of so many calls */

static const struct rcu_flavor_struct *rcu;
static struct urcu_kvfree_channel *channel;
static int few_pended;	/* atomic: fewer pended than were being freed */
static int stop;	/* atomic */

static void free_and_look(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	if (kvtest_stats(rcu).pending < nr)
		__atomic_store_n(&few_pended, 1, __ATOMIC_RELEASE);
	while (nr--)
		free(ptrs[nr]);
}

static int begin(void **state)
{
	rcu = kvtest_of(state);
	few_pended = stop = 0;
	kvtest_start(1, 2);
	channel = urcu_kvfree_channel_create("looks", free_and_look, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	kvhold_off();
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	return 0;
}

TEST(what_a_free_function_has_in_its_hands_is_pending)
{
	unsigned int i;

	for (i = 0; i < 5000; i++)
		urcu_kvfree_rcu_channel_flavor(rcu, kvtest_object_new(i), head,
				channel);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(__atomic_load_n(&few_pended, __ATOMIC_ACQUIRE), 0);
	assert_int_equal(kvtest_stats(rcu).pending, 0);
}

/* Of a thread without a record and without a page. */
static void *queue_one(void *unused)
{
	(void) unused;
	urcu_kvfree_rcu_flavor(rcu, kvtest_object_new(1), head);
	return NULL;
}

/* Its link is set, and nobody can see the object yet. */
TEST(an_emergency_object_counts_before_it_can_be_seen)
{
	struct urcu_kvfree_stats before, there;
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	pthread_t tid;
	bool standing;

	/* No pages: all raw calls go through the emergency list. */
	urcu_kvfree_exit();
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 0), 0);
	assert_int_equal(urcu_kvfree_init(attr), 0);
	urcu_kvfree_attr_destroy(attr);
	before = kvtest_stats(rcu);
	kvhold_at(KVFREE_HOOK_EMERGENCY_LINKED);
	tid = kvtest_thread(queue_one, NULL);
	standing = kvhold_wait();
	there = kvtest_stats(rcu);
	kvhold_go();
	kvtest_join(tid);
	assert_true(standing);
	assert_int_equal(there.queued - before.queued, 1);
	assert_int_equal(there.freed - before.freed, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(kvtest_stats(rcu).freed - before.freed, 1);
}

static void *queue_each(void *unused)
{
	unsigned int i;

	(void) unused;
	for (i = 0; i < EACH; i++)
		if (i % CLEAN_EACH)
			urcu_kvfree_rcu_flavor(rcu, kvtest_object_new(i), head);
		else
			urcu_kvfree_rcu_mightsleep_flavor(rcu,
					kvtest_object_new(i));
	return NULL;
}

/* Looks that found something that cannot be. */
static void *look(void *unused)
{
	uintptr_t wrong = 0;

	(void) unused;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct urcu_kvfree_stats stats = kvtest_stats(rcu);

		if (stats.freed + stats.leaked > stats.queued ||
		    stats.pending > stats.queued ||
		    stats.pending_bytes > UINT64_MAX / 2)
			wrong++;
	}
	return (void *) wrong;
}

TEST(the_pending_count_never_wraps_under_load)
{
	pthread_t queuer[QUEUERS], looker;
	unsigned int i;

	looker = kvtest_thread(look, NULL);
	for (i = 0; i < QUEUERS; i++)
		queuer[i] = kvtest_thread(queue_each, NULL);
	for (i = 0; i < QUEUERS; i++)
		kvtest_join(queuer[i]);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	assert_ptr_equal(kvtest_join(looker), NULL);
	assert_int_equal(kvtest_stats(rcu).pending, 0);
}

#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_each(what_a_free_function_has_in_its_hands_is_pending),
		test_each(an_emergency_object_counts_before_it_can_be_seen),
		test_each(the_pending_count_never_wraps_under_load),
	};

	return kvtest_run(tests);
}
