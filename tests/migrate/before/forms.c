/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* The ways to write a callback that only frees, and to call call_rcu() with it. */

#include <stdlib.h>
#include <urcu.h>
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

void forward(struct rcu_head *head);
void outline(struct object *object);

/* In one expression. */
static void expression(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

static void variable(struct rcu_head *head)
{
	struct object *object = caa_container_of(head, struct object, head);

	free(object);
}

static
void assignment(struct rcu_head *head)
{
	struct object *object;

	object = container_of(head, struct object, head);
	free((void *) object);
}

static void type_of(struct rcu_head *rcu)
{
	struct object *object = container_of(rcu, __typeof__(*object), a.b.head);

	free(object);
}

/* Through the member that holds the head. */
static void steps(struct rcu_head *head)
{
	struct link *link = caa_container_of(head, struct link, head);
	struct object *object = caa_container_of(link, struct object, link);

	free(object);
}

static void nested(struct rcu_head *head)
{
	free(container_of(container_of(head, struct link, head), struct object, link));
}

static void half_nested(struct rcu_head *head)
{
	struct link *link = caa_container_of(head, struct link, head);

	free(caa_container_of(link, struct object, link));
}

static void element(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, heads[1]));
}

struct object *next_object(void);

void one_member(struct object *object, struct object *other, struct object **table)
{
	call_rcu(&object->head, expression);
	call_rcu(&(other->head), &variable);
	call_rcu(&table[3]->head,
		 (void (*)(struct rcu_head *)) assignment);
	call_rcu(&next_object()->head, expression);
	if (table[0])
		call_rcu(&(*table)->head, variable);
	else
		call_rcu(&table[1]->heads[1], element);
}

void nested_members(struct object *object, struct object *other)
{
	call_rcu(&object->a.b.head, type_of);
	call_rcu(&object->link.head, steps);
	call_rcu(&other->link.head, nested);
	call_rcu(&other[1].link.head, half_nested);
}

/* The object is only known to the callback. */
static void only_head(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

static void only_link(struct rcu_head *head)
{
	struct link *link = caa_container_of(head, struct link, head);
	struct object *object = caa_container_of(link, struct object, link);

	free(object);
}

void from_inside(struct rcu_head *head, struct link *link)
{
	call_rcu(head, only_head);
	call_rcu(&link->head, only_link);
}

void outline(struct object *object)
{
	call_rcu(&object->head, forward);
}

void flavors(struct object *object, struct object *other)
{
	urcu_memb_call_rcu(&object->head, expression);
	call_rcu_memb(&other->head, expression);
}

/* Declared above. */
void forward(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

/* The end. */
