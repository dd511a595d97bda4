/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_start.c - start and exit
 */

#include <sys/resource.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "conf.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvinside.h"

/* Two workers and the timer thread. */
#define THREADS	3

static const struct rcu_flavor_struct *const rcu = &kvgp_flavor;

FIXTURE(begin)
{
	kvarena_reset();
	kvtest_start(60000, 2);
	return 0;
}

FIXTURE(end)
{
	kvfault_threads_after(-1);
	urcu_kvfree_exit();
	kvarena_assert_exact();
	return 0;
}

static void queue_raw(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

/* ------------------------------------------------------------------ */
/* Which call starts                                                  */

static int raw_call_starts(void)
{
	queue_raw(1);
	return !kvfree_is_running();
}

static int clean_call_starts(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	return !kvfree_is_running();
}

static int registering_starts(void)
{
	return urcu_kvfree_register_thread_flavor(rcu) ||
		!kvfree_is_running();
}

static int counters_do_not_start(void)
{
	kvtest_stats(NULL);
	urcu_kvfree(urcu_kvmalloc(100));
	return kvfree_is_running();
}

/* Nor do they say anything at the end of the process. */
static int waiting_for_nothing_does_not_start(void)
{
	urcu_kvfree_rcu_barrier_flavor(rcu);
	urcu_kvfree_unregister_thread_flavor(rcu);
	return kvfree_is_running();
}

static void *inside;

static void exit_inside(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	urcu_kvfree_exit();
	inside = ptrs[0];
	kvarena_free_bulk(nr, ptrs, NULL);
}

static int exit_in_a_free_function(void)
{
	struct urcu_kvfree_channel *exits = urcu_kvfree_channel_create("exits",
			exit_inside, NULL);

	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, exits);
	urcu_kvfree_rcu_barrier_flavor(rcu);
	return !inside || !kvfree_is_running();
}

/*
 * The pipe can be made and not be moved, which is EINVAL. That is no bad attribute: raw calls
 * do not try again, and clean calls wait before they do.
 */
static int no_descriptor_above_stderr(void)
{
	struct rlimit saved, few;

	if (getrlimit(RLIMIT_NOFILE, &saved))
		return 1;
	few = saved;
	few.rlim_cur = STDERR_FILENO + 1;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (setrlimit(RLIMIT_NOFILE, &few))
		return 2;
	errno = 0;
	if (urcu_kvfree_init(NULL) != -1 || errno != EINVAL)
		return 3;
	setrlimit(RLIMIT_NOFILE, &saved);
	queue_raw(1);
	if (kvfree_is_running())
		return 4;
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	if (kvfree_is_running())
		return 5;
	return urcu_kvfree_init(NULL) ? 6 : KVCHILD_OK;
}

static int nothing_starts(void);

static const struct kvchild_scenario scenarios[] = {
	{ "raw_call_starts", raw_call_starts },
	{ "clean_call_starts", clean_call_starts },
	{ "registering_starts", registering_starts },
	{ "counters_do_not_start", counters_do_not_start },
	{ "waiting_for_nothing_does_not_start",
		waiting_for_nothing_does_not_start },
	{ "exit_in_a_free_function", exit_in_a_free_function },
	{ "no_descriptor_above_stderr", no_descriptor_above_stderr },
	{ "nothing_starts", nothing_starts },
	{ NULL, NULL },
};

static void assert_says(const char *scenario, unsigned int lines)
{
	static char err[1 << 16];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), lines);
}

TEST(the_first_deferring_call_of_a_process_starts)
{
	assert_says("raw_call_starts", 0);
	assert_says("clean_call_starts", 0);
	assert_says("registering_starts", 0);
}

TEST(calls_that_defer_nothing_do_not_start)
{
	assert_says("counters_do_not_start", 0);
	assert_says("waiting_for_nothing_does_not_start", 0);
}

