/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_sandbox.c - the library under the filters and limits of a sandbox
 *
 * Each test is a child that confines itself first and then starts the library, queues in
 * every way, waits for a barrier and ends the library. The program has 300 KiB of static
 * TLS, which the C library takes out of each thread's stack.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvtest.h"
#include "tsan.h"

#define OBJECTS		5000
#define LARGE		((size_t) 300000)
#define HANGS_AFTER	60
#define MOST_CALLS	80

#define NOBODY		65534

enum { EXIT_WELL, EXIT_NO_FILTER, EXIT_NO_START, EXIT_NO_BARRIER, EXIT_PENDING,
	EXIT_STARTED, EXIT_UNBOUNDED };

static __thread char large_tls[300 * 1024];

struct object {
	struct rcu_head head;
	char data[100];
};

struct call {
	const char *name;
	int number;
};

#define CALL(name)	{ #name, SYS_##name }

/* SystemCallFilter=~@resources of systemd, which answers EPERM. */
static const struct call resources[] = {
	CALL(ioprio_set), CALL(mbind), CALL(migrate_pages), CALL(move_pages),
	CALL(sched_setaffinity), CALL(sched_setattr), CALL(sched_setparam),
	CALL(sched_setscheduler), CALL(set_mempolicy), CALL(setpriority),
#ifdef SYS_setrlimit
	CALL(setrlimit),
#endif
};

/* What urcu_kvfree(7) names: at a start, and later. */
#if defined(__x86_64__) && defined(__GLIBC__)
# include <gnu/libc-version.h>
# define CALLS_KNOWN	(!strcmp(gnu_get_libc_version(), "2.36"))
static const struct call listed[] = {
	CALL(clone3), CALL(close), CALL(fcntl), CALL(newfstatat), CALL(futex),
	CALL(mmap), CALL(mprotect), CALL(munmap), CALL(openat), CALL(pipe2),
	CALL(prctl), CALL(prlimit64), CALL(read), CALL(rseq),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(sched_get_priority_max),
	CALL(sched_get_priority_min), CALL(sched_getaffinity),
	CALL(sched_getattr), CALL(sched_setaffinity), CALL(sched_setattr),
	CALL(sched_setscheduler), CALL(set_robust_list), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(write),
	CALL(brk), CALL(clock_nanosleep), CALL(getrusage), CALL(gettid),
	CALL(madvise), CALL(membarrier), CALL(poll), CALL(sched_getscheduler),
	CALL(sched_yield), CALL(timerfd_gettime), CALL(exit),
};
#else
# define CALLS_KNOWN	0
static const struct call listed[] = { CALL(futex) };
#endif

#define NR(list)	(sizeof(list) / sizeof((list)[0]))

/* ------------------------------------------------------------------ */
/* Filters                                                            */

/* The calls lead to then, all others to otherwise. */
struct policy {
	const struct call *calls;
	size_t nr;
	unsigned int then, otherwise;
};

/* False: it is refused. */
static bool filter(const struct policy *policy)
{
	size_t nr = policy->nr, i;
	struct sock_filter code[MOST_CALLS + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {
		.len = (unsigned short) (nr + 3), .filter = code,
	};

	assert_true(nr <= MOST_CALLS);
	for (i = 0; i < nr; i++)
		code[i + 1] = (struct sock_filter) BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K,
			(unsigned int) policy->calls[i].number,
			(unsigned char) (nr - i), 0);
	code[nr + 1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K,
			policy->otherwise);
	code[nr + 2] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K,
			policy->then);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* ------------------------------------------------------------------ */
/* The child                                                          */

static void queue(void)
{
	unsigned int i;

	for (i = 0; i < OBJECTS; i++) {
		struct object *object = malloc(sizeof(*object));

		if (object)
			urcu_kvfree_rcu_offset_flavor(&urcu_memb_flavor, object,
					offsetof(struct object, head));
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor,
				urcu_kvmalloc(i % 100 ? 64 : LARGE));
	}
}

