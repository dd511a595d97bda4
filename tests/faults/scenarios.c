/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenarios.c - what the library does while its calls fail
 *
 * A scenario accepts that calls which may fail do fail, and must lose nothing.
 * What it queues is accounted for by tests/torture/objects.h. After it the
 * fault is cleared, and the library must free everything, first by itself once
 * it is called again, then by a barrier, and leave nothing behind at its exit.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objects.h"
#include "scenarios.h"
#include "tsan.h"

#if !defined(KVTEST_ASAN) && !defined(KVFREE_TSAN)
/* The sanitizers' allocators have locks that fork() does not know: a child of
 * a process with threads may hang in its first malloc(). */
# define CAN_FORK 1
#endif

/* Pointers in a page of the library that this is linked with. */
#define PAGE		KVFREE_BULK_RECORDS_OVERRIDE
#define OBJECTS		4096
/* How long something that must happen may take on a busy machine. */
#define WAIT_MSEC	30000
/* Beyond the threshold that the driver sets. */
#define LARGE_BYTES	20000
/* A page of these is more than the batch_bytes that the driver sets. */
#define BATCH_BYTES	1500

static const struct rcu_flavor_struct *rcu, *second_rcu;
static unsigned int writer;
static unsigned int fds_before;

/* Time for timers and workers to do, or fail to do, their part. */
static void breathe(void)
{
	kvtest_sleep_msec(3);
}

/* ------------------------------------------------------------------ */
/* Queueing                                                           */

/* NULL for OBJECT_KV when that fails; the others' memory does not fail. */
static struct object *make(unsigned int kind, size_t size)
{
	struct object *object = object_new(kind, size, 0);

	if (!object && kind != OBJECT_KV)
		abort();
	return object;
}

static void raw_on(struct object *object, unsigned int flavor)
{
	size_t offset;
	uint64_t seq;

	if (!object)
		return;
	offset = object_offset(object);
	seq = object_queue(object, flavor, writer);
	errno = 4242;
	urcu_kvfree_rcu_offset_flavor(flavor ? second_rcu : rcu, object,
		offset);
	if (errno != 4242)
		object_error("a raw call changed errno");
	object_queued(writer, seq);
}

static void raw(struct object *object)
{
	raw_on(object, 0);
}

static void queue_raw(unsigned int nr)
{
	while (nr--)
		raw(make(OBJECT_MALLOC, nr % 2 ? BATCH_BYTES : 64));
}

static void mightsleep(struct object *object, unsigned int flavor)
{
	uint64_t seq = object_queue(object, flavor, writer);

	urcu_kvfree_rcu_mightsleep_flavor(flavor ? second_rcu : rcu, object);
	object_queued(writer, seq);
}

static void queue_mightsleep(unsigned int nr)
{
	while (nr--)
		mightsleep(make(OBJECT_MALLOC, nr % 2 ? BATCH_BYTES : 64), 0);
}

static bool queue_try(void)
{
	struct object *object = make(OBJECT_MALLOC, 64);
	uint64_t seq = object_queue(object, 0, writer);

	if (urcu_kvfree_rcu_try_flavor(rcu, object)) {
		object_queued(writer, seq);
		return true;
	}
	object_unqueue(object, writer, seq);
	object_discard(object);
	return false;
}

static void barrier_check_on(const char *when, unsigned int flavor)
{
	struct object_moment moment;

	objects_moment(&moment);
	if (urcu_kvfree_rcu_barrier_flavor(flavor ? second_rcu : rcu))
		object_error("%s: barrier failed", when);
	if (objects_left(&moment, flavor))
		object_error("%s: a barrier left %llu objects", when,
			(unsigned long long) objects_left(&moment, flavor));
}

static void barrier_check(const char *when)
{
	barrier_check_on(when, 0);
}

static void in_thread(void *(*fn)(void *))
{
	pthread_t thread;
	int ret;

	ret = pthread_create(&thread, NULL, fn, NULL);
	if (ret)
		abort();
	pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

/* Start; when it fails, with the error that was injected and no traces. */
static bool start(void)
{
	const struct inject_state *state = inject_state();

	if (urcu_kvfree_init(NULL) == 0)
		return true;
	if (errno != state->plan.error)
		object_error("init failed with errno %d, not %d", errno,
			state->plan.error);
	if (!__atomic_load_n(&state->injected, __ATOMIC_RELAXED))
		object_error("init failed without a fault");
	if (!kvtest_threads_become("kvfree-", 0))
		object_error("init failed and left threads");
	if (kvtest_count_fds() != fds_before)
		object_error("init failed and left descriptors");
	return false;
}

static void run_start(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr && errno != ENOMEM)
		object_error("attr_create failed with errno %d", errno);
	if (attr && urcu_kvfree_attr_set_workers(attr, 1))
		object_error("an attribute was refused");
	urcu_kvfree_attr_destroy(attr);
	start();
	queue_raw(2);
	urcu_kvfree_exit();
	queue_raw(2);
	start();
	queue_raw(2);
	urcu_kvfree_exit();
}

