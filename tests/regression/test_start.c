/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_start.c - start, stop, starts that fail
 */

#include <dlfcn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvfault.h"
#include "kvinside.h"
#include "tsan.h"

static const struct rcu_flavor_struct *rcu;

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &urcu_memb_flavor;
	urcu_kvfree_exit();
	kvarena_reset();
	kvfault_threads_after(-1);
	kvfault_threads_on_failure = NULL;
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return 0;
}

static void queue(void)
{
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

static void *queue_on_a_thread(void *arg)
{
	queue();
	return arg;
}

static void assert_nothing_runs(unsigned int fds)
{
	assert_true(kvtest_threads_become("kvfree-", 0));
	assert_int_equal(kvtest_count_fds(), fds);
}

TEST(init_starts_a_timer_and_the_workers)
{
	kvtest_start(5, 3);
	assert_true(kvtest_threads_become("kvfree-timer", 1));
	assert_true(kvtest_threads_become("kvfree-worker", 3));
}

TEST(init_twice_is_one_start)
{
	kvtest_start(5, 2);
	assert_int_equal(urcu_kvfree_init(NULL), 0);
	assert_true(kvtest_threads_become("kvfree-", 3));
}

TEST(exit_leaves_no_thread_and_no_descriptor)
{
	unsigned int fds = kvtest_count_fds();

	kvtest_start(5, 2);
	queue();
	urcu_kvfree_exit();
	assert_nothing_runs(fds);
}

/* P10 */
TEST(exit_twice_is_a_no_op)
{
	kvtest_start(5, 2);
	queue();
	urcu_kvfree_exit();
	urcu_kvfree_exit();
	kvarena_assert_exact();
}

/* P10 */
TEST(init_after_exit_works_as_the_first)
{
	int i;

	for (i = 0; i < 5; i++) {
		kvtest_start(5, 2);
		queue();
		kvtest_on_thread(queue_on_a_thread, NULL);
		urcu_kvfree_exit();
		kvarena_assert_exact();
	}
	assert_int_equal(kvarena_made(), 10);
}

TEST(exit_frees_everything_first)
{
	int i;

	kvtest_start(60000, 2);
	for (i = 0; i < 3000; i++)
		queue();
	urcu_kvfree_exit();
	kvarena_assert_exact();
}

TEST(exit_gives_back_all_pages)
{
	int i;

	kvtest_start(5, 2);
	for (i = 0; i < 3000; i++)
		queue();
	urcu_kvfree_exit();
	assert_int_equal(kvtest_stats(NULL).pages, 0);
	assert_int_equal(kvtest_stats(NULL).pending, 0);
}

TEST(what_is_queued_after_exit_is_freed_by_the_next_start)
{
	kvtest_start(5, 2);
	queue();
	urcu_kvfree_exit();
	queue();
	queue();
	kvtest_on_thread(queue_on_a_thread, NULL);
	assert_int_equal(kvarena_freed(), 1);
	kvtest_start(5, 2);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

TEST(a_barrier_works_without_a_start)
{
	kvtest_start(5, 2);
	urcu_kvfree_exit();
	queue();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* K6, and: nothing that was queued before a failed start is lost. */
TEST(a_start_without_threads_fails_and_leaves_nothing)
{
	unsigned int fds = kvtest_count_fds();
	int after;

	/* The timer thread and one worker are enough. */
	for (after = 0; after < 2; after++) {
		struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

		urcu_kvfree_attr_set_workers(attr, 2);
		queue();
		kvfault_threads_after(after);
		errno = 0;
		assert_int_equal(urcu_kvfree_init(attr), -1);
		assert_int_equal(errno, EAGAIN);
		assert_nothing_runs(fds);
		urcu_kvfree_attr_destroy(attr);
	}
	kvfault_threads_after(-1);
	assert_int_equal(kvarena_freed(), 0);
	kvtest_start(5, 2);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
	assert_int_equal(kvarena_made(), 2);
}

/* What is queued in the middle of a start that fails asks nothing of timers that
 * are closed again: the next start would wait for them. */
TEST(a_start_that_fails_leaves_no_timer_asked_for)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_workers(attr, 2);
	kvfault_threads_after(1);	/* the timer thread, and no worker */
	kvfault_threads_on_failure = queue;
	assert_int_equal(urcu_kvfree_init(attr), -1);
	kvfault_threads_after(-1);
	urcu_kvfree_attr_destroy(attr);
	assert_int_equal(kvarena_made(), 1);
	kvtest_start(5, 2);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	/* No more than a tick: the start itself looked at what was there. */
	queue();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

/* A clean call tries again what an earlier one could not start. */
TEST(the_next_clean_call_tries_a_failed_start_again)
{
	kvfault_threads_after(0);
	assert_int_equal(urcu_kvfree_init(NULL), -1);
	queue();
	kvfree_conf.refill_backoff_msec = 0;
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	assert_true(kvtest_threads_become("kvfree-", 0));
	kvfault_threads_after(-1);
	assert_int_equal(urcu_kvfree_register_thread_flavor(rcu), 0);
	assert_true(kvtest_threads_become("kvfree-timer", 1));
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* In a process of their own                                          */

static int first_call_starts(void (*call)(void))
{
	rcu = &urcu_memb_flavor;
	call();
	if (!kvtest_threads_become("kvfree-timer", 1))
		return 1;
	if (!kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG))
		return 2;
	return kvarena_made() == 1 && !kvarena_twice() ? KVCHILD_OK : 3;
}

static int raw_first(void)
{
	return first_call_starts(queue);
}

static void mightsleep(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
}

static int mightsleep_first(void)
{
	return first_call_starts(mightsleep);
}

static void try(void)
{
	if (!urcu_kvfree_rcu_try_flavor(rcu, kvarena_object()))
		queue();
}

static int try_first(void)
{
	kvarena_reset();
	rcu = &urcu_memb_flavor;
	try();
	if (!kvtest_threads_become("kvfree-timer", 1))
		return 1;
	urcu_kvfree_rcu_barrier_flavor(rcu);
	return kvarena_freed() >= 1 && !kvarena_twice() ? KVCHILD_OK : 3;
}

/* K6: objects are queued while no thread exists, and no init follows. */
static int queued_before_threads(void)
{
	rcu = &urcu_memb_flavor;
	kvfault_threads_after(0);
	queue();
	queue();
	if (!kvtest_threads_become("kvfree-", 0) || kvarena_freed())
		return 1;
	kvfault_threads_after(-1);
	if (urcu_kvfree_init(NULL))
		return 2;
	if (!kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG))
		return 3;
	return kvarena_twice() ? 4 : KVCHILD_OK;
}

static int exit_first(void)
{
	urcu_kvfree_exit();
	urcu_kvfree_exit();
	if (!kvtest_threads_become("kvfree-", 0))
		return 10;
	return raw_first();
}

static void *make_calls(void *arg)
{
	unsigned int i;

	pthread_barrier_wait(arg);
	for (i = 0; i < 500; i++) {
		queue();
		urcu_kvfree(urcu_kvmalloc(100));
		urcu_kvfree(urcu_kvmalloc(200000));
	}
	return NULL;
}

/* K7: what a start writes, other threads' calls read meanwhile. */
static int calls_beside_a_start(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	pthread_barrier_t together;
	pthread_t tid[2];
	unsigned int i;

	rcu = &urcu_memb_flavor;
	kvfault_threads_after(0);
	if (!attr || urcu_kvfree_init(NULL) != -1)
		return 1;
	kvfault_threads_after(-1);
	pthread_barrier_init(&together, NULL, 3);
	for (i = 0; i < 2; i++)
		tid[i] = kvtest_thread(make_calls, &together);
	urcu_kvfree_attr_set_debug(attr, URCU_KVFREE_DEBUG_ON);
	urcu_kvfree_attr_set_batch_bytes(attr, 4096);
	pthread_barrier_wait(&together);
	if (urcu_kvfree_init(attr))
		return 2;
	for (i = 0; i < 2; i++)
		kvtest_join(tid[i]);
	urcu_kvfree_exit();
	urcu_kvfree_attr_destroy(attr);
	return kvarena_freed() == kvarena_made() && !kvarena_twice() ?
		KVCHILD_OK : 3;
}

static int bad_attribute(void)
{
	uint64_t other[64] = { 0 };

	errno = 0;
	if (urcu_kvfree_init((void *) other) != -1 || errno != EINVAL)
		return 1;
	return kvtest_threads_become("kvfree-", 0) ? KVCHILD_OK : 2;
}

/*
 * One descriptor more at each try, until there are enough: a pipe and a timer. The one
 * for memory pressure may be missing.
 */
static int few_descriptors(void)
{
	const unsigned int needed = 3, used = 3;
	struct rlimit few, saved;
	unsigned int spare;

	rcu = &urcu_memb_flavor;
	if (syscall(SYS_close_range, used, ~0U, 0) ||
	    getrlimit(RLIMIT_NOFILE, &saved))
		return 1;
	few = saved;
	for (spare = 0; spare < needed; spare++) {
		few.rlim_cur = used + spare;
		if (setrlimit(RLIMIT_NOFILE, &few))
			return 2;
		errno = 0;
		if (urcu_kvfree_init(NULL) != -1 || errno != EMFILE)
			return 10 + (int) spare;
		queue();
		setrlimit(RLIMIT_NOFILE, &saved);
		if (kvtest_count_fds() != used ||
		    !kvtest_threads_become("kvfree-", 0))
			return 20 + (int) spare;
	}
	few.rlim_cur = used + needed;
	setrlimit(RLIMIT_NOFILE, &few);
	if (urcu_kvfree_init(NULL))
		return 3;
	setrlimit(RLIMIT_NOFILE, &saved);
	if (!kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG))
		return 4;
	return kvarena_made() == needed && !kvarena_twice() ? KVCHILD_OK : 5;
}

/* ------------------------------------------------------------------ */
/* Beside a constructor that dlopen() runs                            */

static sem_t constructs;
static int starter;		/* atomic: its thread number */
static int constructor_ret = -2;

void in_constructor(void);

/* It has done all that it can do while the dynamic linker's lock is held. */
static bool starter_is_done_or_sleeps(void *unused)
{
	int tid = __atomic_load_n(&starter, __ATOMIC_SEQ_CST);

	(void) unused;
	return kvfree_is_running() || (tid && kvtest_sleeps(tid));
}

/* Called by the module's constructor. */
void in_constructor(void)
{
	sem_post(&constructs);
	if (kvtest_wait(starter_is_done_or_sleeps, NULL, KVTEST_LONG))
		constructor_ret = urcu_kvfree_init(NULL);
}

static void *start_beside_a_constructor(void *ret)
{
	while (sem_wait(&constructs))
		;
	__atomic_store_n(&starter, kvtest_tid(), __ATOMIC_SEQ_CST);
	*(int *) ret = urcu_kvfree_init(NULL);
	return NULL;
}

static int constructor_that_starts(const char *debug)
{
	const char *builddir = getenv("top_builddir");
	char path[4096];
	pthread_t tid;
	int ret;

	snprintf(path, sizeof(path), "%s/tests/regression/constructor-module.so",
		builddir ? builddir : ".");
	setenv("URCU_KVFREE_DEBUG", debug, 1);
	sem_init(&constructs, 0, 0);
	tid = kvtest_thread(start_beside_a_constructor, &ret);
	if (!dlopen(path, RTLD_NOW)) {
		fprintf(stderr, "%s\n", dlerror());
		_exit(1);
	}
	kvtest_join(tid);
	return ret || constructor_ret ? 2 : KVCHILD_OK;
}

static int plain_start_in_a_constructor(void)
{
	return constructor_that_starts("0");
}

static int debugged_start_in_a_constructor(void)
{
	return constructor_that_starts("1");
}

/* ------------------------------------------------------------------ */
/* The child of a fork without hooks                                  */

static void queue_more_than_a_budget(void)
{
	unsigned int i;

	for (i = 0; i < 10000; i++)
		queue();
}

static void queue_a_few(void)
{
	queue();
	queue();
}

static void queue_then_start(void)
{
	queue_more_than_a_budget();
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	if (!kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG))
		abort();
}

