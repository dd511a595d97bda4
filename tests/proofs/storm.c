/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * storm.c - signal handlers that queue, wherever they strike
 *
 * Every thread of the process, the library's own included, has a timer that
 * interrupts it some ten thousand times a second. The handler makes raw calls. The
 * threads meanwhile are inside raw calls, clean calls, barriers, malloc(),
 * read-side sections, thread creation and exit, and the library's work. At the
 * end every object was freed exactly once, and nothing hung.
 *
 * The library blocks all signals in its threads; here pthread_sigmask() is
 * wrapped (ld --wrap) so that the storm's stay open there.
 */

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "proof.h"

#define STORM		(SIGRTMIN + 1)	/* of a thread's timer */
#define NESTED		(SIGRTMIN + 2)	/* may interrupt the other's handler */
#define MAX_TIMERS	64
#define SLOTS		4096
#define OBJECTS		16384

#ifndef sigev_notify_thread_id
# define sigev_notify_thread_id _sigev_un._tid
#endif

/* A channel's object; goes round and is never given back to malloc. */
struct recycled {
	struct rcu_head head;
	int queued;		/* atomic */
};

/* An object of malloc's, and what readers look at. */
struct object {
	uint64_t canary;
	struct rcu_head head;
};

static const struct rcu_flavor_struct *flavor;
static struct urcu_kvfree_channel *channel;	/* atomic: handlers look */
static struct recycled recycled[OBJECTS];
static struct object *slots[SLOTS];	/* atomic; for handlers to queue */
static struct object *published;	/* atomic; read under RCU */

/* All atomic. */
static unsigned int next_recycled, next_slot;
static long delivered, in_library, queued_malloc, queued_channel, freed_channel;
static int stop;
static int calm;		/* handlers queue nothing any more */
static int inside;		/* handlers that run and may queue */

static pid_t gettid_(void)
{
	return (pid_t) syscall(SYS_gettid);
}

/* ------------------------------------------------------------------ */
/* Signals stay open in the library's threads                         */

int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t open;

	if (!set)
		return __real_pthread_sigmask(how, set, old);
	open = *set;
	sigdelset(&open, STORM);
	sigdelset(&open, NESTED);
	return __real_pthread_sigmask(how, &open, old);
}

/* ------------------------------------------------------------------ */
/* The handler                                                        */

static void queue_recycled(void)
{
	unsigned int tries;

	for (tries = 0; tries < 64; tries++) {
		struct recycled *object;
		int none = 0;

		object = &recycled[proof_add(&next_recycled, 1) % OBJECTS];
		if (!__atomic_compare_exchange_n(&object->queued, &none, 1,
				false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		proof_add(&queued_channel, 1);
		urcu_kvfree_rcu_channel_flavor(flavor, object, head,
				proof_load(&channel));
		return;
	}
}

static void queue_slot(void)
{
	struct object *object;
	unsigned int i = proof_add(&next_slot, 1) % SLOTS;

	object = __atomic_exchange_n(&slots[i], NULL, __ATOMIC_SEQ_CST);
	if (!object)
		return;
	proof_add(&queued_malloc, 1);
	if (i % 4 || !urcu_kvfree_rcu_try_flavor(flavor, object))
		urcu_kvfree_rcu_flavor(flavor, object, head);
}

static void strike(void)
{
	int saved = errno;

	errno = 4711;
	queue_recycled();
	queue_slot();
	if (errno != 4711)
		proof_fail("a raw call changed errno to %d", errno);
	errno = saved;
}

/* A signal of a timer that is gone may come late, to a thread that had no processor. */
static void handler(int signo, siginfo_t *info, void *context)
{
	(void) context;
	proof_add(&inside, 1);
	if (!proof_load(&calm)) {
		strike();
		if (signo == STORM)
			proof_add(info->si_value.sival_int ? &in_library :
				&delivered, 1);
	}
	proof_add(&inside, -1);
}

/* None that begins after this queues, and those that do are over. */
static void wait_for_calm(void)
{
	proof_store(&calm, 1);
	while (proof_load(&inside))
		usleep(200);
}

/* A timer that interrupts thread @tid every @nsec. */
static timer_t timer_start(pid_t tid, bool of_library, int signo, long nsec)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = signo,
		.sigev_value = { .sival_int = of_library } };
	const struct itimerspec when = {
		.it_interval = { .tv_nsec = nsec },
		.it_value = { .tv_nsec = nsec },
	};
	timer_t timer;

	event.sigev_notify_thread_id = tid;
	proof_require(!timer_create(CLOCK_MONOTONIC, &event, &timer),
		"timer_create: %s", strerror(errno));
	proof_require(!timer_settime(timer, 0, &when, NULL),
		"timer_settime: %s", strerror(errno));
	return timer;
}

