/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_PRESSURE_H
#define KVFREE_PRESSURE_H

/*
 * pressure.h - the kernel says that memory is short (PSI)
 */

#include "util.h"

/*
 * A descriptor that signals POLLPRI when tasks wait for memory: those of the
 * process's cgroup if it has one, else those of the system. -1 if the kernel has
 * no pressure information or does not allow the request. Clean context.
 */
int kvfree_pressure_open(void);

#ifdef KVFREE_CHECK
/* A descriptor to use instead, or -1. The library closes it. */
extern int kvfree_check_pressure_fd;
#endif

#endif /* KVFREE_PRESSURE_H */
