/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-steady.c - threads that defer at a steady rate, and then not at all
 *
 * steady	one object every interval_ns in each updater. Counted after
 *		settle_ms: by then the page supply has had time to follow the demand
 * idle		updaters run at full speed for the duration and then stay, asleep;
 *		after settle_ms the context switches of all the other threads
 *		are counted for three seconds
 */

#include <stdlib.h>
#include <string.h>
#include <urcu/kvfree.h>

#include "bench.h"

/* Intervals under this are waited for by spinning, for a few objects at once. */
#define SLEEP_FROM_NS	50000
#define SPIN_GROUP	10

static struct {
	struct urcu_kvfree_stats before, after;
	uint64_t process_cpu;		/* of the measured part */
	uint64_t measured_ns;
	struct bench_switches idle[2];
	size_t idle_rss_kb;
	sem_t idle_over;
} state;

static void snapshot(struct bench_thread *t, struct urcu_kvfree_stats *stats)
{
	if (t->ops->stats && t->ops->stats(stats))
		t->failed = true;
}

static void pace(struct bench_thread *t, uint64_t duration_ns)
{
	uint64_t interval = bench_options.interval_ns, now = bench_now();
	uint64_t end = now + duration_ns, due = now;
	size_t n = interval < SLEEP_FROM_NS ? SPIN_GROUP : 1;

	while (due < end && !crew_stopped(t->crew)) {
		due += interval * n;
		if (interval < SLEEP_FROM_NS)
			bench_spin_until(due);
		else if ((now = bench_now()) < due)
			bench_sleep_ns(due - now);
		if (t->ops->churn(t, n) != n) {
			t->failed = true;
			return;
		}
		__atomic_store_n(&t->done, t->done + n, __ATOMIC_RELAXED);
	}
}

static void steady_body(struct bench_thread *t)
{
	bool first = t->index == 0;
	uint64_t start;

	pace(t, (uint64_t) bench_options.settle_ms * 1000000u);
	if (first) {
		snapshot(t, &state.before);
		state.process_cpu = bench_process_cpu();
	}
	start = bench_now();
	pace(t, (uint64_t) bench_options.duration_ms * 1000000u);
	if (first) {
		state.measured_ns = bench_now() - start;
		state.process_cpu = bench_process_cpu() - state.process_cpu;
		snapshot(t, &state.after);
	}
}

static void steady_results(void)
{
	const struct urcu_kvfree_stats *b = &state.before, *a = &state.after;
	double queued = (double) (a->queued - b->queued);
	double periods = (double) (a->grace_periods - b->grace_periods);

	emit("queued", queued);
	emit("emergency_ppm",
		1e6 * (double) (a->emergency - b->emergency) / queued);
	emit("grace_periods", periods);
	if (periods > 0)
		emit("objects_per_gp",
			queued / periods / bench_options.updaters);
	emit("refills", (double) (a->refills - b->refills));
	emit("pages_allocated",
		(double) (a->pages_allocated - b->pages_allocated));
	emit("pages", (double) a->pages);
	emit("pages_warmup", (double) b->pages_allocated);
	emit("cached_pages", (double) a->cached_pages);
	emit("process_cpu_pct", 100.0 * (double) state.process_cpu /
		(double) state.measured_ns);
}

int scenario_steady(const struct bench_ops *ops)
{
	struct bench_crew crew = { .ops = ops, .body = steady_body };
	int status;

	if (!ops->stats || !bench_options.interval_ns ||
			!bench_options.duration_ms) {
		fprintf(stderr, "kvfreescale: steady needs a kvfree "
			"reclaimer, --interval_ns and --duration_ms\n");
		return BENCH_USAGE;
	}
	status = crew_run(&crew);
	if (!status)
		steady_results();
	free(crew.threads);
	return status;
}

/* ------------------------------------------------------------------ */

static void count_idle(struct bench_thread *t)
{
	int i;

	bench_sleep_ns((uint64_t) bench_options.settle_ms * 1000000u);
	if (bench_switches(&state.idle[0]))
		t->failed = true;
	bench_sleep_ns(3000000000u);
	if (bench_switches(&state.idle[1]))
		t->failed = true;
	state.idle_rss_kb = bench_rss_kb();
	snapshot(t, &state.after);
	for (i = 1; i < bench_options.updaters; i++)
		if (sem_post(&state.idle_over))
			abort();
}

static void idle_body(struct bench_thread *t)
{
	crew_body_churn(t);
	if (t->index == 0)
		count_idle(t);
	else
		while (sem_wait(&state.idle_over))
			;
}

int scenario_idle(const struct bench_ops *ops)
{
	struct bench_crew crew = { .ops = ops, .body = idle_body };
	int status;

	if (sem_init(&state.idle_over, 0, 0))
		return BENCH_FAILED;
	status = crew_run(&crew);
	if (status)
		return status;
	emit("threads", (double) state.idle[1].threads);
	emit("wakeups_per_s", (double) (state.idle[1].voluntary -
		state.idle[0].voluntary + state.idle[1].involuntary -
		state.idle[0].involuntary) / 3.0);
	if (ops->stats) {
		emit("pending", (double) state.after.pending);
		emit("cached_pages", (double) state.after.cached_pages);
		emit("pages", (double) state.after.pages);
	}
	emit("rss_mb", (double) state.idle_rss_kb / 1024.0);
	free(crew.threads);
	return BENCH_OK;
}
