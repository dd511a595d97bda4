/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * daemon.c - start the library after daemon(), not before
 *
 * daemon() forks, and threads do not survive a fork. Here the daemon writes one
 * line to a pipe, so that there is something to see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu.h>
#include <urcu/kvfree.h>

static void daemon_main(FILE *to)
{
	struct urcu_kvfree_stats stats;
	int i;

	if (daemon(0, 0) || urcu_kvfree_init(NULL))
		exit(EXIT_FAILURE);
	for (i = 0; i < 1000; i++)
		urcu_kvfree_rcu_mightsleep(malloc(100));
	urcu_kvfree_exit();
	if (urcu_kvfree_get_stats(&stats, sizeof(stats)) == 0)
		fprintf(to, "%llu freed by the daemon\n",
			(unsigned long long) stats.freed);
	fclose(to);
	exit(EXIT_SUCCESS);
}

int main(void)
{
	char line[80];
	int fds[2];
	FILE *from;
	pid_t pid;

	if (pipe(fds))
		return EXIT_FAILURE;
	pid = fork();
	if (pid == 0)
		daemon_main(fdopen(fds[1], "w"));
	close(fds[1]);
	from = fdopen(fds[0], "r");
	if (pid < 0 || !from || !fgets(line, sizeof(line), from))
		return EXIT_FAILURE;
	fputs(line, stdout);
	fclose(from);
	return waitpid(pid, NULL, 0) == pid ? EXIT_SUCCESS : EXIT_FAILURE;
}
