/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_gp.c - numbered grace periods: cookies, runners, waits, holds, stalls
 *
 * Each test has a struct kvfree_gp of its own; no thread of the library runs.
 */

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <urcu/flavor.h>

#include "cmocka-all.h"
#include "gp.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"

static struct kvfree_gp gp;

FIXTURE(begin)
{
	memset(&gp, 0, sizeof(gp));
	pthread_mutex_init(&gp.lock, NULL);
	pthread_cond_init(&gp.cond, NULL);
	return 0;
}

FIXTURE(end)
{
	kvhold_off();
	kvgp_let_go();
	return 0;
}

static void run_one(const struct rcu_flavor_struct *flavor)
{
	assert_true(kvfree_gp_begin(&gp));
	kvfree_gp_run(&gp, flavor);
}

/* ------------------------------------------------------------------ */
/* Numbers                                                            */

TEST(a_cookie_is_the_number_of_the_next_grace_period)
{
	assert_int_equal(kvfree_gp_cookie(&gp), 1);
	assert_int_equal(kvfree_gp_cookie(&gp), 1);
	run_one(&kvgp_flavor);
	assert_int_equal(kvfree_gp_completed(&gp), 1);
	assert_int_equal(kvfree_gp_cookie(&gp), 2);
}

TEST(a_cookie_is_over_with_its_grace_period)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);

	assert_false(kvfree_gp_over(&gp, cookie));
	run_one(&kvgp_flavor);
	assert_true(kvfree_gp_over(&gp, cookie));
	assert_false(kvfree_gp_over(&gp, kvfree_gp_cookie(&gp)));
	run_one(&kvgp_flavor);
	assert_true(kvfree_gp_over(&gp, cookie));
}

static unsigned long number_at_begin, completed_at_end;

static void look_at_begin(void)
{
	number_at_begin = kvfree_gp_cookie(&gp);
}

static void look_at_end(void)
{
	completed_at_end = kvfree_gp_completed(&gp);
}

/* What is collected before the number moves waits for it. */
TEST(the_number_moves_before_the_wait_and_is_over_after_it)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);

	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, look_at_begin);
	run_one(&kvgp_flavor);
	assert_int_equal(number_at_begin, cookie);
	cookie = kvfree_gp_cookie(&gp);
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_OVER, look_at_end);
	run_one(&kvgp_flavor);
	assert_int_equal(completed_at_end, cookie - 1);
	assert_int_equal(kvfree_gp_completed(&gp), cookie);
}

static void *run_on_a_thread(void *arg)
{
	if (!kvfree_gp_begin(&gp))
		return NULL;
	kvfree_gp_run(&gp, &kvgp_flavor);
	return arg;
}

/* K1 */
TEST(a_cookie_read_while_one_runs_waits_for_the_next)
{
	unsigned long before = kvfree_gp_cookie(&gp), during;
	uint64_t begun = kvgp_begun();
	pthread_t tid;

	kvgp_hold();
	tid = kvtest_thread(run_on_a_thread, &gp);
	assert_true(kvgp_wait_begun(begun + 1));
	during = kvfree_gp_cookie(&gp);
	assert_int_equal(during, before + 1);
	assert_false(kvfree_gp_over(&gp, before));
	kvgp_let_go();
	assert_ptr_equal(kvtest_join(tid), &gp);
	assert_true(kvfree_gp_over(&gp, before));
	assert_false(kvfree_gp_over(&gp, during));
}

TEST(numbers_are_compared_by_their_difference)
{
	assert_true(kvfree_gp_reached(5, 5));
	assert_true(kvfree_gp_reached(6, 5));
	assert_false(kvfree_gp_reached(4, 5));
	assert_true(kvfree_gp_reached(0, ULONG_MAX));
	assert_true(kvfree_gp_reached(3, ULONG_MAX - 3));
	assert_false(kvfree_gp_reached(ULONG_MAX, 0));
	assert_false(kvfree_gp_reached(ULONG_MAX - 3, 3));
	assert_true(kvfree_gp_reached((unsigned long) LONG_MAX + 1, LONG_MAX));
	assert_false(kvfree_gp_reached(LONG_MAX, (unsigned long) LONG_MAX + 1));
}

