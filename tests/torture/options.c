/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * options.c - the command line of kvfreetorture
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "torture.h"

#define THREADS		64
/* Not given on the command line. */
#define UNSET		UINT32_MAX
/* Beside these there are a few of which there is one each. */
#define MOST_OF_A_KIND	128

static const char usage_text[] =
"Usage: kvfreetorture [OPTION]...\n"
"Queue and free objects in every way at once, and account for each of them.\n"
"\n"
"  --duration=SECONDS  how long (default 10)\n"
"  --flavor=NAME       memb, mb, qsbr or bp (default memb)\n"
"  --second=NAME       a second flavor, which some threads use in turn with the\n"
"                      first, or none (default: qsbr with memb, memb with qsbr,\n"
"                      bp with mb, none with bp, whose children may then wait for\n"
"                      a grace period at any time)\n"
"  --seed=N            of all random choices but the scheduler's (default:\n"
"                      from the clock; it is printed)\n"
"\n"
"  --threads=N         threads in all, about: the default number of each of the\n"
"                      following kinds is its share of them (default 64)\n"
"  --writers=N         threads that replace objects by all kinds of calls\n"
"  --raws=N            threads that replace objects by raw calls only\n"
"  --duos=N            threads that replace objects on both flavors in turn\n"
"  --readers=N         threads that look at them\n"
"  --stayers=N         threads that hold on to them in long sections\n"
"  --callers=N         threads that make every clean call as online readers, at\n"
"                      most 8\n"
"  --barriers=N        threads that wait for barriers\n"
"  --churners=N        threads that make short-lived threads\n"
"\n"
"  --stay=MSEC         longest section of a stayer (default 3000, and no more than\n"
"                      an eighth of the duration)\n"
"  --slots=N           objects that may exist at a time (default 32768)\n"
"  --most-size=BYTES   largest object, 16 to 262144 (default 262144)\n"
"  --memory=MIB        memory in objects over 4096 bytes at a time (default 128);\n"
"                      beyond it objects are small\n"
"  --no-forks          no fork(), and none of its hooks\n"
"  --no-signals        no signal handlers that queue\n"
"  --no-cycles         no exit and start of the library in between\n"
"  --no-shrinks        no urcu_kvfree_shrink()\n"
"  --no-delays         no short waits inside the library\n"
"  --patience=SECONDS  without a free for so long it hangs, and a child that\n"
"                      takes longer (default 60)\n"
"  --help              this text\n"
"\n"
"A line of progress, each second on a terminal and each minute elsewhere: seconds,\n"
"objects queued and freed, those between, grace periods, those of them that clean\n"
"callers ran (helped), objects that urcu_kvmalloc() returned again (recycled), the most\n"
"that was ever pending, read-side sections, errors. The last lines are the account: how\n"
"many objects of each kind and size were freed, and after how many grace periods (the\n"
"age; an object of age 0 was freed too early), the grace periods of each flavor, and the\n"
"most that was pending.\n"
"\n"
"Exit status: 0 all is well; 1 errors were found; 2 bad usage; 3 the test could\n"
"not be set up; 4 it hung.\n";

enum { OPT_KINDS = 256, OPT_DURATION = OPT_KINDS + TORTURE_KINDS, OPT_FLAVOR,
	OPT_SECOND, OPT_SEED, OPT_THREADS, OPT_STAY, OPT_SLOTS, OPT_MOST_SIZE,
	OPT_MEMORY, OPT_NO_FORKS, OPT_NO_SIGNALS, OPT_NO_CYCLES,
	OPT_NO_SHRINKS, OPT_NO_DELAYS, OPT_PATIENCE, OPT_HELP };

