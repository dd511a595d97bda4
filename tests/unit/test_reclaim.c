/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_reclaim.c - batches: collect, wait, free or hand back
 */

#include <semaphore.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "reclaim.h"

static struct kvfree_domain *domain;
static struct kvfree_thread *thread;
static struct urcu_kvfree_channel *channel;

/* Started with a tick that never comes by itself: the tests ask for drains. */
static int begin(void **state)
{
	(void) state;
	kvtest_start(60000, 2);
	kvinside_settle();
	kvarena_reset();
	domain = kvfree_domain_get(&kvgp_flavor);
	thread = kvfree_thread_get_clean(domain);
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return thread && channel ? 0 : -1;
}

static int end(void **state)
{
	(void) state;
	kvhold_go();
	kvgp_let_go();
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	return 0;
}

static void queue(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor,
				kvarena_object());
}

static void queue_raw(unsigned int nr)
{
	while (nr--)
		urcu_kvfree_rcu_flavor(&kvgp_flavor, kvarena_object(), head);
}

static uint64_t drains(void)
{
	return kvtest_stats(&kvgp_flavor).drains;
}

static bool drain_is_over(void *unused)
{
	struct kvfree_workqueue *wq = &kvfree_runtime.workqueue;
	bool over;

	(void) unused;
	pthread_mutex_lock(&wq->lock);
	over = !domain->drain.queued && !domain->drain.running;
	pthread_mutex_unlock(&wq->lock);
	return over;
}

/*
 * Ask for a drain and wait until the workers have nothing more to do. Before it no
 * refill holds the record's lock, nor does the reaping of a tick during it: the drain
 * would leave the record for the next tick, which is far.
 */
static void drain(unsigned int how)
{
	kvinside_settle();
	pthread_mutex_lock(&domain->reap_lock);
	kvfree_drain_request(domain, how);
	assert_true(kvtest_wait(drain_is_over, NULL, KVTEST_LONG));
	pthread_mutex_unlock(&domain->reap_lock);
	kvinside_settle();
}

static void not_clean(void)
{
	__atomic_store_n(&thread->clean_seen, false, __ATOMIC_SEQ_CST);
	kvinside_lock(thread);
	thread->was_clean = false;
	kvfree_thread_unlock(thread);
}

/* ------------------------------------------------------------------ */
/* What a drain collects                                              */

static void a_kick_takes_full_pages_and_leaves_partial_ones(void **state)
{
	(void) state;
	queue(KVFREE_BULK_RECORDS + 3);
	not_clean();
	drain(KVFREE_DRAIN_FULL);
	assert_int_equal(kvarena_freed(), KVFREE_BULK_RECORDS);
	assert_int_equal(kvtest_stats(&kvgp_flavor).pending, 3);
	not_clean();
	drain(KVFREE_DRAIN_ALL);
	assert_int_equal(kvarena_freed(), KVFREE_BULK_RECORDS + 3);
}

static void a_kick_takes_the_emergency_list(void **state)
{
	(void) state;
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), channel);
	drain(KVFREE_DRAIN_FULL);
	kvarena_assert_exact();
}

static void an_empty_batch_waits_for_no_grace_period(void **state)
{
	uint64_t gp = kvgp_begun(), before = drains();

	(void) state;
	drain(KVFREE_DRAIN_ALL);
	assert_true(drains() > before);
	assert_int_equal(kvgp_begun(), gp);
}

static void one_grace_period_serves_all_that_was_collected(void **state)
{
	uint64_t gp = kvgp_begun();

	(void) state;
	queue(1000);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		channel);
	kvinside_queue_emergency(&kvgp_flavor, kvarena_object(), NULL);
	not_clean();
	drain(KVFREE_DRAIN_ALL);
	kvarena_assert_exact();
	assert_int_equal(kvgp_begun(), gp + 1);
}

static void *hold_a_record(void *arg)
{
	struct kvfree_thread *mine = kvinside_record(&kvgp_flavor);
	sem_t *sem = arg;

	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, kvarena_object());
	kvinside_lock(mine);
	sem_post(&sem[0]);
	while (sem_wait(&sem[1]))
		;
	kvfree_thread_unlock(mine);
	return NULL;
}