/* Whose end is not seen. */
static void queue_and_vanish(void)
{
	queue_more_than_a_budget();
	_exit(0);
}

static int in_a_child(const char *debug, void (*child)(void))
{
	int status;
	pid_t pid;

	rcu = &urcu_memb_flavor;
	setenv("URCU_KVFREE_DEBUG", debug, 1);
	kvtest_start(5, 2);
	pid = fork();
	if (!pid) {
		child();
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		return 1;
	return KVCHILD_OK;
}

static int raw_child(void)
{
	return in_a_child("0", queue_more_than_a_budget);
}

static int small_raw_child(void)
{
	return in_a_child("0", queue_a_few);
}

static int child_that_starts(void)
{
	return in_a_child("0", queue_then_start);
}

static int debugged_raw_child(void)
{
	return in_a_child("1", queue_and_vanish);
}

static const struct kvchild_scenario scenarios[] = {
	{ "raw_first", raw_first },
	{ "mightsleep_first", mightsleep_first },
	{ "try_first", try_first },
	{ "queued_before_threads", queued_before_threads },
	{ "exit_first", exit_first },
	{ "calls_beside_a_start", calls_beside_a_start },
	{ "bad_attribute", bad_attribute },
	{ "few_descriptors", few_descriptors },
	{ "plain_start_in_a_constructor", plain_start_in_a_constructor },
	{ "debugged_start_in_a_constructor", debugged_start_in_a_constructor },
	{ "raw_child", raw_child },
	{ "small_raw_child", small_raw_child },
	{ "child_that_starts", child_that_starts },
	{ "debugged_raw_child", debugged_raw_child },
	{ NULL, NULL },
};

static void assert_child(const char *name)
{
	char err[4096];
	int status = kvchild_run(name, err, sizeof(err));

	if (status != KVCHILD_OK)
		fail_msg("%s: %d: %s", name, status, err);
}

TEST(the_first_call_of_a_process_starts_the_library)
{
	assert_child("raw_first");
	assert_child("mightsleep_first");
	assert_child("try_first");
}

/* K6 */
TEST(what_was_queued_before_the_threads_exist_is_freed)
{
	assert_child("queued_before_threads");
}

TEST(a_start_may_run_beside_calls)
{
	assert_child("calls_beside_a_start");
}

TEST(exit_before_any_start_is_a_no_op)
{
	assert_child("exit_first");
}

TEST(a_start_without_descriptors_fails_and_leaves_nothing)
{
	assert_child("few_descriptors");
}

TEST(a_bad_attribute_is_einval_and_starts_nothing)
{
	assert_child("bad_attribute");
}

/* The first one finds the dynamic linker's lock taken, the second one what the first holds. */
TEST(a_start_beside_that_of_a_constructor_in_dlopen_does_not_hang)
{
	kvtest_needs_proc();
	assert_child("plain_start_in_a_constructor");
	assert_child("debugged_start_in_a_constructor");
}

static void assert_child_says(const char *name, unsigned int lines)
{
	char err[4096];
	int status = kvchild_run(name, err, sizeof(err));

	if (status != KVCHILD_OK || kvchild_count_lines(err) != lines ||
	    !strstr(err, "call urcu_kvfree_init()") != !lines)
		fail_msg("%s: %d: %s", name, status, err);
}

/* TSan's runtime knows no threads in the child of a fork; ASan's allocator keeps the locks
 * that other threads had at the fork. */
#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
# define CAN_FORK	false
#else
# define CAN_FORK	true
#endif

TEST(a_child_whose_raw_calls_nobody_serves_says_so_once)
{
	if (!CAN_FORK)
		kvtest_skip("a sanitizer's runtime fails in the child of a process with threads");
	assert_child_says("raw_child", 1);
	assert_child_says("debugged_raw_child", 1);
	assert_child_says("small_raw_child", 0);
	assert_child_says("child_that_starts", 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(init_starts_a_timer_and_the_workers),
		test(init_twice_is_one_start),
		test_each(exit_leaves_no_thread_and_no_descriptor),
		test_each(exit_twice_is_a_no_op),
		test_each(init_after_exit_works_as_the_first),
		test_each(exit_frees_everything_first),
		test_each(exit_gives_back_all_pages),
		test_each(what_is_queued_after_exit_is_freed_by_the_next_start),
		test_each(a_barrier_works_without_a_start),
		test(a_start_without_descriptors_fails_and_leaves_nothing),
		test_each(a_start_without_threads_fails_and_leaves_nothing),
		test_each(a_start_that_fails_leaves_no_timer_asked_for),
		test_each(the_next_clean_call_tries_a_failed_start_again),
		test(the_first_call_of_a_process_starts_the_library),
		test(what_was_queued_before_the_threads_exist_is_freed),
		test(a_start_may_run_beside_calls),
		test(exit_before_any_start_is_a_no_op),
		test(a_bad_attribute_is_einval_and_starts_nothing),
		test(a_start_beside_that_of_a_constructor_in_dlopen_does_not_hang),
		test(a_child_whose_raw_calls_nobody_serves_says_so_once),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