static void wrap_from(unsigned long number)
{
	unsigned long cookie;
	unsigned int i;

	gp.started = gp.completed = number;
	for (i = 0; i < 4; i++) {
		cookie = kvfree_gp_cookie(&gp);
		assert_int_equal(cookie, number + 1 + i);
		assert_false(kvfree_gp_over(&gp, cookie));
		assert_false(kvfree_gp_wait(&gp, cookie, true));
		run_one(&kvgp_flavor);
		assert_true(kvfree_gp_over(&gp, cookie));
		assert_true(kvfree_gp_wait(&gp, cookie, true));
	}
	assert_true(kvfree_gp_over(&gp, number));
}

TEST(numbers_may_wrap)
{
	wrap_from(ULONG_MAX - 2);
	wrap_from((unsigned long) LONG_MAX - 2);
}

TEST(a_grace_period_outside_the_numbers_moves_none)
{
	uint64_t begun = kvgp_begun();

	kvfree_gp_synchronize(&kvgp_flavor);
	assert_int_equal(kvgp_begun(), begun + 1);
	assert_int_equal(kvfree_gp_cookie(&gp), 1);
	assert_int_equal(kvfree_gp_completed(&gp), 0);
}

/* ------------------------------------------------------------------ */
/* Runners                                                            */

TEST(one_at_a_time_is_the_runner)
{
	assert_true(kvfree_gp_begin(&gp));
	assert_true(kvfree_gp_is_running(&gp));
	assert_false(kvfree_gp_begin(&gp));
	assert_null(kvtest_on_thread(run_on_a_thread, &gp));
	kvfree_gp_run(&gp, &kvgp_flavor);
	assert_false(kvfree_gp_is_running(&gp));
	assert_true(kvfree_gp_begin(&gp));
	kvfree_gp_run(&gp, &kvgp_flavor);
	assert_int_equal(gp.count, 2);
}

#define RUNNERS	4
#define EACH	500

static struct {
	unsigned int unlinked[RUNNERS];	/* atomic: by each runner so far */
	unsigned int seen[RUNNERS];	/* atomic: by the last grace period */
	unsigned int inside, most;	/* atomic: grace periods at once */
} order;

static void look_at_all(void)
{
	unsigned int now = __atomic_add_fetch(&order.inside, 1,
			__ATOMIC_RELAXED);
	unsigned int i;

	if (now > __atomic_load_n(&order.most, __ATOMIC_RELAXED))
		__atomic_store_n(&order.most, now, __ATOMIC_RELAXED);
	for (i = 0; i < RUNNERS; i++)
		__atomic_store_n(&order.seen[i],
			__atomic_load_n(&order.unlinked[i], __ATOMIC_RELAXED),
			__ATOMIC_RELAXED);
	__atomic_fetch_sub(&order.inside, 1, __ATOMIC_RELAXED);
}

static const struct rcu_flavor_struct looking_flavor = {
	.update_synchronize_rcu = look_at_all,
};

/* Wait for @cookie, with whatever grace periods it takes. */
static void wait_or_run(unsigned long cookie)
{
	while (!kvfree_gp_wait(&gp, cookie, true))
		if (kvfree_gp_begin(&gp))
			kvfree_gp_run(&gp, &looking_flavor);
}

static void *unlink_and_wait(void *arg)
{
	unsigned int *unlinked = arg;
	unsigned int *seen = &order.seen[unlinked - order.unlinked];
	unsigned int i, bad = 0;

	for (i = 1; i <= EACH; i++) {
		__atomic_store_n(unlinked, i, __ATOMIC_RELAXED);
		wait_or_run(kvfree_gp_cookie(&gp));
		/* Whoever ran it: it began after the unlinking. */
		bad += __atomic_load_n(seen, __ATOMIC_RELAXED) != i;
	}
	return bad ? NULL : arg;
}

