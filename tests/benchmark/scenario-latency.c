/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-latency.c - how long a single call takes, and the worst of them
 *
 * Every call is timed. A call during which the kernel took the CPU away (the
 * thread's involuntary context switches went up, its voluntary ones did not) may
 * say something about the machine's load and not about the call; or the call
 * woke somebody who took the CPU from it. Hence two sets of figures: "all_"
 * has every call, the other leaves the preempted ones out, for every
 * reclaimer alike. A call that waits does so by a voluntary switch and stays in.
 *
 * With --stall_ms, every call of malloc, free, mmap and their kin by any thread
 * waits until the time is over (stall.c, preloaded), while calls go on at
 * their interval with objects that were allocated before.
 */

#include <stdlib.h>

#include "bench.h"

/* Calls over this are asked about context switches: well under the cost of one. */
#define SLOW_NS		3000

struct latency_state {
	struct histogram calls;
	struct histogram preempted;
	uint64_t voluntary, involuntary;	/* at the last look */
	uint64_t last_end;
	void **objs;				/* with stall_ms */
};

static size_t nr_calls(void)
{
	return (size_t) bench_options.loops * bench_options.alloc_num;
}

static void latency_prepare(struct bench_thread *t)
{
	struct latency_state *s = calloc(1, sizeof(*s));
	size_t i, n = nr_calls();

	t->private = s;
	if (!s) {
		t->failed = true;
		return;
	}
	/* Paced or stalled: allocation must not be between two calls. */
	if (!bench_options.interval_ns)
		return;
	s->objs = malloc(n * sizeof(*s->objs));
	for (i = 0; s->objs && i < n; i++) {
		s->objs[i] = t->ops->alloc(t->size);
		if (!s->objs[i])
			break;
		*(uint64_t *) s->objs[i] = i;
	}
	t->failed = i < n;
}

static bool was_preempted(struct latency_state *s)
{
	uint64_t voluntary = s->voluntary, involuntary = s->involuntary;

	bench_own_switches(&s->voluntary, &s->involuntary);
	return s->involuntary != involuntary && s->voluntary == voluntary;
}

static void timed_call(struct bench_thread *t, struct latency_state *s,
		void *obj)
{
	uint64_t start = bench_now(), end;

	/* A switch between two calls must not be laid to the second one. */
	if (start - s->last_end > SLOW_NS) {
		(void) was_preempted(s);
		start = bench_now();
	}
	t->ops->defer_one(t, obj);
	end = bench_now();
	if (end - start > SLOW_NS && was_preempted(s))
		histogram_record(&s->preempted, end - start);
	else
		histogram_record(&s->calls, end - start);
	s->last_end = bench_now();
}

static void latency_body(struct bench_thread *t)
{
	uint64_t interval = bench_options.interval_ns, due = bench_now();
	bool keeps = t->ops->flags & BENCH_KEEPS_OBJECTS;
	struct latency_state *s = t->private;
	size_t i, n = nr_calls();

	s->last_end = due;
	for (i = 0; i < n && !crew_stopped(t->crew); i++) {
		void *obj = s->objs ? s->objs[i] : t->ops->alloc(t->size);

		if (!obj) {
			t->failed = true;
			return;
		}
		if (!s->objs)
			*(uint64_t *) obj = i;
		if (interval)
			bench_spin_until(due += interval);
		timed_call(t, s, obj);
		if (keeps && !s->objs)
			free(obj);
		__atomic_store_n(&t->done, i + 1, __ATOMIC_RELAXED);
	}
}

static void *stall_timer(void *arg)
{
	(void) arg;
	bench_sleep_ns((uint64_t) bench_options.stall_ms * 1000000u);
	bench_stall(0);
	return NULL;
}

/* Main thread, just before the body begins: from here on it must not allocate. */
static void start_stall(void)
{
	pthread_t id;

	if (!bench_options.stall_ms)
		return;
	if (pthread_create(&id, NULL, stall_timer, NULL) || pthread_detach(id))
		abort();
	/* The new thread's own start may allocate. */
	bench_sleep_ns(5000000);
	bench_stall(1);
}

static void latency_results(struct bench_crew *crew)
{
	struct latency_state *all = crew->threads[0].private;
	int i;

	for (i = 1; i < crew->updaters; i++) {
		struct latency_state *s = crew->threads[i].private;

		histogram_add(&all->calls, &s->calls);
		histogram_add(&all->preempted, &s->preempted);
	}
	emit("calls", (double) (all->calls.total + all->preempted.total));
	emit_histogram(&all->calls, "");
	emit("preempted_calls", (double) all->preempted.total);
	emit("preempted_max_ns", (double) all->preempted.max);
	emit("loop_s", (double) crew->loop_ns / 1e9);
	if (bench_options.stall_ms)
		emit("stalled_allocator_calls",
			(double) bench_stalled_calls());
	histogram_add(&all->calls, &all->preempted);
	emit_histogram(&all->calls, "all_");
}

int scenario_latency(const struct bench_ops *ops)
{
	struct bench_crew crew = { .ops = ops, .prepare = latency_prepare,
		.body = latency_body, .at_start = start_stall };
	int status, i;

	if (bench_options.stall_ms && !bench_stall) {
		fprintf(stderr, "kvfreescale: --stall_ms needs "
			"LD_PRELOAD=libkvfreestall.so\n");
		return BENCH_USAGE;
	}
	if (bench_options.stall_ms && !bench_options.interval_ns) {
		fprintf(stderr, "kvfreescale: --stall_ms needs "
			"--interval_ns\n");
		return BENCH_USAGE;
	}
	status = crew_run(&crew);
	if (!status)
		latency_results(&crew);
	for (i = 0; i < crew.updaters; i++) {
		struct latency_state *s = crew.threads[i].private;

		if (s)
			free(s->objs);
		free(s);
	}
	free(crew.threads);
	return status;
}
