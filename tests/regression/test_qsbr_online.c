/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_qsbr_online.c - an online QSBR thread may make every call that waits (O3)
 *
 * What such a call waits for may itself wait for a grace period of QSBR: a free
 * function, a reader of another flavor. So the caller has to be off-line while it
 * waits, whatever the call and the flavor are about, and whether or not this
 * library has seen an object of QSBR before. Each case is a process of its own, as
 * the first use of a flavor is only once; one that hangs is ended by SIGALRM.
 */

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvfault.h"

static const struct rcu_flavor_struct *memb = &urcu_memb_flavor;
static const struct rcu_flavor_struct *qsbr = &urcu_qsbr_flavor;

static struct urcu_kvfree_channel *channel, *unused;
static int busy;	/* atomic: the other thread is where the call meets it */
static int caller;	/* atomic: thread id, once it makes the call; -1 after */

static bool other_is_busy(void *unused_arg)
{
	(void) unused_arg;
	return __atomic_load_n(&busy, __ATOMIC_ACQUIRE);
}

/* The call waits, or did not have to. */
static bool caller_waits(void *unused_arg)
{
	int tid = __atomic_load_n(&caller, __ATOMIC_ACQUIRE);

	(void) unused_arg;
	return tid < 0 || (tid > 0 && kvtest_sleeps(tid));
}

/* What the other thread does: let the call wait for it. */
static void let_caller_wait(void)
{
	__atomic_store_n(&busy, 1, __ATOMIC_RELEASE);
	if (!kvtest_wait(caller_waits, NULL, KVTEST_LONG))
		abort();
}

static void free_all(size_t nr, void **ptrs)
{
	while (nr--)
		free(ptrs[nr]);
}

/* A free function that waits for a grace period of QSBR. */
static void free_and_wait(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	let_caller_wait();
	qsbr->update_synchronize_rcu();
	free_all(nr, ptrs);
}

/* The same, and QSBR is a flavor that this library meets here first. */
static void free_queue_and_wait(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	let_caller_wait();
	urcu_kvfree_rcu_flavor(qsbr, kvtest_object_new(2), head);
	qsbr->update_synchronize_rcu();
	free_all(nr, ptrs);
}

/* Make the call; whether the thread is online again after it. */
static bool call_and_look(void (*fn)(void))
{
	__atomic_store_n(&caller, kvtest_tid(), __ATOMIC_RELEASE);
	fn();
	__atomic_store_n(&caller, -1, __ATOMIC_RELEASE);
	return qsbr->read_ongoing();
}

static bool nothing_is_lost(void)
{
	struct urcu_kvfree_stats stats;

	urcu_kvfree_exit();
	stats = kvtest_stats(NULL);
	return stats.queued && stats.freed == stats.queued;
}

/* An online thread calls @fn while a worker is inside @free_bulk. */
static int call_beside_a_worker(void (*fn)(void),
		void (*free_bulk)(size_t nr, void **ptrs, void *priv))
{
	bool online;

	kvtest_start(1, 2);
	channel = urcu_kvfree_channel_create("waits", free_bulk, NULL);
	unused = urcu_kvfree_channel_create("unused", free_and_wait, NULL);
	if (!channel || !unused)
		return 1;
	qsbr->register_thread();
	urcu_kvfree_rcu_channel_flavor(memb, kvtest_object_new(1), head,
			channel);
	if (!kvtest_wait(other_is_busy, NULL, KVTEST_LONG))
		return 2;
	online = call_and_look(fn);
	qsbr->unregister_thread();
	if (!online)
		return 3;
	return nothing_is_lost() ? KVCHILD_OK : 4;
}

/* ------------------------------------------------------------------ */
/* The calls                                                          */

static void call_barrier(void)
{
	urcu_kvfree_rcu_barrier_flavor(memb);
}

static void call_shrink(void)
{
	urcu_kvfree_shrink();
}

static void call_destroy(void)
{
	urcu_kvfree_channel_destroy(unused);
}

static void call_fork_hooks(void)
{
	urcu_kvfree_before_fork();
	urcu_kvfree_after_fork_parent();
}

static int barrier_of_another_flavor(void)
{
	return call_beside_a_worker(call_barrier, free_and_wait);
}

static int barrier_and_first_use(void)
{
	return call_beside_a_worker(call_barrier, free_queue_and_wait);
}

static int shrink_and_first_use(void)
{
	return call_beside_a_worker(call_shrink, free_queue_and_wait);
}

static int exit_and_first_use(void)
{
	return call_beside_a_worker(urcu_kvfree_exit, free_queue_and_wait);
}

static int destroy_and_first_use(void)
{
	return call_beside_a_worker(call_destroy, free_queue_and_wait);
}

static int before_fork_and_first_use(void)
{
	return call_beside_a_worker(call_fork_hooks, free_queue_and_wait);
}

/* ------------------------------------------------------------------ */

static void call_init(void)
{
	if (urcu_kvfree_init(NULL))
		abort();
}

