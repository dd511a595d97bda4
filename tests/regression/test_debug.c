/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_debug.c - objects that are queued twice, calls that may wait inside
 * sections; strict debugging
 *
 * Each case in a process of its own: it sets URCU_KVFREE_DEBUG and its messages
 * are read.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvinside.h"
#include "tsan.h"

#define rcu	(&urcu_memb_flavor)

/* Queued twice before anything is freed; @again is the second queueing. */
static int queue_twice(void (*again)(struct kvtest_object *object))
{
	struct kvtest_object *object = kvtest_object_new(1);
	struct urcu_kvfree_stats stats;
	struct kvtest_reader reader;

	if (urcu_kvfree_init(NULL))
		return 1;
	kvtest_reader_enter(&reader, rcu);
	urcu_kvfree_rcu_flavor(rcu, object, head);
	again(object);
	again(object);
	if (!kvtest_object_alive(object))
		return 2;
	kvtest_reader_leave(&reader);
	urcu_kvfree_exit();
	stats = kvtest_stats(rcu);
	if (stats.queued != 3 || stats.freed != 1 || stats.leaked != 2)
		return 3;
	return stats.pending == 0 ? KVCHILD_OK : 4;
}

static void again_raw(struct kvtest_object *object)
{
	urcu_kvfree_rcu_flavor(rcu, object, head);
}

static void again_headless(struct kvtest_object *object)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, object);
}

static void again_try(struct kvtest_object *object)
{
	/* Refused while the tick's service has the record. */
	while (!urcu_kvfree_rcu_try_flavor(rcu, object))
		sched_yield();
}

static void again_emergency(struct kvtest_object *object)
{
	kvinside_queue_emergency(rcu, object, NULL);
}

static int twice_raw(void)
{
	return queue_twice(again_raw);
}

static int twice_headless(void)
{
	return queue_twice(again_headless);
}

static int twice_try(void)
{
	return queue_twice(again_try);
}

static int twice_emergency(void)
{
	return queue_twice(again_emergency);
}

/* The same address, allocated again after its free, is no second queueing. */
static int reuse_is_no_double(void)
{
	struct urcu_kvfree_stats stats;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		urcu_kvfree_rcu_flavor(rcu, kvtest_object_new(i), head);
		if (i % 10 == 0)
			urcu_kvfree_rcu_barrier_flavor(rcu);
	}
	urcu_kvfree_exit();
	stats = kvtest_stats(rcu);
	return stats.leaked == 0 && stats.freed == 1000 ? KVCHILD_OK : 1;
}

/* A refused _try leaves the object the caller's, to be queued later. */
static int refused_try_is_forgotten(void)
{
	struct kvtest_object *object = kvtest_object_new(1);
	struct kvfree_record *record;

	if (urcu_kvfree_init(NULL))
		return 1;
	record = kvinside_record(rcu);
	kvfree_record_lock(record);
	if (urcu_kvfree_rcu_try_flavor(rcu, object))
		return 2;
	kvfree_record_unlock(record);
	urcu_kvfree_rcu_flavor(rcu, object, head);
	urcu_kvfree_exit();
	return kvtest_stats(rcu).leaked == 0 ? KVCHILD_OK : 3;
}

/* ------------------------------------------------------------------ */
/* Inside a section                                                   */

/* One place. */
static __attribute__((noinline)) void free_later(
		const struct rcu_flavor_struct *flavor)
{
	urcu_kvfree_rcu_mightsleep_flavor(flavor, malloc(16));
	/* No tail call, which would return to the caller's places. */
	cmm_barrier();
}

/* In a section of @inside, calls on @queue: three at one place, one at another. */
static int call_inside(const struct rcu_flavor_struct *inside,
		const struct rcu_flavor_struct *queue)
{
	unsigned int i;

	/* Flavors are known once they were used. */
	urcu_kvfree_rcu_barrier_flavor(inside);
	inside->register_thread();
	inside->read_lock();
	for (i = 0; i < 3; i++)
		free_later(queue);
	urcu_kvfree_rcu_mightsleep_flavor(queue, malloc(16));
	inside->read_unlock();
	inside->unregister_thread();
	urcu_kvfree_exit();
	return kvtest_stats(queue).freed == 4 ? KVCHILD_OK : 1;
}

