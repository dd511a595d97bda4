/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * gates.c - a request that could not be delivered is not the last one
 *
 * K20: make arming the timer fail after a gate was taken; later refills and
 * drains still happen. timerfd_settime() is wrapped (ld --wrap) and fails while the
 * alarm that a case names is asked for. Also: a worker that was never told because the
 * library stopped in between.
 */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/timerfd.h>

#include "kvinside.h"
#include "proof.h"
#include "cache.h"

#define MANY		((size_t) 1 << 30) /* batch_bytes that never fill */
#define FAR		60000	/* a drain_msec that never comes */

struct object {
	struct rcu_head head;
};

static const struct rcu_flavor_struct *flavor;
static unsigned int bound_msec = 20000;
static int fail_alarm = -1;		/* arming for this one fails */
static int failed;
static __thread int fail_all;		/* arming fails in this thread */

int __real_timerfd_gettime(int fd, struct itimerspec *now);
int __wrap_timerfd_gettime(int fd, struct itimerspec *now);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *when,
		struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
		struct itimerspec *old);

static bool is_failing(void)
{
	int alarm = proof_load(&fail_alarm);

	return fail_all || (alarm >= 0 && proof_load(&kvfree_timer.asked[alarm]));
}

/* A timer that is about to expire would not be armed. */
int __wrap_timerfd_gettime(int fd, struct itimerspec *now)
{
	int ret = __real_timerfd_gettime(fd, now);

	if (!ret && is_failing())
		now->it_value.tv_sec++;
	return ret;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
		struct itimerspec *old)
{
	if (is_failing()) {
		proof_add(&failed, 1);
		errno = EINVAL;
		return -1;
	}
	return __real_timerfd_settime(fd, flags, when, old);
}

static void fail(enum kvfree_alarm alarm)
{
	proof_store(&failed, 0);
	proof_store(&fail_alarm, alarm);
}

static void no_more_failures(const char *what)
{
	proof_store(&fail_alarm, -1);
	proof_require(proof_load(&failed) > 0, "%s: arming did not fail", what);
}

static struct object *new_object(void)
{
	struct object *object = malloc(sizeof(*object));

	proof_require(object != NULL, "no memory");
	return object;
}

static void queue_one(struct object *object)
{
	errno = 4711;
	urcu_kvfree_rcu_flavor(flavor, object, head);
	proof_require(errno == 4711, "errno was not kept");
}

static void queue(unsigned int nr)
{
	while (nr--)
		queue_one(new_object());
}

/* Straight to the emergency list. */
static void queue_emergency(struct kvfree_record *record)
{
	struct object *object = new_object();

	kvfree_record_lock(record);
	queue_one(object);
	kvfree_record_unlock(record);
}

static bool nothing_pending(void *arg)
{
	(void) arg;
	return kvtest_stats(flavor).pending == 0;
}

static uint64_t refills(void)
{
	return kvtest_stats(flavor).refills;
}

/* Pages may also come back from a worker: it is the refill that counts. */
static bool refilled(void *arg)
{
	return refills() > *(uint64_t *) arg;
}

static bool has_blank(void *arg)
{
	return proof_load((struct kvfree_record **) arg) != NULL;
}

static void expect(bool (*what)(void *arg), void *arg, const char *name)
{
	proof_require(kvtest_wait(what, arg, bound_msec),
		"%s: did not come after arming had failed", name);
	proof_say("%s: came after arming had failed", name);
}

/*
 * Until a call finds no page and asks for a refill, or tries to. Not always at
 * once: a worker may bring pages back. How many refills there had been.
 */
static uint64_t run_dry(struct kvfree_record *record)
{
	uint64_t before = refills();

	proof_store(&failed, 0);
	do {
		kvinside_empty_cache(record);
		queue(KVFREE_PAGE_PTRS + 1);
	} while (!proof_load(&record->refill_gate) && !proof_load(&failed) &&
		 refills() == before);
	return before;
}

/* ------------------------------------------------------------------ */
/* Cases                                                              */

