/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_thread.c - spinlocks, which make raw context, and all that waits for
 * another thread, which must not happen there
 *
 * Not reported: pthread_mutex_trylock() and the other try calls, unlock and post
 * calls, which never wait.
 */

#include "config.h"

#include "preload.h"

/* ------------------------------------------------------------------ */
/* Spinlocks                                                          */

static void rc_forget(pthread_spinlock_t *lock)
{
	while (rc_find(RC_SPINLOCK, lock))
		rc_pop(RC_SPINLOCK, lock);
}

RC_EXPORT int pthread_spin_lock(pthread_spinlock_t *lock)
{
	struct rc_context context;
	void *caller = __builtin_return_address(0);
	int ret;

	rc_attach();
	if (rc_unlikely(rc_self.nr) && rc_find(RC_SPINLOCK, lock))
		rc_report(RC_CALL_pthread_spin_lock, caller, true);
	/* Before it is taken: the lock is not held longer for our sake. */
	context.kind = RC_SPINLOCK;
	context.what = lock;
	rc_begin_at(&context, caller, __builtin_dwarf_cfa());
	ret = RC_REAL(pthread_spin_lock)(lock);
	if (ret == 0)
		rc_push(&context);
	return ret;
}

RC_EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock)
{
	struct rc_context context;
	int ret;

	rc_attach();
	/* Before, though it may fail: others meet a held lock no more often. */
	context.kind = RC_SPINLOCK;
	context.what = lock;
	rc_begin_at(&context, __builtin_return_address(0),
			__builtin_dwarf_cfa());
	ret = RC_REAL(pthread_spin_trylock)(lock);
	if (ret == 0)
		rc_push(&context);
	return ret;
}

RC_EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock)
{
	int ret = RC_REAL(pthread_spin_unlock)(lock);

	if (ret == 0)
		rc_pop(RC_SPINLOCK, lock);
	return ret;
}

/* A lock that is made anew, as in the child of a fork, is held by nobody. */
RC_EXPORT int pthread_spin_init(pthread_spinlock_t *lock, int shared)
{
	rc_forget(lock);
	return RC_REAL(pthread_spin_init)(lock, shared);
}

RC_EXPORT int pthread_spin_destroy(pthread_spinlock_t *lock)
{
	rc_forget(lock);
	return RC_REAL(pthread_spin_destroy)(lock);
}

/* ------------------------------------------------------------------ */
/* Mutexes, condition variables                                       */

RC_WRAP(int, pthread_mutex_lock, (pthread_mutex_t *mutex), (mutex), true)
RC_WRAP(int, pthread_mutex_timedlock,
	(pthread_mutex_t *mutex, const struct timespec *until),
	(mutex, until), true)
RC_WRAP(int, pthread_cond_wait, (pthread_cond_t *cond, pthread_mutex_t *mutex),
	(cond, mutex), true)
RC_WRAP(int, pthread_cond_timedwait,
	(pthread_cond_t *cond, pthread_mutex_t *mutex,
		const struct timespec *until),
	(cond, mutex, until), true)
RC_WRAP(int, mtx_lock, (mtx_t *mutex), (mutex), true)
RC_WRAP(int, mtx_timedlock, (mtx_t *mutex, const struct timespec *until),
	(mutex, until), true)
RC_WRAP(int, cnd_wait, (cnd_t *cond, mtx_t *mutex), (cond, mutex), true)
RC_WRAP(int, cnd_timedwait,
	(cnd_t *cond, mtx_t *mutex, const struct timespec *until),
	(cond, mutex, until), true)

/* ------------------------------------------------------------------ */
/* Read-write locks, semaphores, barriers                             */

RC_WRAP(int, pthread_rwlock_rdlock, (pthread_rwlock_t *lock), (lock), true)
RC_WRAP(int, pthread_rwlock_wrlock, (pthread_rwlock_t *lock), (lock), true)
RC_WRAP(int, pthread_rwlock_timedrdlock,
	(pthread_rwlock_t *lock, const struct timespec *until),
	(lock, until), true)
RC_WRAP(int, pthread_rwlock_timedwrlock,
	(pthread_rwlock_t *lock, const struct timespec *until),
	(lock, until), true)
RC_WRAP(int, sem_wait, (sem_t *sem), (sem), true)
RC_WRAP(int, sem_timedwait, (sem_t *sem, const struct timespec *until),
	(sem, until), true)
