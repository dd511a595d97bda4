/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_fork.c - the library in the child of a fork, with the hooks and without (P9)
 *
 * Children make no assertions: their exit status says which step failed.
 */

#include <errno.h>
#include <link.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/wait.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "tsan.h"

/* Seconds after which a child that hangs is ended. */
#define CHILD_HANGS_AFTER	60

static const struct rcu_flavor_struct *rcu;
static struct urcu_kvfree_channel *channel;
static bool settles;	/* whether there is a moment of rest before a fork */

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &kvgp_flavor;
	settles = true;
	kvtest_start(60000, 2);
	kvinside_settle();
	kvarena_reset();
	/* One that does not know would ask for grace periods to find out. */
	kvinside_record(rcu)->object_bytes[KVFREE_CHANNEL_MALLOC] =
		KVARENA_BYTES;
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return channel ? 0 : -1;
}

FIXTURE(end)
{
	kvhold_go();
	kvgp_let_go();
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	return 0;
}

static void queue(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
		urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head,
				channel);
	}
	kvinside_queue_emergency(rcu, kvarena_object(), NULL);
}

static void *queue_on_thread(void *arg)
{
	queue(100);
	return arg;
}

/*
 * Run @child in a child of fork(); its exit status, 128 + a signal. Without the
 * hooks, no worker may be in a grace period then: liburcu keeps its lock in the
 * child.
 */
static int in_child(int (*child)(void), bool hooks)
{
	int status, ret;
	pid_t pid;

	if (settles) {
		kvinside_settle();
		kvinside_await_threads();
	}
	if (hooks)
		urcu_kvfree_before_fork();
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		alarm(CHILD_HANGS_AFTER);
		if (hooks && urcu_kvfree_after_fork_child())
			_exit(99);
		ret = child();
		_exit(ret);
	}
	if (hooks)
		urcu_kvfree_after_fork_parent();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		WEXITSTATUS(status);
}

/* For a fork that comes while other threads run. The child's alarm does not reach it when
 * it hangs in qemu, in a lock that a thread holds as it begins and as it ends. */
static void needs_fork_beside_threads(void)
{
	if (kvtest_is_emulated())
		kvtest_skip("qemu's child hangs if a thread began or ended at the fork");
}

/* Two workers and the timer thread; one for grace periods may be there, too. */
static bool all_threads_are_there(void)
{
	return kvtest_threads_become("kvfree-worker", 2) &&
		kvtest_threads_become("kvfree-timer", 1);
}

static bool all_are_freed_once(void)
{
	return kvarena_freed() == kvarena_made() && !kvarena_twice();
}

/* ------------------------------------------------------------------ */
/* Without the hooks                                                  */

static int is_new(void)
{
	struct urcu_kvfree_stats stats = kvtest_stats(NULL);

	if (stats.queued || stats.freed || stats.pages || stats.threads)
		return 1;
	if (!kvtest_threads_are("kvfree-", 0))
		return 2;
	return 0;
}

