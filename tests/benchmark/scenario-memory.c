/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-memory.c - what stays behind, and how long a barrier takes
 *
 * barrier	one object is pending, the barrier is timed
 * footprint	RSS of each of many threads: registered, and after some work.
 *		Stacks and objects are touched before, and the objects are kept:
 *		neither the stacks nor the allocator are in the figure
 * turnover	threads that come, defer and go: nothing may be stranded
 * burst	RSS before and after many objects lived and were freed
 */

#include <stdlib.h>
#include <string.h>
#include <urcu/kvfree.h>
#ifdef __GLIBC__
# include <malloc.h>
#endif

#include "bench.h"

/* What the allocator keeps of what it was given back. */
static void trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void end_of_thread(struct bench_thread *t)
{
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	bench_thread_end(t);
}

static int solo_begin(struct bench_thread *t, const struct bench_ops *ops)
{
	memset(t, 0, sizeof(*t));
	t->ops = ops;
	t->size = bench_options.size;
	return bench_thread_begin(t);
}

static void wait_all_freed(struct bench_thread *t)
{
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	if (t->ops->barrier)
		t->ops->barrier();
}

static void settle(void)
{
	bench_sleep_ns((uint64_t) bench_options.settle_ms * 1000000u);
}

static int emit_end_stats(const struct bench_ops *ops)
{
	struct urcu_kvfree_stats stats;

	if (!ops->stats)
		return BENCH_OK;
	if (ops->stats(&stats))
		return BENCH_FAILED;
	emit("records", (double) stats.threads);
	emit("pages", (double) stats.pages);
	emit("cached_pages", (double) stats.cached_pages);
	emit("pages_allocated", (double) stats.pages_allocated);
	emit("pending", (double) stats.pending);
	return stats.pending ? BENCH_LOST : BENCH_OK;
}

/* ------------------------------------------------------------------ */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

int scenario_barrier(const struct bench_ops *ops)
{
	size_t n = bench_options.loops, i;
	struct bench_thread t;
	uint64_t *ns;

	ns = calloc(n, sizeof(*ns));
	if (!ns || solo_begin(&t, ops))
		return BENCH_FAILED;
	for (i = 0; i < n; i++) {
		uint64_t start;
		void *obj = ops->alloc(t.size);

		if (!obj)
			return BENCH_FAILED;
		*(uint64_t *) obj = i;
		/* At another time of the peer's polling period each time. */
		bench_sleep_ns(1000000 + i % 16 * 700000);
		ops->defer_one(&t, obj);
		start = bench_now();
		wait_all_freed(&t);
		ns[i] = bench_now() - start;
		emit_progress("%zu of %zu", i, n);
	}
	end_of_thread(&t);
	qsort(ns, n, sizeof(*ns), compare_u64);
	emit("barrier_us", (double) ns[n / 2] / 1e3);
	emit("barrier_p99_us", (double) ns[n * 99 / 100] / 1e3);
	free(ns);
	return emit_end_stats(ops);
}

/* ------------------------------------------------------------------ */

static struct {
	pthread_barrier_t gate;
} foot;

#define FOOT_STACK	(128 * 1024)

static void gate(void)
{
	int ret = pthread_barrier_wait(&foot.gate);

	if (ret && ret != PTHREAD_BARRIER_SERIAL_THREAD)
		abort();
}

