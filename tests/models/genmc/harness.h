/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_GENMC_HARNESS_H
#define KVFREE_GENMC_HARNESS_H

/*
 * harness.h - what GenMC does not know of the C library, and a grace period
 *
 * A harness includes this file, then sources of the library, then says what its
 * threads do. GenMC runs it in all executions that RC11 allows. It reports an
 * assertion that fails, an access to memory that was freed, a second free, and
 * two accesses that nothing orders if one of them is not atomic.
 *
 * Mutexes have the orders that the C library promises and no more. A thread that would
 * wait is cut off there, also where it would try a record's lock once more: the
 * executions in which it comes later and does not wait are tried as well. So no
 * worker is seen to leave a record alone.
 */

#include <genmc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/arch.h>
#include <urcu/call-rcu.h>
#include <urcu/flavor.h>

/* The next look at a lock that is held. */
#undef caa_cpu_relax
#define caa_cpu_relax()	__VERIFIER_assume(false)

/* ------------------------------------------------------------------ */
/* The C library                                                      */

static inline int pthread_cond_init(pthread_cond_t *cond, const void *attr)
{
	(void) attr;
	*cond = 0;
	return 0;
}

static inline int pthread_cond_broadcast(pthread_cond_t *cond)
{
	(void) cond;
	return 0;
}

static inline int pthread_cond_wait(pthread_cond_t *cond,
		pthread_mutex_t *lock)
{
	(void) cond;
	(void) lock;
	__VERIFIER_assume(false);
	return 0;
}

/* The library's constructor makes one. */
static inline int pthread_key_create(pthread_key_t *key, void (*fn)(void *))
{
	(void) fn;
	*key = 0;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	(void) clock;
	now->tv_sec = 1;
	now->tv_nsec = 0;
	return 0;
}

/* Only threads that wait sleep or yield. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void) time;
	(void) left;
	__VERIFIER_assume(false);
	return 0;
}

void kvfree_yield(void)
{
	__VERIFIER_assume(false);
}

int sched_getcpu(void)
{
	return 0;
}

/* ------------------------------------------------------------------ */
/* A flavor of RCU                                                    */

/* Referred to by name, and weakly, in the library. */
const struct rcu_flavor_struct urcu_memb_flavor, urcu_mb_flavor;
const struct rcu_flavor_struct urcu_qsbr_flavor, urcu_bp_flavor;

/*
 * One reader and its grace period: liburcu's mb flavor, reduced to what a single
 * section needs. The fences are those that every flavor has or makes others
 * execute; but the last of a grace period orders the sections before it, and
 * no more, so that nobody relies on it for what comes after.
 */
static int reader_inside;

static inline void reader_lock(void)
{
	__atomic_store_n(&reader_inside, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void reader_unlock(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&reader_inside, 0, __ATOMIC_RELAXED);
}

static void grace_period(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__VERIFIER_assume(!__atomic_load_n(&reader_inside, __ATOMIC_RELAXED));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static const struct rcu_flavor_struct flavor = {
	.update_synchronize_rcu = grace_period,
};

/* ------------------------------------------------------------------ */
/* An object that readers find                                        */

struct object {
	int value;
	struct rcu_head head;
};

static struct object *shared;

static inline struct object *object_make(void)
{
	struct object *object = malloc(sizeof(*object));

	object->value = 1;
	return object;
}

/* One section. What it finds must be there, and stay. */
static void *reader(void *arg)
{
	struct object *object;

	(void) arg;
	reader_lock();
	object = __atomic_load_n(&shared, __ATOMIC_ACQUIRE);
	if (object)
		assert(object->value == 1);
	reader_unlock();
	return NULL;
}

/* Take the object away from readers to come. */
static inline struct object *unlink_shared(void)
{
	struct object *object = __atomic_load_n(&shared, __ATOMIC_RELAXED);

	/* Relaxed: what orders it is the library's. */
	__atomic_store_n(&shared, NULL, __ATOMIC_RELAXED);
	return object;
}

static inline pthread_t thread(void *(*fn)(void *), void *arg)
{
	pthread_t id;

	pthread_create(&id, NULL, fn, arg);
	return id;
}

#endif /* KVFREE_GENMC_HARNESS_H */
