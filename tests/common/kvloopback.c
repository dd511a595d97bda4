/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvloopback.c - sockets over the loopback
 */

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvloopback.h"

bool kvloopback_exists(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(1) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool exists;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* Sends nothing, but looks for the way. */
	exists = fd >= 0 &&
		connect(fd, (struct sockaddr *) &addr, sizeof(addr)) == 0;
	if (fd >= 0)
		close(fd);
	return exists;
}

int kvloopback_pair(int *connecting, int *accepting)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *) &addr, len) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *) &addr, &len))
		return -1;
	*connecting = socket(AF_INET, SOCK_STREAM, 0);
	if (*connecting < 0 || connect(*connecting, (struct sockaddr *) &addr, len))
		return -1;
	*accepting = accept(listener, NULL, NULL);
	close(listener);
	return *accepting < 0 ? -1 : 0;
}
