/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * flavor-two.c - clean calls on two flavors, memb and mb, in turn
 *
 * As a program does that serves two libraries, each with its own flavor. Whatever
 * --flavor says, it is these two; updaters are registered with both.
 */

#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>
#include <urcu/urcu-mb.h>
#include <stdlib.h>
#include <urcu/kvfree.h>

#include "loops.h"

static void reader_register(struct bench_thread *t)
{
	(void) t;
	urcu_memb_register_thread();
	urcu_mb_register_thread();
}

static void reader_lock(struct bench_thread *t)
{
	(void) t;
	urcu_memb_read_lock();
	urcu_mb_read_lock();
}

static void reader_unlock(struct bench_thread *t)
{
	(void) t;
	urcu_mb_read_unlock();
	urcu_memb_read_unlock();
}

static void reader_unregister(struct bench_thread *t)
{
	(void) t;
	urcu_mb_unregister_thread();
	urcu_memb_unregister_thread();
}

static const struct bench_reader_ops reader_ops = {
	.register_thread = reader_register,
	.lock = reader_lock,
	.unlock = reader_unlock,
	.unregister_thread = reader_unregister,
};

static void updater_register(void)
{
	reader_register(NULL);
}

static void updater_unregister(void)
{
	reader_unregister(NULL);
}

static int two_start(void)
{
	return urcu_kvfree_init(NULL);
}

static int two_thread_begin(struct bench_thread *t)
{
	(void) t;
	if (urcu_kvfree_register_thread_flavor(&urcu_memb_flavor))
		return -1;
	return urcu_kvfree_register_thread_flavor(&urcu_mb_flavor);
}

static void two_thread_end(struct bench_thread *t)
{
	(void) t;
	urcu_kvfree_unregister_thread_flavor(&urcu_mb_flavor);
	urcu_kvfree_unregister_thread_flavor(&urcu_memb_flavor);
}

static void two_barrier(void)
{
	if (urcu_kvfree_rcu_barrier_flavor(&urcu_memb_flavor) ||
			urcu_kvfree_rcu_barrier_flavor(&urcu_mb_flavor))
		abort();
}

static int two_stats(struct urcu_kvfree_stats *stats)
{
	return urcu_kvfree_get_stats_flavor(NULL, stats, sizeof(*stats));
}

static inline void defer_two(struct bench_thread *t, void *obj)
{
	if (t->turn++ & 1)
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, obj);
	else
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, obj);
}
BENCH_LOOPS(two, malloc, defer_two)

const struct bench_ops bench_ops_two[] = {
	{ .name = "kvfree-two", .flags = BENCH_IS_KVFREE,
		.start = two_start, .stop = urcu_kvfree_exit,
		.register_updater = updater_register,
		.unregister_updater = updater_unregister,
		.reader = &reader_ops,
		.thread_begin = two_thread_begin,
		.thread_end = two_thread_end,
		.barrier = two_barrier, .stats = two_stats,
		BENCH_LOOP_OPS(two, malloc) },
	{ .name = NULL },
};
