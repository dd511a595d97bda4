/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_environment.c - a bad value: one line on stderr, and the default
 *
 * Each case in a process of its own, since a line is written once per process.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvinside.h"
#include "kvtest.h"
#include "tsan.h"

static const char *const names[] = {
	"URCU_KVFREE_MIN_CACHED_PAGES",
	"URCU_KVFREE_REFILL_BACKOFF_MSEC",
	"URCU_KVFREE_DRAIN_MSEC",
	"URCU_KVFREE_WORKERS",
	"URCU_KVFREE_LARGE_THRESHOLD",
	"URCU_KVFREE_BATCH_BYTES",
	"URCU_KVFREE_MAX_PENDING_BYTES",
	"URCU_KVFREE_RECYCLE",
	"URCU_KVFREE_PLACEMENT",
	"URCU_KVFREE_DEBUG",
};

#define NAMES	(sizeof(names) / sizeof(names[0]))

FIXTURE(clear)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		unsetenv(names[i]);
	return 0;
}

static bool has_defaults(void)
{
	const struct kvfree_conf *conf = &kvfree_conf;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return conf->min_cached_pages == 5 &&
		conf->refill_backoff_msec == 5000 &&
		conf->drain_msec == 100 &&
		conf->workers == (unsigned int) (cpus < 4 ? cpus : 4) &&
		conf->large_threshold == 131072 &&
		conf->batch_bytes == 1048576 && conf->max_pending_bytes == 0 &&
		conf->recycle == 1 &&
		conf->placement == URCU_KVFREE_PLACEMENT_NEAR &&
		conf->debug == URCU_KVFREE_DEBUG_OFF;
}

static int starts_with_defaults(void)
{
	if (urcu_kvfree_init(NULL))
		return 1;
	return has_defaults() ? KVCHILD_OK : 2;
}

static int starts_three_times(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (urcu_kvfree_init(NULL))
			return 1;
		urcu_kvfree_exit();
	}
	return KVCHILD_OK;
}

static int starts_lazily(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, malloc(10));
	urcu_kvfree_rcu_barrier_flavor(&urcu_memb_flavor);
	return has_defaults() ? KVCHILD_OK : 2;
}

/* All good values at once; the attribute says otherwise. */
static int good_values_win(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	const struct kvfree_conf *conf = &kvfree_conf;

	urcu_kvfree_attr_set_batch_bytes(attr, 9999);
	urcu_kvfree_attr_set_drain_msec(attr, 99);
	if (urcu_kvfree_init(attr))
		return 1;
	urcu_kvfree_attr_destroy(attr);
	if (conf->min_cached_pages != 0 || conf->refill_backoff_msec != 100000)
		return 2;
	if (conf->drain_msec != 60000 || conf->workers != 3)
		return 3;
	if (conf->large_threshold != 4096 || conf->batch_bytes != 65536 ||
	    conf->max_pending_bytes != 65536)
		return 4;
	if (conf->recycle || conf->placement != URCU_KVFREE_PLACEMENT_FLOAT)
		return 5;
	if (!kvtest_threads_become("kvfree-worker", 3))
		return 6;
	return conf->debug == URCU_KVFREE_DEBUG_ON ? KVCHILD_OK : 7;
}

#define NOBODY		65534
#define NOT_SECURE	77

/* The program has its file's owner's rights. By _exit(): they are not enough to write
 * coverage counters. */
static int is_secure_and_has_defaults(void)
{
	if (!getauxval(AT_SECURE))
		_exit(NOT_SECURE);
	_exit(urcu_kvfree_init(NULL) || !has_defaults());
}

static const struct kvchild_scenario scenarios[] = {
	{ "is_secure_and_has_defaults", is_secure_and_has_defaults },
	{ "starts_with_defaults", starts_with_defaults },
	{ "starts_three_times", starts_three_times },
	{ "starts_lazily", starts_lazily },
	{ "good_values_win", good_values_win },
	{ NULL, NULL },
};

/* Runs @scenario: its end, and how many lines the library wrote. */
static void assert_lines(const char *scenario, unsigned int lines,
		const char *named)
{
	char err[8192], *at;
	unsigned int all;

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	if (kvchild_count_lines(err) != lines)
		print_error("%s", err);
	assert_int_equal(kvchild_count_lines(err), lines);
	/* And none that is not the library's. */
	for (at = err, all = 0; (at = strchr(at, '\n')); at++)
		all++;
	assert_int_equal(all, lines);
	if (named)
		assert_non_null(strstr(err, named));
}

TEST(each_bad_value_is_one_line_and_the_default)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++) {
		setenv(names[i], "many", 1);
		assert_lines("starts_with_defaults", 1, names[i]);
		unsetenv(names[i]);
	}
}

TEST(what_is_told_says_what_would_do)
{
	setenv("URCU_KVFREE_PLACEMENT", "far", 1);
	assert_lines("starts_with_defaults", 1,
		"URCU_KVFREE_PLACEMENT=far is ignored: want a number from 0 to 1 or near or float");
	unsetenv("URCU_KVFREE_PLACEMENT");
	setenv("URCU_KVFREE_MAX_PENDING_BYTES", "4096", 1);
	assert_lines("starts_with_defaults", 1,
		"ignored: max_pending_bytes may not be below batch_bytes");
	unsetenv("URCU_KVFREE_MAX_PENDING_BYTES");
}

