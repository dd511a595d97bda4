/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * parked.c - a thread that is stopped with its record's lock held stops only
 * those who ask for it
 *
 * The victim stands inside a raw call, lock held. There is a single worker.
 * Objects of another thread must be freed all the same
 *  - while the victim's record waits for a refill,
 *  - while another thread waits in a barrier, which may wait for the victim,
 *  - while another thread waits in the shrinker,
 *  - while a grace period is being reported as stalled (objects of another
 *    flavor then: those of this one wait for the reader).
 *
 * KVFREE_PROOF_BOUND_MSEC: how long progress may take before it counts as none.
 */

#include <pthread.h>

#include "proof.h"

#define MANY		((size_t) 1 << 30) /* batch_bytes that never fill */

struct object {
	struct rcu_head head;
	int *freed;
};

static unsigned int bound_msec = 20000;
static struct urcu_kvfree_channel *channel;
static const struct rcu_flavor_struct *flavor;
static struct kvfree_record *victims;	/* the victim's record */
static __thread bool is_victim;
static int parked, release;
static int reading, read_no_more;
static int timer_events;

static void free_objects(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++) {
		struct object *object = ptrs[i];

		proof_add(object->freed, 1);
		free(object);
	}
}

static struct object *new_object(int *freed)
{
	struct object *object = malloc(sizeof(*object));

	proof_require(object != NULL, "no memory");
	object->freed = freed;
	return object;
}

static bool is_two(void *arg)
{
	return proof_load((int *) arg) == 2;
}

/* What this thread queues with @rcu gets freed. */
static void progress(const struct rcu_flavor_struct *rcu, const char *what)
{
	struct kvfree_record *record = proof_record(rcu);
	static int freed;
	struct object *first = new_object(&freed), *second = new_object(&freed);

	proof_store(&freed, 0);
	urcu_kvfree_rcu_channel_flavor(rcu, first, head, channel);
	kvfree_record_lock(record);
	urcu_kvfree_rcu_channel_flavor(rcu, second, head, channel);
	kvfree_record_unlock(record);
	proof_require(kvtest_wait(is_two, &freed, bound_msec),
		"%s: another thread's objects are not freed", what);
	proof_say("%s: others go on", what);
}

/* The name is known to rawcheck-suite.sh: it sleeps with the lock held. */
static void stand_with_the_lock(enum kvfree_hook_place place)
{
	if (place == KVFREE_HOOK_TIMER)
		proof_add(&timer_events, 1);
	if (!is_victim || place != KVFREE_HOOK_RAW_LOCKED)
		return;
	proof_store(&parked, 1);
	proof_wait_for(&release, 1);
	is_victim = false;
}

static void *victim(void *arg)
{
	static int freed;

	(void) arg;
	victims = proof_record(flavor);
	is_victim = true;
	urcu_kvfree_rcu_channel_flavor(flavor, new_object(&freed), head,
		channel);
	return NULL;
}

static void *barrier(void *arg)
{
	(void) arg;
	urcu_kvfree_rcu_barrier_flavor(flavor);
	return NULL;
}

static void *shrinker(void *arg)
{
	(void) arg;
	urcu_kvfree_shrink();
	return NULL;
}

static void *reader(void *arg)
{
	(void) arg;
	flavor->register_thread();
	kvtest_read_lock(flavor);
	proof_store(&reading, 1);
	proof_wait_for(&read_no_more, 1);
	kvtest_read_unlock(flavor);
	flavor->unregister_thread();
	return NULL;
}

static bool nobody_wants_it(void *arg)
{
	return !proof_load((int *) arg);
}

static bool waits(void *arg)
{
	return proof_load((uint64_t *) arg) != 0;
}

static bool three_more(void *arg)
{
	return proof_load(&timer_events) >= *(int *) arg + 3;
}

/* The refill that the victim asked for before it was stopped. */
static void during_refill(void)
{
	unsigned int nr;

	/* As large as it gets: the cache is below it whatever it holds. */
	nr = KVFREE_MAX_TARGET;
	proof_store(&victims->target, nr);
	kvfree_cache_request(victims);
	proof_require(kvtest_wait(nobody_wants_it, &victims->refill_gate,
		bound_msec), "the refill did not begin");
	progress(flavor, "victim's refill");
}

/* A reader, a grace period that waits for it, and a wait that seems long. */
static void during_stall(void)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);
	pthread_t thread = proof_thread(reader, NULL);
	static int freed, before;

	proof_wait_for(&reading, 1);
	urcu_kvfree_rcu_channel_flavor(flavor, new_object(&freed), head,
		channel);
	proof_require(kvtest_wait(waits, &domain->gp.since_msec, bound_msec),
		"no grace period began");
	proof_store(&domain->gp.since_msec, kvfree_now_msec() - 3600 * 1000);
	/* The first of these at the latest reports it. */
	before = proof_load(&timer_events);
	proof_require(kvtest_wait(three_more, &before, bound_msec),
		"a stall being reported: the timer thread stands");
	proof_store(&read_no_more, 1);
	proof_join(thread);
	progress(&urcu_mb_flavor, "a stall being reported");
}

int main(void)
{
	const char *value = getenv("KVFREE_PROOF_BOUND_MSEC");
	pthread_t threads[3];
	unsigned int i;

	proof_start("parked", 120);
	if (value)
		bound_msec = (unsigned int) atoi(value);
	flavor = &urcu_memb_flavor;
	kvfree_check_hook = stand_with_the_lock;
	proof_init(1, MANY, 1, 0);
	channel = urcu_kvfree_channel_create("parked", free_objects, NULL);
	proof_require(channel != NULL, "no channel");
	threads[0] = proof_thread(victim, NULL);
	proof_wait_for(&parked, 1);

	progress(flavor, "nothing else");
	during_refill();
	threads[1] = proof_thread(barrier, NULL);
	kvtest_sleep_msec(20);
	progress(flavor, "a barrier");
	threads[2] = proof_thread(shrinker, NULL);
	kvtest_sleep_msec(20);
	progress(flavor, "the shrinker");
	during_stall();

	proof_store(&release, 1);
	for (i = 0; i < 3; i++)
		proof_join(threads[i]);
	proof_all_freed(flavor);
	proof_require(!urcu_kvfree_channel_destroy(channel), "channel");
	urcu_kvfree_exit();
	return 0;
}
