/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_domain.c - the table of domains; what a grace period covers; waiting as a
 * reader
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

#define THREADS	8

static struct rcu_flavor_struct many[KVFREE_MAX_DOMAINS + 1];

TEST(a_flavor_has_one_domain)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	struct kvfree_domain *domain = kvfree_domain_get(rcu);

	assert_ptr_equal(kvfree_domain_flavor(domain), rcu);
	assert_ptr_equal(kvfree_domain_get(rcu), domain);
	assert_in_range(kvfree_domain_index(domain), 0,
		KVFREE_MAX_DOMAINS - 1);
	assert_ptr_equal(&kvfree_domains[kvfree_domain_index(domain)], domain);
}

TEST(different_flavors_have_different_domains)
{
	unsigned int i, n;

	for (i = 0; i < 4; i++)
		for (n = 0; n < i; n++)
			assert_ptr_not_equal(
				kvfree_domain_get(kvtest_flavors[i].rcu),
				kvfree_domain_get(kvtest_flavors[n].rcu));
}

TEST(the_walk_sees_the_domains_in_use_alone)
{
	struct kvfree_domain *domain;
	unsigned int nr = 0;

	kvfree_domain_get(&kvgp_flavor);
	kvfree_for_each_domain(domain) {
		assert_non_null(kvfree_domain_flavor(domain));
		nr++;
	}
	assert_int_equal(nr, 5);
}

/* Until a grace period that begins after now is over. */
static void synchronize(struct kvfree_domain *domain)
{
	kvfree_domain_wait(domain, kvfree_gp_cookie(&domain->gp));
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
		bad += kvtest_join(tid[i]) != kvfree_domains;
	kvfree_for_each_domain(domain)
		nr++;
	return bad || nr != 1;
}

static void *use_first(void *arg)
{
	pthread_barrier_wait(&together);
	if (urcu_kvfree_register_thread_flavor(&kvgp_flavor))
		return arg;
	synchronize(kvfree_domain_get(&kvgp_flavor));
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
		if (kvfree_domain_get(&many[i]) != &kvfree_domains[i])
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
	kvfree_domain_get(&kvgp_flavor);
	kvfree_enter_wait("the test");
	return 1;
}

/* O3: somebody may wait for this thread while no domain knows the flavor, and
 * one may come to know it meanwhile. */
static int wait_online_without_a_domain(void)
{
	unsigned int online;

	urcu_qsbr_flavor.register_thread();
	online = kvfree_enter_wait("the test");
	if (kvfree_domains[0].flavor || urcu_qsbr_flavor.read_ongoing())
		return 1;
	kvfree_domain_get(&urcu_qsbr_flavor);
	kvfree_leave_wait(online);
	if (!urcu_qsbr_flavor.read_ongoing())
		return 2;
	urcu_qsbr_flavor.unregister_thread();
	return KVCHILD_OK;
}

static const struct kvchild_scenario scenarios[] = {
	{ "claim_at_once", claim_at_once },
	{ "use_at_once", use_at_once },
	{ "claim_as_many_as_there_are", claim_as_many_as_there_are },
	{ "claim_one_too_many", claim_one_too_many },
	{ "wait_in_a_section", wait_in_a_section },
	{ "wait_online_without_a_domain", wait_online_without_a_domain },
	{ NULL, NULL },
};

TEST(claims_at_once_share_an_entry)
{
	char err[1000];
	unsigned int i;

	for (i = 0; i < 5; i++)
		assert_int_equal(kvchild_run("claim_at_once", err,
			sizeof(err)), KVCHILD_OK);
}

TEST(threads_may_use_a_flavor_first_at_once)
{
	char err[4096];
	unsigned int i;

	for (i = 0; i < 5; i++)
		if (kvchild_run("use_at_once", err, sizeof(err)) != KVCHILD_OK)
			fail_msg("%s", err);
}

