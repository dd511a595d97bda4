/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * lock_misuse.c - what the lock checkers of locks.sh must find
 *
 * Two mutexes taken in both orders, and a spinlock that another thread unlocks.
 * It never hangs: one thread after the other.
 */

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;

static void *forwards(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	pthread_spin_lock(&spin);
	return arg;
}

static void *backwards(void *arg)
{
	pthread_spin_unlock(&spin);
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

static void run(void *(*fn)(void *))
{
	pthread_t tid;

	if (pthread_create(&tid, NULL, fn, NULL) || pthread_join(tid, NULL))
		abort();
}

int main(void)
{
	if (pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE))
		return 1;
	run(forwards);
	run(backwards);
	return 0;
}
