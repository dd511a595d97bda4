/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * pending.c - a process that ends while objects are pending everywhere
 *
 * For leak checkers (see leaks.sh): whatever is queued must be within their
 * reach. It prints nothing and exits with 0. (lessons: K13)
 *
 * With "exit" as its argument it calls urcu_kvfree_exit() first: then
 * not a byte may remain.
 */

#include <stdlib.h>
#include <string.h>

#include "kvinside.h"

static struct urcu_kvfree_channel *channel;

static void free_each(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++)
		free(ptrs[i]);
}

struct late {
	char front[200];
	struct rcu_head head;
};

/*
 * On the emergency list an object hangs by its rcu_head. Where that is not at
 * its start valgrind says "possibly lost": leaks.sh knows these functions.
 */
static __attribute__((noinline)) struct late *late_object(void)
{
	struct late *late = malloc(sizeof(*late));

	if (!late)
		abort();
	memset(late->front, 0, sizeof(late->front));
	return late;
}

static void queue(const struct rcu_flavor_struct *rcu, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct kvtest_object *object = kvtest_object_new(i);
		struct late *late = late_object();

		urcu_kvfree_rcu_flavor(rcu, object, head);
		urcu_kvfree_rcu_channel_flavor(rcu, late, head, channel);
		urcu_kvfree_rcu_mightsleep_flavor(rcu, malloc(33));
	}
	urcu_kvfree_rcu_mightsleep_flavor(rcu, urcu_kvmalloc(1 << 20));
}

static void *queue_and_exit(void *rcu)
{
	queue(rcu, 100);
	return NULL;
}

static bool grace_period_runs(void *flavor)
{
	return kvfree_gp_is_running(&kvfree_domain_get(flavor)->gp);
}

static void set_up(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	/* No call of the main thread runs a grace period: it would wait for the
	 * readers, which wait for it. */
	if (!attr || urcu_kvfree_attr_set_drain_msec(attr, 20) ||
	    urcu_kvfree_attr_set_batch_bytes(attr, SIZE_MAX / 2) ||
	    urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
	channel = urcu_kvfree_channel_create("pending", free_each, NULL);
	if (!channel)
		abort();
}

int main(int argc, char **argv)
{
	/* They sit in their sections until the end, beyond main()'s. */
	static struct kvtest_reader reader[4];
	const struct kvtest_flavor *flavor;
	unsigned int i;

	set_up();
	for (flavor = kvtest_flavors, i = 0; flavor->name; flavor++, i++) {
		/* Ripe, in pages that are closed or open, on the emergency
		 * list and its chain: as it comes. */
		queue(flavor->rcu, 1000);
		kvtest_reader_enter(&reader[i], flavor->rcu);
		queue(flavor->rcu, 1000);
		kvtest_on_thread(queue_and_exit, (void *) flavor->rcu);
		if (!kvtest_wait(grace_period_runs, (void *) flavor->rcu,
				KVTEST_LONG))
			return 4;
		queue(flavor->rcu, 700);
	}
	if (argc > 1 && !strcmp(argv[1], "exit")) {
		for (i = 0; i < 4; i++)
			kvtest_reader_leave(&reader[i]);
		urcu_kvfree_exit();
		return kvtest_stats(NULL).pending ? 3 : 0;
	}
	return kvtest_stats(NULL).pending ? 0 : 2;
}
