/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_STORE_H
#define KVCACHED_STORE_H

/*
 * store.h - the cache: a hash table that many threads read without a lock
 *
 * Every thread that calls in here is registered with RCU (rcu_register_thread()).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <urcu.h>
#include <urcu/list.h>
#include <urcu/rculfhash.h>

#define KEY_LEN_MAX	250

/*
 * struct item - a key with its value, one allocation
 *
 * Once linked into the table an item is never changed (but for expire_ms): a
 * writer makes another item, puts it in the old one's place, and hands the old
 * one to urcu_kvfree_rcu(). Readers of the old one may go on undisturbed.
 */
struct item {
	struct cds_lfht_node node;	/* its place in the table */
	struct cds_list_head order;	/* under its stripe's lock */
	struct rcu_head head;		/* liburcu-kvfree's, once unlinked */
	uint64_t cas;			/* read-only once linked */
	uint64_t expire_ms;		/* atomic; 0: never */
	uint32_t flags;			/* read-only */
	uint32_t value_len;		/* read-only */
	uint32_t key_len;		/* read-only */
	uint32_t filled;		/* bytes of value and end that are there;
					 * read-only once linked */
	char data[];			/* key, value, "\r\n"; read-only once linked */
};

static inline const char *item_key(const struct item *item)
{
	return item->data;
}

/* The length of the value with the "\r\n" that ends it on the wire. */
static inline size_t item_space(const struct item *item)
{
	return (size_t) item->value_len + 2;
}

/* The value, and its "\r\n". */
static inline char *item_value(struct item *item)
{
	return item->data + item->key_len;
}

/* A key as a client named it. */
struct key {
	const char *bytes;
	size_t len;
	unsigned long hash;
};

enum store_mode {
	STORE_SET, STORE_ADD, STORE_REPLACE, STORE_APPEND, STORE_PREPEND,
	STORE_CAS,
};

enum store_result {
	STORE_OK,		/* done */
	STORE_NOT_STORED,	/* the condition of add, replace … not met */
	STORE_EXISTS,		/* cas: changed since it was read */
	STORE_NOT_FOUND,	/* no such key */
	STORE_TOO_LARGE,	/* beyond the limit for one item */
	STORE_NO_MEMORY,
	STORE_NOT_A_NUMBER,	/* incr, decr */
};

struct store_config {
	size_t max_bytes;	/* of all items together */
	size_t max_value;	/* of one value */
};

/* Moments' values. */
struct store_stats {
	uint64_t items, bytes, stored, evicted, expired;
	uint64_t gets, hits, sets, deletes, touches, flushes;
};

struct store;

/* NULL with errno on failure. */
struct store *store_create(const struct store_config *config);

/*
 * Defers the free of every item and waits until all of them are freed. No other
 * thread may use the store any more.
 */
void store_destroy(struct store *store);

struct key store_key(const struct store *store, const char *bytes, size_t len);
size_t store_max_value(const struct store *store);

/* When an item with the protocol's @exptime dies: what item_new() wants. */
uint64_t store_expiry(int64_t exptime);

/*
 * item_new() makes an item whose value, and the "\r\n" behind it, the caller then
 * fills in, saying so by item_filled(): only what is there counts as memory in use, so
 * that nobody makes room by announcing values. Complete, it ends in store_link(),
 * which owns it from then on whatever the result, or, never linked, in item_drop().
 * NULL and false: no room.
 */
struct item *item_new(struct store *store, struct key key, uint32_t value_len,
		uint32_t flags, uint64_t expire_ms);
bool item_filled(struct store *store, struct item *item, uint32_t bytes);
void item_drop(struct store *store, struct item *item);

enum store_result store_link(struct store *store, struct key key,
		struct item *item, enum store_mode mode, uint64_t cas);
enum store_result store_delete(struct store *store, struct key key);
enum store_result store_touch(struct store *store, struct key key,
		uint64_t expire_ms);
/* @result: the number after the operation. */
enum store_result store_count(struct store *store, struct key key, bool up,
		uint64_t delta, uint64_t *result);

/*
 * The live item of that name, or NULL. Call it under rcu_read_lock(); the item
 * is good until the matching rcu_read_unlock().
 */
struct item *store_get(struct store *store, struct key key);

/* Drop everything that is stored when @delay_ms have passed (0: by now). */
void store_flush(struct store *store, uint64_t delay_ms);

/* Once a second, from one thread: due flushes, and a part of the expired. */
void store_tick(struct store *store);

/*
 * After each command, with no lock held and outside read-side sections: keeps
 * the memory of live items, and of items that wait for their grace period,
 * below their limits.
 */
void store_balance(struct store *store);

void store_get_stats(struct store *store, struct store_stats *stats);

#endif /* KVCACHED_STORE_H */
