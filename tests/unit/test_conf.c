/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_conf.c - attributes and environment
 */

#include "cmocka-all.h"
#include "conf.h"

#define DEFAULT_BATCH	((size_t) 1048576)

TEST(setters_accept_the_range_and_refuse_the_rest)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	assert_non_null(attr);
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 0), 0);
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 1024), 0);
	errno = 0;
	assert_int_equal(urcu_kvfree_attr_set_min_cached_pages(attr, 1025), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(urcu_kvfree_attr_set_workers(attr, 0), -1);
	assert_int_equal(urcu_kvfree_attr_set_drain_msec(attr, 0), -1);
	assert_int_equal(urcu_kvfree_attr_set_large_threshold(attr, 1), -1);
	assert_int_equal(urcu_kvfree_attr_set_debug(attr, 3), -1);
	assert_int_equal(urcu_kvfree_attr_set_placement(attr, 2), -1);
	urcu_kvfree_attr_destroy(attr);
}

/* The refused value has changed nothing. */
static void assert_batch_bytes(struct urcu_kvfree_attr *attr, size_t bytes)
{
	struct kvfree_conf conf;

	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.batch_bytes, bytes);
}

static void assert_refuses_batch(struct urcu_kvfree_attr *attr, size_t bytes)
{
	errno = 0;
	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(attr, bytes), -1);
	assert_int_equal(errno, EINVAL);
}

TEST(batch_bytes_are_from_4096_to_half_of_all_memory)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	assert_non_null(attr);
	assert_batch_bytes(attr, DEFAULT_BATCH);
	assert_refuses_batch(attr, 0);
	assert_refuses_batch(attr, 1);
	assert_refuses_batch(attr, 4095);
	assert_refuses_batch(attr, SIZE_MAX / 2 + 1);
	assert_refuses_batch(attr, SIZE_MAX);
	assert_batch_bytes(attr, DEFAULT_BATCH);
	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(attr, 4096), 0);
	assert_batch_bytes(attr, 4096);
	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(attr, SIZE_MAX / 2),
		0);
	assert_batch_bytes(attr, SIZE_MAX / 2);
	errno = 0;
	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(NULL, 4096), -1);
	assert_int_equal(errno, EINVAL);
	urcu_kvfree_attr_destroy(attr);
}

static void assert_refuses_cap(struct urcu_kvfree_attr *attr, size_t bytes)
{
	errno = 0;
	assert_int_equal(urcu_kvfree_attr_set_max_pending_bytes(attr, bytes),
		-1);
	assert_int_equal(errno, EINVAL);
}

static void assert_cap(struct urcu_kvfree_attr *attr, size_t bytes)
{
	struct kvfree_conf conf;

	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.max_pending_bytes, bytes);
}

TEST(the_cap_is_none_or_at_least_batch_bytes)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	assert_non_null(attr);
	assert_cap(attr, 0);
	assert_refuses_cap(attr, 1);
	assert_refuses_cap(attr, DEFAULT_BATCH - 1);
	assert_cap(attr, 0);
	assert_int_equal(urcu_kvfree_attr_set_max_pending_bytes(attr,
		DEFAULT_BATCH), 0);
	assert_cap(attr, DEFAULT_BATCH);
	/* Nor does the budget get above the cap. */
	assert_refuses_batch(attr, DEFAULT_BATCH + 1);
	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(attr, 8192), 0);
	assert_refuses_cap(attr, 8191);
	assert_int_equal(urcu_kvfree_attr_set_max_pending_bytes(attr, 8192),
		0);
	assert_int_equal(urcu_kvfree_attr_set_max_pending_bytes(attr, 0), 0);
	assert_cap(attr, 0);
	urcu_kvfree_attr_destroy(attr);
}

