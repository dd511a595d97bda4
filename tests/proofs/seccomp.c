/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * seccomp.c - raw calls make no system calls but timerfd_gettime() and
 * timerfd_settime()
 *
 * A thread installs a filter with which the kernel kills the process on every
 * other system call (and on all but the return from a signal handler), and
 * then makes a million raw calls through every path. The filter is the
 * thread's own and stays for good: when it is through it says so in memory
 * and spins until the process ends. What it did is counted by the main thread.
 *
 * K17: no path may lead into a lock or an allocator; either would show as
 * futex(), brk() or mmap() sooner or later.
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proof.h"

#if defined(__x86_64__)
# define THIS_ARCH	AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
# define THIS_ARCH	AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
# define THIS_ARCH	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
# define THIS_ARCH	AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
# define THIS_ARCH	AUDIT_ARCH_S390X
#endif

#define CALLS		1000000
#define EXIT_CALLS	1000	/* made after the thread's destructors */
#define FORK_CALLS	10000	/* made in a fork child */
#define HANDLER_OBJECTS	20000
/* Calls in a row with the workers stopped: more than the largest cache holds. */
#define STOPPED_CALLS	\
	((long) (KVFREE_MAX_TARGET + 2) * (long) KVFREE_PAGE_PTRS)

struct shared {
	int trapped;		/* number of the refused call, plus one */
	int forked;		/* the fork child is through */
};

struct object {
	struct rcu_head head;
};

static struct shared *shared;
static const struct rcu_flavor_struct *flavor;
static struct urcu_kvfree_channel *channel;
static struct kvfree_domain *domain;

static struct object **objects;
static long nr_used;
static struct object *handler_objects[HANDLER_OBJECTS];
static int nr_handler_used;

/* What the thread did; read by the main thread once it is through. */
static struct {
	long queued;
	long no_blank;		/* calls before there was a record */
	long claimed;
	long held;		/* calls made with the record's lock held */
	long stopped;		/* calls made with all workers stopped */
	long tried, refused;	/* head-less calls that got room, and not */
	long channel;
} did;

static int through, tid_ready;
static int workers_stopped;	/* workers wait in the hook meanwhile */
static long channel_freed;
static __thread bool is_caller;
static __thread volatile bool nested;

/* ------------------------------------------------------------------ */
/* The filter                                                         */

static void trapped(int signo, siginfo_t *info, void *context)
{
	(void) signo;
	(void) context;
	proof_store(&shared->trapped, info->si_syscall + 1);
	for (;;)
		caa_cpu_relax();
}

/* From here on the thread dies of anything but the three calls. */
static void filter_install(unsigned int action)
{
#ifdef THIS_ARCH
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_gettime, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_settime, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, action),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		proof_skip("seccomp is refused: %s", strerror(errno));
#else
	(void) action;
	proof_skip("no seccomp architecture number is known for this machine");
#endif
}

static void spin(void) __attribute__((noreturn));

static void spin(void)
{
	for (;;)
		caa_cpu_relax();
}

/* ------------------------------------------------------------------ */
/* The calls                                                          */

static struct object *take(void)
{
	return objects[nr_used++];
}

static void queue(void)
{
	urcu_kvfree_rcu_flavor(flavor, take(), head);
	did.queued++;
}

/* Head-less; what finds no room goes the other way. */
static void queue_try(void)
{
	struct object *object = take();

	did.queued++;
	if (urcu_kvfree_rcu_try_flavor(flavor, object)) {
		did.tried++;
		return;
	}
	did.refused++;
	urcu_kvfree_rcu_flavor(flavor, object, head);
}

static void queue_channel(void)
{
	urcu_kvfree_rcu_channel_flavor(flavor, take(), head, channel);
	did.queued++;
	did.channel++;
}

static bool has_record(void)
{
	return proof_load(&kvfree_tls.record[kvfree_domain_index(domain)]);
}

/*
 * Before the thread has a record: at first there is no blank one either. The
 * handler may be the one that claims it.
 */
static void without_record(void)
{
	while (!has_record() && did.no_blank < CALLS / 4) {
		queue();
		did.no_blank++;
		while (did.no_blank > CALLS / 8 && !has_record() &&
		       !proof_load(&domain->blank[0]))
			caa_cpu_relax();
	}
	did.claimed = has_record();
}

