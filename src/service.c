/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * service.c - what the timer thread and the workers do
 *
 * See service.h.
 */

#include <stdbool.h>
#include <urcu/flavor.h>

#include "count.h"
#include "placement.h"
#include "service.h"
#include "timer.h"

/* Less than this may wait until a thread of the library has been woken: with a small budget,
 * that says nothing of processors. */
#define CROWD_BYTES	((size_t) 1 << 20)

#define domain_of(work, member) \
	caa_container_of(work, struct kvfree_domain, member)

/* ------------------------------------------------------------------ */
/* Grace periods                                                      */

static void request_reap(struct kvfree_domain *domain)
{
	kvfree_domain_take_reap(domain);
	kvfree_workqueue_queue(&kvfree_pool, &domain->reap_work);
}

void kvfree_service_request_reap(struct kvfree_domain *domain)
{
	if (kvfree_domain_take_reap(domain))
		kvfree_workqueue_queue(&kvfree_pool, &domain->reap_work);
}

void kvfree_service_request_gp(struct kvfree_domain *domain)
{
	/* False: there is no thread yet, or nothing runs. */
	if (!kvfree_workqueue_queue(&domain->gp_thread, &domain->gp_work))
		kvfree_workqueue_queue(&kvfree_pool, &domain->gp_start);
}

/* On the grace-period thread. */
static void gp_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain = domain_of(work, gp_work);

	/* For all that was closed before the request. */
	kvfree_domain_wait(domain, kvfree_gp_cookie(&domain->gp));
	request_reap(domain);
	if (kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET))
		kvfree_service_request_gp(domain);
}

static void gp_start_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain = domain_of(work, gp_start);

	/* A second request: the thread is there already. */
	if (kvfree_workqueue_queue(&domain->gp_thread, &domain->gp_work))
		return;
	if (kvfree_workqueue_start(&domain->gp_thread, 1, "kvfree-gp") == 0) {
		kvfree_workqueue_open(&domain->gp_thread);
		kvfree_service_request_gp(domain);
		return;
	}
	/* The thread cannot be made: this worker waits instead. */
	gp_work(&domain->gp_work);
}

/* Run a grace period in the calling thread, if it may wait. */
static bool help(struct kvfree_domain *domain)
{
	unsigned int online;
	bool ran;

	if (kvfree_freeing || !kvfree_enter_wait_try(&online))
		return false;
	ran = kvfree_domain_run(domain);
	kvfree_leave_wait(online);
	if (!ran)
		return true;	/* another thread runs one */
	__atomic_fetch_add(&domain->count.helped, 1, __ATOMIC_RELAXED);
	kvfree_service_request_reap(domain);
	return true;
}

/* Whether this thread is in a section of any flavor in use. */
static bool in_section(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain)
		if (kvfree_domain_flavor(domain)->read_ongoing())
			return true;
	return false;
}

/* The next budget is full. If grace periods are short, whoever runs one, or is to run it, may have
 * no processor: give it this one, unless it may be waiting for this thread. */
static void let_run(struct kvfree_domain *domain)
{
	if (kvfree_gp_is_short(&domain->gp) && !kvfree_gp_is_old(&domain->gp) && !in_section())
		kvfree_yield();
}

bool kvfree_service_is_crowded(struct kvfree_domain *domain)
{
	/* Relaxed: a hint. */
	return kvfree_domain_over_budget(domain, 2 * KVFREE_ONE_BUDGET) &&
		__atomic_load_n(&domain->uncovered, __ATOMIC_RELAXED) >= CROWD_BYTES;
}

void kvfree_service_give_way(struct kvfree_domain *domain)
{
	if (kvfree_service_is_crowded(domain))
		let_run(domain);
}

