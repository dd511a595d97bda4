/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-many.c - what many threads cost each other
 *
 * barriers	each updater defers one object, then all of them call the barrier
 *		at once: how many grace periods, and how long until the last is back
 * first	the updaters have records and sleep; a thread that comes later makes
 *		its first call. Peers that need a registration have it in the time.
 *		Those who came stay until the end: each needs a record of its own
 */

#include <stdlib.h>
#include <string.h>
#include <urcu/kvfree.h>

#include "bench.h"

#define SMALL_STACK	(64 * 1024)

/* Both scenarios meet at gate; "first" ends at leave. */
static pthread_barrier_t gate, leave;

static void meet(pthread_barrier_t *barrier)
{
	int ret = pthread_barrier_wait(barrier);

	if (ret && ret != PTHREAD_BARRIER_SERIAL_THREAD)
		abort();
}

static void start_thread(struct bench_thread *t, void *(*body)(void *),
		const struct bench_ops *ops)
{
	pthread_attr_t attr;

	t->ops = ops;
	t->size = bench_options.size;
	if (pthread_attr_init(&attr) ||
			pthread_attr_setstacksize(&attr, SMALL_STACK) ||
			pthread_create(&t->id, &attr, body, t)) {
		/* The others wait at the gate for good. */
		fprintf(stderr, "kvfreescale: too many threads\n");
		exit(BENCH_FAILED);
	}
	(void) pthread_attr_destroy(&attr);
}

static struct bench_thread *new_threads(size_t n)
{
	struct bench_thread *threads;

	if (posix_memalign((void **) &threads, BENCH_CACHE_LINE,
			n * sizeof(*threads)))
		return NULL;
	memset(threads, 0, n * sizeof(*threads));
	return threads;
}

static void join_threads(struct bench_thread *threads, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (pthread_join(threads[i].id, NULL))
			abort();
	free(threads);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static void *new_object(struct bench_thread *t)
{
	void *obj = t->ops->alloc(t->size);

	if (!obj)
		abort();
	memset(obj, 1, t->size);
	return obj;
}

static void wait_all_freed(struct bench_thread *t)
{
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	if (t->ops->barrier)
		t->ops->barrier();
}

/* ------------------------------------------------------------------ */

static void *barriers_thread(void *arg)
{
	struct bench_thread *t = arg;
	unsigned int i;

	if (bench_thread_begin(t))
		abort();
	for (i = 0; i < bench_options.loops; i++) {
		meet(&gate);
		t->ops->defer_one(t, new_object(t));
		meet(&gate);	/* all have something pending */
		wait_all_freed(t);
		meet(&gate);	/* all are back */
	}
	bench_thread_end(t);
	return NULL;
}

static uint64_t grace_periods(const struct bench_ops *ops)
{
	struct urcu_kvfree_stats stats;

	if (!ops->stats)
		return 0;
	if (ops->stats(&stats))
		abort();
	return stats.grace_periods;
}

static void barriers_rounds(const struct bench_ops *ops, uint64_t *ns,
		uint64_t *periods)
{
	uint64_t start, before;
	unsigned int i;

	for (i = 0; i < bench_options.loops; i++) {
		meet(&gate);
		before = grace_periods(ops);
		meet(&gate);
		start = bench_now();
		meet(&gate);
		ns[i] = bench_now() - start;
		periods[i] = grace_periods(ops) - before;
		emit_progress("%u of %u", i, bench_options.loops);
	}
}

int scenario_barriers(const struct bench_ops *ops)
{
	size_t n = (size_t) bench_options.updaters, i;
	unsigned int rounds = bench_options.loops;
	struct bench_thread *threads = new_threads(n);
	uint64_t *ns, *periods;

	ns = calloc(rounds, sizeof(*ns));
	periods = calloc(rounds, sizeof(*periods));
	if (!threads || !ns || !periods ||
			pthread_barrier_init(&gate, NULL, (unsigned int) n + 1))
		return BENCH_FAILED;
	for (i = 0; i < n; i++)
		start_thread(&threads[i], barriers_thread, ops);
	barriers_rounds(ops, ns, periods);
	join_threads(threads, n);
	qsort(ns, rounds, sizeof(*ns), compare_u64);
	qsort(periods, rounds, sizeof(*periods), compare_u64);
	emit("barriers_us", (double) ns[rounds / 2] / 1e3);
	emit("barriers_max_us", (double) ns[rounds - 1] / 1e3);
	if (ops->stats) {
		emit("grace_periods", (double) periods[rounds / 2]);
		emit("grace_periods_max", (double) periods[rounds - 1]);
	}
	free(ns);
	free(periods);
	return BENCH_OK;
}

/* ------------------------------------------------------------------ */

static sem_t first_made;

static void *holder_thread(void *arg)
{
	struct bench_thread *t = arg;

	if (bench_thread_begin(t))
		abort();
	meet(&gate);	/* all have records */
	meet(&leave);	/* all is measured */
	bench_thread_end(t);
	return NULL;
}

static void *first_thread(void *arg)
{
	struct bench_thread *t = arg;
	void *obj = new_object(t);
	uint64_t start;

	if (t->ops->register_updater)
		t->ops->register_updater();
	start = bench_now();
	/* This library needs no registration, and that is what is measured. */
	if (!t->ops->stats && t->ops->thread_begin && t->ops->thread_begin(t))
		abort();
	t->ops->defer_one(t, obj);
	t->end_ns = bench_now() - start;
	if (sem_post(&first_made))
		abort();
	meet(&leave);
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	bench_thread_end(t);
	return NULL;
}

static void first_results(const struct bench_thread *threads, size_t n)
{
	uint64_t *ns = calloc(n, sizeof(*ns));
	size_t i;

	if (!ns)
		abort();
	for (i = 0; i < n; i++)
		ns[i] = threads[i].end_ns;
	qsort(ns, n, sizeof(*ns), compare_u64);
	emit("first_us", (double) ns[n / 2] / 1e3);
	emit("first_p99_us", (double) ns[n * 99 / 100] / 1e3);
	emit("first_max_us", (double) ns[n - 1] / 1e3);
	free(ns);
}

int scenario_first(const struct bench_ops *ops)
{
	size_t n = (size_t) bench_options.updaters, m = bench_options.loops, i;
	struct bench_thread *holders = new_threads(n), *late = new_threads(m);

	if (!holders || !late || sem_init(&first_made, 0, 0) ||
			pthread_barrier_init(&gate, NULL,
				(unsigned int) n + 1) ||
			pthread_barrier_init(&leave, NULL,
				(unsigned int) (n + m) + 1))
		return BENCH_FAILED;
	for (i = 0; i < n; i++)
		start_thread(&holders[i], holder_thread, ops);
	meet(&gate);
	for (i = 0; i < m; i++) {
		start_thread(&late[i], first_thread, ops);
		while (sem_wait(&first_made))
			;
	}
	meet(&leave);
	first_results(late, m);
	join_threads(holders, n);
	join_threads(late, m);
	if (ops->barrier)
		ops->barrier();
	return BENCH_OK;
}
