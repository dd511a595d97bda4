// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The liburcu-kvfree authors

/*
 * execute.c - runs a program in each way that the C library has
 *
 * usage: execute WAY PROGRAM
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

#define NR_THREADS	4
#define NR_ROUNDS	15

static const char *program;

static int wait_for(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* ------------------------------------------------------------------ */
/* In the same process                                                */

static char *arguments[] = { "zero", "one", "two", NULL };

static void way_execve(void)
{
	execve(program, arguments, environ);
}

static void way_execv(void)
{
	execv(program, arguments);
}

static void way_execvp(void)
{
	execvp(program, arguments);
}

static void way_execvpe(void)
{
	execvpe(program, arguments, environ);
}

static void way_execl(void)
{
	execl(program, "zero", "one", "two", (char *) NULL);
}

static void way_execlp(void)
{
	execlp(program, "zero", "one", "two", (char *) NULL);
}

static void way_execle(void)
{
	execle(program, "zero", "one", "two", (char *) NULL, environ);
}

static void way_fexecve(void)
{
	char *argv[] = { (char *) program, "one", "two", NULL };
	int fd = open(program, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		fexecve(fd, argv, environ);
}

static void way_execveat(void)
{
	execveat(AT_FDCWD, program, arguments, environ, 0);
}

/* ------------------------------------------------------------------ */
/* In a child                                                         */

static void way_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(program, arguments);
		_exit(0);
	}
	wait_for(pid);
	_exit(0);
}

static void way_posix_spawn(void)
{
	pid_t pid = -2;

	if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) == 0)
		wait_for(pid);
	else
		CHECK(pid == -2);
	/* And where nobody wants to know the process. */
	if (posix_spawnp(NULL, program, NULL, NULL, arguments, environ) == 0)
		CHECK(wait(NULL) > 0);
	_exit(0);
}

static void way_system(void)
{
	CHECK(system("exit 3") == 3 << 8);
	_exit(0);
}

static void way_popen(void)
{
	FILE *from = popen("echo here", "r");
	char text[8] = "";

	CHECK(from && fgets(text, sizeof(text), from));
	CHECK(strcmp(text, "here\n") == 0 && pclose(from) == 0);
	_exit(0);
}

static void *spawn_main(void *unused)
{
	int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		pid_t pid;

		CHECK(posix_spawn(&pid, program, NULL, NULL, arguments,
				environ) == 0);
		CHECK(wait_for(pid) == 0);
		if (i % 5 == 0)
			CHECK(system("exit 0") == 0);
	}
	return unused;
}

/* Children of several threads attach while others are being spawned. */
static void way_threads(void)
{
	pthread_t threads[NR_THREADS];
	int i;

	for (i = 0; i < NR_THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, spawn_main, NULL) == 0);
	for (i = 0; i < NR_THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	_exit(0);
}

#define WAYS(X)								\
	X(execve) X(execv) X(execvp) X(execvpe) X(execl) X(execlp)	\
	X(execle) X(fexecve) X(execveat) X(vfork) X(posix_spawn)	\
	X(system) X(popen) X(threads)

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
#define X(name) { #name, way_##name },
		WAYS(X)
#undef X
	};
	size_t i;

	CHECK(argc == 3);
	program = argv[2];
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			ways[i].run();
	/* What could not be executed is no program that escaped. */
	return 0;
}
