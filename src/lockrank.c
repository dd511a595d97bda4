/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * lockrank.c - the order in which locks nest, checked in the check build
 */

#include "lockrank.h"

#ifdef KVFREE_CHECK

/* Locks that one thread can hold: fork.c holds all mutexes of all domains. */
#define HELD	64

static __thread struct {
	const void *lock;
	enum kvfree_rank rank;
} held[HELD];
static __thread unsigned int nr_held;

void kvfree_rank_enter(const void *lock, enum kvfree_rank rank)
{
	unsigned int i;

	for (i = 0; i < nr_held; i++)
		if (held[i].rank > rank || (held[i].rank == rank &&
		    (uintptr_t) held[i].lock >= (uintptr_t) lock))
			kvfree_die("BUG: lock of rank %d taken inside one of rank %d",
				(int) rank, (int) held[i].rank);
	if (nr_held == HELD)
		kvfree_die("BUG: more than %d locks held", HELD);
	held[nr_held].lock = lock;
	held[nr_held++].rank = rank;
}

void kvfree_rank_leave(const void *lock)
{
	unsigned int i = nr_held;

	while (i && held[i - 1].lock != lock)
		i--;
	if (!i)
		kvfree_die("BUG: a lock is released that is not held");
	for (; i < nr_held; i++)
		held[i - 1] = held[i];
	nr_held--;
}

void kvfree_rank_forget(void)
{
	nr_held = 0;
}

#endif
