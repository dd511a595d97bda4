/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_PRESSURE_H
#define KVFREE_PRESSURE_H

/*
 * pressure.h - the kernel says that memory is short (PSI)
 */

#include "util.h"

/*
 * A descriptor that signals EPOLLPRI when tasks wait for memory: of the
 * process's cgroup where it has one, else of the system. -1 where the kernel has
 * no pressure information or does not let us ask. Clean context.
 */
int kvfree_pressure_open(void);

#ifdef KVFREE_CHECK
/* A descriptor to use instead, or -1. The library closes it. */
extern int kvfree_check_pressure_fd;
#endif

#endif /* KVFREE_PRESSURE_H */
