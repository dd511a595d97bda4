/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * store.c - how a program uses liburcu-kvfree
 *
 * Readers look an item up in liburcu's hash table under rcu_read_lock() and
 * take no lock. Writers never change an item that readers can see. They
 *
 *	1. make a new item,
 *	2. put it in the old one's place, after which no new reader can find
 *	   the old one (unlink first!),
 *	3. hand the old one to urcu_kvfree_rcu(), which frees it once the
 *	   readers that found it earlier have left their sections.
 *
 * Step 3 is in retire(): one call that never blocks, never allocates and cannot
 * fail, and is therefore made right there, under the lock.
 *
 * Items come from urcu_kvmalloc(), in item_alloc(). It first looks for an item that
 * this thread retired earlier and whose grace period is over: one that fits is
 * returned as it is, without free() and malloc(), one that does not is freed. It
 * takes large items straight from the system, to which they return when they are
 * freed. malloc() would do as well: the library frees both.
 *
 * Locking. Writers of one key exclude each other by the mutex of the key's
 * stripe, so that add, cas, append, incr … are atomic: look, decide, replace.
 * The lock is taken before rcu_read_lock(), never inside it, because a reader
 * that waits for a lock would hold up everybody's grace period. At most one
 * stripe is locked at a time. "_locked": the caller holds the stripe's lock and
 * is in a read-side section.
 */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <urcu/kvfree.h>

#include "annotate.h"
#include "hash.h"

#define STRIPES			256
#define STRIPES_PER_TICK	16
#define MONTH_SEC		(60 * 60 * 24 * 30)
#define CENTURY_SEC		(INT64_C(60) * 60 * 24 * 365 * 100)

/*
 * The library frees by the thousands of objects and does not know their sizes:
 * thousands of one-megabyte values are gigabytes. A program whose objects are
 * large counts what it deferred and, at this many bytes, waits for the free.
 */
#define DEFERRED_BYTES_MAX	(16 << 20)

struct stripe {
	pthread_mutex_t lock;
	struct cds_list_head order;	/* its items, oldest first; under lock */
} __attribute__((aligned(64)));

struct store {
	struct cds_lfht *table;
	struct store_config config;	/* read-only */
	uint64_t secret[2];		/* read-only: key of the hash */
	struct stripe stripes[STRIPES];

	/* Atomic, and all of them relaxed: each is a number of its own. */
	uint64_t last_cas;		/* the newest cas given out */
	uint64_t flushed_cas;		/* items up to this one are flushed */
	uint64_t flush_due_ms;		/* when the delayed flush is due, or 0 */
	uint64_t evict_hand;		/* the stripe to evict from next */
	uint64_t bytes;			/* in items, linked or being filled */
	uint64_t deferred_bytes;	/* handed to the library of late */
	struct store_stats stats;	/* but for bytes */