TEST(a_raw_call_does_not_start_what_was_stopped)
{
	uint64_t before;

	urcu_kvfree_exit();
	before = kvtest_stats(rcu).emergency;
	queue_raw(5);
	assert_false(kvfree_is_running());
	assert_int_equal(kvtest_stats(rcu).emergency, before + 5);
}

TEST(a_clean_call_starts_what_was_stopped_with_its_settings)
{
	urcu_kvfree_exit();
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	assert_true(kvfree_is_running());
	assert_int_equal(kvfree_setting(drain_msec), 60000);
	assert_int_equal(kvfree_setting(workers), 2);
}

/* The allocator of the start itself, when it comes back through a hook. */
TEST(a_clean_call_inside_a_claim_does_not_start)
{
	urcu_kvfree_exit();
	kvfree_tls.claiming = 1;
	kvfree_start_clean();
	kvfree_tls.claiming = 0;
	assert_false(kvfree_is_running());
	kvfree_start_clean();
	assert_true(kvfree_is_running());
}

TEST(in_a_free_function_nothing_starts)
{
	kvfree_freeing++;
	assert_int_equal(urcu_kvfree_init(NULL), 0);	/* it runs */
	kvfree_freeing--;
	urcu_kvfree_exit();
	kvfree_freeing++;
	errno = 0;
	assert_int_equal(urcu_kvfree_init(NULL), -1);
	assert_int_equal(errno, EDEADLK);
	kvfree_start_clean();
	kvfree_freeing--;
	assert_false(kvfree_is_running());
}

/* ------------------------------------------------------------------ */
/* The lock                                                           */

static int starter;	/* atomic: its thread number */
static int started;	/* atomic */

