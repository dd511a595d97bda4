/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * stall.c - libkvfreestall.so: an allocator that can be made to hang
 *
 * Preloaded in front of any allocator. While bench_stall(1) is in force, every
 * thread that calls the malloc family, mmap or munmap sleeps until it is
 * lifted, as if the allocator's lock were held by a thread that does not run.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static int stalled;		/* atomic */
static unsigned long calls;	/* atomic: those that had to wait */

void bench_stall(int on)
{
	__atomic_store_n(&stalled, on, __ATOMIC_SEQ_CST);
}

unsigned long bench_stalled_calls(void)
{
	return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

static void maybe_stall(void)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	if (!__atomic_load_n(&stalled, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&stalled, __ATOMIC_SEQ_CST))
		nanosleep(&ts, NULL);
}

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
} real;

static bool looking_up;

/* What dlsym() itself asks for while the pointers are looked up. */
static char early[8192];
static size_t early_used;

static void *early_alloc(size_t size)
{
	void *p = early + early_used;

	size = (size + 15) & ~(size_t) 15;
	if (size > sizeof(early) - early_used)
		abort();
	early_used += size;
	return p;
}

static bool is_early(const void *p)
{
	return (const char *) p >= early &&
		(const char *) p < early + sizeof(early);
}

static void look_up(void *into, const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (!symbol)
		abort();
	memcpy(into, &symbol, sizeof(symbol));
}

/* Constructors of other libraries may allocate before ours runs. */
static void __attribute__((constructor)) init(void)
{
	if (real.free || looking_up)
		return;
	looking_up = true;
	look_up(&real.malloc, "malloc");
	look_up(&real.calloc, "calloc");
	look_up(&real.realloc, "realloc");
	look_up(&real.posix_memalign, "posix_memalign");
	look_up(&real.aligned_alloc, "aligned_alloc");
	look_up(&real.free, "free");
	looking_up = false;
}

/* False while dlsym() runs below us, or nothing is known yet. */
static bool ready(void)
{
	if (!real.free)
		init();
	return real.free && !looking_up;
}

void *malloc(size_t size)
{
	if (!ready())
		return early_alloc(size);
	maybe_stall();
	return real.malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
	if (!ready())
		return early_alloc(nmemb * size);	/* static: zeroed */
	maybe_stall();
	return real.calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
	if (is_early(ptr) || !ready())
		abort();
	maybe_stall();
	return real.realloc(ptr, size);
}

void free(void *ptr)
{
	if (!ptr || is_early(ptr) || !ready())
		return;
	maybe_stall();
	real.free(ptr);
}

int posix_memalign(void **ptr, size_t alignment, size_t size)
{
	if (!ready())
		abort();
	maybe_stall();
	return real.posix_memalign(ptr, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	if (!ready())
		abort();
	maybe_stall();
	return real.aligned_alloc(alignment, size);
}

/* Straight to the kernel: allocators call these before dlsym() can be used. */
void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	maybe_stall();
#if defined(SYS_mmap2)
	return (void *) syscall(SYS_mmap2, addr, length, prot, flags, fd,
			offset / 4096);
#elif defined(__s390x__)
	unsigned long args[] = { (unsigned long) addr, length,
		(unsigned long) prot, (unsigned long) flags, (unsigned long) fd,
		(unsigned long) offset };

	return (void *) syscall(SYS_mmap, args);
#else
	return (void *) syscall(SYS_mmap, addr, length, prot, flags, fd,
			offset);
#endif
}

int munmap(void *addr, size_t length)
{
	maybe_stall();
	return (int) syscall(SYS_munmap, addr, length);
}