/* The first call of the process starts the library, or fails to. */
static void run_lazy_start(void)
{
	queue_raw(1);
	breathe();
	queue_mightsleep(1);
	breathe();
	queue_raw(1);
	breathe();
}

/* ------------------------------------------------------------------ */
/* Queueing                                                           */

static void run_raw(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 4; i++) {
		queue_raw(5 * PAGE);
		breathe();
	}
}

/* What is queued inside a section outlives it, whatever fails. */
static void run_reader(void)
{
	struct object *seen[4 * PAGE];
	unsigned int i, round;

	start();
	rcu->register_thread();
	for (round = 0; round < 2; round++) {
		kvtest_read_lock(rcu);
		for (i = 0; i < 4 * PAGE; i++)
			raw(seen[i] = make(OBJECT_MALLOC, 64));
		breathe();
		for (i = 0; i < 4 * PAGE; i++)
			object_check(seen[i]);
		kvtest_read_unlock(rcu);
		breathe();
	}
	rcu->unregister_thread();
}

static void run_mightsleep(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		queue_mightsleep(3 * PAGE);
		breathe();
		urcu_kvfree_rcu_reclaim_flavor(rcu, 4);
	}
}

static void run_try(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 5 * PAGE; i++) {
		if (!queue_try())
			breathe();
	}
}

static void run_barrier(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 3; i++) {
		queue_raw(2 * PAGE + 1);
		queue_mightsleep(1);
		barrier_check("with a fault");
	}
}

static bool nothing_outstanding(void *arg)
{
	(void) arg;
	return objects_outstanding() == 0;
}

static void queue_on_both(unsigned int nr, bool is_raw)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct object *object = make(OBJECT_MALLOC, BATCH_BYTES);

		if (is_raw)
			raw_on(object, i % 2);
		else
			mightsleep(object, i % 2);
		if (i % (2 * PAGE) == 0)
			breathe();
	}
}

/*
 * The grace-period threads of two domains cannot be made. Who waits for a grace
 * period then is a worker, a clean call, or the barrier itself; a worker does so
 * without either.
 */
static void run_no_thread(void)
{
	const struct inject_plan *plan = &inject_state()->plan;
	bool runs = start();

	inject_refuse(INJECT_pthread_create, EAGAIN);
	queue_on_both(4 * PAGE, true);
	if (runs && plan->mode == INJECT_NEVER &&
	    !kvtest_wait(nothing_outstanding, NULL, WAIT_MSEC))
		object_error("without a thread %llu objects are not freed",
			(unsigned long long) objects_outstanding());
	queue_on_both(4 * PAGE, false);
	barrier_check_on("without a thread", 1);
	barrier_check_on("without a thread", 0);
}

/* Two domains are first used with the fault. */
static void run_two_flavors(void)
{
	start();
	queue_on_both(4 * PAGE, true);
	queue_on_both(4 * PAGE, false);
	barrier_check_on("with a fault", 1);
	barrier_check_on("with a fault", 0);
}

/* ------------------------------------------------------------------ */
/* The cap                                                            */

/* What the scenario sets as max_pending_bytes, in objects of this size. */
#define CAP_OBJECT	8192
#define CAP_OBJECTS	8

/* A call went on although so many objects were pending. */
static int over_the_cap;	/* atomic */
/* The reader is about to leave its section: a grace period may end from here on. */
static int reader_leaves;	/* atomic */

/*
 * A reader that stays until somebody goes on queueing beyond the cap, or seems
 * to wait: the grace period that is waited for does not end before.
 */
static void *reader_at_the_cap(void *arg)
{
	uint64_t end = kvtest_msec() + 20;

	rcu->register_thread();
	kvtest_read_lock(rcu);
	sem_post(arg);
	while (!__atomic_load_n(&over_the_cap, __ATOMIC_RELAXED) &&
	       kvtest_msec() < end)
		kvtest_sleep_msec(1);
	/* Seq_cst: before the section is left, for who reads it after a grace period. */
	__atomic_store_n(&reader_leaves, 1, __ATOMIC_SEQ_CST);
	kvtest_read_unlock(rcu);
	rcu->unregister_thread();
	return NULL;
}