static int inside_memb(void)
{
	return call_inside(&urcu_memb_flavor, &urcu_memb_flavor);
}

static int inside_mb(void)
{
	return call_inside(&urcu_mb_flavor, &urcu_mb_flavor);
}

static int inside_bp(void)
{
	return call_inside(&urcu_bp_flavor, &urcu_bp_flavor);
}

static int inside_another(void)
{
	return call_inside(&urcu_mb_flavor, &urcu_bp_flavor);
}

/* An online thread may make the call, and so may one that never was a reader. */
static int inside_qsbr(void)
{
	return call_inside(&urcu_qsbr_flavor, &urcu_qsbr_flavor);
}

static int outside(void)
{
	unsigned int i;

	rcu_register_thread();
	for (i = 0; i < 1000; i++) {
		rcu_read_lock();
		rcu_read_unlock();
		free_later(rcu);
	}
	rcu_unregister_thread();
	urcu_kvfree_exit();
	return KVCHILD_OK;
}

/* Calls that always wait end the process. The library is started first, for its debugging. */
static void enter_section(void)
{
	rcu_register_thread();
	free_later(rcu);
	rcu_read_lock();
}

static int barrier_inside(void)
{
	enter_section();
	urcu_kvfree_rcu_barrier_flavor(rcu);
	return 1;
}

static int shrink_inside(void)
{
	enter_section();
	urcu_kvfree_shrink();
	return 1;
}

static int exit_inside(void)
{
	enter_section();
	urcu_kvfree_exit();
	return 1;
}

static int before_fork_inside(void)
{
	enter_section();
	urcu_kvfree_before_fork();
	return 1;
}

static void keep(size_t nr, void **ptrs, void *priv);

static int channel_destroy_inside(void)
{
	struct urcu_kvfree_channel *channel =
		urcu_kvfree_channel_create("kept", keep, NULL);

	enter_section();
	urcu_kvfree_channel_destroy(channel);
	return 1;
}

/* ------------------------------------------------------------------ */
/* Strict                                                             */

static bool poisoned(void *object)
{
	uint64_t canary = __atomic_load_n(
			&((struct kvtest_object *) object)->canary,
			__ATOMIC_RELAXED);

	return canary == 0x6b6b6b6b6b6b6b6bULL;
}

/* The object whose free() does nothing, so that its poison can be looked at. */
static struct kvtest_object *kept;

void __real_free(void *ptr);
void __wrap_free(void *ptr);

void __wrap_free(void *ptr)
{
	if (ptr != kept)
		__real_free(ptr);
}

static void keep(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

/*
 * P1: an object that is queued before it is unlinked. Strict debugging begins its
 * grace period at once and poisons it, so that the reader that still finds it
 * sees that.
 */
static int missing_unlink_shows(void)
{
	if (urcu_kvfree_init(NULL))
		return 1;
	kept = kvtest_object_new(1);
	urcu_kvfree_rcu_flavor(rcu, kept, head);
	return kvtest_wait(poisoned, kept, KVTEST_LONG) ? KVCHILD_OK : 2;
}

/* The objects of a channel are its owner's memory: tracked, not poisoned. */
static int channel_objects_are_not_poisoned(void)
{
	struct urcu_kvfree_channel *channel =
		urcu_kvfree_channel_create("kept", keep, NULL);
	struct kvtest_object *object = kvtest_object_new(1);

	urcu_kvfree_rcu_channel_flavor(rcu, object, head, channel);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	if (!kvtest_object_alive(object))
		return 1;
	free(object);
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	return KVCHILD_OK;
}

static const struct kvchild_scenario scenarios[] = {
	{ "twice_raw", twice_raw },
	{ "twice_headless", twice_headless },
	{ "twice_try", twice_try },
	{ "twice_emergency", twice_emergency },
	{ "reuse_is_no_double", reuse_is_no_double },
	{ "refused_try_is_forgotten", refused_try_is_forgotten },
	{ "inside_memb", inside_memb },
	{ "inside_mb", inside_mb },
	{ "inside_bp", inside_bp },
	{ "inside_another", inside_another },
	{ "inside_qsbr", inside_qsbr },
	{ "outside", outside },
	{ "barrier_inside", barrier_inside },
	{ "shrink_inside", shrink_inside },
	{ "exit_inside", exit_inside },
	{ "before_fork_inside", before_fork_inside },
	{ "channel_destroy_inside", channel_destroy_inside },
	{ "missing_unlink_shows", missing_unlink_shows },
	{ "channel_objects_are_not_poisoned",
		channel_objects_are_not_poisoned },
	{ NULL, NULL },
};

/* Once for the object, however often it is queued; with a backtrace. */
static void assert_reported(const char *scenario)
{
	char err[8192];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), 1);
	assert_non_null(strstr(err, "is queued twice"));
