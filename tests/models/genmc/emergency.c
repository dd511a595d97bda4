/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * emergency.c - the emergency list: two pushers, and two that take it
 *
 * Whoever takes an object finds its link and what the pusher wrote before, and frees it.
 * In the end each object was taken once.
 */

#include "harness.h"
#include "emergency.h"

#define NR	2

static struct kvfree_emergency *list;
static int taken[NR];		/* atomic */

static void *pusher(void *arg)
{
	struct object *object = malloc(sizeof(*object));

	object->value = (int) (intptr_t) arg;
	kvfree_emergency_push(&list, object, offsetof(struct object, head), 1);
	return NULL;
}

static void *taker(void *arg)
{
	struct kvfree_emergency *link, *next;

	(void) arg;
	for (link = kvfree_emergency_take(&list); link; link = next) {
		struct object *object = kvfree_emergency_object(link);

		assert(kvfree_emergency_channel(link) == 1);
		next = link->next;
		__atomic_fetch_add(&taken[object->value], 1, __ATOMIC_RELAXED);
		free(object);
	}
	return NULL;
}

int main(void)
{
	pthread_t first = thread(pusher, (void *) 0);
	pthread_t second = thread(pusher, (void *) 1);
	pthread_t third = thread(taker, NULL);
	int i;

	pthread_join(first, NULL);
	pthread_join(second, NULL);
	pthread_join(third, NULL);
	taker(NULL);
	for (i = 0; i < NR; i++)
		assert(__atomic_load_n(&taken[i], __ATOMIC_RELAXED) == 1);
	return 0;
}
