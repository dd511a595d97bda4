/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * inject.c - make the library's calls fail
 *
 * Works from the first constructor on: nothing here needs to be set up. What
 * the library calls as malloc() is inject_malloc() here, and so on.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "inject.h"

const struct inject_function inject_functions[INJECT_FNS] = {
#define X(name, e1, e2, e3)	{ #name, { e1, e2, e3 } },
	INJECT_FUNCTIONS(X)
#undef X
};

uint64_t inject_allocated;

static struct inject_state *state;
static int cleared;	/* atomic */
static int refused[INJECT_FNS];	/* atomic: errors, 0: none */

static __attribute__((constructor(101))) void find_state(void)
{
	const char *fd = getenv(INJECT_ENV);
	void *mem;

	if (!fd)
		return;
	mem = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
		MAP_SHARED, atoi(fd), 0);
	if (mem == MAP_FAILED)
		abort();
	state = mem;
}

struct inject_state *inject_state(void)
{
	return state;
}

void inject_refuse(enum inject_fn fn, int error)
{
	__atomic_store_n(&refused[fn], error, __ATOMIC_SEQ_CST);
}

void inject_clear(void)
{
	__atomic_store_n(&cleared, 1, __ATOMIC_SEQ_CST);
}

/* Count a call; whether it is to fail, and then errno says how. */
static bool fails(enum inject_fn fn)
{
	const struct inject_plan *plan;
	int error;
	uint32_t n;

	if (!state || __atomic_load_n(&cleared, __ATOMIC_SEQ_CST))
		return false;
	error = __atomic_load_n(&refused[fn], __ATOMIC_SEQ_CST);
	if (error) {
		errno = error;
		return true;
	}
	plan = &state->plan;
	n = __atomic_add_fetch(&state->calls[fn], 1, __ATOMIC_RELAXED);
	if (plan->fn != fn || plan->mode == INJECT_NEVER ||
	    (plan->mode == INJECT_ONCE && n != plan->n) ||
	    (plan->mode == INJECT_EVERY && n % plan->n) ||
	    (plan->error == EINTR && n > INJECT_STORM))
		return false;
	__atomic_fetch_add(&state->injected, 1, __ATOMIC_RELAXED);
	errno = plan->error;
	return true;
}

/* Functions that return an error number, -1, or NULL. */
#define WRAP_NR(name, params, args)					\
	int inject_##name params;					\
	int inject_##name params					\
	{								\
		int saved = errno, error;				\
									\
		if (!fails(INJECT_##name))				\
			return name args;				\
		error = errno;						\
		errno = saved;						\
		return error;						\
	}

#define WRAP_INT(type, name, params, args)				\
	type inject_##name params;					\
	type inject_##name params					\
	{								\
		return fails(INJECT_##name) ? -1 : name args;		\
	}

WRAP_INT(int, mprotect, (void *addr, size_t size, int prot),
	(addr, size, prot))
WRAP_INT(int, madvise, (void *addr, size_t size, int advice),
	(addr, size, advice))
WRAP_NR(pthread_create, (pthread_t *thread, const pthread_attr_t *attr,
	void *(*fn)(void *), void *arg), (thread, attr, fn, arg))
WRAP_NR(pthread_key_create, (pthread_key_t *key, void (*fn)(void *)),
	(key, fn))
WRAP_NR(pthread_setspecific, (pthread_key_t key, const void *value),
	(key, value))
WRAP_NR(pthread_atfork, (void (*prepare)(void), void (*parent)(void),
	void (*child)(void)), (prepare, parent, child))
WRAP_INT(int, timerfd_create, (int clock, int flags), (clock, flags))
WRAP_INT(int, timerfd_settime, (int fd, int flags,
	const struct itimerspec *when, struct itimerspec *old),
	(fd, flags, when, old))
WRAP_INT(int, pipe2, (int *fd, int flags), (fd, flags))
WRAP_INT(int, poll, (struct pollfd *fds, nfds_t nr, int msec), (fds, nr, msec))
WRAP_INT(ssize_t, read, (int fd, void *buf, size_t size), (fd, buf, size))
WRAP_INT(ssize_t, write, (int fd, const void *buf, size_t size),
	(fd, buf, size))

WRAP_INT(int, sched_setaffinity, (pid_t tid, size_t size,
	const cpu_set_t *cpus), (tid, size, cpus))
WRAP_INT(int, sched_getaffinity, (pid_t tid, size_t size, cpu_set_t *cpus),
	(tid, size, cpus))
WRAP_INT(int, sched_getscheduler, (pid_t tid), (tid))

int inject_open(const char *path, int flags, ...);
int inject_open(const char *path, int flags, ...)
{
	/* The library creates no file: there is no mode. */
	return fails(INJECT_open) ? -1 : open(path, flags);
}

void *inject_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset);
void *inject_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset)
{
	if (fails(INJECT_mmap))
		return MAP_FAILED;
	return mmap(addr, size, prot, flags, fd, offset);
}

/* ------------------------------------------------------------------ */
/* Memory: what is allocated is counted too                           */

static void *counted(void *mem)
{
	if (mem)
		__atomic_fetch_add(&inject_allocated, 1, __ATOMIC_RELAXED);
	return mem;
}

/* It cannot fail, but it must be where malloc() is: the library looks. */
size_t inject_malloc_usable_size(void *ptr);
size_t inject_malloc_usable_size(void *ptr)
{
	return malloc_usable_size(ptr);
}

void *inject_malloc(size_t size);
void *inject_malloc(size_t size)
{
	return fails(INJECT_malloc) ? NULL : counted(malloc(size));
}

void *inject_calloc(size_t nmemb, size_t size);
void *inject_calloc(size_t nmemb, size_t size)
{
	return fails(INJECT_calloc) ? NULL :
		counted(calloc(nmemb, size));
}

void *inject_realloc(void *ptr, size_t size);
void *inject_realloc(void *ptr, size_t size)
{
	if (fails(INJECT_realloc))
		return NULL;
	return ptr ? realloc(ptr, size) :
		counted(realloc(ptr, size));
}

int inject_posix_memalign(void **mem, size_t alignment, size_t size);
int inject_posix_memalign(void **mem, size_t alignment, size_t size)
{
	int saved = errno, ret;

	if (fails(INJECT_posix_memalign)) {
		ret = errno;
		errno = saved;
		return ret;
	}
	ret = posix_memalign(mem, alignment, size);
	if (!ret)
		counted(*mem);
	return ret;
}

void *inject_aligned_alloc(size_t alignment, size_t size);
void *inject_aligned_alloc(size_t alignment, size_t size)
{
	return fails(INJECT_aligned_alloc) ? NULL :
		counted(aligned_alloc(alignment, size));
}
