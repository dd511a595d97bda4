/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_free_function_calls.c - what a free function may call, while another
 * thread is in urcu_kvfree_before_fork() or urcu_kvfree_exit() and waits for it
 *
 * A lock that is held there and wanted here is a deadlock, which kvtest_run()
 * ends. One worker, so that the same record is used each time.
 */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/urcu-qsbr.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvinside.h"
#include "tsan.h"

static struct urcu_kvfree_channel *channel;
static void (*job)(void);		/* of the next free function */
static bool (*others_wait)(void);	/* what it awaits before its job */
static unsigned int inside, done;	/* atomic */
static int job_ret, job_errno;		/* the job's; read after done */

static void free_function(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	while (!others_wait())
		kvtest_sleep_msec(1);
	/* Time for the other thread to take what it should not have. */
	kvtest_sleep_msec(50);
	job();
	while (nr)
		free(ptrs[--nr]);
	__atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
}

static bool at_once(void)
{
	return true;
}

static bool start_lock_is_held(void)
{
	if (pthread_mutex_trylock(&kvfree_start_lock))
		return true;
	pthread_mutex_unlock(&kvfree_start_lock);
	return false;
}

static bool library_stops(void)
{
	return !kvfree_is_running();
}

/* Queue for one free function, and wait until it runs. */
static void enter(void (*what)(void), bool (*when)(void))
{
	struct kvtest_object *object = kvtest_object_new(0);

	job = what;
	others_wait = when;
	__atomic_store_n(&inside, 0, __ATOMIC_RELAXED);
	urcu_kvfree_rcu_channel_flavor(&urcu_bp_flavor, object, head, channel);
	while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
		kvtest_sleep_msec(1);
}

static void await_done(unsigned int nr)
{
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != nr)
		kvtest_sleep_msec(1);
}

FIXTURE(begin)
{
	done = 0;
	kvtest_start(2, 1);
	/* The first flavor, whose records before_fork locks first. */
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(1));
	channel = urcu_kvfree_channel_create("calls", free_function, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	return urcu_kvfree_channel_destroy(channel);
}

static void queue_on_another_flavor(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(1));
}

static void make_a_channel(void)
{
	job_ret = !urcu_kvfree_channel_create("made inside", free_function,
			NULL);
}

static void start_the_library(void)
{
	errno = 0;
	job_ret = urcu_kvfree_init(NULL);
	job_errno = errno;
}

static void fork_hooks(void)
{
	urcu_kvfree_before_fork();
	urcu_kvfree_after_fork_parent();
}

TEST(before_fork_lets_a_free_function_queue)
{
	enter(queue_on_another_flavor, at_once);
	await_done(1);
	enter(queue_on_another_flavor, start_lock_is_held);
	fork_hooks();
	await_done(2);
	urcu_kvfree_exit();
}

TEST(before_fork_lets_a_free_function_make_a_channel)
{
	struct kvfree_channels *channels = &kvfree_channels;

	enter(make_a_channel, start_lock_is_held);
	fork_hooks();
	await_done(1);
	assert_int_equal(job_ret, 0);
	assert_int_equal(urcu_kvfree_channel_destroy(&channels->user[1]), 0);
	urcu_kvfree_exit();
}

TEST(before_fork_lets_a_free_function_start_the_library)
{
	enter(start_the_library, start_lock_is_held);
	fork_hooks();
	await_done(1);
	assert_int_equal(job_ret, 0);
	urcu_kvfree_exit();
}

TEST(exit_lets_a_free_function_queue)
{
	struct urcu_kvfree_stats stats;

	enter(queue_on_another_flavor, library_stops);
	urcu_kvfree_exit();
	stats = kvtest_stats(NULL);
	assert_int_equal(done, 1);
	assert_int_equal(stats.freed, stats.queued);
}

TEST(a_start_from_a_free_function_of_exit_is_edeadlk)
{
	enter(start_the_library, library_stops);
	urcu_kvfree_exit();
	assert_int_equal(done, 1);
	assert_int_equal(job_ret, -1);
	assert_int_equal(job_errno, EDEADLK);
	assert_false(kvfree_is_running());
}

/* It says so on stderr, and goes on. */
TEST(exit_from_a_free_function_is_ignored)
{
	enter(urcu_kvfree_exit, at_once);
	await_done(1);
	assert_true(kvfree_is_running());
	enter(queue_on_another_flavor, at_once);
	await_done(2);
	urcu_kvfree_exit();
}

static void wait_for_qsbr_readers(void)
{
	urcu_qsbr_flavor.update_synchronize_rcu();
}

