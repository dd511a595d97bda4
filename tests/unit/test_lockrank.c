/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_lockrank.c - the order in which locks nest, as the check build checks it
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "lockrank.h"

/* What a scenario returns when it was not stopped, and when it was. */
#define NOT_STOPPED	1
#define STOPPED		7

/* Locks of ascending addresses. */
static pthread_mutex_t locks[100] = {
	[0 ... 99] = PTHREAD_MUTEX_INITIALIZER,
};

static void enter(unsigned int i, enum kvfree_rank rank)
{
	kvfree_rank_enter(&locks[i], rank);
}

static void leave(unsigned int i)
{
	kvfree_rank_leave(&locks[i]);
}

/* ------------------------------------------------------------------ */
/* What is in order                                                   */

TEST(ranks_may_be_taken_from_the_outermost_in)
{
	unsigned int rank;

	/* Against the addresses: the rank decides. */
	for (rank = KVFREE_RANK_START; rank <= KVFREE_RANK_RECORD; rank++)
		enter(50 - rank, rank);
	for (rank = KVFREE_RANK_START; rank <= KVFREE_RANK_RECORD; rank++)
		leave(50 - rank);
}

TEST(ranks_may_be_left_out)
{
	enter(1, KVFREE_RANK_CHANNELS);
	enter(0, KVFREE_RANK_RECORD);
	leave(0);
	leave(1);
}

TEST(locks_of_one_rank_are_taken_by_address)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		enter(i, KVFREE_RANK_GP);
	for (i = 0; i < 8; i++)
		enter(i + 8, KVFREE_RANK_DOMAIN);
	for (i = 0; i < 16; i++)
		leave(i);
}

/* As locks that are passed from hand to hand. */
TEST(locks_may_be_released_in_any_order)
{
	enter(0, KVFREE_RANK_START);
	enter(1, KVFREE_RANK_GP);
	enter(2, KVFREE_RANK_POOL);
	leave(1);
	enter(3, KVFREE_RANK_PLACEMENT);
	leave(0);
	leave(3);
	leave(2);
	enter(4, KVFREE_RANK_START);
	leave(4);
}

TEST(a_lock_may_be_taken_again_after_its_release)
{
	enter(0, KVFREE_RANK_GP);
	leave(0);
	enter(0, KVFREE_RANK_GP);
	leave(0);
}

static void *take_an_outer_one(void *arg)
{
	enter(0, KVFREE_RANK_START);
	leave(0);
	return arg;
}

TEST(each_thread_has_an_order_of_its_own)
{
	enter(1, KVFREE_RANK_RECORD);
	assert_ptr_equal(kvtest_on_thread(take_an_outer_one, &locks), &locks);
	leave(1);
}

TEST(the_child_of_a_fork_holds_nothing)
{
	enter(1, KVFREE_RANK_RECORD);
	kvfree_rank_forget();
	enter(0, KVFREE_RANK_START);
	leave(0);
}

static void *try_lock(void *mutex)
{
	if (pthread_mutex_trylock(mutex))
		return NULL;
	pthread_mutex_unlock(mutex);
	return mutex;
}

TEST(a_mutex_is_locked_and_unlocked)
{
	kvfree_mutex_lock(&locks[0], KVFREE_RANK_AREA);
	assert_null(kvtest_on_thread(try_lock, &locks[0]));
	kvfree_mutex_unlock(&locks[0]);
	assert_ptr_equal(kvtest_on_thread(try_lock, &locks[0]), &locks[0]);
}

/* ------------------------------------------------------------------ */
/* What is stopped, in processes of their own                         */

static void leave_instead(void)
{
	_exit(STOPPED);
}

/* From here on a violation ends the process well. */
static void expect_stop(void)
{
	kvfree_check_abort = leave_instead;
}

static int outer_inside_inner(void)
{
	enter(0, KVFREE_RANK_DOMAIN);
	expect_stop();
	enter(1, KVFREE_RANK_HANDS);
	return NOT_STOPPED;
}

/* A release in between leaves the others held. */
static int outer_inside_what_is_left(void)
{
	enter(0, KVFREE_RANK_GP);
	enter(1, KVFREE_RANK_POOL);
	leave(0);
	expect_stop();
	enter(0, KVFREE_RANK_GP);
	return NOT_STOPPED;
}

static int one_rank_against_the_addresses(void)
{
	enter(1, KVFREE_RANK_GP_THREAD);
	expect_stop();
	enter(0, KVFREE_RANK_GP_THREAD);
	return NOT_STOPPED;
}

