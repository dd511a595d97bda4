/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_shrink.c - what the library gives back when memory is short
 */

#include <signal.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvinside.h"

static const struct rcu_flavor_struct *rcu;

static void start(unsigned int backoff_msec)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	urcu_kvfree_attr_set_workers(attr, 2);
	urcu_kvfree_attr_set_refill_backoff_msec(attr, backoff_msec);
	if (urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &urcu_memb_flavor;
	kvarena_reset();
	start(100000);
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	return 0;
}

static void queue(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
}

/* K5 */
TEST(shrink_count_counts_cached_and_queued_pages)
{
	size_t count;

	kvinside_record(rcu);
	queue(10);
	kvinside_settle();
	count = urcu_kvfree_shrink_count();
	assert_int_equal(count % 4096, 0);
	assert_int_equal(count, kvtest_stats(NULL).pages * 4096);
	assert_true(count >= 4096);
}

/* K5 */
TEST(shrink_drops_cached_pages_and_frees_what_is_queued)
{
	struct urcu_kvfree_stats before;
	size_t nr;

	/* So that all wait for the call: while nobody knows their size, the first
	 * pages ask for a grace period at once. */
	kvinside_record(rcu)->object_bytes[KVFREE_CHANNEL_MALLOC] =
		KVARENA_BYTES;
	kvinside_settle();
	queue(700);
	kvinside_settle();
	before = kvtest_stats(NULL);
	assert_true(before.pages > 0);
	nr = urcu_kvfree_shrink();
	kvarena_assert_exact();
	assert_int_equal(kvtest_stats(NULL).pages, 0);
	assert_int_equal(kvtest_stats(NULL).cached_pages, 0);
	assert_int_equal(urcu_kvfree_shrink_count(), 0);
	/* Objects and pages. */
	assert_true(nr >= 700 + 1);
	assert_int_equal(urcu_kvfree_shrink(), 0);
}

