/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * report.c - takes findings from the shared memory: merge, suppress, count, print
 *
 * A process merges findings with equal addresses; here those with equal places are
 * merged, whichever process they come from. A finding is judged once, when it
 * comes; how often it happened is read at the end.
 */

#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "launcher.h"

#define RC_PATIENCE_MSEC	200	/* for a process that writes a finding */

enum rc_fate {
	RC_PENDING = 0,
	RC_NUMBERED,		/* number says which report */
	RC_IGNORED,		/* suppressed */
	RC_VANISHED,		/* its process died before a word of it */
};

struct rc_judged {
	enum rc_fate fate;
	unsigned long number;
	char *key;		/* what makes it different, first of its kind alone */
};

/* stop is atomic; all else belongs to the reporter until it is joined. */
static struct {
	pthread_t thread;
	struct rc_shared *shared;
	bool stop;
	unsigned long numbers;
	struct rc_judged judged[RC_MAX_FINDINGS];
} rc_reporter;

/* ------------------------------------------------------------------ */
/* Names                                                              */

const char *rc_call_name(uint32_t call)
{
	static const char *const names[] = {
#define X(name) #name,
		RC_CALLS(X)
		RC_CALLS_OTHER(X)
#undef X
	};

	return call < RC_NR_CALLS ? names[call] : "unknown";
}

const char *rc_signal_name(int signo)
{
	static char name[32];
	const char *abbreviation = NULL;

#if __GLIBC_PREREQ(2, 32)
	abbreviation = sigabbrev_np(signo);
#endif
	if (abbreviation)
		snprintf(name, sizeof(name), "SIG%s", abbreviation);
	else
		snprintf(name, sizeof(name), "signal %d", signo);
	return name;
}

const char *rc_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Numbers that another process wrote, held to their bounds. */
static unsigned int rc_bounded(uint32_t nr, unsigned int max)
{
	return nr < max ? nr : max;
}

static struct rc_report *rc_make_report(struct rc_finding *finding)
{
	struct rc_report *report = rc_alloc(sizeof(*report));
	unsigned int i;

	finding->nr_frames = rc_bounded(finding->nr_frames, RC_MAX_FRAMES);
	finding->nr_contexts = rc_bounded(finding->nr_contexts, RC_MAX_REPORTED);
	finding->nr_objects = rc_bounded(finding->nr_objects, RC_MAX_OBJECTS);
	finding->comm[sizeof(finding->comm) - 1] = '\0';
	report->finding = finding;
	rc_name_frames(finding, finding->frames, report->stack,
			finding->nr_frames);
	for (i = 0; i < finding->nr_contexts; i++) {
		struct rc_context_report *context = &finding->contexts[i];

		context->nr = rc_bounded(context->nr, RC_MAX_TRACE);
		rc_name_frames(finding, &context->what, &report->what[i], 1);
		rc_name_frames(finding, context->trace, report->trace[i],
				context->nr);
	}
	return report;
}

/* ------------------------------------------------------------------ */
/* Judging                                                            */

static bool rc_matches(const char *text)
{
	size_t i;

	for (i = 0; text && i < rc_options.nr_suppress; i++)
		if (fnmatch(rc_options.suppress[i], text, 0) == 0)
			return true;
	return false;
}

static bool rc_places_match(const struct rc_place *places, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (rc_matches(places[i].symbol))
			return true;
		if (places[i].object && (rc_matches(places[i].object) ||
				rc_matches(rc_base_name(places[i].object))))
			return true;
	}
	return false;
}

static bool rc_is_suppressed(const struct rc_report *report)
{
	const struct rc_finding *finding = report->finding;
	unsigned int i;

	if (rc_matches(rc_call_name(finding->call)) ||
			rc_places_match(report->stack, finding->nr_frames) ||
			rc_places_match(report->what, finding->nr_contexts))
		return true;
	for (i = 0; i < finding->nr_contexts; i++)
		if (rc_places_match(report->trace[i], finding->contexts[i].nr))
			return true;
	return false;
}

static void rc_print_frames(FILE *to, const struct rc_frame *frames,
		const struct rc_place *places, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!(frames[i].flags & RC_FRAME_HIDDEN))
			fprintf(to, " %s+%llx", places[i].object ?
					places[i].object : "?",
					(unsigned long long) frames[i].offset);
}

static char *rc_make_key(const struct rc_report *report)
{
	const struct rc_finding *finding = report->finding;
	char *key = NULL;
	size_t size;
	FILE *to = open_memstream(&key, &size);
	unsigned int i;

	if (!to)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	fprintf(to, "%u %u", finding->call, finding->recursion);
	rc_print_frames(to, finding->frames, report->stack, finding->nr_frames);
	for (i = 0; i < finding->nr_contexts; i++) {
		fprintf(to, " / %u %d", finding->contexts[i].kind,
				finding->contexts[i].signo);
		rc_print_frames(to, finding->contexts[i].trace,
				report->trace[i], finding->contexts[i].nr);
	}
	if (fclose(to) != 0)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	return key;
}

/* The number of the report that says the same, 0 for none. */
static unsigned long rc_same_as(const char *key)
{
	size_t i;

	for (i = 0; i < RC_MAX_FINDINGS; i++)
		if (rc_reporter.judged[i].key &&
				strcmp(rc_reporter.judged[i].key, key) == 0)
			return rc_reporter.judged[i].number;
	return 0;
}

static void rc_print(const struct rc_report *report)
{
	FILE *to = rc_options.log;

	if (report->number > rc_options.max_reports)
		return;
	if (rc_options.json)
		rc_json_report(to, report);
	else
		rc_text_report(to, report);
	fflush(to);
}

