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

int kvfree_pressure_open(void)
{
	char line[512], group[512], path[640], end;
	int saved = errno, fd = -1;
	const char *start;

#ifdef KVFREE_CHECK
	if (kvfree_check_pressure_fd >= 0)
		return kvfree_check_pressure_fd;
#endif
	/* The cgroup of version 2. The root has no file of its own: the system's serves. */
	kvfree_read_text("/proc/self/cgroup", line, sizeof(line));
	start = strstr(line, "0::/");
	if (start && sscanf(start, "0::/%511[^\n]%c", group, &end) == 2) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/memory.pressure", group);
		fd = open_trigger(path);
	}
	if (fd < 0)
		fd = open_trigger("/proc/pressure/memory");
	errno = saved;
	return fd;
}
