/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_readers.c - a reader never sees an object that was freed
 *
 * Freed objects have a dead canary, and AddressSanitizer reports a read of
 * one in any case.
 */

#include <limits.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

#define SLOTS		8
#define READERS		2
#define UPDATERS	2
#define ROOM		150000
#define ENOUGH_FREED	20000
#define ENOUGH_READ	2000

static struct {
	const struct rcu_flavor_struct *rcu;
	struct urcu_kvfree_channel *channel;
	struct kvtest_object *slot[SLOTS];
	unsigned long read;	/* atomic */
	unsigned long dead;	/* atomic: objects seen after their free */
	int stop;		/* atomic */
} shared;

static int begin(void **state)
{
	unsigned int i;

	shared.rcu = kvtest_of(state);
	shared.read = shared.dead = 0;
	shared.stop = 0;
	kvtest_start(2, 2);
	kvarena_reset();
	for (i = 0; i < SLOTS; i++)
		shared.slot[i] = kvarena_object();
	shared.channel = urcu_kvfree_channel_create("counts",
			kvarena_free_bulk, NULL);
	return shared.channel ? 0 : -1;
}

FIXTURE(end)
{
	return urcu_kvfree_channel_destroy(shared.channel);
}

static void read_slots(void)
{
	unsigned int i, again;

	kvtest_read_lock(shared.rcu);
	for (i = 0; i < SLOTS; i++) {
		struct kvtest_object *object = kvtest_dereference(
				&shared.slot[i]);

		for (again = 0; again < 4; again++)
			if (!kvtest_object_alive(object))
				__atomic_fetch_add(&shared.dead, 1,
						__ATOMIC_RELAXED);
	}
	kvtest_read_unlock(shared.rcu);
	__atomic_fetch_add(&shared.read, 1, __ATOMIC_RELAXED);
}

static void *reader(void *arg)
{
	(void) arg;
	shared.rcu->register_thread();
	while (!__atomic_load_n(&shared.stop, __ATOMIC_RELAXED))
		read_slots();
	shared.rcu->unregister_thread();
	return NULL;
}

static void retire(struct kvtest_object *old, unsigned int n)
{
	switch (n % 4) {
	case 0:
		urcu_kvfree_rcu_flavor(shared.rcu, old, head);
		break;
	case 1:
		urcu_kvfree_rcu_mightsleep_flavor(shared.rcu, old);
		break;
	case 2:
		urcu_kvfree_rcu_channel_flavor(shared.rcu, old, head,
				shared.channel);
		break;
	case 3:
		if (!urcu_kvfree_rcu_try_flavor(shared.rcu, old))
			urcu_kvfree_rcu_mightsleep_flavor(shared.rcu, old);
		break;
	}
}

static bool enough(void)
{
	return kvarena_freed() >= ENOUGH_FREED &&
		__atomic_load_n(&shared.read, __ATOMIC_RELAXED) >= ENOUGH_READ;
}

static void *updater(void *arg)
{
	unsigned int n;

	(void) arg;
	for (n = 0; n < ROOM / UPDATERS && !enough(); n++) {
		struct kvtest_object *fresh = kvarena_object();

		retire(kvtest_replace(&shared.slot[fresh->value % SLOTS], fresh),
			n);
	}
	return NULL;
}

static bool somebody_read(void *unused)
{
	(void) unused;
	return __atomic_load_n(&shared.read, __ATOMIC_RELAXED) > 0;
}

TEST(readers_never_see_a_freed_object)
{
	pthread_t readers[READERS], updaters[UPDATERS];
	unsigned int i;

	for (i = 0; i < READERS; i++)
		readers[i] = kvtest_thread(reader, NULL);
	for (i = 0; i < UPDATERS; i++)
		updaters[i] = kvtest_thread(updater, NULL);
	for (i = 0; i < UPDATERS; i++)
		kvtest_join(updaters[i]);
	assert_true(kvtest_wait(somebody_read, NULL, KVTEST_LONG));
	__atomic_store_n(&shared.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < READERS; i++)
		kvtest_join(readers[i]);
	assert_int_equal(shared.dead, 0);
	assert_in_range(shared.read, 1, ULONG_MAX);

	for (i = 0; i < SLOTS; i++)
		urcu_kvfree_rcu_flavor(shared.rcu, shared.slot[i], head);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(shared.rcu), 0);
	kvarena_assert_exact();
}

static void *update_once(void *arg)
{
	retire(kvtest_replace(&shared.slot[0], kvarena_object()),
		(unsigned int) (uintptr_t) arg);
	return NULL;
}

/* Whether a grace period runs that began after @cookie was read. */
static bool a_grace_period_began(void *cookie)
{
	struct kvfree_gp *gp = &kvfree_domain_get(shared.rcu)->gp;

	return kvfree_gp_reached(__atomic_load_n(&gp->started,
			__ATOMIC_ACQUIRE), *(unsigned long *) cookie);
}

/* The same with one reader and one object, for each form of call. */
TEST(a_reader_inside_keeps_the_object_alive)
{
	struct kvtest_reader inside;
	uintptr_t form;

	for (form = 0; form < 4; form++) {
		struct kvtest_object *object = shared.slot[0];
		unsigned long cookie;

		kvtest_reader_enter(&inside, shared.rcu);
		cookie = kvfree_gp_cookie(&kvfree_domain_get(shared.rcu)->gp);
		kvtest_on_thread(update_once, (void *) form);
		assert_true(kvtest_wait(a_grace_period_began, &cookie,
					KVTEST_LONG));
		/* Time in which a grace period that ended early shows. */
		kvtest_sleep_msec(10);
		assert_false(kvarena_is_freed(object));
		assert_true(kvtest_object_alive(object));
		kvtest_reader_leave(&inside);
		assert_int_equal(urcu_kvfree_rcu_barrier_flavor(shared.rcu), 0);
		assert_true(kvarena_is_freed(object));
	}
}

#define test(f)	kvtest_flavors_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(readers_never_see_a_freed_object),
		test(a_reader_inside_keeps_the_object_alive),
	};

	return kvtest_run(tests);
}
