/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * proto.c - lines and data blocks: a state machine with one step per state
 *
 * A step returns false when it cannot go on without more input.
 */
#include "proto.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "annotate.h"

/* ------------------------------------------------------------------ */
/* Replies                                                            */

void reply_bytes(struct session *session, const void *bytes, size_t len)
{
	if (session->noreply)
		return;
	/* Without memory for the reply the client could not follow us. */
	if (evbuffer_add(session->out, bytes, len))
		session->closing = true;
}

void reply(struct session *session, const char *text)
{
	reply_bytes(session, text, strlen(text));
}

void reply_result(struct session *session, enum store_result result)
{
	static const char *const text[] = {
		[STORE_OK] = "STORED\r\n",
		[STORE_NOT_STORED] = "NOT_STORED\r\n",
		[STORE_EXISTS] = "EXISTS\r\n",
		[STORE_NOT_FOUND] = "NOT_FOUND\r\n",
		[STORE_TOO_LARGE] =
			"SERVER_ERROR object too large for cache\r\n",
		[STORE_NO_MEMORY] =
			"SERVER_ERROR out of memory storing object\r\n",
		[STORE_NOT_A_NUMBER] =
			("CLIENT_ERROR cannot increment or decrement "
			 "non-numeric value\r\n"),
	};

	reply(session, text[result]);
}

/* ------------------------------------------------------------------ */
/* Steps                                                              */

char *next_word(char **cursor)
{
	char *word = *cursor + strspn(*cursor, " ");
	size_t len = strcspn(word, " ");

	if (!len)
		return NULL;
	*cursor = word + len;
	if (**cursor)
		*(*cursor)++ = '\0';
	return word;
}

static bool line_too_long(struct session *session)
{
	session->noreply = false;
	reply(session, "CLIENT_ERROR line too long\r\n");
	session->state = SESSION_SKIP_LINE;
	return true;
}

static bool step_line(struct session *session)
{
	size_t eol_len, len;
	struct evbuffer_ptr eol = evbuffer_search_eol(session->in, NULL,
			&eol_len, EVBUFFER_EOL_CRLF);

	if (eol.pos < 0) {
		if (evbuffer_get_length(session->in) <= LINE_MAX_LEN)
			return false;
		return line_too_long(session);
	}
	len = eol.pos;
	if (len > LINE_MAX_LEN)
		return line_too_long(session);
	session->lines++;
	evbuffer_remove(session->in, session->line, len);
	evbuffer_drain(session->in, eol_len);
	session->line[len] = '\0';
	session->noreply = false;
	if (strlen(session->line) != len)
		reply(session, "CLIENT_ERROR bad command line format\r\n");
	else
		command_run(session);
	return true;
}

/*
 * The reader's side of RCU: between rcu_read_lock() and rcu_read_unlock() the
 * item stays, whatever writers do. It is copied out, because the client may take
 * its time to read, and a section that waits for a client would keep every
 * retired item of the process from being freed.
 */
static void reply_item(struct session *session, struct key key)
{
	char header[KEY_LEN_MAX + 64];
	struct item *item;
	int len;

	rcu_read_lock();
	item = store_get(session->service->store, key);
	if (item) {
		len = snprintf(header, sizeof(header),
				"VALUE %s %" PRIu32 " %" PRIu32, key.bytes,
				item->flags, item->value_len);
		if (session->with_cas)
			len += snprintf(header + len, sizeof(header) - len,
					" %" PRIu64, item->cas);
		len += snprintf(header + len, sizeof(header) - len, "\r\n");
		reply_bytes(session, header, len);
		reply_bytes(session, item_value(item),
				(size_t) item->value_len + 2);
	}
	annotate_read_unlock();
	rcu_read_unlock();
}

static bool step_keys(struct session *session)
{
	char *word = next_word(&session->next_key);

	if (word) {
		reply_item(session, store_key(session->service->store, word,
				strlen(word)));
	} else {
		reply(session, "END\r\n");
		session->state = SESSION_LINE;
	}
	return true;
}

