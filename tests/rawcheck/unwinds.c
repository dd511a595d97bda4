/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * unwinds - under urcu-rawcheck, a stack is unwound for a finding only
 *
 * The unwinder's entry points are defined here, in front of the real ones, and
 * count. Exits 1 where a lock or a section without a finding unwound a stack, or
 * where a finding did not.
 */

#include "config.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

#include <urcu/rawcheck.h>

#define NR_LOCKS	1000

static pthread_spinlock_t lock;
static void *volatile block;
static int nr_unwinds;

__attribute__((visibility("default")))
int backtrace(void **frames, int max)
{
	int (*real)(void **, int) = (int (*)(void **, int))
		dlsym(RTLD_NEXT, "backtrace");

	nr_unwinds++;
	return real(frames, max);
}

__attribute__((visibility("default")))
_Unwind_Reason_Code _Unwind_Backtrace(_Unwind_Trace_Fn step, void *arg)
{
	_Unwind_Reason_Code (*real)(_Unwind_Trace_Fn, void *) =
		(_Unwind_Reason_Code (*)(_Unwind_Trace_Fn, void *))
		dlsym(RTLD_NEXT, "_Unwind_Backtrace");

	nr_unwinds++;
	return real(step, arg);
}

static int count_of(int findings)
{
	int before = nr_unwinds, i;

	for (i = 0; i < NR_LOCKS; i++) {
		pthread_spin_lock(&lock);
		if (i < findings)
			block = malloc(8);
		pthread_spin_unlock(&lock);
		if (pthread_spin_trylock(&lock) == 0)
			pthread_spin_unlock(&lock);
		urcu_rawcheck_enter();
		urcu_rawcheck_leave();
	}
	return nr_unwinds - before;
}

int main(void)
{
	int clean, one;

	pthread_spin_init(&lock, 0);
	clean = count_of(0);
	one = count_of(1);
	dprintf(1, "%d unwindings without a finding, %d for one\n", clean, one);
	return clean == 0 && one == 1 ? 0 : 1;
}