static void rc_judge(struct rc_finding *finding, struct rc_judged *judged)
{
	struct rc_report *report = rc_make_report(finding);
	char *key;

	if (rc_is_suppressed(report)) {
		judged->fate = RC_IGNORED;
		free(report);
		return;
	}
	judged->fate = RC_NUMBERED;
	key = rc_make_key(report);
	judged->number = rc_same_as(key);
	if (judged->number) {
		free(key);
	} else {
		judged->number = ++rc_reporter.numbers;
		judged->key = key;
		report->number = judged->number;
		rc_print(report);
	}
	free(report);
}

/* Lets a process go on, or abort, that waits in --abort mode. */
static void rc_pass_verdict(struct rc_finding *finding, enum rc_fate fate)
{
	/* Release: pairs with the acquire in the library's rc_await_verdict(). */
	__atomic_store_n(&finding->verdict, fate == RC_IGNORED ?
			RC_SUPPRESSED : RC_REPORTED, __ATOMIC_RELEASE);
	syscall(SYS_futex, &finding->verdict, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ------------------------------------------------------------------ */
/* The reporter                                                       */

static unsigned int rc_nr_findings(void)
{
	return rc_bounded(__atomic_load_n(&rc_reporter.shared->next,
				__ATOMIC_RELAXED), RC_MAX_FINDINGS);
}

/* Judges what has come. @at_least: the state from which on it is taken. */
static bool rc_take_findings(uint32_t at_least)
{
	unsigned int nr = rc_nr_findings(), i;
	bool all = true;

	for (i = 0; i < nr; i++) {
		struct rc_finding *finding = &rc_reporter.shared->findings[i];
		struct rc_judged *judged = &rc_reporter.judged[i];

		if (judged->fate != RC_PENDING)
			continue;
		/* Pairs with the releases in the library's rc_write(). */
		if (__atomic_load_n(&finding->state, __ATOMIC_ACQUIRE) <
				at_least) {
			all = false;
			continue;
		}
		rc_judge(finding, judged);
		rc_pass_verdict(finding, judged->fate);
	}
	return all;
}

static void *rc_reporter_main(void *unused)
{
	struct rc_shared *shared = rc_reporter.shared;

	(void) unused;
	while (!__atomic_load_n(&rc_reporter.stop, __ATOMIC_ACQUIRE)) {
		/* Before the look, so that what comes after is not slept over. */
		uint32_t bell = __atomic_load_n(&shared->bell, __ATOMIC_ACQUIRE);

		rc_take_findings(RC_READY);
		if (__atomic_load_n(&rc_reporter.stop, __ATOMIC_ACQUIRE))
			break;
		syscall(SYS_futex, &shared->bell, FUTEX_WAIT, bell, NULL, NULL, 0);
	}
	return NULL;
}

void rc_reporter_start(struct rc_shared *shared)
{
	sigset_t all, old;
	int error;

	rc_reporter.shared = shared;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&rc_reporter.thread, NULL, rc_reporter_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		rc_die(RC_EXIT_FAILURE, "thread: %s", strerror(error));
}

/* What a process that lives is about to do gets a moment to be finished. */
static void rc_take_the_rest(void)
{
	const struct timespec msec = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; i < RC_PATIENCE_MSEC; i++) {
		if (rc_take_findings(RC_READY) &&
				rc_notes_settled(rc_reporter.shared))
			return;
		nanosleep(&msec, NULL);
	}
	rc_take_findings(RC_WRITING);
}

static void rc_count(struct rc_totals *totals)
{
	unsigned int nr = rc_nr_findings(), i;

	totals->lost = __atomic_load_n(&rc_reporter.shared->lost,
			__ATOMIC_RELAXED);
	totals->nr_counts = rc_reporter.numbers;
	for (i = 0; i < nr; i++) {
		const struct rc_judged *judged = &rc_reporter.judged[i];
		uint64_t count = __atomic_load_n(
				&rc_reporter.shared->findings[i].count,
				__ATOMIC_RELAXED);

		if (judged->fate == RC_IGNORED) {
			totals->suppressed += count;
		} else if (judged->fate == RC_NUMBERED) {
			totals->findings += count;
			totals->counts[judged->number - 1] += count;
		} else {
			totals->lost++;
		}
	}
	totals->distinct = rc_reporter.numbers;
	totals->findings += totals->lost;
}

static void rc_print_summary(const struct rc_totals *totals)
{
	if (rc_options.json) {
		rc_json_summary(rc_options.log, totals);
		return;
	}
	if (totals->findings)
		rc_text_summary(rc_options.log, totals);
	if (totals->unchecked_times)
		rc_text_unchecked(rc_options.log, totals);
	rc_text_own_malloc(rc_options.log, totals);
}

uint64_t rc_reporter_stop(void)
{
	struct rc_shared *shared = rc_reporter.shared;
	struct rc_totals *totals = rc_alloc(sizeof(*totals));
	uint64_t findings;

	/* Release: pairs with the acquires in rc_reporter_main(). */
	__atomic_store_n(&rc_reporter.stop, true, __ATOMIC_RELEASE);
	__atomic_add_fetch(&shared->bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	pthread_join(rc_reporter.thread, NULL);
	rc_take_the_rest();
	rc_count(totals);
	rc_count_notes(shared, totals);
	rc_print_summary(totals);
	if (fflush(rc_options.log) != 0 || ferror(rc_options.log))
		rc_die(RC_EXIT_FAILURE, "log: %s", strerror(errno));
	findings = totals->findings;
	free(totals);
	return findings;
}
