/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_timer.c - the timer thread: alarms, requests behind gates, pressure
 *
 * The library is not started: the timer has the handlers of the test.
 */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "cmocka-all.h"
#include "conf.h"
#include "kvfault.h"
#include "kvinside.h"
#include "kvloopback.h"
#include "pressure.h"

static struct kvfree_timer *const timer = &kvfree_timer;

static unsigned long alarms[KVFREE_ALARMS];	/* atomic */
static unsigned long pressures;			/* atomic */

static void on_alarm(enum kvfree_alarm alarm)
{
	__atomic_fetch_add(&alarms[alarm], 1, __ATOMIC_SEQ_CST);
}

static void on_pressure(void)
{
	__atomic_fetch_add(&pressures, 1, __ATOMIC_SEQ_CST);
}

static unsigned long rung(enum kvfree_alarm alarm)
{
	return __atomic_load_n(&alarms[alarm], __ATOMIC_SEQ_CST);
}

static int start(void)
{
	if (kvfree_timer_start(on_alarm, on_pressure))
		return -1;
	kvfree_timer_open();
	return 0;
}

/* Started, with a tick that never comes by itself. */
FIXTURE(begin)
{
	memset(alarms, 0, sizeof(alarms));
	pressures = 0;
	memset(&timer->tick_gate, 0, sizeof(timer->tick_gate));
	__atomic_store_n(&kvfree_conf.drain_msec, 60000, __ATOMIC_RELAXED);
	return start();
}

FIXTURE(end)
{
	kvfree_timer_stop();
	return 0;
}

static bool is_armed(enum kvfree_alarm alarm)
{
	return kvinside_is_armed(alarm);
}

struct expected {
	enum kvfree_alarm alarm;
	unsigned long times;
};

static bool has_rung(void *arg)
{
	const struct expected *expected = arg;

	return rung(expected->alarm) >= expected->times;
}

static bool rings(enum kvfree_alarm alarm, unsigned long times)
{
	struct expected expected = { alarm, times };

	return kvtest_wait(has_rung, &expected, KVTEST_LONG);
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

static void assert_all_closed(void)
{
	assert_int_equal(timer->listen, -1);
	assert_int_equal(timer->hangup, -1);
	assert_int_equal(timer->pressure, -1);
	assert_int_equal(timer->fd, -1);
}

TEST(a_start_opens_descriptors_and_a_stop_closes_them)
{
	unsigned int fds = kvtest_count_fds();

	assert_int_equal(start(), 0);
	assert_true(timer->listen > 2 && timer->hangup > 2);
	assert_true(timer->fd > 2);
	/* And the pressure file, where there is one. */
	assert_int_equal(kvtest_count_fds(), fds + 3 + (timer->pressure >= 0));
	assert_true(kvtest_threads_become("kvfree-timer", 1));
	kvfree_timer_stop();
	assert_all_closed();
	assert_true(kvtest_threads_become("kvfree-timer", 0));
	assert_int_equal(kvtest_count_fds(), fds);
}

TEST(a_start_without_a_thread_closes_what_it_opened_and_was_given)
{
	unsigned int fds = kvtest_count_fds();
	int given = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(given >= 0);
	kvfree_check_pressure_fd = given;
	kvfault_threads_after(0);
	errno = 0;
	assert_int_equal(kvfree_timer_start(on_alarm, on_pressure), -1);
	assert_int_equal(errno, EAGAIN);
	kvfault_threads_after(-1);
	kvfree_check_pressure_fd = -1;
	assert_int_equal(kvtest_count_fds(), fds);
	assert_all_closed();
}

TEST(nothing_can_be_armed_while_there_is_no_timer)
{
	struct kvfree_gate gate = { 0 };

	assert_false(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_false(kvfree_timer_request(KVFREE_ALARM_KICK, 0, &gate));
	assert_int_equal(gate.word, 0);
}

TEST(the_descriptors_do_not_survive_an_exec)
{
	assert_true(fcntl(timer->listen, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(timer->hangup, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(timer->fd, F_GETFD) & FD_CLOEXEC);
}

/* What is open in the child after the reset: nothing. */
static int open_after_reset(void)
{
	int fd[] = { timer->fd, timer->listen, timer->hangup }, open = 0;
	unsigned int i;

	kvfree_timer_fork_reset();
	for (i = 0; i < sizeof(fd) / sizeof(fd[0]); i++)
		open += fcntl(fd[i], F_GETFD) >= 0;
	open += timer->fd != -1 || timer->listen != -1 || timer->hangup != -1;
	return open + kvfree_gate_is_closed(kvfree_gate_read(&timer->tick_gate));
}

TEST(the_child_of_a_fork_closes_its_copies)
{
	pid_t pid;
	int status;

	kvfree_tick_arm();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(open_after_reset());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The parent's stay. */
	assert_true(is_armed(KVFREE_ALARM_TICK));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(rings(KVFREE_ALARM_KICK, 1));
}

/* ------------------------------------------------------------------ */
/* Alarms                                                             */

TEST(each_alarm_calls_the_handler_with_its_number)
{
	unsigned int i, n;

	for (i = 0; i < KVFREE_ALARMS; i++) {
		assert_true(kvfree_timer_arm(i, 0));
		assert_true(rings(i, 1));
		for (n = 0; n < KVFREE_ALARMS; n++)
			assert_int_equal(rung(n), n <= i);
	}
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 1));
	assert_true(rings(KVFREE_ALARM_KICK, 2));
}

TEST(an_alarm_that_rang_is_not_armed)
{
	assert_false(is_armed(KVFREE_ALARM_REFILL));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 60000));
	assert_true(is_armed(KVFREE_ALARM_REFILL));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 0));
	assert_true(rings(KVFREE_ALARM_REFILL, 1));
	assert_false(is_armed(KVFREE_ALARM_REFILL));
}

