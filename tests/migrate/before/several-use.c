/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#define _LGPL_SOURCE
#include "several.h"
#include <urcu/compiler.h>

/* Another function than that of several.c. */
static void cleanup(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

void use(struct object *object, struct rcu_head *head)
{
	call_rcu(&object->head, object_free);
	call_rcu(&object_of(1)->head,
			object_free);
	call_rcu(&object_of(2)->head, object_free);
	call_rcu(&object_of(3)->head, cleanup);
	object_retire(object_of(4));
	/* Of which object? */
	call_rcu(head, object_free_too);
}