static void *init(void *arg)
{
	__atomic_store_n(&starter, kvtest_tid(), __ATOMIC_SEQ_CST);
	if (urcu_kvfree_init(NULL) == 0)
		__atomic_store_n(&started, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static pthread_t start_init(void)
{
	__atomic_store_n(&starter, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&started, 0, __ATOMIC_SEQ_CST);
	return kvtest_thread(init, NULL);
}

static bool starter_sleeps(void *unused)
{
	int tid = __atomic_load_n(&starter, __ATOMIC_SEQ_CST);

	(void) unused;
	return tid && kvtest_sleeps(tid);
}

static void *queue_clean(void *arg)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
	return arg;
}

/* Its holder, between the hooks of a fork, may wait for the very thread. */
TEST(a_start_that_nobody_asked_for_does_not_wait_for_the_lock)
{
	urcu_kvfree_exit();
	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	kvtest_on_thread(queue_clean, NULL);
	assert_false(kvfree_is_running());
	kvfree_mutex_unlock(&kvfree_start_lock);
	kvtest_on_thread(queue_clean, NULL);
	assert_true(kvfree_is_running());
}

TEST(init_waits_for_the_lock)
{
	pthread_t tid;

	kvtest_needs_proc();
	urcu_kvfree_exit();
	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	tid = start_init();
	assert_true(kvtest_wait(starter_sleeps, NULL, KVTEST_LONG));
	assert_int_equal(__atomic_load_n(&started, __ATOMIC_SEQ_CST), 0);
	kvfree_mutex_unlock(&kvfree_start_lock);
	kvtest_join(tid);
	assert_int_equal(__atomic_load_n(&started, __ATOMIC_SEQ_CST), 1);
}

/* O3 */
TEST(init_while_it_runs_takes_no_lock)
{
	pthread_t tid;

	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	tid = start_init();
	kvtest_join(tid);
	kvfree_mutex_unlock(&kvfree_start_lock);
	assert_int_equal(__atomic_load_n(&started, __ATOMIC_SEQ_CST), 1);
}

/* ------------------------------------------------------------------ */
/* A start that fails                                                 */

TEST(a_start_that_cannot_have_its_threads_leaves_nothing)
{
	unsigned int fds;
	int i;

	urcu_kvfree_exit();
	fds = kvtest_count_fds();
	/* The timer thread and one worker are enough. */
	for (i = 0; i < 2; i++) {
		kvfault_threads_after(i);
		errno = 0;
		assert_int_equal(urcu_kvfree_init(NULL), -1);
		assert_int_equal(errno, EAGAIN);
		assert_false(kvfree_is_running());
		assert_true(kvtest_threads_become("kvfree-", 0));
		assert_int_equal(kvtest_count_fds(), fds);
	}
	kvfault_threads_after(2);
	assert_int_equal(urcu_kvfree_init(NULL), 0);
	assert_true(kvtest_threads_become("kvfree-", 2));
	urcu_kvfree_exit();
	kvfault_threads_after(-1);
	assert_int_equal(urcu_kvfree_init(NULL), 0);
	assert_true(kvtest_threads_become("kvfree-", THREADS));
}

TEST(after_a_start_that_failed_clean_calls_try_again_and_raw_calls_do_not)
{
	urcu_kvfree_exit();
	kvfree_conf.refill_backoff_msec = 0;
	kvfault_threads_after(0);
	kvfree_start_clean();
	kvfault_threads_after(-1);
	kvfree_start_raw();
	assert_false(kvfree_is_running());
	kvfree_start_clean();
	assert_true(kvfree_is_running());
}

static unsigned int attempts;

static void count_attempt(void)
{
	attempts++;
}

/* O7 */
TEST(after_a_start_that_failed_clean_calls_wait_before_they_try_again)
{
	unsigned int i;

	urcu_kvfree_exit();
	kvfree_conf.refill_backoff_msec = 100000;
	attempts = 0;
	kvfault_threads_on_failure = count_attempt;
	kvfault_threads_after(0);
	for (i = 0; i < 100; i++)
		queue_clean(NULL);
	kvfault_threads_after(-1);
	kvfault_threads_on_failure = NULL;
	assert_int_equal(attempts, 1);
	queue_clean(NULL);
	assert_false(kvfree_is_running());
	/* Who asks for it need not wait. */
	assert_int_equal(urcu_kvfree_init(NULL), 0);
}

#define FLOOD	20000

/* Whatever calls of either kind queue meanwhile. */
static int nothing_starts(void)
{
	unsigned int i;

	kvarena_reset();
	kvfault_threads_after(0);
	for (i = 0; i < FLOOD; i++) {
		if (i % 16 == 0)
			queue_raw(1);
		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
		if (kvarena_made() - kvarena_freed() > 2048)
			return 1;
	}
	kvfault_threads_after(-1);
	if (kvfree_is_running() || urcu_kvfree_init(NULL))
		return 2;
	return kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG) ? KVCHILD_OK :
		3;
}

/* K6: nothing else asks for it. */
TEST(what_was_queued_while_nothing_ran_is_freed_after_the_start)
{
	unsigned int i;

	urcu_kvfree_exit();
	queue_raw(5);
	kvtest_start(60000, 2);
	kvinside_settle();
	for (i = 0; i < 5; i++)
		assert_true(kvarena_is_freed(kvarena_nth(i)));
}

/* ------------------------------------------------------------------ */
/* Exit                                                               */

TEST(exit_frees_everything_and_leaves_nothing)
{
	unsigned int fds;

	urcu_kvfree_exit();
	fds = kvtest_count_fds();
	kvtest_start(60000, 2);
	queue_raw(1000);
	kvtest_on_thread(queue_clean, NULL);
	kvinside_queue_emergency(rcu, kvarena_object(), NULL);
	urcu_kvfree_exit();
	kvarena_assert_exact();
	assert_int_equal(kvtest_stats(NULL).pages, 0);
	assert_int_equal(kvtest_stats(NULL).threads, 0);
	assert_int_equal(kvinside_count_records(kvfree_domain_get(rcu)), 0);
	assert_true(kvtest_threads_become("kvfree-", 0));
	assert_int_equal(kvtest_count_fds(), fds);
}

