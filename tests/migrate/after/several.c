/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "several.h"

struct object *object_new(void)
{
	return calloc(1, sizeof(struct object));
}

struct object *object_of(int value)
{
	static struct object *objects[10];

	return objects[value];
}

/* Does not move everywhere. */
void object_free_too(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}
