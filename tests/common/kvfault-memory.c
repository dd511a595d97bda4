/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfault-memory.c - a posix_memalign() that fails on demand
 */

#include <errno.h>
#include <stddef.h>

#include "kvfault.h"

int __real_posix_memalign(void **mem, size_t align, size_t size);
int __wrap_posix_memalign(void **mem, size_t align, size_t size);

static int fails;		/* atomic */
static unsigned long called;	/* atomic */
static unsigned long failed;	/* atomic */

void kvfault_memory(bool on)
{
	__atomic_store_n(&fails, on, __ATOMIC_SEQ_CST);
}

unsigned long kvfault_memory_failed(void)
{
	return __atomic_load_n(&failed, __ATOMIC_SEQ_CST);
}

unsigned long kvfault_memory_called(void)
{
	return __atomic_load_n(&called, __ATOMIC_SEQ_CST);
}

int __wrap_posix_memalign(void **mem, size_t align, size_t size)
{
	__atomic_fetch_add(&called, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&fails, __ATOMIC_SEQ_CST))
		return __real_posix_memalign(mem, align, size);
	__atomic_fetch_add(&failed, 1, __ATOMIC_SEQ_CST);
	return ENOMEM;
}
