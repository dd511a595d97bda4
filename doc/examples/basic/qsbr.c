/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * qsbr.c - an online thread holds up all frees until it announces a quiescent
 * state or goes offline; a barrier takes its caller offline while it waits
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <urcu-qsbr.h>
#include <urcu/kvfree.h>

struct node {
	int value;
	struct rcu_head head;
};

static struct node *shared;

static void *reader(void *wrong)
{
	int i;

	rcu_register_thread();		/* online from here on */
	for (i = 0; i < 1000; i++) {
		struct node *node = rcu_dereference(shared);

		if (node && node->value != 42)
			++*(int *) wrong;
		rcu_quiescent_state();	/* node is void after this */
		if (i % 100)
			continue;
		rcu_thread_offline();	/* around what may block */
		poll(NULL, 0, 1);
		rcu_thread_online();
	}
	rcu_unregister_thread();
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int i, wrong = 0;

	if (pthread_create(&thread, NULL, reader, &wrong))
		return EXIT_FAILURE;
	for (i = 0; i < 10000; i++) {
		struct node *node = malloc(sizeof(*node));

		node->value = 42;
		urcu_kvfree_rcu(rcu_xchg_pointer(&shared, node), head);
	}
	urcu_kvfree_rcu_barrier();
	pthread_join(thread, NULL);
	free(shared);
	return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
