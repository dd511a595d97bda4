/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * owner.c - objects that own others: two calls, or a channel
 *
 * Readers that found the owner may read what it owns, so both wait for a grace period.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>
#include <urcu/kvfree.h>

/* One member: two calls. The owner goes last: it may be gone when its call returns. */
struct user {
	char *name;
	struct rcu_head head;
};

static void user_retire(struct user *user)
{
	urcu_kvfree_rcu_mightsleep(user->name);
	urcu_kvfree_rcu(user, head);
}

/* A list of them: a channel. Its free function sees the owner after the grace period,
 * when no reader is left and plain free() will do. One raw call queues it all. */
struct group {
	struct rcu_head head;
	struct member {
		struct member *next;
	} *members;
};

static unsigned int members;	/* that were freed; atomic */

static void group_free(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	while (nr) {
		struct group *group = ptrs[--nr];

		while (group->members) {
			struct member *member = group->members;

			group->members = member->next;
			free(member);
			__atomic_add_fetch(&members, 1, __ATOMIC_RELAXED);
		}
		free(group);
	}
}

static struct group *group_new(unsigned int nr)
{
	struct group *group = calloc(1, sizeof(*group));

	while (nr--) {
		struct member *member = malloc(sizeof(*member));

		member->next = group->members;
		group->members = member;
	}
	return group;
}

int main(void)
{
	struct urcu_kvfree_channel *groups =
		urcu_kvfree_channel_create("groups", group_free, NULL);

	if (!groups)
		return EXIT_FAILURE;
	for (int i = 0; i < 1000; i++) {
		struct user *user = malloc(sizeof(*user));
		struct group *group = group_new(3);

		user->name = strdup("name");
		user_retire(user);
		urcu_kvfree_rcu_channel(group, head, groups);
	}
	urcu_kvfree_channel_destroy(groups);
	urcu_kvfree_exit();
	printf("%u members freed with their groups\n", members);
	return members == 3000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
