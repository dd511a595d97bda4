/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * emit.c - results, one value to a line
 *
 * The CSV file is appended to, so that the runs of a whole comparison are in
 * one file: label,round,scenario,reclaimer,flavor,updaters,readers,section_us,
 * size,metric,value. Files are opened before the run: a run that cannot write
 * its result should fail at once.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include "bench.h"

static struct {
	FILE *csv, *series, *histogram;
	bool progress_shown;
} out;

static FILE *open_output(const char *path, const char *mode)
{
	FILE *f;

	if (!path)
		return NULL;
	f = fopen(path, mode);
	if (!f)
		fprintf(stderr, "kvfreescale: %s: %s\n", path, strerror(errno));
	return f;
}

int emit_open(void)
{
	const struct bench_options *o = &bench_options;

	out.csv = open_output(o->csv, "a");
	out.series = open_output(o->series_csv, "w");
	out.histogram = open_output(o->histogram_csv, "w");
	if ((o->csv && !out.csv) || (o->series_csv && !out.series) ||
			(o->histogram_csv && !out.histogram))
		return -1;
	if (out.series)
		fprintf(out.series, "ms,rss_kb\n");
	return 0;
}

static int close_output(FILE *f, const char *path)
{
	if (!f)
		return 0;
	if (fclose(f) == 0)
		return 0;
	fprintf(stderr, "kvfreescale: %s: %s\n", path, strerror(errno));
	return -1;
}

int emit_close(void)
{
	const struct bench_options *o = &bench_options;
	int ret = 0;

	ret |= close_output(out.csv, o->csv);
	ret |= close_output(out.series, o->series_csv);
	ret |= close_output(out.histogram, o->histogram_csv);
	return ret;
}

static void clear_progress(void)
{
	if (!out.progress_shown)
		return;
	fprintf(stderr, "\r\033[K");
	out.progress_shown = false;
}

void emit(const char *metric, double value)
{
	const struct bench_options *o = &bench_options;

	clear_progress();
	if (!o->quiet)
		printf("  %-24s %.6g\n", metric, value);
	if (out.csv)
		fprintf(out.csv, "%s,%u,%s,%s,%s,%d,%d,%u,%zu,%s,%.10g\n",
			o->label, o->round, o->scenario, o->reclaimer,
			o->flavor, o->updaters, o->readers, o->section_us,
			o->size, metric, value);
}

void emit_sample(uint64_t ns, size_t rss_kb)
{
	if (out.series)
		fprintf(out.series, "%.3f,%zu\n", (double) ns / 1e6, rss_kb);
}

void emit_histogram(const struct histogram *h, const char *prefix)
{
	static const struct {
		const char *name;
		double percent;
	} points[] = {
		{ "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p999", 99.9 },
		{ "p9999", 99.99 }, { "p99999", 99.999 }, { "max", 100 },
	};
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		snprintf(name, sizeof(name), "%s%s_ns", prefix, points[i].name);
		emit(name, (double) histogram_percentile(h, points[i].percent));
	}
	if (out.histogram && !*prefix)
		(void) histogram_write_csv(h, out.histogram);
}

void emit_progress(const char *format, ...)
{
	va_list args;

	if (bench_options.quiet || !isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	fprintf(stderr, "\r\033[K%s %s: ", bench_options.scenario,
		bench_options.reclaimer);
	vfprintf(stderr, format, args);
	va_end(args);
	out.progress_shown = true;
}
