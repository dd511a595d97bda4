/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * util.c - messages, small files, and what the scheduler is asked
 */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

int kvfree_policy_of(pid_t tid)
{
	int policy;

#ifdef __GLIBC__
	policy = sched_getscheduler(tid);
#else
	/* musl knows no policies of threads. */
	policy = (int) syscall(SYS_sched_getscheduler, tid);
#endif
	return policy < 0 ? policy : policy & ~SCHED_RESET_ON_FORK;
}

void kvfree_yield(void)
{
	if (kvfree_policy_of(0) != SCHED_DEADLINE)
		sched_yield();
}

static void vsay(const char *fmt, va_list args)
{
	char line[512] = "liburcu-kvfree: ";
	size_t used = strlen(line), i;

	/* The last byte is for the end of the line. */
	vsnprintf(line + used, sizeof(line) - used - 1, fmt, args);
	used = strlen(line);
	/* The text may come from the environment: keep it to one line. */
	for (i = 0; i < used; i++)
		if ((unsigned char) line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[used++] = '\n';
	/* One write, so that lines of several threads do not mix. */
	while (write(STDERR_FILENO, line, used) < 0 && errno == EINTR)
		;
}

void kvfree_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

bool kvfree_report(const char *fmt, ...)
{
	struct pollfd err = { .fd = STDERR_FILENO, .events = POLLOUT };
	va_list args;

	if (poll(&err, 1, 0) != 1 || !(err.revents & POLLOUT))
		return false;
	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	return true;
}

void kvfree_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
#ifdef KVFREE_CHECK
	if (kvfree_check_abort)
		kvfree_check_abort();
#endif
	abort();
}

void kvfree_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

#ifdef KVFREE_CHECK
void (*kvfree_check_abort)(void);
void (*kvfree_check_hook)(enum kvfree_hook_place place);
#endif
