/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_PROTO_H
#define KVCACHED_PROTO_H

/*
 * proto.h - the memcached text protocol of one connection
 *
 * A session turns what is in one buffer into replies in another and knows
 * nothing of sockets. All its memory is bounded: a line of LINE_MAX_LEN, one item
 * under way, and OUTPUT_HIGH (and one value) of replies, after which it
 * takes no further command until the client has read some.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>

#include "store.h"

#define LINE_MAX_LEN	8192
#define OUTPUT_HIGH	(256 * 1024)

/* What one server shares among its sessions. */
struct service {
	struct store *store;
	unsigned int threads;		/* read-only */
	unsigned int stall_sec;		/* read-only: how slow a client may be */
	time_t started;			/* read-only */
	unsigned int connections;	/* atomic */
	uint64_t accepted;		/* atomic */
};

struct session {
	struct service *service;
	struct evbuffer *in, *out;
	enum session_state {
		SESSION_LINE,		/* waits for a command line */
		SESSION_KEYS,		/* answers a get, key by key */
		SESSION_DATA,		/* fills item */
		SESSION_SKIP_DATA,	/* drops a value it has refused */
		SESSION_SKIP_LINE,	/* drops the rest of a line */
	} state;
	bool noreply;			/* the command at hand wants none */
	bool closing;			/* quit, or no memory for a reply */
	uint64_t lines;			/* that were taken so far */

	char line[LINE_MAX_LEN + 1];	/* the command at hand */
	char *next_key;			/* KEYS: in line */
	bool with_cas;			/* KEYS: gets */
	struct key key;			/* DATA: in line */
	struct item *item;		/* DATA */
	enum store_mode mode;		/* DATA: what to do with it */
	uint64_t cas;			/* DATA: for STORE_CAS */
	size_t skip;			/* SKIP_DATA: bytes to drop */
};

enum session_want {
	SESSION_WANTS_INPUT,		/* call again when there is more */
	SESSION_WANTS_OUTPUT,		/* … when the client has read */
	SESSION_WANTS_CLOSE,		/* close once the replies are sent */
};

void session_init(struct session *session, struct service *service,
		struct evbuffer *in, struct evbuffer *out);
enum session_want session_run(struct session *session);
void session_fini(struct session *session);

/* Between two commands a client may be silent for as long as it likes. */
bool session_is_midway(const struct session *session);
/* Bytes of the command at hand that are still to come, as far as it has said. */
size_t session_awaits(const struct session *session);

/* For command.c ---------------------------------------------------- */

/* Runs the line in session->line, which may leave the session in any state. */
void command_run(struct session *session);

/* The next word of a line, ended by a NUL, or NULL; moves @cursor past it. */
char *next_word(char **cursor);

void reply(struct session *session, const char *text);
void reply_bytes(struct session *session, const void *bytes, size_t len);

/* Takes the value that follows, and its line end, and forgets it. */
void session_skip_value(struct session *session, size_t len);

void reply_result(struct session *session, enum store_result result);

#endif /* KVCACHED_PROTO_H */
