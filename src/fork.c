/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * fork.c - the library across fork()
 *
 * There are two ways. Without hooks, a pthread_atfork child handler resets the library in the
 * child: no threads, empty lists, unlocked locks. It takes no lock and calls nothing that does,
 * since other threads of the parent may have held any lock at the moment of the fork. What was
 * pending is the parent's to free.
 *
 * With hooks, parent and child both have a whole queue, and each frees its copy. Everything comes
 * to rest, in two steps:
 *
 *  - before_fork waits for what may take long, and keeps it from beginning again: no start, no
 *    grace period, no work of the pool, no ripe objects in anybody's hands. It waits for one piece
 *    and one grace period at the most, however much is queued; while nothing runs, for a clean
 *    call that frees all. It returns with only start_lock and idle_lock held: readers, RCU
 *    callbacks and other libraries' hooks may wait for each other and call this library until the
 *    fork itself.
 *  - The pthread_atfork handlers hold all locks under which nobody waits, allocates or frees, the
 *    records' last, over the fork and no longer. Raw calls of other threads use the emergency list
 *    meanwhile.
 *
 * The wait for other threads' free() is in the first step, since allocators have pthread_atfork
 * handlers of their own, in unknown order.
 */

#include <signal.h>

#include "area.h"
#include "cache.h"
#include "placement.h"
#include "service.h"
#include "start.h"
#include "timer.h"

static unsigned int forking;	/* atomic, changed under start_lock: before_fork calls whose
				 * after_fork calls have not come */
static pthread_t forker;	/* atomic, set under start_lock before forking */

/* Whether this thread, or its original in the parent, called the first hook and not
 * yet the last. Another thread may fork without them. */
static bool resting(void)
{
	/* Acquire: pairs with before_fork, for forker. That may change at any
	 * time, but not to or from this thread. */
	return __atomic_load_n(&forking, __ATOMIC_ACQUIRE) &&
		pthread_equal(__atomic_load_n(&forker, __ATOMIC_RELAXED), pthread_self());
}

void urcu_kvfree_before_fork(void)
{
	unsigned int online;

	/* Several libraries may have registered the hooks with pthread_atfork().
	 * Relaxed: only this thread changes it meanwhile. */
	if (resting()) {
		__atomic_fetch_add(&forking, 1, __ATOMIC_RELAXED);
		return;
	}
	/* A grace period may wait for us, if we are an online QSBR reader. */
	online = kvfree_enter_wait("urcu_kvfree_before_fork()");
	kvfree_mutex_lock(&kvfree_start_lock, KVFREE_RANK_START);
	kvfree_mutex_lock(&kvfree_idle_lock, KVFREE_RANK_IDLE);
	kvfree_service_rest();
	kvfree_leave_wait(online);
	__atomic_store_n(&forker, pthread_self(), __ATOMIC_RELAXED);
	/* Release: pairs with resting(). */
	__atomic_store_n(&forking, 1, __ATOMIC_RELEASE);
}

void urcu_kvfree_after_fork_parent(void)
{
	/* This thread did not call before_fork: nothing rests. */
	if (!resting())
		return;
	/* Relaxed: start_lock orders it; other threads find no forker in it. */
	if (__atomic_sub_fetch(&forking, 1, __ATOMIC_RELAXED))
		return;
	kvfree_service_resume();
	kvfree_mutex_unlock(&kvfree_idle_lock);
	kvfree_mutex_unlock(&kvfree_start_lock);
}

/* ------------------------------------------------------------------ */
/* The fork itself                                                    */

/* With the hooks: hold all locks, in the order of lockrank.h, so that at the fork nobody
 * is inside a critical section and no record comes into being. */
static void atfork_prepare(void)
{
	if (!resting())
		return;
	kvfree_mutex_lock(&kvfree_channels.lock, KVFREE_RANK_CHANNELS);
	kvfree_area_prefork();
	kvfree_domains_prefork();
	kvfree_records_prefork();
}

/* In the parent, also when the fork failed, and in the child. */
static void atfork_release(void)
{
	if (!resting())
		return;
	kvfree_records_postfork();
	kvfree_domains_postfork();
	kvfree_area_postfork();
	kvfree_mutex_unlock(&kvfree_channels.lock);
}

/* ------------------------------------------------------------------ */
/* The child                                                          */

/* Make locks, gates and threads what they were at the start of the process. With @forget,
 * drop the queue too, which is the parent's to free; async-signal-safe then. */
static void reset(bool forget)
{
	kvfree_stopped();
	kvfree_rank_forget();
	pthread_mutex_init(&kvfree_start_lock, NULL);
	pthread_mutex_init(&kvfree_idle_lock, NULL);
	pthread_mutex_init(&kvfree_channels.lock, NULL);
	kvfree_area_fork_reset(!forget);
	kvfree_workqueue_fork_reset(&kvfree_pool);
	kvfree_timer_fork_reset();
	kvfree_placement_fork_reset();
	kvfree_refill_reset();
	kvfree_domains_fork_reset(forget);
	kvfree_records_fork_reset(forget);
	/* A free function may have forked: see user_free() in free.c. */
	kvfree_freeing = 0;
	forking = 0;
}

static void atfork_child(void)
{
	sigset_t all, saved;

	if (resting()) {
		atfork_release();
		return;		/* urcu_kvfree_after_fork_child() follows */
	}
	/* A raw call of a handler must find either all of this done or nothing. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	reset(true);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

const char kvfree_fork_linked;

static __attribute__((constructor)) void atfork_register(void)
{
	if (pthread_atfork(atfork_prepare, atfork_release, atfork_child))
		kvfree_warn("pthread_atfork failed: a child of fork() must not use the library");
}

int urcu_kvfree_after_fork_child(void)
{
	bool was_running = kvfree_is_running();

	/* Relaxed: the child has no other thread. */
	if (resting() && __atomic_sub_fetch(&forking, 1, __ATOMIC_RELAXED))
		return 0;
	reset(false);
	/* With the settings of the parent; see start_locked(). */
	return was_running ? urcu_kvfree_init(NULL) : 0;
}
