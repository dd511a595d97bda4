/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFAULT_H
#define KVFAULT_H

/*
 * kvfault.h - make chosen calls of the library fail
 *
 * A program uses these by linking with WRAP_MEMALIGN (the allocation of bulk
 * pages and records) or WRAP_THREADS (pthread_create).
 */

#include <stdbool.h>

/* posix_memalign() fails with ENOMEM, or works again. */
void kvfault_memory(bool fails);
/* Calls of posix_memalign() that failed, that were made. */
unsigned long kvfault_memory_failed(void);
unsigned long kvfault_memory_called(void);

/* pthread_create() fails with EAGAIN once @nr more threads were made; a
 * negative number: never. */
void kvfault_threads_after(int nr);
/* Called, if set, at each such failure. */
extern void (*kvfault_threads_on_failure)(void);

/* mmap() fails with ENOMEM, or works again (WRAP_MMAP). */
void kvfault_mmap(bool fails);

#endif /* KVFAULT_H */
