/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* The ways to write a callback that only frees, and to call call_rcu() with it. */

#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>
#include <urcu/list.h>

#define container_of(ptr, type, member)	caa_container_of(ptr, type, member)

struct link {
	struct link *next;
	struct rcu_head head;
};

struct object {
	int value;
	struct link link;
	struct {
		struct {
			struct rcu_head head;
		} b;
	} a;
	struct rcu_head head;
	struct rcu_head heads[2];
};
void outline(struct object *object);

struct object *next_object(void);

void one_member(struct object *object, struct object *other, struct object **table)
{
	urcu_kvfree_rcu(object, head);
	urcu_kvfree_rcu(other, head);
	urcu_kvfree_rcu(table[3], head);
	urcu_kvfree_rcu(next_object(), head);
	if (table[0])
		urcu_kvfree_rcu(*table, head);
	else
		urcu_kvfree_rcu(caa_container_of(&table[1]->heads[1], struct object, heads[1]),
				heads[1]);
}

void nested_members(struct object *object, struct object *other)
{
	urcu_kvfree_rcu(object, a.b.head);
	urcu_kvfree_rcu(object, link.head);
	urcu_kvfree_rcu(other, link.head);
	urcu_kvfree_rcu(caa_container_of(&other[1].link.head, struct object, link.head),
			link.head);
}

void from_inside(struct rcu_head *head, struct link *link)
{
	urcu_kvfree_rcu(caa_container_of(head, struct object, head), head);
	urcu_kvfree_rcu(caa_container_of(&link->head, struct object, link.head),
			link.head);
}

void outline(struct object *object)
{
	urcu_kvfree_rcu(object, head);
}

void flavors(struct object *object, struct object *other)
{
	urcu_kvfree_rcu_flavor(&urcu_memb_flavor, object, head);
	urcu_kvfree_rcu_flavor(&urcu_memb_flavor, other, head);
}

/* The end. */