static void *barrier(void *arg)
{
	urcu_kvfree_rcu_barrier_flavor(&kvgp_flavor);
	__atomic_store_n((int *) arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* One stopped thread does not stop the rest; a barrier waits for it. */
static void a_record_whose_lock_is_held_is_left_for_the_next_drain(
		void **state)
{
	struct kvtest_object *held, *free_one;
	pthread_t tid, barrier_tid;
	int done = 0;
	sem_t sem[2];

	(void) state;
	sem_init(&sem[0], 0, 0);
	sem_init(&sem[1], 0, 0);
	tid = kvtest_thread(hold_a_record, sem);
	while (sem_wait(&sem[0]))
		;
	held = kvarena_nth(0);
	queue_raw(1);
	free_one = kvarena_nth(1);
	drain(KVFREE_DRAIN_ALL);
	assert_true(kvarena_is_freed(free_one));
	assert_false(kvarena_is_freed(held));
	barrier_tid = kvtest_thread(barrier, &done);
	kvtest_sleep_msec(20);
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_SEQ_CST), 0);
	sem_post(&sem[1]);
	kvtest_join(tid);
	kvtest_join(barrier_tid);
	assert_true(kvarena_is_freed(held));
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* Batches side by side                                               */

static sem_t in_free, free_on;

static void standing_free(size_t nr, void **ptrs, void *priv)
{
	sem_post(&in_free);
	while (sem_wait(&free_on))
		;
	kvarena_free_bulk(nr, ptrs, priv);
}

static void one_batch_frees_while_the_next_waits_and_no_third_begins(
		void **state)
{
	struct urcu_kvfree_channel *stands = urcu_kvfree_channel_create(
			"stands", standing_free, NULL);
	uint64_t gp = kvgp_begun(), before = drains();

	(void) state;
	sem_init(&in_free, 0, 0);
	sem_init(&free_on, 0, 0);
	urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(), head,
		stands);
	kvfree_drain_request(domain, KVFREE_DRAIN_ALL);
	while (sem_wait(&in_free))
		;
	kvgp_hold();
	queue_raw(1);
	kvfree_drain_request(domain, KVFREE_DRAIN_ALL);
	assert_true(kvgp_wait_begun(gp + 2));
	/* A third would have to collect: it may not. */
	queue_raw(1);
	kvfree_drain_request(domain, KVFREE_DRAIN_ALL);
	kvtest_sleep_msec(20);
	assert_int_equal(drains() - before, 2);
	pthread_mutex_lock(&domain->lock);
	assert_true(domain->batch[0].busy && domain->batch[1].busy);
	pthread_mutex_unlock(&domain->lock);
	assert_int_equal(kvarena_freed(), 0);

	kvgp_let_go();
	sem_post(&free_on);
	/* The request was kept, and nobody has to ask again. */
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_int_equal(urcu_kvfree_channel_destroy(stands), 0);
	kvarena_assert_exact();
}

static void no_batch_begins_while_they_are_stopped(void **state)
{
	uint64_t before;

	(void) state;
	kvfree_batches_stop(domain);
	before = drains();
	queue_raw(1);
	kvfree_drain_request(domain, KVFREE_DRAIN_ALL);
	kvtest_sleep_msec(20);
	assert_int_equal(drains(), before);
	kvfree_batches_resume(domain);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* Hand back or free                                                  */

static bool has_ripe(void)
{
	return __atomic_load_n(&thread->ripe, __ATOMIC_SEQ_CST) != NULL;
}

static void an_owner_in_clean_contexts_gets_its_pages_back(void **state)
{
	uint64_t owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;

	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_int_equal(kvarena_freed(), 0);
	assert_true(has_ripe());
	assert_int_equal(urcu_kvfree_rcu_reclaim_flavor(&kvgp_flavor, 1000),
		100);
	kvarena_assert_exact();
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed,
		owner_freed + 100);
}

static void each_mightsleep_frees_one_ripe_object(void **state)
{
	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_true(has_ripe());
	queue(1);	/* a new page: not this one */
	queue(50);
	assert_in_range(kvarena_freed(), 50, 51);
}

