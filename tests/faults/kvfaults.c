/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfaults.c - fail every call that can fail, one after the other
 *
 * For each scenario: one run without faults counts the library's calls of each
 * function. Then one run for each of these calls, in which it fails once; then runs
 * in which all calls of a function fail, every second, third and seventh.
 * Each run is a process of its own, this program executed anew, so that the
 * library's constructors can fail too.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject.h"
#include "kvtest.h"
#include "scenarios.h"

#define JOBS		6
/* A run that takes longer hangs. */
#define RUN_SECONDS	120

/* What a run is, and how it went. */
struct job {
	const struct scenario *scenario;
	struct inject_state *state;	/* shared with the run */
	pid_t pid;			/* 0: none */
	bool dies;			/* the library is to abort */
};

/* Of one scenario, and of all. */
struct tally {
	unsigned int places, patterns, missed, failed;
	unsigned long long objects;
	uint64_t calls[INJECT_FNS];	/* in runs without faults */
};

static struct job jobs[JOBS];

/* ------------------------------------------------------------------ */
/* Decided: faults that are not survived, or not tried, and why        */

/* Whether a plan makes sense. */
static bool tried(const struct scenario *scenario,
		const struct inject_plan *plan)
{
	/* Without its handlers the library says on stderr that a child of
	 * fork() must not use it. */
	return plan->fn != INJECT_pthread_atfork ||
		strncmp(scenario->name, "fork", 4);
}

/* poll() cannot fail but with EINTR, and with EINVAL where RLIMIT_NOFILE is very low:
 * the library stops the program with a message rather than silently freeing
 * nothing. */
static const struct inject_plan fatal[] = {
	{ INJECT_ONCE, INJECT_poll, 1, ENOMEM },
};

/* ------------------------------------------------------------------ */
/* Runs                                                               */

static void describe(const struct inject_plan *plan, char *text, size_t size)
{
	const char *name = inject_functions[plan->fn].name;

	switch (plan->mode) {
	case INJECT_ONCE:
		snprintf(text, size, "%s:once:%u:%d", name, plan->n,
			plan->error);
		break;
	case INJECT_EVERY:
		snprintf(text, size, "%s:every:%u:%d", name, plan->n,
			plan->error);
		break;
	case INJECT_ALWAYS:
		snprintf(text, size, "%s:always:1:%d", name, plan->error);
		break;
	default:
		snprintf(text, size, "none");
	}
}

static void set_one(const char *name, const char *value)
{
	char variable[64];

	snprintf(variable, sizeof(variable), "URCU_KVFREE_%s", name);
	if (setenv(variable, value, 1))
		_exit(125);
}

/* Those of the scenario, on top of ours. */
static void set_settings(const char *text)
{
	char name[32], value[16];
	int used;

	while (text && sscanf(text, " %31[A-Z_]=%15[a-z0-9]%n", name, value,
			&used) == 2) {
		set_one(name, value);
		text += used;
	}
}

static void set_environment(const struct scenario *scenario, int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	setenv(INJECT_ENV, number, 1);
	unsetenv("URCU_KVFREE_DEBUG");
	unsetenv("URCU_KVFREE_MAX_PENDING_BYTES");
	/* Short times and small numbers: much happens in a short run. */
	set_one("DRAIN_MSEC", "1");
	set_one("REFILL_BACKOFF_MSEC", "2");
	set_one("MIN_CACHED_PAGES", "2");
	set_one("BATCH_BYTES", "4096");
	set_one("WORKERS", "2");
	set_one("LARGE_THRESHOLD", "16384");
	set_settings(scenario->settings);
}

/* In the child. */
static void execute(const struct job *job, int fd)
{
	char *argv[] = { "kvfaults", "--child", (char *) job->scenario->name,
		NULL };

	if (job->dies)		/* its message is expected */
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
	set_environment(job->scenario, fd);
	execv(kvtest_program(), argv);
	_exit(127);
}

static void job_start(struct job *job, const struct scenario *scenario,
		const struct inject_plan *plan, bool dies)
{
	int fd = memfd_create("kvfaults", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*job->state)))
		abort();
	job->state = mmap(NULL, sizeof(*job->state), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	if (job->state == MAP_FAILED)
		abort();
	job->state->plan = *plan;
	job->scenario = scenario;
	job->dies = dies;
	job->pid = fork();
	if (job->pid < 0)
		abort();
	if (!job->pid)
		execute(job, fd);
	close(fd);
}

