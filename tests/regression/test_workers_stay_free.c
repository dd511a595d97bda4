/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_workers_stay_free.c - neither a slow free function nor a grace period that
 * lasts takes all workers (O8, K21)
 */

#include "cmocka-all.h"
#include "kvgp.h"

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static bool none_pends(void *rcu)
{
	return !kvtest_stats(rcu).pending;
}

static void assert_drains(const struct rcu_flavor_struct *rcu)
{
	urcu_kvfree_rcu_flavor(rcu, kvtest_object_new(1), head);
	assert_true(kvtest_wait(none_pends, (void *) rcu, KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* A slow free function                                               */

/* Threads that queue one after the other, and the objects of each, for which
 * there is room in the pages that it has from the start. */
#define THREADS		3
#define EACH		60000
#define OBJECTS		(THREADS * EACH)
#define PAGES		200
#define USEC_EACH	30

static struct kvtest_object objects[OBJECTS];
static const struct rcu_flavor_struct *slow_rcu = &urcu_memb_flavor;
static const struct rcu_flavor_struct *other_rcu = &urcu_bp_flavor;
static struct urcu_kvfree_channel *channel;
static sem_t queued, leave;
static unsigned int freed;	/* atomic */
static int hurry;		/* atomic: the test has seen enough */

static void free_slowly(size_t nr, void **ptrs, void *priv)
{
	(void) ptrs;
	(void) priv;
	if (!__atomic_load_n(&hurry, __ATOMIC_ACQUIRE))
		kvtest_sleep_msec((unsigned int) nr * USEC_EACH / 1000 + 1);
	__atomic_fetch_add(&freed, (unsigned int) nr, __ATOMIC_ACQ_REL);
}

static bool some_freed(void *unused)
{
	(void) unused;
	return __atomic_load_n(&freed, __ATOMIC_ACQUIRE) != 0;
}

static bool has_many_pages(void *unused)
{
	(void) unused;
	return kvtest_stats(slow_rcu).cached_pages >= PAGES;
}

static void start_with_many_pages(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_min_cached_pages(attr, PAGES + 2) ||
	    urcu_kvfree_attr_set_drain_msec(attr, 20) ||
	    urcu_kvfree_attr_set_workers(attr, 2) || urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

/* In pages; should a busy machine let the cache age before we see it full, the
 * emergency list does. */
static void *queue_each(void *arg)
{
	struct kvtest_object *object = arg;
	unsigned int i;

	if (urcu_kvfree_register_thread_flavor(slow_rcu))
		abort();
	for (i = 0; i < EACH; i++) {
		urcu_kvfree_rcu_channel_flavor(slow_rcu, &object[i], head,
				channel);
		if (i == 0)
			kvtest_wait(has_many_pages, NULL, 1000);
	}
	sem_post(&queued);
	while (sem_wait(&leave))
		;
	return NULL;
}

/* All of it, and behind a reader until it is complete. */
static void queue_slow_objects(void)
{
	struct kvtest_reader reader;
	pthread_t tid[THREADS];
	unsigned int i;

	sem_init(&queued, 0, 0);
	sem_init(&leave, 0, 0);
	kvtest_reader_enter(&reader, slow_rcu);
	for (i = 0; i < THREADS; i++) {
		tid[i] = kvtest_thread(queue_each, &objects[i * EACH]);
		while (sem_wait(&queued))
			;
	}
	kvtest_reader_leave(&reader);
	for (i = 0; i < THREADS; i++)
		sem_post(&leave);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
}

/* O8: the other flavor's turn comes before the slow one is through. */
TEST(a_slow_free_function_does_not_hold_up_other_flavors)
{
	unsigned int freed_then;

	start_with_many_pages();
	channel = urcu_kvfree_channel_create("slow", free_slowly, NULL);
	assert_non_null(channel);
	queue_slow_objects();
	assert_true(kvtest_wait(some_freed, NULL, KVTEST_LONG));
	assert_drains(other_rcu);
	freed_then = __atomic_load_n(&freed, __ATOMIC_ACQUIRE);
	__atomic_store_n(&hurry, 1, __ATOMIC_RELEASE);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_int_equal(freed, OBJECTS);
	assert_true(freed_then < OBJECTS / 4 * 3);
}

/* ------------------------------------------------------------------ */
/* A grace period that lasts, and a single worker                     */

/* One object waits for a grace period that the test holds open. */
static void hold_a_grace_period(void)
{
	uint64_t gp = kvgp_begun();

	kvgp_hold();
	urcu_kvfree_rcu_flavor(&kvgp_flavor, kvtest_object_new(1), head);
	assert_true(kvgp_wait_begun(gp + 1));
}

/* O8 */
static void one_worker_is_enough_for_a_flavor_beside_a_reader(void **state)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);

	kvtest_start(2, 1);
	hold_a_grace_period();
	assert_drains(rcu);
	assert_drains(rcu);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending, 1);
}

static bool try_succeeds(void *arg)
{
	void *ptr = malloc(1);

	if (urcu_kvfree_rcu_try_flavor(arg, ptr))
		return true;
	free(ptr);
	return false;
}

/* O8: pages come, too. Each call that succeeds uses one or is in one that came. */
static void one_worker_refills_beside_a_reader(void **state)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	unsigned int i;

	kvtest_start(2, 1);
	hold_a_grace_period();
	for (i = 0; i < 20000; i++)
		if (!try_succeeds((void *) rcu))
			assert_true(kvtest_wait(try_succeeds, (void *) rcu,
				KVTEST_LONG));
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending, 1);
}

