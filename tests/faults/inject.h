/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef FAULTS_INJECT_H
#define FAULTS_INJECT_H

/*
 * inject.h - make the library's calls fail
 *
 * In the library that the program is linked with, the names of these functions
 * are changed by objcopy, so that its calls come here and nobody else's do.
 */

#include <stdbool.h>
#include <stdint.h>

/* The function, and the errors it is made to fail with (0: no more). */
#define INJECT_FUNCTIONS(X)				\
	X(malloc, ENOMEM, 0, 0)				\
	X(calloc, ENOMEM, 0, 0)				\
	X(realloc, ENOMEM, 0, 0)			\
	X(posix_memalign, ENOMEM, 0, 0)			\
	X(aligned_alloc, ENOMEM, 0, 0)			\
	X(mmap, ENOMEM, 0, 0)				\
	X(mprotect, ENOMEM, 0, 0)			\
	X(madvise, EAGAIN, 0, 0)			\
	X(pthread_create, EAGAIN, 0, 0)			\
	X(pthread_key_create, EAGAIN, 0, 0)		\
	X(pthread_setspecific, ENOMEM, 0, 0)		\
	X(pthread_atfork, ENOMEM, 0, 0)			\
	X(timerfd_create, EMFILE, 0, 0)			\
	X(timerfd_settime, ENOMEM, 0, 0)		\
	X(pipe2, ENFILE, 0, 0)				\
	X(poll, EINTR, EINVAL, 0)			\
	X(open, EMFILE, 0, 0)				\
	X(read, EAGAIN, EINTR, ECANCELED)		\
	X(write, EINTR, 0, 0)				\
	X(sched_setaffinity, EPERM, EINVAL, 0)		\
	X(sched_getaffinity, EPERM, 0, 0)		\
	X(sched_getscheduler, EPERM, 0, 0)

enum inject_fn {
#define X(name, ...)	INJECT_##name,
	INJECT_FUNCTIONS(X)
#undef X
	INJECT_FNS
};

#define INJECT_ERRORS	3

struct inject_function {
	const char *name;
	int errors[INJECT_ERRORS];
};

extern const struct inject_function inject_functions[INJECT_FNS];

enum inject_mode { INJECT_NEVER, INJECT_ONCE, INJECT_EVERY, INJECT_ALWAYS };

/* Calls that fail in a row with EINTR when all of them are to fail: a call that
 * must succeed in the end is repeated while signals interrupt it. */
#define INJECT_STORM	2000

struct inject_plan {
	enum inject_mode mode;
	enum inject_fn fn;
	uint32_t n;		/* the n-th call, every n-th call */
	int error;
};

/* Shared by the driver, the process under test and that one's children. */
struct inject_state {
	struct inject_plan plan;
	uint32_t calls[INJECT_FNS];	/* atomic: until inject_clear() */
	uint32_t injected;		/* atomic */
	uint64_t objects;		/* freed in the run */
};

/* The state of a process that the driver started, or NULL. */
struct inject_state *inject_state(void);

/* From here on @fn always fails with @error, whatever the plan is. */
void inject_refuse(enum inject_fn fn, int error);

/* From here on nothing fails in this process and its children to be. */
void inject_clear(void);

/* Memory that the library allocated, in this process and those above it. */
extern uint64_t inject_allocated;

/* The name of the shared state's descriptor in the environment. */
#define INJECT_ENV	"KVFREE_FAULTS_FD"

#endif /* FAULTS_INJECT_H */