static const struct option long_options[] = {
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "flavor", required_argument, NULL, OPT_FLAVOR },
	{ "second", required_argument, NULL, OPT_SECOND },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "writers", required_argument, NULL, OPT_KINDS + TORTURE_WRITERS },
	{ "raws", required_argument, NULL, OPT_KINDS + TORTURE_RAWS },
	{ "duos", required_argument, NULL, OPT_KINDS + TORTURE_DUOS },
	{ "readers", required_argument, NULL, OPT_KINDS + TORTURE_READERS },
	{ "stayers", required_argument, NULL, OPT_KINDS + TORTURE_STAYERS },
	{ "callers", required_argument, NULL, OPT_KINDS + TORTURE_CALLERS },
	{ "barriers", required_argument, NULL, OPT_KINDS + TORTURE_BARRIERS },
	{ "churners", required_argument, NULL, OPT_KINDS + TORTURE_CHURNERS },
	{ "stay", required_argument, NULL, OPT_STAY },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "most-size", required_argument, NULL, OPT_MOST_SIZE },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "no-forks", no_argument, NULL, OPT_NO_FORKS },
	{ "no-signals", no_argument, NULL, OPT_NO_SIGNALS },
	{ "no-cycles", no_argument, NULL, OPT_NO_CYCLES },
	{ "no-shrinks", no_argument, NULL, OPT_NO_SHRINKS },
	{ "no-delays", no_argument, NULL, OPT_NO_DELAYS },
	{ "patience", required_argument, NULL, OPT_PATIENCE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* Of 64 threads; a churner counts for two. */
static const unsigned int shares[TORTURE_KINDS] = {
	[TORTURE_WRITERS] = 17,
	[TORTURE_RAWS] = 9,
	[TORTURE_DUOS] = 8,
	[TORTURE_READERS] = 9,
	[TORTURE_STAYERS] = 2,
	[TORTURE_CALLERS] = 5,
	[TORTURE_BARRIERS] = 4,
	[TORTURE_CHURNERS] = 2,
};

static void see_help(void)
{
	fputs("Try 'kvfreetorture --help'.\n", stderr);
	exit(TORTURE_EXIT_USAGE);
}

static void usage(const char *what, const char *arg)
{
	fprintf(stderr, "kvfreetorture: %s '%s'\n", what, arg);
	see_help();
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

static void set_number(struct options *o, int opt, const char *arg,
		unsigned int *threads)
{
	switch (opt) {
	case OPT_DURATION:
		o->duration = (unsigned int) number(arg, 1, 10000000);
		break;
	case OPT_SEED:
		o->seed = number(arg, 0, UINT64_MAX);
		break;
	case OPT_THREADS:
		*threads = (unsigned int) number(arg, 1, 256);
		break;
	case OPT_STAY:
		o->stay_msec = (unsigned int) number(arg, 1, 20000);
		break;
	case OPT_SLOTS:
		o->slots = (unsigned int) number(arg, 1024, 1 << 26);
		break;
	case OPT_MOST_SIZE:
		o->most_size = (unsigned int) number(arg, OBJECT_LEAST,
				OBJECT_MOST);
		break;
	case OPT_MEMORY:
		o->memory_mib = (unsigned int) number(arg, 1, 1 << 20);
		break;
	case OPT_PATIENCE:
		o->patience = (unsigned int) number(arg, 1, 10000);
		break;
	default:
		usage("bad option", arg);
	}
}

static void set_option(struct options *o, int opt, const char *arg,
		unsigned int *threads)
{
	if (opt == OPT_FLAVOR)
		o->flavor = arg;
	else if (opt == OPT_SECOND)
		o->second = arg;
	else if (opt == OPT_KINDS + TORTURE_CALLERS)
		o->nr[TORTURE_CALLERS] = (unsigned int) number(arg, 0, 8);
	else if (opt >= OPT_KINDS && opt < OPT_KINDS + TORTURE_KINDS)
		o->nr[opt - OPT_KINDS] = (unsigned int) number(arg, 0,
				opt == OPT_KINDS + TORTURE_CHURNERS ?
				MOST_OF_A_KIND / 8 : MOST_OF_A_KIND / 2);
	else
		set_number(o, opt, arg, threads);
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
		exit(fflush(stdout) ? TORTURE_EXIT_SETUP : EXIT_SUCCESS);
	default:
		see_help();	/* getopt_long() has said which option it is */
	}
}

static void set_defaults(struct options *o)
{
	unsigned int i;

	*o = (struct options) {
		.flavor = "memb", .second = "", .duration = 10,
		.seed = (uint64_t) time(NULL), .stay_msec = UNSET,
		.forks = true, .signals = true, .cycles = true,
		.shrinks = true, .delays = true, .slots = 32768,
		.most_size = OBJECT_MOST, .memory_mib = 128, .patience = 60,
	};
	for (i = 0; i < TORTURE_KINDS; i++)
		o->nr[i] = UNSET;
}

static const char *default_second(const char *flavor)
{
	switch (flavor[1]) {
	case 'p':			/* bp */
		return "none";
	case 'b':			/* mb */
		return "bp";
	default:
		return strcmp(flavor, "qsbr") ? "qsbr" : "memb";
	}
}

static void set_second(struct options *o)
{
	if (!*o->second)
		o->second = default_second(o->flavor);
	if (!strcmp(o->second, "none"))
		o->second = NULL;
	else if (!kvtest_flavor(o->second))
		usage("no such flavor", o->second);
	else if (!strcmp(o->second, o->flavor))
		usage("the second flavor is the first", o->second);
	if (o->second)
		return;
	if (o->nr[TORTURE_DUOS] != UNSET && o->nr[TORTURE_DUOS])
		usage("there is no second flavor for", "--duos");
	o->nr[TORTURE_DUOS] = 0;
}

void torture_options(struct options *o, int argc, char **argv)
{
	unsigned int threads = THREADS, i;
	int opt;

	set_defaults(o);
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (optarg)
			set_option(o, opt, optarg, &threads);
		else
			set_switch(o, opt);
	}
	if (optind < argc)
		usage("unexpected argument", argv[optind]);
	if (!kvtest_flavor(o->flavor))
		usage("no such flavor", o->flavor);
	set_second(o);
	for (i = 0; i < TORTURE_KINDS; i++)
		if (o->nr[i] == UNSET)
			o->nr[i] = (shares[i] * threads + THREADS - 1) / THREADS;
	if (o->nr[TORTURE_CALLERS] > 8)
		o->nr[TORTURE_CALLERS] = 8;
	if (o->stay_msec == UNSET)
		o->stay_msec = o->duration < 24 ? o->duration * 125 : 3000;
}
