/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * linked-plugin.c - a module with a copy of the library of its own
 *
 * See linked.sh.
 */

#include <stdlib.h>

#include <urcu.h>
#include <urcu/kvfree.h>

#include "linked.h"

struct object {
	struct rcu_head head;
};

void plugin_use(void);
void plugin_use(void)
{
	struct object *object = malloc(sizeof(*object));

	CHECK(object);
	urcu_kvfree_rcu(object, head);
	free(urcu_kvmalloc(1));
	CHECK(urcu_kvfree_rcu_barrier() == 0);
}
