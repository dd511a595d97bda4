/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVLOOPBACK_H
#define KVLOOPBACK_H

/*
 * kvloopback.h - sockets over the loopback, whose urgent data signals as the kernel's
 * pressure file does
 */

#include <stdbool.h>

#include "kvtest.h"

/* Whether a socket reaches this machine: a build daemon may have no network at all. */
bool kvloopback_exists(void);

#define kvloopback_needed()	\
	kvtest_needs(kvloopback_exists(), "there is no loopback network")

/* A connected pair: the end that connects, and the one that accepts. 0, or -1 with errno.
 * AF_UNIX knows no urgent data. */
int kvloopback_pair(int *connecting, int *accepting);

#endif /* KVLOOPBACK_H */
