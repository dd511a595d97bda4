/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_descriptors.c - a program that closes or replaces the library's descriptors
 *
 * O12: daemons close what they do not know, and put their own in its place. The library
 * must go on or say why not, and touch nothing that is the program's.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvinside.h"

/* The pipe, the timer, and one for memory pressure where there is one. */
#define MOST	4

static int ours[MOST];
static unsigned int nr_ours;

/*
 * Plain reads of what the timer thread writes later, when it finds its descriptors gone.
 * They come first: only what the test does next makes the thread write, by way of the
 * kernel, which ThreadSanitizer does not see.
 */
static __attribute__((no_sanitize("thread"))) void learn(void)
{
	nr_ours = 0;
	ours[nr_ours++] = kvfree_timer.hangup;
	ours[nr_ours++] = kvfree_timer.listen;
	ours[nr_ours++] = kvfree_timer.fd;
	if (kvfree_timer.pressure >= 0)
		ours[nr_ours++] = kvfree_timer.pressure;
}

static void begin_with(unsigned int drain_msec)
{
	kvarena_reset();
	kvtest_start(drain_msec, 2);
	kvinside_settle();
	learn();
}

static void begin(void)
{
	begin_with(10);
}

static void raw(void)
{
	urcu_kvfree_rcu_flavor(&urcu_memb_flavor, kvarena_object(), head);
}

static void clean(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, kvarena_object());
}

/* Nothing but calls of one kind, until everything was freed after all. */
static int frees(void (*call)(void))
{
	unsigned int i;

	for (i = 0; i < 2000; i++)
		call();
	return kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG) ? KVCHILD_OK : 1;
}

/* A timer of the program's, with a time of its own that nobody may change. */
static int their_timer(void)
{
	const struct itimerspec when = { { 0, 0 }, { 4711, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL))
		abort();
	return fd;
}

static bool is_untouched(int fd)
{
	struct itimerspec left;

	return timerfd_gettime(fd, &left) == 0 && !left.it_interval.tv_sec &&
		left.it_value.tv_sec > 60;
}

/* Theirs over all of ours that @which says. */
static void replace(unsigned int which)
{
	const struct itimerspec when = { { 0, 0 }, { 100000, 0 } };
	int theirs = their_timer();
	unsigned int i;

	timerfd_settime(theirs, 0, &when, NULL);
	for (i = 0; i < nr_ours; i++)
		if (which & (1U << i) && dup2(theirs, ours[i]) != ours[i])
			abort();
}

static int theirs_left(unsigned int which)
{
	unsigned int i;

	for (i = 0; i < nr_ours; i++)
		if (which & (1U << i) && !is_untouched(ours[i]))
			return 2;
	return KVCHILD_OK;
}

static int closed_then(void (*call)(void))
{
	begin();
	if (syscall(SYS_close_range, 3, ~0U, 0))
		return 77;
	return frees(call);
}

static int closed_then_raw(void)
{
	return closed_then(raw);
}

static int closed_then_clean(void)
{
	return closed_then(clean);
}

/* The tick is armed, its gate closed, and nobody asks for anything any more. It comes late
 * enough for a thread that loses its processor in between. */
static int closed_while_armed(void)
{
	begin_with(3000);
	raw();
	if (syscall(SYS_close_range, 3U, ~0U, 0U))
		return 77;
	return kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG) ? KVCHILD_OK : 1;
}

static int replaced_by(unsigned int which)
{
	begin();
	replace(which);
	if (frees(raw))
		return 1;
	if (theirs_left(which))
		return 2;
	urcu_kvfree_exit();
	return theirs_left(which);
}

static int all_replaced(void)
{
	return replaced_by(~0U);
}

/* The pipe is whole, and no timer is there to be armed. */
static int timer_and_pressure_replaced(void)
{
	return replaced_by(1U << 2 | 1U << 3);
}

static int timer_replaced(void)
{
	return replaced_by(1U << 2);
}

/* Nothing wakes the thread: not the pipe, and not the timer. */
static int deaf(void)
{
	kvfree_check_look_msec = 100;
	return replaced_by(~1U);
}

static int exit_after_replacing(void)
{
	begin();
	replace(~0U);
	urcu_kvfree_exit();
	return theirs_left(~0U);
}