/* P10 */
TEST(exit_can_be_called_twice_and_followed_by_a_start)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		urcu_kvfree_exit();
		urcu_kvfree_exit();
		assert_int_equal(urcu_kvfree_init(NULL), 0);
		assert_int_equal(urcu_kvfree_init(NULL), 0);
		queue_raw(10);
	}
	urcu_kvfree_exit();
	kvarena_assert_exact();
	assert_int_equal(kvfree_tls.claiming, 0);
}

static sem_t has_queued, may_end;

static void *queue_before_and_after(void *arg)
{
	queue_clean(NULL);
	sem_post(&has_queued);
	while (sem_wait(&may_end))
		;
	queue_clean(NULL);
	return arg;
}

/* Its record stays where its thread can find it. */
TEST(a_thread_may_outlive_an_exit)
{
	pthread_t tid;

	sem_init(&has_queued, 0, 0);
	sem_init(&may_end, 0, 0);
	tid = kvtest_thread(queue_before_and_after, NULL);
	while (sem_wait(&has_queued))
		;
	urcu_kvfree_exit();
	kvarena_assert_exact();
	assert_int_equal(kvinside_count_records(kvfree_domain_get(rcu)), 1);
	sem_post(&may_end);
	kvtest_join(tid);
	assert_true(kvfree_is_running());
}

static struct urcu_kvfree_channel *requeues;
static unsigned int rounds;

/* On the other domain each time. */
static void queue_again(size_t nr, void **ptrs, void *priv)
{
	kvarena_free_bulk(nr, ptrs, priv);
	if (rounds++ < 10)
		urcu_kvfree_rcu_channel_flavor(rounds % 2 ? &urcu_mb_flavor :
			rcu, kvarena_object(), head, requeues);
}

/* O10 */
TEST(exit_frees_what_free_functions_queue_meanwhile)
{
	requeues = urcu_kvfree_channel_create("requeues", queue_again, NULL);
	rounds = 0;
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, requeues);
	urcu_kvfree_exit();
	assert_int_equal(rounds, 11);
	kvarena_assert_exact();
	urcu_kvfree_channel_destroy(requeues);
}

/* O7: one line, and bounded memory. */
TEST(a_start_that_fails_is_told_once_and_clean_calls_free)
{
	assert_says("nothing_starts", 1);
}

TEST(a_start_that_fails_with_einval_is_told_and_not_tried_at_once)
{
	assert_says("no_descriptor_above_stderr", 1);
}

TEST(exit_in_a_free_function_is_told_and_ignored)
{
	assert_says("exit_in_a_free_function", 1);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(the_first_deferring_call_of_a_process_starts),
		test(calls_that_defer_nothing_do_not_start),
		test(a_raw_call_does_not_start_what_was_stopped),
		test(a_clean_call_starts_what_was_stopped_with_its_settings),
		test(a_clean_call_inside_a_claim_does_not_start),
		test(in_a_free_function_nothing_starts),
		test(a_start_that_nobody_asked_for_does_not_wait_for_the_lock),
		test(init_waits_for_the_lock),
		test(init_while_it_runs_takes_no_lock),
		test(a_start_that_cannot_have_its_threads_leaves_nothing),
		test(after_a_start_that_failed_clean_calls_wait_before_they_try_again),
		test(a_start_that_fails_is_told_once_and_clean_calls_free),
		test(after_a_start_that_failed_clean_calls_try_again_and_raw_calls_do_not),
		test(what_was_queued_while_nothing_ran_is_freed_after_the_start),
		test(exit_frees_everything_and_leaves_nothing),
		test(exit_can_be_called_twice_and_followed_by_a_start),
		test(a_thread_may_outlive_an_exit),
		test(exit_frees_what_free_functions_queue_meanwhile),
		test(a_start_that_fails_with_einval_is_told_and_not_tried_at_once),
		test(exit_in_a_free_function_is_told_and_ignored),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
