/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvcached - a small memcached, to show liburcu-kvfree at work
 *
 * Read store.c first: there the library is used. main.c starts and stops it,
 * worker.c registers threads, command.c shows its counters.
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
"  -h, --help  show this text\n"
"\n"
"SIGTERM and SIGINT stop it.\n"
"\n"
"Exit status: 0 stopped by a signal and everything freed, 1 could not start or\n"
"failed, 2 bad usage, 3 queued and freed objects do not match at the end.\n";

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

static bool parse_option(struct options *options, int option, const char *arg)
{
	uint64_t number;

	switch (option) {
	case 'l':
		options->server.address = arg;
		return true;
	case 'p':
		options->server.port = arg;
		return parse_number(arg, 0, 65535, &number);
	case 't':
		if (!parse_number(arg, 1, 64, &number))
			return false;
		options->server.threads = number;
		return true;
	case 'm':
		if (!parse_number(arg, 1, 1 << 20, &number))
			return false;
		options->store.max_bytes = number << 20;
		return true;
	case 'I':
		if (!parse_number(arg, 1, 512 << 20, &number))
			return false;
		options->store.max_value = number;
		return true;
	case 'c':
		if (!parse_number(arg, 1, 65536, &number))
			return false;
		options->server.max_connections = number;
		return true;
	case 'T':
		if (!parse_number(arg, 1, 86400, &number))
			return false;
		options->server.stall_sec = number;
		return true;
	}
	return false;
}

/* Exits after --help and after a mistake. */
static struct options parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = {
		.server = { "127.0.0.1", "11211", 4, 1024, 30 },
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
		if (option != '?')
			fprintf(stderr, "kvcached: bad value of -%c: %s\n",
				option, optarg);
		fputs("Try kvcached --help\n", stderr);
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
