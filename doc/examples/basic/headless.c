/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * headless.c - objects without room for a struct rcu_head
 *
 * The one-argument form is for clean contexts: it may allocate, and it may wait for
 * a grace period, so nothing is locked here that a reader might wait for. It also
 * frees what this thread queued earlier, one for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>
#include <urcu/kvfree.h>

static char *motd;

static int set_motd(const char *text)
{
	char *fresh = strdup(text);

	if (!fresh)
		return -1;
	urcu_kvfree_rcu(rcu_xchg_pointer(&motd, fresh));
	return 0;
}

int main(void)
{
	struct urcu_kvfree_stats stats;
	char text[32];
	int i;

	for (i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "message %d of the day", i);
		if (set_motd(text))
			return EXIT_FAILURE;
	}

	rcu_register_thread();
	rcu_read_lock();
	puts(rcu_dereference(motd));
	rcu_read_unlock();
	rcu_unregister_thread();

	urcu_kvfree_rcu_barrier();	/* outside read-side sections */
	if (urcu_kvfree_get_stats(&stats, sizeof(stats)))
		return EXIT_FAILURE;
	printf("%llu queued, %llu freed\n", (unsigned long long) stats.queued,
	       (unsigned long long) stats.freed);
	free(motd);
	return stats.queued == stats.freed ? EXIT_SUCCESS : EXIT_FAILURE;
}
