/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVREFUSE_H
#define KVREFUSE_H

/*
 * kvrefuse.h - system calls that the kernel refuses, as a container's filter does
 */

#include <stdbool.h>

/*
 * From here on the system calls @numbers, up to a negative one and 8 at most,
 * fail with EPERM on the calling thread and on those that it creates. It cannot
 * be taken back. False where the kernel allows no such filter.
 */
bool kvrefuse(const int *numbers);

#endif /* KVREFUSE_H */
