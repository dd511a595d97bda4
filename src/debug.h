/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_DEBUG_H
#define KVFREE_DEBUG_H

/*
 * debug.h - objects that are queued twice, waits inside sections (URCU_KVFREE_DEBUG)
 *
 * With debugging on, every object is in a table from when it is queued to when it is freed. An
 * object that is queued while it is in the table is reported with a backtrace, and the second
 * queueing is ignored. (The kernel's DEBUG_OBJECTS_RCU_HEAD.) A call that may wait, made inside a
 * read-side section, is reported with a backtrace whether it has to wait or not, once for each
 * place in the program (the kernel's might_sleep()). Strict debugging also begins grace periods
 * without delay and poisons what it frees, so that a reader that still uses an object fails at
 * once.
 *
 * With debugging on there is no fast path: kvfree_tls.recent stays NULL, and every call comes
 * through here. A thread that got its record in an earlier start without debugging keeps its fast
 * path, and is not tracked.
 *
 * Locking discipline: none. The table is a fixed array of atomic words; an object may lie in any of
 * a few neighbouring slots, all of which are looked at, so that a slot that becomes free hides
 * nothing. Raw-safe.
 */

#include "util.h"

/* Make the table, once, for a start with debugging on. 0, or -1 with errno. The first call
 * asks the dynamic linker: no lock of the library is held. */
int kvfree_debug_start(void);
/* Whether there is a table. */
bool kvfree_debug_is_started(void);

/* @ptr is being queued. False: it is queued already; that was reported, and the caller must not
 * touch it. If the table is full, @ptr is not tracked. */
bool kvfree_debug_queue(void *ptr);
/* @ptr was not queued after all. */
void kvfree_debug_forget(void *ptr);
/* @ptr is about to be freed: poison so many @bytes of it, and forget it. */
void kvfree_debug_free(void *ptr, size_t poison_bytes);

/* @call, which may wait, was made inside a read-side section; it returns to @place. */
void kvfree_debug_section(const char *call, void *place);

#endif /* KVFREE_DEBUG_H */
