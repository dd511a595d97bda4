/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_LAUNCH_H
#define KVFREE_LAUNCH_H

/*
 * launch.h - creating the library's threads
 */

#include <pthread.h>

#include "util.h"

/*
 * Create a thread of the library: all signals blocked, SCHED_OTHER whatever the policy of its
 * creator, a small stack. If the system refuses the scheduling, the thread has that of its creator;
 * if it refuses the stack, the default one. Returns 0, or -1 with errno.
 */
int kvfree_launch(pthread_t *thread, void *(*fn)(void *), void *arg);

/*
 * Such a thread calls this first: it leaves the processors of its creator for all of
 * those where the process could run at its start, takes @name, of 15 characters at the
 * most, and asks the scheduler for short slices. All three are best effort.
 */
void kvfree_launched(const char *name);

#endif /* KVFREE_LAUNCH_H */