/* No failure at all: a gate that was served once is open again. */
static void time_and_again(void)
{
	struct kvfree_record *record = proof_record(flavor);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		uint64_t before = run_dry(record);

		proof_require(kvtest_wait(refilled, &before, bound_msec),
			"refill %u did not come", i);
	}
	proof_say("refill: came time and again");
}

static void the_refill_timer(void)
{
	struct kvfree_record *record = proof_record(flavor);
	uint64_t before;

	fail(KVFREE_ALARM_REFILL);
	/* What was asked for before may come first. */
	do
		run_dry(record);
	while (!proof_load(&failed));
	no_more_failures("refill");
	before = run_dry(record);
	expect(refilled, &before, "refill");
}

static void the_tick_timer(void)
{
	struct kvfree_record *record = proof_record(flavor);
	uint64_t end = kvtest_msec() + bound_msec;

	urcu_kvfree_rcu_barrier_flavor(flavor);
	proof_store(&failed, 0);
	fail_all = 1;
	/* While caches age, ticks come without a call and the gate is closed. */
	while (!proof_load(&failed) && kvtest_msec() < end) {
		queue_emergency(record);
		usleep(1000);
	}
	fail_all = 0;
	no_more_failures("tick");
	queue_emergency(record);
	expect(nothing_pending, NULL, "tick");
}

/* Whether there was a grace period; while there was none, more is queued. */
static bool passed(void *arg)
{
	queue(64);
	return kvtest_stats(flavor).grace_periods > *(uint64_t *) arg;
}

static void the_kick_timer(void)
{
	uint64_t before;

	proof_record(flavor);
	urcu_kvfree_rcu_barrier_flavor(flavor);
	fail(KVFREE_ALARM_KICK);
	while (!proof_load(&failed))
		queue(1);
	no_more_failures("kick");
	/* One grace period may have come of a wake-up for something else. */
	before = kvtest_stats(flavor).grace_periods;
	expect(passed, &before, "kick");
}

static void the_blank_gate(void)
{
	struct kvfree_domain *domain;
	unsigned int i;

	urcu_kvfree_unregister_thread_flavor(flavor);
	urcu_kvfree_rcu_barrier_flavor(flavor);
	domain = kvfree_domain_get(flavor);
	for (i = 0; i < KVFREE_BLANKS; i++)
		if (domain->blank[i]) {
			kvfree_record_give_back(domain->blank[i]);
			proof_store(&domain->blank[i], NULL);
		}
	fail(KVFREE_ALARM_REFILL);
	queue(1);
	no_more_failures("blank record");
	queue(1);
	expect(has_blank, &domain->blank[0], "blank record");
}

/* The back-off after a failed refill, armed by the worker. */
static void the_back_off(void)
{
	struct kvfree_record *record = proof_record(flavor);
	uint64_t before;

	fail(KVFREE_ALARM_REFILL);
	kvfree_refill_hold();
	no_more_failures("back-off");
	before = run_dry(record);
	expect(refilled, &before, "back-off");
}

/* The gate is taken, and the library stops before a worker hears of it. */
static void a_stop_in_between(void)
{
	struct kvfree_record *record = proof_record(flavor);
	uint64_t before;

	kvinside_empty_cache(record);
	proof_store(&record->refill_gate, 1);
	urcu_kvfree_exit();
	proof_init(5, MANY, 2, 0);
	record = proof_record(flavor);
	before = run_dry(record);
	expect(refilled, &before, "refill after a restart");
}

int main(void)
{
	const char *value = getenv("KVFREE_PROOF_BOUND_MSEC");

	proof_start("gates", 120);
	if (value)
		bound_msec = (unsigned int) atoi(value);
	flavor = &urcu_memb_flavor;
	proof_init(5, MANY, 2, 0);
	time_and_again();
	the_refill_timer();
	the_tick_timer();
	the_back_off();
	the_blank_gate();
	a_stop_in_between();
	proof_all_freed(flavor);
	urcu_kvfree_exit();

	proof_init(FAR, 4096, 2, 0);
	the_kick_timer();
	proof_all_freed(flavor);
	urcu_kvfree_exit();
	return 0;
}
