/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * load.c - gives each script of tools/bpftrace something to see; see bpftrace.sh
 *
 * Over and over, one thread fills pages, frees them and runs grace periods, another makes raw
 * calls that find no page, since none are cached.
 */

#include <stdlib.h>
#include <unistd.h>

#include "kvtest.h"

struct object {
	char bytes[200];
	struct rcu_head head;
};

static void *queue_raw(void *arg)
{
	while (!arg) {
		struct object *object = calloc(1, sizeof(*object));

		if (object)
			urcu_kvfree_rcu(object, head);
		kvtest_sleep_msec(1);
	}
	return NULL;
}

int main(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_min_cached_pages(attr, 0) ||
	    urcu_kvfree_init(attr))
		return EXIT_FAILURE;
	kvtest_thread(queue_raw, NULL);
	/* Whoever started it ends it before. */
	alarm(60);
	for (;;) {
		unsigned int i;

		for (i = 0; i < 1000; i++)
			urcu_kvfree_rcu_mightsleep(malloc(200));
		urcu_kvfree_rcu_barrier();
		kvtest_sleep_msec(1);
	}
}