/* A, C */
TEST(who_waits_for_another_runner_is_covered_by_it)
{
	pthread_t tid[RUNNERS];
	unsigned int i, good = 0;

	memset(&order, 0, sizeof(order));
	for (i = 0; i < RUNNERS; i++)
		tid[i] = kvtest_thread(unlink_and_wait, &order.unlinked[i]);
	for (i = 0; i < RUNNERS; i++)
		good += kvtest_join(tid[i]) != NULL;
	assert_int_equal(good, RUNNERS);
	assert_int_equal(order.most, 1);
	/* Each number once, and no more than were asked for. */
	assert_int_equal(gp.completed, gp.started);
	assert_int_equal(gp.count, gp.completed);
	assert_in_range(gp.count, EACH, RUNNERS * EACH);
}

/* ------------------------------------------------------------------ */
/* Waits                                                              */

TEST(a_wait_where_nobody_runs_is_the_callers_turn)
{
	assert_false(kvfree_gp_wait(&gp, kvfree_gp_cookie(&gp), true));
	assert_true(kvfree_gp_wait(&gp, kvfree_gp_completed(&gp), true));
}

static int returned;	/* atomic: waits that returned */

static void *wait_once(void *cookie)
{
	bool over = kvfree_gp_wait(&gp, *(unsigned long *) cookie, true);

	__atomic_fetch_add(&returned, 1, __ATOMIC_SEQ_CST);
	return over ? cookie : NULL;
}

TEST(a_grace_period_ends_all_waits_for_it)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);
	uint64_t begun = kvgp_begun();
	pthread_t runner, waiter[RUNNERS];
	unsigned int i;

	returned = 0;
	kvgp_hold();
	runner = kvtest_thread(run_on_a_thread, &gp);
	assert_true(kvgp_wait_begun(begun + 1));
	for (i = 0; i < RUNNERS; i++)
		waiter[i] = kvtest_thread(wait_once, &cookie);
	assert_int_equal(__atomic_load_n(&returned, __ATOMIC_SEQ_CST), 0);
	kvgp_end_one();
	for (i = 0; i < RUNNERS; i++)
		assert_ptr_equal(kvtest_join(waiter[i]), &cookie);
	kvtest_join(runner);
	assert_int_equal(kvgp_begun(), begun + 1);
}

/* The wait for the second returns when the first is over: somebody has to begin it. */
TEST(a_wait_for_the_next_one_returns_for_its_caller_to_run_it)
{
	uint64_t begun = kvgp_begun();
	unsigned long second;
	pthread_t runner, waiter;

	kvgp_hold();
	runner = kvtest_thread(run_on_a_thread, &gp);
	assert_true(kvgp_wait_begun(begun + 1));
	second = kvfree_gp_cookie(&gp);
	waiter = kvtest_thread(wait_once, &second);
	kvgp_end_one();
	assert_null(kvtest_join(waiter));
	kvtest_join(runner);
}

/* ------------------------------------------------------------------ */
/* Holds                                                              */

TEST(none_begins_during_a_hold)
{
	kvfree_gp_hold(&gp);
	assert_false(kvfree_gp_begin(&gp));
	kvfree_gp_release(&gp);
	run_one(&kvgp_flavor);
}

TEST(owners_find_nothing_ripe_during_a_hold)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);

	assert_false(kvfree_gp_ripe(&gp, cookie));
	run_one(&kvgp_flavor);
	assert_true(kvfree_gp_ripe(&gp, cookie));
	kvfree_gp_hold(&gp);
	assert_false(kvfree_gp_ripe(&gp, cookie));
	assert_true(kvfree_gp_over(&gp, cookie));
	kvfree_gp_release(&gp);
	assert_true(kvfree_gp_ripe(&gp, cookie));
}

static void *hold(void *arg)
{
	kvfree_gp_hold(&gp);
	__atomic_fetch_add(&returned, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static bool is_held(void *unused)
{
	(void) unused;
	return __atomic_load_n(&gp.held, __ATOMIC_RELAXED);
}

TEST(a_hold_waits_for_the_one_that_runs)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);
	uint64_t begun = kvgp_begun();
	pthread_t runner, holder;

	returned = 0;
	kvgp_hold();
	runner = kvtest_thread(run_on_a_thread, &gp);
	assert_true(kvgp_wait_begun(begun + 1));
	holder = kvtest_thread(hold, NULL);
	assert_true(kvtest_wait(is_held, NULL, KVTEST_LONG));
	assert_int_equal(__atomic_load_n(&returned, __ATOMIC_SEQ_CST), 0);
	kvgp_end_one();
	kvtest_join(holder);
	assert_false(kvfree_gp_is_running(&gp));
	assert_true(kvfree_gp_over(&gp, cookie));
	kvtest_join(runner);
	kvfree_gp_release(&gp);
}