static void *init_online(void *online)
{
	qsbr->register_thread();
	__atomic_store_n(&busy, 1, __ATOMIC_RELEASE);
	*(bool *) online = call_and_look(call_init);
	qsbr->unregister_thread();
	return NULL;
}

/* Between the hooks, other libraries' hooks wait for grace periods. */
static int init_between_fork_hooks(void)
{
	bool online = false;
	pthread_t tid;

	kvtest_start(1, 2);
	urcu_kvfree_before_fork();
	tid = kvtest_thread(init_online, &online);
	if (!kvtest_wait(other_is_busy, NULL, KVTEST_LONG))
		return 1;
	let_caller_wait();
	qsbr->update_synchronize_rcu();
	urcu_kvfree_after_fork_parent();
	kvtest_join(tid);
	urcu_kvfree_exit();
	return online ? KVCHILD_OK : 3;
}

/* ------------------------------------------------------------------ */

static void *read_and_wait_for_qsbr(void *arg)
{
	memb->register_thread();
	memb->read_lock();
	let_caller_wait();
	qsbr->update_synchronize_rcu();
	memb->read_unlock();
	memb->unregister_thread();
	return arg;
}

/* An online thread calls @fn while a reader of memb waits for QSBR. */
static int call_beside_a_reader(void (*fn)(void))
{
	pthread_t reader;
	bool online;

	qsbr->register_thread();
	urcu_kvfree_rcu_flavor(memb, kvtest_object_new(1), head);
	reader = kvtest_thread(read_and_wait_for_qsbr, NULL);
	if (!kvtest_wait(other_is_busy, NULL, KVTEST_LONG))
		return 2;
	online = call_and_look(fn);
	qsbr->thread_offline();
	kvtest_join(reader);
	qsbr->unregister_thread();
	if (!online)
		return 3;
	return nothing_is_lost() ? KVCHILD_OK : 4;
}

static int barrier_beside_a_reader(void)
{
	kvtest_start(1, 2);
	return call_beside_a_reader(call_barrier);
}

/* With no memory for a page, or more pending than the cap, this call waits. */
static void call_mightsleep(void)
{
	kvfault_memory(true);
	urcu_kvfree_rcu_mightsleep_flavor(memb, malloc(1));
	kvfault_memory(false);
}

static int mightsleep_without_memory(void)
{
	setenv("URCU_KVFREE_MIN_CACHED_PAGES", "0", 1);
	kvtest_start(1, 2);
	return call_beside_a_reader(call_mightsleep);
}

#define scenario(name)	{ #name, name }

static const struct kvchild_scenario scenarios[] = {
	scenario(barrier_of_another_flavor),
	scenario(barrier_and_first_use),
	scenario(barrier_beside_a_reader),
	scenario(shrink_and_first_use),
	scenario(exit_and_first_use),
	scenario(destroy_and_first_use),
	scenario(before_fork_and_first_use),
	scenario(init_between_fork_hooks),
	scenario(mightsleep_without_memory),
	{ NULL, NULL },
};

static void assert_ends_well(const char *name)
{
	char err[4096];
	int status = kvchild_run(name, err, sizeof(err));

	if (status != KVCHILD_OK)
		print_message("%s: status %d %s\n", name, status, err);
	assert_int_equal(status, KVCHILD_OK);
}

TEST(init_while_the_library_runs_holds_up_no_grace_period)
{
	kvtest_needs_proc();
	assert_ends_well("init_between_fork_hooks");
}

TEST(a_barrier_of_another_flavor_takes_the_caller_offline)
{
	kvtest_needs_proc();
	assert_ends_well("barrier_of_another_flavor");
	assert_ends_well("barrier_and_first_use");
	assert_ends_well("barrier_beside_a_reader");
}

TEST(shrink_and_destroy_take_the_caller_offline_on_a_flavor_yet_unused)
{
	kvtest_needs_proc();
	assert_ends_well("shrink_and_first_use");
	assert_ends_well("destroy_and_first_use");
}

TEST(exit_takes_the_caller_offline_on_a_flavor_yet_unused)
{
	kvtest_needs_proc();
	assert_ends_well("exit_and_first_use");
}

TEST(before_fork_takes_the_caller_offline_on_a_flavor_yet_unused)
{
	kvtest_needs_proc();
	assert_ends_well("before_fork_and_first_use");
}

TEST(mightsleep_of_another_flavor_waits_offline)
{
	kvtest_needs_proc();
	assert_ends_well("mightsleep_without_memory");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		init_while_the_library_runs_holds_up_no_grace_period),
		cmocka_unit_test(
		a_barrier_of_another_flavor_takes_the_caller_offline),
		cmocka_unit_test(
		shrink_and_destroy_take_the_caller_offline_on_a_flavor_yet_unused),
		cmocka_unit_test(
		exit_takes_the_caller_offline_on_a_flavor_yet_unused),
		cmocka_unit_test(
		before_fork_takes_the_caller_offline_on_a_flavor_yet_unused),
		cmocka_unit_test(mightsleep_of_another_flavor_waits_offline),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
