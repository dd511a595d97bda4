/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvchild.c - run a scenario of this program in a process of its own
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvchild.h"
#include "kvtest.h"

/*
 * What programs with scenarios want of a sanitizer: an allocation that cannot be
 * is NULL and no abort, and the end of a process does not sleep for a second.
 */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1:atexit_sleep_ms=0";
}

/* Seconds after which a scenario that hangs is ended. */
#define HANGS_AFTER	120

int kvchild_main(int argc, char **argv,
		const struct kvchild_scenario *scenarios)
{
	const struct rlimit no_core = { 0, 0 };

	if (argc < 2)
		return -1;
	for (; scenarios->name; scenarios++) {
		if (strcmp(scenarios->name, argv[1]))
			continue;
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(HANGS_AFTER);
		return scenarios->run();
	}
	fprintf(stderr, "no scenario %s\n", argv[1]);
	return 99;
}

static void read_all(int fd, char *text, size_t size)
{
	char rest[256];
	size_t used = 0;
	ssize_t n;

	for (;;) {
		if (used < size - 1)
			n = read(fd, text + used, size - 1 - used);
		else
			n = read(fd, rest, sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (used < size - 1)
			used += (size_t) n;
	}
	text[used] = '\0';
}

int kvchild_run_file(const char *path, const char *name, char *err, size_t size)
{
	int fd[2], status;
	pid_t pid;

	if (pipe(fd))
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		execl(path, "test", name, (char *) NULL);
		_exit(98);
	}
	close(fd[1]);
	read_all(fd[0], err, size);
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		WEXITSTATUS(status);
}

int kvchild_run(const char *name, char *err, size_t size)
{
	return kvchild_run_file(kvtest_program(), name, err, size);
}

unsigned int kvchild_count_lines(const char *text)
{
	static const char prefix[] = "liburcu-kvfree: ";
	unsigned int nr = 0;

	for (; text; text = strchr(text, '\n')) {
		if (*text == '\n')
			text++;
		if (!strncmp(text, prefix, strlen(prefix)))
			nr++;
	}
	return nr;
}
