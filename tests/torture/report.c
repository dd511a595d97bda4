/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * report.c - progress and the last account
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"

void torture_say(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	ssize_t done;
	int n, at;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int) sizeof(text))
		n = sizeof(text) - 1;
	for (at = 0; at < n; at += (int) done) {
		done = write(STDOUT_FILENO, text + at, (size_t) (n - at));
		if (done < 0 && errno != EINTR)
			return;
		if (done < 0)
			done = 0;
	}
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ */
/* Looks at the library's counters                                    */

/* There is one sampler: nobody else writes these. */
static void set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static void raise_to(uint64_t *peak, uint64_t value)
{
	if (value > get(peak))
		set(peak, value);
}

/* A look that took long counts objects as pending that were queued and freed
 * meanwhile: left out. */
static void sample(void)
{
	uint64_t begin = kvtest_msec();
	struct urcu_kvfree_stats stats = kvtest_stats(NULL);

	if (kvtest_msec() - begin > 1)
		return;
	raise_to(&torture.peak_pending, stats.pending);
	raise_to(&torture.peak_bytes, stats.pending_bytes);
	raise_to(&torture.peak_oldest_msec, stats.oldest_msec);
	set(&torture.seen_grace_periods, stats.grace_periods);
	set(&torture.seen_helped, stats.helped);
	set(&torture.seen_recycled, stats.recycled);
}

void torture_sampler(struct worker *self)
{
	while (!torture_stopping()) {
		torture_park_point(self);
		sample();
		torture_sleep(20000);
	}
}

/* ------------------------------------------------------------------ */
/* Progress                                                           */

void torture_progress(unsigned int second)
{
	bool terminal = isatty(STDOUT_FILENO);
	uint64_t freed = get(&object_account.freed);
	uint64_t queued = get(&object_account.queued);

	if (!terminal && second % 60)
		return;
	torture_say("%s%6u s  queued %" PRIu64 "  freed %" PRIu64
		"  between %" PRId64 "  grace periods %" PRIu64 "  helped %"
		PRIu64 "  recycled %" PRIu64 "  peak pending %" PRIu64
		"  sections %" PRIu64 "  errors %" PRIu64 "%s",
		terminal ? "\r" : "", second, queued, freed,
		(int64_t) (queued - freed), get(&torture.seen_grace_periods),
		get(&torture.seen_helped), get(&torture.seen_recycled),
		get(&torture.peak_pending), get(&torture.count.reads),
		get(&object_account.errors), terminal ? "\033[K" : "\n");
	if (terminal && second == torture.options.duration)
		torture_say("\n");
}

/* ------------------------------------------------------------------ */
/* The last account                                                   */

static void say_objects(void)
{
	static const char *const sizes[OBJECT_SIZES] = { "to 64 bytes",
		"to 512", "to 4 KB", "to 32 KB", "larger" };
	unsigned int i;

	torture_say("objects    queued %" PRIu64 ", freed %" PRIu64 "\n",
		object_account.queued, object_account.freed);
	torture_say("freed      malloc %" PRIu64 ", kv %" PRIu64,
		object_account.kinds[OBJECT_MALLOC],
		object_account.kinds[OBJECT_KV]);
	for (i = 0; i <= TORTURE_CHANNELS; i++)
		torture_say(", channel %u %" PRIu64, i,
			object_account.kinds[OBJECT_CHANNEL + i]);
	torture_say("\nsizes      ");
	for (i = 0; i < OBJECT_SIZES; i++)
		torture_say("%s%s: %" PRIu64, i ? ", " : "", sizes[i],
			object_account.sizes[i]);
	torture_say("\nage        ");
	for (i = 0; i <= OBJECT_AGES; i++)
		torture_say("%u%s: %" PRIu64 "%s", i,
			i == OBJECT_AGES ? "+" : "", object_account.ages[i],
			i == OBJECT_AGES ? "\n" : ", ");
}

static void say_calls(void)
{
	torture_say("calls      raw %" PRIu64 ", mightsleep %" PRIu64
		", try %" PRIu64 " (refused %" PRIu64 "), kv %" PRIu64
		", channel %" PRIu64 ", others %" PRIu64 "\n",
		torture.count.raws, torture.count.sleeps, torture.count.tries,
		torture.count.refused, torture.count.kvs,
		torture.count.channels, torture.count.calls);
	torture_say("events     sections %" PRIu64 ", long ones %" PRIu64
		", barriers %" PRIu64 ", shrinks %" PRIu64 ", signals %" PRIu64
		", threads %" PRIu64 ", forks %" PRIu64 ", starts %" PRIu64
		"\n",
		torture.count.reads, torture.count.stays,
		torture.count.barriers, torture.count.shrinks,
		torture.count.handlers, torture.count.threads,
		torture.count.forks, torture.count.cycles);
}

/* KiB that this process ever had in memory at a time. */
static unsigned long peak_rss(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static void say_grace_periods(const struct urcu_kvfree_stats *stats)
{
	const struct options *o = &torture.options;

	torture_say("grace periods  %s %" PRIu64, o->flavor,
		objects_grace_periods(0));
	if (o->second)
		torture_say(", %s %" PRIu64, o->second,
			objects_grace_periods(1));
	torture_say("; %" PRIu64 " objects for each; helped %" PRIu64
		", kicks %" PRIu64 ", longest %" PRIu64 " ms\n",
		stats->grace_periods ? stats->freed / stats->grace_periods : 0,
		stats->helped, stats->kicks, stats->grace_period_msec);
	torture_say("memory     peak pending %" PRIu64 " objects, %" PRIu64
		" KiB by the library's estimate, the oldest for %" PRIu64
		" ms; peak resident %lu MiB\n",
		torture.peak_pending, torture.peak_bytes / 1024,
		torture.peak_oldest_msec, peak_rss() / 1024);
	torture_say("library    pages allocated %" PRIu64 ", emergency %" PRIu64
		", owner freed %" PRIu64 ", recycled %" PRIu64 ", inline %"
		PRIu64 ", refills %" PRIu64 "\n",
		stats->pages_allocated, stats->emergency, stats->owner_freed,
		stats->recycled, stats->inline_freed, stats->refills);
}

static void check_library(const struct urcu_kvfree_stats *stats)
{
	if (stats->pending || stats->pending_bytes || stats->oldest_msec ||
	    stats->pages || stats->large_bytes || stats->leaked)
		object_error("counters at the end: pending %" PRIu64 " (%" PRIu64 " bytes, %" PRIu64 " ms), pages %" PRIu64 ", large %" PRIu64 ", leaked %" PRIu64,
			stats->pending, stats->pending_bytes,
			stats->oldest_msec, stats->pages, stats->large_bytes,
			stats->leaked);
	if (stats->queued != object_account.queued)
		object_error("the library counts %" PRIu64 " objects, we %" PRIu64,
			stats->queued, object_account.queued);
	if (stats->recycled != object_account.recycled)
		object_error("the library counts %" PRIu64 " recycled objects, we %" PRIu64,
			stats->recycled, object_account.recycled);
	if (stats->helped > stats->grace_periods)
		object_error("%" PRIu64 " of %" PRIu64 " grace periods were run by callers",
			stats->helped, stats->grace_periods);
}

void torture_report(void)
{
	struct urcu_kvfree_stats stats = kvtest_stats(NULL);

	check_library(&stats);
	say_objects();
	say_calls();
	say_grace_periods(&stats);
	torture_say("kvfreetorture: %s, %" PRIu64 " errors\n",
		object_account.errors ? "FAILURE" : "SUCCESS",
		object_account.errors);
}
