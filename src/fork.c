/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * fork.c - the library across fork()
 *
 * Two ways. Without hooks, a pthread_atfork child handler makes the child's
 * library new: no threads, empty lists, unlocked locks. It takes no lock and
 * calls nothing that does, since other threads of the parent may have held any
 * lock at the moment of the fork. What was pending is the parent's
 * to free.
 *
 * With hooks, parent and child both have a whole queue, and each frees its
 * copy. Everything comes to rest, in two steps:
 *
 *  - before_fork waits for what may take long, and keeps it from beginning
 *    again: no start, no batch, no refill, no ripe objects, and so none in an
 *    owner's hands. It returns with start_lock held and no other: readers,
 *    RCU callbacks and other libraries' hooks may wait for each other and call
 *    this library until the fork itself.
 *  - The pthread_atfork handlers hold all locks under which nobody waits,
 *    allocates or frees, the records' last, over the fork and no longer. Raw
 *    calls of other threads use the emergency list meanwhile. Of the records'
 *    locks all are held, and one may be waited for while others are: its holder
 *    needs no other, and whoever wants one of those tries or sleeps.
 *
 * The wait for other threads' free() is in the first step, since allocators
 * have pthread_atfork handlers of their own, in unknown order.
 */

#include <signal.h>
#include <string.h>

#include "reclaim.h"
#include "runtime.h"
#include "thread.h"

/* Whether it is this thread, or its copy in the child, that rests between
 * the hooks. Another thread may fork without them. */
static bool resting(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;

	/* Acquire: pairs with before_fork, for forker; which may change at any
	 * time, but not to or from this thread. */
	return __atomic_load_n(&rt->forking, __ATOMIC_ACQUIRE) &&
		pthread_equal(__atomic_load_n(&rt->forker, __ATOMIC_RELAXED),
				pthread_self());
}

/* All places for domains, used or not: a raw call may claim one meanwhile. */
#define for_each_slot(domain)						\
	for ((domain) = kvfree_runtime.domains;				\
	     (domain) < kvfree_runtime.domains + KVFREE_MAX_DOMAINS;	\
	     (domain)++)

void urcu_kvfree_before_fork(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;
	unsigned int online;

	/* A batch may wait for us, if we are an online QSBR reader. */
	online = kvfree_enter_wait("urcu_kvfree_before_fork()");
	pthread_mutex_lock(&rt->start_lock);
	/* First the batches of all domains: their free functions may queue on
	 * any domain, allocate, and make channels. */
	for_each_slot(domain)
		kvfree_batches_stop(domain);
	/* Without batches nothing gets ripe. An object in its owner's hands
	 * would be lost to the child. */
	for_each_slot(domain)
		kvfree_take_back(domain);
	/* So would the page that a refill has in its hands. */
	kvfree_workqueue_hold(&rt->workqueue, &rt->refill);
	kvfree_leave_wait(online);
	__atomic_store_n(&rt->forker, pthread_self(), __ATOMIC_RELAXED);
	/* Release: pairs with resting(). */
	__atomic_store_n(&rt->forking, true, __ATOMIC_RELEASE);
}

void urcu_kvfree_after_fork_parent(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;

	/* Relaxed: start_lock orders it; other threads find no forker in it. */
	__atomic_store_n(&rt->forking, false, __ATOMIC_RELAXED);
	kvfree_workqueue_release(&rt->workqueue, &rt->refill);
	for_each_slot(domain)
		kvfree_batches_resume(domain);
	pthread_mutex_unlock(&rt->start_lock);
}

/* ------------------------------------------------------------------ */
/* The fork itself                                                    */

static void lock_records(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;

	kvfree_for_each_thread(thread, domain)
		kvfree_thread_lock(thread);
}

static void unlock_records(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;

	kvfree_for_each_thread(thread, domain)
		kvfree_thread_unlock(thread);
}

/* With the hooks: nobody is inside a critical section at the fork, and there is no
 * record but those whose locks are held here. */
static void atfork_prepare(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;

	if (!resting())
		return;
	pthread_mutex_lock(&rt->channels.lock);
	pthread_mutex_lock(&rt->area.lock);
	pthread_mutex_lock(&rt->records_lock);
	pthread_mutex_lock(&rt->workqueue.lock);
	for_each_slot(domain)
		lock_records(domain);
}