/* ------------------------------------------------------------------ */
/* What the threads are busy with                                     */

static struct object *new_object(void)
{
	struct object *object = malloc(sizeof(*object));

	if (object)
		object->canary = KVTEST_ALIVE;
	return object;
}

static void *raw_caller(void *arg)
{
	(void) arg;
	while (!proof_load(&stop)) {
		struct object *object = new_object(), *old;

		if (!object)
			continue;
		old = __atomic_exchange_n(&published, object, __ATOMIC_SEQ_CST);
		if (!old)
			continue;
		proof_add(&queued_malloc, 1);
		urcu_kvfree_rcu_flavor(flavor, old, head);
	}
	return NULL;
}

static void *clean_caller(void *arg)
{
	unsigned int i;

	(void) arg;
	for (i = 0; !proof_load(&stop); i++) {
		void *large = i % 64 ? NULL : urcu_kvmalloc(200000);
		void *small = urcu_kvmalloc(48);

		/* NULL is not queued. */
		proof_add(&queued_malloc, (large != NULL) + (small != NULL));
		urcu_kvfree_rcu_flavor(flavor, large);
		urcu_kvfree_rcu_flavor(flavor, small);
		if (i % 16 == 0)
			urcu_kvfree_rcu_reclaim_flavor(flavor, 4);
		if (i % 1024 == 0)
			urcu_kvfree_rcu_barrier_flavor(flavor);
		if (i % 4096 == 0)
			urcu_kvfree_shrink();
		if (i % 2048 == 0)
			urcu_kvfree_unregister_thread_flavor(flavor);
	}
	return NULL;
}

/* Interrupted inside malloc() and free() more than anywhere else. */
static void *allocating(void *arg)
{
	size_t size;

	(void) arg;
	for (size = 1; !proof_load(&stop); size = size * 7 % 9973 + 1) {
		void *volatile small = malloc(size);
		void *volatile more = malloc(size * 64);

		free(small);
		free(more);
	}
	return NULL;
}

static void *reader(void *arg)
{
	(void) arg;
	flavor->register_thread();
	while (!proof_load(&stop)) {
		struct object *object;

		kvtest_read_lock(flavor);
		object = proof_load(&published);
		if (object && object->canary != KVTEST_ALIVE)
			proof_fail("a reader saw a freed object");
		kvtest_read_unlock(flavor);
	}
	flavor->unregister_thread();
	return NULL;
}

/* Short-lived: interrupted before its first call, and on its way out. */
static void *short_lived(void *arg)
{
	timer_t timer = timer_start(gettid_(), false, STORM, 30000);
	unsigned int i;

	(void) arg;
	for (i = 0; i < 50; i++)
		queue_recycled();
	timer_delete(timer);
	return NULL;
}

static void *churning(void *arg)
{
	(void) arg;
	while (!proof_load(&stop))
		proof_join(proof_thread(short_lived, NULL));
	return NULL;
}

/* ------------------------------------------------------------------ */
/* A storm                                                            */

static void free_recycled(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++) {
		struct recycled *object = ptrs[i];

		if (__atomic_exchange_n(&object->queued, 0, __ATOMIC_SEQ_CST)
				!= 1)
			proof_fail("an object was freed twice");
		proof_add(&freed_channel, 1);
	}
}

/* Keep the handlers supplied until @msec have passed. */
static void supply(unsigned int msec)
{
	uint64_t end = kvtest_msec() + msec;
	unsigned int i;

	while (kvtest_msec() < end) {
		for (i = 0; i < SLOTS; i++) {
			if (proof_load(&slots[i]))
				continue;
			/* Handlers empty slots, nobody else fills them. */
			proof_store(&slots[i], new_object());
		}
		usleep(500);
	}
}

/* Whether a thread of this process is the library's, by its name. */
static bool is_of_library(const char *tid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strncmp(name, "kvfree-", 7);
}

