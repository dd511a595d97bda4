/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * pressure.c - the kernel says that memory is short (PSI)
 *
 * See the kernel's Documentation/accounting/psi.rst for the trigger's form.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pressure.h"

/* Some task waited for memory for 200 ms in 2 s. Windows that are multiples
 * of 2 s are open to unprivileged processes. */
static const char trigger[] = "some 200000 2000000";

#ifdef KVFREE_CHECK
int kvfree_check_pressure_fd = -1;
#endif

static int open_trigger(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, trigger, sizeof(trigger)) != (ssize_t) sizeof(trigger)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The memory.pressure file of the process's cgroup (version 2). */
static bool cgroup_path(char *path, size_t size)
{
	char line[512], *start, *end;

	kvfree_read_text("/proc/self/cgroup", line, sizeof(line));
	start = strstr(line, "0::/");
	if (!start)
		return false;
	start += 3;
	end = strchr(start, '\n');
	/* The root has no file of its own: the system's serves. */
	if (!end || end == start + 1)
		return false;
	*end = '\0';
	return snprintf(path, size, "/sys/fs/cgroup%s/memory.pressure",
			start) < (int) size;
}

int kvfree_pressure_open(void)
{
	int saved = errno, fd = -1;
	char path[640];

#ifdef KVFREE_CHECK
	if (kvfree_check_pressure_fd >= 0)
		return kvfree_check_pressure_fd;
#endif
	if (cgroup_path(path, sizeof(path)))
		fd = open_trigger(path);
	if (fd < 0)
		fd = open_trigger("/proc/pressure/memory");
	errno = saved;
	return fd;
}
