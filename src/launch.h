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
 * Create a thread of the library: all signals blocked, SCHED_OTHER whatever the
 * creator is, a small stack. Where the system refuses a change of scheduling, the
 * thread has its creator's; where it refuses the stack, the default one. 0, or an
 * error number.
 */
int kvfree_launch(pthread_t *thread, void *(*fn)(void *), void *arg);

/*
 * What such a thread does first, for itself: leave its creator's processors for all of
 * those where the process could run at its start, take @name, of 15 characters at the
 * most, and ask the scheduler for short slices. Best effort, all three.
 */
void kvfree_launched(const char *name);

#endif /* KVFREE_LAUNCH_H */
