/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_memory.c - wrappers of the malloc family and of the mmap family
 *
 * malloc() and its kin can be called by the dlsym() that looks up malloc() itself.
 * Those first requests come out of a static pool and are never given back.
 */

#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "preload.h"

#define RC_POOL_SIZE	16384
#define RC_POOL_ALIGN	16

static struct {
	size_t used;	/* one thread: rc_resolve() happens before others exist */
	char bytes[RC_POOL_SIZE] __attribute__((aligned(RC_POOL_ALIGN)));
} rc_pool;

/* Each block has its size in front of it, for realloc(). */
static void *rc_pool_alloc(size_t size)
{
	size_t need = RC_POOL_ALIGN + ((size + RC_POOL_ALIGN - 1) &
			~(size_t) (RC_POOL_ALIGN - 1));
	char *block = rc_pool.bytes + rc_pool.used;

	if (size > RC_POOL_SIZE || need > RC_POOL_SIZE - rc_pool.used) {
		errno = ENOMEM;
		return NULL;
	}
	rc_pool.used += need;
	memcpy(block, &size, sizeof(size));
	return block + RC_POOL_ALIGN;
}

static bool rc_pool_owns(const void *ptr)
{
	return rc_unlikely((uintptr_t) ptr - (uintptr_t) rc_pool.bytes <
			RC_POOL_SIZE);
}

static size_t rc_pool_size(const void *ptr)
{
	size_t size;

	memcpy(&size, (const char *) ptr - RC_POOL_ALIGN, sizeof(size));
	return size;
}

/* True inside the lookup of the real functions. */
static bool rc_early(void)
{
	return rc_unlikely(!rc_ready) && !rc_resolve();
}

RC_EXPORT void *malloc(size_t size)
{
	if (rc_early())
		return rc_pool_alloc(size);
	RC_GUARD(malloc, true)
	return rc_real.malloc(size);
}

RC_EXPORT void *calloc(size_t nmemb, size_t size)
{
	if (rc_early())
		/* The pool is zero and used once; the lookup asks for little. */
		return rc_pool_alloc(nmemb * size);
	RC_GUARD(calloc, true)
	return rc_real.calloc(nmemb, size);
}

RC_EXPORT void *realloc(void *ptr, size_t size)
{
	void *copy;

	if (rc_unlikely(rc_pool_owns(ptr)) || rc_early()) {
		copy = malloc(size);
		if (copy && ptr)
			memcpy(copy, ptr, size < rc_pool_size(ptr) ?
					size : rc_pool_size(ptr));
		return copy;
	}
	RC_GUARD(realloc, true)
	return rc_real.realloc(ptr, size);
}

RC_EXPORT void free(void *ptr)
{
	if (!ptr || rc_pool_owns(ptr) || rc_early())
		return;
	RC_GUARD(free, true)
	if (rc_unlikely(rc_self.nr))
		rc_forget_locks(ptr, rc_real.malloc_usable_size(ptr));
	rc_real.free(ptr);
}

/* No finding, and here so that it is of the same library as malloc(): programs compare
 * the two to know whether it may be asked. */
RC_EXPORT size_t malloc_usable_size(void *ptr)
{
	return rc_pool_owns(ptr) ? rc_pool_size(ptr) :
		RC_REAL(malloc_usable_size)(ptr);
}

RC_WRAP(void *, reallocarray, (void *ptr, size_t nmemb, size_t size),
	(ptr, nmemb, size), true)
RC_WRAP(int, posix_memalign, (void **ptr, size_t align, size_t size),
	(ptr, align, size), true)
RC_WRAP(void *, aligned_alloc, (size_t align, size_t size),
	(align, size), true)
RC_WRAP(void *, memalign, (size_t align, size_t size), (align, size), true)
RC_WRAP(void *, valloc, (size_t size), (size), true)
RC_WRAP(void *, pvalloc, (size_t size), (size), true)
RC_WRAP(int, malloc_trim, (size_t pad), (pad), true)

RC_WRAP(void *, mmap,
	(void *addr, size_t length, int prot, int flags, int fd, off_t offset),
	(addr, length, prot, flags, fd, offset), true)
RC_WRAP_AS(mmap, void *, mmap64,
	(void *addr, size_t length, int prot, int flags, int fd, off64_t offset),
	(addr, length, prot, flags, fd, offset), true)

RC_EXPORT int munmap(void *addr, size_t length)
{
	RC_GUARD(munmap, true)
	if (rc_unlikely(rc_self.nr))
		rc_forget_locks(addr, length);
	return RC_REAL(munmap)(addr, length);
}

RC_WRAP(int, mprotect, (void *addr, size_t length, int prot),
	(addr, length, prot), true)
RC_WRAP(int, madvise, (void *addr, size_t length, int advice),
	(addr, length, advice), true)
RC_WRAP(int, msync, (void *addr, size_t length, int flags),
	(addr, length, flags), true)
RC_WRAP(int, mlock, (const void *addr, size_t length), (addr, length), true)
RC_WRAP(int, munlock, (const void *addr, size_t length), (addr, length), true)
RC_WRAP(int, mlockall, (int flags), (flags), true)
RC_WRAP(int, munlockall, (void), (), true)
RC_WRAP(int, brk, (void *addr), (addr), true)
RC_WRAP(void *, sbrk, (intptr_t increment), (increment), true)

RC_EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	void *new_address;
	va_list args;

	va_start(args, flags);
	/* Read whether it was passed or not; the kernel looks by the flags. */
	new_address = va_arg(args, void *);
	va_end(args);
	RC_GUARD(mremap, true)
	return RC_REAL(mremap)(old, old_size, size, flags, new_address);
}