/* Its caller could run none, and would ask without end. */
TEST(a_wait_lasts_as_long_as_a_hold)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);
	pthread_t waiter;

	returned = 0;
	kvfree_gp_hold(&gp);
	waiter = kvtest_thread(wait_once, &cookie);
	kvtest_sleep_msec(5);
	assert_int_equal(__atomic_load_n(&returned, __ATOMIC_SEQ_CST), 0);
	kvfree_gp_release(&gp);
	assert_null(kvtest_join(waiter));
}

TEST(a_wait_without_the_hold_ends_where_none_may_begin)
{
	unsigned long cookie = kvfree_gp_cookie(&gp);

	assert_false(kvfree_gp_is_held(&gp));
	kvfree_gp_hold(&gp);
	assert_true(kvfree_gp_is_held(&gp));
	assert_false(kvfree_gp_wait(&gp, cookie, false));
	kvfree_gp_release(&gp);
	run_one(&kvgp_flavor);
	kvfree_gp_hold(&gp);
	assert_true(kvfree_gp_wait(&gp, cookie, false));
	kvfree_gp_release(&gp);
}

/* ------------------------------------------------------------------ */
/* How long they take                                                 */

#define LONG_NSEC	(5 * KVFREE_GP_SHORT_NSEC)

static void take_long(void)
{
	uint64_t until = kvfree_now_nsec() + LONG_NSEC;

	while (kvfree_now_nsec() < until)
		;
}

static const struct rcu_flavor_struct slow_flavor = {
	.update_synchronize_rcu = take_long,
};

/* A runner that lost its processor has learned nothing: until one kept it. */
static bool learns_that_they_are_long(void *flavor)
{
	run_one(flavor);
	return !kvfree_gp_is_short(&gp);
}

static bool is_learned_from(const struct rcu_flavor_struct *flavor)
{
	return kvtest_wait(learns_that_they_are_long, (void *) flavor,
			KVTEST_LONG);
}

TEST(the_estimate_rises_at_once)
{
	assert_true(kvfree_gp_is_short(&gp));
	assert_true(is_learned_from(&slow_flavor));
	assert_true(gp.estimate_nsec >= LONG_NSEC);
	assert_true(gp.longest_msec >= LONG_NSEC / 1000000);
}

static bool estimate_falls(void *to)
{
	run_one(&kvgp_flavor);
	return gp.estimate_nsec == *(uint64_t *) to;
}

TEST(the_estimate_falls_by_quarters)
{
	const uint64_t ages = (uint64_t) 1 << 60;
	uint64_t first = ages / 4 * 3, second = ages / 16 * 9;

	gp.estimate_nsec = ages;
	assert_true(kvtest_wait(estimate_falls, &first, KVTEST_LONG));
	assert_true(kvtest_wait(estimate_falls, &second, KVTEST_LONG));
}

static void sleep_long(void)
{
	const struct timespec nap = { .tv_nsec = LONG_NSEC };

	nanosleep(&nap, NULL);
}

static const struct rcu_flavor_struct sleepy_flavor = {
	.update_synchronize_rcu = sleep_long,
};

/* To wait for readers is not to lose the processor. */
TEST(the_estimate_rises_where_the_runner_sleeps)
{
	assert_true(is_learned_from(&sleepy_flavor));
}

static bool lost_it;

static long times_lost(void)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

/* Until the other thread of this processor has had its turn. */
static void lose_the_processor(void)
{
	uint64_t until = kvfree_now_msec() + KVFREE_GP_OLD_MSEC / 2;
	long before = times_lost();

	do {
		lost_it = times_lost() != before;
	} while (!lost_it && kvfree_now_msec() < until);
}

static const struct rcu_flavor_struct unlucky_flavor = {
	.update_synchronize_rcu = lose_the_processor,
};

