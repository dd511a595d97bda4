/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef PROOF_H
#define PROOF_H

/*
 * proof.h - what the proofs of the raw-context guarantee share
 *
 * A proof is a program. It exits with 0, with 1 and a line on stderr when the
 * library broke its promise, with 77 and a reason when the machine refuses
 * what the proof needs. A library that hangs is ended by the watchdog: the
 * program dies of SIGALRM. KVFREE_PROOF_LONG=1 asks for the long variant,
 * KVFREE_PROOF_SECONDS changes the watchdog.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "kvtest.h"
#include "cache.h"
#include "service.h"

#define PROOF_SKIP	77

/* Name the proof and start its watchdog. */
void proof_start(const char *name, unsigned int seconds);
bool proof_long(void);

void proof_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void proof_fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
/* A line on stdout: what was done, in figures. */
void proof_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define proof_require(cond, ...)					\
	do {								\
		if (!(cond))						\
			proof_fail(__VA_ARGS__);			\
	} while (0)

/* Skip in builds whose tools make system calls or allocate of their own. */
void proof_skip_instrumented(void);

/* Start the library with these settings; 0 leaves a default. */
void proof_init(unsigned int drain_msec, size_t batch_bytes,
		unsigned int workers, unsigned int min_cached_pages);

/* Die with the parent, and of SIGALRM as it does. First thing in a child. */
void proof_child(pid_t parent);
/* Wait for a child; fail unless it exited with 0, skip if it did. */
void proof_reap(pid_t child, const char *what);

pthread_t proof_thread(void *(*fn)(void *), void *arg);
void proof_join(pthread_t thread);

/* Zeroed memory that a child shares. */
void *proof_shared(size_t bytes);

/* Wait, with no limit but the watchdog's, until *@word is at least @value. */
void proof_wait_for(const int *word, int value);

/* Everything queued on @flavor so far is freed, and nothing was leaked. */
void proof_all_freed(const struct rcu_flavor_struct *flavor);

/* The calling thread's record, made if need be. */
struct kvfree_record *proof_record(const struct rcu_flavor_struct *flavor);

/* Atomics as the proofs use them: always the strongest order. */
#define proof_load(word)	__atomic_load_n(word, __ATOMIC_SEQ_CST)
#define proof_store(word, value) __atomic_store_n(word, value, __ATOMIC_SEQ_CST)
#define proof_add(word, value)	__atomic_add_fetch(word, value, __ATOMIC_SEQ_CST)

#endif /* PROOF_H */