TEST(one_flavor_too_many_aborts_with_a_message)
{
	char err[1000];

	assert_int_equal(kvchild_run("claim_as_many_as_there_are", err,
		sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_run("claim_one_too_many", err, sizeof(err)),
		128 + SIGABRT);
	assert_non_null(strstr(err, "flavors"));
	assert_int_equal(kvchild_count_lines(err), 1);
}

TEST(waiting_inside_a_section_aborts_and_names_the_call)
{
	char err[1000];

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
	unsigned int online;
	bool reading, was_reading;

	rcu->register_thread();
	was_reading = rcu->read_ongoing();
	online = kvfree_enter_wait("the test");
	/* Nobody waits for this thread: a grace period ends beside it. */
	synchronize(domain);
	reading = rcu->read_ongoing();
	kvfree_leave_wait(online);
	was_reading = was_reading == (rcu->read_ongoing() != 0);
	rcu->unregister_thread();
	return was_reading && !reading ? arg : NULL;
}

TEST(who_waits_is_no_reader_and_is_online_again_after)
{
	void *rcu = (void *) kvtest_of(state);

	assert_ptr_equal(kvtest_on_thread(wait_outside_of_sections, rcu), rcu);
}

TEST(who_waits_goes_offline_where_no_domain_is_in_use)
{
	char err[1000];

	assert_int_equal(kvchild_run("wait_online_without_a_domain", err,
		sizeof(err)), KVCHILD_OK);
}

static void *try_to_wait_in_a_section(void *arg)
{
	const struct rcu_flavor_struct *rcu = arg;
	unsigned int online = 0;
	bool may;

	rcu->register_thread();
	urcu_qsbr_flavor.register_thread();
	kvtest_read_lock(rcu);
	may = kvfree_enter_wait_try(&online);
	if (!urcu_qsbr_flavor.read_ongoing())
		may = true;
	kvtest_read_unlock(rcu);
	urcu_qsbr_flavor.unregister_thread();
	rcu->unregister_thread();
	return may || online ? NULL : arg;
}

TEST(who_may_not_wait_is_left_online)
{
	void *rcu = (void *) &urcu_memb_flavor;

	kvfree_domain_get(rcu);
	kvfree_domain_get(&urcu_qsbr_flavor);
	assert_ptr_equal(kvtest_on_thread(try_to_wait_in_a_section, rcu), rcu);
}

/* ------------------------------------------------------------------ */
/* What a grace period covers                                         */

static struct kvfree_domain *domain;
static struct rcu_head objects[3];

#define BUILTIN	KVFREE_EMERGENCY_BUILTIN
#define USER	KVFREE_EMERGENCY_USER

FIXTURE(begin)
{
	domain = kvfree_domain_get(&kvgp_flavor);
	__atomic_store_n(&kvfree_conf.batch_bytes, 10000, __ATOMIC_RELAXED);
	return 0;
}

FIXTURE(end)
{
	kvhold_off();
	kvgp_let_go();
	kvfree_gp_release(&domain->gp);
	memset(domain->emergency, 0, sizeof(domain->emergency[BUILTIN]));
	memset(domain->chain, 0, sizeof(domain->chain));
	domain->uncovered = 0;
	domain->pending_bytes = 0;
	return 0;
}

/* A page was closed that takes its bytes of the budget. */
static void closed(size_t bytes)
{
	kvfree_domain_closed(domain, bytes, bytes);
}

static void push_on(unsigned int list, unsigned int nr)
{
	kvfree_emergency_push(&domain->emergency[list], &objects[nr], 0, 0);
}

static void push(unsigned int nr)
{
	push_on(BUILTIN, nr);
}

TEST(a_grace_period_is_counted)
{
	uint64_t before = kvtest_stats(&kvgp_flavor).grace_periods;

	assert_true(kvfree_domain_run(domain));
	assert_int_equal(kvtest_stats(&kvgp_flavor).grace_periods, before + 1);
}

TEST(the_budget_is_full_at_batch_bytes)
{
	closed(9999);
	assert_false(kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET));
	closed(1);
	assert_true(kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET));
	assert_false(kvfree_domain_over_budget(domain, 2 * KVFREE_ONE_BUDGET));
	closed(10000);
	assert_true(kvfree_domain_over_budget(domain, 2 * KVFREE_ONE_BUDGET));
}

/* As it is before the first start. */
TEST(nothing_is_over_no_budget)
{
	__atomic_store_n(&kvfree_conf.batch_bytes, 0, __ATOMIC_RELAXED);
	assert_false(kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET));
	closed(1);
	assert_true(kvfree_domain_over_budget(domain, 1));
}

TEST(a_page_may_take_more_of_the_budget_than_it_has_bytes)
{
	kvfree_domain_closed(domain, 64, 10000);
	assert_true(kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET));
	assert_int_equal(domain->pending_bytes, 64);
}