/* And then for a reader. */
static void lose_it_and_wait(void)
{
	const struct timespec nap = {
		.tv_nsec = KVFREE_GP_OLD_MSEC * 1000000L,
	};

	lose_the_processor();
	nanosleep(&nap, NULL);
}

static const struct rcu_flavor_struct patient_flavor = {
	.update_synchronize_rcu = lose_it_and_wait,
};

static int done;	/* atomic */

static void *spin(void *unused)
{
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
		;
	return unused;
}

static cpu_set_t bind_to_one(void)
{
	cpu_set_t before, one;
	int cpu;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &before); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	return before;
}

/* Whether @holds comes true on a processor that another thread wants as well. */
static bool wait_beside_another(bool (*holds)(void *))
{
	cpu_set_t before = bind_to_one();
	pthread_t tid;
	bool held;

	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	tid = kvtest_thread(spin, NULL);
	held = kvtest_wait(holds, NULL, KVTEST_LONG);
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	kvtest_join(tid);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	return held;
}

static void run_from_anew(const struct rcu_flavor_struct *flavor)
{
	gp.estimate_nsec = 0;
	gp.usual_nsec = 2 * KVFREE_GP_CHEAP_NSEC;
	run_one(flavor);
}

/* On a busy machine it may be gone for so long that it counts as a reader's time. */
static bool learns_nothing(void *unused)
{
	(void) unused;
	run_from_anew(&unlucky_flavor);
	return lost_it && gp.estimate_nsec == 0 &&
		gp.usual_nsec == 2 * KVFREE_GP_CHEAP_NSEC;
}

TEST(a_runner_that_lost_its_processor_tells_nothing_about_the_next)
{
	assert_true(wait_beside_another(learns_nothing));
}

static bool loses_it_for_a_reader(void *unused)
{
	(void) unused;
	run_from_anew(&patient_flavor);
	return lost_it;
}

/* Nobody loses it for so long: that is a reader. */
TEST(a_very_long_one_counts_whatever_its_runner_lost)
{
	assert_true(wait_beside_another(loses_it_for_a_reader));
	assert_false(kvfree_gp_is_short(&gp));
	assert_int_equal(gp.usual_nsec, 2 * KVFREE_GP_CHEAP_NSEC);
}

static bool less_than_one_budget_waits(void *unused)
{
	(void) unused;
	run_one(&unlucky_flavor);
	return lost_it && kvfree_gp_is_short(&gp) &&
		kvfree_gp_quarters(&gp) < KVFREE_ONE_BUDGET;
}

static bool one_budget_waits_again(void *unused)
{
	(void) unused;
	run_one(&kvgp_flavor);
	return kvfree_gp_is_short(&gp) &&
		kvfree_gp_quarters(&gp) >= KVFREE_ONE_BUDGET;
}

/* Too many threads: what waits is cold, and each of them has its part. */
TEST(after_a_runner_lost_its_processor_less_than_one_budget_waits)
{
	gp.usual_nsec = 2 * KVFREE_GP_CHEAP_NSEC;
	assert_true(wait_beside_another(less_than_one_budget_waits));
	assert_int_equal(gp.lost, 256);
	assert_true(kvtest_wait(one_budget_waits_again, NULL, KVTEST_LONG));
	assert_int_equal(gp.lost, 0);
}

TEST(budgets_follow_what_is_usual)
{
	gp.usual_nsec = KVFREE_GP_CHEAP_NSEC - 1;
	assert_int_equal(kvfree_gp_quarters(&gp), KVFREE_ONE_BUDGET);
	gp.usual_nsec = 3 * KVFREE_GP_CHEAP_NSEC;
	assert_int_equal(kvfree_gp_quarters(&gp), 3 * KVFREE_ONE_BUDGET);
	gp.usual_nsec = KVFREE_GP_SHORT_NSEC - 1;
	assert_int_equal(kvfree_gp_quarters(&gp),
			KVFREE_GP_MOST_BUDGETS * KVFREE_ONE_BUDGET);
	gp.estimate_nsec = KVFREE_GP_SHORT_NSEC;
	assert_int_equal(kvfree_gp_quarters(&gp), KVFREE_ONE_BUDGET);
}