#ifdef __GLIBC__
	assert_non_null(strstr(err, "+0x"));
#endif
}

/* Once for each of the two places, with a backtrace. */
static void assert_section_reported(const char *scenario)
{
	char err[8192];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), 2);
	assert_non_null(strstr(err, "inside an RCU read-side critical section"));
#ifdef __GLIBC__
	assert_non_null(strstr(err, "+0x"));
#endif
}

/* With a backtrace and without; the second line says how it ends. */
static void assert_fatal(const char *scenario, const char *call)
{
	char err[8192];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), 128 + SIGABRT);
	assert_int_equal(kvchild_count_lines(err), 2);
	assert_non_null(strstr(err, call));
	assert_non_null(strstr(err, "it would wait for itself"));
#ifdef __GLIBC__
	assert_non_null(strstr(err, "+0x"));
#endif
}

static void assert_silent(const char *scenario)
{
	char err[8192];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), 0);
}

TEST(a_second_queueing_is_reported_once_and_leaked)
{
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_reported("twice_raw");
	assert_reported("twice_headless");
	assert_reported("twice_try");
	assert_reported("twice_emergency");
}

TEST(what_is_queued_once_is_not_reported)
{
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_silent("reuse_is_no_double");
	assert_silent("refused_try_is_forgotten");
	setenv("URCU_KVFREE_DEBUG", "strict", 1);
	assert_silent("reuse_is_no_double");
	assert_silent("channel_objects_are_not_poisoned");
}

TEST(a_call_that_may_wait_is_reported_in_each_section)
{
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_section_reported("inside_memb");
	assert_section_reported("inside_mb");
	assert_section_reported("inside_bp");
	assert_section_reported("inside_another");
}

TEST(a_call_that_waits_in_a_section_says_who_made_it)
{
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_fatal("barrier_inside", "urcu_kvfree_rcu_barrier()");
	assert_fatal("shrink_inside", "urcu_kvfree_shrink()");
	assert_fatal("exit_inside", "urcu_kvfree_exit()");
	assert_fatal("before_fork_inside", "urcu_kvfree_before_fork()");
	assert_fatal("channel_destroy_inside", "urcu_kvfree_channel_destroy()");
}

TEST(a_call_that_may_wait_is_not_reported_elsewhere)
{
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_silent("inside_qsbr");
	assert_silent("outside");
	setenv("URCU_KVFREE_DEBUG", "0", 1);
	assert_silent("inside_memb");
}

TEST(strict_debugging_shows_a_missing_unlink)
{
#ifdef KVFREE_TSAN
	kvtest_skip("the bug is a data race, and reported as one");
#endif
	setenv("URCU_KVFREE_DEBUG", "strict", 1);
	assert_silent("missing_unlink_shows");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_queueing_is_reported_once_and_leaked),
		cmocka_unit_test(what_is_queued_once_is_not_reported),
		cmocka_unit_test(
			a_call_that_may_wait_is_reported_in_each_section),
		cmocka_unit_test(
			a_call_that_waits_in_a_section_says_who_made_it),
		cmocka_unit_test(
			a_call_that_may_wait_is_not_reported_elsewhere),
		cmocka_unit_test(strict_debugging_shows_a_missing_unlink),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	if (ret >= 0)
		return ret;
	return kvtest_run(tests);
}
