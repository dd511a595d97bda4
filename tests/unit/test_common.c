/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_common.c - messages
 */

#include <signal.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "common.h"
#include "kvchild.h"

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

static const struct kvchild_scenario scenarios[] = {
	{ "dies_with_a_hook", dies_with_a_hook },
	{ "warns", warns },
	{ "warns_at_length", warns_at_length },
	{ "warns_in_lines", warns_in_lines },
	{ "dies", dies },
	{ NULL, NULL },
};

static char err[4096];

static void a_message_is_one_line_with_the_librarys_name(void **state)
{
	(void) state;
	assert_int_equal(kvchild_run("warns", err, sizeof(err)), KVCHILD_OK);
	assert_string_equal(err, "liburcu-kvfree: seven is 7\n");
}

static void a_long_message_is_cut(void **state)
{
	(void) state;
	assert_int_equal(kvchild_run("warns_at_length", err, sizeof(err)),
		KVCHILD_OK);
	assert_in_range(strlen(err), 100, 512);
	assert_int_equal(err[strlen(err) - 1], '\n');
}

static void what_is_repeated_stays_on_one_line(void **state)
{
	(void) state;
	assert_int_equal(kvchild_run("warns_in_lines", err, sizeof(err)),
		KVCHILD_OK);
	assert_string_equal(err, "liburcu-kvfree: one?two?three?[31m\n");
}

static void dying_is_a_message_and_an_abort(void **state)
{
	(void) state;
	assert_int_equal(kvchild_run("dies", err, sizeof(err)), 128 + SIGABRT);
	assert_non_null(strstr(err, "liburcu-kvfree: because of this\n"));
}

static void a_test_can_take_the_place_of_the_abort(void **state)
{
	(void) state;
	assert_int_equal(kvchild_run("dies_with_a_hook", err, sizeof(err)), 7);
	assert_non_null(strstr(err, "liburcu-kvfree: because of this\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_one_line_with_the_librarys_name),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(what_is_repeated_stays_on_one_line),
		cmocka_unit_test(dying_is_a_message_and_an_abort),
		cmocka_unit_test(a_test_can_take_the_place_of_the_abort),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