/* Its runner may lose the processor also before it begins and after its end. */
TEST(one_is_old_once_it_has_lasted_for_long)
{
	assert_int_equal(gp.since_msec, 0);
	assert_false(kvfree_gp_is_old(&gp));
	gp.since_msec = kvfree_now_msec() + 1000;
	assert_false(kvfree_gp_is_old(&gp));
	gp.since_msec = kvfree_now_msec() - KVFREE_GP_OLD_MSEC;
	assert_true(kvfree_gp_is_old(&gp));
}

static bool short_after_another(void *unused)
{
	(void) unused;
	run_one(&kvgp_flavor);
	return kvfree_gp_is_short(&gp);
}

TEST(a_long_one_is_forgotten_after_some_short_ones)
{
	uint64_t longest;

	assert_true(is_learned_from(&slow_flavor));
	longest = gp.longest_msec;
	assert_true(kvtest_wait(short_after_another, NULL, KVTEST_LONG));
	assert_true(gp.longest_msec >= longest);
}

/* ------------------------------------------------------------------ */
/* P11: stalls                                                        */

/* How long a grace period has lasted here, as far as this machine knows. */
static uint64_t age_msec;

/* It has lasted for longer than the first report wants, and not for twice that. */
static void stall(void)
{
	uint64_t now = kvfree_now_msec();

	age_msec = now / 2 < 3600000 ? now / 2 : 3600000;
	kvfree_check_stall_msec = (unsigned int) (age_msec / 3 * 2);
	gp.since_msec = now - age_msec;
}

static bool check(void)
{
	return kvfree_gp_stall_check(&gp, &urcu_mb_flavor, 77);
}

static int reports_once(void)
{
	stall();
	return check() && check() && gp.stall_msec ==
		2 * (uint64_t) kvfree_check_stall_msec ? KVCHILD_OK : 1;
}

static int reports_at_each_doubling(void)
{
	stall();
	check();
	/* As if the double of the time had passed. */
	gp.stall_msec /= 2;
	return check() && check() && gp.stall_msec ==
		2 * (uint64_t) kvfree_check_stall_msec ? KVCHILD_OK : 1;
}

static int reports_the_next_one_anew(void)
{
	stall();
	check();
	gp.since_msec++;
	return check() && gp.stall_msec ==
		2 * (uint64_t) kvfree_check_stall_msec ? KVCHILD_OK : 1;
}

static int names_no_flavor(void)
{
	stall();
	return kvfree_gp_stall_check(&gp, &kvgp_flavor, 1) ? KVCHILD_OK : 1;
}

static int reports_none(void)
{
	if (check())
		return 1;
	stall();
	/* Young; and, by a coarse clock, not even born. */
	gp.since_msec = kvfree_now_msec();
	if (!check())
		return 2;
	gp.since_msec += age_msec;
	return check() ? KVCHILD_OK : 3;
}

/* O9: nothing is lost by a report that could not be made. */
static int reports_later(void)
{
	int saved = dup(STDERR_FILENO);

	stall();
	close(STDERR_FILENO);
	if (!check() || gp.stall_msec != kvfree_check_stall_msec)
		return 1;
	if (dup2(saved, STDERR_FILENO) < 0)
		return 2;
	return check() ? KVCHILD_OK : 3;
}

static const struct kvchild_scenario scenarios[] = {
	{ "names_no_flavor", names_no_flavor },
	{ "reports_at_each_doubling", reports_at_each_doubling },
	{ "reports_later", reports_later },
	{ "reports_none", reports_none },
	{ "reports_once", reports_once },
	{ "reports_the_next_one_anew", reports_the_next_one_anew },
	{ NULL, NULL },
};

static char err[4096];

static void assert_reports(const char *scenario, unsigned int reports)
{
	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), reports);
}

TEST(a_stall_is_reported_once_with_all_that_is_known)
{
	assert_reports("reports_once", 1);
	assert_non_null(strstr(err, "a grace period of urcu_mb_flavor has"));
	assert_non_null(strstr(err, "grace period 1 is waited for"));
	assert_non_null(strstr(err, "objects pending: 77"));
}

