/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * launch.c - creating the library's threads
 *
 * The creator is whichever thread made the first clean call, and it may be pinned or a real-time
 * thread. The library's threads are neither: they do housekeeping, and a drain at a creator's
 * real-time priority would hold up the very threads that the creator was given that priority for.
 */

#include <limits.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch.h"

/* Room for a free function of the program, beyond the system's minimum. */
#define STACK_BYTES	(256 * 1024)

/* Where the process could run at its start, read-only then. Empty where there are more processors
 * than the set has room for: threads then stay where they are, as an empty set is refused. */
static cpu_set_t cpus;
static size_t tls_bytes;	/* thread-local storage, which each stack holds; read-only, too */

static int add_tls(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *bytes = arg;
	int i;

	(void) size;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*bytes += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
	return 0;
}

/* The dynamic linker is not asked later, but by the first start with debugging on: in the
 * child of a fork() its lock may be held by a thread that is not there. What is loaded
 * later is not in the stacks. */
static __attribute__((constructor)) void learn(void)
{
	sched_getaffinity(0, sizeof(cpus), &cpus);
	dl_iterate_phdr(add_tls, &tls_bytes);
}

static size_t stack_bytes(void)
{
	long least = sysconf(_SC_THREAD_STACK_MIN);

	if (least < (long) PTHREAD_STACK_MIN)
		least = PTHREAD_STACK_MIN;
	return (size_t) least + STACK_BYTES + tls_bytes;
}

/* What to ask for. */
enum { SCHEDULING = 1, SMALL = 2 };

static int create_asking(pthread_t *thread, void *(*fn)(void *), void *arg, int what)
{
	const struct sched_param normal = { .sched_priority = 0 };
	pthread_attr_t attr;
	int ret = pthread_attr_init(&attr);

	if (ret)
		return ret;
	if (what & SMALL)
		pthread_attr_setstacksize(&attr, stack_bytes());
	if (what & SCHEDULING) {
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
		pthread_attr_setschedparam(&attr, &normal);
	}
	ret = pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return ret;
}

int kvfree_launch(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	/* Everything, then less: a seccomp filter may refuse the scheduling, and the C
	 * library may take more out of a stack than stack_bytes() knows of. */
	static const int attempts[] = { SMALL | SCHEDULING, SMALL, 0 };
	sigset_t all, saved;
	unsigned int i;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		error = create_asking(thread, fn, arg, attempts[i]);
		/* These errors do not go away if less is asked for. */
		if (!error || error == EAGAIN || error == ENOMEM)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (!error)
		return 0;
	errno = error;
	return -1;
}

/* So that the thread runs soon after it is woken, while what it works on is still in
 * the caches. Linux before 6.12 ignores it, and a sandbox may refuse it. */
static void ask_for_short_slices(void)
{
	/* The first version of the kernel's struct sched_attr; glibc has none before 2.41. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { 0 };

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) || attr.policy != SCHED_OTHER)
		return;
	attr.size = sizeof(attr);
	attr.runtime = 100000;		/* nanoseconds */
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

void kvfree_launched(const char *name)
{
	/* Not by a thread attribute, which musl lacks. Fails if the process may no longer
	 * run on any of these, or a filter refuses it. */
	sched_setaffinity(0, sizeof(cpus), &cpus);
	/* For the calling thread this is a system call. For another one it would open a file in
	 * /proc, and if the process was forked just then, the child would keep the descriptor. */
	pthread_setname_np(pthread_self(), name);
	ask_for_short_slices();
}