/* As a handler finds it that interrupted a call of its own thread. */
static void hook(enum kvfree_hook_place place)
{
	if (is_caller) {
		if (place != KVFREE_HOOK_RAW_LOCKED || nested ||
		    did.queued % 64)
			return;
		nested = true;
		queue();
		queue_channel();
		did.held += 2;
		nested = false;
		return;
	}
	if (place == KVFREE_HOOK_REFILL ||
	    place == KVFREE_HOOK_GRACE_PERIOD_BEGIN)
		while (proof_load(&workers_stopped))
			usleep(1000);
}

static void while_workers_are_stopped(void)
{
	long i;

	proof_store(&workers_stopped, 1);
	for (i = 0; i < STOPPED_CALLS; i++) {
		queue();
		did.stopped++;
	}
	for (i = 0; i < 1000; i++)
		queue_try();
	proof_store(&workers_stopped, 0);
}

static void handler(int signo)
{
	int i = nr_handler_used;
	bool saved = nested;

	(void) signo;
	if (i == HANDLER_OBJECTS)
		return;
	nr_handler_used = i + 1;
	/* No further calls in the hook: they take objects, and this handler
	 * may have interrupted the taking of one. */
	nested = true;
	kvfree_signal_fence();
	urcu_kvfree_rcu_flavor(flavor, handler_objects[i], head);
	kvfree_signal_fence();
	nested = saved;
}

/*
 * A worker leaves a record alone whose lock it finds held again and again. Under
 * urcu-rawcheck the lock is held most of the time, and all pages might come too late.
 */
static void let_workers_in(void)
{
	int i;

	for (i = 0; i < 100000; i++)
		caa_cpu_relax();
}

static void *caller(void *arg)
{
	unsigned int action = *(unsigned int *) arg;

	filter_install(action);
	is_caller = true;
	proof_store(&tid_ready, 1);
	without_record();
	while_workers_are_stopped();
	/* Some more than CALLS may be made: two at a time are nested. */
	while (did.queued < CALLS) {
		if (!did.tried && did.queued > CALLS / 2)
			let_workers_in();
		if (did.queued % 16 == 3)
			queue_channel();
		else if (did.queued % 16 == 5)
			queue_try();
		else
			queue();
	}
	proof_store(&through, 1);
	spin();
}

/* ------------------------------------------------------------------ */
/* A thread past its destructors, a child of fork()                   */

static pthread_key_t late_key;
static int exited_through;
static struct object *exit_objects[EXIT_CALLS];

/* The library's key is older, so its destructor ran before this one. */
static void late_destructor(void *arg)
{
	unsigned int i;

	if (!kvfree_tls.exited)
		proof_fail("the library's destructor did not run first");
	filter_install(*(unsigned int *) arg);
	for (i = 0; i < EXIT_CALLS; i++)
		urcu_kvfree_rcu_flavor(flavor, exit_objects[i], head);
	proof_store(&exited_through, 1);
	spin();
}

static void *exiting(void *arg)
{
	proof_record(flavor);
	if (pthread_setspecific(late_key, arg))
		proof_fail("pthread_setspecific");
	return NULL;
}

/* No clean call was made in this child: nothing runs, nothing can be armed. */
static void fork_child(unsigned int action)
{
	unsigned int i;

	filter_install(action);
	for (i = 0; i < FORK_CALLS; i++)
		urcu_kvfree_rcu_flavor(flavor, objects[nr_used + i], head);
	proof_store(&shared->forked, 1);
	spin();
}

static void check_fork(unsigned int action)
{
	pid_t self = getpid(), child = fork();

	proof_require(child >= 0, "fork: %s", strerror(errno));
	if (!child) {
		proof_child(self);
		fork_child(action);
	}
	while (!proof_load(&shared->forked)) {
		proof_require(waitpid(child, NULL, WNOHANG) == 0,
			"a fork child made a system call in a raw call");
		usleep(200);
	}
	kill(child, SIGKILL);
	proof_require(waitpid(child, NULL, 0) == child, "waitpid");
}

/* ------------------------------------------------------------------ */
/* The process                                                        */

static void free_channel(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	proof_add(&channel_freed, (long) nr);
	for (i = 0; i < nr; i++)
		free(ptrs[i]);
}

static struct object *new_object(void)
{
	struct object *object = malloc(sizeof(*object));

	proof_require(object != NULL, "no memory");
	return object;
}

static void make_objects(void)
{
	long nr = CALLS + FORK_CALLS + 10, i;

	objects = malloc((size_t) nr * sizeof(*objects));
	proof_require(objects != NULL, "no memory");
	for (i = 0; i < nr; i++)
		objects[i] = new_object();
	for (i = 0; i < HANDLER_OBJECTS; i++)
		handler_objects[i] = new_object();
	for (i = 0; i < EXIT_CALLS; i++)
		exit_objects[i] = new_object();
}