static void __attribute__((noinline)) touch_stack(void)
{
	volatile char stack[FOOT_STACK / 2];
	size_t i;

	for (i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 1;
}

static void *foot_thread(void *arg)
{
	struct bench_thread *t = arg;
	size_t n = bench_options.alloc_num, i;
	void **objs;

	touch_stack();
	objs = malloc(n * sizeof(*objs));
	for (i = 0; objs && i < n; i++) {
		objs[i] = malloc(t->size);
		if (!objs[i])
			abort();
		memset(objs[i], 1, t->size);
	}
	if (!objs)
		abort();
	gate();		/* all are there, RSS is taken down */
	gate();
	if (bench_thread_begin(t))
		abort();
	gate();		/* all are registered */
	gate();
	t->ops->defer(t, objs, n);
	gate();		/* all have worked */
	gate();
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	bench_thread_end(t);
	gate();		/* all is freed by then: the objects may go */
	gate();
	for (i = 0; i < n; i++)
		free(objs[i]);
	free(objs);
	return NULL;
}

static void foot_measure(const struct bench_ops *ops)
{
	double n = bench_options.updaters, start;

	gate();
	start = (double) bench_rss_kb();
	gate();
	gate();
	settle();
	emit("registered_kb", ((double) bench_rss_kb() - start) / n);
	gate();
	gate();
	if (ops->barrier)
		ops->barrier();
	emit("worked_kb", ((double) bench_rss_kb() - start) / n);
	settle();
	emit("idle_kb", ((double) bench_rss_kb() - start) / n);
	trim();
	emit("trimmed_kb", ((double) bench_rss_kb() - start) / n);
	gate();
	gate();
	if (ops->barrier)
		ops->barrier();
	gate();
}

int scenario_footprint(const struct bench_ops *ops)
{
	struct bench_thread *threads;
	int n = bench_options.updaters, i;
	pthread_attr_t attr;

	if (!(ops->flags & BENCH_KEEPS_OBJECTS)) {
		fprintf(stderr, "kvfreescale: footprint needs a reclaimer "
			"that keeps the objects: --reclaimer=kvfree-channel\n");
		return BENCH_USAGE;
	}
	if (posix_memalign((void **) &threads, BENCH_CACHE_LINE,
			(size_t) n * sizeof(*threads)))
		return BENCH_FAILED;
	memset(threads, 0, (size_t) n * sizeof(*threads));
	if (pthread_barrier_init(&foot.gate, NULL, (unsigned int) n + 1) ||
			pthread_attr_init(&attr) ||
			pthread_attr_setstacksize(&attr, FOOT_STACK))
		return BENCH_FAILED;
	for (i = 0; i < n; i++) {
		threads[i].ops = ops;
		threads[i].size = bench_options.size;
		if (pthread_create(&threads[i].id, &attr, foot_thread,
				&threads[i])) {
			fprintf(stderr, "kvfreescale: %d threads only\n", i);
			exit(BENCH_FAILED);
		}
	}
	foot_measure(ops);
	for (i = 0; i < n; i++)
		if (pthread_join(threads[i].id, NULL))
			abort();
	free(threads);
	return emit_end_stats(ops);
}

/* ------------------------------------------------------------------ */

#define TURNOVER_GROUP	8

static void *turnover_thread(void *arg)
{
	struct bench_thread *t = arg;

	if (solo_begin(t, t->ops) ||
			t->ops->churn(t, bench_options.alloc_num) !=
			bench_options.alloc_num) {
		t->failed = true;
		return NULL;
	}
	/* kvfree: leave it to the thread's exit. The others need the call. */
	if (!t->ops->stats)
		end_of_thread(t);
	else if (t->ops->unregister_updater)
		t->ops->unregister_updater();
	return NULL;
}

static int turnover_group(const struct bench_ops *ops)
{
	struct bench_thread threads[TURNOVER_GROUP];
	pthread_t ids[TURNOVER_GROUP];
	bool failed = false;
	int i;

	for (i = 0; i < TURNOVER_GROUP; i++) {
		threads[i].ops = ops;
		if (pthread_create(&ids[i], NULL, turnover_thread,
				&threads[i]))
			exit(BENCH_FAILED);
	}
	for (i = 0; i < TURNOVER_GROUP; i++) {
		if (pthread_join(ids[i], NULL))
			abort();
		failed |= threads[i].failed;
	}
	return failed ? -1 : 0;
}

int scenario_turnover(const struct bench_ops *ops)
{
	unsigned int generations = bench_options.loops, i;
	size_t start = 0;

	for (i = 0; i < generations; i++) {
		if (turnover_group(ops))
			return BENCH_FAILED;
		/* The first quarter fills pools, arenas and stack caches. */
		if (i != generations / 4)
			continue;
		if (ops->barrier)
			ops->barrier();
		settle();
		start = bench_rss_kb();
		emit_progress("%u of %u", i, generations);
	}
	if (ops->barrier)
		ops->barrier();
	settle();
	emit("threads_started", (double) generations * TURNOVER_GROUP);
	emit("rss_growth_kb", (double) bench_rss_kb() - (double) start);
	return emit_end_stats(ops);
}

/* ------------------------------------------------------------------ */

int scenario_burst(const struct bench_ops *ops)
{
	size_t n = (size_t) bench_options.loops * bench_options.alloc_num, i;
	struct bench_thread t;
	double start;
	void **objs;

	objs = calloc(n, sizeof(*objs));
	if (!objs || solo_begin(&t, ops))
		return BENCH_FAILED;
	memset(objs, 1, n * sizeof(*objs));
	/* What the first use of anything costs is not the burst's. */
	if (ops->churn(&t, 10000) != 10000)
		return BENCH_FAILED;
	wait_all_freed(&t);
	start = (double) bench_rss_kb();
	for (i = 0; i < n; i++) {
		objs[i] = ops->alloc(t.size);
		if (!objs[i])
			return BENCH_FAILED;
		memset(objs[i], 1, t.size);
	}
	emit("burst_mb", ((double) bench_rss_kb() - start) / 1024);
	ops->defer(&t, objs, n);
	wait_all_freed(&t);
	emit("after_mb", ((double) bench_rss_kb() - start) / 1024);
	settle();
	emit("settled_mb", ((double) bench_rss_kb() - start) / 1024);
	trim();
	emit("trimmed_mb", ((double) bench_rss_kb() - start) / 1024);
	end_of_thread(&t);
	free(objs);
	return emit_end_stats(ops);
}
