/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * channel.c - objects that free() cannot take: a pool with its own free function
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>

struct session {
	struct rcu_head head;
	struct session *next;	/* in the pool */
};

static struct session sessions[5000], *pool;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

/* Hundreds at once, for one lock. Called by the library, from any thread. */
static void pool_put(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	pthread_mutex_lock(&pool_lock);
	for (i = 0; i < nr; i++) {
		struct session *session = ptrs[i];

		session->next = pool;
		pool = session;
	}
	pthread_mutex_unlock(&pool_lock);
}

int main(void)
{
	struct urcu_kvfree_channel *channel;
	struct session *session;
	unsigned int i, nr = 0;

	channel = urcu_kvfree_channel_create("sessions", pool_put, NULL);
	if (!channel)
		return EXIT_FAILURE;
	for (i = 0; i < 5000; i++)
		urcu_kvfree_rcu_channel(&sessions[i], head, channel);
	/* Waits until all are back; a module may be unloaded after it. */
	if (urcu_kvfree_channel_destroy(channel))
		return EXIT_FAILURE;
	for (session = pool; session; session = session->next)
		nr++;
	printf("%u of %u sessions are back in the pool\n", nr, i);
	return nr == i ? EXIT_SUCCESS : EXIT_FAILURE;
}