TEST(what_is_covered_is_pending_until_it_is_freed)
{
	closed(300);
	assert_true(kvfree_domain_run(domain));
	assert_int_equal(domain->uncovered, 0);
	assert_int_equal(domain->pending_bytes, 300);
	kvfree_domain_unpend(domain, 300);
	assert_int_equal(domain->pending_bytes, 0);
}

static struct {
	bool open, covered, taken, before;
} seen;

static void look(void)
{
	seen.open = !kvfree_gate_is_closed(kvfree_gate_read(&domain->kick_gate));
	seen.covered = !domain->uncovered;
	seen.taken = !domain->emergency[BUILTIN] && domain->chain[BUILTIN].head;
	seen.before = domain->chain[BUILTIN].cookie == kvfree_gp_cookie(&domain->gp);
}

/* What comes later waits for the next grace period, and asks for it. */
TEST(a_run_serves_all_requests_before_its_number_moves)
{
	memset(&seen, 0, sizeof(seen));
	push(0);
	closed(300);
	kvfree_gate_close(&domain->kick_gate,
		kvfree_gate_read(&domain->kick_gate));
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_BEGIN, look);
	assert_true(kvfree_domain_run(domain));
	assert_true(seen.open);
	assert_true(seen.covered);
	assert_true(seen.taken);
	assert_true(seen.before);
	assert_true(kvfree_gp_over(&domain->gp, domain->chain[BUILTIN].cookie));
}

TEST(a_run_that_may_not_begin_changes_nothing)
{
	unsigned long cookie = kvfree_gp_cookie(&domain->gp);

	push(0);
	closed(300);
	kvfree_gate_close(&domain->kick_gate,
		kvfree_gate_read(&domain->kick_gate));
	kvfree_gp_hold(&domain->gp);
	assert_false(kvfree_domain_run(domain));
	assert_int_equal(kvfree_gp_cookie(&domain->gp), cookie);
	assert_true(kvfree_gate_is_closed(
		kvfree_gate_read(&domain->kick_gate)));
	assert_int_equal(domain->uncovered, 300);
	assert_non_null(domain->emergency[BUILTIN]);
	assert_null(domain->chain[BUILTIN].head);
	kvfree_gp_release(&domain->gp);
	assert_true(kvfree_domain_run(domain));
}

TEST(a_wait_runs_what_its_cookie_needs_and_no_more)
{
	unsigned long cookie = kvfree_gp_cookie(&domain->gp);
	uint64_t begun = kvgp_begun();

	kvfree_domain_wait(domain, cookie);
	assert_int_equal(kvgp_begun(), begun + 1);
	kvfree_domain_wait(domain, cookie);
	assert_int_equal(kvgp_begun(), begun + 1);
}

static void *wait_for(void *cookie)
{
	kvfree_domain_wait(domain, *(unsigned long *) cookie);
	return NULL;
}

/* K1: the one that runs began before the cookie was read. */
TEST(a_wait_is_not_over_with_a_grace_period_that_ran_before)
{
	unsigned long first = kvfree_gp_cookie(&domain->gp), second;
	uint64_t begun = kvgp_begun();
	pthread_t runner, waiter;

	kvgp_hold();
	runner = kvtest_thread(wait_for, &first);
	assert_true(kvgp_wait_begun(begun + 1));
	second = kvfree_gp_cookie(&domain->gp);
	assert_int_equal(second, first + 1);
	waiter = kvtest_thread(wait_for, &second);
	kvgp_end_one();
	kvtest_join(runner);
	/* Not over: it runs the second. */
	assert_true(kvgp_wait_begun(begun + 2));
	assert_false(kvfree_gp_over(&domain->gp, second));
	kvgp_end_one();
	kvtest_join(waiter);
	assert_int_equal(kvgp_begun(), begun + 2);
}

/* Whoever holds them may wait for this thread, between the hooks of a fork. */
TEST(a_wait_may_be_given_up_where_no_grace_period_may_begin)
{
	unsigned long cookie = kvfree_gp_cookie(&domain->gp);

	kvfree_gp_hold(&domain->gp);
	assert_true(kvfree_domain_try_wait(domain,
		kvfree_gp_completed(&domain->gp)));
	assert_false(kvfree_domain_try_wait(domain, cookie));
	assert_int_equal(kvfree_gp_cookie(&domain->gp), cookie);
	kvfree_gp_release(&domain->gp);
	assert_true(kvfree_domain_try_wait(domain, cookie));
	assert_true(kvfree_gp_over(&domain->gp, cookie));
}

