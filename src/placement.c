/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * placement.c - on which processor a worker frees
 *
 * Where a worker may go. It follows an owner only to a processor
 *  - on which the worker itself may run. Its own mask is read each time it binds itself and is what
 *    it goes back to, so that a change from outside (taskset on all threads, a cpuset) counts from
 *    the next piece on. The main thread's mask says nothing: programs pin their main threads.
 *  - that is not isolated (isolcpus=, nohz_full=). The program moved a thread there so that nothing
 *    else runs beside it.
 *  - where the owner is scheduled fairly. A worker beside a SCHED_FIFO, SCHED_RR or SCHED_DEADLINE
 *    owner would get no time. An owner that has ended is no obstacle: what it touched is still in
 *    that cache.
 *
 * A worker that gets no time. Any real-time thread may come to a processor after the worker. The
 * tick therefore looks at each bound worker, and from outside gives its old mask back to one that
 * has made no progress since the last tick. Then the processor is left alone for some time, longer
 * each time that this happens in a row.
 *
 * Locking discipline: `lock` guards the seats and the processors' state. A worker takes it only
 * while it floats: a bound one may be preempted for good in the middle of anything, and the tick
 * must not wait for it; so it touches only the atomic fields of its own seat. Sitting down comes
 * before binding, and unbinding before getting up:
 *  - a worker that is bound has a seat, so the tick sees it;
 *  - a thread that has a seat is alive, so its number is not another thread's. The tick uses the
 *    number under the lock, and a thread gets up under the lock.
 * The tick may come between the two steps. It changes the mask only if that is the bound one, and
 * looks again at every later tick while somebody sits there. If it catches a worker in the middle,
 * the worker is unbound too early, which costs a piece of slower frees, or one tick later.
 */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lockrank.h"
#include "placement.h"

/* Workers that can be bound at a time; the others float. */
#define SEATS		64

/* How long a processor is left alone after a worker got no time there; doubled
 * each time in a row, so many times at most. */
#define SHUN_MSEC	200
#define SHUN_MAX_SHIFT	6

struct kvfree_placement {
	pid_t tid;		/* under lock: who sits here, or 0 */
	int cpu;		/* under lock, and read by who sits here */
	cpu_set_t home;		/* the same: where it may run when it floats */
	unsigned int seen;	/* under lock: the tick's copy of pieces */
	unsigned int pieces;	/* atomic, written by who sits here: progress */
	bool evicted;		/* atomic, set by the tick: floats already */
	pid_t owner;		/* atomic: whom it follows; 0 by the tick: look at it anew */
};