/* As a daemon does. */
static int use_the_library(void)
{
	unsigned int round;

	for (round = 0; round < 2; round++) {
		if (urcu_kvfree_init(NULL))
			return EXIT_NO_START;
		queue();
		kvtest_sleep_msec(250);		/* ticks */
		queue();
		if (urcu_kvfree_rcu_barrier_flavor(&urcu_memb_flavor))
			return EXIT_NO_BARRIER;
		urcu_kvfree_shrink();
		if (kvtest_stats(NULL).pending)
			return EXIT_PENDING;
		urcu_kvfree_exit();
	}
	return EXIT_WELL;
}

/* The end of a child that begins with @run; where that could not confine itself, the test
 * is skipped. */
static int run_child(int (*run)(const void *arg), const void *arg)
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(HANGS_AFTER);
		_exit(run(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_FILTER)
		kvtest_skip("no filter is allowed, or no other user");
	return status;
}

static int use_filtered(const void *arg)
{
	return filter(arg) ? use_the_library() : EXIT_NO_FILTER;
}

static int in_sandbox(const struct call *calls, size_t nr, unsigned int then,
		unsigned int otherwise)
{
	const struct policy policy = { calls, nr, then, otherwise };

	return run_child(use_filtered, &policy);
}

TEST(runs_where_changes_of_resources_are_refused)
{
	assert_int_equal(in_sandbox(resources, NR(resources),
			SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW), 0);
}

TEST(does_not_start_without_timerfd)
{
	static const struct call refused[] = { CALL(timerfd_create) };
	int status = in_sandbox(refused, NR(refused),
			SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ALLOW);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_NO_START);
}

/* ------------------------------------------------------------------ */
/* A limit of threads                                                 */

static void limit_threads(rlim_t soft)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NPROC, &limit);
	limit.rlim_cur = soft == RLIM_INFINITY ? limit.rlim_max : soft;
	setrlimit(RLIMIT_NPROC, &limit);
}

/* Root has no such limit. */
static int starts_once_threads_can_be_had(const void *unused)
{
	unsigned int i;

	(void) unused;
	if (!getuid() && setuid(NOBODY))
		return EXIT_NO_FILTER;
	limit_threads(0);
	if (!urcu_kvfree_init(NULL))
		return EXIT_STARTED;
	/* Meanwhile clean calls free. */
	for (i = 0; i < 4 * OBJECTS; i++)
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(64));
	if (kvtest_stats(NULL).pending > OBJECTS)
		return EXIT_UNBOUNDED;
	limit_threads(RLIM_INFINITY);
	return use_the_library();
}

TEST(starts_late_under_a_limit_of_threads)
{
	assert_int_equal(run_child(starts_once_threads_can_be_had, NULL), 0);
}

/* ------------------------------------------------------------------ */
/* The list of the manual                                             */

static char manual[65536];

static void read_manual(void)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/doc/man/urcu_kvfree.7", top ? top : ".");
	file = fopen(path, "r");
	assert_non_null(file);
	n = fread(manual, 1, sizeof(manual) - 1, file);
	fclose(file);
	manual[n] = '\0';
}

TEST(the_manual_names_each_system_call)
{
	const char *list;
	size_t i;

	read_manual();
	list = strstr(manual, "Sandboxes");
	assert_non_null(list);
	for (i = 0; i < NR(listed); i++)
		if (!strstr(list, listed[i].name))
			fail_msg("%s is not there", listed[i].name);
}

TEST(no_other_system_call_is_needed)
{
	struct call calls[MOST_CALLS];
	size_t nr = NR(listed);

	if (!CALLS_KNOWN)
		kvtest_skip("the list is that of x86-64 and glibc 2.36");
	memcpy(calls, listed, sizeof(listed));
	/* The child's own end. */
	calls[nr++] = (struct call) CALL(exit_group);
	assert_int_equal(in_sandbox(calls, nr, SECCOMP_RET_ALLOW,
			SECCOMP_RET_KILL_PROCESS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_where_changes_of_resources_are_refused),
		cmocka_unit_test(does_not_start_without_timerfd),
		cmocka_unit_test(starts_late_under_a_limit_of_threads),
		cmocka_unit_test(the_manual_names_each_system_call),
		cmocka_unit_test(no_other_system_call_is_needed),
	};

	large_tls[0] = 1;
	/* Not optimized away. */
	__asm__ volatile("" : : "r" (large_tls) : "memory");
#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
	puts("SKIP: a sanitizer makes system calls of its own");
	return 77;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
