/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * busy.c - other work on the machine: loops that never yield
 *
 * Each loop is a process of its own, so that its CPU time is not in the run's.
 * It has the run's priority, and ends with it, whatever way the run ends.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static pid_t *loops;
static unsigned int nr_loops;

static void __attribute__((noreturn)) spin(pid_t parent)
{
	volatile uint64_t n = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	for (;;)
		n++;
}

int bench_busy_start(unsigned int nr)
{
	pid_t self = getpid();
	unsigned int i;

	if (!nr)
		return 0;
	loops = calloc(nr, sizeof(*loops));
	if (!loops)
		return -1;
	for (i = 0; i < nr; i++) {
		loops[i] = fork();
		if (loops[i] == 0)
			spin(self);
		if (loops[i] < 0) {
			bench_busy_stop();
			return -1;
		}
		nr_loops++;
	}
	return 0;
}

void bench_busy_stop(void)
{
	int error = errno;
	unsigned int i;

	for (i = 0; i < nr_loops; i++)
		if (kill(loops[i], SIGKILL))
			abort();
	for (i = 0; i < nr_loops; i++)
		while (waitpid(loops[i], NULL, 0) < 0 && errno == EINTR)
			;
	nr_loops = 0;
	free(loops);
	loops = NULL;
	errno = error;
}
