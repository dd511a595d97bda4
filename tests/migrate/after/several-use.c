/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#define _LGPL_SOURCE
#include "several.h"
#include <urcu/compiler.h>
#include <urcu/kvfree.h>

void use(struct object *object, struct rcu_head *head)
{
	urcu_kvfree_rcu(object, head);
	urcu_kvfree_rcu(object_of(1), head);
	urcu_kvfree_rcu(object_of(2), head);
	urcu_kvfree_rcu(object_of(3), head);
	object_retire(object_of(4));
	/* Of which object? */
	call_rcu(head, object_free_too);
}
