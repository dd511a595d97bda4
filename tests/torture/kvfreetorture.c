/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfreetorture.c - everything at once, and an exact account at the end
 *
 * In the manner of the kernel's rcutorture: writers replace objects in every
 * way that the library knows, readers hold on to them and check them, and
 * meanwhile there are barriers, shrinks, signals, forks, and threads that come and go.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

/* Without a free for so long, or without an end: it hangs. */
#define HANG_SECONDS	60

enum { EXIT_ERRORS = 1, EXIT_USAGE = 2, EXIT_SETUP = 3, EXIT_HUNG = 4 };

struct torture torture;

/* ------------------------------------------------------------------ */
/* Options                                                            */

static const char usage_text[] =
"Usage: kvfreetorture [OPTION]...\n"
"Queue and free objects in every way at once, and account for each of them.\n"
"\n"
"  --duration=SECONDS  how long (default 10)\n"
"  --flavor=NAME       memb, mb, qsbr or bp (default memb)\n"
"  --seed=N            of all random choices but the scheduler's (default:\n"
"                      from the clock; it is printed)\n"
"  --writers=N         threads that replace objects (default 3)\n"
"  --readers=N         threads that look at them (default 3)\n"
"  --barriers=N        threads that wait for barriers (default 2)\n"
"  --churners=N        threads that make short-lived threads (default 2)\n"
"  --slots=N           objects that may exist at a time (default 65536)\n"
"  --no-forks          no fork()\n"
"  --no-signals        no signal handlers that queue\n"
"  --no-cycles         no exit and start of the library in between\n"
"  --no-shrinks        no urcu_kvfree_shrink()\n"
"  --no-delays         no short waits inside the library\n"
"  --help              this text\n"
"\n"
"Each second one line: seconds, objects queued and freed, those between, read-\n"
"side sections, errors. The last lines are the account: how many objects of each\n"
"kind were freed, and after how many grace periods (the age; an object of age 0\n"
"was freed too early).\n"
"\n"
"Exit status: 0 all is well; 1 errors were found; 2 bad usage; 3 the test could\n"
"not be set up; 4 it hung.\n";

enum { OPT_DURATION = 256, OPT_FLAVOR, OPT_SEED, OPT_WRITERS, OPT_READERS,
	OPT_BARRIERS, OPT_CHURNERS, OPT_SLOTS, OPT_NO_FORKS, OPT_NO_SIGNALS,
	OPT_NO_CYCLES, OPT_NO_SHRINKS, OPT_NO_DELAYS, OPT_HELP };

static const struct option long_options[] = {
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "flavor", required_argument, NULL, OPT_FLAVOR },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "writers", required_argument, NULL, OPT_WRITERS },
	{ "readers", required_argument, NULL, OPT_READERS },
	{ "barriers", required_argument, NULL, OPT_BARRIERS },
	{ "churners", required_argument, NULL, OPT_CHURNERS },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "no-forks", no_argument, NULL, OPT_NO_FORKS },
	{ "no-signals", no_argument, NULL, OPT_NO_SIGNALS },
	{ "no-cycles", no_argument, NULL, OPT_NO_CYCLES },
	{ "no-shrinks", no_argument, NULL, OPT_NO_SHRINKS },
	{ "no-delays", no_argument, NULL, OPT_NO_DELAYS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void usage(const char *what, const char *arg)
{
	fprintf(stderr, "kvfreetorture: %s '%s'\n"
		"Try 'kvfreetorture --help'.\n", what, arg);
	exit(EXIT_USAGE);
}

static uint64_t number(const char *arg, uint64_t least, uint64_t most)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || n < least || n > most)
		usage("bad number", arg);
	return n;
}

static void set_option(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_DURATION:
		o->duration = (unsigned int) number(arg, 1, 10000000);
		break;
	case OPT_FLAVOR:
		o->flavor = arg;
		break;
	case OPT_SEED:
		o->seed = number(arg, 0, UINT64_MAX);
		break;
	case OPT_WRITERS:
		o->writers = (unsigned int) number(arg, 0, 20);
		break;
	case OPT_READERS:
		o->readers = (unsigned int) number(arg, 0, 20);
		break;
	case OPT_BARRIERS:
		o->barriers = (unsigned int) number(arg, 0, 20);
		break;
	case OPT_CHURNERS:
		o->churners = (unsigned int) number(arg, 0, 20);
		break;
	case OPT_SLOTS:
		o->slots = (unsigned int) number(arg, 256, 1 << 26);
		break;
	default:
		usage("bad option", arg ? arg : "");
	}
}

