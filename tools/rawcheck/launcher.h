/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_LAUNCHER_H
#define RAWCHECK_LAUNCHER_H

/*
 * launcher.h - the parts of the program urcu-rawcheck
 *
 *	main.c		options, environment
 *	image.c		reads ELF files
 *	inspect.c	refuses programs that cannot be checked
 *	run.c		starts the program, waits, passes signals on
 *	report.c	takes findings from the shared memory: merge, suppress, count
 *	notes.c		which programs were not checked
 *	text.c, json.c	print them
 *	symbols.c	names for addresses
 *
 * Two threads: the main one waits for the program, the reporter for findings.
 * The reporter owns all state of report.c until it is joined.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "shared.h"

/* Exit codes of the launcher's own, as env(1) and timeout(1) have them. */
enum {
	RC_EXIT_FINDINGS = 99,
	RC_EXIT_FAILURE = 125,	/* urcu-rawcheck itself failed, or refuses */
	RC_EXIT_CANNOT_RUN = 126,
	RC_EXIT_NOT_FOUND = 127,
};

/* Read-only once the program runs. */
struct rc_options {
	bool abort;
	bool json;
	bool wait_all;		/* for every descendant, not for the program alone */
	bool sources;		/* ask addr2line for lines */
	unsigned long max_reports;
	unsigned int trace_frames;
	FILE *log;
	char **suppress;	/* patterns */
	size_t nr_suppress;
};

extern struct rc_options rc_options;

/* Prints "urcu-rawcheck: ..." on stderr and exits with @code. */
void rc_die(int code, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void *rc_alloc(size_t size);	/* zeroed; dies when there is no memory */
char *rc_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* ---- inspect.c ---- */

/* Looks up @name as execvp() does. Returns a string to free, NULL with errno. */
char *rc_find_program(const char *name);
/* Why the program at @path cannot be checked, NULL if nothing speaks against it. */
const char *rc_refusal(const char *path);

/* ---- run.c ---- */

/* Starts the program, before the launcher has a second thread. */
pid_t rc_start(char **argv, const char *library, const char *shared_path);
/* Waits for its end. Returns its status as of waitpid(). */
int rc_wait(pid_t program);

/* ---- symbols.c ---- */

struct rc_place {
	const char *object;	/* path, or NULL */
	const char *symbol;	/* or NULL */
	uint64_t into;		/* bytes from the symbol to the address */
	const char *source;	/* "file.c:12", or NULL */
};

/*
 * Names @nr frames of @finding. The names live as long as the process.
 */
void rc_name_frames(const struct rc_finding *finding,
		const struct rc_frame *frames, struct rc_place *places,
		unsigned int nr);

/* ---- report.c ---- */

/* A finding with names, ready to print. */
struct rc_report {
	const struct rc_finding *finding;
	unsigned long number;
	struct rc_place stack[RC_MAX_FRAMES];
	struct rc_place what[RC_MAX_REPORTED];
	struct rc_place trace[RC_MAX_REPORTED][RC_MAX_TRACE];
};

struct rc_unchecked {
	const char *program;	/* "" where unknown; in the shared memory */
	unsigned long times;
};

struct rc_totals {
	uint64_t findings;	/* how often, not suppressed */
	uint64_t distinct;
	uint64_t suppressed;
	uint64_t lost;		/* of findings: without a record */
	/* How often each numbered report happened; counts[0] is report 1. */
	uint64_t counts[RC_MAX_FINDINGS];
	unsigned long nr_counts;
	/* Programs that did not load the library. */
	struct rc_unchecked unchecked[RC_MAX_NOTES];
	unsigned long nr_unchecked;
	unsigned long unchecked_times;
	bool unchecked_more;	/* and there was no room for more */
	/* Programs with a malloc() of their own, which is not seen. */
	const char *own_malloc[RC_MAX_NOTES];
	unsigned long nr_own_malloc;
};

void rc_reporter_start(struct rc_shared *shared);
/* Waits until everything is reported; prints the summary. Returns the findings. */
uint64_t rc_reporter_stop(void);

const char *rc_call_name(uint32_t call);
const char *rc_signal_name(int signo);	/* "SIGINT"; a static buffer at times */
const char *rc_base_name(const char *path);

/* ---- notes.c ---- */

/* False while a program that lives may still load the library. */
bool rc_notes_settled(struct rc_shared *shared);
void rc_count_notes(struct rc_shared *shared, struct rc_totals *totals);

/* ---- text.c, json.c ---- */

void rc_text_report(FILE *to, const struct rc_report *report);
void rc_text_summary(FILE *to, const struct rc_totals *totals);
void rc_text_unchecked(FILE *to, const struct rc_totals *totals);
void rc_text_own_malloc(FILE *to, const struct rc_totals *totals);
void rc_json_report(FILE *to, const struct rc_report *report);
void rc_json_summary(FILE *to, const struct rc_totals *totals);

#endif /* RAWCHECK_LAUNCHER_H */
