/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_PLACEMENT_H
#define KVFREE_PLACEMENT_H

/*
 * placement.h - on which processor a worker frees
 *
 * An object is freed much more cheaply on the processor whose cache holds it. So a worker can
 * follow the thread that queued the objects to its processor for a piece of work; placement.c says
 * when it must not.
 *
 * All functions are for clean contexts. A worker that is bound must not block for long, and a
 * thread that it creates would be bound as well. So it follows only for memory that free() takes,
 * not for a free function of the program's own.
 */

#include <sys/types.h>

#include "util.h"

/* Learn which processors are isolated. @near: whether workers are to follow at all. Called at each
 * start, before there are workers. */
void kvfree_placement_start(bool near);

/*
 * Bind the calling worker to @cpu, where thread @owner queued what the worker
 * frees next. False if it must not be, and then the worker floats, also if it
 * was bound before. No system call if the worker follows @owner there already.
 * A worker calls it for each page, and the tick takes that for progress.
 */
bool kvfree_placement_follow(int cpu, pid_t owner);

/* Let the calling worker float again. To be called before it waits for
 * anything, and before it ends. */
void kvfree_placement_release(void);

/* Unbind each bound worker that has made no progress since the last call. One thread calls this at
 * each tick. True if any worker is bound, and then another tick must follow. */
bool kvfree_placement_tick(void);

/* In the child of a fork: nothing is bound. Async-signal-safe. */
void kvfree_placement_fork_reset(void);

#ifdef KVFREE_CHECK
/* Where the lists of processors are, instead of /sys/devices/system/cpu. */
extern const char *kvfree_check_cpu_dir;
#endif

#endif /* KVFREE_PLACEMENT_H */