static void finish_item(struct session *session)
{
	struct store *store = session->service->store;
	struct item *item = session->item;

	session->item = NULL;
	reply_result(session, store_link(store, session->key, item,
			session->mode, session->cas));
	store_balance(store);
}

/* The values under way take more than there is. */
static void give_up_item(struct session *session)
{
	session_skip_value(session, item_space(session->item) -
			session->item->filled);
	item_drop(session->service->store, session->item);
	session->item = NULL;
	reply_result(session, STORE_NO_MEMORY);
}

static bool step_data(struct session *session)
{
	struct item *item = session->item;
	const char *end = item_value(item) + item->value_len;
	int n = evbuffer_remove(session->in, item_value(item) + item->filled,
			item_space(item) - item->filled);

	if (n > 0 && !item_filled(session->service->store, item, n)) {
		give_up_item(session);
		return true;
	}
	if (item->filled < item_space(item))
		return false;
	if (!memcmp(end, "\r\n", 2)) {
		session->state = SESSION_LINE;
		finish_item(session);
		return true;
	}
	/* Go on after the next line end, which may be the last byte taken. */
	session->state = end[1] == '\n' ? SESSION_LINE : SESSION_SKIP_LINE;
	item_drop(session->service->store, item);
	session->item = NULL;
	reply(session, "CLIENT_ERROR bad data chunk\r\n");
	return true;
}

void session_skip_value(struct session *session, size_t len)
{
	session->skip = len;
	session->state = SESSION_SKIP_DATA;
}

static bool step_skip_data(struct session *session)
{
	size_t there = evbuffer_get_length(session->in);
	size_t n = there < session->skip ? there : session->skip;

	evbuffer_drain(session->in, n);
	session->skip -= n;
	if (session->skip)
		return false;
	session->state = SESSION_SKIP_LINE;
	return true;
}

static bool step_skip_line(struct session *session)
{
	size_t eol_len;
	struct evbuffer_ptr eol = evbuffer_search_eol(session->in, NULL,
			&eol_len, EVBUFFER_EOL_LF);

	if (eol.pos < 0) {
		evbuffer_drain(session->in, evbuffer_get_length(session->in));
		return false;
	}
	evbuffer_drain(session->in, eol.pos + eol_len);
	session->state = SESSION_LINE;
	return true;
}

/* ------------------------------------------------------------------ */

void session_init(struct session *session, struct service *service,
		struct evbuffer *in, struct evbuffer *out)
{
	session->service = service;
	session->in = in;
	session->out = out;
	session->state = SESSION_LINE;
	session->noreply = false;
	session->closing = false;
	session->lines = 0;
	session->item = NULL;
}

bool session_is_midway(const struct session *session)
{
	return session->state != SESSION_LINE ||
		evbuffer_get_length(session->in);
}

size_t session_awaits(const struct session *session)
{
	switch (session->state) {
	case SESSION_DATA:
		return item_space(session->item) - session->item->filled;
	case SESSION_SKIP_DATA:
		return session->skip;
	default:
		return 0;
	}
}

enum session_want session_run(struct session *session)
{
	static bool (*const step[])(struct session *) = {
		[SESSION_LINE] = step_line,
		[SESSION_KEYS] = step_keys,
		[SESSION_DATA] = step_data,
		[SESSION_SKIP_DATA] = step_skip_data,
		[SESSION_SKIP_LINE] = step_skip_line,
	};

	while (!session->closing) {
		if (evbuffer_get_length(session->out) >= OUTPUT_HIGH)
			return SESSION_WANTS_OUTPUT;
		if (!step[session->state](session))
			return SESSION_WANTS_INPUT;
	}
	return SESSION_WANTS_CLOSE;
}

void session_fini(struct session *session)
{
	if (session->item)
		item_drop(session->service->store, session->item);
}
