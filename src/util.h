/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_UTIL_H
#define KVFREE_UTIL_H

/*
 * util.h - the few things every file of the library needs
 */

#ifdef HAVE_CONFIG_H
# include "config.h"
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

#include <urcu/arch.h>
#include <urcu/compiler.h>
#include <urcu/kvfree.h>

#include "hooks.h"

/* Flavors that one process can use; liburcu has five. */
#define KVFREE_MAX_DOMAINS	8

/* Threads of the worker pool, at the most. */
#define KVFREE_MAX_WORKERS	64

/* Channel numbers: two built in, the rest for urcu_kvfree_channel_create(). */
enum {
	KVFREE_CHANNEL_MALLOC = 0,
	KVFREE_CHANNEL_LARGE = 1,
	KVFREE_CHANNEL_USER = 2,
	KVFREE_CHANNELS = KVFREE_CHANNEL_USER + URCU_KVFREE_MAX_CHANNELS,
};

/* Storage that exists from the thread's start, so that a signal handler can use it: without the
 * initial-exec model the first access may allocate. */
#if defined(KVFREE_TLS_INITIAL_EXEC)
# define KVFREE_TLS __thread __attribute__((tls_model("initial-exec")))
#else
# define KVFREE_TLS __thread
#endif

#define KVFREE_CACHE_ALIGNED __attribute__((aligned(CAA_CACHE_LINE_SIZE)))

/* A store that a signal handler on the same thread must see before what follows it: orders the
 * compiler, costs nothing on the processor. */
static inline void kvfree_signal_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline uint64_t kvfree_now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static inline uint64_t kvfree_now_msec(void)
{
	return kvfree_now_nsec() / 1000000;
}

/* The scheduling policy of thread @tid, 0 for the calling one; or -1 with errno. */
int kvfree_policy_of(pid_t tid);

/* sched_yield(), but for a SCHED_DEADLINE thread, whose next period that would wait for. */
void kvfree_yield(void);

/* For what the program cannot survive: misuse that would deadlock, or a system call that failed in
 * an impossible way. Prints the message and aborts. */
void kvfree_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* One line on stderr, "liburcu-kvfree: ..."; only for clean contexts. */
void kvfree_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for the library's own threads: returns false, and writes nothing, if stderr
 * would block. The reader of stderr may be waiting for those threads. */
bool kvfree_report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What the file at @path begins with; empty if it cannot be read. Clean context. */
void kvfree_read_text(const char *path, char *text, size_t size);

#endif /* KVFREE_UTIL_H */