/* ------------------------------------------------------------------ */
/* The emergency list                                                 */

TEST(a_closed_list_waits_for_the_next_grace_period)
{
	unsigned long cookie;

	assert_false(kvfree_domain_has_emergency(domain));
	push(0);
	push(1);
	assert_true(kvfree_domain_has_emergency(domain));
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	assert_int_equal(domain->chain[BUILTIN].cookie,
		kvfree_gp_cookie(&domain->gp));
	assert_ptr_equal(domain->chain[BUILTIN].head, &objects[1]);
	assert_ptr_equal(domain->chain[BUILTIN].head->next, &objects[0]);
	assert_null(domain->emergency[BUILTIN]);
	assert_true(kvfree_domain_has_emergency(domain));
}

/* K1: what comes later does not join it. */
TEST(a_list_stays_while_an_earlier_chain_is_there)
{
	struct kvfree_chain *chain = &domain->chain[BUILTIN];
	unsigned long first, cookie;

	push(0);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	first = chain->cookie;
	push(1);
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	assert_int_equal(cookie, first);
	assert_true(kvfree_domain_run(domain));
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	assert_true(kvfree_gp_over(&domain->gp, cookie));
	assert_int_equal(chain->cookie, first);
	assert_ptr_equal(chain->head, &objects[0]);
	assert_null(chain->head->next);
	assert_ptr_equal(domain->emergency[BUILTIN], &objects[1]);
	/* Nor while somebody frees a part of it. */
	chain->head = NULL;
	chain->taken = true;
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	assert_true(kvfree_domain_has_emergency(domain));
	chain->taken = false;
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	assert_true((long) (chain->cookie - first) > 0);
}

/* O8: a chain that is freed slowly, or not at all, holds up its own list. */
TEST(each_list_is_closed_by_itself)
{
	struct kvfree_chain *chain = domain->chain;
	unsigned long cookie;

	push_on(USER, 0);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	assert_true(kvfree_domain_run(domain));
	push_on(BUILTIN, 1);
	push_on(USER, 2);
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	/* It is the user's chain that is waited for. */
	assert_true(kvfree_gp_over(&domain->gp, cookie));
	assert_ptr_equal(chain[USER].head, &objects[0]);
	assert_ptr_equal(domain->emergency[USER], &objects[2]);
	assert_null(domain->emergency[BUILTIN]);
	assert_ptr_equal(chain[BUILTIN].head, &objects[1]);
	assert_int_equal(chain[BUILTIN].cookie, kvfree_gp_cookie(&domain->gp));
}

TEST(what_missed_a_grace_period_needs_another_once_its_chain_is_gone)
{
	unsigned int list;

	for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++) {
		struct kvfree_chain *chain = &domain->chain[list];

		push_on(list, 0);
		assert_true(kvfree_domain_run(domain));
		push_on(list, 1);
		assert_false(kvfree_domain_emergency_missed(domain));
		assert_true(kvfree_domain_run(domain));
		assert_false(kvfree_domain_emergency_missed(domain));
		chain->head = NULL;
		assert_true(kvfree_domain_emergency_missed(domain));
		assert_true(kvfree_domain_run(domain));
		assert_false(kvfree_domain_emergency_missed(domain));
		chain->head = NULL;
	}
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

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
		cmocka_unit_test(
			who_waits_goes_offline_where_no_domain_is_in_use),
		cmocka_unit_test(who_may_not_wait_is_left_online),
		test(a_grace_period_is_counted),
		test(the_budget_is_full_at_batch_bytes),
		test(nothing_is_over_no_budget),
		test(a_page_may_take_more_of_the_budget_than_it_has_bytes),
		test(what_is_covered_is_pending_until_it_is_freed),
		test(a_run_serves_all_requests_before_its_number_moves),
		test(a_run_that_may_not_begin_changes_nothing),
		test(a_wait_runs_what_its_cookie_needs_and_no_more),
		test(a_wait_is_not_over_with_a_grace_period_that_ran_before),
		test(a_wait_may_be_given_up_where_no_grace_period_may_begin),
		test(a_closed_list_waits_for_the_next_grace_period),
		test(a_list_stays_while_an_earlier_chain_is_there),
		test(each_list_is_closed_by_itself),
		test(what_missed_a_grace_period_needs_another_once_its_chain_is_gone),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
