/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_kernel_names.c - code in the kernel's forms compiles with urcu/kvfree-compat.h and
 * frees each object once its readers have left
 *
 * The forms are those of Linux's Documentation/RCU/whatisRCU.rst and of the comments in
 * include/linux/rcupdate.h.
 */

#include <urcu.h>
#include <urcu/kvfree-compat.h>

#include "cmocka-all.h"

struct foo {
	int a;
	struct rcu_head rcu;
};

/* The object of a list entry, with its struct rcu_head in a union, as kernel code has it. */
struct bar {
	char name[32];
	union {
		struct rcu_head rcu;
		void *next;
	} u;
};

static struct foo *gbl_foo;

static struct foo *foo_update_a(int new_a)
{
	struct foo *new_fp = calloc(1, sizeof(*new_fp));

	assert_non_null(new_fp);
	new_fp->a = new_a;
	return rcu_xchg_pointer(&gbl_foo, new_fp);
}

static uint64_t freed(void)
{
	struct urcu_kvfree_stats stats;

	assert_int_equal(urcu_kvfree_get_stats(&stats, sizeof(stats)), 0);
	return stats.freed;
}

TEST(two_arguments_free_with_a_head)
{
	struct foo *old_fp;
	struct bar *bar = calloc(1, sizeof(*bar)), *bars = bar;
	unsigned int i = 0;
	uint64_t before = freed();

	foo_update_a(0);
	old_fp = foo_update_a(1);
	/* A statement by itself, also as the body of an if with an else. */
	if (!old_fp)
		kfree_rcu(bar, u.rcu);
	else
		kvfree_rcu(old_fp, rcu);
	/* The pointer is evaluated once. */
	kvfree_rcu(&bars[i++], u.rcu);
	assert_int_equal(i, 1);
	old_fp = foo_update_a(2);
	kfree_rcu(old_fp, rcu);
	kvfree_rcu_barrier();
	assert_int_equal(freed() - before, 3);
}

TEST(one_argument_frees_without_a_head)
{
	const char *text = strdup("text");
	struct foo *old_fp = foo_update_a(3);
	uint64_t before = freed();

	kfree_rcu_mightsleep(old_fp);
	kvfree_rcu_mightsleep(text);
	kvfree_rcu_mightsleep(urcu_kvmalloc(1 << 20));
	kvfree_rcu_barrier();
	assert_int_equal(freed() - before, 3);
}

TEST(null_is_a_no_op)
{
	struct foo *none = NULL;
	uint64_t before = freed();

	kfree_rcu(none, rcu);
	kvfree_rcu(none, rcu);
	kfree_rcu_mightsleep(none);
	kvfree_rcu_mightsleep(none);
	kvfree_rcu_barrier();
	assert_int_equal(freed(), before);
}

TEST(a_reader_keeps_what_it_may_have_found)
{
	struct kvtest_reader reader;
	uint64_t before = freed();

	kvtest_reader_enter(&reader, &rcu_flavor);
	kfree_rcu(foo_update_a(4), rcu);
	kvfree_rcu_mightsleep(foo_update_a(5));
	/* More than the time after which a grace period is asked for. */
	kvtest_sleep_msec(50);
	assert_int_equal(freed(), before);
	kvtest_reader_leave(&reader);
	kvfree_rcu_barrier();
	assert_int_equal(freed() - before, 2);
}

FIXTURE(start)
{
	kvtest_start(10, 1);
	return 0;
}

FIXTURE(stop)
{
	urcu_kvfree_exit();
	free(gbl_foo);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_arguments_free_with_a_head),
		cmocka_unit_test(one_argument_frees_without_a_head),
		cmocka_unit_test(null_is_a_no_op),
		cmocka_unit_test(a_reader_keeps_what_it_may_have_found),
	};

	return kvtest_run_setup(tests, start, stop);
}