/* What workers have in hand afterwards does not count: calls do not wait for them. */
static void queue_to_the_cap(void)
{
	pthread_t reader;
	unsigned int i;
	sem_t inside;

	barrier_check("with a fault");
	sem_init(&inside, 0, 0);
	reader_leaves = 0;
	reader = kvtest_thread(reader_at_the_cap, &inside);
	while (sem_wait(&inside))
		;
	/* Twice the cap: sizes are estimates. */
	for (i = 0; i < 4 * CAP_OBJECTS; i++) {
		mightsleep(make(OBJECT_MALLOC, CAP_OBJECT), 0);
		if (objects_outstanding() > 2 * CAP_OBJECTS &&
		    !__atomic_load_n(&reader_leaves, __ATOMIC_SEQ_CST))
			__atomic_store_n(&over_the_cap, 1, __ATOMIC_RELAXED);
	}
	kvtest_join(reader);
	sem_destroy(&inside);
}

/* Clean calls over the cap wait and free, also without memory for pages. */
static void run_cap(void)
{
	bool runs = start();
	unsigned int i;

	/* The library learns how large objects are. */
	for (i = 0; i < CAP_OBJECTS; i++)
		mightsleep(make(OBJECT_MALLOC, CAP_OBJECT), 0);
	for (i = 0; i < 2; i++)
		queue_to_the_cap();
	/* A start that failed knows no cap. */
	if (runs && over_the_cap)
		object_error("a clean call over the cap did not wait");
}

static void run_shrink(void)
{
	start();
	queue_raw(3 * PAGE);
	urcu_kvfree_shrink_count();
	urcu_kvfree_shrink();
	if (objects_outstanding())
		object_error("a shrink left objects");
	queue_raw(3 * PAGE);
	breathe();
	urcu_kvfree_shrink();
}

static void run_debug(void)
{
	start();
	queue_raw(2 * PAGE);
	queue_mightsleep(2);
	breathe();
	queue_try();
}

/* ------------------------------------------------------------------ */
/* Threads                                                            */

static void *first_call_raw(void *arg)
{
	(void) arg;
	queue_raw(PAGE + 2);
	return NULL;
}

/* Raw first calls take the blank records, and ask for more. */
static void run_unregistered(void)
{
	unsigned int i;

	start();
	queue_raw(1);
	breathe();
	for (i = 0; i < 6; i++) {
		in_thread(first_call_raw);
		if (i % 2)
			breathe();
	}
}

static void *come_and_go(void *arg)
{
	(void) arg;
	if (urcu_kvfree_register_thread_flavor(rcu) && errno != ENOMEM)
		object_error("register_thread failed with errno %d", errno);
	queue_raw(PAGE + 1);
	queue_mightsleep(2);
	urcu_kvfree_unregister_thread_flavor(rcu);
	queue_mightsleep(2);
	queue_raw(2);
	return NULL;
}

static void run_thread_exit(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 3; i++) {
		in_thread(come_and_go);
		breathe();
	}
}

/* ------------------------------------------------------------------ */
/* Channels and large memory                                          */

static void channel_free(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	object_free_bulk(nr, ptrs, OBJECT_CHANNEL);
}

static void run_channels(void)
{
	struct urcu_kvfree_channel *channel;
	unsigned int i;

	start();
	channel = urcu_kvfree_channel_create("faults", channel_free, NULL);
	if (!channel) {
		object_error("channel_create failed, errno %d", errno);
		return;
	}
	for (i = 0; i < 4 * PAGE; i++) {
		struct object *object = make(OBJECT_CHANNEL, 64);
		uint64_t seq = object_queue(object, 0, writer);

		urcu_kvfree_rcu_channel_offset_flavor(rcu, object,
				object_offset(object), channel);
		object_queued(writer, seq);
		if (i % PAGE == 0)
			queue_raw(1);
	}
	breathe();
	if (urcu_kvfree_channel_destroy(channel))
		object_error("channel_destroy failed, errno %d", errno);
	if (object_account.kinds[OBJECT_CHANNEL] != i)
		object_error("channel_destroy left objects");
}

