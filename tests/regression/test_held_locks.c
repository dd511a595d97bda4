/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_held_locks.c - calls that look at all records, while many threads spend
 * most of their time with the lock of their record held (O2)
 *
 * At no moment are all locks free. A call that wants them so never returns; one
 * that waits for each in its turn does, after a grace period or two.
 */

#include "cmocka-all.h"
#include "kvagain.h"
#include "kvhold.h"
#include "kvinside.h"

#define THREADS		24
/* One of its own, one that ran when the call was made, and as many again. */
#define MOST_GRACE_PERIODS	4

static const struct rcu_flavor_struct *rcu = &urcu_memb_flavor;
static struct urcu_kvfree_channel *channel;
static unsigned int holders;	/* atomic: threads that have a record */
static unsigned int held;	/* atomic: how often a lock was held for long */
static int stop;		/* atomic */
static pthread_t tid[THREADS];

static void free_none(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

/* One to three milliseconds, so that the threads do not keep step. */
static void stay(void)
{
	unsigned int nr = __atomic_fetch_add(&held, 1, __ATOMIC_RELEASE);

	/* The test holds it, not the raw call, as far as urcu-rawcheck goes. */
	urcu_rawcheck_leave();
	kvtest_sleep_msec(1 + nr % 3);
}

/* The first free tells how large the thread's objects are. Before that its pages ask
 * for grace periods by themselves. */
static void *hold_and_let_go(void *arg)
{
	urcu_kvfree_rcu_mightsleep_flavor(rcu, kvagain_object());
	if (urcu_kvfree_rcu_barrier_flavor(rcu))
		abort();
	__atomic_fetch_add(&holders, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		urcu_kvfree_rcu_try_flavor(rcu, kvagain_object());
		kvtest_sleep_msec(1);
	}
	return arg;
}

static bool all_hold(void *unused)
{
	(void) unused;
	return __atomic_load_n(&holders, __ATOMIC_ACQUIRE) == THREADS;
}

static bool held_often(void *unused)
{
	(void) unused;
	return __atomic_load_n(&held, __ATOMIC_ACQUIRE) > 10 * THREADS;
}

/* Neither the tick nor the budget asks for a grace period here. */
FIXTURE(begin)
{
	unsigned int i;

	setenv("URCU_KVFREE_BATCH_BYTES", "1000000000", 1);
	kvtest_start(60000, 2);
	channel = urcu_kvfree_channel_create("unused", free_none, NULL);
	holders = held = 0;
	stop = 0;
	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(hold_and_let_go, NULL);
	if (!kvtest_wait(all_hold, NULL, KVTEST_LONG))
		abort();
	kvhold_every(KVFREE_HOOK_RAW_LOCKED, stay);
	return kvtest_wait(held_often, NULL, KVTEST_LONG) ? 0 : -1;
}

FIXTURE(end)
{
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	return 0;
}

struct call {
	void (*fn)(void);
	uint64_t grace_periods;	/* that it took; for who joins the thread */
	int returned;		/* atomic */
};

static void *make_call(void *arg)
{
	struct call *call = arg;
	uint64_t before = kvtest_stats(rcu).grace_periods;

	call->fn();
	call->grace_periods = kvtest_stats(rcu).grace_periods - before;
	__atomic_store_n(&call->returned, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool has_returned(void *arg)
{
	struct call *call = arg;

	return __atomic_load_n(&call->returned, __ATOMIC_ACQUIRE);
}

static void assert_returns(void (*fn)(void))
{
	struct call call = { fn, 0, 0 };
	pthread_t caller = kvtest_thread(make_call, &call);
	bool returned = kvtest_wait(has_returned, &call, KVTEST_LONG);
	unsigned int i;

	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	kvhold_off();
	kvtest_join(caller);
	assert_true(returned);
	assert_in_range(call.grace_periods, 0, MOST_GRACE_PERIODS);
}

static void call_barrier(void)
{
	urcu_kvfree_rcu_barrier_flavor(rcu);
}

static void call_shrink(void)
{
	urcu_kvfree_shrink();
}

static void call_destroy(void)
{
	urcu_kvfree_channel_destroy(channel);
	channel = NULL;
}

static void call_fork_hooks(void)
{
	urcu_kvfree_before_fork();
	urcu_kvfree_after_fork_parent();
}

TEST(barrier_returns_though_some_lock_is_always_held)
{
	assert_returns(call_barrier);
}

TEST(shrink_returns_though_some_lock_is_always_held)
{
	assert_returns(call_shrink);
}

TEST(channel_destroy_returns_though_some_lock_is_always_held)
{
	assert_returns(call_destroy);
}

TEST(before_fork_returns_though_some_lock_is_always_held)
{
	assert_returns(call_fork_hooks);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(barrier_returns_though_some_lock_is_always_held),
		test(shrink_returns_though_some_lock_is_always_held),
		test(channel_destroy_returns_though_some_lock_is_always_held),
		test(before_fork_returns_though_some_lock_is_always_held),
	};

	return kvtest_run(tests);
}