static int the_same_lock_twice(void)
{
	enter(0, KVFREE_RANK_AREA);
	expect_stop();
	enter(0, KVFREE_RANK_AREA);
	return NOT_STOPPED;
}

static int a_mutex_out_of_order(void)
{
	kvfree_mutex_lock(&locks[0], KVFREE_RANK_CHANNELS);
	expect_stop();
	kvfree_mutex_lock(&locks[1], KVFREE_RANK_START);
	return NOT_STOPPED;
}

static int a_release_of_what_is_not_held(void)
{
	enter(0, KVFREE_RANK_GP);
	expect_stop();
	leave(1);
	return NOT_STOPPED;
}

static int a_second_release(void)
{
	enter(0, KVFREE_RANK_GP);
	enter(1, KVFREE_RANK_GP);
	leave(0);
	expect_stop();
	leave(0);
	return NOT_STOPPED;
}

static int too_many(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		enter(i, KVFREE_RANK_GP);
	expect_stop();
	enter(i, KVFREE_RANK_GP);
	return NOT_STOPPED;
}

/* Without a test that takes the place of the abort. */
static int aborts(void)
{
	enter(0, KVFREE_RANK_RECORD);
	enter(1, KVFREE_RANK_START);
	return NOT_STOPPED;
}

static const struct kvchild_scenario scenarios[] = {
	{ "a_mutex_out_of_order", a_mutex_out_of_order },
	{ "a_release_of_what_is_not_held", a_release_of_what_is_not_held },
	{ "a_second_release", a_second_release },
	{ "aborts", aborts },
	{ "one_rank_against_the_addresses", one_rank_against_the_addresses },
	{ "outer_inside_inner", outer_inside_inner },
	{ "outer_inside_what_is_left", outer_inside_what_is_left },
	{ "the_same_lock_twice", the_same_lock_twice },
	{ "too_many", too_many },
	{ NULL, NULL },
};

static char err[4096];

static void assert_stops(const char *scenario, const char *message)
{
	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), STOPPED);
	assert_int_equal(kvchild_count_lines(err), 1);
	assert_non_null(strstr(err, message));
}

TEST(an_outer_rank_inside_an_inner_one_is_stopped)
{
	assert_stops("outer_inside_inner",
		"lock of rank 5 taken inside one of rank 6");
	assert_stops("outer_inside_what_is_left", "taken inside");
}

TEST(one_rank_against_the_addresses_is_stopped)
{
	assert_stops("one_rank_against_the_addresses", "taken inside");
}

TEST(a_lock_that_is_held_is_not_taken_again)
{
	assert_stops("the_same_lock_twice", "taken inside");
}

TEST(a_mutex_is_checked_before_it_is_locked)
{
	assert_stops("a_mutex_out_of_order", "taken inside");
}

TEST(a_release_without_a_lock_is_stopped)
{
	assert_stops("a_release_of_what_is_not_held", "not held");
	assert_stops("a_second_release", "not held");
}

TEST(more_locks_than_there_is_room_for_are_stopped)
{
	assert_stops("too_many", "more than 64 locks");
}

TEST(a_violation_aborts)
{
	assert_int_equal(kvchild_run("aborts", err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, "BUG: "));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_may_be_taken_from_the_outermost_in),
		cmocka_unit_test(ranks_may_be_left_out),
		cmocka_unit_test(locks_of_one_rank_are_taken_by_address),
		cmocka_unit_test(locks_may_be_released_in_any_order),
		cmocka_unit_test(a_lock_may_be_taken_again_after_its_release),
		cmocka_unit_test(each_thread_has_an_order_of_its_own),
		cmocka_unit_test(the_child_of_a_fork_holds_nothing),
		cmocka_unit_test(a_mutex_is_locked_and_unlocked),
		cmocka_unit_test(an_outer_rank_inside_an_inner_one_is_stopped),
		cmocka_unit_test(one_rank_against_the_addresses_is_stopped),
		cmocka_unit_test(a_lock_that_is_held_is_not_taken_again),
		cmocka_unit_test(a_mutex_is_checked_before_it_is_locked),
		cmocka_unit_test(a_release_without_a_lock_is_stopped),
		cmocka_unit_test(more_locks_than_there_is_room_for_are_stopped),
		cmocka_unit_test(a_violation_aborts),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