void kvfree_service_budget(struct kvfree_domain *domain)
{
	size_t quarters = kvfree_gp_quarters(&domain->gp);

	/* A cap may be as low as one budget. */
	if (kvfree_setting(max_pending_bytes) && quarters > KVFREE_ONE_BUDGET)
		quarters = KVFREE_ONE_BUDGET;
	if (!kvfree_domain_over_budget(domain, quarters))
		return;
	if (kvfree_gp_is_running(&domain->gp)) {
		let_run(domain);
		return;
	}
	if ((kvfree_gp_is_short(&domain->gp) ||
	     kvfree_domain_over_budget(domain, 2 * quarters)) && help(domain))
		return;
	kvfree_service_request_gp(domain);
}

/* ------------------------------------------------------------------ */
/* Work of the pool                                                   */

/* A part of a piece is freed: free what there is @more, or have a grace period run for objects of
 * an emergency list that missed theirs. */
static void reap_next(struct kvfree_domain *domain, bool more)
{
	if (more)
		kvfree_workqueue_queue(&kvfree_pool, &domain->reap_work);
	else if (kvfree_domain_emergency_missed(domain))
		kvfree_service_request_gp(domain);
}

static void reap_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain = domain_of(work, reap_work);
	struct kvfree_piece piece;

	/* Another worker may take the next piece while this one is freed. */
	if (kvfree_piece_take(domain, &piece))
		kvfree_workqueue_queue(&kvfree_pool, work);
	reap_next(domain, kvfree_piece_free(domain, &piece));
	reap_next(domain, kvfree_piece_finish(domain, &piece));
}

/* Close what is open, age the cache. Returns whether a later tick has work to do. */
static bool tick_record(struct kvfree_record *record)
{
	struct kvfree_page_list spare = { NULL, NULL, 0 };
	unsigned int list;
	bool left;

	if (!kvfree_record_lock_few(record))
		return true;
	kvfree_hook(KVFREE_HOOK_TICK_LOCKED);
	kvfree_record_close_all(record);
	left = kvfree_cache_age(record, &spare);
	for (list = 0; list < KVFREE_CLOSED_LISTS; list++)
		left |= record->closed[list].head != NULL;
	kvfree_record_unlock(record);
	kvfree_page_list_free(&record->domain->count.page, &spare);
	return left;
}

/* What is ripe at this tick is the workers' at the next. */
static void tick_count(struct kvfree_domain *domain)
{
	/* Relaxed: pressure_work() may do the same at the same time; either value is of a grace
	 * period that is over. Release: pairs with kvfree_piece_take(), for may_free(). */
	__atomic_store_n(&domain->ripe_for_tick, __atomic_load_n(&domain->ripe_at_tick,
				__ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	__atomic_store_n(&domain->ripe_at_tick, kvfree_gp_completed(&domain->gp), __ATOMIC_RELEASE);
	__atomic_fetch_add(&domain->tick, 1, __ATOMIC_RELAXED);
}

static void tick_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain = domain_of(work, tick_work);
	struct kvfree_record *record;
	bool emergency = kvfree_domain_has_emergency(domain);
	bool left = emergency;

	tick_count(domain);
	kvfree_for_each_record(record, domain)
		left |= tick_record(record);
	/* Relaxed: what is closed later arms the next tick. */
	if (emergency || __atomic_load_n(&domain->uncovered, __ATOMIC_RELAXED))
		kvfree_service_request_gp(domain);
	if (left)
		request_reap(domain);
	if (kvfree_gp_stall_check(&domain->gp, kvfree_domain_flavor(domain),
			kvfree_gp_is_running(&domain->gp) ?
				kvfree_count_pending(domain, false) : 0))
		left = true;
	if (left)
		kvfree_tick_arm();
}

static void queue_ticks(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain)
		kvfree_workqueue_queue(&kvfree_pool, &domain->tick_work);
}

/* Give memory back: drop the page caches, close what is open, and let workers free all
 * that is ripe. Waits for nothing. */
static void pressure_work(struct kvfree_work *work)
{
	struct kvfree_domain *domain;

	(void) work;
	kvfree_refill_hold();
	kvfree_for_each_domain(domain) {
		kvfree_cache_drop(domain, false);
		tick_count(domain);
		tick_count(domain);
	}
	queue_ticks();
}

static struct kvfree_work pressure;

/* ------------------------------------------------------------------ */
/* The timer thread                                                   */