/* As a setter would, the environment refuses a cap below the budget. */
TEST(a_cap_below_the_budget_in_the_environment_is_ignored)
{
	struct kvfree_conf conf;

	setenv("URCU_KVFREE_MAX_PENDING_BYTES", "4096", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
	assert_int_equal(conf.max_pending_bytes, 0);
	setenv("URCU_KVFREE_BATCH_BYTES", "4096", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
	assert_int_equal(conf.batch_bytes, 4096);
	assert_int_equal(conf.max_pending_bytes, 4096);
	unsetenv("URCU_KVFREE_BATCH_BYTES");
	unsetenv("URCU_KVFREE_MAX_PENDING_BYTES");
}

/* And allows both to be moved beyond what they were together. */
TEST(cap_and_budget_in_the_environment_go_together)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct kvfree_conf conf;

	assert_non_null(attr);
	assert_int_equal(urcu_kvfree_attr_set_max_pending_bytes(attr, 2 << 20), 0);
	setenv("URCU_KVFREE_BATCH_BYTES", "4194304", 1);
	setenv("URCU_KVFREE_MAX_PENDING_BYTES", "8388608", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.batch_bytes, 4 << 20);
	assert_int_equal(conf.max_pending_bytes, 8 << 20);
	unsetenv("URCU_KVFREE_BATCH_BYTES");
	unsetenv("URCU_KVFREE_MAX_PENDING_BYTES");
	urcu_kvfree_attr_destroy(attr);
}

TEST(placement_and_recycle_are_read_from_the_environment)
{
	struct kvfree_conf conf;

	setenv("URCU_KVFREE_PLACEMENT", "float", 1);
	setenv("URCU_KVFREE_RECYCLE", "0", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
	assert_int_equal(conf.placement, URCU_KVFREE_PLACEMENT_FLOAT);
	assert_int_equal(conf.recycle, 0);
	setenv("URCU_KVFREE_PLACEMENT", "far", 1);
	setenv("URCU_KVFREE_RECYCLE", "2", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
	assert_int_equal(conf.placement, URCU_KVFREE_PLACEMENT_NEAR);
	assert_int_equal(conf.recycle, 1);
	unsetenv("URCU_KVFREE_PLACEMENT");
	unsetenv("URCU_KVFREE_RECYCLE");
}

TEST(backoff_is_clamped)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct kvfree_conf conf;

	assert_int_equal(urcu_kvfree_attr_set_refill_backoff_msec(attr,
		200000), 0);
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.refill_backoff_msec, 100000);
	urcu_kvfree_attr_destroy(attr);
}

TEST(environment_wins_over_the_attribute)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct kvfree_conf conf;

	assert_int_equal(urcu_kvfree_attr_set_batch_bytes(attr, 5000), 0);
	setenv("URCU_KVFREE_BATCH_BYTES", "70000", 1);
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.batch_bytes, 70000);
	unsetenv("URCU_KVFREE_BATCH_BYTES");
	assert_int_equal(kvfree_conf_resolve(&conf, attr), 0);
	assert_int_equal(conf.batch_bytes, 5000);
	urcu_kvfree_attr_destroy(attr);
}

TEST(a_bad_environment_value_is_ignored)
{
	static const char *const bad[] = { "", "x", "-1", "7x", "4095", "5000.5",
		"99999999999999999999" };
	struct kvfree_conf conf;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("URCU_KVFREE_BATCH_BYTES", bad[i], 1);
		assert_int_equal(kvfree_conf_resolve(&conf, NULL), 0);
		assert_int_equal(conf.batch_bytes, DEFAULT_BATCH);
	}
	unsetenv("URCU_KVFREE_BATCH_BYTES");
}

TEST(a_foreign_attribute_is_einval)
{
	uint64_t not_an_attribute[16] = { 0 };

	errno = 0;
	assert_int_equal(urcu_kvfree_init((void *) not_an_attribute), -1);
	assert_int_equal(errno, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setters_accept_the_range_and_refuse_the_rest),
		cmocka_unit_test(
		batch_bytes_are_from_4096_to_half_of_all_memory),
		cmocka_unit_test(the_cap_is_none_or_at_least_batch_bytes),
		cmocka_unit_test(
		a_cap_below_the_budget_in_the_environment_is_ignored),
		cmocka_unit_test(cap_and_budget_in_the_environment_go_together),
		cmocka_unit_test(
		placement_and_recycle_are_read_from_the_environment),
		cmocka_unit_test(backoff_is_clamped),
		cmocka_unit_test(environment_wins_over_the_attribute),
		cmocka_unit_test(a_bad_environment_value_is_ignored),
		cmocka_unit_test(a_foreign_attribute_is_einval),
	};

	return kvtest_run(tests);
}
