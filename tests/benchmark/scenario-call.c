/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-call.c - the cost of the deferring call alone
 *
 * kfree_alloc_num objects are allocated and touched, then deferred in one timed
 * loop, then a barrier waits, untimed, until they are freed. What the call
 * causes elsewhere meanwhile (wake-ups, a grace period that it waits for, its
 * share of frees) is in its time; allocation is not. Reclaimers that keep
 * their objects get the same ones each time, and so does the lock floor.
 */

#include <stdlib.h>

#include "bench.h"

#define MAX_BATCHES	100000

struct call_state {
	void **objs;
	size_t n;
	double *ns_per_call;	/* of each batch */
	size_t batches;
};

static void call_prepare(struct bench_thread *t)
{
	struct call_state *s = calloc(1, sizeof(*s));

	t->private = s;
	if (!s) {
		t->failed = true;
		return;
	}
	s->n = bench_options.alloc_num;
	s->objs = calloc(s->n, sizeof(*s->objs));
	s->ns_per_call = calloc(MAX_BATCHES, sizeof(*s->ns_per_call));
	if (!s->objs || !s->ns_per_call)
		t->failed = true;
}

static int fill(struct bench_thread *t, struct call_state *s)
{
	size_t i, j;

	for (i = 0; i < s->n; i++) {
		if (!s->objs[i])
			s->objs[i] = t->ops->alloc(t->size);
		if (!s->objs[i])
			return -1;
		/* All of it, so that the stores have left the write buffer. */
		for (j = 0; j + 8 <= t->size; j += 8)
			*(uint64_t *) ((char *) s->objs[i] + j) = i;
	}
	return 0;
}

static void finish_batch(struct bench_thread *t, struct call_state *s)
{
	size_t i;

	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
	if (t->ops->barrier)
		t->ops->barrier();
	if (!(t->ops->flags & BENCH_KEEPS_OBJECTS))
		for (i = 0; i < s->n; i++)
			s->objs[i] = NULL;
}

static void call_body(struct bench_thread *t)
{
	const struct bench_options *o = &bench_options;
	uint64_t end = t->crew->start_ns + (uint64_t) o->duration_ms * 1000000u;
	struct call_state *s = t->private;
	uint64_t start, warm = 2;

	while (s->batches < MAX_BATCHES && !crew_stopped(t->crew)) {
		if (o->duration_ms ? bench_now() >= end && s->batches :
				s->batches >= o->loops)
			return;
		if (fill(t, s)) {
			t->failed = true;
			return;
		}
		start = bench_now();
		t->ops->defer(t, s->objs, s->n);
		s->ns_per_call[s->batches++] =
			(double) (bench_now() - start) / (double) s->n;
		finish_batch(t, s);
		if (warm && warm--)
			s->batches = 0;
		else
			__atomic_store_n(&t->done, t->done + s->n,
					__ATOMIC_RELAXED);
	}
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static void call_results(struct bench_crew *crew)
{
	struct call_state *s = crew->threads[0].private;
	double sum = 0;
	size_t i;

	qsort(s->ns_per_call, s->batches, sizeof(*s->ns_per_call),
		compare_double);
	for (i = 0; i < s->batches; i++)
		sum += s->ns_per_call[i];
	emit("batches", (double) s->batches);
	emit("call_ns", s->ns_per_call[s->batches / 2]);
	emit("call_mean_ns", sum / (double) s->batches);
	emit("call_best_ns", s->ns_per_call[0]);
}

int scenario_call(const struct bench_ops *ops)
{
	struct bench_crew crew = { .ops = ops, .prepare = call_prepare,
		.body = call_body };
	int status, i;

	status = crew_run(&crew);
	if (!status)
		call_results(&crew);
	for (i = 0; i < crew.updaters; i++) {
		struct call_state *s = crew.threads[i].private;
		size_t j;

		for (j = 0; s && s->objs && j < s->n; j++)
			free(s->objs[j]);
		if (s) {
			free(s->objs);
			free(s->ns_per_call);
		}
		free(s);
	}
	free(crew.threads);
	return status;
}
