/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_util.c - messages, and to whom the processor is given
 */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "util.h"

static char long_text[2000];

static int warns(void)
{
	errno = 7;
	kvfree_warn("%s is %d", "seven", 7);
	return KVCHILD_OK;
}

static int warns_at_length(void)
{
	memset(long_text, 'x', sizeof(long_text) - 1);
	kvfree_warn("%s", long_text);
	return KVCHILD_OK;
}

static int warns_in_lines(void)
{
	kvfree_warn("one\ntwo\rthree\033[31m");
	return KVCHILD_OK;
}

static __attribute__((noreturn)) int dies(void)
{
	kvfree_die("because of %s", "this");
}

static void leave_instead(void)
{
	_exit(7);
}

static int dies_with_a_hook(void)
{
	kvfree_check_abort = leave_instead;
	dies();
}

static int reports(void)
{
	return kvfree_report("%s is %d", "seven", 7) ? KVCHILD_OK : 1;
}

static int reports_to_nobody(void)
{
	close(STDERR_FILENO);
	return kvfree_report("nobody hears this") ? 1 : KVCHILD_OK;
}

/* Put a pipe in the place of stderr; its end that is read. */
static int pipe_as_stderr(void)
{
	int fd[2];

	if (pipe(fd) || dup2(fd[1], STDERR_FILENO) < 0)
		abort();
	close(fd[1]);
	return fd[0];
}

/* Until a write to stderr would block. */
static void fill_stderr(void)
{
	static const char block[4096];

	if (fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK))
		abort();
	while (write(STDERR_FILENO, block, sizeof(block)) > 0)
		;
	while (write(STDERR_FILENO, block, 1) > 0)
		;
	if (errno != EAGAIN || fcntl(STDERR_FILENO, F_SETFL, 0))
		abort();
}

/* Bytes that wait in the pipe, which is empty then. */
static size_t drain(int fd)
{
	static char rest[4096];
	size_t bytes = 0;
	ssize_t n;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		abort();
	while ((n = read(fd, rest, sizeof(rest))) > 0)
		bytes += (size_t) n;
	return bytes;
}

/* O9: whoever reads stderr may be waiting for the thread that reports. */
static int reports_to_a_full_pipe(void)
{
	int fd = pipe_as_stderr();
	size_t full;

	fill_stderr();
	full = drain(fd);
	fill_stderr();
	if (kvfree_report("this does not fit") || drain(fd) != full)
		return 1;
	/* Once there is room again, all of it is written. */
	if (!kvfree_report("room"))
		return 2;
	return drain(fd) == strlen("liburcu-kvfree: room\n") ? KVCHILD_OK : 3;
}

static const struct kvchild_scenario scenarios[] = {
	{ "dies_with_a_hook", dies_with_a_hook },
	{ "reports", reports },
	{ "reports_to_a_full_pipe", reports_to_a_full_pipe },
	{ "reports_to_nobody", reports_to_nobody },
	{ "warns", warns },
	{ "warns_at_length", warns_at_length },
	{ "warns_in_lines", warns_in_lines },
	{ "dies", dies },
	{ NULL, NULL },
};

static char err[4096];

static int policy;	/* that the kernel says this thread has */
static unsigned int yields;

int __wrap_sched_getscheduler(pid_t tid);
int __wrap_sched_yield(void);

int __wrap_sched_getscheduler(pid_t tid)
{
	assert_int_equal(tid, 0);
	return policy;
}

int __wrap_sched_yield(void)
{
	yields++;
	return 0;
}

static unsigned int yields_as(int scheduled)
{
	policy = scheduled;
	yields = 0;
	kvfree_yield();
	return yields;
}

/* The kernel would let it run again in its next period. */
TEST(a_deadline_thread_keeps_its_processor)
{
	assert_int_equal(yields_as(SCHED_DEADLINE), 0);
	assert_int_equal(yields_as(SCHED_DEADLINE | SCHED_RESET_ON_FORK), 0);
}

TEST(threads_of_other_policies_give_it_up)
{
	assert_int_equal(yields_as(SCHED_OTHER), 1);
	assert_int_equal(yields_as(SCHED_FIFO), 1);
	/* A filter refuses the answer. */
	assert_int_equal(yields_as(-1), 1);
}

TEST(a_message_is_one_line_with_the_librarys_name)
{
	assert_int_equal(kvchild_run("warns", err, sizeof(err)), KVCHILD_OK);
	assert_string_equal(err, "liburcu-kvfree: seven is 7\n");
}

TEST(a_long_message_is_cut)
{
	assert_int_equal(kvchild_run("warns_at_length", err, sizeof(err)),
		KVCHILD_OK);
	assert_in_range(strlen(err), 100, 512);
	assert_int_equal(err[strlen(err) - 1], '\n');
}

TEST(what_is_repeated_stays_on_one_line)
{
	assert_int_equal(kvchild_run("warns_in_lines", err, sizeof(err)),
		KVCHILD_OK);
	assert_string_equal(err, "liburcu-kvfree: one?two?three?[31m\n");
}

TEST(a_report_is_a_message)
{
	assert_int_equal(kvchild_run("reports", err, sizeof(err)), KVCHILD_OK);
	assert_string_equal(err, "liburcu-kvfree: seven is 7\n");
}

TEST(a_report_does_not_wait_for_a_full_stderr)
{
	assert_int_equal(kvchild_run("reports_to_a_full_pipe", err,
		sizeof(err)), KVCHILD_OK);
}

TEST(a_report_without_stderr_is_false)
{
	assert_int_equal(kvchild_run("reports_to_nobody", err, sizeof(err)),
		KVCHILD_OK);
}

TEST(dying_is_a_message_and_an_abort)
{
	assert_int_equal(kvchild_run("dies", err, sizeof(err)), 128 + SIGABRT);
	assert_non_null(strstr(err, "liburcu-kvfree: because of this\n"));
}

TEST(a_test_can_take_the_place_of_the_abort)
{
	assert_int_equal(kvchild_run("dies_with_a_hook", err, sizeof(err)), 7);
	assert_non_null(strstr(err, "liburcu-kvfree: because of this\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_thread_keeps_its_processor),
		cmocka_unit_test(threads_of_other_policies_give_it_up),
		cmocka_unit_test(a_message_is_one_line_with_the_librarys_name),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(what_is_repeated_stays_on_one_line),
		cmocka_unit_test(a_report_is_a_message),
		cmocka_unit_test(a_report_does_not_wait_for_a_full_stderr),
		cmocka_unit_test(a_report_without_stderr_is_false),
		cmocka_unit_test(dying_is_a_message_and_an_abort),
		cmocka_unit_test(a_test_can_take_the_place_of_the_abort),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