	unsigned int sweep_hand;	/* store_tick()'s thread only */
};

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint64_t add(uint64_t *counter, uint64_t n)
{
	return __atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

static void sub(uint64_t *counter, uint64_t n)
{
	__atomic_sub_fetch(counter, n, __ATOMIC_RELAXED);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct item *item_of(struct cds_lfht_node *node)
{
	return node ? caa_container_of(node, struct item, node) : NULL;
}

/* ------------------------------------------------------------------ */
/* Items                                                              */

/* Of memory that is in use. */
static size_t item_size(const struct item *item)
{
	return sizeof(*item) + item->key_len + item->filled;
}

static struct item *item_alloc(struct store *store, const char *key,
		uint32_t key_len, uint32_t value_len)
{
	struct item *item = urcu_kvmalloc(sizeof(*item) + key_len +
			(size_t) value_len + 2);

	if (!item)
		return NULL;
	item->key_len = key_len;
	item->value_len = value_len;
	memcpy(item->data, key, key_len);
	item->filled = 0;
	add(&store->bytes, item_size(item));
	return item;
}

static void fill(struct store *store, struct item *item, uint32_t bytes)
{
	item->filled += bytes;
	add(&store->bytes, bytes);
}

/* The whole value is there, from the server itself: so is its end. */
static void complete(struct store *store, struct item *item)
{
	memcpy(item_value(item) + item->value_len, "\r\n", 2);
	fill(store, item, item_space(item));
}

/* No reader has seen it, so that there is no grace period to wait for. */
void item_drop(struct store *store, struct item *item)
{
	sub(&store->bytes, item_size(item));
	urcu_kvfree(item);
}

static void set_expiry(struct item *item, uint64_t expire_ms)
{
	/* Relaxed: nothing else is published through it. */
	__atomic_store_n(&item->expire_ms, expire_ms, __ATOMIC_RELAXED);
}

static uint64_t get_expiry(const struct item *item)
{
	return __atomic_load_n(&item->expire_ms, __ATOMIC_RELAXED);
}

static bool is_live(const struct store *store, const struct item *item)
{
	uint64_t expire_ms = get_expiry(item);

	return item->cas > get(&store->flushed_cas) &&
		(!expire_ms || now_ms() < expire_ms);
}

/* ------------------------------------------------------------------ */
/* The table                                                          */

static int match(struct cds_lfht_node *node, const void *arg)
{
	const struct item *item = item_of(node);
	const struct key *key = arg;

	annotate_found(item);
	return item->key_len == key->len &&
		!memcmp(item_key(item), key->bytes, key->len);
}

static struct stripe *stripe_of(struct store *store, struct key key)
{
	/* The table's buckets come from the low bits. */
	return &store->stripes[(key.hash >> 16) % STRIPES];
}

static struct stripe *lock_stripe(struct stripe *stripe)
{
	pthread_mutex_lock(&stripe->lock);
	rcu_read_lock();
	return stripe;
}

static void unlock_stripe(struct stripe *stripe)
{
	annotate_read_unlock();
	rcu_read_unlock();
	pthread_mutex_unlock(&stripe->lock);
}

/*
 * The item is out of the table: no new reader can find it. Those who found it
 * before may still be copying it to a client.
 */
static void retire(struct store *store, struct item *old)
{
	cds_list_del(&old->order);
	sub(&store->stats.items, 1);
	sub(&store->bytes, item_size(old));
	add(&store->deferred_bytes, item_size(old));
	urcu_kvfree_rcu(old, head);
}

/* In the place of the item of that name, if there is one. */
static void link_locked(struct store *store, struct stripe *stripe,
		struct key key, struct item *item)
{
	struct item *old;

	item->cas = add(&store->last_cas, 1);
	cds_lfht_node_init(&item->node);
	annotate_publish(item);
	old = item_of(cds_lfht_add_replace(store->table, key.hash, match, &key,
			&item->node));
	cds_list_add_tail(&item->order, &stripe->order);
	add(&store->stats.items, 1);
	add(&store->stats.stored, 1);
	if (old)
		retire(store, old);
}

static void unlink_locked(struct store *store, struct item *item)
{
	/* Nobody else removes it: this needs the stripe's lock, which we hold. */
	if (cds_lfht_del(store->table, &item->node) == 0)
		retire(store, item);
}

static struct item *lookup(struct store *store, struct key key)
{
	struct cds_lfht_iter iter;

	cds_lfht_lookup(store->table, key.hash, match, &key, &iter);
	return item_of(cds_lfht_iter_get_node(&iter));
}

/* The live item of that name; one that has expired is removed on the way. */
static struct item *find_locked(struct store *store, struct key key)
{
	struct item *item = lookup(store, key);

	if (!item || is_live(store, item))
		return item;
	add(&store->stats.expired, 1);
	unlink_locked(store, item);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Reading                                                            */

struct key store_key(const struct store *store, const char *bytes, size_t len)
{
	struct key key = { .bytes = bytes, .len = len };

	key.hash = (unsigned long) siphash(store->secret, bytes, len);
	return key;
}

size_t store_max_value(const struct store *store)
{
	return store->config.max_value;
}

struct item *store_get(struct store *store, struct key key)
{
	struct item *item = lookup(store, key);

	add(&store->stats.gets, 1);
	if (!item || !is_live(store, item))
		return NULL;
	add(&store->stats.hits, 1);
	return item;
}

/* ------------------------------------------------------------------ */
/* Writing                                                            */

/*
 * Seconds from now, or since 1970 when it is more than a month; negative is
 * the past. Kept by the monotonic clock, which no administrator sets.
 */
uint64_t store_expiry(int64_t exptime)
{
	if (exptime == 0)
		return 0;
	if (exptime > MONTH_SEC)
		exptime -= time(NULL);
	if (exptime <= 0)
		return 1;
	if (exptime > CENTURY_SEC)
		exptime = CENTURY_SEC;
	return now_ms() + (uint64_t) exptime * 1000;
}

/* Evict the oldest items of each stripe in turn until what is left fits. */
static bool make_room(struct store *store)
{
	int empty = 0;

	while (get(&store->bytes) > store->config.max_bytes && empty < STRIPES) {
		uint64_t hand = add(&store->evict_hand, 1) % STRIPES;
		struct stripe *stripe = lock_stripe(&store->stripes[hand]);

		if (cds_list_empty(&stripe->order)) {
			empty++;
		} else {
			empty = 0;
			add(&store->stats.evicted, 1);
			unlink_locked(store, cds_list_first_entry(&stripe->order,
					struct item, order));
		}
		unlock_stripe(stripe);
	}
	return get(&store->bytes) <= store->config.max_bytes;
}

struct item *item_new(struct store *store, struct key key, uint32_t value_len,
		uint32_t flags, uint64_t expire_ms)
{
	struct item *item = item_alloc(store, key.bytes, key.len, value_len);

	if (!item)
		return NULL;
	item->flags = flags;
	set_expiry(item, expire_ms);
	if (!make_room(store)) {
		item_drop(store, item);
		return NULL;
	}
	return item;
}

bool item_filled(struct store *store, struct item *item, uint32_t bytes)
{
	fill(store, item, bytes);
	return make_room(store);
}

/* The old value and the one in @item, joined in a new item; frees @item. */
static enum store_result join(struct store *store, struct item *old,
		struct item **item, bool append)
{
	struct item *first = append ? old : *item;
	struct item *second = append ? *item : old;
	size_t len = (size_t) first->value_len + second->value_len;
	struct item *both;

	if (len > store->config.max_value)
		return STORE_TOO_LARGE;
	both = item_alloc(store, item_key(old), old->key_len, len);
	if (!both)
		return STORE_NO_MEMORY;
	both->flags = old->flags;
	set_expiry(both, get_expiry(old));
	memcpy(item_value(both), item_value(first), first->value_len);
	memcpy(item_value(both) + first->value_len, item_value(second),
			second->value_len);
	complete(store, both);
	item_drop(store, *item);
	*item = both;
	return STORE_OK;
}

/* May @item take the place of @old (NULL: there is none)? */
static enum store_result decide(struct store *store, struct item *old,
		struct item **item, enum store_mode mode, uint64_t cas)
{
	switch (mode) {
	case STORE_SET:
		return STORE_OK;
	case STORE_ADD:
		return old ? STORE_NOT_STORED : STORE_OK;
	case STORE_REPLACE:
		return old ? STORE_OK : STORE_NOT_STORED;
	case STORE_APPEND:
	case STORE_PREPEND:
		return old ? join(store, old, item, mode == STORE_APPEND) :
			STORE_NOT_STORED;
	case STORE_CAS:
		if (!old)
			return STORE_NOT_FOUND;
		return old->cas == cas ? STORE_OK : STORE_EXISTS;
	}
	return STORE_NOT_STORED;
}

enum store_result store_link(struct store *store, struct key key,
		struct item *item, enum store_mode mode, uint64_t cas)
{
	struct stripe *stripe = lock_stripe(stripe_of(store, key));
	enum store_result result;

	add(&store->stats.sets, 1);
	result = decide(store, find_locked(store, key), &item, mode, cas);
	if (result == STORE_OK)
		link_locked(store, stripe, key, item);
	unlock_stripe(stripe);
	if (result != STORE_OK)
		item_drop(store, item);
	return result;
}

enum store_result store_delete(struct store *store, struct key key)
{
	struct stripe *stripe = lock_stripe(stripe_of(store, key));
	struct item *item = find_locked(store, key);

	add(&store->stats.deletes, 1);
	if (item)
		unlink_locked(store, item);
	unlock_stripe(stripe);
	return item ? STORE_OK : STORE_NOT_FOUND;
}

enum store_result store_touch(struct store *store, struct key key,
		uint64_t expire_ms)
{
	struct stripe *stripe = lock_stripe(stripe_of(store, key));
	struct item *item = find_locked(store, key);

	add(&store->stats.touches, 1);
	if (item)
		set_expiry(item, expire_ms);
	unlock_stripe(stripe);
	return item ? STORE_OK : STORE_NOT_FOUND;
}

/* The whole value is one decimal number of 64 bits. */
static bool value_as_number(struct item *item, uint64_t *number)
{
	const char *digits = item_value(item);

	*number = 0;
	for (uint32_t i = 0; i < item->value_len; i++) {
		if (digits[i] < '0' || digits[i] > '9' ||
		    __builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, digits[i] - '0', number))
			return false;
	}
	return item->value_len > 0;
}

static enum store_result count_locked(struct store *store,
		struct stripe *stripe, struct key key, bool up, uint64_t delta,
		uint64_t *result)
{
	struct item *old = find_locked(store, key);
	struct item *item;
	char digits[24];
	int len;

	if (!old)
		return STORE_NOT_FOUND;
	if (!value_as_number(old, result))
		return STORE_NOT_A_NUMBER;
	if (up)
		*result += delta;	/* wraps at 64 bits, as the protocol says */
	else
		*result -= delta < *result ? delta : *result;
	len = snprintf(digits, sizeof(digits), "%" PRIu64, *result);
	item = item_alloc(store, key.bytes, key.len, len);
	if (!item)
		return STORE_NO_MEMORY;
	item->flags = old->flags;
	set_expiry(item, get_expiry(old));
	memcpy(item_value(item), digits, len);
	complete(store, item);
	link_locked(store, stripe, key, item);
	return STORE_OK;
}

enum store_result store_count(struct store *store, struct key key, bool up,
		uint64_t delta, uint64_t *result)
{
	struct stripe *stripe = lock_stripe(stripe_of(store, key));
	enum store_result status;

	add(&store->stats.sets, 1);
	status = count_locked(store, stripe, key, up, delta, result);
	unlock_stripe(stripe);
	return status;
}

/* ------------------------------------------------------------------ */
/* Housekeeping                                                       */

static void flush_now(struct store *store)
{
	/*
	 * Cas numbers are given out in order: all items up to the newest are
	 * flushed from here on, at once. store_tick() removes them later.
	 */
	__atomic_store_n(&store->flushed_cas, get(&store->last_cas),
			__ATOMIC_RELAXED);
}

void store_flush(struct store *store, uint64_t delay_ms)
{
	uint64_t due_ms = delay_ms ? now_ms() + delay_ms : 0;

	add(&store->stats.flushes, 1);
	__atomic_store_n(&store->flush_due_ms, due_ms, __ATOMIC_RELAXED);
	if (!delay_ms)
		flush_now(store);
}

static void sweep(struct store *store, struct stripe *stripe, bool all)
{
	struct item *item, *next;

	lock_stripe(stripe);
	cds_list_for_each_entry_safe(item, next, &stripe->order, order) {
		if (!all && is_live(store, item))
			continue;
		add(&store->stats.expired, !all);
		unlink_locked(store, item);
	}
	unlock_stripe(stripe);
}

void store_tick(struct store *store)
{
	uint64_t due_ms = get(&store->flush_due_ms);

	/* The exchange fails when a client changed the date this moment. */
	if (due_ms && now_ms() >= due_ms &&
	    __atomic_compare_exchange_n(&store->flush_due_ms, &due_ms, 0, false,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		flush_now(store);

	for (int i = 0; i < STRIPES_PER_TICK; i++)
		sweep(store, &store->stripes[store->sweep_hand++ % STRIPES],
				false);
	store_balance(store);
}

void store_balance(struct store *store)
{
	make_room(store);
	if (get(&store->deferred_bytes) < DEFERRED_BYTES_MAX)
		return;
	__atomic_store_n(&store->deferred_bytes, 0, __ATOMIC_RELAXED);
	urcu_kvfree_rcu_barrier();
}

void store_get_stats(struct store *store, struct store_stats *stats)
{
	const struct store_stats *from = &store->stats;

	*stats = (struct store_stats) {
		.items = get(&from->items),
		.bytes = get(&store->bytes),
		.stored = get(&from->stored),
		.evicted = get(&from->evicted),
		.expired = get(&from->expired),
		.gets = get(&from->gets),
		.hits = get(&from->hits),
		.sets = get(&from->sets),
		.deletes = get(&from->deletes),
		.touches = get(&from->touches),
		.flushes = get(&from->flushes),
	};
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

struct store *store_create(const struct store_config *config)
{
	struct store *store = aligned_alloc(64, sizeof(*store));

	if (!store)
		return NULL;
	memset(store, 0, sizeof(*store));
	store->config = *config;
	if (getrandom(store->secret, sizeof(store->secret), 0) !=
	    sizeof(store->secret))
		goto fail;
	store->table = cds_lfht_new(1024, 1024, 0,
			CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, NULL);
	if (!store->table) {
		errno = ENOMEM;
		goto fail;
	}
	for (int i = 0; i < STRIPES; i++) {
		pthread_mutex_init(&store->stripes[i].lock, NULL);
		CDS_INIT_LIST_HEAD(&store->stripes[i].order);
	}
	return store;

fail:
	free(store);
	return NULL;
}

void store_destroy(struct store *store)
{
	for (int i = 0; i < STRIPES; i++) {
		sweep(store, &store->stripes[i], true);
		pthread_mutex_destroy(&store->stripes[i].lock);
	}
	urcu_kvfree_rcu_barrier();
	if (cds_lfht_destroy(store->table, NULL))
		fputs("kvcached: the table is not empty at exit\n", stderr);
	free(store);
}