/* Two timers for each thread that there is but the short-lived ones. */
static unsigned int storm_begin(timer_t *timers, long nsec)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int nr = 0;

	proof_require(dir != NULL, "/proc/self/task: %s", strerror(errno));
	while ((entry = readdir(dir)) && nr + 2 <= MAX_TIMERS) {
		pid_t tid = (pid_t) atoi(entry->d_name);
		bool of_library;

		if (!tid)
			continue;
		of_library = is_of_library(entry->d_name);
		timers[nr++] = timer_start(tid, of_library, STORM, nsec);
		timers[nr++] = timer_start(tid, of_library, NESTED,
				10 * nsec + 777);
	}
	closedir(dir);
	return nr;
}

static void check(const char *name, unsigned int msec)
{
	struct urcu_kvfree_stats stats;
	unsigned int i;

	stats = kvtest_stats(flavor);
	proof_require(stats.freed == stats.queued, "%llu queued, %llu freed",
		(unsigned long long) stats.queued,
		(unsigned long long) stats.freed);
	proof_require(stats.queued == (uint64_t) (queued_malloc +
			queued_channel), "%ld queued, the library says %llu",
		queued_malloc + queued_channel,
		(unsigned long long) stats.queued);
	proof_require(freed_channel == queued_channel, "channel: %ld of %ld",
		freed_channel, queued_channel);
	for (i = 0; i < OBJECTS; i++)
		proof_require(!recycled[i].queued, "an object was lost");
	for (i = 0; i < SLOTS; i++) {
		free(slots[i]);
		slots[i] = NULL;
	}
	proof_require(delivered > 0 && in_library > 0 && stats.emergency > 0,
		"%ld signals, %ld of them in the library's threads, %llu on the emergency list",
		delivered + in_library, in_library,
		(unsigned long long) stats.emergency);
	proof_say("%s: %ld signals in %u ms (%ld in the library's threads), %llu objects queued, %llu of them on the emergency list",
		name, delivered + in_library, msec, in_library,
		(unsigned long long) stats.queued,
		(unsigned long long) stats.emergency);
}

static void storm(const char *name, unsigned int msec)
{
	void *(*const work[])(void *) = { raw_caller, clean_caller,
		allocating, reader, churning };
	enum { NR = sizeof(work) / sizeof(work[0]) };
	timer_t timers[MAX_TIMERS];
	pthread_t threads[NR];
	unsigned int i, nr;

	flavor = kvtest_flavor(name);
	stop = 0;
	proof_store(&calm, 0);
	delivered = in_library = queued_malloc = queued_channel = 0;
	freed_channel = 0;
	proof_init(5, 16384, 2, 0);
	proof_store(&channel, urcu_kvfree_channel_create("storm",
		free_recycled, NULL));
	proof_require(channel != NULL, "no channel");
	/* None that is joined is still in the kernel's list. */
	proof_require(kvtest_threads_become("kvfree-", 3), "threads");
	/* The last one makes threads that come and go. */
	for (i = 0; i < NR - 1; i++)
		threads[i] = proof_thread(work[i], NULL);
	/* 20 kHz for each thread. */
	nr = storm_begin(timers, 50000);
	threads[i] = proof_thread(work[i], NULL);
	supply(msec);
	for (i = 0; i < nr; i++)
		timer_delete(timers[i]);
	proof_store(&stop, 1);
	for (i = 0; i < NR; i++)
		proof_join(threads[i]);
	if (published)
		free(published);
	published = NULL;
	wait_for_calm();
	proof_all_freed(flavor);
	/* Joins the library's threads. */
	urcu_kvfree_exit();
	check(name, msec);
	proof_require(!urcu_kvfree_channel_destroy(channel), "channel");
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_RESTART };
	const struct kvtest_flavor *f;

	/* The shrinker holds refills for that long. */
	setenv("URCU_KVFREE_REFILL_BACKOFF_MSEC", "10", 1);
	proof_start("storm", proof_long() ? 300 : 60);
	if (!kvtest_has_proc())
		proof_skip("there is no /proc to find the threads in");
	sigaction(STORM, &sa, NULL);
	sigaction(NESTED, &sa, NULL);
	for (f = kvtest_flavors; f->name; f++)
		storm(f->name, proof_long() ? 10000 : 1500);
	return 0;
}