static void set_switch(struct options *o, int opt)
{
	switch (opt) {
	case OPT_NO_FORKS:
		o->forks = false;
		break;
	case OPT_NO_SIGNALS:
		o->signals = false;
		break;
	case OPT_NO_CYCLES:
		o->cycles = false;
		break;
	case OPT_NO_SHRINKS:
		o->shrinks = false;
		break;
	case OPT_NO_DELAYS:
		o->delays = false;
		break;
	case OPT_HELP:
		fputs(usage_text, stdout);
		exit(fflush(stdout) ? EXIT_SETUP : EXIT_SUCCESS);
	default:
		usage("bad option, or one without its value", "");
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (optarg)
			set_option(o, opt, optarg);
		else
			set_switch(o, opt);
	}
	if (optind < argc)
		usage("unexpected argument", argv[optind]);
	if (!kvtest_flavor(o->flavor))
		usage("no such flavor", o->flavor);
}

/* ------------------------------------------------------------------ */
/* Output                                                             */

/* Straight to the descriptor: a child of fork() inherits no full buffer. */
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
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

static void say_progress(unsigned int second)
{
	bool terminal = isatty(STDOUT_FILENO);
	uint64_t freed = get(&object_account.freed);
	uint64_t queued = get(&object_account.queued);

	say("%s%6u s  queued %" PRIu64 "  freed %" PRIu64 "  between %" PRId64
		"  sections %" PRIu64 "  errors %" PRIu64 "%s",
		terminal ? "\r" : "", second, queued, freed,
		(int64_t) (queued - freed), get(&torture.count.reads),
		get(&object_account.errors), terminal ? "\033[K" : "\n");
}

static void say_counts(void)
{
	unsigned int i;

	say("objects    queued %" PRIu64 ", freed %" PRIu64 "\n",
		object_account.queued, object_account.freed);
	say("freed      malloc %" PRIu64 ", kv %" PRIu64,
		object_account.kinds[OBJECT_MALLOC],
		object_account.kinds[OBJECT_KV]);
	for (i = 0; i <= TORTURE_CHANNELS; i++)
		say(", channel %u %" PRIu64, i,
			object_account.kinds[OBJECT_CHANNEL + i]);
	say("\ncalls      raw %" PRIu64 ", mightsleep %" PRIu64
		", try %" PRIu64 " (refused %" PRIu64 "), kv %" PRIu64
		", channel %" PRIu64 "\n",
		torture.count.raws, torture.count.sleeps, torture.count.tries,
		torture.count.refused, torture.count.kvs,
		torture.count.channels);
	say("events     sections %" PRIu64 ", barriers %" PRIu64
		", shrinks %" PRIu64 ", signals %" PRIu64 ", threads %" PRIu64
		", forks %" PRIu64 ", starts %" PRIu64 "\n",
		torture.count.reads, torture.count.barriers,
		torture.count.shrinks, torture.count.handlers,
		torture.count.threads, torture.count.forks,
		torture.count.cycles);
}

static void say_ages(void)
{
	unsigned int i;

	say("age        ");
	for (i = 0; i <= OBJECT_AGES; i++)
		say("%u%s: %" PRIu64 "%s", i, i == OBJECT_AGES ? "+" : "",
			object_account.ages[i], i == OBJECT_AGES ? "\n" : ", ");
}

/* ------------------------------------------------------------------ */
/* The run                                                            */

static void on_alarm(int signo)
{
	static const char text[] = "\nkvfreetorture: it hangs\n";

	(void) signo;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_HUNG);
	_exit(EXIT_HUNG);
}

static void *worker_thread(void *arg)
{
	struct worker *self = arg;

	torture_worker_begin(self);
	self->run(self);
	torture_worker_end(self);
	torture_park_join(-1);
	return NULL;
}

static struct worker *add(const char *name, void (*run)(struct worker *))
{
	struct worker *worker = &torture.workers[torture.nr_workers++];

	worker->name = name;
	worker->run = run;
	worker->random = torture.options.seed * 0x9e3779b97f4a7c15ULL +
		torture.nr_workers;
	return worker;
}

static void add_workers(const struct options *o)
{
	unsigned int i;

	for (i = 0; i < o->writers; i++)
		add("writer", torture_writer);
	for (i = 0; i < o->readers; i++)
		add("reader", torture_reader);
	for (i = 0; i < o->barriers; i++)
		add("barrier", torture_barrier);
	for (i = 0; i < o->churners; i++) {
		add("churner", torture_churner);
		add("visitor of the churner", NULL);
	}
	add("channels", torture_channeler);
	if (o->shrinks)
		add("shrinker", torture_shrinker);
	if (o->signals)
		add("signaller", torture_signaller);
	if (o->forks || o->cycles)
		add("visitor", torture_visitor);
}

static bool start_workers(void)
{
	unsigned int i;

	for (i = 0; i < torture.nr_workers; i++) {
		struct worker *worker = &torture.workers[i];

		if (!worker->run)
			continue;
		torture_park_join(1);
		if (pthread_create(&worker->thread, NULL, worker_thread,
				worker)) {
			fprintf(stderr, "kvfreetorture: no thread\n");
			return false;
		}
	}
	return true;
}

