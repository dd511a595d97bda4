/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_reap.c - who frees what is ripe: hands, pieces, owners, barriers
 *
 * The library is not started: nothing happens but what the tests do. A tick is
 * what tick() says, and the test's thread is the worker.
 */

#include "cmocka-all.h"
#include "debug.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "reap.h"

/* Of reap.c. */
#define PIECE_PAGES	64
#define PIECE_OTHERS	16
#define PIECE_LINKS	4096

static struct kvfree_domain *domain;
static struct kvfree_record *record;
static struct urcu_kvfree_channel *channel;
static struct kvfree_record *made[3];	/* by another_record() */
static unsigned int nr_made;

FIXTURE(begin)
{
	nr_made = 0;
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
	while (nr_made)
		kvfree_record_give_back(made[--nr_made]);
	kvhold_go();
	kvgp_let_go();
	/* After a test that failed while it held them. */
	kvfree_gp_release(&domain->gp);
	kvfree_hands_release(domain);
	urcu_kvfree_channel_destroy(channel);
	urcu_kvfree_exit();
	kvarena_assert_exact();
	return 0;
}

/* ------------------------------------------------------------------ */
/* Pages of objects                                                   */

/* Close a page of @nr objects of channel @number. */
static void queue_page_on(struct kvfree_record *on, unsigned int number,
		unsigned int nr)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	kvfree_record_lock(on);
	kvfree_record_open(on, number, page, kvarena_object());
	page->limit = KVFREE_PAGE_PTRS;
	while (--nr)
		if (!kvfree_record_append(on, number, kvarena_object()))
			abort();
	kvfree_record_close(on, number);
	kvfree_record_unlock(on);
}

static void queue_page(unsigned int nr)
{
	queue_page_on(record, KVFREE_CHANNEL_MALLOC, nr);
}

static void queue_large(size_t bytes)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);
	void *ptr = kvfree_area_alloc(bytes);

	kvfree_record_lock(record);
	kvfree_record_open(record, KVFREE_CHANNEL_LARGE, page, ptr);
	kvfree_record_close(record, KVFREE_CHANNEL_LARGE);
	kvfree_record_unlock(record);
}

static void queue_pages(unsigned int pages)
{
	while (pages--)
		queue_page(1);
}

static void link_emergency(unsigned int number)
{
	kvinside_link_emergency(domain, kvarena_object(), number);
}

/* It is nobody's again at the end of the test. */
static struct kvfree_record *another_record(unsigned int pages)
{
	struct kvfree_record *other = kvfree_record_make_blank(domain);

	made[nr_made++] = other;
	while (pages--)
		queue_page_on(other, KVFREE_CHANNEL_MALLOC, 1);
	return other;
}

static void run_grace_period(void)
{
	assert_true(kvfree_domain_run(domain));
}

/* As the tick's service does. */
static void tick(void)
{
	__atomic_store_n(&domain->ripe_for_tick, domain->ripe_at_tick,
			__ATOMIC_RELAXED);
	__atomic_store_n(&domain->ripe_at_tick,
			kvfree_gp_completed(&domain->gp), __ATOMIC_RELAXED);
	__atomic_store_n(&domain->tick, domain->tick + 1, __ATOMIC_RELAXED);
}

/* All that follows the taking. */
static bool free_whole(struct kvfree_piece *piece)
{
	bool more = kvfree_piece_free(domain, piece);

	return kvfree_piece_finish(domain, piece) || more;
}

/* What a worker does once; how many pages it found, whether it knows of more. */
static unsigned int free_piece(bool *more)
{
	struct kvfree_piece piece;

	*more = kvfree_piece_take(domain, &piece);
	if (free_whole(&piece))
		*more = true;
	return piece.nr;
}

static unsigned int free_one_piece(void)
{
	bool more;

	return free_piece(&more);
}

/* ------------------------------------------------------------------ */
/* Hands                                                              */

static int done;	/* atomic */

static bool is_done(void *unused)
{
	(void) unused;
	return __atomic_load_n(&done, __ATOMIC_SEQ_CST);
}

static void set_done(int value)
{
	__atomic_store_n(&done, value, __ATOMIC_SEQ_CST);
}

static int waiter;	/* atomic: its thread number */

/* Until that thread sleeps, in what it was started for. */
static bool waiter_sleeps(void *unused)
{
	int tid = __atomic_load_n(&waiter, __ATOMIC_SEQ_CST);

	(void) unused;
	return tid && kvtest_sleeps(tid);
}

static void *run_waiter(void *arg)
{
	void (**fn)(struct kvfree_domain *) = arg;

	__atomic_store_n(&waiter, kvtest_tid(), __ATOMIC_SEQ_CST);
	(*fn)(domain);
	set_done(1);
	return NULL;
}

static pthread_t start_waiter(void (**fn)(struct kvfree_domain *domain))
{
	set_done(0);
	__atomic_store_n(&waiter, 0, __ATOMIC_SEQ_CST);
	return kvtest_thread(run_waiter, fn);
}

TEST(waiting_for_no_hand_is_over_at_once)
{
	kvfree_hands_wait(domain);
	assert_null(domain->hands.open);
}

