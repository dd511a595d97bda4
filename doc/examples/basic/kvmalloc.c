/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvmalloc.c - small objects from malloc(), large ones from the system
 *
 * The table doubles under its readers. The old one is handed over in the same
 * way whatever its size; large ones go back to the system as soon as they are freed,
 * small ones may be what a later urcu_kvmalloc() of this thread returns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>
#include <urcu/kvfree.h>

struct table {
	struct rcu_head head;
	size_t slots;
	long slot[];
};

static struct table *table;

static int grow(size_t slots)
{
	struct table *old = table, *fresh;

	fresh = urcu_kvzalloc(sizeof(*fresh) + slots * sizeof(long));
	if (!fresh)
		return -1;
	fresh->slots = slots;
	if (old)
		memcpy(fresh->slot, old->slot, old->slots * sizeof(long));
	rcu_set_pointer(&table, fresh);
	urcu_kvfree_rcu(old, head);
	return 0;
}

int main(void)
{
	struct urcu_kvfree_stats stats;
	size_t slots;

	for (slots = 16; slots <= 1 << 20; slots *= 2)
		if (grow(slots))
			return EXIT_FAILURE;
	urcu_kvfree_rcu_barrier();
	if (urcu_kvfree_get_stats(&stats, sizeof(stats)))
		return EXIT_FAILURE;
	printf("%zu slots, %llu bytes outside malloc\n", table->slots,
	       (unsigned long long) stats.large_bytes);
	urcu_kvfree(table);	/* at once: there are no readers any more */
	return EXIT_SUCCESS;
}
