/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_stall.c - a grace period that does not end is reported (P11)
 *
 * The report comes after 10 s in a program, after 100 ms here.
 */

#include <string.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

#define FIRST_MSEC	100

static bool second_tick_began(void *records)
{
	return kvhold_counted() > *(unsigned int *) records;
}

/* Until the tick's service has looked at a grace period that lasts. It visits each
 * record first; when it visits more than there are, it has looked. */
static bool tick_looked(const struct rcu_flavor_struct *rcu)
{
	unsigned int records = kvinside_count_records(kvfree_domain_get(rcu));

	kvhold_count(KVFREE_HOOK_TICK_LOCKED);
	return kvtest_wait(second_tick_began, &records, KVTEST_LONG);
}

/* Hold a grace period open for @msec while one object is pending. */
static int hold_open(unsigned int msec)
{
	kvfree_check_stall_msec = FIRST_MSEC;
	setenv("URCU_KVFREE_DRAIN_MSEC", "10", 1);
	if (urcu_kvfree_init(NULL))
		return 1;
	kvgp_hold();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvtest_object_new(1), head);
	if (!kvgp_wait_begun(1))
		return 2;
	kvtest_sleep_msec(msec);
	if (msec > FIRST_MSEC && !tick_looked(&kvgp_flavor))
		return 3;
	kvgp_let_go();
	urcu_kvfree_exit();
	return KVCHILD_OK;
}

static int short_one(void)
{
	return hold_open(1);
}

static int long_one(void)
{
	return hold_open(FIRST_MSEC * 5);
}

static sem_t entered, leave;

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *stay_in_a_section(void *unused)
{
	(void) unused;
	urcu_memb_register_thread();
	urcu_memb_read_lock();
	sem_post(&entered);
	wait_for(&leave);
	urcu_memb_read_unlock();
	urcu_memb_unregister_thread();
	return NULL;
}

static bool memb_waits(void *unused)
{
	(void) unused;
	return __atomic_load_n(&kvfree_domain_get(&urcu_memb_flavor)->gp.since_msec,
			__ATOMIC_RELAXED) != 0;
}

/* A reader of one of liburcu's own flavors. */
static int real_reader(void)
{
	pthread_t reader;
	bool looked;

	kvfree_check_stall_msec = FIRST_MSEC;
	setenv("URCU_KVFREE_DRAIN_MSEC", "10", 1);
	if (urcu_kvfree_init(NULL))
		return 1;
	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	reader = kvtest_thread(stay_in_a_section, NULL);
	wait_for(&entered);
	urcu_kvfree_rcu_flavor(&urcu_memb_flavor, kvtest_object_new(1), head);
	looked = kvtest_wait(memb_waits, NULL, KVTEST_LONG);
	kvtest_sleep_msec(FIRST_MSEC * 2);
	looked = looked && tick_looked(&urcu_memb_flavor);
	sem_post(&leave);
	kvtest_join(reader);
	urcu_kvfree_exit();
	return looked ? KVCHILD_OK : 2;
}

static const struct kvchild_scenario scenarios[] = {
	{ "real_reader", real_reader },
	{ "short_one", short_one },
	{ "long_one", long_one },
	{ NULL, NULL },
};

/* Reports that a grace period held for @msec at the most can have: at the first
 * time and at each doubling. */
static unsigned int most_reports(uint64_t msec)
{
	unsigned int nr = 0;
	uint64_t at;

	for (at = FIRST_MSEC; at <= msec; at *= 2)
		nr++;
	return nr;
}

static unsigned int count(const char *text, const char *part)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, part)); text++)
		nr++;
	return nr;
}

TEST(a_stalled_grace_period_is_reported_and_at_each_doubling)
{
	uint64_t begin = kvtest_msec();
	char err[8192];

	assert_int_equal(kvchild_run("long_one", err, sizeof(err)), KVCHILD_OK);
	assert_in_range(count(err, "grace period of"), 1,
		most_reports(kvtest_msec() - begin));
	assert_non_null(strstr(err, "objects pending: 1"));
}

TEST(the_report_names_the_flavor)
{
	char err[8192];

	assert_int_equal(kvchild_run("real_reader", err, sizeof(err)),
		KVCHILD_OK);
	assert_non_null(strstr(err, "a grace period of urcu_memb_flavor has"));
	assert_non_null(strstr(err, "grace period 1 is waited for"));
}

TEST(a_grace_period_that_ends_is_not_reported)
{
	uint64_t begin = kvtest_msec();
	char err[8192];

	assert_int_equal(kvchild_run("short_one", err, sizeof(err)),
		KVCHILD_OK);
	if (kvtest_msec() - begin < FIRST_MSEC)
		assert_int_equal(kvchild_count_lines(err), 0);
	else
		kvtest_skip("the machine is so busy that it may be reported");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_stalled_grace_period_is_reported_and_at_each_doubling),
		cmocka_unit_test(the_report_names_the_flavor),
		cmocka_unit_test(a_grace_period_that_ends_is_not_reported),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
