/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * command.c - the commands: check the words, ask the store, reply
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <urcu.h>	/* a flavor first, then */
#include <urcu/kvfree.h>

#include "proto.h"

#define ARGS_MAX	6	/* cas: key flags exptime length unique noreply */
#define BAD_FORMAT	"CLIENT_ERROR bad command line format\r\n"

#define STR_(x)		#x
#define STR(x)		STR_(x)
#define VERSION								\
	STR(URCU_KVFREE_VERSION_MAJOR) "."				\
	STR(URCU_KVFREE_VERSION_MINOR) "."				\
	STR(URCU_KVFREE_VERSION_PATCH)

struct call;

struct command {
	const char *name;
	void (*run)(struct session *session, const struct call *call);
	int min_args, max_args;		/* without noreply */
	bool noreply;			/* may be asked for */
	enum store_mode mode;		/* of the storage commands */
};

/* A command with the words that followed its name, less noreply. */
struct call {
	const struct command *command;
	char *args[ARGS_MAX + 1];	/* one more, to see that there are too many */
	int nr_args;
};

/* ------------------------------------------------------------------ */
/* Words                                                              */

/* Decimal digits alone: no sign, no blank, no overflow. */
static bool to_unsigned(const char *word, uint64_t max, uint64_t *number)
{
	char *end;

	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 10);
	return !errno && !*end && *number <= max;
}

static bool to_signed(const char *word, int64_t *number)
{
	char *end;

	if (*word != '-' && (*word < '0' || *word > '9'))
		return false;
	errno = 0;
	*number = strtoll(word, &end, 10);
	return !errno && !*end && end != word;
}

static bool to_key(struct session *session, const char *word, struct key *key)
{
	size_t len = strlen(word);

	if (len > KEY_LEN_MAX)
		return false;
	*key = store_key(session->service->store, word, len);
	return true;
}

/* ------------------------------------------------------------------ */
/* get, gets                                                          */

/* The line is checked as a whole: after the first VALUE comes no error. */
static void run_get(struct session *session, char *keys, bool with_cas)
{
	const char *word = keys;
	size_t len;

	word += strspn(word, " ");
	if (!*word) {
		reply(session, "ERROR\r\n");
		return;
	}
	for (; *word; word += len + strspn(word + len, " ")) {
		len = strcspn(word, " ");
		if (len > KEY_LEN_MAX) {
			reply(session, BAD_FORMAT);
			return;
		}
	}
	session->next_key = keys;
	session->with_cas = with_cas;
	session->state = SESSION_KEYS;
}

/* ------------------------------------------------------------------ */
/* set, add, replace, append, prepend, cas                            */

static void refuse_value(struct session *session, size_t len, const char *why)
{
	reply(session, why);
	session_skip_value(session, len);
}

static void refuse_item(struct session *session, struct key key, size_t len,
		enum store_mode mode, enum store_result why)
{
	/* The client meant to replace it: better no value than a stale one. */
	if (mode == STORE_SET)
		store_delete(session->service->store, key);
	reply_result(session, why);
	session_skip_value(session, len);
}

static void run_store(struct session *session, const struct call *call)
{
	struct store *store = session->service->store;
	uint64_t flags, len;
	int64_t exptime;

	if (!to_unsigned(call->args[3], INT32_MAX - 2, &len)) {
		reply(session, "CLIENT_ERROR bad data chunk\r\n");
		return;
	}
	if (!to_key(session, call->args[0], &session->key) ||
	    !to_unsigned(call->args[1], UINT32_MAX, &flags) ||
	    !to_signed(call->args[2], &exptime) ||
	    (call->nr_args == 5 &&
	     !to_unsigned(call->args[4], UINT64_MAX, &session->cas))) {
		refuse_value(session, len, BAD_FORMAT);
		return;
	}
	session->mode = call->command->mode;
	session->item = NULL;
	if (len > store_max_value(store)) {
		refuse_item(session, session->key, len, call->command->mode,
				STORE_TOO_LARGE);
		return;
	}
	session->item = item_new(store, session->key, len, flags,
			store_expiry(exptime));
	if (session->item)
		session->state = SESSION_DATA;
	else
		refuse_item(session, session->key, len, call->command->mode,
				STORE_NO_MEMORY);
}