struct processor {
	uint64_t shun_until;	/* under lock: msec */
	unsigned int evictions;	/* under lock: in a row */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kvfree_placement seats[SEATS];
static struct processor processors[CPU_SETSIZE];

static cpu_set_t isolated;	/* read-only while there are workers */
static bool enabled;		/* atomic: false also after the system refused */

static KVFREE_TLS struct kvfree_placement *seat;	/* NULL: floats */

/* ------------------------------------------------------------------ */
/* Isolated processors                                                */

#ifdef KVFREE_CHECK
const char *kvfree_check_cpu_dir = "/sys/devices/system/cpu";
# define CPU_DIR	kvfree_check_cpu_dir
#else
# define CPU_DIR	"/sys/devices/system/cpu"
#endif

/* Add what the file lists, "2-5,7" say, up to the first thing that is not of this form. There
 * is no file in a kernel without such a feature. */
static void add_isolated(const char *name)
{
	char path[128], text[4096], *at = text;
	unsigned long cpu, last;

	snprintf(path, sizeof(path), "%s/%s", CPU_DIR, name);
	kvfree_read_text(path, text, sizeof(text));
	while (*at >= '0' && *at <= '9') {
		cpu = last = strtoul(at, &at, 10);
		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (; cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET(cpu, &isolated);
		if (*at == ',')
			at++;
	}
}

void kvfree_placement_start(bool near)
{
	memset(processors, 0, sizeof(processors));
	CPU_ZERO(&isolated);
	add_isolated("isolated");
	add_isolated("nohz_full");
	/* Relaxed: the workers are created after this. */
	__atomic_store_n(&enabled, near, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ */
/* Masks                                                              */

static bool is_bound(const cpu_set_t *mask, int cpu)
{
	return CPU_COUNT(mask) == 1 && CPU_ISSET(cpu, mask);
}

/* Caller has a seat, here and in the next one. */
static bool bind_self(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		return true;
	/* EINVAL: the processor went off-line, or out of the cpuset. Anything
	 * else is a filter's answer, and will stay the same. */
	if (errno != EINVAL)
		__atomic_store_n(&enabled, false, __ATOMIC_RELAXED);
	return false;
}

/*
 * Back to the mask from before, unless somebody else changed it meanwhile. Then
 * that mask is set once more: after a change of its cpuset the kernel would
 * remember ours, and come back to it when it can.
 */
static void unbind_self(void)
{
	cpu_set_t mask;

	if (sched_getaffinity(0, sizeof(mask), &mask))
		return;
	if (is_bound(&mask, seat->cpu))
		mask = seat->home;
	sched_setaffinity(0, sizeof(mask), &mask);
}

/* ------------------------------------------------------------------ */
/* Seats                                                              */

/* Not if the processor is shunned or all seats are taken. */
static void sit_down(int cpu, pid_t owner, const cpu_set_t *home)
{
	unsigned int i;

	kvfree_mutex_lock(&lock, KVFREE_RANK_PLACEMENT);
	if (kvfree_now_msec() >= processors[cpu].shun_until) {
		for (i = 0; i < SEATS && !seat; i++)
			if (!seats[i].tid)
				seat = &seats[i];
	}
	if (seat) {
		seat->tid = (pid_t) syscall(SYS_gettid);
		seat->cpu = cpu;
		seat->home = *home;
		/* Relaxed: under lock, and nobody sat here. */
		__atomic_store_n(&seat->owner, owner, __ATOMIC_RELAXED);
		__atomic_store_n(&seat->evicted, false, __ATOMIC_RELAXED);
		__atomic_store_n(&seat->pieces, seat->seen + 1, __ATOMIC_RELAXED);
	}
	kvfree_mutex_unlock(&lock);
}

static void get_up(void)
{
	kvfree_mutex_lock(&lock, KVFREE_RANK_PLACEMENT);
	/* Relaxed, here and below: these fields order nothing. */
	if (!__atomic_load_n(&seat->evicted, __ATOMIC_RELAXED))
		processors[seat->cpu].evictions = 0;
	seat->tid = 0;
	kvfree_mutex_unlock(&lock);
	seat = NULL;
}

/* ------------------------------------------------------------------ */
/* The worker                                                         */

/* Only a class that shares the processor with the worker. Where a filter keeps
 * the answer from us, the worker stays away. */
static bool owner_is_fair(pid_t owner)
{
	int policy;

	if (owner <= 0)
		return true;
	policy = kvfree_policy_of(owner);
	if (policy < 0)
		return errno == ESRCH;
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* Caller is bound, and holds no lock. */
static bool may_stay(int cpu, pid_t owner)
{
	if (seat->cpu != cpu || __atomic_load_n(&seat->evicted, __ATOMIC_RELAXED))
		return false;
	if (__atomic_load_n(&seat->owner, __ATOMIC_RELAXED) == owner)
		return true;
	if (!owner_is_fair(owner))
		return false;
	__atomic_store_n(&seat->owner, owner, __ATOMIC_RELAXED);
	return true;
}

bool kvfree_placement_follow(int cpu, pid_t owner)
{
	cpu_set_t home;

	if (seat && may_stay(cpu, owner)) {
		__atomic_store_n(&seat->pieces, seat->pieces + 1, __ATOMIC_RELAXED);
		return true;
	}
	kvfree_placement_release();
	if (!__atomic_load_n(&enabled, __ATOMIC_RELAXED) || cpu < 0 || cpu >= CPU_SETSIZE ||
	    CPU_ISSET(cpu, &isolated) || !owner_is_fair(owner))
		return false;
	/* An error where the set has no room for all processors. */
	if (sched_getaffinity(0, sizeof(home), &home) || !CPU_ISSET(cpu, &home))
		return false;
	if (is_bound(&home, cpu))
		return true;	/* floats on this one processor */
	sit_down(cpu, owner, &home);
	if (seat && !bind_self(cpu))
		get_up();
	return seat;
}

void kvfree_placement_release(void)
{
	if (!seat)
		return;
	unbind_self();
	get_up();
}

/* ------------------------------------------------------------------ */
/* The tick                                                           */

/* Caller holds the lock. */
static void look_locked(struct kvfree_placement *worker)
{
	unsigned int pieces = __atomic_load_n(&worker->pieces, __ATOMIC_RELAXED);
	struct processor *processor = &processors[worker->cpu];
	cpu_set_t mask;

	__atomic_store_n(&worker->owner, 0, __ATOMIC_RELAXED);
	if (pieces != worker->seen) {
		worker->seen = pieces;
		return;
	}
	/* On its way to the processor, or back: it waits for nobody there. */
	if (sched_getaffinity(worker->tid, sizeof(mask), &mask) || !is_bound(&mask, worker->cpu))
		return;
	sched_setaffinity(worker->tid, sizeof(worker->home), &worker->home);
	if (__atomic_exchange_n(&worker->evicted, true, __ATOMIC_RELAXED))
		return;
	processor->shun_until = kvfree_now_msec() + ((uint64_t) SHUN_MSEC << processor->evictions);
	if (processor->evictions < SHUN_MAX_SHIFT)
		processor->evictions++;
}

bool kvfree_placement_tick(void)
{
	bool any = false;
	unsigned int i;

	kvfree_mutex_lock(&lock, KVFREE_RANK_PLACEMENT);
	for (i = 0; i < SEATS; i++) {
		if (!seats[i].tid)
			continue;
		any = true;
		look_locked(&seats[i]);
	}
	kvfree_mutex_unlock(&lock);
	return any;
}

void kvfree_placement_fork_reset(void)
{
	unsigned int i;

	/* A free function forked: the child is a copy of the bound worker. */
	if (seat)
		unbind_self();
	seat = NULL;
	pthread_mutex_init(&lock, NULL);
	for (i = 0; i < SEATS; i++)
		seats[i].tid = 0;
}
