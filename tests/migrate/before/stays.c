/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* What has to stay. */

#include <stdlib.h>
#include <urcu-bp.h>

struct object {
	char *name;
	struct rcu_head head;
};

struct other {
	int first;
	struct rcu_head head;
};

static void frees_more(struct rcu_head *head)
{
	struct object *object = caa_container_of(head, struct object, head);

	free(object->name);
	free(object);
}

static void destroy(struct object *object)
{
	free(object->name);
	free(object);
}

static void destroys(struct rcu_head *head)
{
	destroy(caa_container_of(head, struct object, head));
}

/* One branch of an #if does more. */
static void sometimes_more(struct rcu_head *head)
{
	struct object *object = caa_container_of(head, struct object, head);

#ifdef DEBUG
	object->name = NULL;
#endif
	free(object);
}

#ifdef DEBUG
static void two_ways(struct rcu_head *head)
{
	frees_more(head);
}
#else
static void two_ways(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}
#endif

/* Frees what it is given, which need not be an object's first byte. */
static void no_container(struct rcu_head *head)
{
	free(head);
}

/* Moves, and is needed all the same. */
static void called_too(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

/* Only a macro's. */
static void in_macro(struct rcu_head *head)
{
	free(caa_container_of(head, struct object, head));
}

#define RETIRE(object, free_it) \
	do { call_rcu(&(object)->head, free_it); } while (0)

void elsewhere(struct rcu_head *head);

void retire(struct object *object, void (*callback)(struct rcu_head *))
{
	call_rcu(&object->head, frees_more);
	call_rcu(&object->head, destroys);
	call_rcu(&object->head, sometimes_more);
	call_rcu(&object->head, two_ways);
	call_rcu(&object->head, no_container);
	call_rcu(&object->head, elsewhere);
	call_rcu(&object->head, callback);
	call_rcu(&object->head, object->name ? destroys : frees_more);
	RETIRE(object, in_macro);
	if (object->name)
		call_rcu(&object->head, called_too);
	else
		called_too(&object->head);
#if 0
	call_rcu(&object->head, called_too);
#endif
	/* Neither call_rcu(&object->head, destroys) in a comment, */
	object->name = "nor call_rcu(&object->head, destroys) in a string";
}

void clean_up(void)
{
	rcu_barrier();
	urcu_bp_barrier();
}