/* ------------------------------------------------------------------ */
/* K21                                                                */

#define RIPE	100000
/* Those of a page that no grace period covers yet. */
#define LATE	1024

static const struct rcu_flavor_struct *held_rcu = &kvgp_flavor;

static void queue_clean(void)
{
	urcu_kvfree_rcu_mightsleep_flavor(held_rcu, malloc(1));
}

struct owner {
	bool trickles;		/* a clean call at each look of a wait */
	unsigned int calls;	/* that it made for that */
	uint64_t freed;		/* of the flavor, at the start */
	uint64_t gp;		/* that it waits for */
};

static void trickle(struct owner *owner)
{
	if (!owner->trickles)
		return;
	queue_clean();
	owner->calls++;
}

static bool has_begun(void *arg)
{
	struct owner *owner = arg;

	trickle(owner);
	return kvgp_begun() >= owner->gp;
}

static void wait_begun(struct owner *owner, uint64_t gp)
{
	owner->gp = gp;
	assert_true(kvtest_wait(has_begun, owner, KVTEST_LONG));
}

/*
 * Two grace periods pass, the second of which begins after everything was queued.
 * A third one is for an object that is queued then, and lasts.
 */
static void make_ripe_and_hold(struct owner *owner)
{
	uint64_t gp = kvgp_begun();
	unsigned int i;

	kvgp_hold();
	for (i = 0; i < RIPE; i++)
		queue_clean();
	wait_begun(owner, gp + 1);
	queue_clean();
	kvgp_end_one();
	wait_begun(owner, gp + 2);
	queue_clean();
	kvgp_end_one();
	wait_begun(owner, gp + 3);
}

static bool ripe_ones_are_freed(void *arg)
{
	struct owner *owner = arg;

	trickle(owner);
	return kvtest_stats(held_rcu).freed - owner->freed >= RIPE - LATE;
}

/* The budget asks for no grace period here: a clean call that ran it would wait. Nor
 * do pages of a thread whose objects' size is known. */
static void assert_ripe_are_freed(unsigned int workers, bool trickles)
{
	struct owner owner = { .trickles = trickles };

	setenv("URCU_KVFREE_BATCH_BYTES", "1000000000", 1);
	kvtest_start(50, workers);
	unsetenv("URCU_KVFREE_BATCH_BYTES");
	queue_clean();
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(held_rcu), 0);
	owner.freed = kvtest_stats(held_rcu).freed;
	make_ripe_and_hold(&owner);
	assert_true(kvtest_wait(ripe_ones_are_freed, &owner, KVTEST_LONG));
	/* Not one by one by those calls. */
	assert_true(owner.calls < RIPE / 4);
	assert_true(kvtest_stats(held_rcu).pending > 0);
}

TEST(ripe_objects_of_an_owner_that_went_away_do_not_wait_for_a_reader)
{
	assert_ripe_are_freed(2, false);
}

TEST(nor_do_they_where_there_is_one_worker)
{
	assert_ripe_are_freed(1, false);
}

TEST(ripe_objects_of_an_owner_that_trickles_do_not_wait_for_a_reader)
{
	assert_ripe_are_freed(2, true);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, NULL, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, NULL, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_slow_free_function_does_not_hold_up_other_flavors),
		test_each(one_worker_is_enough_for_a_flavor_beside_a_reader),
		test_each(one_worker_refills_beside_a_reader),
		test(
		ripe_objects_of_an_owner_that_went_away_do_not_wait_for_a_reader),
		test(nor_do_they_where_there_is_one_worker),
		test(
		ripe_objects_of_an_owner_that_trickles_do_not_wait_for_a_reader),
	};

	return kvtest_run(tests);
}