RC_WRAP(int, pthread_barrier_wait, (pthread_barrier_t *barrier),
	(barrier), true)

/* ------------------------------------------------------------------ */
/* Waiting on a chosen clock                                          */

RC_WRAP(int, pthread_mutex_clocklock,
	(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
	(mutex, clock, until), true)
RC_WRAP(int, pthread_cond_clockwait,
	(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
		const struct timespec *until),
	(cond, mutex, clock, until), true)
RC_WRAP(int, pthread_rwlock_clockrdlock,
	(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until),
	(lock, clock, until), true)
RC_WRAP(int, pthread_rwlock_clockwrlock,
	(pthread_rwlock_t *lock, clockid_t clock, const struct timespec *until),
	(lock, clock, until), true)
RC_WRAP(int, pthread_clockjoin_np,
	(pthread_t thread, void **value, clockid_t clock,
		const struct timespec *until),
	(thread, value, clock, until), true)
RC_WRAP(int, sem_clockwait,
	(sem_t *sem, clockid_t clock, const struct timespec *until),
	(sem, clock, until), true)

/* ------------------------------------------------------------------ */
/* Threads                                                            */

RC_WRAP(int, pthread_create,
	(pthread_t *thread, const pthread_attr_t *attr,
		void *(*start)(void *), void *arg),
	(thread, attr, start, arg), true)
RC_WRAP(int, pthread_join, (pthread_t thread, void **value),
	(thread, value), true)
RC_WRAP(int, pthread_timedjoin_np,
	(pthread_t thread, void **value, const struct timespec *until),
	(thread, value, until), true)
RC_WRAP(int, thrd_create, (thrd_t *thread, thrd_start_t start, void *arg),
	(thread, start, arg), true)
RC_WRAP(int, thrd_join, (thrd_t thread, int *value), (thread, value), true)
RC_WRAP_VOID(thrd_yield, (void), (), true)

/* ------------------------------------------------------------------ */
/* Initialization by the first who comes                              */

/* Not done yet: the thread does it, or waits for one that does. Says glibc's bit 2. */
static bool rc_once_waits(const int *once)
{
	/* No partner: an old value is one that makes the call wait. */
	return !(__atomic_load_n(once, __ATOMIC_RELAXED) & 2);
}

RC_WRAP(int, pthread_once, (pthread_once_t *once, void (*routine)(void)),
	(once, routine), rc_once_waits(once))
RC_WRAP_VOID(call_once, (once_flag *once, void (*routine)(void)),
	(once, routine), rc_once_waits(&once->__data))

/*
 * The guard of a C++ local static variable: its first byte says that the variable
 * is there. A C++ library that only a plugin has is out of reach for the lookup;
 * then all guards are kept here, with "begun" in the second byte.
 */
static bool rc_guards_are_ours(void)
{
	rc_need_reals();
	return (void *) rc_real.__cxa_guard_acquire == (void *) rc_missing;
}

static bool rc_guard_is_done(uint64_t *guard)
{
	/* Acquire: pairs with the release in __cxa_guard_release(). */
	return __atomic_load_n((char *) guard, __ATOMIC_ACQUIRE);
}

RC_EXPORT int __cxa_guard_acquire(uint64_t *guard)
{
	RC_GUARD(__cxa_guard_acquire, !rc_guard_is_done(guard))
	if (!rc_guards_are_ours())
		return rc_real.__cxa_guard_acquire(guard);
	while (!rc_guard_is_done(guard)) {
		/* Acquire: pairs with the release in __cxa_guard_abort(). */
		if (!__atomic_exchange_n((char *) guard + 1, 1, __ATOMIC_ACQUIRE))
			return 1;
		RC_REAL(sched_yield)();
	}
	return 0;
}

RC_EXPORT void __cxa_guard_release(uint64_t *guard)
{
	if (!rc_guards_are_ours())
		rc_real.__cxa_guard_release(guard);
	else
		__atomic_store_n((char *) guard, 1, __ATOMIC_RELEASE);
}

RC_EXPORT void __cxa_guard_abort(uint64_t *guard)
{
	if (!rc_guards_are_ours())
		rc_real.__cxa_guard_abort(guard);
	else
		__atomic_store_n((char *) guard + 1, 0, __ATOMIC_RELEASE);
}
