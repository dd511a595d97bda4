/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * fork.c - parent and child both free what was queued before a fork()
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu.h>
#include <urcu/kvfree.h>

/* The library's hooks go around those of liburcu. */
static pid_t fork_with_queue(void)
{
	pid_t pid;

	urcu_kvfree_before_fork();
	call_rcu_before_fork();
	pid = fork();
	if (pid == 0) {
		call_rcu_after_fork_child();
		urcu_kvfree_after_fork_child();
	} else {
		call_rcu_after_fork_parent();
		urcu_kvfree_after_fork_parent();
	}
	return pid;
}

static int free_all(const char *who)
{
	struct urcu_kvfree_stats stats;

	urcu_kvfree_exit();
	if (urcu_kvfree_get_stats(&stats, sizeof(stats)))
		return EXIT_FAILURE;
	printf("%s: %llu queued, %llu freed\n", who,
	       (unsigned long long) stats.queued,
	       (unsigned long long) stats.freed);
	return stats.queued == stats.freed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
	int status, i;
	pid_t pid;

	for (i = 0; i < 1000; i++)
		urcu_kvfree_rcu_mightsleep(malloc(100));
	pid = fork_with_queue();
	if (pid == 0)
		return free_all("child");
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return EXIT_FAILURE;
	return free_all("parent");
}