TEST(a_child_without_hooks_is_as_before_the_first_start)
{
	queue(1000);
	assert_int_equal(in_child(is_new, false), 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* It frees what it queues itself, and nothing that was there before. */
static int works_anew(void)
{
	size_t made = kvarena_made(), freed = kvarena_freed();

	queue(700);
	kvtest_on_thread(queue_on_thread, NULL);
	if (urcu_kvfree_rcu_barrier_flavor(rcu))
		return 1;
	if (kvarena_freed() - freed != kvarena_made() - made)
		return 2;
	if (!kvarena_is_freed(kvarena_nth(made)) || kvarena_twice())
		return 3;
	urcu_kvfree_exit();
	return kvtest_stats(NULL).pending ? 4 : 0;
}

TEST(a_child_without_hooks_works_and_leaves_the_parents_alone)
{
	queue(500);
	assert_int_equal(in_child(works_anew, false), 0);
	assert_int_equal(kvarena_freed(), 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

static int raw_calls_wait_for_a_clean_one(void)
{
	size_t before = kvarena_made();
	unsigned int i;

	for (i = 0; i < 10; i++)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	if (!kvtest_threads_are("kvfree-", 0))
		return 1;
	if (kvtest_stats(rcu).emergency != 10)
		return 2;
	if (urcu_kvfree_register_thread_flavor(rcu))
		return 3;
	if (!all_threads_are_there())
		return 4;
	urcu_kvfree_rcu_barrier_flavor(rcu);
	return kvarena_freed() == kvarena_made() - before ? 0 : 5;
}

TEST(raw_calls_in_such_a_child_wait_for_a_clean_one)
{
	queue(10);
	assert_int_equal(in_child(raw_calls_wait_for_a_clean_one, false), 0);
}

static void *raw_call(void *arg)
{
	kvinside_record(rcu);
	kvhold_at(KVFREE_HOOK_RAW_LOCKED);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	return arg;
}

/* Another thread stands in the middle of a raw call, its record locked. */
TEST(a_fork_in_the_middle_of_a_call_does_not_hang_the_child)
{
	pthread_t tid;

	needs_fork_beside_threads();
	queue(10);
	settles = false;
	tid = kvtest_thread(raw_call, NULL);
	assert_true(kvhold_wait());
	kvhold_off();	/* for the child, where nobody lets go */
	assert_int_equal(in_child(works_anew, false), 0);
	kvhold_go();
	kvtest_join(tid);
}

/* And another one at @place, in what a request for a grace period leads to. */
static void fork_while_one_stands_at(enum kvfree_hook_place place)
{
	needs_fork_beside_threads();
	settles = false;
	kvhold_at(place);
	queue(10);
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_true(kvhold_wait());
	kvhold_off();
	assert_int_equal(in_child(works_anew, false), 0);
	kvhold_go();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

TEST(a_fork_in_a_grace_period_does_not_hang_the_child)
{
	fork_while_one_stands_at(KVFREE_HOOK_GRACE_PERIOD_BEGIN);
}

TEST(a_fork_while_a_worker_frees_does_not_hang_the_child)
{
	fork_while_one_stands_at(KVFREE_HOOK_PIECE);
}

static sem_t asks, asked;

/* While it is called, the dynamic linker's lock is held. */
static int stand_in_the_linker(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void) info;
	(void) size;
	(void) arg;
	sem_post(&asks);
	while (sem_wait(&asked))
		;
	return 1;
}

static void *ask_the_linker(void *arg)
{
	dl_iterate_phdr(stand_in_the_linker, NULL);
	return arg;
}

/* As one does that throws an exception. */
TEST(a_fork_while_the_dynamic_linker_is_asked_does_not_hang_the_child)
{
	pthread_t tid;

	needs_fork_beside_threads();
	queue(10);
	sem_init(&asks, 0, 0);
	sem_init(&asked, 0, 0);
	tid = kvtest_thread(ask_the_linker, NULL);
	while (sem_wait(&asks))
		;
	assert_int_equal(in_child(works_anew, false), 0);
	sem_post(&asked);
	kvtest_join(tid);
}

static int forks_again(void)
{
	queue(10);
	return in_child(works_anew, false);
}

TEST(a_child_of_a_child_works_too)
{
	queue(10);
	assert_int_equal(in_child(forks_again, false), 0);
}

/* ------------------------------------------------------------------ */
/* With the hooks                                                     */

static int frees_its_copy(void)
{
	queue(300);
	if (urcu_kvfree_rcu_barrier_flavor(rcu))
		return 1;
	if (!all_are_freed_once())
		return 2;
	if (kvtest_stats(rcu).pending)
		return 3;
	if (!all_threads_are_there())
		return 4;
	urcu_kvfree_exit();
	return kvtest_stats(NULL).pages ? 5 : 0;
}

TEST(with_hooks_parent_and_child_free_their_copies)
{
	queue(1000);
	kvtest_on_thread(queue_on_thread, NULL);
	assert_int_equal(in_child(frees_its_copy, true), 0);
	queue(10);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

static int frees_by_the_timer(void)
{
	if (!kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG / 2))
		return 1;
	return all_are_freed_once() ? 0 : 2;
}

TEST(with_hooks_the_childs_own_threads_free)
{
	urcu_kvfree_exit();
	kvtest_start(2, 2);
	kvinside_await_gp_thread(rcu);
	queue(200);
	assert_int_equal(in_child(frees_by_the_timer, true), 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

TEST(hooks_without_a_fork_change_nothing)
{
	queue(100);
	urcu_kvfree_before_fork();
	urcu_kvfree_after_fork_parent();
	queue(100);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

TEST(a_hook_too_many_changes_nothing)
{
	urcu_kvfree_before_fork();
	urcu_kvfree_after_fork_parent();
	urcu_kvfree_after_fork_parent();
	queue(100);
	assert_int_equal(in_child(frees_its_copy, true), 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* As two libraries do that both registered the hooks with pthread_atfork(). */
TEST(hooks_may_be_nested)
{
	int status;
	pid_t pid;

	queue(100);
	urcu_kvfree_before_fork();
	urcu_kvfree_before_fork();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(CHILD_HANGS_AFTER);
		if (urcu_kvfree_after_fork_child() ||
		    !kvtest_threads_are("kvfree-", 0) ||
		    urcu_kvfree_after_fork_child())
			_exit(99);
		_exit(frees_its_copy());
	}
	urcu_kvfree_after_fork_parent();
	assert_true(kvfree_domains[0].hands.held);
	urcu_kvfree_after_fork_parent();
	assert_false(kvfree_domains[0].hands.held);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
	/* And from then on as before. */
	assert_int_equal(in_child(frees_its_copy, true), 0);
}

static int forks_with_hooks_again(void)
{
	queue(100);
	return in_child(frees_its_copy, true);
}

TEST(with_hooks_a_child_of_a_child_has_it_all)
{
	queue(100);
	assert_int_equal(in_child(forks_with_hooks_again, true), 0);
}

static int works_after_a_failed_start(void)
{
	if (!kvtest_threads_are("kvfree-", 0))
		return 1;
	kvfault_threads_after(-1);
	kvfree_conf.refill_backoff_msec = 0;	/* tried again at once */
	if (urcu_kvfree_register_thread_flavor(rcu))
		return 2;
	return frees_its_copy();
}

TEST(a_child_that_cannot_start_loses_nothing)
{
	int status, ret;
	pid_t pid;

	queue(100);
	urcu_kvfree_unregister_thread_flavor(rcu);
	urcu_kvfree_before_fork();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(CHILD_HANGS_AFTER);
		kvfault_threads_after(0);
		ret = urcu_kvfree_after_fork_child();
		if (ret != -1 || errno != EAGAIN)
			_exit(98);
		_exit(works_after_a_failed_start());
	}
	urcu_kvfree_after_fork_parent();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

/* Other threads go on queueing while one forks, with hooks. */
#define BUSY	2

static int stop;	/* atomic */
static unsigned int nr_busy;	/* atomic */

static bool all_are_busy(void *unused)
{
	(void) unused;
	return __atomic_load_n(&nr_busy, __ATOMIC_RELAXED) == BUSY;
}

static bool is_told(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *queue_until_told(void *arg)
{
	bool stays = kvtest_is_emulated();	/* see needs_fork_beside_threads() */
	unsigned int n = 0;

	__atomic_fetch_add(&nr_busy, 1, __ATOMIC_RELAXED);
	while (!is_told() && n++ < 10000)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	while (stays && !is_told())
		kvtest_sleep_msec(1);
	return arg;
}

/* The child's copy is one moment of the parent: an object that was made then may
 * not have been queued yet. None may be freed twice, and what was queued before
 * the other threads began is freed. */
static int frees_the_first(void)
{
	size_t i;

	if (urcu_kvfree_rcu_barrier_flavor(rcu))
		return 1;
	for (i = 0; i < 301; i++)
		if (!kvarena_is_freed(kvarena_nth(i)))
			return 2;
	if (kvarena_twice())
		return 3;
	/* Each of them may have counted what it did not come to queue. */
	return kvtest_stats(rcu).pending > BUSY ? 4 : 0;
}

TEST(forks_with_hooks_beside_busy_threads_lose_nothing)
{
	pthread_t tid[BUSY];
	unsigned int i;
	int ret, bad = 0;

	settles = false;
	kvinside_await_gp_thread(rcu);
	queue(100);
	stop = 0;
	nr_busy = 0;
	for (i = 0; i < BUSY; i++)
		tid[i] = kvtest_thread(queue_until_told, NULL);
	/* They have begun; see needs_fork_beside_threads(). */
	assert_true(kvtest_wait(all_are_busy, NULL, KVTEST_LONG));
	for (i = 0; i < 10; i++)
		if ((ret = in_child(frees_the_first, true)))
			bad = ret;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < BUSY; i++)
		kvtest_join(tid[i]);
	assert_int_equal(bad, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_each(a_child_without_hooks_is_as_before_the_first_start),
		test_each(
		a_child_without_hooks_works_and_leaves_the_parents_alone),
		test_each(raw_calls_in_such_a_child_wait_for_a_clean_one),
		test(a_fork_in_the_middle_of_a_call_does_not_hang_the_child),
		test(a_fork_in_a_grace_period_does_not_hang_the_child),
		test(a_fork_while_a_worker_frees_does_not_hang_the_child),
		test(
		a_fork_while_the_dynamic_linker_is_asked_does_not_hang_the_child),
		test_each(a_child_of_a_child_works_too),
		test_each(with_hooks_parent_and_child_free_their_copies),
		test_each(with_hooks_the_childs_own_threads_free),
		test_each(hooks_without_a_fork_change_nothing),
		test_each(a_hook_too_many_changes_nothing),
		test_each(hooks_may_be_nested),
		test_each(with_hooks_a_child_of_a_child_has_it_all),
		test_each(a_child_that_cannot_start_loses_nothing),
		test_each(forks_with_hooks_beside_busy_threads_lose_nothing),
	};

#if defined(KVFREE_TSAN)
	puts("SKIP: TSan's runtime knows no threads in the child of a fork");
	return 77;
#elif defined(KVTEST_ASAN)
	puts("SKIP: ASan's allocator keeps the locks that other threads had at the fork");
	return 77;
#endif
	return kvtest_run(tests);
}
