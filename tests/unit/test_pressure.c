/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_pressure.c - what the library does when the kernel says memory is short
 *
 * Out-of-band data on a socket signals as the kernel's pressure file does.
 */

#include <fcntl.h>
#include <sys/socket.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"
#include "kvloopback.h"
#include "pressure.h"

static int theirs = -1, ours = -1;

FIXTURE(begin)
{
	if (kvloopback_exists() && kvloopback_pair(&theirs, &ours))
		return -1;
	kvfree_check_pressure_fd = ours;
	kvtest_start(60000, 2);
	kvfree_check_pressure_fd = -1;
	kvinside_settle();
	kvarena_reset();
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return theirs < 0 ? 0 : close(theirs);
}

static bool nothing_is_left(void *unused)
{
	(void) unused;
	return kvarena_all_freed(NULL) && kvtest_stats(NULL).pages == 0;
}

TEST(pressure_frees_what_is_queued_and_drops_the_caches)
{
	const char urgent = '!';
	char got;

	kvloopback_needed();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvinside_settle();
	assert_true(kvtest_stats(NULL).pages > 0);
	assert_int_equal(kvarena_freed(), 0);
	assert_int_equal(send(theirs, &urgent, 1, MSG_OOB), 1);
	assert_true(kvtest_wait(nothing_is_left, NULL, KVTEST_LONG));
	/* And refills are held off. */
	assert_true(kvfree_refill_is_held());
	/* The socket goes on signalling until it is read. */
	assert_int_equal(recv(ours, &got, 1, MSG_OOB), 1);
}

static bool is_told(void *unused)
{
	(void) unused;
	return kvfree_refill_is_held();
}

static bool tick_is_over(void *before)
{
	return __atomic_load_n(&kvfree_domain_get(&kvgp_flavor)->tick,
			__ATOMIC_SEQ_CST) != *(unsigned int *) before &&
		kvinside_is_quiet(&kvfree_pool);
}

static void tick(void)
{
	unsigned int before = __atomic_load_n(
			&kvfree_domain_get(&kvgp_flavor)->tick, __ATOMIC_SEQ_CST);

	assert_true(kvfree_timer_arm(KVFREE_ALARM_TICK, 0));
	assert_true(kvtest_wait(tick_is_over, &before, KVTEST_LONG));
}

/* The kernel does not repeat itself as a socket does, and ticks go on. */
TEST(one_signal_is_enough)
{
	const char urgent = '!';
	char got;

	kvloopback_needed();
	kvgp_hold();
	kvinside_record(&kvgp_flavor);
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
	kvinside_settle();
	assert_int_equal(send(theirs, &urgent, 1, MSG_OOB), 1);
	assert_true(kvtest_wait(is_told, NULL, KVTEST_LONG));
	assert_int_equal(recv(ours, &got, 1, MSG_OOB), 1);
	tick();
	tick();
	kvgp_let_go();
	assert_true(kvtest_wait(nothing_is_left, NULL, KVTEST_LONG));
}

static bool caches_are_empty(void *unused)
{
	(void) unused;
	return kvtest_stats(NULL).cached_pages == 0;
}

TEST(relief_waits_for_no_grace_period)
{
	const char urgent = '!';
	uint64_t gp = kvgp_begun();

	kvloopback_needed();
	kvgp_hold();
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvinside_settle();
	assert_false(caches_are_empty(NULL));
	assert_int_equal(send(theirs, &urgent, 1, MSG_OOB), 1);
	assert_true(kvgp_wait_begun(gp + 1));
	assert_true(kvtest_wait(caches_are_empty, NULL, KVTEST_LONG));
	assert_int_equal(kvarena_freed(), 0);
	kvgp_let_go();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
}

static bool is_closed(void *unused)
{
	(void) unused;
	return fcntl(ours, F_GETFD) < 0 && errno == EBADF;
}

TEST(a_descriptor_that_breaks_is_closed_and_nothing_else_stops)
{
	const struct linger reset = { 1, 0 };

	kvloopback_needed();
	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_LINGER, &reset,
		sizeof(reset)), 0);
	close(theirs);
	assert_true(kvtest_wait(is_closed, NULL, KVTEST_LONG));
	theirs = socket(AF_INET, SOCK_STREAM, 0);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvfree_service_request_gp(kvfree_domain_get(&kvgp_flavor));
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	kvarena_assert_exact();
}

/* Whether the kernel has it or not. */
TEST(opening_keeps_errno)
{
	int fd;

	errno = 12345;
	fd = kvfree_pressure_open();
	assert_int_equal(errno, 12345);
	if (fd >= 0)
		assert_int_equal(close(fd), 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(pressure_frees_what_is_queued_and_drops_the_caches),
		test(one_signal_is_enough),
		test(relief_waits_for_no_grace_period),
		test(a_descriptor_that_breaks_is_closed_and_nothing_else_stops),
		test(opening_keeps_errno),
	};

	return kvtest_run(tests);
}
