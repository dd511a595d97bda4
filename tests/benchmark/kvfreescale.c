/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfreescale - measure urcu_kvfree_rcu() and its peers; kvfreescale --help
 */

#include <string.h>

#include "bench.h"

const struct bench_scenario bench_scenarios[] = {
	{ "scale", scenario_scale,
		"throughput of allocate, touch, defer (rcuscale's test)" },
	{ "flood", scenario_flood, "the same, RSS sampled every 5 ms" },
	{ "call", scenario_call, "cost of the deferring call alone" },
	{ "latency", scenario_latency,
		"every call timed: kfree_loops * kfree_alloc_num calls" },
	{ "steady", scenario_steady,
		"a call every interval_ns: page supply, records per drain" },
	{ "barrier", scenario_barrier,
		"barrier with one object pending, kfree_loops times" },
	{ "barriers", scenario_barriers,
		"kfree_nthreads barriers at once, kfree_loops times" },
	{ "first", scenario_first,
		"first call of a thread while kfree_nthreads have records" },
	{ "idle", scenario_idle, "wake-ups after work, over 3 s" },
	{ "footprint", scenario_footprint,
		"RSS of each of kfree_nthreads idle threads" },
	{ "turnover", scenario_turnover,
		"8 * kfree_loops threads that come, defer and go" },
	{ "burst", scenario_burst,
		"RSS after kfree_loops * kfree_alloc_num objects lived at once" },
	{ "table", scenario_table,
		"a program with a hash table: calls on the emergency list" },
	{ "line", scenario_line,
		"a dirty cache line's way from one processor to another" },
	{ NULL, NULL, NULL },
};

static const struct bench_scenario *find_scenario(const char *name)
{
	const struct bench_scenario *s;

	for (s = bench_scenarios; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

static int find_ops(const struct bench_ops **ops)
{
	const struct bench_options *o = &bench_options;

	*ops = bench_find_ops(o->reclaimer, o->flavor);
	if (*ops)
		return BENCH_OK;
	if (!strncmp(o->reclaimer, "ck_epoch", strlen("ck_epoch"))) {
		fprintf(stderr, "kvfreescale: built without ck_epoch\n");
		return BENCH_SKIP;
	}
	fprintf(stderr, "kvfreescale: no reclaimer %s of flavor %s, see "
		"--help\n", o->reclaimer, o->flavor);
	return BENCH_USAGE;
}

/* Pending objects at the end mean that something was lost on the way. */
static int run(const struct bench_scenario *scenario,
		const struct bench_ops *ops)
{
	int status;

	if (bench_busy_start(bench_options.busy)) {
		perror("kvfreescale: busy loops");
		return BENCH_FAILED;
	}
	if (ops->start && ops->start()) {
		perror("kvfreescale: start");
		bench_busy_stop();
		return BENCH_FAILED;
	}
	if (!bench_options.quiet)
		printf("%s: %s, flavor %s, %d updaters, %d readers of %u us, "
			"%zu bytes\n", scenario->name, ops->name,
			bench_options.flavor, bench_options.updaters,
			bench_options.readers, bench_options.section_us,
			bench_options.size);
	status = scenario->run(ops);
	if (ops->stop)
		ops->stop();
	bench_busy_stop();
	return status;
}

int main(int argc, char **argv)
{
	const struct bench_scenario *scenario;
	const struct bench_ops *ops;
	int status;

	if (bench_parse_options(argc, argv, &status))
		return status;
	scenario = find_scenario(bench_options.scenario);
	if (!scenario) {
		fprintf(stderr, "kvfreescale: no scenario %s, see --help\n",
			bench_options.scenario);
		return BENCH_USAGE;
	}
	status = find_ops(&ops);
	if (status)
		return status;
	if (emit_open())
		return BENCH_FAILED;
	status = run(scenario, ops);
	if (emit_close() && !status)
		status = BENCH_FAILED;
	return status;
}