static void on_tick(void)
{
	kvfree_gate_open(&kvfree_timer.tick_gate);
	if (kvfree_placement_tick())
		kvfree_tick_arm();
	queue_ticks();
}

static void on_kick(void)
{
	struct kvfree_domain *domain;

	/* Over the budget, the gate stays closed until a grace period begins. Under it, one began
	 * while the request was made, and the request closed the gate after that. */
	kvfree_for_each_domain(domain) {
		if (!kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET))
			kvfree_gate_open(&domain->kick_gate);
		if (kvfree_domain_over_budget(domain, KVFREE_ONE_BUDGET))
			kvfree_service_request_gp(domain);
		/* While one runs, its runner asks once it is over; a barrier frees itself. */
		else if (!kvfree_gp_is_running(&domain->gp))
			kvfree_service_request_reap(domain);
	}
}

static void on_alarm(enum kvfree_alarm alarm)
{
	if (alarm == KVFREE_ALARM_TICK)
		on_tick();
	else if (alarm == KVFREE_ALARM_KICK)
		on_kick();
	else
		kvfree_workqueue_queue(&kvfree_pool, &kvfree_refill);
}

static void on_pressure(void)
{
	kvfree_workqueue_queue(&kvfree_pool, &pressure);
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

static void works_init(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_slot(domain) {
		kvfree_work_init(&domain->gp_work, gp_work);
		kvfree_work_init(&domain->gp_start, gp_start_work);
		kvfree_work_init(&domain->tick_work, tick_work);
		kvfree_work_init(&domain->reap_work, reap_work);
		domain->reap_work.reentrant = true;
	}
	kvfree_work_init(&pressure, pressure_work);
	kvfree_work_init(&kvfree_refill, kvfree_refill.fn);
}

int kvfree_service_start(void)
{
	works_init();
	kvfree_placement_start(kvfree_setting(placement) == URCU_KVFREE_PLACEMENT_NEAR);
	if (kvfree_timer_start(on_alarm, on_pressure))
		return -1;
	if (kvfree_workqueue_start(&kvfree_pool, kvfree_setting(workers), "kvfree-worker")) {
		int saved = errno;

		kvfree_timer_stop();
		errno = saved;
		return -1;
	}
	/* Not earlier: a timer that was armed and then closed would leave its
	 * gate closed for good. */
	kvfree_timer_open();
	/* Only when the start is sure to succeed: a worker that waited for a
	 * grace period, and so perhaps for this thread, could not be joined. */
	kvfree_workqueue_open(&kvfree_pool);
	/* Everything that was queued or asked for before the timer and the workers ran. */
	queue_ticks();
	kvfree_workqueue_queue(&kvfree_pool, &kvfree_refill);
	return 0;
}

void kvfree_service_stop(void)
{
	struct kvfree_domain *domain;

	kvfree_timer_stop();
	kvfree_workqueue_stop(&kvfree_pool);
	/* Last: a worker starts them. */
	kvfree_for_each_slot(domain)
		kvfree_workqueue_stop(&domain->gp_thread);
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

/* All slots, used or not: a raw call may claim one meanwhile. */
void kvfree_service_rest(void)
{
	struct kvfree_domain *domain;
	struct kvfree_record *record;

	kvfree_workqueue_pause(&kvfree_pool);
	kvfree_for_each_slot(domain)
		kvfree_workqueue_pause(&domain->gp_thread);
	/* First the grace periods of all domains: barriers and calls that wait
	 * for one may have a hand open on another. */
	kvfree_for_each_slot(domain)
		kvfree_gp_hold(&domain->gp);
	kvfree_for_each_slot(domain) {
		kvfree_hands_hold(domain);
		kvfree_for_each_record(record, domain)
			kvfree_record_wait_owner(record);
	}
}

void kvfree_service_resume(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_slot(domain) {
		kvfree_hands_release(domain);
		kvfree_gp_release(&domain->gp);
		kvfree_workqueue_resume(&domain->gp_thread);
	}
	kvfree_workqueue_resume(&kvfree_pool);
}