TEST(a_hand_that_is_open_is_waited_for)
{
	void (*fn)(struct kvfree_domain *) = kvfree_hands_wait;
	struct kvfree_hand first, second;
	pthread_t tid;

	kvtest_needs_proc();
	kvfree_hand_open(domain, &first);
	kvfree_hand_open(domain, &second);
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	kvfree_hand_close(domain, &second);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	kvfree_hand_close(domain, &first);
	kvtest_join(tid);
}

/* Or a barrier would never end while workers are busy. */
TEST(a_hand_that_opens_later_is_not_waited_for)
{
	void (*fn)(struct kvfree_domain *) = kvfree_hands_wait;
	struct kvfree_hand before, after;
	pthread_t tid;

	kvtest_needs_proc();
	kvfree_hand_open(domain, &before);
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	kvfree_hand_open(domain, &after);
	kvfree_hand_close(domain, &before);
	assert_true(kvtest_wait(is_done, NULL, KVTEST_LONG));
	kvtest_join(tid);
	kvfree_hand_close(domain, &after);
}

TEST(a_hold_waits_for_those_that_are_open)
{
	void (*fn)(struct kvfree_domain *) = kvfree_hands_hold;
	struct kvfree_hand hand;
	pthread_t tid;

	kvtest_needs_proc();
	kvfree_hand_open(domain, &hand);
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	kvfree_hand_close(domain, &hand);
	kvtest_join(tid);
	kvfree_hands_release(domain);
}

static void open_and_close(struct kvfree_domain *of)
{
	struct kvfree_hand hand;

	kvfree_hand_open(of, &hand);
	kvfree_hand_close(of, &hand);
}

TEST(during_a_hold_none_opens)
{
	void (*fn)(struct kvfree_domain *) = open_and_close;
	pthread_t tid;

	kvtest_needs_proc();
	kvfree_hands_hold(domain);
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	assert_null(domain->hands.open);
	kvfree_hands_release(domain);
	kvtest_join(tid);
}

/* ------------------------------------------------------------------ */
/* What workers take                                                  */