static void wait_as_qsbr_reader(void (*call)(void), bool (*when)(void))
{
	urcu_qsbr_register_thread();
	kvfree_domain_get(&urcu_qsbr_flavor);
	enter(wait_for_qsbr_readers, when);
	call();
	assert_true(urcu_qsbr_read_ongoing());
	urcu_qsbr_unregister_thread();
	await_done(1);
}

static void destroy_another_channel(void)
{
	assert_int_equal(urcu_kvfree_channel_destroy(
		urcu_kvfree_channel_create("another", free_function, NULL)), 0);
}

static void shrink(void)
{
	assert_true(urcu_kvfree_shrink() > 0);
}

/* Who waits for several flavors is a reader of none of them meanwhile. */
TEST(a_free_function_may_wait_for_readers_of_another_flavor)
{
	wait_as_qsbr_reader(fork_hooks, start_lock_is_held);
	done = 0;
	wait_as_qsbr_reader(destroy_another_channel, at_once);
	done = 0;
	wait_as_qsbr_reader(shrink, at_once);
	urcu_kvfree_exit();
}

/* ------------------------------------------------------------------ */
/* A fork                                                             */

static void (*in_child)(void);
static int child_ended;		/* as waitpid() says */

static void forks(size_t nr, void **ptrs, void *priv)
{
	pid_t pid = fork();

	(void) priv;
	if (pid == 0)
		in_child();
	else if (waitpid(pid, &child_ended, 0) != pid)
		abort();
	while (nr)
		free(ptrs[--nr]);
}

/* Free one object by forks(), in this thread. */
static int free_by_fork(void)
{
	struct urcu_kvfree_channel *forking;

	/* Not by a tick: the child could wait for no grace period if one ran at the fork. */
	kvtest_start(60000, 1);
	forking = urcu_kvfree_channel_create("forks", forks, NULL);
	urcu_kvfree_rcu_channel_flavor(&urcu_memb_flavor,
			kvtest_object_new(0), head, forking);
	urcu_kvfree_channel_destroy(forking);
	urcu_kvfree_exit();
	return kvtest_stats(&urcu_memb_flavor).pending ? 2 : KVCHILD_OK;
}

static void return_from_it(void)
{
}

static int child_returns(void)
{
	in_child = return_from_it;
	if (free_by_fork())
		return 1;
	return WIFSIGNALED(child_ended) && WTERMSIG(child_ended) == SIGABRT ?
		KVCHILD_OK : 2;
}

/* It is a process like any other. */
static void use_the_library(void)
{
	if (urcu_kvfree_init(NULL))
		_exit(1);
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(10));
	_exit(urcu_kvfree_rcu_barrier_flavor(&urcu_memb_flavor) ? 2 : 0);
}

static int child_goes_on(void)
{
	in_child = use_the_library;
	if (free_by_fork())
		return 1;
	return WIFEXITED(child_ended) && WEXITSTATUS(child_ended) == 0 ?
		KVCHILD_OK : 2;
}

static const struct kvchild_scenario scenarios[] = {
	{ "child_returns", child_returns },
	{ "child_goes_on", child_goes_on },
	{ NULL, NULL },
};

/* There is no thread any more that it could return to. */
TEST(the_child_of_a_free_function_ends_with_a_message_if_it_returns)
{
	char err[1000];

	assert_int_equal(kvchild_run("child_returns", err, sizeof(err)), KVCHILD_OK);
	assert_non_null(strstr(err, "a free function of channel \"forks\" called fork()"));
	assert_int_equal(kvchild_count_lines(err), 1);
}

TEST(the_child_of_a_free_function_may_use_the_library)
{
	char err[1000];

#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
	kvtest_skip("a sanitizer's runtime, in which the child makes no threads");
#endif
	assert_int_equal(kvchild_run("child_goes_on", err, sizeof(err)), KVCHILD_OK);
	assert_string_equal(err, "");
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(before_fork_lets_a_free_function_queue),
		test(before_fork_lets_a_free_function_make_a_channel),
		test(before_fork_lets_a_free_function_start_the_library),
		test(a_free_function_may_wait_for_readers_of_another_flavor),
		test(exit_lets_a_free_function_queue),
		test(a_start_from_a_free_function_of_exit_is_edeadlk),
		test(exit_from_a_free_function_is_ignored),
		cmocka_unit_test(
		the_child_of_a_free_function_ends_with_a_message_if_it_returns),
		cmocka_unit_test(the_child_of_a_free_function_may_use_the_library),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
