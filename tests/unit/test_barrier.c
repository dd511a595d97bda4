/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_barrier.c - when a barrier returns, all that was queued before is freed
 *
 * The library is not started: a barrier needs no thread but its own.
 */

#include "cmocka-all.h"
#include "barrier.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

#define BARRIERS	8

static struct kvfree_domain *domain;
static struct kvfree_record *record;
static struct urcu_kvfree_channel *channel;

FIXTURE(begin)
{
	kvfree_conf.batch_bytes = 1 << 20;
	kvfree_conf.min_cached_pages = 0;
	kvarena_reset();
	domain = kvfree_domain_get(&kvgp_flavor);
	record = kvfree_record_get_clean(domain);
	channel = urcu_kvfree_channel_create("counts", kvarena_free_bulk, NULL);
	return record && channel ? 0 : -1;
}

FIXTURE(end)
{
	kvhold_go();
	kvgp_let_go();
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	kvarena_assert_exact();
	return 0;
}

/* Append an object of channel @number to the open page of @on. */
static void queue_on(struct kvfree_record *on, unsigned int number)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);
	void *object = kvarena_object();
	bool done;

	kvfree_record_lock(on);
	done = kvfree_record_append(on, number, object);
	if (!done) {
		kvfree_record_close(on, number);
		kvfree_record_open(on, number, page, object);
	}
	kvfree_record_unlock(on);
	if (done)
		kvfree_page_free(&domain->count.page, page);
}

static void queue(void)
{
	queue_on(record, KVFREE_CHANNEL_MALLOC);
}

static void close_pages(void)
{
	kvinside_close_pages(record);
}

static void queue_emergency(unsigned int number)
{
	kvinside_link_emergency(domain, kvarena_object(), number);
}

/* ------------------------------------------------------------------ */
/* What is freed                                                      */

TEST(open_and_closed_pages_of_all_records_and_the_list_are_freed)
{
	struct kvfree_record *left = kvfree_record_make_blank(domain);
	uint64_t gp = kvgp_begun();
	unsigned int i;

	for (i = 0; i < 100; i++) {
		queue();
		queue_on(record, channel->number);
		queue_on(left, KVFREE_CHANNEL_MALLOC);
		queue_emergency(KVFREE_CHANNEL_MALLOC);
		queue_emergency(channel->number);
	}
	close_pages();
	queue();
	kvfree_record_give_back(left);
	kvfree_record_mark_clean(record);
	kvfree_barrier(domain);
	kvarena_assert_exact();
	assert_int_equal(kvarena_made(), 501);
	/* And one grace period served them all. */
	assert_int_equal(kvgp_begun(), gp + 1);
}

TEST(what_waits_for_an_earlier_grace_period_is_freed_too)
{
	queue();
	close_pages();
	assert_true(kvfree_domain_run(domain));
	queue();
	close_pages();
	queue();
	kvfree_barrier(domain);
	kvarena_assert_exact();
}

/* The list cannot be closed while there is a chain: it waits for the one after. */
TEST(a_list_behind_a_chain_is_freed_too)
{
	uint64_t gp = kvgp_begun();
	unsigned long cookie;

	queue_emergency(KVFREE_CHANNEL_MALLOC);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	queue_emergency(KVFREE_CHANNEL_MALLOC);
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	kvfree_barrier(domain);
	kvarena_assert_exact();
	assert_int_equal(kvgp_begun(), gp + 2);
}

static void queue_and_close(void)
{
	queue();
	close_pages();
	queue();
	queue_emergency(KVFREE_CHANNEL_MALLOC);
}

/* K14: nor is anything freed that came once the grace period had begun. */
TEST(what_comes_later_waits_for_its_own_grace_period)
{
	queue();
	kvhold_call(KVFREE_HOOK_GRACE_PERIOD_OVER, queue_and_close);
	kvfree_barrier(domain);
	kvhold_off();
	assert_int_equal(kvarena_made(), 4);
	assert_true(kvarena_is_freed(kvarena_nth(0)));
	assert_int_equal(kvarena_freed(), 1);
	kvfree_barrier(domain);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* What others hold                                                   */

static int done;	/* atomic: barriers that returned with all freed */
static int waiter;	/* atomic: its thread number */

static void *barrier(void *arg)
{
	__atomic_store_n(&waiter, kvtest_tid(), __ATOMIC_SEQ_CST);
	kvfree_barrier(domain);
	if (kvarena_all_freed(NULL))
		__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static pthread_t start_barrier(void)
{
	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&waiter, 0, __ATOMIC_SEQ_CST);
	return kvtest_thread(barrier, NULL);
}

static bool barrier_sleeps(void *unused)
{
	int tid = __atomic_load_n(&waiter, __ATOMIC_SEQ_CST);

	(void) unused;
	return tid && kvtest_sleeps(tid);
}

static void assert_waits(void)
{
	assert_true(kvtest_wait(barrier_sleeps, NULL, KVTEST_LONG));
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_SEQ_CST), 0);
}

static void assert_returned_with_all_freed(pthread_t tid)
{
	kvtest_join(tid);
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_SEQ_CST), 1);
}

TEST(a_barrier_waits_for_its_grace_period)
{
	pthread_t tid;

	kvtest_needs_proc();
	queue();
	kvgp_hold();
	tid = start_barrier();
	assert_waits();
	kvgp_let_go();
	assert_returned_with_all_freed(tid);
}

static void *free_piece(void *arg)
{
	struct kvfree_piece piece;

	kvfree_piece_take(domain, &piece);
	kvfree_piece_free(domain, &piece);
	kvfree_piece_finish(domain, &piece);
	return arg;
}

