/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_pressure.c - what the library does when the kernel says memory is short
 *
 * Out-of-band data on a socket signals as the kernel's pressure file does.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"
#include "pressure.h"

static int theirs, ours;

/* A connected pair over the loopback; AF_UNIX knows no urgent data. */
static int connect_pair(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *) &addr, len) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *) &addr, &len))
		return -1;
	theirs = socket(AF_INET, SOCK_STREAM, 0);
	if (theirs < 0 || connect(theirs, (struct sockaddr *) &addr, len))
		return -1;
	ours = accept(listener, NULL, NULL);
	close(listener);
	return ours < 0 ? -1 : 0;
}

static int begin(void **state)
{
	(void) state;
	if (connect_pair())
		return -1;
	kvfree_check_pressure_fd = ours;
	kvtest_start(60000, 2);
	kvfree_check_pressure_fd = -1;
	kvinside_settle();
	kvarena_reset();
	return 0;
}

static int end(void **state)
{
	(void) state;
	urcu_kvfree_exit();
	return close(theirs);
}

static bool nothing_is_left(void *unused)
{
	(void) unused;
	return kvarena_all_freed(NULL) && kvtest_stats(NULL).pages == 0;
}

static void pressure_frees_what_is_queued_and_drops_the_caches(void **state)
{
	const char urgent = '!';
	char got;

	(void) state;
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvinside_settle();
	assert_true(kvtest_stats(NULL).pages > 0);
	assert_int_equal(kvarena_freed(), 0);
	assert_int_equal(send(theirs, &urgent, 1, MSG_OOB), 1);
	assert_true(kvtest_wait(nothing_is_left, NULL, KVTEST_LONG));
	/* And refills are held off. */
	assert_int_equal(__atomic_load_n(&kvfree_runtime.refill_hold,
		__ATOMIC_SEQ_CST), 1);
	/* The socket goes on signalling until it is read. */
	assert_int_equal(recv(ours, &got, 1, MSG_OOB), 1);
}

static void relief_waits_for_nothing(void **state)
{
	(void) state;
	kvgp_hold();
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvfree_pressure_relieve();
	assert_int_equal(kvarena_freed(), 0);
	kvgp_let_go();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
}

static bool is_closed(void *unused)
{
	(void) unused;
	return fcntl(ours, F_GETFD) < 0 && errno == EBADF;
}

static void a_descriptor_that_breaks_is_closed_and_nothing_else_stops(
		void **state)
{
	const struct linger reset = { 1, 0 };

	(void) state;
	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_LINGER, &reset,
		sizeof(reset)), 0);
	close(theirs);
	assert_true(kvtest_wait(is_closed, NULL, KVTEST_LONG));
	theirs = socket(AF_INET, SOCK_STREAM, 0);
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvfree_kick(kvfree_domain_get(&kvgp_flavor));
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	kvarena_assert_exact();
}

/* Whether the kernel has it or not. */
static void opening_keeps_errno(void **state)
{
	int fd;

	(void) state;
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
		test(relief_waits_for_nothing),
		test(a_descriptor_that_breaks_is_closed_and_nothing_else_stops),
		test(opening_keeps_errno),
	};

	return kvtest_run(tests);
}
