/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_pressure.c - the kernel says that memory is short
 *
 * A socket stands for the pressure file: urgent data is EPOLLPRI, as a PSI
 * trigger is.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"
#include "kvloopback.h"
#include "pressure.h"

#define rcu	(&urcu_memb_flavor)

static int ours = -1;	/* our end; the library closes the other */
static int theirs = -1;

/* Started with a pressure descriptor of ours; a back-off of @msec. */
static void begin(unsigned int msec)
{
	struct urcu_kvfree_attr *attr;

	kvloopback_needed();
	assert_int_equal(kvloopback_pair(&ours, &theirs), 0);
	attr = urcu_kvfree_attr_create();
	kvfree_check_pressure_fd = theirs;
	assert_int_equal(urcu_kvfree_attr_set_refill_backoff_msec(attr, msec),
		0);
	/* No tick comes during the test. */
	assert_int_equal(urcu_kvfree_attr_set_drain_msec(attr, 60000), 0);
	assert_int_equal(urcu_kvfree_init(attr), 0);
	urcu_kvfree_attr_destroy(attr);
	kvarena_reset();
	kvinside_settle();
}

static void end(void)
{
	urcu_kvfree_exit();
	kvfree_check_pressure_fd = -1;
	close(ours);
}

static void press(void)
{
	assert_int_equal(send(ours, "!", 1, MSG_OOB), 1);
}

/* The kernel's own trigger is lowered by the poll that reports it. */
static void release(void)
{
	char c;

	assert_int_equal(recv(theirs, &c, 1, MSG_OOB), 1);
}

static bool no_page_is_left(void *unused)
{
	(void) unused;
	return kvtest_stats(NULL).cached_pages == 0;
}

static bool has_cached_pages(void *unused)
{
	(void) unused;
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	kvtest_sleep_msec(1);
	return kvtest_stats(NULL).cached_pages != 0;
}

/* K5: what is queued is freed, the caches are dropped, refills hold off. */
TEST(pressure_gives_memory_back)
{
	unsigned int i;

	begin(100000);
	assert_true(kvtest_wait(has_cached_pages, NULL, KVTEST_LONG));
	for (i = 0; i < 100; i++)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	press();
	assert_true(kvtest_wait(no_page_is_left, NULL, KVTEST_LONG));
	release();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_true(kvfree_refill_is_held());
	/* During the hold raw calls still work, without a page. */
	i = (unsigned int) kvtest_stats(rcu).pages_allocated;
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	assert_int_equal(kvtest_stats(rcu).pages_allocated, i);
	end();
	kvarena_assert_exact();
}

TEST(refills_resume_after_the_back_off)
{
	begin(20);
	assert_true(kvtest_wait(has_cached_pages, NULL, KVTEST_LONG));
	press();
	assert_true(kvtest_wait(no_page_is_left, NULL, KVTEST_LONG));
	release();
	assert_true(kvtest_wait(has_cached_pages, NULL, KVTEST_LONG));
	end();
	kvarena_assert_exact();
}

static bool pressure_fd_is_closed(void *fds)
{
	return kvtest_count_fds() < *(unsigned int *) fds;
}

/* Its cgroup was removed, say: the descriptor reports an error for ever. */
TEST(a_pressure_file_that_is_gone_is_closed)
{
	unsigned int fds;
	struct linger reset = { .l_onoff = 1 };

	begin(100);
	fds = kvtest_count_fds() - 1;	/* ours goes too */
	assert_int_equal(setsockopt(ours, SOL_SOCKET, SO_LINGER, &reset,
		sizeof(reset)), 0);
	close(ours);
	assert_true(kvtest_wait(pressure_fd_is_closed, &fds, KVTEST_LONG));
	ours = -1;
	end();
}

static bool system_takes_triggers(void)
{
	static const char trigger[] = "some 200000 2000000";
	int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	bool takes = fd >= 0 &&
		write(fd, trigger, sizeof(trigger)) == (ssize_t) sizeof(trigger);

	if (fd >= 0)
		close(fd);
	return takes;
}

/* The real thing, where the kernel has it: opened or left out, never an error. A
 * control group's file may be there without the system's. */
TEST(a_system_without_pressure_files_starts_as_well)
{
	assert_int_equal(urcu_kvfree_init(NULL), 0);
	if (system_takes_triggers())
		assert_true(kvfree_timer.pressure >= 0);
	else
		print_message("/proc/pressure/memory takes no trigger here\n");
	urcu_kvfree_exit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pressure_gives_memory_back),
		cmocka_unit_test(refills_resume_after_the_back_off),
		cmocka_unit_test(a_pressure_file_that_is_gone_is_closed),
		cmocka_unit_test(a_system_without_pressure_files_starts_as_well),
	};

	return kvtest_run(tests);
}