static bool status_is_good(const struct job *job, int status)
{
	if (job->dies)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void job_end(struct job *job, int status, struct tally *tally)
{
	const struct inject_state *state = job->state;
	char plan[64];

	if (!status_is_good(job, status)) {
		describe(&state->plan, plan, sizeof(plan));
		fprintf(stderr, "FAILED with status %#x%s: kvfaults --scenario=%s --fault=%s\n",
			status, WIFSIGNALED(status) &&
			WTERMSIG(status) == SIGALRM ? " (it hung)" : "",
			job->scenario->name, plan);
		tally->failed++;
	}
	tally->objects += state->objects;
	if (state->plan.mode == INJECT_ONCE)
		*(state->injected ? &tally->places : &tally->missed) += 1;
	else if (state->plan.mode != INJECT_NEVER)
		*(state->injected ? &tally->patterns : &tally->missed) += 1;
	munmap(job->state, sizeof(*job->state));
	job->pid = 0;
}

/* Wait until one run ends; false when there is none. */
static bool job_wait(struct tally *tally)
{
	unsigned int i;
	int status;
	pid_t pid;

	do
		pid = wait(&status);
	while (pid < 0 && errno == EINTR);
	for (i = 0; i < JOBS && pid > 0; i++)
		if (jobs[i].pid == pid)
			job_end(&jobs[i], status, tally);
	return pid > 0;
}

static struct job *job_slot(struct tally *tally)
{
	unsigned int i;

	for (;;) {
		for (i = 0; i < JOBS; i++)
			if (!jobs[i].pid)
				return &jobs[i];
		job_wait(tally);
	}
}

static void job_add(const struct scenario *scenario,
		const struct inject_plan *plan, struct tally *tally)
{
	if (tried(scenario, plan))
		job_start(job_slot(tally), scenario, plan, false);
}

/* ------------------------------------------------------------------ */
/* All places of a scenario                                           */

/* The run without faults: how often each function is called. */
static bool count_calls(const struct scenario *scenario, struct tally *tally)
{
	struct job *job = job_slot(tally);
	struct inject_plan none = { .mode = INJECT_NEVER };
	unsigned int failed = tally->failed, fn;
	int status;

	job_start(job, scenario, &none, false);
	while (waitpid(job->pid, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	for (fn = 0; fn < INJECT_FNS; fn++)
		tally->calls[fn] = job->state->calls[fn];
	job_end(job, status, tally);
	return tally->failed == failed;
}

static void add_function(const struct scenario *scenario, enum inject_fn fn,
		uint64_t calls, struct tally *tally)
{
	static const uint32_t every[] = { 2, 3, 7 };
	struct inject_plan plan = { .fn = fn };
	unsigned int e, i;

	for (e = 0; e < INJECT_ERRORS; e++) {
		plan.error = inject_functions[fn].errors[e];
		if (!plan.error)
			break;
		plan.mode = INJECT_ONCE;
		for (plan.n = 1; plan.n <= calls; plan.n++)
			job_add(scenario, &plan, tally);
		plan.mode = INJECT_EVERY;
		for (i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
			plan.n = every[i];
			if (calls >= plan.n)
				job_add(scenario, &plan, tally);
		}
		plan.mode = INJECT_ALWAYS;
		plan.n = 1;
		job_add(scenario, &plan, tally);
	}
}

/* Functions that no scenario calls by itself. */
static void say_uncalled(const uint64_t *calls)
{
	unsigned int fn;

	printf("not called in runs without faults:");
	for (fn = 0; fn < INJECT_FNS; fn++)
		if (!calls[fn])
			printf(" %s", inject_functions[fn].name);
	printf("\n");
}

static void say_tally(const char *name, const struct tally *tally)
{
	printf("%-14s %5u places, %4u patterns, %3u not reached, %llu objects, %u failed\n",
		name, tally->places, tally->patterns, tally->missed,
		tally->objects, tally->failed);
	fflush(stdout);
}

static void sum(struct tally *to, const struct tally *from)
{
	unsigned int fn;

	for (fn = 0; fn < INJECT_FNS; fn++)
		to->calls[fn] += from->calls[fn];
	to->places += from->places;
	to->patterns += from->patterns;
	to->missed += from->missed;
	to->failed += from->failed;
	to->objects += from->objects;
}

static void try_scenario(const struct scenario *scenario, struct tally *total)
{
	struct tally tally = { 0 };
	unsigned int fn;

	if (count_calls(scenario, &tally))
		for (fn = 0; fn < INJECT_FNS; fn++)
			if (tally.calls[fn])
				add_function(scenario, fn, tally.calls[fn],
						&tally);
	while (job_wait(&tally))
		;
	say_tally(scenario->name, &tally);
	sum(total, &tally);
}

static void try_fatal(struct tally *total)
{
	struct tally tally = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		job_start(job_slot(&tally), &scenarios[0], &fatal[i], true);
	while (job_wait(&tally))
		;
	say_tally("(must abort)", &tally);
	sum(total, &tally);
}

/* ------------------------------------------------------------------ */
/* Command line                                                       */

static const char usage_text[] =
"Usage: kvfaults [OPTION]...\n"
"Fail every call that the library makes and that can fail.\n"
"\n"
"  --scenario=NAME   this one alone\n"
"  --fault=FUNCTION:MODE:N:ERROR\n"
"                    with --scenario: this one run; MODE is once, every or always,\n"
"                    ERROR a number of errno\n"
"  --list            the scenarios, and the functions that fail\n"
"  --help            this text\n"
"\n"
"A place is one call of one function in one scenario (with one error); a pattern is\n"
"all, every second, third or seventh call of a function. Places that a run did not get\n"
"to, because threads met in another order, are counted as not reached.\n"
"\n"
"Exit status: 0 all is well; 1 a run failed; 2 bad usage.\n";

static void usage(const char *what, const char *arg)
{
	fprintf(stderr, "kvfaults: %s '%s'\nTry 'kvfaults --help'.\n", what,
		arg);
	exit(2);
}

static const struct scenario *find_scenario(const char *name)
{
	const struct scenario *s;

	for (s = scenarios; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	usage("no such scenario", name);
	return NULL;
}

static struct inject_plan parse_fault(const char *text)
{
	static const char *const modes[] = { "", "once", "every", "always" };
	struct inject_plan plan = { .mode = INJECT_NEVER };
	char name[32], mode[16];
	unsigned int i;

	if (sscanf(text, "%31[a-z_0-9]:%15[a-z]:%u:%d", name, mode, &plan.n,
			&plan.error) != 4 || !plan.n)
		usage("bad fault", text);
	for (i = 1; i <= INJECT_ALWAYS; i++)
		if (!strcmp(modes[i], mode))
			plan.mode = (enum inject_mode) i;
	for (i = 0; i < INJECT_FNS && strcmp(inject_functions[i].name, name);)
		i++;
	if (i == INJECT_FNS || plan.mode == INJECT_NEVER)
		usage("bad fault", text);
	plan.fn = (enum inject_fn) i;
	return plan;
}

static int list(void)
{
	const struct scenario *s;
	unsigned int i;

	for (s = scenarios; s->name; s++)
		printf("%-14s %s\n", s->name, s->what);
	for (i = 0; i < INJECT_FNS; i++)
		printf("%s%s", i ? " " : "", inject_functions[i].name);
	printf("\n");
	return 0;
}

static int child(const char *name)
{
	if (!inject_state())
		usage("not for you:", "--child");
	alarm(RUN_SECONDS);
	return scenario_check(find_scenario(name)) ? 1 : 0;
}

static int try_one(const char *scenario, const char *fault)
{
	struct inject_plan plan = parse_fault(fault);
	struct tally tally = { 0 };

	job_start(job_slot(&tally), find_scenario(scenario), &plan, false);
	while (job_wait(&tally))
		;
	say_tally(scenario, &tally);
	return tally.failed ? 1 : 0;
}

static int try_all(const char *only)
{
	struct tally total = { 0 };
	const struct scenario *s;

	for (s = scenarios; s->name; s++)
		if (!only || s == find_scenario(only))
			try_scenario(s, &total);
	if (!only)
		try_fatal(&total);
	say_tally("total", &total);
	say_uncalled(total.calls);
	return total.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "scenario", required_argument, NULL, 's' },
		{ "fault", required_argument, NULL, 'f' },
		{ "child", required_argument, NULL, 'c' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *scenario = NULL, *fault = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 's':
			scenario = optarg;
			break;
		case 'f':
			fault = optarg;
			break;
		case 'c':
			return child(optarg);
		case 'l':
			return list();
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			usage("bad option", "");
		}
	if (optind < argc || (fault && !scenario))
		usage("bad usage", optind < argc ? argv[optind] : fault);
	return fault ? try_one(scenario, fault) : try_all(scenario);
}
