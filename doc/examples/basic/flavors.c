/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * flavors.c - several flavors in one file, and settings
 *
 * The names that end in _flavor say which flavor they mean; URCU_API_MAP is not
 * needed for them. One start serves all flavors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/kvfree.h>

struct node {
	int value;
	struct rcu_head head;
};

static int count(const struct rcu_flavor_struct *flavor, const char *name)
{
	struct urcu_kvfree_stats stats;
	int i;

	for (i = 0; i < 1000; i++) {
		struct node *node = malloc(sizeof(*node));

		urcu_kvfree_rcu_flavor(flavor, node, head);
	}
	if (urcu_kvfree_rcu_barrier_flavor(flavor) ||
	    urcu_kvfree_get_stats_flavor(flavor, &stats, sizeof(stats)))
		return -1;
	printf("%s: %llu freed\n", name, (unsigned long long) stats.freed);
	return stats.freed == 1000 ? 0 : -1;
}

int main(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	int ret;

	/* The environment wins: URCU_KVFREE_DRAIN_MSEC=50 ./flavors */
	if (!attr || urcu_kvfree_attr_set_drain_msec(attr, 20) ||
	    urcu_kvfree_attr_set_batch_bytes(attr, 256 << 10) ||
	    urcu_kvfree_init(attr)) {
		perror("liburcu-kvfree");
		return EXIT_FAILURE;
	}
	urcu_kvfree_attr_destroy(attr);
	ret = count(&urcu_memb_flavor, "memb") | count(&urcu_bp_flavor, "bp");
	urcu_kvfree_exit();
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