static int in_fork_child(void)
{
	int status;
	pid_t pid;

	begin();
	/* Nobody repairs. */
	__atomic_store_n(&kvfree_timer.stopping, true, __ATOMIC_SEQ_CST);
	replace(~0U);
	pthread_join(kvfree_timer.thread, NULL);
	pid = fork();
	if (!pid)
		_exit(theirs_left(~0U));
	return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 3;
}

static int cannot_make_new_ones(void)
{
	const struct rlimit none = { 0, 0 };

	begin();
	setrlimit(RLIMIT_NOFILE, &none);
	if (syscall(SYS_close_range, 3U, ~0U, 0U))
		return 77;
	return frees(raw);	/* does not come back */
}

/* A sandbox forbids descriptors once it has all that it needs. */
static int no_more_descriptors(void)
{
	struct rlimit before, none;
	bool failed;

	begin();
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	failed = frees(raw) || frees(clean);
	/* LeakSanitizer opens files at the end. */
	setrlimit(RLIMIT_NOFILE, &before);
	return failed;
}

static int without_the_standard_ones(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		close((int) i);
	begin();
	for (i = 0; i < nr_ours; i++)
		if (ours[i] < 3)
			return 10 + ours[i];
	for (i = 0; i < 3; i++)
		if (fcntl((int) i, F_GETFD) >= 0)
			return 20;
	return frees(raw);
}

static const struct kvchild_scenario scenarios[] = {
	{ "closed_then_raw", closed_then_raw },
	{ "closed_then_clean", closed_then_clean },
	{ "closed_while_armed", closed_while_armed },
	{ "all_replaced", all_replaced },
	{ "timer_and_pressure_replaced", timer_and_pressure_replaced },
	{ "timer_replaced", timer_replaced },
	{ "deaf", deaf },
	{ "exit_after_replacing", exit_after_replacing },
	{ "in_fork_child", in_fork_child },
	{ "cannot_make_new_ones", cannot_make_new_ones },
	{ "no_more_descriptors", no_more_descriptors },
	{ "without_the_standard_ones", without_the_standard_ones },
	{ NULL, NULL },
};

static char err[4096];

static void assert_ends_well(const char *name)
{
	int status = kvchild_run(name, err, sizeof(err));

	if (status != KVCHILD_OK)
		fail_msg("%s: %d: %s", name, status, err);
}

/* It ends well and says @lines of which the first is about descriptors. */
static void assert_goes_on(const char *name, unsigned int lines)
{
	assert_ends_well(name);
	assert_int_equal(kvchild_count_lines(err), lines);
	if (lines)
		assert_non_null(strstr(err, "closefrom()"));
}

TEST(what_was_closed_is_made_anew_and_said_once)
{
	assert_goes_on("closed_then_raw", 1);
	assert_goes_on("closed_then_clean", 1);
}

TEST(what_was_closed_while_it_was_armed_is_not_lost)
{
	assert_goes_on("closed_while_armed", 1);
}

TEST(what_the_program_put_in_the_place_of_ours_is_not_touched)
{
	assert_goes_on("all_replaced", 1);
	assert_goes_on("timer_and_pressure_replaced", 1);
	assert_goes_on("timer_replaced", 1);
	assert_goes_on("deaf", 1);
}

TEST(exit_and_the_child_of_a_fork_close_nothing_of_the_program)
{
	assert_ends_well("exit_after_replacing");
	assert_ends_well("in_fork_child");
}

TEST(a_program_whose_descriptors_cannot_be_made_anew_is_aborted)
{
	int status = kvchild_run("cannot_make_new_ones", err, sizeof(err));

	assert_int_equal(status, 128 + SIGABRT);
	assert_non_null(strstr(err, "cannot make new ones"));
}

TEST(a_limit_that_comes_later_stops_nothing)
{
	assert_goes_on("no_more_descriptors", 0);
}

TEST(the_standard_descriptors_are_left_alone)
{
	assert_goes_on("without_the_standard_ones", 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_closed_is_made_anew_and_said_once),
		cmocka_unit_test(
			what_was_closed_while_it_was_armed_is_not_lost),
		cmocka_unit_test(
			what_the_program_put_in_the_place_of_ours_is_not_touched),
		cmocka_unit_test(
			exit_and_the_child_of_a_fork_close_nothing_of_the_program),
		cmocka_unit_test(
			a_program_whose_descriptors_cannot_be_made_anew_is_aborted),
		cmocka_unit_test(a_limit_that_comes_later_stops_nothing),
		cmocka_unit_test(the_standard_descriptors_are_left_alone),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
