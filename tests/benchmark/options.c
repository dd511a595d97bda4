/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * options.c - the command line, with rcuscale's names
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct bench_options bench_options = {
	.scenario = "scale",
	.reclaimer = "kvfree",
	.flavor = "memb",
	.updaters = -1,
	.section_us = 100,
	.alloc_num = 8000,
	.loops = 10,
	.warmup_ms = 50,
	.settle_ms = 1000,
	.ck_poll = 256,
	.label = "",
};

static size_t alloc_size = 48, mult = 1;

enum option_kind { TEXT, NUMBER, SIZE, FLAG, SHORTHAND };

struct option_entry {
	const char *name;
	enum option_kind kind;
	void *value;		/* const char *, unsigned int, size_t, bool */
	unsigned long long min, max;
	const char *help;
};

static unsigned int nthreads;	/* 0: not given */

#define O bench_options
static const struct option_entry entries[] = {
	{ "scenario", TEXT, &O.scenario, 0, 0,
		"what to measure, see below (default scale)" },
	{ "reclaimer", TEXT, &O.reclaimer, 0, 0,
		"who frees, see below (default kvfree)" },
	{ "flavor", TEXT, &O.flavor, 0, 0,
		"memb, mb, qsbr or bp (default memb)" },
	{ "kfree_nthreads", NUMBER, &nthreads, 1, BENCH_MAX_THREADS,
		"updater threads (default: one per CPU)" },
	{ "kfree_alloc_num", SIZE, &O.alloc_num, 1, 1u << 28,
		"objects per loop (default 8000)" },
	{ "kfree_alloc_size", SIZE, &alloc_size, 24, 1u << 24,
		"bytes of an object (default 48)" },
	{ "kfree_mult", SIZE, &mult, 1, 1u << 16,
		"times this (default 1)" },
	{ "kfree_loops", NUMBER, &O.loops, 1, UINT_MAX,
		"loops of each updater (default 10)" },
	{ "kfree_by_call_rcu", SHORTHAND, "call_rcu", 0, 0,
		"same as --reclaimer=call_rcu" },
	{ "kfree_rcu_test_double", SHORTHAND, "kvfree-raw", 0, 0,
		"same as --reclaimer=kvfree-raw" },
	{ "kfree_rcu_test_single", SHORTHAND, "kvfree", 0, 0,
		"same as --reclaimer=kvfree" },
	{ "nreaders", NUMBER, &O.readers, 0, BENCH_MAX_THREADS,
		"reader threads (default 0)" },
	{ "section_us", NUMBER, &O.section_us, 0, 10000000,
		"length of a read-side section (default 100)" },
	{ "reader_spins", FLAG, &O.reader_spins, 0, 0,
		"readers use the CPU in their section, else they sleep" },
	{ "duration_ms", NUMBER, &O.duration_ms, 0, 3600000,
		"run that long instead of kfree_loops" },
	{ "warmup_ms", NUMBER, &O.warmup_ms, 0, 60000, "(default 50)" },
	{ "settle_ms", NUMBER, &O.settle_ms, 0, 60000,
		"wait before counting what should be quiet (default 1000)" },
	{ "interval_ns", NUMBER, &O.interval_ns, 0, 1000000000,
		"time between two calls of an updater (default 0)" },
	{ "stall_ms", NUMBER, &O.stall_ms, 0, 60000,
		"hang the allocator so long (scenario latency)" },
	{ "busy", NUMBER, &O.busy, 0, 1024,
		"busy loops of the same priority beside the run (default 0)" },
	{ "whole", FLAG, &O.whole, 0, 0,
		"write all of each object, not its first and last word" },
	{ "ck_poll", NUMBER, &O.ck_poll, 1, 1u << 20,
		"ck_epoch: calls between two polls (default 256)" },
	{ "max_rss_mb", NUMBER, &O.max_rss_mb, 16, UINT_MAX,
		"stop updaters there (default: half of the memory)" },
	{ "pin", FLAG, &O.pin, 0, 0, "bind each updater to a CPU" },
	{ "label", TEXT, &O.label, 0, 0, "first column of the CSV lines" },
	{ "round", NUMBER, &O.round, 0, UINT_MAX, "second column" },
	{ "csv", TEXT, &O.csv, 0, 0, "append the results to this file" },
	{ "series_csv", TEXT, &O.series_csv, 0, 0,
		"write RSS over time to this file" },
	{ "histogram_csv", TEXT, &O.histogram_csv, 0, 0,
		"write the latency histogram to this file" },
	{ "quiet", FLAG, &O.quiet, 0, 0, "nothing on the terminal" },
};
#undef O
#define NR_ENTRIES	(sizeof(entries) / sizeof(entries[0]))

