/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_two_flavors.c - who frees what a thread has queued, when it uses two flavors
 * in turn (O4), and when it makes few clean calls after a burst of raw ones (O5)
 *
 * Memory was held for long, by rules that took the thread for one that would free
 * its objects itself.
 */

#include "cmocka-all.h"

/* ------------------------------------------------------------------ */
/* O4                                                                 */

#define FLAVORS		2
#define CALLS		1500000	/* on each flavor */
#define CALLS_A_LOOK	250
#define OBJECT_BYTES	64

/*
 * What may wait, in objects: those queued before and during a grace period, and
 * before the one that it kept waiting. Machines differ in how many that is, so it
 * is measured: the most that were queued between the ends of two grace periods. The
 * rest is for pages that fill.
 */
#define INTERVALS	4
#define PAGES_FILL	65536

struct watch {
	uint64_t grace_periods, queued;	/* when one ended last */
	uint64_t most_queued;		/* from one end to the next */
	uint64_t most_pending;
	uint64_t owner_freed;		/* at the start */
};

static void watch_begin(struct watch *watch,
		const struct rcu_flavor_struct *rcu)
{
	struct urcu_kvfree_stats stats = kvtest_stats(rcu);

	watch->grace_periods = stats.grace_periods;
	watch->queued = stats.queued;
	watch->most_queued = watch->most_pending = 0;
	watch->owner_freed = stats.owner_freed;
}

static void watch_look(struct watch *watch,
		const struct rcu_flavor_struct *rcu)
{
	struct urcu_kvfree_stats stats = kvtest_stats(rcu);
	uint64_t queued = stats.queued - watch->queued;

	if (queued > watch->most_queued)
		watch->most_queued = queued;
	if (stats.pending > watch->most_pending)
		watch->most_pending = stats.pending;
	if (stats.grace_periods == watch->grace_periods)
		return;
	watch->grace_periods = stats.grace_periods;
	watch->queued = stats.queued;
}

static void queue_some(const struct rcu_flavor_struct *const *rcu)
{
	unsigned int i;

	for (i = 0; i < CALLS_A_LOOK * FLAVORS; i++)
		urcu_kvfree_rcu_mightsleep_flavor(rcu[i % FLAVORS],
				malloc(OBJECT_BYTES));
}

static void assert_bounded_in_turn(const struct rcu_flavor_struct *const *rcu)
{
	struct watch watch[FLAVORS];
	unsigned int calls, f;

	for (f = 0; f < FLAVORS; f++)
		watch_begin(&watch[f], rcu[f]);
	for (calls = 0; calls < CALLS; calls += CALLS_A_LOOK) {
		queue_some(rcu);
		for (f = 0; f < FLAVORS; f++)
			watch_look(&watch[f], rcu[f]);
	}
	for (f = 0; f < FLAVORS; f++) {
		assert_true(watch[f].most_pending <=
			INTERVALS * watch[f].most_queued + PAGES_FILL);
		assert_true(kvtest_stats(rcu[f]).owner_freed -
			watch[f].owner_freed > CALLS / 4);
		assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu[f]), 0);
	}
}

TEST(two_flavors_in_turn_keep_no_more_than_their_grace_periods_need)
{
	static const struct rcu_flavor_struct *const rcu[FLAVORS] = {
		&urcu_memb_flavor, &urcu_bp_flavor,
	};

	kvtest_start(100, 2);
	assert_bounded_in_turn(rcu);
	urcu_kvfree_exit();
}

/* ------------------------------------------------------------------ */
/* O5                                                                 */

#define TICK_MSEC	20
#define BURST		300000
#define FEW		3000

/* Raw calls, all of which find a page. */
static void burst(const struct rcu_flavor_struct *rcu)
{
	unsigned int i;

	for (i = 0; i < BURST; i++) {
		void *ptr = malloc(OBJECT_BYTES);

		while (!urcu_kvfree_rcu_try_flavor(rcu, ptr))
			kvtest_sleep_msec(1);
	}
}

struct trickle {
	const struct rcu_flavor_struct *rcu;
	unsigned int calls;
};

/* One clean call at each look of kvtest_wait(): several to a tick, and far too few
 * to free the burst. */
static void trickle_call(struct trickle *trickle)
{
	urcu_kvfree_rcu_mightsleep_flavor(trickle->rcu, malloc(OBJECT_BYTES));
	trickle->calls++;
}

static bool some_ticks_passed(void *arg)
{
	struct trickle *trickle = arg;

	trickle_call(trickle);
	return trickle->calls >= TICK_MSEC * 5;
}

static bool few_pend(void *arg)
{
	struct trickle *trickle = arg;

	trickle_call(trickle);
	return kvtest_stats(trickle->rcu).pending < FEW;
}

/* The burst gets ripe when the thread is known for its clean calls. */
static void a_trickle_of_clean_calls_does_not_hold_a_raw_burst(void **state)
{
	struct trickle trickle = { kvtest_of(state), 0 };
	struct kvtest_reader reader;
	uint64_t owner_freed;

	kvtest_start(TICK_MSEC, 2);
	owner_freed = kvtest_stats(trickle.rcu).owner_freed;
	kvtest_reader_enter(&reader, trickle.rcu);
	burst(trickle.rcu);
	assert_true(kvtest_wait(some_ticks_passed, &trickle, KVTEST_LONG));
	kvtest_reader_leave(&reader);
	assert_true(kvtest_wait(few_pend, &trickle, KVTEST_LONG));
	/* Those calls did not do it. */
	assert_true(trickle.calls < BURST / 4);
	assert_true(kvtest_stats(trickle.rcu).owner_freed - owner_freed <
		BURST / 2);
	urcu_kvfree_exit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		two_flavors_in_turn_keep_no_more_than_their_grace_periods_need),
		kvtest_flavors_test(
		a_trickle_of_clean_calls_does_not_hold_a_raw_burst),
	};

	return kvtest_run(tests);
}
