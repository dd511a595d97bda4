/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * visits.c - what needs all others to stand still: fork, exit and start
 *
 * One thread, the visitor, does all of it, so that nobody asks for a standstill
 * twice. A child of fork() can wait for grace periods only when no reader
 * was registered with a flavor (bp excepted: liburcu drops the readers that
 * are gone) and nobody was inside synchronize_rcu() at that moment; the other children
 * only make raw calls and exit.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture.h"

void urcu_bp_before_fork(void);
void urcu_bp_after_fork_parent(void);
void urcu_bp_after_fork_child(void);

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;	/* under lock: any field changed */
	int wanted;		/* atomic, written under lock */
	unsigned int running;	/* under lock: workers that look at wanted */
	unsigned int parked;	/* under lock */
} park = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.cond = PTHREAD_COND_INITIALIZER,
};

/* ------------------------------------------------------------------ */
/* Standing still                                                     */

static void park_here(void)
{
	sigset_t usr1, saved;

	/* No handler while we stand still: it would queue. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, &saved);
	pthread_mutex_lock(&park.lock);
	park.parked++;
	pthread_cond_broadcast(&park.cond);
	while (park.wanted)
		pthread_cond_wait(&park.cond, &park.lock);
	park.parked--;
	pthread_mutex_unlock(&park.lock);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

void torture_park_point(struct worker *self)
{
	if (!__atomic_load_n(&park.wanted, __ATOMIC_RELAXED))
		return;
	torture_unregister(self);
	park_here();
}

void torture_park_join(int by)
{
	pthread_mutex_lock(&park.lock);
	park.running += (unsigned int) by;
	pthread_cond_broadcast(&park.cond);
	pthread_mutex_unlock(&park.lock);
}

bool torture_parking(void)
{
	return __atomic_load_n(&park.wanted, __ATOMIC_RELAXED);
}

bool torture_park_all(void)
{
	pthread_mutex_lock(&park.lock);
	__atomic_store_n(&park.wanted, 1, __ATOMIC_RELAXED);
	while (park.parked < park.running)
		pthread_cond_wait(&park.cond, &park.lock);
	pthread_mutex_unlock(&park.lock);
	if (!torture_stopping())
		return true;
	/* Some may have ended, and be in the library's thread exit. */
	torture_unpark_all();
	return false;
}

void torture_unpark_all(void)
{
	pthread_mutex_lock(&park.lock);
	__atomic_store_n(&park.wanted, 0, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&park.cond);
	pthread_mutex_unlock(&park.lock);
}

/* ------------------------------------------------------------------ */
/* Start and exit                                                     */

/* From one page to some MiB, and often no cap. */
static void random_bytes(struct worker *self, struct urcu_kvfree_attr *attr)
{
	size_t batch = (size_t) 4096 << torture_random(self) % 11;
	size_t most = torture_chance(self, 3) ?
		batch << torture_random(self) % 4 : 0;

	if (urcu_kvfree_attr_set_batch_bytes(attr, batch) ||
	    urcu_kvfree_attr_set_max_pending_bytes(attr, most) ||
	    urcu_kvfree_attr_set_recycle(attr, !torture_chance(self, 4)) ||
	    urcu_kvfree_attr_set_placement(attr, torture_chance(self, 3) ?
			URCU_KVFREE_PLACEMENT_FLOAT :
			URCU_KVFREE_PLACEMENT_NEAR))
		object_error("an attribute was refused");
}

static void random_settings(struct worker *self,
		struct urcu_kvfree_attr *attr)
{
	random_bytes(self, attr);
	if (urcu_kvfree_attr_set_min_cached_pages(attr,
			torture_random(self) % 8) ||
	    urcu_kvfree_attr_set_drain_msec(attr,
			1 + torture_random(self) % 100) ||
	    urcu_kvfree_attr_set_workers(attr,
			1 + torture_random(self) % 4) ||
	    urcu_kvfree_attr_set_refill_backoff_msec(attr,
			torture_random(self) % 100) ||
	    urcu_kvfree_attr_set_large_threshold(attr, 16384))
		object_error("an attribute was refused");
}

void torture_start(struct worker *self)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr)
		abort();
	random_settings(self, attr);
	if (urcu_kvfree_init(attr)) {
		object_error("urcu_kvfree_init failed, errno %d", errno);
		abort();
	}
	urcu_kvfree_attr_destroy(attr);
}

/* After an exit nothing is left, whatever went before. */
static void check_exit(const char *who)
{
	if (!kvtest_threads_become("kvfree-", 0))
		object_error("%s: %u threads are left after exit", who,
			kvtest_count_threads("kvfree-"));
}

static void cycle(struct worker *self)
{
	if (!torture_park_all())
		return;
	urcu_kvfree_exit();
	if (objects_outstanding())
		object_error("%llu objects are not freed after exit",
			(unsigned long long) objects_outstanding());
	check_exit("exit and start");
	torture_start(self);
	torture_unpark_all();
	torture_count(&torture.count.cycles);
}

/* ------------------------------------------------------------------ */
/* Children                                                           */

struct visit {
	bool hooks;	/* with urcu_kvfree_before_fork() and its pair */
	bool parked;	/* all others stand still */
	bool stopped;	/* the library is stopped around the fork */
	bool can_wait;	/* the child can wait for grace periods */
};