/* Order E: the second walk does not find it, but the hand is open. */
TEST(a_barrier_waits_for_what_a_worker_took_before)
{
	pthread_t worker, tid;

	kvtest_needs_proc();
	queue();
	close_pages();
	assert_true(kvfree_domain_run(domain));
	kvhold_at(KVFREE_HOOK_PIECE);
	worker = kvtest_thread(free_piece, NULL);
	assert_true(kvhold_wait());
	tid = start_barrier();
	assert_waits();
	kvhold_go();
	assert_returned_with_all_freed(tid);
	kvtest_join(worker);
}

static void *queue_and_free(void *arg)
{
	struct kvfree_record *mine = kvfree_record_get_clean(domain);

	queue_on(mine, KVFREE_CHANNEL_MALLOC);
	kvinside_close_pages(mine);
	kvfree_domain_wait(domain, kvfree_gp_cookie(&domain->gp));
	kvfree_reap_own(mine, 1);
	return arg;
}

TEST(a_barrier_waits_for_what_an_owner_took_before)
{
	pthread_t owner, tid;

	kvtest_needs_proc();
	kvhold_at(KVFREE_HOOK_VICTIM);
	owner = kvtest_thread(queue_and_free, NULL);
	assert_true(kvhold_wait());
	tid = start_barrier();
	assert_waits();
	kvhold_go();
	assert_returned_with_all_freed(tid);
	kvtest_join(owner);
}

TEST(a_barrier_waits_for_a_record_whose_lock_is_held)
{
	pthread_t tid;

	kvtest_needs_proc();
	queue();
	kvinside_lock(record);
	tid = start_barrier();
	assert_waits();
	kvfree_record_unlock(record);
	assert_returned_with_all_freed(tid);
}

/* ------------------------------------------------------------------ */
/* Many at once                                                       */

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);

static unsigned int waiting;	/* atomic: threads that wait for a number */

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	if (domain && cond == &domain->gp.cond)
		__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
	return __real_pthread_cond_wait(cond, mutex);
}

static bool others_wait(void *unused)
{
	(void) unused;
	return __atomic_load_n(&waiting, __ATOMIC_SEQ_CST) >= BARRIERS - 1;
}

/* The first runs the grace period that all came before, or one that the others came
 * too late for; then one of them runs the next for all. */
TEST(barriers_share_grace_periods)
{
	uint64_t gp = kvgp_begun();
	pthread_t tid[BARRIERS];
	unsigned int i;

	queue();
	__atomic_store_n(&waiting, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	kvgp_hold();
	for (i = 0; i < BARRIERS; i++)
		tid[i] = kvtest_thread(barrier, NULL);
	assert_true(kvtest_wait(others_wait, NULL, KVTEST_LONG));
	kvgp_let_go();
	for (i = 0; i < BARRIERS; i++)
		kvtest_join(tid[i]);
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_SEQ_CST), BARRIERS);
	assert_in_range(kvgp_begun() - gp, 1, 2);
}

int __real_sched_yield(void);
int __wrap_sched_yield(void);

static bool other_comes;	/* while the first barrier yields */

int __wrap_sched_yield(void)
{
	if (!other_comes)
		return __real_sched_yield();
	other_comes = false;
	kvtest_join(kvtest_thread(barrier, NULL));
	return 0;
}

/* Short grace periods would be over before the next of many threads has a processor. */
TEST(a_barrier_leaves_its_grace_period_to_one_that_comes_right_after)
{
	uint64_t gp = kvgp_begun();

	queue();
	__atomic_store_n(&done, 0, __ATOMIC_SEQ_CST);
	other_comes = true;
	kvfree_barrier_shared(domain);
	kvarena_assert_exact();
	assert_false(other_comes);
	assert_int_equal(__atomic_load_n(&done, __ATOMIC_SEQ_CST), 1);
	assert_int_equal(kvgp_begun(), gp + 1);
}

static int stop;	/* atomic */

static void *queue_until_told(void *arg)
{
	struct kvfree_record *mine = kvfree_record_get_clean(domain);
	unsigned int n = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && n++ < 20000)
		queue_on(mine, KVFREE_CHANNEL_MALLOC);
	return arg;
}

/* O2: each record is looked at twice, however busy its thread is. */
TEST(threads_that_go_on_queueing_hold_up_no_barrier)
{
	uint64_t gp = kvgp_begun();
	pthread_t tid[2];
	unsigned int i;

	stop = 0;
	for (i = 0; i < 2; i++)
		tid[i] = kvtest_thread(queue_until_told, NULL);
	for (i = 0; i < 10; i++) {
		queue();
		kvfree_barrier(domain);
	}
	assert_int_equal(kvgp_begun(), gp + 10);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		kvtest_join(tid[i]);
	kvfree_barrier(domain);
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(open_and_closed_pages_of_all_records_and_the_list_are_freed),
		test(what_waits_for_an_earlier_grace_period_is_freed_too),
		test(a_list_behind_a_chain_is_freed_too),
		test(what_comes_later_waits_for_its_own_grace_period),
		test(a_barrier_waits_for_its_grace_period),
		test(a_barrier_waits_for_what_a_worker_took_before),
		test(a_barrier_waits_for_what_an_owner_took_before),
		test(a_barrier_waits_for_a_record_whose_lock_is_held),
		test(barriers_share_grace_periods),
		test(a_barrier_leaves_its_grace_period_to_one_that_comes_right_after),
		test(threads_that_go_on_queueing_hold_up_no_barrier),
	};

	return kvtest_run(tests);
}
