/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_blocked_stderr.c - a grace period that lasts is to be reported, and nobody
 * reads stderr: draining goes on all the same (O9)
 */

#include <errno.h>
#include <fcntl.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"

#define FIRST_MSEC	20
/* Ticks of the timer thread, and with them looks at the grace period. */
#define TICKS		100

static const struct rcu_flavor_struct *free_flavor = &urcu_bp_flavor;

/* Stderr becomes a pipe that is full, whose other end stays open and unread. */
static int block_stderr(void)
{
	char block[4096] = "";
	int fd[2];

	if (pipe(fd) || fcntl(fd[1], F_SETFL, O_NONBLOCK))
		return -1;
	while (write(fd[1], block, sizeof(block)) > 0)
		;
	while (write(fd[1], block, 1) > 0)
		;
	if (errno != EAGAIN || fcntl(fd[1], F_SETFL, 0))
		return -1;
	return dup2(fd[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static bool nothing_pends(void *unused)
{
	(void) unused;
	return !kvtest_stats(free_flavor).pending;
}

static int drain_beside_a_held_grace_period(void)
{
	unsigned int tick;

	kvfree_check_stall_msec = FIRST_MSEC;
	if (block_stderr())
		return 1;
	kvtest_start(1, 2);
	kvgp_hold();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvtest_object_new(1), head);
	if (!kvgp_wait_begun(1))
		return 2;
	kvtest_sleep_msec(2 * FIRST_MSEC);
	kvhold_count(KVFREE_HOOK_TIMER);
	for (tick = 0; tick < TICKS || kvhold_counted() < TICKS; tick++) {
		urcu_kvfree_rcu_flavor(free_flavor, kvtest_object_new(2),
				head);
		if (!kvtest_wait(nothing_pends, NULL, KVTEST_LONG / 2))
			return 3;
	}
	kvgp_let_go();
	urcu_kvfree_exit();
	return kvtest_stats(NULL).pending ? 4 : KVCHILD_OK;
}

static const struct kvchild_scenario scenarios[] = {
	{ "blocked", drain_beside_a_held_grace_period },
	{ NULL, NULL },
};

TEST(draining_goes_on_while_the_stall_report_finds_no_reader)
{
	char err[4096];

	assert_int_equal(kvchild_run("blocked", err, sizeof(err)), KVCHILD_OK);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		draining_goes_on_while_the_stall_report_finds_no_reader),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