static bool in_child;

/* LeakSanitizer asks: what a child abandons is its parent's to free. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return in_child;
}

/* Clean calls may wait for a grace period: not in a child that cannot. */
static void child_queue(struct worker *self, const struct visit *visit)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		struct object *object = torture_raw_object(self);
		unsigned int flavor = i / 2 % torture.nr_flavors;

		if (!object)
			return;
		if (visit->can_wait && i % 2)
			torture_defer(self, object, flavor);
		else
			torture_defer_raw(object, flavor, self->writer);
	}
}

/* What the child inherited (with hooks) and what it queues must be freed. */
static void child_reclaim(struct worker *self, const struct visit *visit)
{
	struct object_moment moment;
	unsigned int i;

	for (i = 0; i < torture.nr_flavors; i++)
		torture_barrier_check("child of fork", i);
	child_queue(self, visit);
	objects_moment(&moment);
	urcu_kvfree_exit();
	if (objects_left(&moment, OBJECT_ANY_FLAVOR))
		object_error("child (hooks %d): %llu objects are not freed after exit",
			visit->hooks, (unsigned long long)
			objects_left(&moment, OBJECT_ANY_FLAVOR));
	check_exit("child of fork");
}

static void child(struct worker *self, const struct visit *visit)
{
	in_child = true;
	alarm(torture.options.patience);
	signal(SIGALRM, SIG_DFL);
	__atomic_store_n(&object_account.errors, 0, __ATOMIC_RELAXED);
	if (torture.has_bp)
		urcu_bp_after_fork_child();
	if (visit->hooks && urcu_kvfree_after_fork_child())
		object_error("after_fork_child failed, errno %d", errno);
	objects_fork_child(!visit->hooks);
	if (torture_chance(self, 4) && urcu_kvfree_init(NULL))
		object_error("init in a child failed, errno %d", errno);
	child_queue(self, visit);
	if (visit->can_wait)
		child_reclaim(self, visit);
	exit(object_account.errors ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void wait_child(pid_t pid, const struct visit *visit)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			object_error("waitpid failed, errno %d", errno);
			return;
		}
	torture_count(&torture.count.children);
	if (WIFSIGNALED(status))
		object_error("a child (hooks %d, parked %d, waits %d) was ended by signal %d%s",
			visit->hooks, visit->parked, visit->can_wait,
			WTERMSIG(status), WTERMSIG(status) == SIGALRM ?
			": it hung" : "");
	else if (WEXITSTATUS(status))
		object_error("a child (hooks %d, parked %d, waits %d) exited with status %d",
			visit->hooks, visit->parked, visit->can_wait,
			WEXITSTATUS(status));
}

static bool no_grace_period(void *arg)
{
	unsigned int i;

	(void) arg;
	for (i = 0; i < torture.nr_flavors; i++)
		if (objects_grace_period_runs(i))
			return false;
	return true;
}

/* All stand still: once nothing is queued nobody waits for a grace period. */
static void come_to_rest(void)
{
	unsigned int i;

	for (i = 0; i < torture.nr_flavors; i++)
		torture_barrier_check("before a fork", i);
	if (!kvtest_wait(no_grace_period, NULL, KVTEST_LONG))
		object_error("a grace period does not end");
}

static void before_fork(const struct visit *visit)
{
	if (visit->stopped)
		urcu_kvfree_exit();
	else if (visit->parked && !visit->hooks)
		come_to_rest();
	if (visit->hooks)
		urcu_kvfree_before_fork();
	if (torture.has_bp)
		urcu_bp_before_fork();
}

static void after_fork(struct worker *self, const struct visit *visit)
{
	if (torture.has_bp)
		urcu_bp_after_fork_parent();
	if (visit->hooks)
		urcu_kvfree_after_fork_parent();
	if (visit->stopped)
		torture_start(self);
	if (visit->parked)
		torture_unpark_all();
}

/* Of bp alone liburcu's hooks make a child that can wait, whoever read. */
static bool bp_alone(void)
{
	return torture.has_bp && torture.nr_flavors == 1;
}

static void fork_once(struct worker *self)
{
	struct visit visit = {
		.hooks = torture_chance(self, 2),
		.parked = torture_chance(self, 2),
	};
	pid_t pid;

#ifdef KVTEST_ASAN
	/* The sanitizer's allocator has locks that fork() does not know:
	 * nobody but us may be inside it. */
	visit.parked = visit.stopped = true;
#endif
	if (visit.parked && !torture_park_all())
		return;
	visit.can_wait = visit.parked || bp_alone();
	before_fork(&visit);
	pid = fork();
	if (!pid)
		child(self, &visit);
	after_fork(self, &visit);
	torture_count(&torture.count.forks);
	if (pid < 0)
		object_error("fork failed, errno %d", errno);
	else
		wait_child(pid, &visit);
}

void torture_visitor(struct worker *self)
{
	/* It asks others to park and is not to be waited for. */
	torture_park_join(-1);
	while (!torture_stopping()) {
		torture_stash_fill(self);
		torture_nap(self, 10000 + torture_random(self) % 100000);
		if (torture.options.forks && torture_chance(self, 2))
			fork_once(self);
		else if (torture.options.cycles)
			cycle(self);
	}
	torture_park_join(1);
}
