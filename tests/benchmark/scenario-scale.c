/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-scale.c - throughput: allocate, touch, defer, as fast as it goes
 *
 * scale	rcuscale's kfree_rcu test, with its summary line
 * flood	the same; the RSS is sampled every 5 ms
 *
 * Time per object counts until everything is freed, barrier included, times
 * the number of updaters.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/kvfree.h>

#include "bench.h"

static int read_stats(const struct bench_ops *ops,
		struct urcu_kvfree_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return ops->stats ? ops->stats(stats) : 0;
}

static double mb(size_t peak_kb, size_t start_kb)
{
	return peak_kb > start_kb ?
		(double) (peak_kb - start_kb) / 1024.0 : 0.0;
}

/* The kernel's line, word for word, so that its scripts can read it. */
static void kernel_summary(const struct bench_crew *crew, uint64_t batches)
{
	if (bench_options.quiet)
		return;
	printf("Total time taken by all kfree'ers: %" PRIu64
		" ns, loops: %u, batches: %" PRIu64
		", memory footprint: %.0fMB\n",
		crew->loop_ns, bench_options.loops, batches,
		mb(crew->rss_peak_kb, crew->rss_start_kb));
}

static void emit_stats(const struct urcu_kvfree_stats *before,
		const struct urcu_kvfree_stats *after)
{
	double queued = (double) (after->queued - before->queued);

	if (queued <= 0)
		return;
	emit("emergency_ppm", 1e6 / queued *
		(double) (after->emergency - before->emergency));
	emit("owner_freed_pct", 100.0 / queued *
		(double) (after->owner_freed - before->owner_freed));
	emit("grace_periods",
		(double) (after->grace_periods - before->grace_periods));
	emit("helped", (double) (after->helped - before->helped));
	emit("recycled_pct", 100.0 / queued *
		(double) (after->recycled - before->recycled));
	emit("kicks", (double) (after->kicks - before->kicks));
	emit("refills", (double) (after->refills - before->refills));
	emit("pages_allocated",
		(double) (after->pages_allocated - before->pages_allocated));
	emit("pages", (double) after->pages);
	emit("pending", (double) after->pending);
}

static void emit_crew(const struct bench_crew *crew)
{
	double n = (double) crew->objects;
	uint64_t cpu_ns = crew->cpu_ns, updaters_cpu = 0;
	int i;

	for (i = 0; i < crew->updaters; i++)
		updaters_cpu += crew->threads[i].cpu_ns;
	emit("objects", n);
	emit("loop_ns_per_op", (double) crew->loop_ns * crew->updaters / n);
	emit("ns_per_op", (double) crew->total_ns * crew->updaters / n);
	emit("mops", n * 1e3 / (double) crew->total_ns);
	emit("cpu_ns_per_op", (double) cpu_ns / n);
	emit("updater_cpu_ns_per_op", (double) updaters_cpu / n);
	/* Of all CPU time, what the updaters did not use themselves. */
	emit("other_cpu_pct", cpu_ns > updaters_cpu ? 100.0 *
		(double) (cpu_ns - updaters_cpu) / (double) cpu_ns : 0.0);
	emit("peak_mb", mb(crew->rss_peak_kb, crew->rss_start_kb));
	emit("half1_mb", mb(crew->rss_half1_kb, crew->rss_start_kb));
	emit("half2_mb", mb(crew->rss_half2_kb, crew->rss_start_kb));
	emit("peak_rss_mb", (double) crew->rss_life_kb / 1024.0);
	emit("over_rss", crew->over_rss);
}

static int account(const struct bench_ops *ops, const struct bench_crew *crew,
		const struct urcu_kvfree_stats *after)
{
	uint64_t expected = crew->objects, freed = 0;
	int i;

	for (i = 0; i < crew->updaters; i++)
		expected += crew->threads[i].warmed;
	if (ops->stats)
		freed = after->freed;
	else if (!strcmp(ops->name, "call_rcu"))
		freed = bench_callbacks;
	else
		return BENCH_OK;
	if (freed == expected && (!ops->stats || after->queued == expected))
		return BENCH_OK;
	fprintf(stderr, "kvfreescale: %" PRIu64 " objects deferred, %" PRIu64
		" freed\n", expected, freed);
	return BENCH_LOST;
}

static int run(const struct bench_ops *ops, unsigned int sample_ms)
{
	struct bench_crew crew = { .ops = ops, .body = crew_body_churn,
		.sample_ms = sample_ms };
	struct urcu_kvfree_stats before, after;
	int status;

	if (ops->flags & BENCH_KEEPS_OBJECTS) {
		fprintf(stderr, "kvfreescale: %s keeps its objects, this "
			"scenario needs one that frees them\n", ops->name);
		return BENCH_USAGE;
	}
	if (read_stats(ops, &before))
		return BENCH_FAILED;
	status = crew_run(&crew);
	if (status)
		return status;
	if (read_stats(ops, &after))
		return BENCH_FAILED;
	kernel_summary(&crew, after.grace_periods - before.grace_periods);
	emit_crew(&crew);
	emit_stats(&before, &after);
	status = account(ops, &crew, &after);
	free(crew.threads);
	return status;
}

int scenario_scale(const struct bench_ops *ops)
{
	return run(ops, 100);
}

int scenario_flood(const struct bench_ops *ops)
{
	return run(ops, 5);
}
