/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvcached - a small memcached, to show liburcu-kvfree at work
 *
 * Read store.c first: there the library is used. main.c starts and stops it,
 * worker.c registers threads, command.c and metrics.c show its counters.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <urcu.h>
#include <urcu/kvfree.h>

#include "server.h"

enum {
	EXIT_OK = 0,		/* stopped by a signal, all memory freed */
	EXIT_FAILED = 1,	/* could not start, or the event loop failed */
	EXIT_USAGE = 2,		/* bad options */
	EXIT_LOST = 3,		/* objects were queued that were not freed */
};

static const char usage[] =
"Usage: kvcached [OPTION]...\n"
"A cache that speaks the memcached text protocol. Items that are replaced or\n"
"deleted are freed by urcu_kvfree_rcu().\n"
"\n"
"  -l ADDRESS  listen on ADDRESS (127.0.0.1)\n"
"  -p PORT     listen on PORT, 0 for any that is free (11211)\n"
"  -t THREADS  worker threads, 1 to 64 (4)\n"
"  -m MB       memory for items, in megabytes, 1 to 1048576 (64)\n"
"  -I SIZE     longest value in bytes, or with k or m at its end (1m);\n"
"              at most half of -m\n"
"  -c NUMBER   connections at once, 1 to 65536 (1024)\n"
"  -T SECONDS  close a client that takes longer to send a command, or a second\n"
"              more for each 64 kB of its value, or to read, 1 to 86400 (30)\n"
"  --metrics PORT  serve the counters of liburcu-kvfree for Prometheus on\n"
"              http://127.0.0.1:PORT/metrics, 0 for any port that is free (none)\n"
"  -h, --help  show this text\n"
"\n"
"SIGTERM and SIGINT stop it.\n"
"\n"
"Exit status: 0 stopped by a signal and everything freed, 1 could not start or\n"
"failed, 2 bad usage, 3 queued and freed objects do not match at the end.\n";

enum {
	OPTION_METRICS = 256,	/* --metrics, which has no letter */
};

struct options {
	struct server_config server;
	struct store_config store;
};

static bool parse_number(const char *text, uint64_t min, uint64_t max,
		uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (errno)
		return false;
	if ((*end == 'k' || *end == 'm') && !end[1] &&
	    *number <= UINT64_MAX >> 20)
		*number <<= *end++ == 'k' ? 10 : 20;
	return !*end && *number >= min && *number <= max;
}

static const struct range {
	int option;
	uint64_t min, max;
} ranges[] = {
	{ 'p', 0, 65535 },
	{ 't', 1, 64 },
	{ 'm', 1, 1 << 20 },
	{ 'I', 1, 512 << 20 },
	{ 'c', 1, 65536 },
	{ 'T', 1, 86400 },
	{ OPTION_METRICS, 0, 65535 },
};

static bool parse_in_range(int option, const char *arg, uint64_t *number)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].option == option)
			return parse_number(arg, ranges[i].min, ranges[i].max, number);
	return false;
}

static bool parse_option(struct options *options, int option, const char *arg)
{
	uint64_t number = 0;

	if (option != 'l' && !parse_in_range(option, arg, &number))
		return false;
	switch (option) {
	case 'l':
		options->server.address = arg;
		break;
	case 'p':
		options->server.port = arg;
		break;
	case 't':
		options->server.threads = number;
		break;
	case 'm':
		options->store.max_bytes = number << 20;
		break;
	case 'I':
		options->store.max_value = number;
		break;
	case 'c':
		options->server.max_connections = number;
		break;
	case 'T':
		options->server.stall_sec = number;
		break;
	case OPTION_METRICS:
		options->server.metrics_port = number;
	}
	return true;
}

static void complain(int option, const char *arg)
{
	if (option == OPTION_METRICS)
		fprintf(stderr, "kvcached: bad value of --metrics: %s\n", arg);
	else if (option != '?')
		fprintf(stderr, "kvcached: bad value of -%c: %s\n", option, arg);
	fputs("Try kvcached --help\n", stderr);
}

/* Exits after --help and after a mistake. */
static struct options parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "metrics", required_argument, NULL, OPTION_METRICS },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = {
		.server = { "127.0.0.1", "11211", 4, 1024, 30, -1 },
		.store = { 64 << 20, 1 << 20 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "l:p:t:m:I:c:T:h", long_options,
			NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			exit(EXIT_OK);
		}
		if (option != '?' && parse_option(&options, option, optarg))
			continue;
		complain(option, optarg);
		exit(EXIT_USAGE);
	}
	if (optind < argc || options.store.max_value >
	    options.store.max_bytes / 2) {
		fputs(optind < argc ?
			"kvcached: it takes options only\n" :
			"kvcached: -I is more than half of -m\n", stderr);
		exit(EXIT_USAGE);
	}
	return options;
}

/* After the barrier, each object that was ever queued must have been freed. */
static int check_counters(void)
{
	struct urcu_kvfree_stats stats;

	if (urcu_kvfree_get_stats(&stats, sizeof(stats)))
		return EXIT_LOST;
	printf("kvcached: queued %" PRIu64 " freed %" PRIu64 " emergency %"
		PRIu64 "\n", stats.queued, stats.freed, stats.emergency);
	return stats.queued == stats.freed ? EXIT_OK : EXIT_LOST;
}

static int serve(const struct options *options, struct store *store)
{
	struct server *server = server_start(&options->server, store);
	int status;

	if (!server)
		return EXIT_FAILED;
	status = server_run(server) ? EXIT_FAILED : EXIT_OK;
	server_stop(server);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct store *store;
	int status = EXIT_FAILED, counters;

	signal(SIGPIPE, SIG_IGN);
	/*
	 * A daemon starts the library itself, rather than leaving that to the first
	 * call: a failure is seen here, and every later call may be a raw one.
	 */
	if (urcu_kvfree_init(NULL)) {
		perror("kvcached: urcu_kvfree_init");
		return EXIT_FAILED;
	}
	rcu_register_thread();
	store = store_create(&options.store);
	if (store) {
		status = serve(&options, store);
		store_destroy(store);	/* its barrier frees all that is queued */
	} else {
		perror("kvcached: cannot make the table");
	}
	counters = check_counters();
	rcu_unregister_thread();
	urcu_kvfree_exit();
	return status != EXIT_OK ? status : counters;
}
