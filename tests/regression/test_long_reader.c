/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_long_reader.c - what goes on while a reader does not leave its section
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

FIXTURE(begin)
{
	kvtest_start(2, 2);
	kvarena_reset();
	return 0;
}

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static bool has_ripe(struct kvfree_record *record)
{
	return kvfree_record_peek(record, KVFREE_CLOSED_OWNER,
			kvfree_gp_completed(&record->domain->gp));
}

/* Ticks are the test's: one for each look. */
static bool all_but_one_are_freed(void *unused)
{
	(void) unused;
	kvfree_timer_arm(KVFREE_ALARM_TICK, 0);
	return kvarena_freed() == kvarena_made() - 1;
}

/* An object behind a grace period that is held open. */
static struct kvtest_object *held_object(void)
{
	struct kvtest_object *held = kvarena_object();
	uint64_t gp = kvgp_begun();

	kvgp_hold();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, held, head);
	kvfree_service_request_gp(kvfree_domain_get(&kvgp_flavor));
	return kvgp_wait_begun(gp + 1) ? held : NULL;
}

/*
 * K21: ripe pages wait with an owner that does not come back, and the next
 * grace period is held open by a reader: they are freed nevertheless.
 */
TEST(ripe_objects_are_freed_while_a_reader_stays)
{
	struct kvfree_record *record;
	struct kvtest_object *held;
	uint64_t owner_freed;
	unsigned int i;

	urcu_kvfree_exit();
	kvtest_start(60000, 1);
	record = kvinside_record(&kvgp_flavor);
	kvinside_settle();
	for (i = 0; i < 100; i++)
		urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor,
				kvarena_object());
	kvinside_ripen(record);
	held = held_object();
	assert_non_null(held);
	assert_true(has_ripe(record));
	owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;
	/* Only a worker can take them: this thread makes no clean call. */
	assert_true(kvtest_wait(all_but_one_are_freed, NULL, KVTEST_LONG));
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed, owner_freed);
	assert_false(kvarena_is_freed(held));
	kvgp_let_go();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor), 0);
	kvarena_assert_exact();
}

struct caller {
	const struct rcu_flavor_struct *rcu;
	int done;	/* atomic */
};

static void *first_call(void *arg)
{
	struct caller *caller = arg;

	urcu_kvfree_rcu_mightsleep_flavor(caller->rcu, kvarena_object());
	__atomic_store_n(&caller->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool is_done(void *arg)
{
	struct caller *caller = arg;

	return __atomic_load_n(&caller->done, __ATOMIC_ACQUIRE);
}

/* K3: the head-less call of a thread without a page does not wait. */
TEST(the_first_mightsleep_of_a_thread_does_not_wait_for_a_reader)
{
	struct caller caller = { kvtest_of(state), 0 };
	struct kvtest_reader reader;
	pthread_t tid;
	bool done;

	kvtest_reader_enter(&reader, caller.rcu);
	tid = kvtest_thread(first_call, &caller);
	done = kvtest_wait(is_done, &caller, KVTEST_LONG);
	kvtest_reader_leave(&reader);
	kvtest_join(tid);
	assert_true(done);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(caller.rcu), 0);
	kvarena_assert_exact();
	assert_int_equal(kvtest_stats(caller.rcu).inline_freed, 0);
}

/* A reader of one flavor holds up that flavor alone. */
TEST(a_reader_does_not_hold_up_the_other_flavors)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	const struct kvtest_flavor *other;
	struct kvtest_object *held;
	struct kvtest_reader reader;

	kvtest_reader_enter(&reader, rcu);
	held = kvarena_object();
	urcu_kvfree_rcu_flavor(rcu, held, head);
	for (other = kvtest_flavors; other->name; other++) {
		struct kvtest_object *object;

		if (other->rcu == rcu)
			continue;
		object = kvarena_object();
		urcu_kvfree_rcu_flavor(other->rcu, object, head);
		assert_int_equal(urcu_kvfree_rcu_barrier_flavor(other->rcu), 0);
		assert_true(kvarena_is_freed(object));
	}
	assert_false(kvarena_is_freed(held));
	kvtest_reader_leave(&reader);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(ripe_objects_are_freed_while_a_reader_stays),
		test_each(
		the_first_mightsleep_of_a_thread_does_not_wait_for_a_reader),
		test_each(a_reader_does_not_hold_up_the_other_flavors),
	};

	return kvtest_run(tests);
}
