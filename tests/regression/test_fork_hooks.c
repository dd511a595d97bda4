/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_fork_hooks.c - other threads between urcu_kvfree_before_fork() and its
 * pair: what they are about must not wait for the hooks, since the hooks of
 * liburcu wait for them; and each of two processes frees its copy (P9)
 *
 * A thread that waits for another is a deadlock, which kvtest_run() ends.
 */

#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvinside.h"

#define LARGE	((size_t) 1 << 20)

struct large {
	struct rcu_head head;
	char data[LARGE];
};

/* ThreadSanitizer ends a child of a threaded process that starts threads. */
#if defined(__SANITIZE_THREAD__)
# define CAN_FORK	0
#elif defined(__has_feature)
# define CAN_FORK	(!__has_feature(thread_sanitizer))
#else
# define CAN_FORK	1
#endif

/* AddressSanitizer leaves its allocator locked in the child when another
 * thread of the parent allocated at the fork. */
#if defined(__SANITIZE_ADDRESS__)
# define CAN_FORK_BUSY	0
#elif defined(__has_feature)
# define CAN_FORK_BUSY	(CAN_FORK && !__has_feature(address_sanitizer))
#else
# define CAN_FORK_BUSY	CAN_FORK
#endif

static unsigned int inside;	/* atomic: threads */

static void await_inside(unsigned int nr)
{
	while (__atomic_load_n(&inside, __ATOMIC_ACQUIRE) < nr)
		kvtest_sleep_msec(1);
}

/* Whether urcu_kvfree_before_fork() has brought all but owners to rest: the last of
 * what it holds. */
static bool library_rests(void)
{
	struct kvfree_hands *hands =
		&kvfree_domains[KVFREE_MAX_DOMAINS - 1].hands;
	bool held;

	pthread_mutex_lock(&hands->lock);
	held = hands->held;
	pthread_mutex_unlock(&hands->lock);
	return held;
}

/* Say so, and wait until the hooks have begun. */
static void come_inside(void)
{
	__atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
	while (!library_rests())
		kvtest_sleep_msec(1);
	kvtest_sleep_msec(50);
}

FIXTURE(begin)
{
	__atomic_store_n(&inside, 0, __ATOMIC_RELEASE);
	kvtest_start(2, 2);
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return 0;
}

/* The end of the child @pid of a test. */
static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void free_in_callback(struct rcu_head *head)
{
	come_inside();
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(1));
	urcu_kvfree(caa_container_of(head, struct large, head));
}

TEST(an_rcu_callback_may_free_while_call_rcu_waits_for_it)
{
	struct large *large = urcu_kvmalloc(sizeof(*large));

	assert_non_null(large);
	rcu_register_thread();
	call_rcu(&large->head, free_in_callback);
	rcu_unregister_thread();
	await_inside(1);
	urcu_kvfree_before_fork();
	call_rcu_before_fork();
	call_rcu_after_fork_parent();
	urcu_kvfree_after_fork_parent();
}

static void *allocate_in_section(void *arg)
{
	urcu_bp_flavor.read_lock();
	come_inside();
	urcu_kvfree(urcu_kvmalloc(LARGE));
	urcu_bp_flavor.read_unlock();
	return arg;
}

TEST(a_reader_may_allocate_while_a_grace_period_waits_for_it)
{
	pthread_t reader = kvtest_thread(allocate_in_section, NULL);

	await_inside(1);
	urcu_kvfree_before_fork();
	/* As urcu_bp_before_fork() does, behind another thread. */
	urcu_bp_flavor.update_synchronize_rcu();
	urcu_kvfree_after_fork_parent();
	kvtest_join(reader);
}

/* Forks without hooks; the child uses the library. Returns its status. */
static void *fork_plainly(void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(KVTEST_HANGS_AFTER);
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_bp_flavor, malloc(1));
		urcu_kvfree_exit();
		_exit(kvtest_stats(NULL).freed == 1 ? 0 : 1);
	}
	*(int *) arg = pid < 0 ? -1 : status_of(pid);
	return NULL;
}

TEST(a_fork_of_another_thread_is_without_hooks)
{
	int status = -1;

	if (!CAN_FORK)
		kvtest_skip("ThreadSanitizer ends a child that starts threads");
	kvinside_await_gp_thread(&urcu_bp_flavor);
	urcu_kvfree_before_fork();
	kvtest_on_thread(fork_plainly, &status);
	urcu_kvfree_after_fork_parent();
	assert_int_equal(status, 0);
}

static void *queue_large_and_small(void *arg)
{
	int i;

	__atomic_fetch_add(&inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n((int *) arg, __ATOMIC_ACQUIRE))
		for (i = 0; i < 100; i++) {
			void *ptr = urcu_kvmalloc(i ? 32 : 2 * LARGE);

			urcu_kvfree_rcu_mightsleep_flavor(&urcu_bp_flavor, ptr);
		}
	return NULL;
}

static int free_all_in_child(void)
{
	struct urcu_kvfree_stats stats;

	alarm(KVTEST_HANGS_AFTER);
	urcu_bp_flavor.register_thread();
	if (urcu_kvfree_after_fork_child())
		return 2;
	urcu_kvfree_exit();
	stats = kvtest_stats(NULL);
	return stats.queued && stats.freed == stats.queued ? 0 : 3;
}

TEST(each_process_frees_its_copy_of_a_busy_queue)
{
	struct urcu_kvfree_stats stats;
	pthread_t busy[2];
	int stop = 0, i;

	if (!CAN_FORK_BUSY)
		kvtest_skip("a sanitizer's runtime fails in the child of busy threads");
	kvinside_await_gp_thread(&urcu_bp_flavor);
	for (i = 0; i < 2; i++)
		busy[i] = kvtest_thread(queue_large_and_small, &stop);
	await_inside(2);
	for (i = 0; i < 20; i++) {
		pid_t pid;

		kvtest_sleep_msec(5);
		urcu_kvfree_before_fork();
		pid = fork();
		if (pid == 0)
			_exit(free_all_in_child());
		urcu_kvfree_after_fork_parent();
		assert_true(pid > 0);
		assert_int_equal(status_of(pid), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		kvtest_join(busy[i]);
	urcu_kvfree_exit();
	stats = kvtest_stats(NULL);
	assert_int_equal(stats.freed, stats.queued);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_rcu_callback_may_free_while_call_rcu_waits_for_it),
		test(a_reader_may_allocate_while_a_grace_period_waits_for_it),
		test(a_fork_of_another_thread_is_without_hooks),
		test(each_process_frees_its_copy_of_a_busy_queue),
	};

	return kvtest_run(tests);
}
