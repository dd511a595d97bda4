/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* head.c - an object with a struct rcu_head, replaced under a spinlock */
#include <pthread.h>
#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>

struct route {
	unsigned int gateway;
	struct rcu_head head;	/* anywhere in the first 4096 bytes */
};

static struct route *route;
static pthread_spinlock_t lock;	/* writers */

static void set_gateway(unsigned int gateway)
{
	struct route *node = malloc(sizeof(*node));

	node->gateway = gateway;
	pthread_spin_lock(&lock);
	node = rcu_xchg_pointer(&route, node);	/* unlink first, */
	urcu_kvfree_rcu(node, head);		/* then call; NULL is fine */
	pthread_spin_unlock(&lock);
}

static void *reader(void *arg)
{
	unsigned int gateway;

	rcu_register_thread();
	do {
		rcu_read_lock();
		gateway = rcu_dereference(route)->gateway;
		rcu_read_unlock();
	} while (gateway < 100000);
	rcu_unregister_thread();
	return arg;
}

int main(void)
{
	pthread_t thread;

	/* The library must not start under the lock. */
	if (urcu_kvfree_init(NULL))
		return EXIT_FAILURE;
	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	set_gateway(0);
	if (pthread_create(&thread, NULL, reader, NULL))
		return EXIT_FAILURE;
	for (unsigned int i = 1; i <= 100000; i++)
		set_gateway(i);
	pthread_join(thread, NULL);
	free(route);
	return EXIT_SUCCESS;
}