TEST(a_flavor_of_the_programs_own_has_no_name)
{
	assert_reports("names_no_flavor", 1);
	assert_non_null(strstr(err, "a grace period of an RCU flavor has"));
}

TEST(a_stall_is_reported_again_at_each_doubling)
{
	assert_reports("reports_at_each_doubling", 2);
}

TEST(each_stall_is_reported_anew)
{
	assert_reports("reports_the_next_one_anew", 2);
}

TEST(what_is_young_or_not_there_is_not_reported)
{
	assert_reports("reports_none", 0);
}

TEST(a_report_that_could_not_be_made_is_made_later)
{
	assert_reports("reports_later", 1);
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

TEST(in_the_child_of_a_fork_nobody_runs_one)
{
	unsigned long cookie;

	run_one(&kvgp_flavor);
	gp.started = 5;
	gp.completed = 4;
	gp.running = gp.held = true;
	gp.since_msec = 1;
	kvfree_gp_prefork(&gp);
	kvfree_rank_forget();
	kvfree_gp_fork_reset(&gp, false);
	cookie = kvfree_gp_cookie(&gp);
	assert_false(kvfree_gp_over(&gp, cookie));
	assert_false(kvfree_gp_wait(&gp, cookie, true));
	run_one(&kvgp_flavor);
	assert_true(kvfree_gp_over(&gp, cookie));
	assert_false(check());
	assert_int_equal(gp.count, 2);
}

TEST(in_a_child_that_forgets_none_was_run)
{
	run_one(&kvgp_flavor);
	gp.longest_msec = 7;
	kvfree_gp_fork_reset(&gp, true);
	assert_int_equal(gp.count, 0);
	assert_int_equal(gp.longest_msec, 0);
}

TEST(the_hooks_of_a_fork_hold_the_lock)
{
	kvfree_gp_prefork(&gp);
	assert_int_equal(pthread_mutex_trylock(&gp.lock), EBUSY);
	kvfree_gp_postfork(&gp);
	run_one(&kvgp_flavor);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(a_cookie_is_the_number_of_the_next_grace_period),
		test(a_cookie_is_over_with_its_grace_period),
		test(the_number_moves_before_the_wait_and_is_over_after_it),
		test(a_cookie_read_while_one_runs_waits_for_the_next),
		test(numbers_are_compared_by_their_difference),
		test(numbers_may_wrap),
		test(a_grace_period_outside_the_numbers_moves_none),
		test(one_at_a_time_is_the_runner),
		test(who_waits_for_another_runner_is_covered_by_it),
		test(a_wait_where_nobody_runs_is_the_callers_turn),
		test(a_grace_period_ends_all_waits_for_it),
		test(a_wait_for_the_next_one_returns_for_its_caller_to_run_it),
		test(none_begins_during_a_hold),
		test(owners_find_nothing_ripe_during_a_hold),
		test(a_hold_waits_for_the_one_that_runs),
		test(a_wait_lasts_as_long_as_a_hold),
		test(a_wait_without_the_hold_ends_where_none_may_begin),
		test(the_estimate_rises_at_once),
		test(the_estimate_falls_by_quarters),
		test(the_estimate_rises_where_the_runner_sleeps),
		test(a_runner_that_lost_its_processor_tells_nothing_about_the_next),
		test(a_very_long_one_counts_whatever_its_runner_lost),
		test(after_a_runner_lost_its_processor_less_than_one_budget_waits),
		test(budgets_follow_what_is_usual),
		test(one_is_old_once_it_has_lasted_for_long),
		test(a_long_one_is_forgotten_after_some_short_ones),
		test(a_stall_is_reported_once_with_all_that_is_known),
		test(a_flavor_of_the_programs_own_has_no_name),
		test(a_stall_is_reported_again_at_each_doubling),
		test(each_stall_is_reported_anew),
		test(what_is_young_or_not_there_is_not_reported),
		test(a_report_that_could_not_be_made_is_made_later),
		test(in_the_child_of_a_fork_nobody_runs_one),
		test(in_a_child_that_forgets_none_was_run),
		test(the_hooks_of_a_fork_hold_the_lock),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
