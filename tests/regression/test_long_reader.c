/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_long_reader.c - what goes on while a reader does not leave its section
 */

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvinside.h"

static int begin(void **state)
{
	(void) state;
	kvtest_start(2, 2);
	kvarena_reset();
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static bool has_ripe(void *arg)
{
	struct kvfree_thread *thread = arg;

	return __atomic_load_n(&thread->ripe, __ATOMIC_RELAXED) != NULL;
}

/* Queue, in clean calls, until the library hands ripe pages to this thread. */
static bool get_ripe_pages(struct kvfree_thread *thread)
{
	unsigned int i, tries;

	for (tries = 0; tries < 200; tries++) {
		for (i = 0; i < 100; i++)
			urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor,
					kvarena_object());
		if (kvtest_wait(has_ripe, thread, 50))
			return true;
	}
	return false;
}

/* Ripe pages, and an object behind a grace period that is held open; NULL
 * when the workers were faster. */
static struct kvtest_object *ripe_pages_and_a_held_object(void)
{
	struct kvfree_thread *thread = kvinside_record(&kvgp_flavor);
	struct kvtest_object *held;
	uint64_t gp;

	if (!get_ripe_pages(thread))
		return NULL;
	kvgp_hold();
	gp = kvgp_begun();
	held = kvarena_object();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, held, head);
	if (kvgp_wait_begun(gp + 1) && has_ripe(thread))
		return held;
	kvgp_let_go();
	return NULL;
}

static bool has_none_ripe(void *thread)
{
	return !has_ripe(thread);
}

/*
 * K21: ripe pages wait with an owner that does not come back, and the next
 * grace period is held open by a reader: they are freed nevertheless.
 */
static void ripe_objects_are_freed_while_a_reader_stays(void **state)
{
	struct kvtest_object *held = NULL;
	unsigned int tries;
	uint64_t owner_freed;

	(void) state;
	urcu_kvfree_exit();
	kvtest_start(40, 2);
	for (tries = 0; tries < 50 && !held; tries++)
		held = ripe_pages_and_a_held_object();
	assert_non_null(held);
	owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;
	/* Only a worker can take them: this thread makes no clean call. */
	assert_true(kvtest_wait(has_none_ripe,
		kvinside_record(&kvgp_flavor), KVTEST_LONG));
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed, owner_freed);
	assert_false(kvarena_is_freed(held));
	kvgp_let_go();
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
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
static void the_first_mightsleep_of_a_thread_does_not_wait_for_a_reader(
		void **state)
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
static void a_reader_does_not_hold_up_the_other_flavors(void **state)
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