static void check_counts(void)
{
	struct urcu_kvfree_stats stats = kvtest_stats(flavor);
	uint64_t expected;

	expected = (uint64_t) did.queued + EXIT_CALLS +
		(uint64_t) proof_load(&nr_handler_used);
	proof_require(stats.queued == expected, "%llu calls, %llu queued",
		(unsigned long long) expected,
		(unsigned long long) stats.queued);
	proof_require(channel_freed == did.channel, "%ld of %ld of the channel",
		channel_freed, did.channel);
	proof_require(did.no_blank > 0, "a record was there at once");
	proof_require(did.claimed, "no blank record was claimed");
	proof_require(did.held > 0, "no call found the lock held");
	proof_require(did.tried > 0 && did.refused > 0,
		"head-less: %ld queued, %ld refused", did.tried, did.refused);
	proof_require(stats.emergency >= (uint64_t) (did.held + did.no_blank +
		EXIT_CALLS - 1), "too few went to the emergency list");
	/* Pages that filled up, were asked for, came and were kicked off. */
	proof_require(stats.refills > 0 && stats.kicks > 0 &&
		stats.pages_allocated > 10, "pages: %llu refills, %llu kicks",
		(unsigned long long) stats.refills,
		(unsigned long long) stats.kicks);
	proof_say("%ld calls (%ld without a record, %ld with the lock held, %ld with the workers stopped, %ld head-less of which %ld found no room, %ld on a channel), %d in a handler, %d past the destructors, %d in a fork child; %llu went to the emergency list",
		did.queued, did.no_blank, did.held, did.stopped,
		did.tried + did.refused, did.refused, did.channel,
		nr_handler_used, EXIT_CALLS, FORK_CALLS,
		(unsigned long long) stats.emergency);
}

static void process(unsigned int action, pid_t parent)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t thread;

	proof_child(parent);
	if (action == SECCOMP_RET_TRAP) {
		struct sigaction trap = { .sa_sigaction = trapped,
			.sa_flags = SA_SIGINFO };

		sigaction(SIGSYS, &trap, NULL);
	}
	sigaction(SIGUSR1, &sa, NULL);
	kvfree_check_hook = hook;
	proof_init(0, 0, 2, 0);
	domain = kvfree_domain_get(flavor);
	channel = urcu_kvfree_channel_create("seccomp", free_channel, NULL);
	proof_require(channel != NULL, "no channel");
	make_objects();

	thread = proof_thread(caller, &action);
	proof_wait_for(&tid_ready, 1);
	while (!proof_load(&through)) {
		pthread_kill(thread, SIGUSR1);
		usleep(100);
	}
	/* Past its last call: no handler runs any more once this one did. */
	kvtest_sleep_msec(20);
	proof_require(!pthread_key_create(&late_key, late_destructor), "key");
	proof_thread(exiting, &action);
	proof_wait_for(&exited_through, 1);
	check_fork(action);
	proof_all_freed(flavor);
	check_counts();
	_exit(0);
}

/* Run it once more to learn which system call it was. */
static void find_out(void)
{
	uint64_t end = kvtest_msec() + 20000;
	pid_t self = getpid(), child = fork();

	if (!child)
		process(SECCOMP_RET_TRAP, self);
	while (child > 0 && !proof_load(&shared->trapped) &&
	       kvtest_msec() < end)
		usleep(1000);
	if (child > 0)
		kill(child, SIGKILL);
	proof_fail("a raw call made a system call, number %d (-1: not the second time)",
		proof_load(&shared->trapped) - 1);
}

static void run(void)
{
	pid_t self = getpid(), child = fork();
	siginfo_t info;

	proof_require(child >= 0, "fork: %s", strerror(errno));
	if (!child)
		process(SECCOMP_RET_KILL_PROCESS, self);
	while (waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT) < 0)
		proof_require(errno == EINTR, "waitid: %s", strerror(errno));
	if (info.si_code != CLD_EXITED && info.si_status == SIGSYS)
		find_out();
	proof_reap(child, "the process under the filter");
}

int main(void)
{
	const struct kvtest_flavor *f;

	proof_start("seccomp", proof_long() ? 600 : 120);
	proof_skip_instrumented();
	shared = proof_shared(sizeof(*shared));
	for (f = kvtest_flavors; f->name; f++) {
		flavor = f->rcu;
		memset(shared, 0, sizeof(*shared));
		run();
		if (!proof_long())
			break;
	}
	return 0;
}
