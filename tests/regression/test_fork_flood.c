/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_fork_flood.c - urcu_kvfree_before_fork() while other threads flood the
 * library: it waits for what is under way, and for nothing that comes after that
 */

#include "cmocka-all.h"
#include "kvagain.h"
#include "kvhold.h"

static const struct rcu_flavor_struct *rcu = &urcu_memb_flavor;

FIXTURE(end)
{
	kvhold_off();
	urcu_kvfree_exit();
	return 0;
}

/* Queue until there is no page left: the last call asks for a refill. */
static void use_up_all_pages(void)
{
	while (urcu_kvfree_rcu_try_flavor(rcu, kvagain_object()))
		;
}

/* ------------------------------------------------------------------ */
/* O1                                                                 */

/* Refills after which they come to an end by themselves. */
#define MOST_REFILLS	1000

static unsigned int refills;	/* atomic */

/* While each refill runs, the next one is asked for, and the timer fires. */
static void ask_for_another(void)
{
	if (__atomic_add_fetch(&refills, 1, __ATOMIC_ACQ_REL) >= MOST_REFILLS)
		return;
	use_up_all_pages();
	kvtest_sleep_msec(2);
}

static bool refills_began(void *unused)
{
	(void) unused;
	return __atomic_load_n(&refills, __ATOMIC_ACQUIRE) > 0;
}

TEST(before_fork_does_not_wait_for_refills_that_are_asked_for_meanwhile)
{
	unsigned int nr;

	kvtest_start(5, 2);
	__atomic_store_n(&refills, 0, __ATOMIC_RELEASE);
	kvhold_every(KVFREE_HOOK_REFILL, ask_for_another);
	use_up_all_pages();
	assert_true(kvtest_wait(refills_began, NULL, KVTEST_LONG));
	urcu_kvfree_before_fork();
	nr = __atomic_load_n(&refills, __ATOMIC_ACQUIRE);
	urcu_kvfree_after_fork_parent();
	assert_true(nr < MOST_REFILLS);
}

#define SPINNERS	16

static int stop;	/* atomic */

static void *spin(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
		urcu_kvfree_rcu_try_flavor(rcu, kvagain_object());
	return arg;
}

/* A before_fork that never returns is ended by kvtest_run(). */
TEST(before_fork_returns_while_threads_spin_in_raw_calls)
{
	pthread_t tid[SPINNERS];
	unsigned int i;

	kvtest_start(5, 2);
	__atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
	for (i = 0; i < SPINNERS; i++)
		tid[i] = kvtest_thread(spin, NULL);
	for (i = 0; i < 5; i++) {
		urcu_kvfree_before_fork();
		urcu_kvfree_after_fork_parent();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < SPINNERS; i++)
		kvtest_join(tid[i]);
}

/* ------------------------------------------------------------------ */
/* O21                                                                */

/* Objects, and cached pages that have room for them all. */
#define OBJECTS		60000
#define PAGES		200

static struct kvtest_object objects[OBJECTS];
static struct urcu_kvfree_channel *channel;
static int freeing;		/* atomic: a free function was called */
static int forker;		/* atomic: thread id, before it calls */
static size_t freed;		/* atomic */
static size_t freed_at_return;	/* by the forker, for who joins it */

static bool has_begun_to_free(void *unused)
{
	(void) unused;
	return __atomic_load_n(&freeing, __ATOMIC_ACQUIRE);
}

/* The thread in before_fork waits for us, or is through. */
static bool forker_waits(void *unused)
{
	int tid = __atomic_load_n(&forker, __ATOMIC_ACQUIRE);

	(void) unused;
	return tid < 0 || (tid > 0 && kvtest_sleeps(tid));
}

static void free_slowly(size_t nr, void **ptrs, void *priv)
{
	(void) ptrs;
	(void) priv;
	__atomic_store_n(&freeing, 1, __ATOMIC_RELEASE);
	if (!kvtest_wait(forker_waits, NULL, KVTEST_LONG))
		abort();
	__atomic_store_n(&forker, -1, __ATOMIC_RELEASE);
	__atomic_fetch_add(&freed, nr, __ATOMIC_ACQ_REL);
}

static void *call_before_fork(void *arg)
{
	__atomic_store_n(&forker, kvtest_tid(), __ATOMIC_RELEASE);
	urcu_kvfree_before_fork();
	freed_at_return = __atomic_load_n(&freed, __ATOMIC_ACQUIRE);
	urcu_kvfree_after_fork_parent();
	return arg;
}

static bool has_many_pages(void *unused)
{
	(void) unused;
	return kvtest_stats(rcu).cached_pages >= PAGES;
}

static void start_with_many_pages(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_min_cached_pages(attr, PAGES + 2) ||
	    urcu_kvfree_attr_set_drain_msec(attr, 20) ||
	    urcu_kvfree_attr_set_workers(attr, 2) || urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

/* All objects are queued, and none is freed before the reader leaves. Should a busy
 * machine let the cache age before we see it full, the emergency list does. */
static void queue_all_behind_a_reader(void)
{
	struct kvtest_reader reader;
	size_t i;

	if (urcu_kvfree_register_thread_flavor(rcu))
		abort();
	kvtest_reader_enter(&reader, rcu);
	for (i = 0; i < OBJECTS; i++) {
		urcu_kvfree_rcu_channel_flavor(rcu, &objects[i], head,
				channel);
		if (i == 0)
			kvtest_wait(has_many_pages, NULL, 1000);
	}
	kvtest_reader_leave(&reader);
}

/* Two workers have a piece of some pages each in their hands at the most. */
TEST(before_fork_waits_for_pieces_not_for_all_that_is_ripe)
{
	pthread_t tid;

	kvtest_needs_proc();
	start_with_many_pages();
	freeing = forker = 0;
	freed = 0;
	channel = urcu_kvfree_channel_create("slow", free_slowly, NULL);
	assert_non_null(channel);
	queue_all_behind_a_reader();
	assert_true(kvtest_wait(has_begun_to_free, NULL, KVTEST_LONG));
	tid = kvtest_thread(call_before_fork, NULL);
	kvtest_join(tid);
	assert_true(freed_at_return > 0);
	assert_true(freed_at_return <= OBJECTS / 2);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_int_equal(freed, OBJECTS);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, NULL, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(
		before_fork_does_not_wait_for_refills_that_are_asked_for_meanwhile),
		test(before_fork_returns_while_threads_spin_in_raw_calls),
		test(before_fork_waits_for_pieces_not_for_all_that_is_ripe),
	};

	return kvtest_run(tests);
}