TEST(an_alarm_leaves_the_others_alone)
{
	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 60000));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(rings(KVFREE_ALARM_KICK, 1));
	assert_true(is_armed(KVFREE_ALARM_TICK));
	assert_int_equal(rung(KVFREE_ALARM_TICK), 0);
}

/* ------------------------------------------------------------------ */
/* Requests                                                           */

TEST(the_tick_is_armed_once_until_it_is_served)
{
	kvfree_tick_arm();
	assert_true(is_armed(KVFREE_ALARM_TICK));
	/* Closed: the next request leaves the timer alone. */
	kvinside_disarm(KVFREE_ALARM_TICK);
	kvfree_tick_arm();
	assert_false(is_armed(KVFREE_ALARM_TICK));
	kvfree_gate_open(&timer->tick_gate);
	kvfree_tick_arm();
	assert_true(is_armed(KVFREE_ALARM_TICK));
}

static bool is_taken(void *alarm)
{
	return !__atomic_load_n(&timer->asked[*(enum kvfree_alarm *) alarm],
		__ATOMIC_SEQ_CST);
}

TEST(the_tick_comes_after_drain_msec)
{
	enum kvfree_alarm tick = KVFREE_ALARM_TICK;

	__atomic_store_n(&kvfree_conf.drain_msec, 59001, __ATOMIC_RELAXED);
	kvfree_tick_arm();
	assert_true(kvinside_due(tick) <= 59001);
	assert_true(kvtest_wait(is_taken, &tick, KVTEST_LONG));
	assert_true(kvinside_due(tick) <= 59001);
	assert_int_equal(rung(tick), 0);
}

TEST(the_thread_keeps_the_times)
{
	uint64_t before = kvtest_msec();

	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 200));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 100));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(rings(KVFREE_ALARM_KICK, 1));
	assert_true(rings(KVFREE_ALARM_REFILL, 1));
	assert_true(kvtest_msec() - before >= 99);
	assert_true(rings(KVFREE_ALARM_TICK, 1));
	assert_true(kvtest_msec() - before >= 199);
}

/* As with a timer of its own: the last request says when. */
TEST(a_request_replaces_the_one_before)
{
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 60000));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 1));
	assert_true(rings(KVFREE_ALARM_REFILL, 1));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 50000));
	assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 60000));
	assert_true(kvinside_due(KVFREE_ALARM_REFILL) > 50000);
	assert_int_equal(rung(KVFREE_ALARM_REFILL), 1);
}

#define ARMED_MSEC	900	/* the library takes less than a second for armed */

/* As a request does, but for longer, so that the test may lose its processor meanwhile. */
static void arm_timer(void)
{
	struct itimerspec now;

	/* The library knows its timer by the interval. */
	assert_int_equal(timerfd_gettime(timer->fd, &now), 0);
	now.it_value = (struct timespec) { .tv_nsec = ARMED_MSEC * 1000000L };
	assert_int_equal(timerfd_settime(timer->fd, 0, &now, NULL), 0);
}

/* Of the timer itself, in milliseconds; 0: a second or more. */
static long expires_in(void)
{
	struct itimerspec now;

	assert_int_equal(timerfd_gettime(timer->fd, &now), 0);
	return now.it_value.tv_sec ? 0 : now.it_value.tv_nsec / 1000000;
}

/* Else requests without end would keep the thread asleep. A timer that may have expired by
 * itself says nothing: once more, until the watchdog ends the program. */
TEST(a_request_leaves_a_timer_that_is_armed_alone)
{
	uint64_t begin;
	long left;

	do {
		begin = kvtest_msec();
		arm_timer();
		assert_true(kvfree_timer_arm(KVFREE_ALARM_REFILL, 60000));
		left = expires_in();
	} while (kvtest_msec() - begin > ARMED_MSEC / 2);
	/* What a request itself arms expires in much less than a millisecond. */
	assert_true(left > ARMED_MSEC / 4);
}

