/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfault-mmap.c - an mmap() that fails on demand
 */

#include <errno.h>
#include <sys/mman.h>

#include "kvfault.h"

void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset);

static int fails;	/* atomic */

void kvfault_mmap(bool on)
{
	__atomic_store_n(&fails, on, __ATOMIC_SEQ_CST);
}

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset)
{
	if (!__atomic_load_n(&fails, __ATOMIC_SEQ_CST))
		return __real_mmap(addr, size, prot, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}
