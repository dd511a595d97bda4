/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * try.c - no struct rcu_head, and a context where nothing may block
 *
 * urcu_kvfree_rcu_try() declines when it has no room. Then the object stays with
 * the caller, who tries again later, or frees it where that is allowed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>

#define SLOTS	1000

static pthread_spinlock_t lock;
static double *slot[SLOTS];

/* Returns what could not be queued, or NULL. */
static double *replace(unsigned int i, double *fresh)
{
	double *old;

	pthread_spin_lock(&lock);
	old = rcu_xchg_pointer(&slot[i % SLOTS], fresh);
	if (urcu_kvfree_rcu_try(old))
		old = NULL;
	pthread_spin_unlock(&lock);
	return old;
}

int main(void)
{
	unsigned int i, declined = 0;

	/* So that the first call finds a page. */
	if (urcu_kvfree_register_thread())
		return EXIT_FAILURE;
	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	for (i = 0; i < 100 * SLOTS; i++) {
		double *left = replace(i, calloc(1, sizeof(double)));

		/* The lock is released: this is a clean context again. */
		if (left) {
			urcu_kvfree_rcu_mightsleep(left);
			declined++;
		}
	}
	printf("%u of %u declined\n", declined, i);
	for (i = 0; i < SLOTS; i++)
		free(slot[i]);
	return EXIT_SUCCESS;
}
