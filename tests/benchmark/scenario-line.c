/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-line.c - what a dirty cache line costs on its way to another processor
 *
 * Two threads, each bound to a processor, write the same line in turn. Half a round
 * trip is what a worker pays for each line that an updater wrote elsewhere. The
 * first processor is paired with each of the others; the machines that a benchmark
 * runs on differ here more than in anything else.
 */

#include "bench.h"

#define ROUND_TRIPS	500
#define ATTEMPTS	200
#define LIMIT_NS	5000000u	/* of an attempt, on a busy machine */

static struct {
	unsigned int turn __attribute__((aligned(BENCH_CACHE_LINE)));	/* atomic */
	bool stop __attribute__((aligned(BENCH_CACHE_LINE)));		/* atomic */
} line;

/* Returns false when the other side has stopped. */
static bool wait_turn(unsigned int turn)
{
	while (__atomic_load_n(&line.turn, __ATOMIC_ACQUIRE) != turn)
		if (__atomic_load_n(&line.stop, __ATOMIC_RELAXED))
			return false;
	return true;
}

static void *answer(void *arg)
{
	unsigned int turn = 1;

	bench_pin(*(int *) arg);
	while (wait_turn(turn)) {
		__atomic_store_n(&line.turn, turn + 1, __ATOMIC_RELEASE);
		turn += 2;
	}
	return NULL;
}

/* The best of some attempts, or 0 when the machine was too busy for any. */
static double best_half_trip(void)
{
	unsigned int turn = 0, attempt, i;
	double best = 0;

	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		uint64_t start = bench_now(), ns;

		for (i = 0; i < ROUND_TRIPS; i++) {
			__atomic_store_n(&line.turn, turn + 1,
					__ATOMIC_RELEASE);
			turn += 2;
			(void) wait_turn(turn);
			if (i % 64 == 0 && bench_now() - start > LIMIT_NS)
				break;
		}
		ns = bench_now() - start;
		if (i == ROUND_TRIPS && (best == 0 || (double) ns < best))
			best = (double) ns;
	}
	return best / (2.0 * ROUND_TRIPS);
}

static void *ask(void *arg)
{
	bench_pin(0);
	*(double *) arg = best_half_trip();
	__atomic_store_n(&line.stop, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Two new threads: a bound thread's children would be bound as it is. */
static double half_trip(int cpu)
{
	pthread_t asker, answerer;
	double ns = 0;

	line.turn = 0;
	line.stop = false;
	if (pthread_create(&answerer, NULL, answer, &cpu))
		return 0;
	if (pthread_create(&asker, NULL, ask, &ns))
		__atomic_store_n(&line.stop, true, __ATOMIC_RELAXED);
	else if (pthread_join(asker, NULL))
		return 0;
	return pthread_join(answerer, NULL) ? 0 : ns;
}

int scenario_line(const struct bench_ops *ops)
{
	double near = 0, far = 0, ns;
	int cpus = bench_cpus(), i;

	(void) ops;
	for (i = 1; i < cpus; i++) {
		ns = half_trip(i);
		if (ns > 0 && (near == 0 || ns < near))
			near = ns;
		if (ns > far)
			far = ns;
	}
	if (far > 0) {
		emit("near_ns", near);
		emit("far_ns", far);
	}
	return BENCH_OK;
}
