/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_own_threads.c - the library's threads: how many, how scheduled, how quiet
 */

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

/* Call @fn on the id of each thread of the library; how many there are. */
static unsigned int for_each_own_thread(void (*fn)(int tid, void *arg),
		void *arg)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int nr = 0;

	if (!dir)
		abort();
	while ((entry = readdir(dir))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) &&
		    !strncmp(name, "kvfree-", 7)) {
			fn(atoi(entry->d_name), arg);
			nr++;
		}
		fclose(file);
	}
	closedir(dir);
	return nr;
}

/* P6. First of all tests: later starts have settings of their own. */
TEST(by_default_there_are_no_more_workers_than_4_or_cpus)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	assert_int_equal(urcu_kvfree_init(NULL), 0);
	/* Each gives itself its name, once it runs; then there are no more. */
	assert_true(kvtest_threads_become("kvfree-worker",
		(unsigned int) (cpus < 4 ? cpus : 4)));
	assert_true(kvtest_threads_become("kvfree-timer", 1));
	assert_int_equal(kvtest_count_threads("kvfree-"),
		(cpus < 4 ? cpus : 4) + 1);
	urcu_kvfree_exit();
}

/* P6: and no more come when many threads use the library. */
static void *use_it(void *arg)
{
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, kvarena_object());
	return arg;
}

/* A timer thread, two workers, and one thread that waits for grace periods. */
#define ALL	4

static void start_all_threads(void)
{
	kvtest_start(2, 2);
	kvarena_reset();
	use_it(NULL);
	/* The tick asks for a grace period, and so for its thread. */
	kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG);
	kvinside_settle();
	kvtest_threads_become("kvfree-", ALL);
}

TEST(threads_that_use_the_library_add_none)
{
	pthread_t tid[40];
	unsigned int i;

	start_all_threads();
	assert_true(kvtest_threads_become("kvfree-gp", 1));
	for (i = 0; i < 40; i++)
		tid[i] = kvtest_thread(use_it, NULL);
	assert_true(kvtest_threads_become("kvfree-", ALL));
	for (i = 0; i < 40; i++)
		kvtest_join(tid[i]);
	assert_true(kvtest_threads_become("kvfree-", ALL));
	urcu_kvfree_exit();
	kvarena_assert_exact();
}

static void check_signals(int tid, void *arg)
{
	unsigned long long blocked = kvtest_status(tid, "SigBlk:", 16), bit;
	int *bad = arg, nr;

	for (nr = 1; nr < 32; nr++) {
		bit = 1ULL << (nr - 1);
		if (nr != SIGKILL && nr != SIGSTOP && !(blocked & bit))
			(*bad)++;
	}
}

TEST(all_signals_are_blocked_in_them)
{
	int bad = 0;

	if (kvtest_is_emulated())
		kvtest_skip("the kernel shows which signals the emulator blocks");
	start_all_threads();
	assert_int_equal(for_each_own_thread(check_signals, &bad), ALL);
	assert_int_equal(bad, 0);
	urcu_kvfree_exit();
}

TEST(the_callers_signal_mask_is_kept)
{
	sigset_t before, after;
	int nr;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	kvtest_start(2, 2);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (nr = 1; nr < 32; nr++)
		assert_int_equal(sigismember(&before, nr),
			sigismember(&after, nr));
	urcu_kvfree_exit();
}

/* ------------------------------------------------------------------ */
/* K19: whatever the creator is                                       */

struct creator {
	bool is_fifo;		/* it could become one */
	int not_normal;		/* threads that are not SCHED_OTHER */
	int pinned;		/* threads with the creator's affinity */
	unsigned int nr;
	cpu_set_t process;	/* where the process may run */
};

static void check_scheduling(int tid, void *arg)
{
	struct creator *creator = arg;
	cpu_set_t set;

	if (syscall(SYS_sched_getscheduler, tid) != SCHED_OTHER)
		creator->not_normal++;
	if (sched_getaffinity(tid, sizeof(set), &set))
		abort();
	if (!CPU_EQUAL(&set, &creator->process))
		creator->pinned++;
}

static void *fifo_creator(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct creator *creator = arg;
	cpu_set_t one;
	int cpu;

	CPU_ZERO(&one);
	for (cpu = 0; !CPU_ISSET(cpu, &creator->process); cpu++)
		;
	CPU_SET(cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
		abort();
	creator->is_fifo = pthread_setschedparam(pthread_self(), SCHED_FIFO,
			&param) == 0;
	start_all_threads();
	creator->nr = for_each_own_thread(check_scheduling, creator);
	return NULL;
}

TEST(they_inherit_neither_scheduling_nor_pinning)
{
	struct creator creator = { 0 };

	assert_int_equal(sched_getaffinity(0, sizeof(creator.process),
		&creator.process), 0);
	kvtest_on_thread(fifo_creator, &creator);
	assert_int_equal(creator.nr, ALL);
	if (!creator.is_fifo)
		print_message("no right to be SCHED_FIFO: pinning alone\n");
	assert_int_equal(creator.not_normal, 0);
	assert_int_equal(creator.pinned, 0);
	urcu_kvfree_exit();
}

/* ------------------------------------------------------------------ */
/* P7                                                                 */

static void add_switches(int tid, void *arg)
{
	unsigned long long *sum = arg;

	*sum += kvtest_status(tid, "voluntary_ctxt_switches:", 10);
	*sum += kvtest_status(tid, "nonvoluntary_ctxt_switches:", 10);
}

static unsigned long long switches(void)
{
	unsigned long long sum = 0;

	for_each_own_thread(add_switches, &sum);
	return sum;
}

/* Many ticks' time without a wake-up. The caches age for some after the last
 * use; a thread that wakes by the clock is never quiet for so long. */
static bool stays_quiet(void *unused)
{
	unsigned long long before = switches();

	(void) unused;
	kvtest_sleep_msec(400);
	return switches() == before;
}

static void assert_gets_quiet_and_stays_so(void)
{
	assert_true(kvtest_wait(stays_quiet, NULL, KVTEST_LONG));
}

TEST(they_do_not_wake_when_nothing_was_ever_queued)
{
	kvtest_start(2, 2);
	assert_gets_quiet_and_stays_so();
	urcu_kvfree_exit();
}

TEST(they_do_not_wake_when_all_is_freed)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	unsigned int i;

	kvtest_start(2, 2);
	kvarena_reset();
	for (i = 0; i < 3000; i++) {
		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	}
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_gets_quiet_and_stays_so();
	urcu_kvfree_exit();
	kvarena_assert_exact();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		by_default_there_are_no_more_workers_than_4_or_cpus),
		cmocka_unit_test(threads_that_use_the_library_add_none),
		cmocka_unit_test(all_signals_are_blocked_in_them),
		cmocka_unit_test(the_callers_signal_mask_is_kept),
		cmocka_unit_test(they_inherit_neither_scheduling_nor_pinning),
		cmocka_unit_test(they_do_not_wake_when_nothing_was_ever_queued),
		kvtest_flavors_test(they_do_not_wake_when_all_is_freed),
	};

	if (!kvtest_has_proc()) {
		fprintf(stderr, "SKIP: there is no /proc to look at threads in\n");
		return 77;
	}
	return kvtest_run(tests);
}