TEST(a_request_says_whether_it_armed_the_timer)
{
	struct kvfree_gate gate = { 0 };

	assert_true(kvfree_timer_request(KVFREE_ALARM_KICK, 60000, &gate));
	assert_false(kvfree_timer_request(KVFREE_ALARM_KICK, 60000, &gate));
	kvfree_gate_open(&gate);
	assert_true(kvfree_timer_request(KVFREE_ALARM_KICK, 60000, &gate));
}

/* K20 */
TEST(a_gate_whose_timer_could_not_be_armed_stays_open)
{
	struct kvfree_gate gate = { 0 };

	kvinside_let_arm(false);
	assert_false(kvfree_timer_request(KVFREE_ALARM_KICK, 60000, &gate));
	assert_false(kvfree_gate_is_closed(kvfree_gate_read(&gate)));
	kvinside_let_arm(true);
	assert_false(is_armed(KVFREE_ALARM_KICK));
	assert_true(kvfree_timer_request(KVFREE_ALARM_KICK, 60000, &gate));
	assert_true(is_armed(KVFREE_ALARM_KICK));
}

TEST(a_tick_that_could_not_be_armed_is_asked_for_again)
{
	kvinside_let_arm(false);
	kvfree_tick_arm();
	kvfree_tick_arm();
	kvinside_let_arm(true);
	assert_false(is_armed(KVFREE_ALARM_TICK));
	kvfree_tick_arm();
	assert_true(is_armed(KVFREE_ALARM_TICK));
}

/* ------------------------------------------------------------------ */
/* Pressure: out-of-band data signals as the kernel's file does        */

static int theirs = -1, ours = -1;

FIXTURE(begin_watched)
{
	memset(alarms, 0, sizeof(alarms));
	pressures = 0;
	if (kvloopback_exists() && kvloopback_pair(&theirs, &ours))
		return -1;
	kvfree_check_pressure_fd = ours;
	return start();
}

static int end_watched(void **state)
{
	kvfree_check_pressure_fd = -1;
	close(theirs);
	return end(state);
}

static bool is_pressed(void *unused)
{
	(void) unused;
	return __atomic_load_n(&pressures, __ATOMIC_SEQ_CST) > 0;
}

TEST(pressure_calls_its_handler)
{
	const char urgent = '!';
	char got;

	kvloopback_needed();
	assert_false(is_pressed(NULL));
	assert_int_equal(send(theirs, &urgent, 1, MSG_OOB), 1);
	assert_true(kvtest_wait(is_pressed, NULL, KVTEST_LONG));
	/* It goes on signalling until it is read. */
	assert_int_equal(recv(ours, &got, 1, MSG_OOB), 1);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(rings(KVFREE_ALARM_KICK, 1));
}

static bool is_closed(void *unused)
{
	(void) unused;
	return fcntl(ours, F_GETFD) < 0 && errno == EBADF;
}

TEST(a_descriptor_that_breaks_is_closed_and_alarms_go_on)
{
	const struct linger reset = { 1, 0 };

	kvloopback_needed();
	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_LINGER, &reset,
		sizeof(reset)), 0);
	close(theirs);
	assert_true(kvtest_wait(is_closed, NULL, KVTEST_LONG));
	theirs = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(kvfree_timer_arm(KVFREE_ALARM_KICK, 0));
	assert_true(rings(KVFREE_ALARM_KICK, 1));
	assert_int_equal(timer->pressure, -1);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define watched(f)							\
	cmocka_unit_test_setup_teardown(f, begin_watched, end_watched)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_start_opens_descriptors_and_a_stop_closes_them),
		cmocka_unit_test(
			a_start_without_a_thread_closes_what_it_opened_and_was_given),
		cmocka_unit_test(nothing_can_be_armed_while_there_is_no_timer),
		test(the_descriptors_do_not_survive_an_exec),
		test(the_child_of_a_fork_closes_its_copies),
		test(each_alarm_calls_the_handler_with_its_number),
		test(an_alarm_that_rang_is_not_armed),
		test(an_alarm_leaves_the_others_alone),
		test(the_tick_is_armed_once_until_it_is_served),
		test(the_tick_comes_after_drain_msec),
		test(the_thread_keeps_the_times),
		test(a_request_replaces_the_one_before),
		test(a_request_leaves_a_timer_that_is_armed_alone),
		test(a_request_says_whether_it_armed_the_timer),
		test(a_gate_whose_timer_could_not_be_armed_stays_open),
		test(a_tick_that_could_not_be_armed_is_asked_for_again),
		watched(pressure_calls_its_handler),
		watched(a_descriptor_that_breaks_is_closed_and_alarms_go_on),
	};

	return kvtest_run(tests);
}
