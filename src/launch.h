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
 * Create a thread of the library: all signals blocked, SCHED_OTHER and free to
 * run wherever the process could at its start, whatever the creator is; a
 * small stack; named @name, of which the system keeps 15 characters. Where the
 * system refuses a change of scheduling or affinity, the thread has its
 * creator's. 0, or an error number.
 */
int kvfree_launch(pthread_t *thread, void *(*fn)(void *), void *arg,
		const char *name);

/*
 * For a thread of the library: ask the scheduler for short slices, so that it runs
 * soon after it is woken, while what it works on is still in the caches. Best
 * effort: Linux before 6.12 does not look at it, a sandbox may refuse it.
 */
void kvfree_launch_prompt(void);

#endif /* KVFREE_LAUNCH_H */
