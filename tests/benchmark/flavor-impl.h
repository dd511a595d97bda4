/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * flavor-impl.h - the reclaimers of one liburcu flavor
 *
 * Included once by each flavor-*.c, after the flavor's header with its API map,
 * with BENCH_FLAVOR_OPS defined to the name of the list. All names of liburcu
 * and of urcu/kvfree.h below mean that flavor.
 *
 * liburcu's peers are used as their documents say: call_rcu with its default
 * thread, defer_rcu by registered threads. Updaters are registered as readers
 * as well, as the threads of most programs are: a grace period that finds nobody
 * registered costs liburcu nothing, and would flatter whoever waits for many.
 */

#include <stdlib.h>
#include <urcu/kvfree.h>

#include "loops.h"

static void reader_register(struct bench_thread *t)
{
	(void) t;
	rcu_register_thread();
}

static void reader_lock(struct bench_thread *t)
{
	(void) t;
	rcu_read_lock();
}

static void reader_unlock(struct bench_thread *t)
{
	(void) t;
	rcu_read_unlock();
	/* Ends the section under QSBR, nothing under the others. */
	rcu_quiescent_state();
}

static void reader_unregister(struct bench_thread *t)
{
	(void) t;
	rcu_unregister_thread();
}

static void updater_register(void)
{
	rcu_register_thread();
	/* A QSBR updater would hold up every grace period; elsewhere a no-op. */
	rcu_thread_offline();
}

static void updater_unregister(void)
{
	rcu_unregister_thread();
}

static const struct bench_reader_ops reader_ops = {
	.register_thread = reader_register,
	.lock = reader_lock,
	.unlock = reader_unlock,
	.unregister_thread = reader_unregister,
};

/* ------------------------------------------------------------------ */
/* This library								*/

static int kvfree_start(void)
{
	return urcu_kvfree_init(NULL);
}

static void kvfree_stop(void)
{
	urcu_kvfree_exit();
}

static int kvfree_thread_begin(struct bench_thread *t)
{
	(void) t;
	return urcu_kvfree_register_thread();
}

static void kvfree_thread_end(struct bench_thread *t)
{
	(void) t;
	urcu_kvfree_unregister_thread();
}

static void kvfree_barrier(void)
{
	if (urcu_kvfree_rcu_barrier())
		abort();
}

static int kvfree_stats(struct urcu_kvfree_stats *stats)
{
	return urcu_kvfree_get_stats(stats, sizeof(*stats));
}

static inline void defer_clean(struct bench_thread *t, void *obj)
{
	(void) t;
	urcu_kvfree_rcu_mightsleep(obj);
}
BENCH_LOOPS(kvfree, malloc, defer_clean)

static inline void defer_raw(struct bench_thread *t, void *obj)
{
	struct bench_obj *o = obj;

	(void) t;
	urcu_kvfree_rcu(o, rcu);
}
BENCH_LOOPS(kvfree_raw, malloc, defer_raw)
BENCH_LOOPS(kvfree_kvmalloc, urcu_kvmalloc, defer_raw)

/* A channel whose free function leaves the objects to the benchmark. */
static struct urcu_kvfree_channel *keep_channel;