/* K5: a refill does not undo it. */
TEST(shrink_holds_refills_off)
{
	uint64_t allocated;

	queue(10);
	kvinside_settle();
	urcu_kvfree_shrink();
	allocated = kvtest_stats(rcu).pages_allocated;
	/* Raw calls that miss, and time in which a refill would come. */
	queue(2000);
	kvtest_sleep_msec(50);
	queue(2000);
	assert_int_equal(kvtest_stats(rcu).pages_allocated, allocated);
	assert_int_equal(kvtest_stats(rcu).cached_pages, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	kvarena_assert_exact();
}

static bool pages_were_made(void *allocated)
{
	queue(1);
	return kvtest_stats(rcu).pages_allocated > *(uint64_t *) allocated;
}

TEST(refills_go_on_after_the_back_off)
{
	uint64_t allocated;

	urcu_kvfree_exit();
	start(20);
	queue(10);
	urcu_kvfree_shrink();
	allocated = kvtest_stats(rcu).pages_allocated;
	assert_true(kvtest_wait(pages_were_made, &allocated, KVTEST_LONG));
}

static void *shrink(void *arg)
{
	urcu_kvfree_shrink();
	return arg;
}

TEST(shrink_waits_for_readers)
{
	struct kvtest_object *object = kvarena_object();
	struct kvtest_reader reader;
	pthread_t tid;
	bool early;

	kvtest_reader_enter(&reader, rcu);
	urcu_kvfree_rcu_flavor(rcu, object, head);
	tid = kvtest_thread(shrink, NULL);
	kvtest_sleep_msec(30);
	early = kvarena_is_freed(object);
	kvtest_reader_leave(&reader);
	kvtest_join(tid);
	assert_false(early);
	assert_true(kvarena_is_freed(object));
}

static size_t in_free;

static void shrinking_free(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	in_free = urcu_kvfree_shrink();
	kvarena_free_bulk(nr, ptrs, NULL);
}

TEST(shrink_in_a_free_function_does_nothing)
{
	struct urcu_kvfree_channel *channel;

	in_free = 1;
	channel = urcu_kvfree_channel_create("shrinks", shrinking_free, NULL);
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_int_equal(in_free, 0);
	kvarena_assert_exact();
}

static bool a_grace_period_runs(void *unused)
{
	(void) unused;
	return kvfree_gp_is_running(&kvfree_domain_get(rcu)->gp);
}

static int shrink_in_section(void)
{
	rcu = &urcu_mb_flavor;
	rcu->register_thread();
	queue(1);
	rcu->read_lock();
	urcu_kvfree_shrink();
	return 1;
}

static int exit_in_section(void)
{
	rcu = &urcu_mb_flavor;
	rcu->register_thread();
	queue(1);
	rcu->read_lock();
	/* A thread that waits for this section must not hide the error. */
	kvtest_wait(a_grace_period_runs, NULL, KVTEST_LONG);
	urcu_kvfree_exit();
	return 1;
}

static int destroy_in_section(void)
{
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create("x",
			kvarena_free_bulk, NULL);

	rcu = &urcu_mb_flavor;
	rcu->register_thread();
	queue(1);
	rcu->read_lock();
	urcu_kvfree_channel_destroy(channel);
	return 1;
}

static const struct kvchild_scenario scenarios[] = {
	{ "urcu_kvfree_shrink()", shrink_in_section },
	{ "urcu_kvfree_exit()", exit_in_section },
	{ "urcu_kvfree_channel_destroy()", destroy_in_section },
	{ NULL, NULL },
};

TEST(calls_that_wait_abort_inside_a_section_and_name_themselves)
{
	const struct kvchild_scenario *scenario;
	char err[4096];

	for (scenario = scenarios; scenario->name; scenario++) {
		assert_int_equal(kvchild_run(scenario->name, err, sizeof(err)),
			128 + SIGABRT);
		assert_non_null(strstr(err, scenario->name));
		assert_int_equal(kvchild_count_lines(err), 1);
	}
}

/* The worst moment: a grace period is waited for, that is, we are. */
static void *online_while_a_grace_period_runs(void *arg)
{
	unsigned int *online = arg;
	bool waits;

	rcu->register_thread();
	queue(1);
	kvfree_service_request_gp(kvfree_domain_get(rcu));
	waits = kvtest_wait(a_grace_period_runs, NULL, KVTEST_LONG);
	urcu_kvfree_exit();
	*online = waits && rcu->read_ongoing() != 0;
	rcu->unregister_thread();
	return NULL;
}

TEST(exit_of_an_online_caller_does_not_wait_for_itself)
{
	unsigned int online = 0;

	rcu = &urcu_qsbr_flavor;
	kvtest_on_thread(online_while_a_grace_period_runs, &online);
	assert_int_equal(online, 1);
	kvarena_assert_exact();
}

static void *online_waiter(void *arg)
{
	unsigned int *online = arg;
	struct urcu_kvfree_channel *channel = urcu_kvfree_channel_create("x",
			kvarena_free_bulk, NULL);

	rcu->register_thread();
	queue(1);
	urcu_kvfree_shrink();
	*online += rcu->read_ongoing() != 0;
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
	urcu_kvfree_channel_destroy(channel);
	*online += rcu->read_ongoing() != 0;
	urcu_kvfree_exit();
	*online += rcu->read_ongoing() != 0;
	rcu->unregister_thread();
	return NULL;
}

TEST(an_online_qsbr_caller_is_taken_offline_and_back)
{
	unsigned int online = 0;

	rcu = &urcu_qsbr_flavor;
	kvtest_on_thread(online_waiter, &online);
	assert_int_equal(online, 3);
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test_each(shrink_count_counts_cached_and_queued_pages),
		test_each(shrink_drops_cached_pages_and_frees_what_is_queued),
		test_each(shrink_holds_refills_off),
		test_each(refills_go_on_after_the_back_off),
		test_each(shrink_waits_for_readers),
		test_each(shrink_in_a_free_function_does_nothing),
		test(calls_that_wait_abort_inside_a_section_and_name_themselves),
		test(exit_of_an_online_caller_does_not_wait_for_itself),
		test(an_online_qsbr_caller_is_taken_offline_and_back),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