/* ------------------------------------------------------------------ */
/* delete, touch, incr, decr, flush_all                               */

static void run_delete(struct session *session, const struct call *call)
{
	struct key key;

	/* Old clients send a time, of which only 0 ever had a meaning. */
	if (!to_key(session, call->args[0], &key) ||
	    (call->nr_args == 2 && strcmp(call->args[1], "0")))
		reply(session, BAD_FORMAT);
	else if (store_delete(session->service->store, key) == STORE_OK)
		reply(session, "DELETED\r\n");
	else
		reply_result(session, STORE_NOT_FOUND);
}

static void run_touch(struct session *session, const struct call *call)
{
	struct key key;
	int64_t exptime;

	if (!to_key(session, call->args[0], &key))
		reply(session, BAD_FORMAT);
	else if (!to_signed(call->args[1], &exptime))
		reply(session, "CLIENT_ERROR invalid exptime argument\r\n");
	else if (store_touch(session->service->store, key,
			store_expiry(exptime)) == STORE_OK)
		reply(session, "TOUCHED\r\n");
	else
		reply_result(session, STORE_NOT_FOUND);
}

static void run_count(struct session *session, const struct call *call)
{
	enum store_result result;
	struct key key;
	uint64_t delta, number;
	char text[32];

	if (!to_key(session, call->args[0], &key)) {
		reply(session, BAD_FORMAT);
		return;
	}
	if (!to_unsigned(call->args[1], UINT64_MAX, &delta)) {
		reply(session, "CLIENT_ERROR invalid numeric delta argument\r\n");
		return;
	}
	result = store_count(session->service->store, key,
			call->command->name[0] == 'i', delta, &number);
	if (result != STORE_OK) {
		reply_result(session, result);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64 "\r\n", number);
	reply(session, text);
}

static void run_flush(struct session *session, const struct call *call)
{
	uint64_t delay = 0;

	if (call->nr_args && !to_unsigned(call->args[0], UINT32_MAX, &delay)) {
		reply(session, BAD_FORMAT);
		return;
	}
	store_flush(session->service->store, delay * 1000);
	reply(session, "OK\r\n");
}

/* ------------------------------------------------------------------ */
/* stats, version, verbosity, quit                                    */

static void stat_number(struct session *session, const char *name,
		uint64_t number)
{
	if (evbuffer_add_printf(session->out, "STAT %s %" PRIu64 "\r\n", name,
			number) < 0)
		session->closing = true;
}

static void stats_of_server(struct session *session)
{
	struct service *service = session->service;

	stat_number(session, "pid", getpid());
	stat_number(session, "uptime", time(NULL) - service->started);
	stat_number(session, "time", time(NULL));
	reply(session, "STAT version " VERSION "\r\n");
	stat_number(session, "threads", service->threads);
	/* Relaxed: numbers to look at, nothing hangs on them. */
	stat_number(session, "curr_connections",
			__atomic_load_n(&service->connections, __ATOMIC_RELAXED));
	stat_number(session, "total_connections",
			__atomic_load_n(&service->accepted, __ATOMIC_RELAXED));
}

static void stats_of_store(struct session *session)
{
	struct store_stats stats;

	store_get_stats(session->service->store, &stats);
	stat_number(session, "curr_items", stats.items);
	stat_number(session, "total_items", stats.stored);
	stat_number(session, "bytes", stats.bytes);
	stat_number(session, "cmd_get", stats.gets);
	stat_number(session, "get_hits", stats.hits);
	stat_number(session, "get_misses", stats.gets - stats.hits);
	stat_number(session, "cmd_set", stats.sets);
	stat_number(session, "cmd_delete", stats.deletes);
	stat_number(session, "cmd_touch", stats.touches);
	stat_number(session, "cmd_flush", stats.flushes);
	stat_number(session, "evictions", stats.evicted);
	stat_number(session, "expired", stats.expired);
}