static void keep_objects(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

static int kvfree_channel_start(void)
{
	if (kvfree_start())
		return -1;
	keep_channel = urcu_kvfree_channel_create("keep", keep_objects, NULL);
	return keep_channel ? 0 : -1;
}

static void kvfree_channel_stop(void)
{
	if (urcu_kvfree_channel_destroy(keep_channel))
		abort();
	kvfree_stop();
}

static inline void defer_channel(struct bench_thread *t, void *obj)
{
	struct bench_obj *o = obj;

	(void) t;
	urcu_kvfree_rcu_channel(o, rcu, keep_channel);
}
BENCH_LOOPS(kvfree_channel, malloc, defer_channel)

/* ------------------------------------------------------------------ */
/* liburcu's own							*/

static void call_rcu_barrier(void)
{
	rcu_barrier();
}

static void free_callback(struct rcu_head *head)
{
	bench_callbacks++;
	free(bench_obj_of(head));
}

static inline void defer_call_rcu(struct bench_thread *t, void *obj)
{
	struct bench_obj *o = obj;

	(void) t;
	call_rcu(&o->rcu, free_callback);
}
BENCH_LOOPS(call_rcu, malloc, defer_call_rcu)

static void keep_callback(struct rcu_head *head)
{
	(void) head;
	bench_callbacks++;
}

static inline void defer_call_rcu_keep(struct bench_thread *t, void *obj)
{
	struct bench_obj *o = obj;

	(void) t;
	call_rcu(&o->rcu, keep_callback);
}
BENCH_LOOPS(call_rcu_keep, malloc, defer_call_rcu_keep)

static int defer_thread_begin(struct bench_thread *t)
{
	(void) t;
	return rcu_defer_register_thread();
}

static void defer_thread_end(struct bench_thread *t)
{
	(void) t;
	rcu_defer_unregister_thread();
}

static void defer_thread_barrier(struct bench_thread *t)
{
	(void) t;
	rcu_defer_barrier_thread();
}

static inline void defer_defer_rcu(struct bench_thread *t, void *obj)
{
	(void) t;
	defer_rcu(free, obj);
}
BENCH_LOOPS(defer_rcu, malloc, defer_defer_rcu)

static void keep_object(void *obj)
{
	(void) obj;
}

static inline void defer_defer_rcu_keep(struct bench_thread *t, void *obj)
{
	(void) t;
	defer_rcu(keep_object, obj);
}
BENCH_LOOPS(defer_rcu_keep, malloc, defer_defer_rcu_keep)

static inline void defer_sync(struct bench_thread *t, void *obj)
{
	(void) t;
	synchronize_rcu();
	free(obj);
}
BENCH_LOOPS(sync, malloc, defer_sync)

/* ------------------------------------------------------------------ */
/* A batch written by hand, as liburcu's own test_urcu_gc has it, and its loop */

static int shared_thread_begin(struct bench_thread *t)
{
	t->shared = calloc(1, t->size);
	return t->shared ? 0 : -1;
}

static void shared_thread_end(struct bench_thread *t)
{
	free(t->shared);
}

#define BATCH_OBJECTS	4096

struct bench_batch {
	size_t nr;
	void *objs[BATCH_OBJECTS];
};

static int batch_thread_begin(struct bench_thread *t)
{
	t->batch = calloc(1, sizeof(*t->batch));
	return t->batch ? shared_thread_begin(t) : -1;
}

static void batch_thread_barrier(struct bench_thread *t)
{
	size_t i;

	synchronize_rcu();
	for (i = 0; i < t->batch->nr; i++)
		free(t->batch->objs[i]);
	t->batch->nr = 0;
}

static void batch_thread_end(struct bench_thread *t)
{
	shared_thread_end(t);
	free(t->batch);
}

static inline void defer_batch(struct bench_thread *t, void *obj)
{
	struct bench_batch *batch = t->batch;

	batch->objs[batch->nr++] = rcu_xchg_pointer(&t->shared, obj);
	if (batch->nr == BATCH_OBJECTS)
		batch_thread_barrier(t);
}
BENCH_LOOPS(batch, malloc, defer_batch)

static int unlink_thread_begin(struct bench_thread *t)
{
	return shared_thread_begin(t) ? -1 : kvfree_thread_begin(t);
}

static void unlink_thread_end(struct bench_thread *t)
{
	shared_thread_end(t);
	kvfree_thread_end(t);
}

static inline void defer_unlink(struct bench_thread *t, void *obj)
{
	urcu_kvfree_rcu_mightsleep(rcu_xchg_pointer(&t->shared, obj));
}
BENCH_LOOPS(kvfree_unlink, malloc, defer_unlink)

/* ------------------------------------------------------------------ */

#define READER_OPS							\
	.register_updater = updater_register,				\
	.unregister_updater = updater_unregister, .reader = &reader_ops
#define KVFREE_OPS(channel)						\
	.start = kvfree##channel##_start, .stop = kvfree##channel##_stop, \
	.thread_begin = kvfree_thread_begin,				\
	.thread_end = kvfree_thread_end,				\
	.barrier = kvfree_barrier, .stats = kvfree_stats,		\
	READER_OPS
#define DEFER_OPS							\
	.thread_begin = defer_thread_begin,				\
	.thread_end = defer_thread_end,					\
	.thread_barrier = defer_thread_barrier, READER_OPS

const struct bench_ops BENCH_FLAVOR_OPS[] = {
	{ .name = "kvfree", .flags = BENCH_IS_KVFREE, KVFREE_OPS(),
		BENCH_LOOP_OPS(kvfree, malloc) },
	{ .name = "kvfree-raw", .flags = BENCH_IS_KVFREE, KVFREE_OPS(),
		BENCH_LOOP_OPS(kvfree_raw, malloc) },
	{ .name = "kvfree-kvmalloc", .flags = BENCH_IS_KVFREE, KVFREE_OPS(),
		BENCH_LOOP_OPS(kvfree_kvmalloc, urcu_kvmalloc) },
	{ .name = "kvfree-channel",
		.flags = BENCH_IS_KVFREE | BENCH_KEEPS_OBJECTS,
		KVFREE_OPS(_channel), BENCH_LOOP_OPS(kvfree_channel, malloc) },
	{ .name = "call_rcu", .barrier = call_rcu_barrier,
		READER_OPS, BENCH_LOOP_OPS(call_rcu, malloc) },
	{ .name = "call_rcu-keep", .flags = BENCH_KEEPS_OBJECTS,
		.barrier = call_rcu_barrier, READER_OPS,
		BENCH_LOOP_OPS(call_rcu_keep, malloc) },
	{ .name = "defer_rcu", DEFER_OPS, BENCH_LOOP_OPS(defer_rcu, malloc) },
	{ .name = "defer_rcu-keep", .flags = BENCH_KEEPS_OBJECTS, DEFER_OPS,
		BENCH_LOOP_OPS(defer_rcu_keep, malloc) },
	{ .name = "kvfree-unlink", .flags = BENCH_IS_KVFREE,
		.start = kvfree_start, .stop = kvfree_stop,
		.thread_begin = unlink_thread_begin,
		.thread_end = unlink_thread_end,
		.barrier = kvfree_barrier, .stats = kvfree_stats,
		READER_OPS, BENCH_LOOP_OPS(kvfree_unlink, malloc) },
	{ .name = "batch", .thread_begin = batch_thread_begin,
		.thread_end = batch_thread_end,
		.thread_barrier = batch_thread_barrier,
		READER_OPS, BENCH_LOOP_OPS(batch, malloc) },
	{ .name = "sync", READER_OPS,
		BENCH_LOOP_OPS(sync, malloc) },
	{ .name = NULL },
};
