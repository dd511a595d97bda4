/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario-table.c - a simple program with a hash table, from start to end
 *
 * No warm-up. Each updater fills its table with kfree_alloc_num entries, replaces
 * kfree_loops times as many, one at a time, and empties the table at the end in one
 * go, as a program does that stops. How many of all deferred entries went to the
 * emergency list is what a program's author would see in its counters.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/pointer.h>
#include <urcu/kvfree.h>

#include "bench.h"

#define ENTRIES_PER_BUCKET	4

/* The reclaimer's own part of the object comes first: see loops.h. */
struct entry {
	char object[24];
	struct entry *next;
	uint64_t key;
};

struct table {
	size_t buckets;
	struct entry *heads[];
};

static struct entry **bucket_of(struct table *table, uint64_t key)
{
	/* Knuth's multiplicative hash; the high half is well mixed. */
	uint64_t hash = key * 0x9e3779b97f4a7c15u;

	return &table->heads[(hash >> 32) % table->buckets];
}

static int insert(struct bench_thread *t, struct table *table, uint64_t key)
{
	struct entry **head = bucket_of(table, key);
	struct entry *entry = t->ops->alloc(t->size);

	if (!entry)
		return -1;
	memset(entry, 0, sizeof(*entry));
	entry->key = key;
	entry->next = *head;
	rcu_assign_pointer(*head, entry);
	return 0;
}

static void remove_at(struct bench_thread *t, struct entry **at)
{
	struct entry *entry = *at;

	rcu_assign_pointer(*at, entry->next);
	t->ops->defer_one(t, entry);
	__atomic_store_n(&t->done, t->done + 1, __ATOMIC_RELAXED);
}

static int replace(struct bench_thread *t, struct table *table, uint64_t key)
{
	struct entry **at = bucket_of(table, key);

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	if (*at)
		remove_at(t, at);
	return insert(t, table, key);
}

static void clear(struct bench_thread *t, struct table *table)
{
	size_t i;

	for (i = 0; i < table->buckets; i++)
		while (table->heads[i])
			remove_at(t, &table->heads[i]);
}

static void table_body(struct bench_thread *t)
{
	size_t n = bench_options.alloc_num, i;
	uint64_t key = (uint64_t) t->index, updates;
	size_t buckets = n / ENTRIES_PER_BUCKET + 1;
	struct table *table = calloc(1, sizeof(*table) +
			buckets * sizeof(table->heads[0]));

	t->failed = !table;
	if (t->failed)
		return;
	table->buckets = buckets;
	for (i = 0; i < n && !t->failed; i++)
		t->failed = insert(t, table, i);
	updates = (uint64_t) n * bench_options.loops;
	while (updates-- && !t->failed && !crew_stopped(t->crew)) {
		/* Knuth's generator: any order but that of the addresses. */
		key = key * 6364136223846793005u + 1442695040888963407u;
		t->failed = replace(t, table, (key >> 33) % n);
	}
	clear(t, table);
	free(table);
}

int scenario_table(const struct bench_ops *ops)
{
	struct bench_crew crew = { .ops = ops, .body = table_body };
	struct urcu_kvfree_stats stats;
	int status;

	if (!ops->stats || ops->flags & BENCH_KEEPS_OBJECTS ||
			bench_options.size < sizeof(struct entry)) {
		fprintf(stderr, "kvfreescale: table needs a kvfree reclaimer "
			"that frees, and entries of %zu bytes\n",
			sizeof(struct entry));
		return BENCH_USAGE;
	}
	bench_options.warmup_ms = 0;
	status = crew_run(&crew);
	if (!status && ops->stats(&stats))
		status = BENCH_FAILED;
	if (!status) {
		emit("entries", (double) stats.queued);
		emit("emergency_ppm", 1e6 * (double) stats.emergency /
			(double) stats.queued);
		emit("mops", (double) crew.objects * 1e3 /
			(double) crew.total_ns);
		if (stats.freed != crew.objects)
			status = BENCH_LOST;
	}
	free(crew.threads);
	return status;
}