TEST(nothing_is_taken_before_its_grace_period_is_over)
{
	queue_page(3);
	assert_int_equal(free_one_piece(), 0);
	run_grace_period();
	queue_page(2);
	assert_int_equal(free_one_piece(), 1);
	assert_int_equal(kvarena_freed(), 3);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

TEST(an_owner_that_makes_no_clean_call_leaves_all_to_workers)
{
	queue_page(3);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

TEST(an_owner_in_clean_contexts_has_this_tick_and_the_next)
{
	kvfree_record_mark_clean(record);
	queue_page(3);
	run_grace_period();
	assert_int_equal(free_one_piece(), 0);
	tick();
	assert_int_equal(free_one_piece(), 0);
	tick();
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

static void *queue_and_leave(void *arg)
{
	struct kvfree_record *mine = kvfree_record_get_clean(domain);

	kvfree_record_mark_clean(mine);
	queue_page_on(mine, KVFREE_CHANNEL_MALLOC, 3);
	*(struct kvfree_record **) arg = mine;
	return NULL;
}

TEST(what_a_thread_left_is_the_workers_at_once)
{
	struct kvfree_record *left = NULL;

	kvtest_on_thread(queue_and_leave, &left);
	assert_int_equal(left->state, KVFREE_RECORD_LEFT);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

/* O5: a burst, then a trickle of clean calls. Only what was ripe at the last tick:
 * the owner has a tick for each page. */
TEST(what_was_ripe_for_a_whole_tick_is_the_workers)
{
	queue_page(3);
	run_grace_period();
	tick();
	queue_page(2);
	run_grace_period();
	kvfree_record_mark_clean(record);
	assert_int_equal(free_one_piece(), 0);
	tick();
	kvfree_record_mark_clean(record);
	assert_int_equal(free_one_piece(), 1);
	assert_int_equal(kvarena_freed(), 3);
	tick();
	kvfree_record_mark_clean(record);
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

static void assert_takes_nothing_unripe(unsigned long for_tick)
{
	domain->ripe_for_tick = for_tick;
	queue_page(1);
	kvfree_record_mark_clean(record);
	assert_int_equal(free_one_piece(), 0);
	run_grace_period();
	kvfree_record_mark_clean(record);
	domain->ripe_for_tick = kvfree_gp_completed(&domain->gp);
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

/* The number of a tick, when a worker reads it after the one that is over. */
TEST(what_is_not_ripe_stays_though_the_number_of_a_tick_is_ahead)
{
	assert_takes_nothing_unripe(kvfree_gp_cookie(&domain->gp));
}

/* Numbers wrap: half of all of them later, the number seems to be one that comes. */
TEST(what_is_not_ripe_stays_though_the_last_tick_is_long_ago)
{
	const unsigned long half = ULONG_MAX / 2 + 1;
	unsigned long completed = kvfree_gp_completed(&domain->gp);

	assert_takes_nothing_unripe(completed - half);
	/* To what waits for the grace period after one that runs, but not to what is over. */
	completed = kvfree_gp_completed(&domain->gp);
	domain->gp.started++;
	assert_takes_nothing_unripe(completed + 1 - half);
}

TEST(other_channels_are_always_the_workers)
{
	queue_page_on(record, channel->number, 3);
	queue_page(2);
	kvfree_record_mark_clean(record);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	assert_int_equal(kvarena_freed(), 3);
	assert_false(kvarena_is_freed(kvarena_nth(3)));
}

/* O8: they may be slow to free, and must not take all workers. */
TEST(one_piece_at_a_time_has_objects_of_other_channels)
{
	struct kvfree_piece first, second;

	queue_page_on(record, channel->number, 1);
	run_grace_period();
	kvfree_piece_take(domain, &first);
	assert_int_equal(first.nr, 1);
	queue_page_on(record, channel->number, 1);
	queue_page(1);
	run_grace_period();
	kvfree_piece_take(domain, &second);
	assert_int_equal(second.nr, 1);
	free_whole(&second);
	assert_true(kvarena_is_freed(kvarena_nth(2)));
	assert_int_equal(kvarena_freed(), 1);
	/* Whoever had them looks again. */
	assert_true(free_whole(&first));
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

/* Another worker may have come for what the walk left, and found that it may not. */
TEST(whoever_had_them_looks_again_for_what_the_walk_left)
{
	struct kvfree_record *other = another_record(0);
	struct kvfree_piece first;

	queue_page_on(other, channel->number, 1);
	queue_page(1);
	run_grace_period();
	kvinside_lock(other);
	assert_true(kvfree_piece_take(domain, &first));
	assert_int_equal(free_one_piece(), 0);
	kvfree_record_unlock(other);
	assert_true(free_whole(&first));
	assert_int_equal(free_one_piece(), 1);
}

/* Where every object has to be looked up, owners free nothing. */
TEST(with_debugging_all_is_the_workers)
{
	kvfree_record_mark_clean(record);
	queue_page(3);
	run_grace_period();
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	assert_int_equal(kvfree_reap_own(record, 10), 0);
	assert_int_equal(free_one_piece(), 1);
	kvfree_conf.debug = URCU_KVFREE_DEBUG_OFF;
	kvarena_assert_exact();
}

TEST(a_piece_has_a_bounded_number_of_pages)
{
	bool more;

	queue_pages(2 * PIECE_PAGES + 3);
	run_grace_period();
	assert_int_equal(free_piece(&more), PIECE_PAGES);
	assert_true(more);
	assert_int_equal(kvarena_freed(), PIECE_PAGES);
	assert_int_equal(free_piece(&more), PIECE_PAGES);
	assert_true(more);
	assert_int_equal(free_piece(&more), 3);
	assert_false(more);
	kvarena_assert_exact();
}

/* Those at the front of the list are not served over and over. */
TEST(a_piece_begins_where_the_last_one_ended)
{
	struct kvfree_record *last = another_record(1);
	struct kvfree_record *first = another_record(10 * PIECE_PAGES);

	assert_ptr_equal(domain->records, first);
	assert_ptr_equal(first->next, last);
	first->cpu = last->cpu;
	run_grace_period();
	assert_int_equal(free_one_piece(), PIECE_PAGES);
	assert_false(kvarena_is_freed(kvarena_nth(0)));
	assert_int_equal(free_one_piece(), PIECE_PAGES);
	assert_true(kvarena_is_freed(kvarena_nth(0)));
}

/* One that always has much of them keeps nobody else waiting. */
TEST(a_piece_of_others_begins_where_the_last_one_ended)
{
	struct kvfree_record *last = kvfree_record_make_blank(domain);
	struct kvfree_record *first = kvfree_record_make_blank(domain);
	void *object = kvarena_nth(0);
	unsigned int pages;

	queue_page_on(last, channel->number, 1);
	for (pages = 0; pages < 10 * PIECE_OTHERS; pages++)
		queue_page_on(first, channel->number, 1);
	assert_ptr_equal(domain->records, first);
	first->cpu = last->cpu;
	run_grace_period();
	assert_int_equal(free_one_piece(), PIECE_OTHERS);
	assert_false(kvarena_is_freed(object));
	assert_int_equal(free_one_piece(), PIECE_OTHERS);
	assert_true(kvarena_is_freed(object));
}

static void set_cpu(struct kvfree_record *of, int cpu)
{
	kvfree_record_lock(of);
	of->cpu = cpu;
	kvfree_record_unlock(of);
}

TEST(a_piece_comes_from_one_processor)
{
	struct kvfree_record *last = another_record(1);
	struct kvfree_record *middle = another_record(1);
	struct kvfree_record *first = another_record(1);
	struct kvfree_piece piece;

	set_cpu(first, 5);
	set_cpu(middle, 6);
	set_cpu(last, 5);
	run_grace_period();
	assert_true(kvfree_piece_take(domain, &piece));
	assert_int_equal(piece.nr, 2);
	assert_int_equal(piece.cpu, 5);
	free_whole(&piece);
	assert_false(kvfree_piece_take(domain, &piece));
	assert_int_equal(piece.nr, 1);
	assert_int_equal(piece.cpu, 6);
	free_whole(&piece);
	kvarena_assert_exact();
}

/* Where a channel's objects and large memory are freed does not matter. */
TEST(what_owners_do_not_free_comes_from_all_processors)
{
	struct kvfree_record *last = another_record(0);
	struct kvfree_record *first = another_record(0);
	struct kvfree_piece piece;

	kvinside_needs_range();
	queue_page_on(first, channel->number, 1);
	queue_page_on(last, channel->number, 1);
	queue_large(1 << 20);
	set_cpu(first, 5);
	set_cpu(last, 6);
	set_cpu(record, 7);
	run_grace_period();
	assert_false(kvfree_piece_take(domain, &piece));
	assert_int_equal(piece.nr, 3);
	free_whole(&piece);
	kvarena_assert_exact();
}

/* Those of another one, which always has some, keep nobody waiting for more than a tick. */
TEST(a_piece_begins_with_the_processor_that_the_last_one_left)
{
	struct kvfree_record *last = another_record(0);
	struct kvfree_record *middle = another_record(1);
	struct kvfree_record *first = another_record(0);
	void *object = kvarena_nth(0);
	unsigned int i;

	set_cpu(middle, 6);
	for (i = 0; i < 2; i++) {
		assert_false(kvarena_is_freed(object));
		queue_page_on(first, KVFREE_CHANNEL_MALLOC, 1);
		queue_page_on(last, KVFREE_CHANNEL_MALLOC, 1);
		set_cpu(first, 5);
		set_cpu(last, 5);
		run_grace_period();
		tick();
		tick();
		free_one_piece();
	}
	assert_true(kvarena_is_freed(object));
	free_one_piece();
	kvarena_assert_exact();
}

/* Nor do pages of channels that fill each piece. */
TEST(so_it_does_if_the_record_that_was_left_filled_the_piece)
{
	struct kvfree_record *middle = another_record(1);
	struct kvfree_record *first = another_record(0);
	void *object = kvarena_nth(0);
	unsigned int i, pages;

	for (i = 0; i < 2; i++) {
		assert_false(kvarena_is_freed(object));
		queue_page_on(first, KVFREE_CHANNEL_MALLOC, 1);
		for (pages = 0; pages < PIECE_OTHERS; pages++)
			queue_page_on(middle, channel->number, 1);
		set_cpu(first, 5);
		set_cpu(middle, 6);
		run_grace_period();
		tick();
		tick();
		free_one_piece();
	}
	assert_true(kvarena_is_freed(object));
	free_one_piece();
	kvarena_assert_exact();
}

TEST(large_memory_leaves_room_in_a_piece)
{
	unsigned int i;

	kvinside_needs_range();
	for (i = 0; i < 2 * PIECE_OTHERS; i++)
		queue_large(1 << 17);
	queue_page(1);
	run_grace_period();
	assert_int_equal(free_one_piece(), PIECE_OTHERS + 1);
	assert_int_equal(kvarena_freed(), 1);
	assert_int_equal(free_one_piece(), PIECE_OTHERS);
}

/* Pieces that other workers take meanwhile do not make it pass by a record. */
TEST(a_piece_of_others_begins_where_the_last_one_of_them_ended)
{
	struct kvfree_record *middle, *first;
	struct kvfree_piece piece;
	void *object;
	unsigned int i;

	another_record(2 * PIECE_PAGES);
	middle = another_record(0);
	first = another_record(0);
	for (i = 0; i < 2 * PIECE_OTHERS; i++)
		queue_page_on(first, channel->number, 1);
	object = kvarena_nth(kvarena_made());
	queue_page_on(middle, channel->number, 1);
	run_grace_period();
	kvfree_piece_take(domain, &piece);
	assert_int_equal(piece.nr, PIECE_PAGES + PIECE_OTHERS);
	assert_int_equal(free_one_piece(), PIECE_PAGES);
	free_whole(&piece);
	assert_false(kvarena_is_freed(object));
	free_one_piece();
	assert_true(kvarena_is_freed(object));
}

/* A thread that is stopped inside a raw call stops its own objects only. */
TEST(a_record_whose_lock_is_held_is_passed_by)
{
	bool more;

	another_record(1);
	queue_page(1);
	run_grace_period();
	kvinside_lock(record);
	assert_int_equal(free_piece(&more), 1);
	assert_true(more);
	assert_int_equal(free_piece(&more), 0);
	assert_false(more);
	kvfree_record_unlock(record);
	assert_int_equal(kvarena_freed(), 1);
	assert_int_equal(free_one_piece(), 1);
	kvarena_assert_exact();
}

/* Whoever asked for it took the note of those that wait for the next grace period, too. */
TEST(what_is_not_ripe_is_noted_for_the_next_grace_period)
{
	bool more;

	queue_page(1);
	assert_true(kvfree_domain_take_reap(domain));
	assert_int_equal(free_piece(&more), 0);
	assert_false(more);
	assert_true(kvfree_domain_take_reap(domain));
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	assert_false(kvfree_domain_take_reap(domain));
}

TEST(so_is_what_comes_behind_what_is_ripe)
{
	queue_page_on(record, channel->number, 1);
	run_grace_period();
	queue_page_on(record, channel->number, 1);
	kvfree_domain_take_reap(domain);
	assert_int_equal(free_one_piece(), 1);
	assert_true(kvfree_domain_take_reap(domain));
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
}

TEST(so_is_a_chain)
{
	unsigned long cookie;

	link_emergency(KVFREE_CHANNEL_MALLOC);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	assert_true(kvfree_domain_take_reap(domain));
	free_one_piece();
	assert_true(kvfree_domain_take_reap(domain));
	run_grace_period();
	free_one_piece();
	kvarena_assert_exact();
}

/* It does not see them. */
TEST(so_is_what_another_worker_is_to_look_for)
{
	struct kvfree_piece first;

	kvfree_piece_take(domain, &first);
	queue_page_on(record, channel->number, 1);
	assert_true(kvfree_domain_take_reap(domain));
	assert_int_equal(free_one_piece(), 0);
	assert_true(kvfree_domain_take_reap(domain));
	free_whole(&first);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
}

TEST(what_its_owner_frees_is_not)
{
	kvfree_record_mark_clean(record);
	queue_page(1);
	assert_false(kvfree_domain_take_reap(domain));
	free_one_piece();
	assert_false(kvfree_domain_take_reap(domain));
	run_grace_period();
}

/* The end of a grace period may come before such a note. */
TEST(after_a_grace_period_that_ended_meanwhile_there_is_more)
{
	struct kvfree_piece piece;

	queue_page(1);
	assert_false(kvfree_piece_take(domain, &piece));
	run_grace_period();
	assert_true(free_whole(&piece));
	assert_int_equal(free_one_piece(), 1);
}

/* So that the worker's look costs owners nothing. */
TEST(a_record_with_nothing_ripe_is_not_locked)
{
	bool more;

	queue_page(1);
	kvinside_lock(record);
	assert_int_equal(free_piece(&more), 0);
	assert_false(more);
	kvfree_record_unlock(record);
}

TEST(a_hand_is_open_from_the_taking_to_the_last_free)
{
	struct kvfree_piece piece;

	queue_page(1);
	run_grace_period();
	kvfree_piece_take(domain, &piece);
	assert_ptr_equal(domain->hands.open, &piece.hand);
	free_whole(&piece);
	assert_null(domain->hands.open);
}

TEST(a_page_that_is_freed_is_no_longer_pending)
{
	size_t before = domain->pending_bytes;
	uint64_t freed = domain->count.freed;

	queue_page(10);
	assert_int_equal(domain->pending_bytes,
		before + 10 * kvfree_record_object_bytes(record, 0));
	run_grace_period();
	free_one_piece();
	assert_int_equal(domain->pending_bytes, before);
	assert_int_equal(domain->count.freed, freed + 10);
}

TEST(an_emptied_page_goes_back_to_the_record_that_filled_it)
{
	queue_page(1);
	record->target = 1;
	run_grace_period();
	free_one_piece();
	assert_int_equal(kvinside_cached(record), 1);
	queue_page(1);
	run_grace_period();
	free_one_piece();
	assert_int_equal(kvinside_cached(record), 1);	/* it has enough */
}

/* ------------------------------------------------------------------ */
/* K2: the check of the order                                         */

/* Take a page that is not ripe, as no code should. */
static void take_too_early(struct kvfree_piece *piece, unsigned int nr)
{
	kvfree_piece_take(domain, piece);
	queue_page(nr);
	kvfree_record_lock(record);
	piece->nr = kvfree_record_take_pages(record, KVFREE_CLOSED_OWNER,
			kvfree_gp_cookie(&domain->gp), 1, &piece->pages[0]);
	kvfree_record_unlock(record);
}

/* What fails the check stays in the table of what is queued: it is not free. */
static int failed_check(void)
{
	struct kvfree_piece piece;
	void *state = NULL;

	if (begin(&state) || kvfree_debug_start())
		return 1;
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	take_too_early(&piece, 3);
	if (piece.nr != 1 || !kvfree_debug_queue(kvarena_nth(0)))
		return 2;
	free_whole(&piece);
	if (kvarena_freed() || kvtest_stats(&kvgp_flavor).leaked != 3)
		return 3;
	if (kvtest_stats(&kvgp_flavor).pending)
		return 4;
	return kvfree_debug_queue(kvarena_nth(0)) ? 5 : KVCHILD_OK;
}

static int failed_check_of_a_chain(void)
{
	unsigned long cookie;
	void *state = NULL;

	if (begin(&state))
		return 1;
	link_emergency(KVFREE_CHANNEL_MALLOC);
	link_emergency(channel->number);
	if (!kvfree_domain_close_emergency(domain, &cookie))
		return 2;
	kvfree_reap_chain(domain, kvfree_gp_cookie(&domain->gp));
	if (kvarena_freed() || kvtest_stats(&kvgp_flavor).leaked != 2)
		return 3;
	return kvtest_stats(&kvgp_flavor).pending ? 4 : KVCHILD_OK;
}

static const struct kvchild_scenario scenarios[] = {
	{ "failed_check", failed_check },
	{ "failed_check_of_a_chain", failed_check_of_a_chain },
	{ NULL, NULL },
};

static void assert_is_told(const char *scenario)
{
	static char err[1 << 16];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_non_null(strstr(err, "BUG: "));
	assert_non_null(strstr(err, "before their grace period is over"));
}

TEST(a_page_that_fails_the_check_is_told_leaked_and_kept)
{
	assert_is_told("failed_check");
}

TEST(a_chain_that_fails_the_check_is_told_and_leaked)
{
	assert_is_told("failed_check_of_a_chain");
}

/* ------------------------------------------------------------------ */
/* The emergency chains                                               */

TEST(a_chain_waits_for_its_grace_period)
{
	unsigned long cookie;

	link_emergency(KVFREE_CHANNEL_MALLOC);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	free_one_piece();
	assert_int_equal(kvarena_freed(), 0);
	run_grace_period();
	free_one_piece();
	kvarena_assert_exact();
}

TEST(a_chain_is_freed_by_pieces_and_the_next_waits_for_it)
{
	unsigned long cookie;
	unsigned int i;
	bool more;

	for (i = 0; i < PIECE_LINKS + 100; i++)
		link_emergency(KVFREE_CHANNEL_MALLOC);
	run_grace_period();
	link_emergency(KVFREE_CHANNEL_MALLOC);
	free_piece(&more);
	assert_true(more);
	assert_int_equal(kvarena_freed(), PIECE_LINKS);
	assert_false(kvfree_domain_close_emergency(domain, &cookie));
	free_piece(&more);
	assert_false(more);
	assert_int_equal(kvarena_freed(), PIECE_LINKS + 100);
	assert_true(kvfree_domain_close_emergency(domain, &cookie));
	run_grace_period();
	free_one_piece();
	kvarena_assert_exact();
}

static size_t largest;
static unsigned int wrong;

static void count_largest(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	if (nr > largest)
		largest = nr;
	for (i = 0; i < nr; i++)
		if (((struct kvtest_object *) ptrs[i])->value % 3 !=
		    (uintptr_t) priv)
			wrong++;
	kvarena_free_bulk(nr, ptrs, NULL);
}

/* Each object to the function of its channel, in calls of a bounded size. */
TEST(a_chain_of_many_channels_goes_to_each)
{
	struct urcu_kvfree_channel *one = urcu_kvfree_channel_create("one",
			count_largest, (void *) 1);
	struct urcu_kvfree_channel *two = urcu_kvfree_channel_create("two",
			count_largest, (void *) 2);
	unsigned int i;

	for (i = 0; i < 999; i++)
		link_emergency(i % 3 == 0 ? KVFREE_CHANNEL_MALLOC :
			i % 3 == 1 ? one->number : two->number);
	run_grace_period();
	free_one_piece();
	kvarena_assert_exact();
	assert_int_equal(wrong, 0);
	assert_in_range(largest, 1, URCU_KVFREE_MAX_BULK);
	urcu_kvfree_channel_destroy(one);
	urcu_kvfree_channel_destroy(two);
}

static sem_t in_free, free_on;

static void standing_free(size_t nr, void **ptrs, void *priv)
{
	sem_post(&in_free);
	while (sem_wait(&free_on))
		;
	kvarena_free_bulk(nr, ptrs, priv);
}

static void *free_piece_on_thread(void *arg)
{
	free_one_piece();
	return arg;
}

static void reap_whole_chain(struct kvfree_domain *of)
{
	kvfree_reap_chain(of, kvfree_gp_completed(&of->gp));
	assert_true(kvarena_all_freed(NULL));
}

/* A worker has its part of the chain in hand, and puts the rest back. */
TEST(a_barrier_waits_for_the_part_of_a_chain_that_a_worker_has)
{
	struct urcu_kvfree_channel *stands = urcu_kvfree_channel_create(
			"stands", standing_free, NULL);
	void (*fn)(struct kvfree_domain *) = reap_whole_chain;
	pthread_t worker, tid;
	unsigned int i;

	kvtest_needs_proc();
	sem_init(&in_free, 0, 0);
	sem_init(&free_on, 0, 0);
	/* The last that is pushed is the first of the chain. */
	for (i = 0; i < PIECE_LINKS; i++)
		link_emergency(channel->number);
	link_emergency(stands->number);
	run_grace_period();
	worker = kvtest_thread(free_piece_on_thread, NULL);
	while (sem_wait(&in_free))
		;
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	sem_post(&free_on);
	kvtest_join(worker);
	kvtest_join(tid);
	urcu_kvfree_channel_destroy(stands);
}

/* O8: of what one flavor has, nothing else waits for a free function that is slow. */
TEST(large_memory_and_what_is_malloc_s_do_not_wait_for_other_channels)
{
	struct kvfree_piece first;

	kvinside_needs_range();
	queue_page_on(record, channel->number, 1);
	run_grace_period();
	kvfree_piece_take(domain, &first);
	assert_int_equal(first.nr, 1);
	queue_large(1 << 20);
	link_emergency(KVFREE_CHANNEL_MALLOC);
	link_emergency(channel->number);
	run_grace_period();
	assert_int_equal(free_one_piece(), 1);
	assert_int_equal(kvarena_freed(), 1);
	assert_true(kvarena_is_freed(kvarena_nth(1)));
	/* Nor does what comes later. */
	link_emergency(KVFREE_CHANNEL_MALLOC);
	run_grace_period();
	free_one_piece();
	assert_int_equal(kvarena_freed(), 2);
	assert_true(kvarena_is_freed(kvarena_nth(3)));
	assert_true(free_whole(&first));
	free_one_piece();
	kvarena_assert_exact();
}

static size_t freed_before;

static void note_freed_before(size_t nr, void **ptrs, void *priv)
{
	if (!freed_before)
		freed_before = kvarena_freed();
	kvarena_free_bulk(nr, ptrs, priv);
}

/* Nor does what is in the same piece. */
TEST(the_free_functions_of_the_program_come_last)
{
	struct urcu_kvfree_channel *notes = urcu_kvfree_channel_create(
			"notes", note_freed_before, NULL);

	freed_before = 0;
	queue_page_on(record, notes->number, 1);
	link_emergency(notes->number);
	queue_page(1);
	link_emergency(KVFREE_CHANNEL_MALLOC);
	run_grace_period();
	assert_int_equal(free_one_piece(), 2);
	kvarena_assert_exact();
	assert_int_equal(freed_before, 2);
	urcu_kvfree_channel_destroy(notes);
}

/* Other workers can go on with it. */
TEST(what_is_left_of_a_chain_is_told_before_them)
{
	struct kvfree_piece piece;
	unsigned int i;

	for (i = 0; i <= PIECE_LINKS; i++)
		link_emergency(KVFREE_CHANNEL_MALLOC);
	queue_page_on(record, channel->number, 1);
	run_grace_period();
	kvfree_piece_take(domain, &piece);
	assert_true(kvfree_piece_free(domain, &piece));
	assert_int_equal(kvarena_freed(), PIECE_LINKS);
	kvfree_piece_finish(domain, &piece);
	assert_int_equal(kvarena_freed(), PIECE_LINKS + 1);
	free_one_piece();
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* What barriers free                                                 */

TEST(a_barrier_frees_what_its_cookie_covers_whoever_owns_it)
{
	unsigned long cookie;

	kvfree_record_mark_clean(record);
	queue_pages(2 * PIECE_PAGES);
	queue_page_on(record, channel->number, 3);
	cookie = kvfree_gp_cookie(&domain->gp);
	run_grace_period();
	queue_page(1);
	run_grace_period();
	kvfree_reap_record(record, cookie);
	assert_int_equal(kvarena_freed(), 2 * PIECE_PAGES + 3);
	kvfree_reap_record(record, cookie + 1);
	kvarena_assert_exact();
}

static void reap_whole_record(struct kvfree_domain *of)
{
	kvfree_reap_record(record, kvfree_gp_completed(&of->gp));
}

static struct kvfree_record *others;	/* atomic */

static void *own_and_free(void *arg)
{
	struct kvfree_record *mine = kvfree_record_get_clean(domain);

	queue_page_on(mine, KVFREE_CHANNEL_MALLOC, 3);
	__atomic_store_n(&others, mine, __ATOMIC_SEQ_CST);
	kvfree_domain_wait(domain, kvfree_gp_cookie(&domain->gp));
	kvfree_reap_own(mine, 10);
	return arg;
}

static void reap_others_record(struct kvfree_domain *of)
{
	kvfree_reap_record(__atomic_load_n(&others, __ATOMIC_SEQ_CST),
			kvfree_gp_completed(&of->gp));
}

TEST(a_barrier_waits_for_what_an_owner_has_in_hand)
{
	void (*fn)(struct kvfree_domain *) = reap_others_record;
	pthread_t owner, tid;

	kvtest_needs_proc();
	kvhold_at(KVFREE_HOOK_VICTIM);
	owner = kvtest_thread(own_and_free, NULL);
	assert_true(kvhold_wait());
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	kvhold_go();
	kvtest_join(tid);
	kvarena_assert_exact();
	kvtest_join(owner);
}

TEST(a_barrier_waits_for_a_lock_that_is_held)
{
	void (*fn)(struct kvfree_domain *) = reap_whole_record;
	pthread_t tid;

	kvtest_needs_proc();
	queue_page(1);
	run_grace_period();
	kvinside_lock(record);
	tid = start_waiter(&fn);
	assert_true(kvtest_wait(waiter_sleeps, NULL, KVTEST_LONG));
	assert_false(is_done(NULL));
	kvfree_record_unlock(record);
	kvtest_join(tid);
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* What owners free                                                   */

TEST(an_owner_frees_what_is_ripe_and_no_more_than_it_is_told)
{
	uint64_t owner_freed = kvtest_stats(&kvgp_flavor).owner_freed;

	queue_page(30);
	queue_page(30);
	assert_int_equal(kvfree_reap_own(record, 100), 0);
	run_grace_period();
	queue_page(1);
	assert_int_equal(kvfree_reap_own(record, 0), 0);
	assert_int_equal(kvfree_reap_own(record, 1), 1);
	assert_int_equal(kvfree_reap_own(record, 40), 40);
	assert_int_equal(kvarena_freed(), 41);
	assert_int_equal(kvfree_reap_own(record, 100), 19);
	assert_int_equal(kvtest_stats(&kvgp_flavor).owner_freed,
		owner_freed + 60);
	assert_false(kvarena_is_freed(kvarena_nth(60)));
}

TEST(an_owner_frees_no_objects_of_other_channels)
{
	queue_page_on(record, channel->number, 3);
	run_grace_period();
	assert_int_equal(kvfree_reap_own(record, 10), 0);
	assert_int_equal(kvarena_freed(), 0);
}

TEST(an_owner_that_finds_its_lock_held_frees_nothing)
{
	queue_page(3);
	run_grace_period();
	kvinside_lock(record);
	assert_int_equal(kvfree_reap_own(record, 10), 0);
	kvfree_record_unlock(record);
	assert_int_equal(kvfree_reap_own(record, 10), 3);
}

/* Between the hooks of a fork. */
TEST(an_owner_frees_nothing_while_grace_periods_are_held)
{
	queue_page(3);
	run_grace_period();
	kvfree_gp_hold(&domain->gp);
	assert_int_equal(kvfree_reap_own(record, 10), 0);
	kvfree_gp_release(&domain->gp);
	assert_int_equal(kvfree_reap_own(record, 10), 3);
}

/* ------------------------------------------------------------------ */
/* Sizes                                                              */

/* The first size that is seen is taken as it is; later ones count a quarter. */
TEST(whoever_frees_a_page_notes_how_large_its_objects_are)
{
	kvinside_needs_range();
	record->object_bytes[KVFREE_CHANNEL_LARGE] = 0;
	queue_large(400 << 10);
	run_grace_period();
	free_one_piece();
	assert_int_equal(kvfree_record_object_bytes(record,
		KVFREE_CHANNEL_LARGE), 400 << 10);
	queue_large(800 << 10);
	run_grace_period();
	free_one_piece();
	assert_int_equal(kvfree_record_object_bytes(record,
		KVFREE_CHANNEL_LARGE), 500 << 10);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(waiting_for_no_hand_is_over_at_once),
		test(a_hand_that_is_open_is_waited_for),
		test(a_hand_that_opens_later_is_not_waited_for),
		test(a_hold_waits_for_those_that_are_open),
		test(during_a_hold_none_opens),
		test(nothing_is_taken_before_its_grace_period_is_over),
		test(an_owner_that_makes_no_clean_call_leaves_all_to_workers),
		test(an_owner_in_clean_contexts_has_this_tick_and_the_next),
		test(what_a_thread_left_is_the_workers_at_once),
		test(what_was_ripe_for_a_whole_tick_is_the_workers),
		test(what_is_not_ripe_stays_though_the_number_of_a_tick_is_ahead),
		test(what_is_not_ripe_stays_though_the_last_tick_is_long_ago),
		test(other_channels_are_always_the_workers),
		test(one_piece_at_a_time_has_objects_of_other_channels),
		test(whoever_had_them_looks_again_for_what_the_walk_left),
		test(with_debugging_all_is_the_workers),
		test(a_piece_has_a_bounded_number_of_pages),
		test(a_piece_begins_where_the_last_one_ended),
		test(a_piece_of_others_begins_where_the_last_one_ended),
		test(a_piece_comes_from_one_processor),
		test(what_owners_do_not_free_comes_from_all_processors),
		test(a_piece_begins_with_the_processor_that_the_last_one_left),
		test(so_it_does_if_the_record_that_was_left_filled_the_piece),
		test(large_memory_leaves_room_in_a_piece),
		test(a_piece_of_others_begins_where_the_last_one_of_them_ended),
		test(a_record_whose_lock_is_held_is_passed_by),
		test(what_is_not_ripe_is_noted_for_the_next_grace_period),
		test(so_is_what_comes_behind_what_is_ripe),
		test(so_is_a_chain),
		test(so_is_what_another_worker_is_to_look_for),
		test(what_its_owner_frees_is_not),
		test(after_a_grace_period_that_ended_meanwhile_there_is_more),
		test(a_record_with_nothing_ripe_is_not_locked),
		test(a_hand_is_open_from_the_taking_to_the_last_free),
		test(a_page_that_is_freed_is_no_longer_pending),
		test(an_emptied_page_goes_back_to_the_record_that_filled_it),
		test(a_page_that_fails_the_check_is_told_leaked_and_kept),
		test(a_chain_that_fails_the_check_is_told_and_leaked),
		test(a_chain_waits_for_its_grace_period),
		test(a_chain_is_freed_by_pieces_and_the_next_waits_for_it),
		test(a_chain_of_many_channels_goes_to_each),
		test(a_barrier_waits_for_the_part_of_a_chain_that_a_worker_has),
		test(
		large_memory_and_what_is_malloc_s_do_not_wait_for_other_channels),
		test(the_free_functions_of_the_program_come_last),
		test(what_is_left_of_a_chain_is_told_before_them),
		test(a_barrier_frees_what_its_cookie_covers_whoever_owns_it),
		test(a_barrier_waits_for_what_an_owner_has_in_hand),
		test(a_barrier_waits_for_a_lock_that_is_held),
		test(an_owner_frees_what_is_ripe_and_no_more_than_it_is_told),
		test(an_owner_frees_no_objects_of_other_channels),
		test(an_owner_that_finds_its_lock_held_frees_nothing),
		test(an_owner_frees_nothing_while_grace_periods_are_held),
		test(whoever_frees_a_page_notes_how_large_its_objects_are),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
