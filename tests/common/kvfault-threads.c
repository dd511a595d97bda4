/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfault-threads.c - a pthread_create() that fails on demand
 */

#include <errno.h>
#include <pthread.h>

#include "kvfault.h"

int __real_pthread_create(pthread_t *tid, const pthread_attr_t *attr,
		void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *tid, const pthread_attr_t *attr,
		void *(*fn)(void *), void *arg);

static int left = -1;	/* atomic */
void (*kvfault_threads_on_failure)(void);

void kvfault_threads_after(int nr)
{
	__atomic_store_n(&left, nr, __ATOMIC_SEQ_CST);
}

int __wrap_pthread_create(pthread_t *tid, const pthread_attr_t *attr,
		void *(*fn)(void *), void *arg)
{
	int seen = __atomic_load_n(&left, __ATOMIC_SEQ_CST);

	/* The library's own threads create some, too. */
	while (seen > 0 && !__atomic_compare_exchange_n(&left, &seen, seen - 1,
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	if (seen)
		return __real_pthread_create(tid, attr, fn, arg);
	if (kvfault_threads_on_failure)
		kvfault_threads_on_failure();
	return EAGAIN;
}