static void kvmalloc_frees_ripe_objects(void **state)
{
	unsigned int i;

	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_true(has_ripe());
	for (i = 0; i < 40; i++)
		urcu_kvfree(urcu_kvmalloc(64));
	assert_int_equal(kvarena_freed(), 40);
}

static void raw_calls_free_nothing(void **state)
{
	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_true(has_ripe());
	kvgp_hold();
	queue_raw(1000);
	assert_int_equal(kvarena_freed(), 0);
}

static void an_owner_that_makes_no_clean_call_gets_nothing(void **state)
{
	(void) state;
	queue_raw(100);
	not_clean();
	drain(KVFREE_DRAIN_ALL);
	assert_false(has_ripe());
	kvarena_assert_exact();
}

static void channels_of_the_program_are_not_handed_back(void **state)
{
	unsigned int i;

	(void) state;
	queue(1);
	for (i = 0; i < 100; i++)
		urcu_kvfree_rcu_channel_flavor(&kvgp_flavor, kvarena_object(),
			head, channel);
	drain(KVFREE_DRAIN_ALL);
	assert_int_equal(kvarena_freed(), 100);
}

static void ripe_pages_of_an_owner_that_stays_away_are_taken(void **state)
{
	uint64_t owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;

	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_true(has_ripe());
	/* The first tick sees the clean calls from before, the next does not. */
	drain(KVFREE_DRAIN_ALL | KVFREE_DRAIN_TICK);
	drain(KVFREE_DRAIN_ALL | KVFREE_DRAIN_TICK);
	kvarena_assert_exact();
	assert_false(has_ripe());
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed, owner_freed);
}

static void take_back_frees_ripe_pages_whatever_their_owner_does(void **state)
{
	(void) state;
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	assert_true(has_ripe());
	kvfree_take_back(domain);
	kvarena_assert_exact();
}

