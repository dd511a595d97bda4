/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * neverfree.c - a raw call frees nothing
 *
 * P12: a retire that runs deleters inline deadlocks when the caller holds what
 * they need. free() is wrapped (ld --wrap) and a channel's free function is
 * the test's own; both count calls made by a thread that is inside a raw call.
 * Ripe objects lie ready all the time: the same thread makes clean calls
 * in between, which must free some of them.
 */

#include <pthread.h>

#include "proof.h"

#define ROUNDS		200000

struct object {
	struct rcu_head head;
};

static const struct rcu_flavor_struct *flavor;
static struct urcu_kvfree_channel *channel;
static __thread bool in_raw;
static long frees, frees_in_raw, frees_clean;
static __thread bool in_clean;

static void count(void)
{
	proof_add(&frees, 1);
	if (in_raw)
		proof_add(&frees_in_raw, 1);
	if (in_clean)
		proof_add(&frees_clean, 1);
}

void __real_free(void *ptr);
void __wrap_free(void *ptr);
void __wrap_free(void *ptr)
{
	if (ptr)
		count();
	__real_free(ptr);
}

static void free_channel(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	while (nr--)
		free(ptrs[nr]);
}

static void *new_object(void)
{
	void *object = malloc(sizeof(struct object));

	proof_require(object != NULL, "no memory");
	return object;
}

static void raw_calls(struct kvfree_record *record, unsigned int i)
{
	struct object *a = new_object(), *b = new_object(), *c = new_object();
	struct object *d = new_object();
	bool done;

	in_raw = true;
	urcu_kvfree_rcu_flavor(flavor, a, head);
	urcu_kvfree_rcu_channel_flavor(flavor, b, head, channel);
	done = urcu_kvfree_rcu_try_flavor(flavor, c);
	if (i % 16 == 0)
		kvfree_record_lock(record);
	urcu_kvfree_rcu_flavor(flavor, d, head);
	if (i % 16 == 0)
		kvfree_record_unlock(record);
	in_raw = false;
	if (!done)
		free(c);
}

int main(void)
{
	struct kvfree_record *record;
	long ripe_seen = 0;
	unsigned int i, rounds = ROUNDS * (proof_long() ? 20 : 1);

	proof_start("neverfree", proof_long() ? 300 : 60);
	flavor = &urcu_memb_flavor;
	proof_init(1, 4096, 2, 0);
	channel = urcu_kvfree_channel_create("never", free_channel, NULL);
	proof_require(channel != NULL, "no channel");
	record = proof_record(flavor);
	for (i = 0; i < rounds; i++) {
		kvfree_record_lock(record);
		ripe_seen += kvfree_record_ripe_page(record) != NULL;
		kvfree_record_unlock(record);
		raw_calls(record, i);
		in_clean = true;
		urcu_kvfree_rcu_flavor(flavor, new_object());
		in_clean = false;
	}
	proof_require(frees_in_raw == 0, "%ld frees inside raw calls",
		frees_in_raw);
	proof_all_freed(flavor);
	proof_require(ripe_seen > 0 && frees_clean > 0,
		"no ripe object was there to be freed");
	proof_require(!urcu_kvfree_channel_destroy(channel), "channel");
	proof_say("%u raw calls, in %ld of %u rounds with ripe objects at hand: none of %ld frees was theirs",
		4 * rounds, ripe_seen, rounds, proof_load(&frees));
	urcu_kvfree_exit();
	return 0;
}