TEST(every_kind_of_bad_value_is_told)
{
	static const char *const bad[] = { "", " ", "-1", "0", "4095",
		"9223372036854775808", "8192x", "0x2000", "8e3", "8192 ",
		"+8192", "99999999999999999999999", "8192\n9", "near" };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("URCU_KVFREE_BATCH_BYTES", bad[i], 1);
		assert_lines("starts_with_defaults", 1,
			"URCU_KVFREE_BATCH_BYTES");
	}
}

TEST(a_cap_below_the_budget_is_told)
{
	setenv("URCU_KVFREE_MAX_PENDING_BYTES", "65536", 1);
	assert_lines("starts_with_defaults", 1,
		"URCU_KVFREE_MAX_PENDING_BYTES");
}

TEST(a_value_of_any_length_is_told_in_one_line)
{
	char value[3000];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	setenv("URCU_KVFREE_WORKERS", value, 1);
	assert_lines("starts_with_defaults", 1, "URCU_KVFREE_WORKERS");
}

TEST(all_bad_values_are_a_line_each)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		setenv(names[i], "bad", 1);
	assert_lines("starts_with_defaults", NAMES, NULL);
}

TEST(a_bad_value_is_told_once_per_process)
{
	setenv("URCU_KVFREE_DRAIN_MSEC", "0", 1);
	assert_lines("starts_three_times", 1, NULL);
}

TEST(a_lazy_start_tells_it_too)
{
	setenv("URCU_KVFREE_DRAIN_MSEC", "never", 1);
	assert_lines("starts_lazily", 1, "URCU_KVFREE_DRAIN_MSEC");
}

TEST(good_values_win_over_the_attribute_without_a_word)
{
	setenv("URCU_KVFREE_MIN_CACHED_PAGES", "0", 1);
	setenv("URCU_KVFREE_REFILL_BACKOFF_MSEC", "200000", 1); /* clamped */
	setenv("URCU_KVFREE_DRAIN_MSEC", "60000", 1);
	setenv("URCU_KVFREE_BATCH_BYTES", "65536", 1);
	setenv("URCU_KVFREE_MAX_PENDING_BYTES", "65536", 1);
	setenv("URCU_KVFREE_RECYCLE", "0", 1);
	setenv("URCU_KVFREE_PLACEMENT", "float", 1);
	setenv("URCU_KVFREE_WORKERS", "3", 1);
	setenv("URCU_KVFREE_LARGE_THRESHOLD", "4096", 1);
	setenv("URCU_KVFREE_DEBUG", "1", 1);
	assert_lines("good_values_win", 0, NULL);
}

TEST(without_any_value_there_is_not_a_word)
{
	assert_lines("starts_with_defaults", 0, NULL);
}

/* A set-user-ID copy of this program, as @path; false: that cannot be had. */
static bool make_setuid_copy(char *path)
{
	int out = mkstemp(path), in = open(kvtest_program(), O_RDONLY);
	struct stat st;
	off_t done = 0;
	bool good;

	assert_true(out >= 0 && in >= 0);
	assert_int_equal(fstat(in, &st), 0);
	while (done < st.st_size &&
	       sendfile(out, in, &done, (size_t) (st.st_size - done)) > 0)
		;
	assert_int_equal(done, st.st_size);
	good = fchown(out, NOBODY, (gid_t) -1) == 0 && fchmod(out, 04755) == 0;
	close(in);
	close(out);
	return good;
}

TEST(a_program_with_more_rights_than_its_caller_reads_none)
{
	char path[] = "/tmp/test_environment.XXXXXX", err[4096];
	int status = KVCHILD_OK;
	bool made;

#if defined(KVFREE_TSAN) || defined(KVTEST_ASAN)
	kvtest_skip("a sanitizer's runtime is not made for set-user-ID files");
#endif
	made = make_setuid_copy(path);
	setenv("URCU_KVFREE_WORKERS", "7", 1);
	if (made)
		status = kvchild_run_file(path, "is_secure_and_has_defaults",
				err, sizeof(err));
	unlink(path);
	if (!made || status == NOT_SECURE)
		kvtest_skip("not root, or a file system without set-user-ID files");
	assert_int_equal(status, KVCHILD_OK);
}

#define test(f)	cmocka_unit_test_setup(f, clear)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(each_bad_value_is_one_line_and_the_default),
		test(what_is_told_says_what_would_do),
		test(every_kind_of_bad_value_is_told),
		test(a_cap_below_the_budget_is_told),
		test(a_value_of_any_length_is_told_in_one_line),
		test(all_bad_values_are_a_line_each),
		test(a_bad_value_is_told_once_per_process),
		test(a_lazy_start_tells_it_too),
		test(good_values_win_over_the_attribute_without_a_word),
		test(without_any_value_there_is_not_a_word),
		test(a_program_with_more_rights_than_its_caller_reads_none),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