static void with_one_worker_nothing_is_handed_back(void **state)
{
	(void) state;
	urcu_kvfree_exit();
	kvtest_start(60000, 1);
	kvinside_settle();
	thread = kvfree_thread_get_clean(domain);
	queue(100);
	drain(KVFREE_DRAIN_ALL);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* Pages                                                              */

static void pages_go_back_to_the_record_that_filled_them(void **state)
{
	unsigned int cached;

	(void) state;
	kvfree_refill_request(&thread->refill_gate);
	kvinside_settle();
	queue_raw(10);
	not_clean();
	cached = kvinside_cached(thread);
	drain(KVFREE_DRAIN_ALL);
	assert_int_equal(kvinside_cached(thread), cached + 1);
}

/* E11, K12: an idle record keeps one page. */
static void a_cache_that_is_not_used_shrinks_to_one_page(void **state)
{
	unsigned int i;

	(void) state;
	kvfree_refill_request(&thread->refill_gate);
	kvinside_settle();
	assert_true(kvinside_cached(thread) > 1);
	for (i = 0; i <= KVFREE_IDLE_TICKS; i++)
		drain(KVFREE_DRAIN_ALL | KVFREE_DRAIN_TICK);
	assert_int_equal(kvinside_cached(thread), 1);
}

static void the_target_follows_the_use(void **state)
{
	(void) state;
	kvgp_hold();	/* no page comes back */
	queue(20 * KVFREE_BULK_RECORDS);
	kvgp_let_go();
	drain(KVFREE_DRAIN_ALL | KVFREE_DRAIN_TICK);
	kvinside_lock(thread);
	assert_in_range(thread->target, 20, KVFREE_MAX_TARGET);
	kvfree_thread_unlock(thread);
}

static void *queue_and_exit(void *arg)
{
	queue(10);
	kvinside_settle();
	*(struct kvfree_thread **) arg = kvinside_record(&kvgp_flavor);
	return NULL;
}

static void a_record_that_was_left_is_free_once_it_is_empty(void **state)
{
	struct kvfree_thread *left = NULL;

	(void) state;
	kvtest_on_thread(queue_and_exit, &left);
	assert_int_equal(left->state, KVFREE_THREAD_EXITING);
	drain(KVFREE_DRAIN_ALL | KVFREE_DRAIN_TICK);
	assert_int_equal(__atomic_load_n(&left->state, __ATOMIC_SEQ_CST),
		KVFREE_THREAD_FREE);
	assert_int_equal(kvinside_cached(left), 0);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* P11: the stall warning                                             */

static uint64_t since(void)
{
	return __atomic_load_n(&domain->gp_since, __ATOMIC_SEQ_CST);
}

static void *synchronize(void *arg)
{
	kvfree_domain_synchronize(domain);
	return arg;
}

/* A last resort of urcu_kvfree_rcu_mightsleep() that waits beside it neither moves
 * nor clears it. */
static void a_batch_that_waits_has_a_start_time_of_its_own(void **state)
{
	uint64_t gp = kvgp_begun(), before = kvfree_now_msec(), began;
	pthread_t tid;

	(void) state;
	kvgp_hold();
	queue(3);
	kvinside_settle();
	kvfree_drain_request(domain, KVFREE_DRAIN_ALL);
	assert_true(kvgp_wait_begun(gp + 1));
	began = since();
	assert_in_range(began, before, kvfree_now_msec());
	kvtest_sleep_msec(5);
	tid = kvtest_thread(synchronize, NULL);
	assert_true(kvgp_wait_begun(gp + 2));
	assert_int_equal(since(), began);
	kvgp_let_go();
	kvtest_join(tid);
	kvinside_settle();
	assert_int_equal(since(), 0);
}

static int stall(void)
{
	uint64_t now = kvfree_now_msec();

	domain = kvfree_domain_get(&kvgp_flavor);
	if (kvfree_stall_check(domain))
		return 1;		/* nothing waits */
	domain->gp_since = now;
	if (!kvfree_stall_check(domain))
		return 2;		/* it waits: come again */
	domain->gp_since = now - 11000;
	if (!kvfree_stall_check(domain) || !kvfree_stall_check(domain))
		return 3;		/* one line, not two */
	domain->stall_since = domain->gp_since = now - 21000;
	if (!kvfree_stall_check(domain) || !kvfree_stall_check(domain))
		return 4;		/* one more after twice the time */
	return 0;
}

static const struct kvchild_scenario scenarios[] = {
	{ "stall", stall },
	{ NULL, NULL },
};

static void a_grace_period_that_lasts_is_told_and_then_at_each_doubling(
		void **state)
{
	char err[4096];

	(void) state;
	assert_int_equal(kvchild_run("stall", err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), 2);
	assert_non_null(strstr(err, "has lasted 11 s"));
	assert_non_null(strstr(err, "has lasted 21 s"));
	assert_non_null(strstr(err, "0 objects are pending"));
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(a_kick_takes_full_pages_and_leaves_partial_ones),
		test(a_kick_takes_the_emergency_list),
		test(an_empty_batch_waits_for_no_grace_period),
		test(one_grace_period_serves_all_that_was_collected),
		test(a_record_whose_lock_is_held_is_left_for_the_next_drain),
		test(one_batch_frees_while_the_next_waits_and_no_third_begins),
		test(no_batch_begins_while_they_are_stopped),
		test(an_owner_in_clean_contexts_gets_its_pages_back),
		test(each_mightsleep_frees_one_ripe_object),
		test(kvmalloc_frees_ripe_objects),
		test(raw_calls_free_nothing),
		test(an_owner_that_makes_no_clean_call_gets_nothing),
		test(channels_of_the_program_are_not_handed_back),
		test(ripe_pages_of_an_owner_that_stays_away_are_taken),
		test(take_back_frees_ripe_pages_whatever_their_owner_does),
		test(with_one_worker_nothing_is_handed_back),
		test(pages_go_back_to_the_record_that_filled_them),
		test(a_cache_that_is_not_used_shrinks_to_one_page),
		test(the_target_follows_the_use),
		test(a_record_that_was_left_is_free_once_it_is_empty),
		test(a_batch_that_waits_has_a_start_time_of_its_own),
		test(a_grace_period_that_lasts_is_told_and_then_at_each_doubling),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
