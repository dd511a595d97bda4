/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_domain.c - the table of domains; waiting as a reader
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvinside.h"

#define THREADS	8

static struct rcu_flavor_struct many[KVFREE_MAX_DOMAINS + 1];

static void a_flavor_has_one_domain(void **state)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	struct kvfree_domain *domain = kvfree_domain_get(rcu);

	assert_ptr_equal(kvfree_domain_flavor(domain), rcu);
	assert_ptr_equal(kvfree_domain_get(rcu), domain);
	assert_in_range(kvfree_domain_index(domain), 0,
		KVFREE_MAX_DOMAINS - 1);
	assert_ptr_equal(&kvfree_runtime.domains[kvfree_domain_index(domain)],
		domain);
}

static void different_flavors_have_different_domains(void **state)
{
	unsigned int i, n;

	(void) state;
	for (i = 0; i < 4; i++)
		for (n = 0; n < i; n++)
			assert_ptr_not_equal(
				kvfree_domain_get(kvtest_flavors[i].rcu),
				kvfree_domain_get(kvtest_flavors[n].rcu));
}

static void the_walk_sees_the_domains_in_use_alone(void **state)
{
	struct kvfree_domain *domain;
	unsigned int nr = 0;

	(void) state;
	kvfree_domain_get(&kvgp_flavor);
	kvfree_for_each_domain(domain) {
		assert_non_null(kvfree_domain_flavor(domain));
		nr++;
	}
	assert_int_equal(nr, 5);
}

/* ------------------------------------------------------------------ */
/* Claims, in processes of their own                                  */

static pthread_barrier_t together;

static void *claim(void *arg)
{
	(void) arg;
	pthread_barrier_wait(&together);
	return kvfree_domain_get(&kvgp_flavor);
}

/* Threads that claim the same flavor at once get the same entry. */
static int claim_at_once(void)
{
	pthread_t tid[THREADS];
	struct kvfree_domain *domain;
	unsigned int i, nr = 0, bad = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(claim, NULL);
	for (i = 0; i < THREADS; i++)
		bad += kvtest_join(tid[i]) != kvfree_runtime.domains;
	kvfree_for_each_domain(domain)
		nr++;
	return bad || nr != 1;
}

static void *use_first(void *arg)
{
	pthread_barrier_wait(&together);
	if (urcu_kvfree_register_thread_flavor(&kvgp_flavor))
		return arg;
	kvfree_domain_synchronize(kvfree_domain_get(&kvgp_flavor));
	kvtest_stats(&kvgp_flavor);
	urcu_kvfree_unregister_thread_flavor(&kvgp_flavor);
	return NULL;
}

/* K7: nor is there a race between who claims the entry and who uses it. */
static int use_at_once(void)
{
	pthread_t tid[THREADS];
	unsigned int i, bad = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(use_first, &together);
	for (i = 0; i < THREADS; i++)
		bad += kvtest_join(tid[i]) != NULL;
	urcu_kvfree_exit();
	return bad ? 1 : KVCHILD_OK;
}

static int claim_as_many_as_there_are(void)
{
	unsigned int i;

	for (i = 0; i < KVFREE_MAX_DOMAINS; i++)
		if (kvfree_domain_get(&many[i]) != &kvfree_runtime.domains[i])
			return 1;
	return 0;
}

static int claim_one_too_many(void)
{
	if (claim_as_many_as_there_are())
		return 1;
	kvfree_domain_get(&many[KVFREE_MAX_DOMAINS]);
	return 2;
}

static int wait_in_a_section(void)
{
	kvgp_set_in_section(true);
	kvfree_domain_enter_wait(kvfree_domain_get(&kvgp_flavor), "the test");
	return 1;
}

static const struct kvchild_scenario scenarios[] = {
	{ "claim_at_once", claim_at_once },
	{ "use_at_once", use_at_once },
	{ "claim_as_many_as_there_are", claim_as_many_as_there_are },
	{ "claim_one_too_many", claim_one_too_many },
	{ "wait_in_a_section", wait_in_a_section },
	{ NULL, NULL },
};

static void claims_at_once_share_an_entry(void **state)
{
	char err[1000];
	unsigned int i;

	(void) state;
	for (i = 0; i < 5; i++)
		assert_int_equal(kvchild_run("claim_at_once", err,
			sizeof(err)), KVCHILD_OK);
}

static void threads_may_use_a_flavor_first_at_once(void **state)
{
	char err[4096];
	unsigned int i;

	(void) state;
	for (i = 0; i < 5; i++)
		if (kvchild_run("use_at_once", err, sizeof(err)) != KVCHILD_OK)
			fail_msg("%s", err);
}

static void one_flavor_too_many_aborts_with_a_message(void **state)
{
	char err[1000];

	(void) state;
	assert_int_equal(kvchild_run("claim_as_many_as_there_are", err,
		sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_run("claim_one_too_many", err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, "flavors"));
	assert_int_equal(kvchild_count_lines(err), 1);
}

static void waiting_inside_a_section_aborts_and_names_the_call(void **state)
{
	char err[1000];

	(void) state;
	assert_int_equal(kvchild_run("wait_in_a_section", err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, "the test called inside"));
}

/* ------------------------------------------------------------------ */
/* Waiting                                                            */

static void *wait_outside_of_sections(void *arg)
{
	const struct rcu_flavor_struct *rcu = arg;
	struct kvfree_domain *domain = kvfree_domain_get(rcu);
	bool online, reading;

	rcu->register_thread();
	online = kvfree_domain_enter_wait(domain, "the test");
	/* Nobody waits for this thread: a grace period ends beside it. */
	kvfree_domain_synchronize(domain);
	reading = rcu->read_ongoing();
	kvfree_domain_leave_wait(domain, online);
	online = online == (rcu->read_ongoing() != 0);
	rcu->unregister_thread();
	return online && !reading ? arg : NULL;
}

static void who_waits_is_no_reader_and_is_online_again_after(void **state)
{
	void *rcu = (void *) kvtest_of(state);

	assert_ptr_equal(kvtest_on_thread(wait_outside_of_sections, rcu), rcu);
}

static void a_grace_period_is_counted(void **state)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);
	uint64_t before = kvtest_stats(&kvgp_flavor).grace_periods;

	(void) state;
	kvfree_domain_synchronize(domain);
	assert_int_equal(kvtest_stats(&kvgp_flavor).grace_periods, before + 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		kvtest_flavors_test(a_flavor_has_one_domain),
		cmocka_unit_test(different_flavors_have_different_domains),
		cmocka_unit_test(the_walk_sees_the_domains_in_use_alone),
		cmocka_unit_test(claims_at_once_share_an_entry),
		cmocka_unit_test(threads_may_use_a_flavor_first_at_once),
		cmocka_unit_test(one_flavor_too_many_aborts_with_a_message),
		cmocka_unit_test(
			waiting_inside_a_section_aborts_and_names_the_call),
		kvtest_flavors_test(
			who_waits_is_no_reader_and_is_online_again_after),
		cmocka_unit_test(a_grace_period_is_counted),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
