/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_byte_budget.c - what waits is bounded in bytes, not in objects (P15)
 *
 * batch_bytes says when a grace period is asked for, max_pending_bytes when a clean
 * caller has to wait for one.
 */

#include "cmocka-all.h"
#include "kvgp.h"

FIXTURE(end)
{
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

/* A tick would hide that nobody asks for a grace period: there is none. */
static void start(size_t batch_bytes, size_t max_pending_bytes)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_drain_msec(attr, 60000) ||
	    urcu_kvfree_attr_set_workers(attr, 2) ||
	    urcu_kvfree_attr_set_batch_bytes(attr, batch_bytes) ||
	    urcu_kvfree_attr_set_max_pending_bytes(attr, max_pending_bytes) ||
	    urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

static struct kvtest_object *sized_object(size_t size)
{
	struct kvtest_object *object = malloc(size);

	if (!object)
		abort();
	return object;
}

static void queue(const struct rcu_flavor_struct *rcu, size_t size, bool raw)
{
	if (raw)
		urcu_kvfree_rcu_flavor(rcu, sized_object(size), head);
	else
		urcu_kvfree_rcu_mightsleep_flavor(rcu, sized_object(size));
}

/* ------------------------------------------------------------------ */
/* batch_bytes                                                        */

#define MIB		((size_t) 1 << 20)
#define TOTAL		(96 * MIB)
/* Of that, what may wait: the first page of objects whose size nobody knows, and
 * what is queued in the time of two grace periods. */
#define MOST_WAITING	(32 * MIB)

static const size_t sizes[] = { 4096, 16384, 65536, 262144 };

struct sized {
	const struct rcu_flavor_struct *rcu;
	size_t size;
	bool raw;
	unsigned int looks;
};

static uint64_t waiting(const struct sized *sized)
{
	return kvtest_stats(sized->rcu).pending * sized->size;
}

/*
 * This thread frees its own, as an event loop would. What raw calls put on the emergency
 * list, while a worker that has lost its processor holds the record, counts as 512 bytes
 * whatever its size, and waits for a tick: where there is none, the budget has to be
 * filled once more.
 */
static bool few_wait(void *arg)
{
	struct sized *sized = arg;
	size_t bytes;

	urcu_kvfree_rcu_reclaim_flavor(sized->rcu, 64);
	if (waiting(sized) <= MOST_WAITING / 2)
		return true;
	if (++sized->looks % 2000 == 0)
		for (bytes = 0; bytes < MIB; bytes += sized->size)
			queue(sized->rcu, sized->size, sized->raw);
	return false;
}

/* Queue all, and stop at each half of what may wait until the grace period that
 * the budget has asked for is over. */
static void queue_within_budget(const struct rcu_flavor_struct *rcu,
		size_t size, bool raw)
{
	struct sized sized = { rcu, size, raw, 0 };
	size_t bytes;

	for (bytes = 0; bytes < TOTAL; bytes += size) {
		if (bytes % (MOST_WAITING / 2) == 0)
			assert_true(kvtest_wait(few_wait, &sized, KVTEST_LONG));
		queue(rcu, size, raw);
	}
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
}

static void clean_calls_keep_to_batch_bytes_whatever_the_size(void **state)
{
	unsigned int i;

	start(MIB, 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		queue_within_budget(kvtest_of(state), sizes[i], false);
}

static void raw_calls_keep_to_batch_bytes_whatever_the_size(void **state)
{
	unsigned int i;

	start(MIB, 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		queue_within_budget(kvtest_of(state), sizes[i], true);
}

/* ------------------------------------------------------------------ */
/* max_pending_bytes                                                  */

#define SIZE	4096
#define CAP	MIB
#define MANY	(16 * CAP / SIZE)
/* Pages that threads are filling are not counted, but for how large they are. */
#define SLACK	(2 * MIB)

/* The library learns how large the objects are when it frees some. */
static void let_sizes_be_known(const struct rcu_flavor_struct *rcu)
{
	unsigned int i;

	for (i = 0; i < 100; i++)
		queue(rcu, SIZE, false);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
}

struct caller {
	const struct rcu_flavor_struct *rcu;
	bool raw;
	unsigned int calls;	/* atomic */
	int tid;		/* atomic: thread id; -1 when it is through */
	sem_t ready, go;
};

static void *queue_many(void *arg)
{
	struct caller *caller = arg;
	unsigned int i;

	let_sizes_be_known(caller->rcu);
	sem_post(&caller->ready);
	while (sem_wait(&caller->go))
		;
	__atomic_store_n(&caller->tid, kvtest_tid(), __ATOMIC_RELEASE);
	for (i = 0; i < MANY; i++) {
		queue(caller->rcu, SIZE, caller->raw);
		__atomic_store_n(&caller->calls, i + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&caller->tid, -1, __ATOMIC_RELEASE);
	return NULL;
}

static unsigned int calls_of(const struct caller *caller)
{
	return __atomic_load_n(&caller->calls, __ATOMIC_ACQUIRE);
}

static bool is_through(void *arg)
{
	struct caller *caller = arg;

	return __atomic_load_n(&caller->tid, __ATOMIC_ACQUIRE) < 0;
}

/* It sleeps, and made no call while we looked; or it is through. */
static bool waits_or_is_through(void *arg)
{
	struct caller *caller = arg;
	unsigned int calls = calls_of(caller);
	int tid = __atomic_load_n(&caller->tid, __ATOMIC_ACQUIRE);

	return tid < 0 || (tid > 0 && calls && kvtest_sleeps(tid) &&
		calls == calls_of(caller));
}

/* Start @caller, whose objects wait for a grace period that is held open. */
static pthread_t start_held(struct caller *caller)
{
	pthread_t tid;

	start(CAP / 4, CAP);
	sem_init(&caller->ready, 0, 0);
	sem_init(&caller->go, 0, 0);
	tid = kvtest_thread(queue_many, caller);
	while (sem_wait(&caller->ready))
		;
	kvgp_hold();
	sem_post(&caller->go);
	return tid;
}

static void let_go_and_join(struct caller *caller, pthread_t tid)
{
	kvgp_let_go();
	kvtest_join(tid);
	sem_destroy(&caller->ready);
	sem_destroy(&caller->go);
}

TEST(a_clean_caller_over_the_cap_waits_for_the_grace_period)
{
	struct caller caller = { .rcu = &kvgp_flavor };
	unsigned int calls;
	pthread_t tid;
	bool waits;

	kvtest_needs_proc();
	tid = start_held(&caller);
	waits = kvtest_wait(waits_or_is_through, &caller, KVTEST_LONG);
	calls = calls_of(&caller);
	let_go_and_join(&caller, tid);
	assert_true(waits);
	assert_in_range(calls, 1, (CAP + SLACK) / SIZE);
	assert_int_equal(calls_of(&caller), MANY);
}

TEST(a_raw_caller_over_the_cap_never_waits)
{
	struct caller caller = { .rcu = &kvgp_flavor, .raw = true };
	pthread_t tid = start_held(&caller);
	bool through;

	through = kvtest_wait(is_through, &caller, KVTEST_LONG);
	let_go_and_join(&caller, tid);
	assert_true(through);
}

#define CALLERS	4

static int over;	/* atomic: looks that found too much pending */

/*
 * Bytes that were pending at some moment in between, at the least: what was queued
 * is read before what was freed. The pending count itself is a difference that a
 * busy machine can make too large: it is read the other way around.
 */
static uint64_t pending_at_least(const struct rcu_flavor_struct *rcu)
{
	uint64_t queued = kvtest_stats(rcu).queued;
	uint64_t freed = kvtest_stats(rcu).freed;

	return queued > freed ? (queued - freed) * SIZE : 0;
}

static void *queue_and_look(void *arg)
{
	const struct rcu_flavor_struct *rcu = arg;
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		queue(rcu, SIZE, false);
		if (i % 16)
			continue;
		if (kvtest_stats(rcu).pending_bytes > CAP + CALLERS * SLACK ||
		    pending_at_least(rcu) > CAP + CALLERS * SLACK)
			__atomic_fetch_add(&over, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void clean_callers_keep_what_is_pending_under_the_cap(void **state)
{
	const struct rcu_flavor_struct *rcu = kvtest_of(state);
	pthread_t tid[CALLERS];
	unsigned int i;

	start(CAP / 4, CAP);
	over = 0;
	let_sizes_be_known(rcu);
	for (i = 0; i < CALLERS; i++)
		tid[i] = kvtest_thread(queue_and_look, (void *) rcu);
	for (i = 0; i < CALLERS; i++)
		kvtest_join(tid[i]);
	assert_int_equal(over, 0);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(kvtest_stats(rcu).pending, 0);
	assert_int_equal(kvtest_stats(rcu).pending_bytes, 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, NULL, end)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, NULL, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_each(clean_calls_keep_to_batch_bytes_whatever_the_size),
		test_each(raw_calls_keep_to_batch_bytes_whatever_the_size),
		test(a_clean_caller_over_the_cap_waits_for_the_grace_period),
		test(a_raw_caller_over_the_cap_never_waits),
		test_each(clean_callers_keep_what_is_pending_under_the_cap),
	};

	return kvtest_run(tests);
}
