/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_conf.c - attributes and environment
 */

#include "cmocka-all.h"
#include "conf.h"

static void setters_accept_the_range_and_refuse_the_rest(void **state)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	(void) state;
	assert_non_null(attr);
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 0), 0);
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 1024), 0);
	errno = 0;
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 1025), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(urcu_kvfree_attr_set_workers(attr, 0), -1);
	assert_int_equal(urcu_kvfree_attr_set_drain_msec(attr, 0), -1);
	assert_int_equal(urcu_kvfree_attr_set_kick_pages(attr, 0), -1);
	assert_int_equal(urcu_kvfree_attr_set_large_threshold(attr, 1), -1);
	assert_int_equal(urcu_kvfree_attr_set_debug(attr, 3), -1);
	urcu_kvfree_attr_destroy(attr);
}

static void backoff_is_clamped(void **state)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct kvfree_conf conf;

	(void) state;
	assert_int_equal(urcu_kvfree_attr_set_refill_backoff_msec(attr,
		200000), 0);
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.refill_backoff_msec, 100000);
	urcu_kvfree_attr_destroy(attr);
}

static void environment_wins_over_the_attribute(void **state)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct kvfree_conf conf;

	(void) state;
	assert_int_equal(urcu_kvfree_attr_set_kick_pages(attr, 3), 0);
	setenv("URCU_KVFREE_KICK_PAGES", "17", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.kick_pages, 17);
	unsetenv("URCU_KVFREE_KICK_PAGES");
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.kick_pages, 3);
	urcu_kvfree_attr_destroy(attr);
}

static void a_bad_environment_value_is_ignored(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "7x", "65537",
		"99999999999999999999" };
	struct kvfree_conf conf;
	size_t i;

	(void) state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("URCU_KVFREE_KICK_PAGES", bad[i], 1);
		assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
		assert_int_equal(conf.kick_pages, 32);
	}
	unsetenv("URCU_KVFREE_KICK_PAGES");
}

static void a_foreign_attribute_is_einval(void **state)
{
	uint64_t not_an_attribute[16] = { 0 };

	(void) state;
	errno = 0;
	assert_int_equal(urcu_kvfree_init((void *) not_an_attribute), -1);
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setters_accept_the_range_and_refuse_the_rest),
		cmocka_unit_test(backoff_is_clamped),
		cmocka_unit_test(environment_wins_over_the_attribute),
		cmocka_unit_test(a_bad_environment_value_is_ignored),
		cmocka_unit_test(a_foreign_attribute_is_einval),
	};

	return kvtest_run(tests);
}
