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

static int left = -1;	/* main thread alone */
void (*kvfault_threads_on_failure)(void);

void kvfault_threads_after(int nr)
{
	left = nr;
}

int __wrap_pthread_create(pthread_t *tid, const pthread_attr_t *attr,
		void *(*fn)(void *), void *arg)
{
	if (left == 0) {
		if (kvfault_threads_on_failure)
			kvfault_threads_on_failure();
		return EAGAIN;
	}
	if (left > 0)
		left--;
	return __real_pthread_create(tid, attr, fn, arg);
}