/* In the parent, also when the fork failed, and in the child. */
static void atfork_release(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	struct kvfree_domain *domain;

	if (!resting())
		return;
	for_each_slot(domain)
		unlock_records(domain);
	pthread_mutex_unlock(&rt->workqueue.lock);
	pthread_mutex_unlock(&rt->records_lock);
	pthread_mutex_unlock(&rt->area.lock);
	pthread_mutex_unlock(&rt->channels.lock);
}

/* ------------------------------------------------------------------ */
/* The child                                                          */

/* Locks and gates as at the start of the process. Async-signal-safe. */
static void reset_locks(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	unsigned int i;

	pthread_mutex_init(&rt->start_lock, NULL);
	pthread_mutex_init(&rt->channels.lock, NULL);
	pthread_mutex_init(&rt->records_lock, NULL);
	kvfree_area_reset(&rt->area, rt->forking);
	kvfree_workqueue_reset(&rt->workqueue);
	kvfree_timer_reset(&rt->timer);
	kvfree_work_reset(&rt->refill);
	rt->tick_gate = 0;
	rt->refill_hold = 0;
	for (i = 0; i < KVFREE_MAX_DOMAINS; i++) {
		struct kvfree_domain *domain = &rt->domains[i];

		pthread_mutex_init(&domain->lock, NULL);
		pthread_cond_init(&domain->cond, NULL);
		pthread_mutex_init(&domain->reap_lock, NULL);
		kvfree_work_reset(&domain->drain);
		kvfree_work_reset(&domain->reap);
		memset(domain->batch, 0, sizeof(domain->batch));
		domain->collecting = false;
		domain->requested = 0;
		domain->waiters = 0;
		domain->kick_gate = 0;
		domain->kicked = 0;
		domain->blank_gate = 0;
		domain->blanks_wanted = 0;
		domain->gp_since = 0;
	}
}

/* Abandon the parent's queue: it is the parent's to free. */
static void reset_queue(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	unsigned int i;

	memset(&kvfree_tls, 0, sizeof(kvfree_tls));
	for (i = 0; i < KVFREE_MAX_DOMAINS; i++) {
		struct kvfree_domain *domain = &rt->domains[i];

		domain->threads = NULL;
		memset(domain->blank, 0, sizeof(domain->blank));
		domain->emergency = NULL;
		memset(&domain->count, 0, sizeof(domain->count));
	}
}

static void stop_state(void)
{
	/* Release: the child has one thread; its later ones are created. */
	if (kvfree_runtime_running())
		__atomic_store_n(&kvfree_runtime.state, KVFREE_STATE_STOPPED,
				__ATOMIC_RELEASE);
}

static void atfork_child(void)
{
	sigset_t all, saved;

	if (resting()) {
		atfork_release();
		return;		/* urcu_kvfree_after_fork_child() follows */
	}
	/* A handler's raw call may find all of it or nothing. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	kvfree_runtime.forking = false;
	stop_state();
	reset_locks();
	reset_queue();
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

static __attribute__((constructor)) void atfork_register(void)
{
	if (pthread_atfork(atfork_prepare, atfork_release, atfork_child))
		kvfree_warn("pthread_atfork failed: a child of fork() must not use the library");
}

/* A record in the child: its thread is gone, unless it is our own. */
static void adopt_record(struct kvfree_domain *domain,
		struct kvfree_thread *thread)
{
	int state = KVFREE_THREAD_OWNED;

	pthread_spin_init(&thread->lock, PTHREAD_PROCESS_PRIVATE);
	thread->refill_gate = 0;
	thread->nr_freed = thread->nr_taken;
	if (thread == kvfree_tls.record[kvfree_domain_index(domain)])
		return;
	/* Release: as in kvfree_thread_leave(). */
	__atomic_compare_exchange_n(&thread->state, &state,
			KVFREE_THREAD_EXITING, false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED);
}

int urcu_kvfree_after_fork_child(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;
	bool was_running = kvfree_runtime_running();
	struct kvfree_domain *domain;

	stop_state();
	reset_locks();
	kvfree_for_each_domain(domain) {
		struct kvfree_thread *thread;

		kvfree_for_each_thread(thread, domain)
			adopt_record(domain, thread);
	}
	rt->forking = false;
	/* With the settings of the parent; see start_locked(). */
	return was_running ? urcu_kvfree_init(NULL) : 0;
}