static void print_help(void)
{
	const struct bench_scenario *s;
	size_t i;

	printf("Usage: kvfreescale [options]\n\n"
		"Measures ways to free memory after an RCU grace period.\n\n");
	for (i = 0; i < NR_ENTRIES; i++) {
		bool value = entries[i].kind <= SIZE;

		printf("  --%s%-*s %s\n", entries[i].name,
			25 - (int) strlen(entries[i].name),
			value ? "=..." : "", entries[i].help);
	}
	printf("  --%-25s %s\n\nScenarios:\n", "help", "this text");
	for (s = bench_scenarios; s->name; s++)
		printf("  %-11s %s\n", s->name, s->help);
	printf("\nReclaimers:\n"
		"  kvfree            urcu_kvfree_rcu_mightsleep(), clean context\n"
		"  kvfree-raw        urcu_kvfree_rcu(ptr, field) on malloc()\n"
		"  kvfree-kvmalloc   the same on urcu_kvmalloc()\n"
		"  kvfree-channel    a channel that leaves the objects alone\n"
		"  kvfree-two        clean calls, on the memb and the mb flavor in turn\n"
		"  kvfree-unlink     clean calls, the object unlinked from a pointer\n"
		"  batch             the same, 4,096 unlinked, then synchronize_rcu(),\n"
		"                    then free() for each: a batch written by hand\n"
		"  call_rcu, defer_rcu, ck_epoch\n"
		"                    the peers; with -keep they leave the objects alone\n"
		"  sync              synchronize_rcu() and free()\n"
		"  none              free() at once, no deferral\n"
		"  lock              spin trylock, store, unlock, by the C library\n"
		"\nExit status: 0 measured, 1 objects were lost, 2 bad usage,\n"
		"3 no memory or threads, 77 not built in.\n");
}

static const struct option_entry *find_entry(const char *name)
{
	size_t i;

	for (i = 0; i < NR_ENTRIES; i++)
		if (!strcmp(entries[i].name, name))
			return &entries[i];
	return NULL;
}

static int set_number(const struct option_entry *e, const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-' ||
			value < e->min || value > e->max) {
		fprintf(stderr, "kvfreescale: --%s=%s: a number from %llu to "
			"%llu is needed\n", e->name, text, e->min, e->max);
		return -1;
	}
	if (e->kind == SIZE)
		*(size_t *) e->value = (size_t) value;
	else
		*(unsigned int *) e->value = (unsigned int) value;
	return 0;
}

static int set_option(const struct option_entry *e, const char *text)
{
	switch (e->kind) {
	case TEXT:
		*(const char **) e->value = text;
		return 0;
	case FLAG:
		*(bool *) e->value = true;
		return 0;
	case SHORTHAND:
		bench_options.reclaimer = e->value;
		return 0;
	default:
		/* -1 stands for "one per CPU", as in the kernel. */
		if (e->value == &nthreads && !strcmp(text, "-1"))
			return 0;
		return set_number(e, text);
	}
}

static void fill_defaults(void)
{
	struct bench_options *o = &bench_options;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	o->updaters = nthreads ? (int) nthreads : bench_cpus();
	o->size = alloc_size * mult;
	if (!o->max_rss_mb)
		o->max_rss_mb = pages > 0 && page > 0 ? (unsigned int)
			((uint64_t) pages * (uint64_t) page / 2 / 1048576) :
			1024;
}

int bench_parse_options(int argc, char **argv, int *status)
{
	struct option longs[NR_ENTRIES + 2] = { 0 };
	size_t i;
	int index, c;

	for (i = 0; i < NR_ENTRIES; i++) {
		longs[i].name = entries[i].name;
		longs[i].has_arg = entries[i].kind <= SIZE;
	}
	longs[NR_ENTRIES].name = "help";
	*status = BENCH_USAGE;
	while ((c = getopt_long(argc, argv, "", longs, &index)) != -1) {
		if (c)
			break;
		if (index == (int) NR_ENTRIES) {
			print_help();
			*status = BENCH_OK;
			return -1;
		}
		if (set_option(find_entry(longs[index].name), optarg))
			return -1;
	}
	if (c != -1 || optind < argc) {
		if (c == -1)
			fprintf(stderr, "kvfreescale: unexpected argument '%s'\n",
				argv[optind]);
		fprintf(stderr, "Try 'kvfreescale --help'.\n");
		return -1;
	}
	fill_defaults();
	return BENCH_OK;
}
