/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef CMOCKA_ALL_H
#define CMOCKA_ALL_H

/*
 * cmocka-all.h - cmocka.h with the headers that it wants before it, and how
 * our programs use it
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kvtest.h"

/* Define a test; one that runs on each flavor gets it with kvtest_of(state). */
#define TEST(name)							\
	static void name(void **state __attribute__((unused)))
/* Define what runs before or after tests; it returns 0 if all is well. */
#define FIXTURE(name)							\
	static int name(void **state __attribute__((unused)))

/* Four entries of a test table: the test once on each flavor. The test gets
 * its flavor through kvtest_of(). */
#define KVTEST_ON(f, setup, teardown, nr, name)				\
	{ #f "(" name ")", f, setup, teardown, (void *) &kvtest_flavors[nr] }
#define kvtest_flavors_test_setup_teardown(f, setup, teardown)		\
	KVTEST_ON(f, setup, teardown, 0, "memb"),			\
	KVTEST_ON(f, setup, teardown, 1, "mb"),				\
	KVTEST_ON(f, setup, teardown, 2, "qsbr"),			\
	KVTEST_ON(f, setup, teardown, 3, "bp")
#define kvtest_flavors_test(f)						\
	kvtest_flavors_test_setup_teardown(f, NULL, NULL)

static inline const struct rcu_flavor_struct *kvtest_of(void **state)
{
	const struct kvtest_flavor *flavor = *state;

	return flavor->rcu;
}

/* Skip the running test and say why, as the scripts do. A macro, since cmocka names the
 * line. */
#define kvtest_skip(why)	(print_message("SKIP: %s\n", (why)), skip())

/* Seconds after which a program that hangs is ended, so that make check ends. */
#define KVTEST_HANGS_AFTER	240

/* Run a test table, or those of it that KVTEST_FILTER (* and ?) names; a
 * program that hangs is killed. */
#define kvtest_run(tests)	kvtest_run_setup(tests, NULL, NULL)
#define kvtest_run_setup(tests, setup, teardown)			\
	(alarm(KVTEST_HANGS_AFTER),					\
	 cmocka_set_test_filter(getenv("KVTEST_FILTER")),		\
	 cmocka_run_group_tests(tests, setup, teardown))

#endif /* CMOCKA_ALL_H */