/* Contents survive a realloc, and a realloc that fails. */
static void grow(size_t from, size_t to)
{
	unsigned char *mem = object_kvalloc(from, 1), *fresh;

	if (!mem)
		return;
	if (mem[0] || mem[from - 1])
		object_error("kvzalloc gave memory that is not zero");
	memset(mem, 0x5a, from);
	fresh = object_kvrealloc(mem, to);
	if (!fresh && errno != ENOMEM)
		object_error("kvrealloc failed with errno %d", errno);
	if (!fresh)
		fresh = mem;
	if (fresh[0] != 0x5a || fresh[(from < to ? from : to) - 1] != 0x5a)
		object_error("kvrealloc lost the contents");
	object_kvfree(fresh);
}

static void run_large(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 3; i++) {
		raw(make(OBJECT_KV, 100));
		raw(make(OBJECT_KV, LARGE_BYTES));
		raw(make(OBJECT_KV, 10 * LARGE_BYTES));
		grow(100, 2 * LARGE_BYTES);
		grow(100, 5000);
		grow(2 * LARGE_BYTES, 5 * LARGE_BYTES);
		grow(2 * LARGE_BYTES, 100);
		breathe();
	}
}

/* ------------------------------------------------------------------ */
/* fork()                                                             */

#ifdef CAN_FORK

static void recover(const struct scenario *scenario);

static void wait_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		object_error("the child's status is %#x", status);
}

static void child_go_on(const struct scenario *scenario)
{
	queue_raw(PAGE + 1);
	queue_mightsleep(2);
	breathe();
	recover(scenario);
	_exit(object_account.errors ? 1 : 0);
}

static void run_fork_hooks(void)
{
	pid_t pid;

	start();
	queue_raw(3 * PAGE);
	queue_mightsleep(2);
	urcu_kvfree_before_fork();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		/* What fails here, the next clean call tries again. */
		if (urcu_kvfree_after_fork_child() &&
		    errno != inject_state()->plan.error)
			object_error("after_fork_child failed with errno %d",
				errno);
		objects_fork_child(false);
		child_go_on(&scenarios[0]);
	}
	urcu_kvfree_after_fork_parent();
	queue_raw(2);
	wait_child(pid);
	queue_raw(2);
}

static bool no_grace_period(void *arg)
{
	(void) arg;
	return !objects_grace_period_runs(0);
}

static void run_fork_bare(void)
{
	pid_t pid;

	start();
	queue_raw(2 * PAGE);
	/* The child waits for grace periods: none may be under way. The barrier waits for
	 * those that it needs, and another may have been asked for. */
	barrier_check("before a fork");
	if (!kvtest_wait(no_grace_period, NULL, WAIT_MSEC))
		object_error("a grace period does not end");
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		static const struct scenario abandoned = { .abandons = true };

		objects_fork_child(true);
		child_go_on(&abandoned);
	}
	queue_raw(2);
	wait_child(pid);
}
#endif

/* ------------------------------------------------------------------ */
/* Afterwards                                                         */

static bool page_came(void *arg)
{
	(void) arg;
	return queue_try();
}

/* Inside a section no page comes back from a drain: once the cache is used up,
 * a refill alone brings one. */
static void check_refill(const char *when)
{
	unsigned int i;

	rcu->register_thread();
	kvtest_read_lock(rcu);
	for (i = 0; i < 100 && queue_try(); i++)
		;
	if (!kvtest_wait(page_came, NULL, WAIT_MSEC))
		object_error("%s: no refill", when);
	kvtest_read_unlock(rcu);
	rcu->unregister_thread();
}

static void check_end(const struct scenario *scenario)
{
	struct urcu_kvfree_stats stats = kvtest_stats(NULL);

	if (objects_outstanding() || objects_live() || objects_kept())
		object_error("at the end %llu objects are not freed, %llu not queued, %llu kept",
			(unsigned long long) objects_outstanding(),
			(unsigned long long) objects_live(),
			(unsigned long long) objects_kept());
	if (!scenario->abandons && object_account.queued != object_account.freed)
		object_error("%llu objects queued, %llu freed",
			(unsigned long long) object_account.queued,
			(unsigned long long) object_account.freed);
	if (stats.pending || stats.pages || stats.leaked || stats.large_bytes)
		object_error("counters at the end: pending %llu, pages %llu, leaked %llu, large %llu",
			(unsigned long long) stats.pending,
			(unsigned long long) stats.pages,
			(unsigned long long) stats.leaked,
			(unsigned long long) stats.large_bytes);
	if (!kvtest_threads_become("kvfree-", 0))
		object_error("threads are left");
	if (kvtest_count_fds() != fds_before)
		object_error("%u descriptors before, %u after", fds_before,
			kvtest_count_fds());
	if (!scenario->abandons && inject_allocated + objects_adopted !=
			objects_other_frees + objects_kv_frees)
		object_error("the library allocated or adopted %llu times and freed %llu times",
			(unsigned long long) (inject_allocated +
				objects_adopted),
			(unsigned long long) (objects_other_frees +
				objects_kv_frees));
}