static void stats_of_kvfree(struct session *session)
{
	struct urcu_kvfree_stats stats;

	if (urcu_kvfree_get_stats(&stats, sizeof(stats)))
		return;
	stat_number(session, "kvfree_queued", stats.queued);
	stat_number(session, "kvfree_freed", stats.freed);
	stat_number(session, "kvfree_pending", stats.pending);
	stat_number(session, "kvfree_emergency", stats.emergency);
	stat_number(session, "kvfree_owner_freed", stats.owner_freed);
	stat_number(session, "kvfree_pages", stats.pages);
	stat_number(session, "kvfree_cached_pages", stats.cached_pages);
	stat_number(session, "kvfree_grace_periods", stats.grace_periods);
	stat_number(session, "kvfree_helped", stats.helped);
	stat_number(session, "kvfree_recycled", stats.recycled);
	stat_number(session, "kvfree_pending_bytes", stats.pending_bytes);
	stat_number(session, "kvfree_oldest_msec", stats.oldest_msec);
}

static void run_stats(struct session *session,
		const struct call *call __attribute__((unused)))
{
	stats_of_server(session);
	stats_of_store(session);
	stats_of_kvfree(session);
	reply(session, "END\r\n");
}

static void run_version(struct session *session,
		const struct call *call __attribute__((unused)))
{
	reply(session, "VERSION " VERSION "\r\n");
}

/* There is no log for a client to fill: accepted and ignored. */
static void run_verbosity(struct session *session, const struct call *call)
{
	reply(session, call->nr_args ? "OK\r\n" : "ERROR\r\n");
}

static void run_quit(struct session *session,
		const struct call *call __attribute__((unused)))
{
	session->closing = true;
}

/* ------------------------------------------------------------------ */

static const struct command commands[] = {
	{ "set", run_store, 4, 4, true, STORE_SET },
	{ "add", run_store, 4, 4, true, STORE_ADD },
	{ "replace", run_store, 4, 4, true, STORE_REPLACE },
	{ "append", run_store, 4, 4, true, STORE_APPEND },
	{ "prepend", run_store, 4, 4, true, STORE_PREPEND },
	{ "cas", run_store, 5, 5, true, STORE_CAS },
	{ "delete", run_delete, 1, 2, true, 0 },
	{ "incr", run_count, 2, 2, true, 0 },
	{ "decr", run_count, 2, 2, true, 0 },
	{ "touch", run_touch, 2, 2, true, 0 },
	{ "flush_all", run_flush, 0, 1, true, 0 },
	{ "stats", run_stats, 0, 0, false, 0 },
	{ "version", run_version, 0, 0, false, 0 },
	{ "verbosity", run_verbosity, 0, 1, true, 0 },
	{ "quit", run_quit, 0, 0, false, 0 },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void run_call(struct session *session, const struct command *command,
		char *words)
{
	struct call call = { .command = command };
	bool noreply;

	while (call.nr_args <= ARGS_MAX &&
	       (call.args[call.nr_args] = next_word(&words)))
		call.nr_args++;
	noreply = command->noreply && call.nr_args &&
		!strcmp(call.args[call.nr_args - 1], "noreply");
	call.nr_args -= noreply;
	if (call.nr_args < command->min_args ||
	    call.nr_args > command->max_args) {
		reply(session, "ERROR\r\n");
		return;
	}
	session->noreply = noreply;
	command->run(session, &call);
}

void command_run(struct session *session)
{
	char *words = session->line;
	char *name = next_word(&words);
	const struct command *command;

	if (name && (!strcmp(name, "get") || !strcmp(name, "gets"))) {
		run_get(session, words, name[3] == 's');
	} else if (name && (command = find_command(name))) {
		run_call(session, command, words);
		store_balance(session->service->store);
	} else {
		reply(session, "ERROR\r\n");
	}
}