static void join_workers(void)
{
	unsigned int i;

	__atomic_store_n(&torture.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < torture.nr_workers; i++)
		if (torture.workers[i].run)
			pthread_join(torture.workers[i].thread, NULL);
}

static void watch(unsigned int duration)
{
	uint64_t before = 0;
	unsigned int second;

	for (second = 1; second <= duration; second++) {
		uint64_t freed;

		kvtest_sleep_msec(1000);
		freed = get(&object_account.freed);
		if (freed != before)
			alarm(HANG_SECONDS);
		before = freed;
		say_progress(second);
	}
	if (isatty(STDOUT_FILENO))
		say("\n");
}

static bool nothing_outstanding(void *arg)
{
	(void) arg;
	return objects_outstanding() == 0;
}

/* Everybody is gone: the library's threads must free what is left by
 * themselves; then barrier and exit must find nothing to say. */
static void settle(struct worker *self)
{
	uint64_t left;

	alarm(3 * HANG_SECONDS);
	torture_worker_begin(self);
	torture_shared_empty(self);
	if (!kvtest_wait(nothing_outstanding, NULL, HANG_SECONDS * 500))
		object_error("%" PRIu64 " objects were not freed without a barrier",
			objects_outstanding());
	torture_barrier_check("the end");
	torture_channels_destroy();
	torture_worker_end(self);
	urcu_kvfree_exit();
	objects_flush();
	left = objects_outstanding();
	if (left || object_account.queued != object_account.freed)
		object_error("queued %" PRIu64 ", freed %" PRIu64 ", %" PRIu64 " left",
			object_account.queued, object_account.freed, left);
	if (objects_live())
		object_error("%" PRIu64 " objects were never queued",
			objects_live());
	alarm(0);
}

static void check_library(unsigned int fds)
{
	struct urcu_kvfree_stats stats = kvtest_stats(NULL);

	if (stats.pending || stats.pages || stats.large_bytes || stats.leaked)
		object_error("counters at the end: pending %" PRIu64 ", pages %" PRIu64 ", large %" PRIu64 ", leaked %" PRIu64,
			stats.pending, stats.pages, stats.large_bytes,
			stats.leaked);
	if (stats.queued != object_account.queued)
		object_error("the library counts %" PRIu64 " objects, we %" PRIu64,
			stats.queued, object_account.queued);
	if (!kvtest_threads_become("kvfree-", 0))
		object_error("threads are left");
	if (kvtest_count_fds() != fds)
		object_error("%u descriptors at the start, %u at the end",
			fds, kvtest_count_fds());
	say("library    pages allocated %" PRIu64 ", emergency %" PRIu64
		", owner freed %" PRIu64 ", inline %" PRIu64 ", refills %" PRIu64
		", drains %" PRIu64 ", kicks %" PRIu64 ", grace periods %" PRIu64 "\n",
		stats.pages_allocated, stats.emergency, stats.owner_freed,
		stats.inline_freed, stats.refills, stats.drains, stats.kicks,
		stats.grace_periods);
}

static int finish(unsigned int fds)
{
	check_library(fds);
	say_counts();
	say_ages();
	say("kvfreetorture: %s, %" PRIu64 " errors\n",
		object_account.errors ? "FAILURE" : "SUCCESS",
		object_account.errors);
	return object_account.errors ? EXIT_ERRORS : EXIT_SUCCESS;
}

static void setup(const struct options *o)
{
	struct sigaction usr1 = { .sa_handler = torture_on_signal };
	struct sigaction alrm = { .sa_handler = on_alarm };

	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGALRM, &alrm, NULL);
	torture.is_qsbr = !strcmp(o->flavor, "qsbr");
	torture.is_bp = !strcmp(o->flavor, "bp");
	torture.rcu = objects_init(kvtest_flavor(o->flavor), o->slots);
	say("kvfreetorture: flavor %s, seed %" PRIu64 ", %u s, %u records per page\n",
		o->flavor, o->seed, o->duration, KVFREE_BULK_RECORDS);
}

int main(int argc, char **argv)
{
	struct options *o = &torture.options;
	struct worker self = { .name = "main" };
	unsigned int fds;

	*o = (struct options) {
		.flavor = "memb", .duration = 10, .seed = (uint64_t) time(NULL),
		.writers = 3, .readers = 3, .barriers = 2, .churners = 2,
		.forks = true, .signals = true, .cycles = true,
		.shrinks = true, .delays = true, .slots = 65536,
	};
	parse(o, argc, argv);
#ifdef KVFREE_TSAN
	o->forks = false;	/* it does not follow a fork() of threads */
#endif
	fds = kvtest_count_fds();
	setup(o);
	torture_delays(o->delays);
	self.random = o->seed * 31 + 7;
	torture_start(&self);
	if (!torture_channels_create())
		return EXIT_SETUP;
	add_workers(o);
	alarm(HANG_SECONDS);
	if (!start_workers())
		return EXIT_SETUP;
	watch(o->duration);
	join_workers();
	settle(&self);
	return finish(fds);
}
