/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * eventloop.c - raw calls while there is work, frees while there is none
 *
 * Updates are made under a spinlock. Between two rounds the loop frees some of what
 * this thread queued and whose grace period is over. What it leaves for
 * drain_msec (100 ms) is freed by the library's workers.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>

#define PER_ROUND	500

struct quote {
	double price;
	struct rcu_head head;
};

static struct quote *quote;
static pthread_spinlock_t lock;

static void on_price(double price)
{
	struct quote *fresh = malloc(sizeof(*fresh));

	fresh->price = price;
	pthread_spin_lock(&lock);
	urcu_kvfree_rcu(rcu_xchg_pointer(&quote, fresh), head);
	pthread_spin_unlock(&lock);
}

int main(void)
{
	size_t reclaimed = 0;
	int round, i;

	/* The library must not start under the lock. */
	if (urcu_kvfree_init(NULL))
		return EXIT_FAILURE;
	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	for (round = 0; round < 100; round++) {
		poll(NULL, 0, 1);	/* wait for events */
		for (i = 0; i < PER_ROUND; i++)
			on_price(round + i / 1000.0);
		reclaimed += urcu_kvfree_rcu_reclaim(2 * PER_ROUND);
	}
	printf("%zu of %d freed by the loop itself\n", reclaimed,
	       round * PER_ROUND - 1);
	free(quote);
	return EXIT_SUCCESS;
}
