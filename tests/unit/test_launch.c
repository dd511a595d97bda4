/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_launch.c - creating the library's threads
 */

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvrefuse.h"
#include "launch.h"

/* Thread-local storage, which is taken out of each thread's stack. */
static __thread volatile char large[300 * 1024];

#define STACK_USED	(192 * 1024)

/* What a thread of the library says about itself. */
struct self {
	int policy;
	cpu_set_t cpus;
	sigset_t blocked;
	size_t stack;
};

static void *describe(void *arg)
{
	struct self *self = arg;
	struct sched_param param;
	pthread_attr_t attr;

	kvfree_launched("kvfree-test");
	pthread_getschedparam(pthread_self(), &self->policy, &param);
	sched_getaffinity(0, sizeof(self->cpus), &self->cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &self->blocked);
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstacksize(&attr, &self->stack);
	pthread_attr_destroy(&attr);
	return NULL;
}

/* The policy is -1 if there is no thread. */
static struct self spawn(void)
{
	struct self self = { .policy = -1 };
	pthread_t thread;

	if (!kvfree_launch(&thread, describe, &self))
		kvtest_join(thread);
	return self;
}

static void *wait_to_end(void *arg)
{
	kvfree_launched("kvfree-test");
	while (sem_wait(arg))
		;
	return NULL;
}

TEST(a_thread_has_its_name)
{
	pthread_t thread;
	sem_t end;

	sem_init(&end, 0, 0);
	assert_int_equal(kvfree_launch(&thread, wait_to_end, &end), 0);
	assert_true(kvtest_threads_become("kvfree-test", 1));
	sem_post(&end);
	kvtest_join(thread);
}

static void *take_a_name(void *arg)
{
	kvfree_launched("kvfree-test");
	pthread_getname_np(pthread_self(), arg, 16);
	return NULL;
}

/* A child of fork() would inherit it, and have it for good. */
TEST(no_descriptor_is_open_while_a_thread_gets_its_name)
{
	struct rlimit limit, none;
	char name[16] = "";
	pthread_t thread;
	int ret;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ret = kvfree_launch(&thread, take_a_name, name);
	if (!ret)
		kvtest_join(thread);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(ret, 0);
	assert_string_equal(name, "kvfree-test");
}

TEST(a_thread_takes_no_signals_and_its_creator_still_does)
{
	sigset_t usr1, after;
	struct self self;
	int nr;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &usr1, NULL);
	self = spawn();
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (nr = 1; nr < 32; nr++) {
		assert_int_equal(sigismember(&after, nr), nr == SIGUSR1);
		if (nr != SIGKILL && nr != SIGSTOP)
			assert_int_equal(sigismember(&self.blocked, nr), 1);
	}
}

TEST(a_stack_is_small)
{
	assert_in_range(spawn().stack, STACK_USED, 2 * 1024 * 1024);
}

/* O6: the storage must not eat up the stack. */
static void *use_the_stack(void *arg)
{
	volatile char used[STACK_USED];
	size_t i;

	(void) arg;
	for (i = 0; i < sizeof(used); i += 1024)
		used[i] = 1;
	large[0] = used[0];
	return NULL;
}

TEST(large_thread_local_storage_leaves_room_on_the_stack)
{
	pthread_t thread;

	assert_int_equal(kvfree_launch(&thread, use_the_stack, NULL), 0);
	kvtest_join(thread);
}

/* ------------------------------------------------------------------ */
/* K19: whatever the creator is                                       */

static int first_cpu(const cpu_set_t *set)
{
	int cpu;

	for (cpu = 0; !CPU_ISSET(cpu, set); cpu++)
		;
	return cpu;
}

static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		abort();
}

struct creator {
	bool is_special;	/* it could become what the test is about */
	struct self created;
};

static void *pinned_creator(void *arg)
{
	struct creator *creator = arg;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		abort();
	pin(first_cpu(&cpus));
	creator->created = spawn();
	return NULL;
}

TEST(a_thread_is_not_pinned_if_its_creator_is)
{
	struct creator creator;
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	kvtest_on_thread(pinned_creator, &creator);
	assert_true(CPU_EQUAL(&creator.created.cpus, &cpus));
}

static void *realtime_creator(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct creator *creator = arg;

	creator->is_special = pthread_setschedparam(pthread_self(),
			SCHED_FIFO, &param) == 0;
	creator->created = spawn();
	return NULL;
}

TEST(a_thread_is_not_real_time_if_its_creator_is)
{
	struct creator creator;

	kvtest_on_thread(realtime_creator, &creator);
	assert_int_equal(creator.created.policy, SCHED_OTHER);
	if (!creator.is_special)
		kvtest_skip("no right to be SCHED_FIFO");
}

/* ------------------------------------------------------------------ */
/* O6: where the system refuses                                       */

static void *filtered_creator(void *arg)
{
	static const int all_of_it[] = { SYS_sched_setaffinity,
		SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr,
		-1 };
	struct creator *creator = arg;

	creator->is_special = kvrefuse(all_of_it);
	creator->created = spawn();
	return NULL;
}

TEST(a_filter_keeps_no_thread_from_being_created)
{
	struct creator creator;

	kvtest_on_thread(filtered_creator, &creator);
	assert_int_equal(creator.created.policy, SCHED_OTHER);
	if (!creator.is_special)
		kvtest_skip("the kernel allows no filter");
}

/* Refused one by one: the other is still had. */
static void *half_filtered_creator(void *arg)
{
	static const int affinity[] = { SYS_sched_setaffinity, -1 };
	const struct sched_param param = { .sched_priority = 1 };
	struct creator *creator = arg;

	creator->is_special = pthread_setschedparam(pthread_self(),
			SCHED_FIFO, &param) == 0 && kvrefuse(affinity);
	creator->created = spawn();
	return NULL;
}

TEST(without_affinity_a_thread_is_not_real_time_still)
{
	struct creator creator;

	kvtest_on_thread(half_filtered_creator, &creator);
	assert_int_equal(creator.created.policy, SCHED_OTHER);
	if (!creator.is_special)
		kvtest_skip("no right to be SCHED_FIFO, or no filter");
}

TEST(lack_of_threads_is_reported)
{
	pthread_t thread;

	kvfault_threads_after(0);
	errno = 0;
	assert_int_equal(kvfree_launch(&thread, describe, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	kvfault_threads_after(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_its_name),
		cmocka_unit_test(
			no_descriptor_is_open_while_a_thread_gets_its_name),
		cmocka_unit_test(
			a_thread_takes_no_signals_and_its_creator_still_does),
		cmocka_unit_test(a_stack_is_small),
		cmocka_unit_test(
			large_thread_local_storage_leaves_room_on_the_stack),
		cmocka_unit_test(a_thread_is_not_pinned_if_its_creator_is),
		cmocka_unit_test(a_thread_is_not_real_time_if_its_creator_is),
		cmocka_unit_test(a_filter_keeps_no_thread_from_being_created),
		cmocka_unit_test(
			without_affinity_a_thread_is_not_real_time_still),
		cmocka_unit_test(lack_of_threads_is_reported),
	};

	return kvtest_run(tests);
}