static bool was_injected(void *arg)
{
	(void) arg;
	return __atomic_load_n(&inject_state()->injected, __ATOMIC_RELAXED) > 0;
}

/* The timer thread may not have had a processor before the scenario stopped it. */
static void await_fatal(void)
{
	const struct inject_plan *plan = &inject_state()->plan;

	if (plan->fn != INJECT_poll || plan->error != ENOMEM)
		return;
	urcu_kvfree_init(NULL);
	kvtest_wait(was_injected, NULL, WAIT_MSEC);
}

/* The fault is over: everything goes on. */
static void recover(const struct scenario *scenario)
{
	await_fatal();
	inject_clear();
	/* A clean call would try a failed start again after the back-off. */
	if (urcu_kvfree_init(NULL))
		object_error("no start after the fault, errno %d", errno);
	/* First without a barrier: a page's worth of raw calls brings a page
	 * into use, which arms what could not be armed. */
	queue_mightsleep(1);
	queue_raw(PAGE + 1);
	if (!kvtest_wait(nothing_outstanding, NULL, WAIT_MSEC))
		object_error("%llu objects are not freed without a barrier",
			(unsigned long long) objects_outstanding());
	check_refill("after the fault");
	check_refill("again");
	urcu_kvfree_shrink();
	check_refill("after a shrink");
	queue_raw(PAGE + 1);
	barrier_check("after the fault");
	/* This thread's record keeps memory for urcu_kvmalloc(). */
	urcu_kvfree_unregister_thread_flavor(rcu);
	urcu_kvfree_unregister_thread_flavor(second_rcu);
	urcu_kvfree_exit();
	objects_flush();
	check_end(scenario);
}

const struct scenario scenarios[] = {
	{ "start", "start, exit, start", run_start, NULL, false },
	{ "lazy-start", "the first call starts it", run_lazy_start, NULL,
		false },
	{ "raw", "bursts of raw calls, refills", run_raw, NULL, false },
	{ "float", "the same, with workers that float", run_raw,
		"PLACEMENT=float", false },
	{ "reader", "raw calls inside a section", run_reader, NULL, false },
	{ "mightsleep", "head-less calls", run_mightsleep, NULL, false },
	{ "try", "calls that may refuse", run_try, NULL, false },
	{ "barrier", "barriers with the fault", run_barrier, NULL, false },
	{ "two-flavors", "two flavors are first used with the fault",
		run_two_flavors, NULL, false },
	{ "no-thread", "no thread can be made for grace periods",
		run_no_thread, NULL, false },
	{ "cap", "clean calls over max_pending_bytes", run_cap,
		"BATCH_BYTES=65536 MAX_PENDING_BYTES=65536", false },
	{ "shrink", "shrinks", run_shrink, NULL, false },
	{ "unregistered", "threads that begin with a raw call",
		run_unregistered, NULL, false },
	{ "thread-exit", "threads that come and go", run_thread_exit, NULL,
		false },
	{ "channels", "a user channel", run_channels, NULL, false },
	{ "large", "the kv allocator", run_large, NULL, false },
	{ "debug", "double-free detection on", run_debug, "DEBUG=1", false },
#ifdef CAN_FORK
	{ "fork", "fork with the hooks", run_fork_hooks, NULL, false },
	{ "fork-bare", "fork without them", run_fork_bare, NULL, false },
#endif
	{ NULL, NULL, NULL, NULL, false },
};

unsigned int scenario_check(const struct scenario *scenario)
{
	fds_before = kvtest_count_fds();
	objects_init(OBJECTS, OBJECTS * OBJECT_MOST);
	rcu = objects_flavor(0, &urcu_memb_flavor);
	second_rcu = objects_flavor(1, &urcu_mb_flavor);
	writer = object_writer_get();
	scenario->run();
	recover(scenario);
	inject_state()->objects = object_account.freed;
	return (unsigned int) object_account.errors;
}
