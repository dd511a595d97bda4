/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVTEST_H
#define KVTEST_H

/*
 * kvtest.h - what the tests share
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <urcu.h>
#include <urcu/kvfree.h>

/* Whether AddressSanitizer is in the build. */
#if defined(__SANITIZE_ADDRESS__)
# define KVTEST_ASAN 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define KVTEST_ASAN 1
# endif
#endif

/* The flavors, by name; NULL at the end. */
struct kvtest_flavor {
	const char *name;
	const struct rcu_flavor_struct *rcu;
};

extern const struct kvtest_flavor kvtest_flavors[];

/* NULL when there is none of that name. */
const struct rcu_flavor_struct *kvtest_flavor(const char *name);

/*
 * Read-side sections that ThreadSanitizer understands: the unlock says
 * "release" on the flavor, and the library says "acquire" on it after a grace
 * period. The thread is registered with the flavor. For QSBR the unlock is
 * also a quiescent state.
 */
void kvtest_read_lock(const struct rcu_flavor_struct *rcu);
void kvtest_read_unlock(const struct rcu_flavor_struct *rcu);

/*
 * An object that a reader can check: kvtest_object_alive() is false once the
 * memory was freed and poisoned or used again.
 */
struct kvtest_object {
	uint64_t canary;
	uint64_t value;
	struct rcu_head head;
};

#define KVTEST_ALIVE	0x616c697665616c69ULL
#define KVTEST_DEAD	0x6465616464656164ULL

struct kvtest_object *kvtest_object_new(uint64_t value);
bool kvtest_object_alive(const struct kvtest_object *object);

/* rcu_dereference() and rcu_xchg_pointer() that ThreadSanitizer understands. */
static inline struct kvtest_object *kvtest_dereference(
		struct kvtest_object **slot)
{
	/* Acquire: pairs with kvtest_replace(). */
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline struct kvtest_object *kvtest_replace(struct kvtest_object **slot,
		struct kvtest_object *fresh)
{
	return __atomic_exchange_n(slot, fresh, __ATOMIC_ACQ_REL);
}

/* Milliseconds on the monotonic clock. */
uint64_t kvtest_msec(void);
void kvtest_sleep_msec(unsigned int msec);

/* Milliseconds that are only ever waited in full when something is broken. */
#define KVTEST_LONG	60000

/* Until @done(@arg), or @msec have passed; what @done said last. */
bool kvtest_wait(bool (*done)(void *arg), void *arg, unsigned int msec);

/*
 * A thread that sits in a read-side section of @rcu from the return of _enter
 * to _leave, registered with the flavor.
 */
struct kvtest_reader {
	const struct rcu_flavor_struct *rcu;
	pthread_t tid;
	sem_t inside, leave;
};

void kvtest_reader_enter(struct kvtest_reader *reader,
		const struct rcu_flavor_struct *rcu);
void kvtest_reader_leave(struct kvtest_reader *reader);

/* Start a thread, wait for its end; abort when it cannot be. */
pthread_t kvtest_thread(void *(*fn)(void *), void *arg);
void *kvtest_join(pthread_t tid);
/* Run @fn(@arg) on a thread of its own, to its end. */
void *kvtest_on_thread(void *(*fn)(void *), void *arg);

/* Start the library with these settings; abort when it cannot be. */
void kvtest_start(unsigned int drain_msec, unsigned int workers);

/* The library's counters of @rcu (NULL: all flavors). */
struct urcu_kvfree_stats kvtest_stats(const struct rcu_flavor_struct *rcu);

/* Whether there is a /proc, which a chroot or a sandbox may not have. */
bool kvtest_has_proc(void);

/* Skips a test unless @has is true; @why is what is printed. */
#define kvtest_needs(has, why)						\
	do {								\
		if (!(has))						\
			kvtest_skip(why);				\
	} while (0)

/* Skips a test that can see what it looks for only in /proc. */
#define kvtest_needs_proc()	\
	kvtest_needs(kvtest_has_proc(), "there is no /proc")

/* The file that this program was run from. */
const char *kvtest_program(void);

/* Threads of this process whose name starts with @prefix. Needs /proc. */
unsigned int kvtest_count_threads(const char *prefix);

/* Whether there are @nr of them. True as well where there is no /proc, so that the rest
 * of a test is made. */
bool kvtest_threads_are(const char *prefix, unsigned int nr);

/* Until that is so: a thread that was joined may be listed for a moment yet. False
 * after a long time. */
bool kvtest_threads_become(const char *prefix, unsigned int nr);

/*
 * The calling thread's id, and whether the thread with that id sleeps: for tests
 * that let another thread get stuck, or see that it does not. A thread that waits
 * in the library sleeps; so may one that is about to go on, which is why
 * _sleeps looks several times and wants to see it sleep each time. It needs /proc.
 */
int kvtest_tid(void);
bool kvtest_sleeps(int tid);

/* The number behind @key in the status file of a thread. Needs /proc. */
unsigned long long kvtest_status(int tid, const char *key, int base);

/*
 * Whether an emulator of one process runs this: the kernel then shows which signals the
 * emulator blocks, and those are not the ones that the thread blocks. False without /proc.
 */
bool kvtest_is_emulated(void);

/* Open descriptors of this process. */
unsigned int kvtest_count_fds(void);

#endif /* KVTEST_H */
