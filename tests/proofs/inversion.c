/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * inversion.c - a raw call of a SCHED_FIFO thread never waits for a
 * SCHED_OTHER thread that it preempted
 *
 * All threads are on one processor. A worker (SCHED_OTHER) is inside its
 * critical section, with the lock of the owner's record held, and stays there
 * busy. The owner, SCHED_FIFO, wakes up, preempts it and makes raw calls that
 * want that lock. The holder cannot run until the owner is through, so whoever
 * waited for it, spinning or yielding, would never be. All calls must end while
 * the holder still stands where it was preempted, and without the owner having
 * given up the processor once.
 *
 * In a second scene the thread that is preempted is in the middle of its own
 * push to the emergency list, which is everybody's.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "proof.h"

#define CALLS		20000

struct object {
	struct rcu_head head;
};

static const struct rcu_flavor_struct *flavor;
static struct object *objects[CALLS];
static struct kvfree_record *owners;	/* the owner's record */
static enum kvfree_hook_place busy_at;	/* where the holder stands */
static int armed, standing, owner_through, owner_ready;
static __thread bool may_stand;		/* this thread may become the holder */
static __thread bool is_owner;
static long given_up;
static int through_while_standing;

static bool is_locked(struct kvfree_record *record)
{
	return __atomic_load_n(&record->lock, __ATOMIC_RELAXED);
}

/* The holder: busy, not asleep, until the owner is through. */
static void hook(enum kvfree_hook_place place)
{
	if (is_owner || !proof_load(&armed) || place != proof_load(&busy_at) ||
	    proof_load(&standing))
		return;
	if (place == KVFREE_HOOK_TICK_LOCKED && !is_locked(owners))
		return;		/* another record's turn */
	if (place == KVFREE_HOOK_EMERGENCY_LINKED && !may_stand)
		return;
	proof_store(&standing, 1);
	while (!proof_load(&owner_through))
		caa_cpu_relax();
	proof_store(&standing, 2);
}

static long voluntary_switches(void)
{
	struct rusage usage;

	proof_require(!getrusage(RUSAGE_THREAD, &usage), "getrusage");
	return usage.ru_nvcsw;
}

static void set_fifo(void)
{
	const struct sched_param param = {
		.sched_priority = sched_get_priority_min(SCHED_FIFO),
	};
	int ret = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);

	if (ret)
		proof_skip("SCHED_FIFO is refused: %s", strerror(ret));
}

static void *owner(void *arg)
{
	long switches;
	unsigned int i;

	(void) arg;
	is_owner = true;
	owners = proof_record(flavor);
	/* Something to close, so that a tick has a reason to come. */
	urcu_kvfree_rcu_flavor(flavor, malloc(64));
	set_fifo();
	proof_store(&owner_ready, 1);
	/* Asleep, so that the holder gets the processor. */
	while (proof_load(&standing) != 1)
		usleep(500);
	switches = voluntary_switches();
	for (i = 0; i < CALLS; i++)
		urcu_kvfree_rcu_flavor(flavor, objects[i], head);
	given_up = voluntary_switches() - switches;
	through_while_standing = proof_load(&standing);
	proof_store(&owner_through, 1);
	return NULL;
}

/* The second scene's holder: a SCHED_OTHER thread in an emergency push. */
static void *pusher(void *arg)
{
	struct kvfree_record *record = proof_record(flavor);

	may_stand = true;
	kvfree_record_lock(record);
	urcu_kvfree_rcu_flavor(flavor, (struct object *) arg, head);
	kvfree_record_unlock(record);
	return NULL;
}

/* False if the holder took another thread's hold of the owner's lock for its own: while it
 * stood the lock was free, and the scene says nothing. */
static bool scene(enum kvfree_hook_place place, const char *name)
{
	struct urcu_kvfree_stats before = kvtest_stats(flavor), after;
	pthread_t fifo, other = 0;
	unsigned int i;

	for (i = 0; i < CALLS; i++) {
		objects[i] = malloc(sizeof(*objects[i]));
		proof_require(objects[i] != NULL, "no memory");
	}
	proof_store(&busy_at, place);
	proof_store(&standing, 0);
	proof_store(&owner_through, 0);
	proof_store(&owner_ready, 0);
	fifo = proof_thread(owner, NULL);
	proof_wait_for(&owner_ready, 1);
	proof_store(&armed, 1);
	if (place == KVFREE_HOOK_EMERGENCY_LINKED)
		other = proof_thread(pusher, malloc(sizeof(struct object)));
	proof_join(fifo);
	if (other)
		proof_join(other);
	proof_store(&armed, 0);
	proof_require(through_while_standing == 1,
		"%s: the calls ended after the holder went on", name);
	proof_require(given_up == 0, "%s: the caller slept %ld times", name,
		given_up);
	after = kvtest_stats(flavor);
	proof_all_freed(flavor);
	if (place == KVFREE_HOOK_TICK_LOCKED &&
	    after.emergency - before.emergency < CALLS)
		return false;
	proof_say("%s: %d calls of a SCHED_FIFO thread, none waited", name,
		CALLS);
	return true;
}

static void one_processor(void)
{
	cpu_set_t all, one;
	int cpu;

	proof_require(!sched_getaffinity(0, sizeof(all), &all), "affinity");
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	proof_require(!sched_setaffinity(0, sizeof(one), &one),
		"sched_setaffinity: %s", strerror(errno));
}

int main(void)
{
	unsigned int round, rounds = proof_long() ? 50 : 3;

	proof_start("inversion", proof_long() ? 300 : 60);
	/* The runtime of a sanitizer has locks of its own, one of which the
	 * preempted thread may hold. */
	proof_skip_instrumented();
	flavor = &urcu_memb_flavor;
	one_processor();
	kvfree_check_hook = hook;
	proof_init(1, 0, 2, 0);
	for (round = 0; round < rounds; round++) {
		/* The watchdog ends it if the lock is never held. */
		while (!scene(KVFREE_HOOK_TICK_LOCKED, "tick holds the lock"))
			;
		scene(KVFREE_HOOK_EMERGENCY_LINKED, "push is under way");
	}
	urcu_kvfree_exit();
	return 0;
}
