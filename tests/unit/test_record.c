/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_record.c - records: claims, pages that are filled and closed, ripe objects,
 * leaving
 *
 * The library is not started: nothing happens but what the tests do.
 */

#include <sys/syscall.h>
#include <sys/wait.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

/* A channel of the program's own, whose objects are the arena's too. */
#define OTHER		KVFREE_CHANNEL_USER
#define OWNER_LIST	KVFREE_CLOSED_OWNER
#define LARGE_LIST	KVFREE_CLOSED_LARGE
#define USER_LIST	KVFREE_CLOSED_USER

/* Skips a test where pages are made smaller than it needs. */
#define needs_room_for(nr)						\
	do {								\
		if (KVFREE_PAGE_PTRS < (nr))				\
			kvtest_skip("this build's pages are small");	\
	} while (0)

static struct kvfree_domain *domain;

/* No thread of the library, and a record of its own for each test. */
FIXTURE(begin)
{
	domain = kvfree_domain_get(&kvgp_flavor);
	kvarena_reset();
	kvfree_conf.min_cached_pages = 1;
	kvfree_conf.batch_bytes = 1 << 20;
	kvfree_conf.large_threshold = 1 << 17;
	kvfree_channels.user[0].free_bulk = kvarena_free_bulk;
	return 0;
}

FIXTURE(end)
{
	kvhold_off();
	kvfault_memory(false);
	kvfree_conf.debug = URCU_KVFREE_DEBUG_OFF;
	kvfree_gp_release(&domain->gp);
	urcu_kvfree_exit();
	if (!kvarena_all_freed(NULL) || kvarena_twice() ||
	    domain->pending_bytes)
		return -1;
	domain->uncovered = 0;
	domain->reap_due = false;
	return 0;
}

static struct kvfree_record *own(void)
{
	return kvfree_record_get_clean(domain);
}

static void open_page(struct kvfree_record *record, unsigned int channel)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	if (!page)
		abort();
	kvfree_record_open(record, channel, page, kvarena_object());
}

/* Fill an open page of @channel up to @nr objects. */
static void fill_to(struct kvfree_record *record, unsigned int channel,
		unsigned int nr)
{
	while (record->open[channel]->nr < nr)
		if (!kvfree_record_append(record, channel, kvarena_object()))
			abort();
}

/* Close a page of @nr objects of @channel; its cookie. */
static unsigned long close_page_of(struct kvfree_record *record,
		unsigned int channel, unsigned int nr)
{
	unsigned long cookie;

	open_page(record, channel);
	fill_to(record, channel, nr);
	cookie = kvfree_gp_cookie(&domain->gp);
	if (!kvfree_record_close(record, channel))
		abort();
	return cookie;
}

static void close_page(struct kvfree_record *record, unsigned int nr)
{
	close_page_of(record, KVFREE_CHANNEL_MALLOC, nr);
}

static void run_grace_period(void)
{
	assert_true(kvfree_domain_run(domain));
}

/* Put blank records into the domain's slots, as a worker does. */
static void make_blanks(void)
{
	unsigned int i;

	for (i = 0; i < KVFREE_BLANKS; i++) {
		domain->blank[i] = kvfree_record_make_blank(domain);
		assert_non_null(domain->blank[i]);
	}
}

static void *claim_clean(void *arg)
{
	(void) arg;
	return kvfree_record_get_clean(domain);
}

static void *claim_raw(void *arg)
{
	(void) arg;
	return kvfree_record_get_raw(domain);
}

/* ------------------------------------------------------------------ */
/* Claims                                                             */

TEST(a_clean_call_makes_a_record)
{
	struct kvfree_record *record = own();

	assert_non_null(record);
	assert_int_equal(record->state, KVFREE_RECORD_OWNED);
	assert_ptr_equal(record->domain, domain);
	assert_ptr_equal(record->flavor, &kvgp_flavor);
	assert_int_equal(record->tid, syscall(SYS_gettid));
	assert_int_equal((uintptr_t) record % CAA_CACHE_LINE_SIZE, 0);
	assert_ptr_equal(own(), record);
	assert_ptr_equal(kvfree_record_own(domain), record);
	assert_int_equal(kvinside_count_records(domain), 1);
}

TEST(a_raw_call_finds_the_record_that_is_there)
{
	struct kvfree_record *record = own();

	assert_ptr_equal(kvfree_record_get_raw(domain), record);
	assert_ptr_equal(kvfree_record_recent(&kvgp_flavor), record);
}

TEST(a_raw_call_makes_no_record)
{
	unsigned long called = kvfault_memory_called();

	assert_null(kvfree_record_get_raw(domain));
	assert_null(kvfree_record_own(domain));
	assert_int_equal(kvfault_memory_called(), called);
	assert_int_equal(kvinside_count_records(domain), 0);
}

TEST(a_raw_call_takes_a_blank_record)
{
	unsigned long called;
	struct kvfree_record *record;

	make_blanks();
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
	called = kvfault_memory_called();
	record = kvfree_record_get_raw(domain);
	assert_non_null(record);
	assert_int_equal(kvfault_memory_called(), called);
	assert_int_equal(record->state, KVFREE_RECORD_OWNED);
	assert_int_equal(record->tid, syscall(SYS_gettid));
	assert_ptr_equal(kvfree_record_get_raw(domain), record);
	assert_ptr_equal(own(), record);
}

TEST(no_two_threads_get_the_same_blank_record)
{
	struct kvfree_record *got[KVFREE_BLANKS + 1];
	unsigned int i, n;

	make_blanks();
	for (i = 0; i <= KVFREE_BLANKS; i++) {
		got[i] = kvtest_on_thread(claim_raw, NULL);
		for (n = 0; got[i] && n < i; n++)
			assert_ptr_not_equal(got[i], got[n]);
	}
	assert_non_null(got[KVFREE_BLANKS - 1]);
	assert_null(got[KVFREE_BLANKS]);
}

TEST(a_record_is_of_one_domain)
{
	struct kvfree_domain *other = kvfree_domain_get(&urcu_mb_flavor);
	struct kvfree_record *record = own(), *others;

	assert_null(kvfree_record_own(other));
	others = kvfree_record_get_clean(other);
	assert_non_null(others);
	assert_ptr_not_equal(others, record);
	/* O4: whichever was used last, either is found. */
	assert_null(kvfree_record_recent(&kvgp_flavor));
	assert_ptr_equal(kvfree_record_find(&kvgp_flavor), record);
	assert_ptr_equal(kvfree_record_recent(&kvgp_flavor), record);
	assert_ptr_equal(kvfree_record_find(&urcu_mb_flavor), others);
	assert_null(kvfree_record_find(&urcu_memb_flavor));
}

TEST(with_debugging_there_is_no_fast_path)
{
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	assert_non_null(own());
	assert_null(kvfree_record_recent(&kvgp_flavor));
	assert_null(kvfree_record_find(&kvgp_flavor));
	assert_ptr_equal(kvfree_record_own(domain), own());
}

static struct kvfree_record *seen_inside;

static void claim_inside(void)
{
	seen_inside = kvfree_record_get_raw(domain);
}

/* A signal handler in the middle of a claim gets no second record. */
TEST(a_claim_inside_a_claim_gets_none)
{
	struct kvfree_record *record;

	make_blanks();
	seen_inside = (void *) 1;
	kvhold_call(KVFREE_HOOK_CLAIMING, claim_inside);
	record = own();
	kvhold_off();
	assert_non_null(record);
	assert_null(seen_inside);
}

/* Nor does the claim that a handler came before. */
TEST(a_claim_finds_what_a_handler_claimed_just_before)
{
	struct kvfree_record *record;

	make_blanks();
	kvhold_call(KVFREE_HOOK_CLAIM, claim_inside);
	record = own();
	assert_non_null(record);
	assert_ptr_equal(record, seen_inside);
	kvfree_record_leave(domain);
	kvhold_call(KVFREE_HOOK_CLAIM, claim_inside);
	record = kvfree_record_get_raw(domain);
	assert_non_null(record);
	assert_ptr_equal(record, seen_inside);
	kvhold_off();
	assert_int_equal(kvinside_count_records(domain), KVFREE_BLANKS);
}

TEST(without_memory_a_clean_call_gets_no_record)
{
	kvfault_memory(true);
	assert_null(own());
	kvfault_memory(false);
	assert_non_null(own());
}

/* ------------------------------------------------------------------ */
/* A key that comes late                                              */

#define EARLY_KEYS	"KVTEST_EARLY_KEYS"

/* Before the constructors of the library: glibc keeps the values of the first 32 keys
 * without allocating, and here those are taken. */
static __attribute__((constructor(101))) void take_early_keys(void)
{
	pthread_key_t key;
	unsigned int i;

	for (i = 0; getenv(EARLY_KEYS) && i < 32; i++)
		if (pthread_key_create(&key, NULL))
			abort();
}

/* A clean call may allocate, and claims all the same. */
static int claim_with_a_late_key(void)
{
	begin(NULL);
	domain->blank[0] = kvfree_record_make_blank(domain);
	if (!domain->blank[0] || kvfree_record_get_raw(domain))
		return 1;
	return domain->blank[0] && own() ? KVCHILD_OK : 2;
}

static const struct kvchild_scenario scenarios[] = {
	{ "claim_with_a_late_key", claim_with_a_late_key },
	{ NULL, NULL },
};

TEST(a_raw_call_claims_nothing_where_the_key_is_late)
{
	char err[1000];
	int ret;

	setenv(EARLY_KEYS, "1", 1);
	ret = kvchild_run("claim_with_a_late_key", err, sizeof(err));
	unsetenv(EARLY_KEYS);
#ifdef __GLIBC__
	assert_int_equal(ret, KVCHILD_OK);
#else
	(void) ret;
#endif
}

/* ------------------------------------------------------------------ */
/* Open pages                                                         */

TEST(nothing_is_appended_without_a_page)
{
	struct kvfree_record *record = own();

	assert_false(kvfree_record_append(record, 0, kvarena_nth(0)));
	assert_int_equal(kvfree_record_queued(record), 0);
	assert_false(kvfree_record_close(record, 0));
	assert_false(kvfree_record_close_all(record));
}

TEST(an_open_page_is_filled_up_to_its_limit)
{
	struct kvfree_record *record = own();
	struct kvfree_page *page;

	open_page(record, 0);
	page = record->open[0];
	assert_ptr_equal(page->record, record);
	assert_int_equal(page->nr, 1);
	assert_ptr_equal(page->ptrs[0], kvarena_nth(0));
	fill_to(record, 0, page->limit);
	assert_ptr_equal(page->ptrs[page->limit - 1],
		kvarena_nth(page->limit - 1));
	assert_false(kvfree_record_append(record, 0, kvarena_nth(0)));
	assert_int_equal(page->nr, page->limit);
	assert_int_equal(kvfree_record_queued(record), page->limit);
}

TEST(each_channel_has_a_page_of_its_own)
{
	struct kvfree_record *record = own();

	open_page(record, 0);
	open_page(record, OTHER);
	assert_ptr_not_equal(record->open[0], record->open[OTHER]);
	assert_int_equal(record->open[0]->channel, 0);
	assert_int_equal(record->open[OTHER]->channel, OTHER);
	assert_int_equal(kvfree_record_queued(record), 2);
}

static unsigned int at_most(unsigned int nr)
{
	return nr < KVFREE_PAGE_PTRS ? nr : KVFREE_PAGE_PTRS;
}

/* A small program stays small, and gets its first grace period early. */
TEST(each_page_has_room_for_twice_as_many_as_the_one_before)
{
	struct kvfree_record *record = own();
	unsigned int nr = KVFREE_FIRST_LIMIT;

	for (; nr <= 4 * KVFREE_PAGE_PTRS; nr *= 2) {
		open_page(record, 0);
		assert_int_equal(record->open[0]->limit, at_most(nr));
		assert_true(kvfree_record_close(record, 0));
	}
}

/* P15: objects are counted by their bytes. */
TEST(a_page_has_room_for_an_eighth_of_the_budget)
{
	struct kvfree_record *record = own();

	kvfree_conf.batch_bytes = 8 * 3000;
	record->next_limit = KVFREE_PAGE_PTRS;
	record->object_bytes[0] = 1000;
	open_page(record, 0);
	assert_int_equal(record->open[0]->limit, at_most(3));
	assert_true(kvfree_record_close(record, 0));
	record->object_bytes[0] = 1 << 20;
	open_page(record, 0);
	assert_int_equal(record->open[0]->limit, 1);
	assert_false(kvfree_record_append(record, 0, kvarena_nth(0)));
}

TEST(objects_of_unknown_size_are_taken_for_small_ones_unless_they_are_large)
{
	struct kvfree_record *record = own();
	size_t small = kvfree_record_object_bytes(record, 0);

	assert_in_range(small, 1, 1000);
	assert_int_equal(kvfree_record_object_bytes(record, OTHER), small);
	assert_true(kvfree_record_object_bytes(record, KVFREE_CHANNEL_LARGE) >
		kvfree_conf.large_threshold);
	record->object_bytes[OTHER] = 5000;
	assert_int_equal(kvfree_record_object_bytes(record, OTHER), 5000);
	assert_int_equal(kvfree_record_object_bytes(record, 0), small);
}

/* ------------------------------------------------------------------ */
/* Closed pages                                                       */

TEST(a_closed_page_waits_for_the_next_grace_period)
{
	struct kvfree_record *record = own();
	unsigned long cookie = close_page_of(record, 0, 1);
	struct kvfree_page *page = record->closed[OWNER_LIST].head;

	assert_null(record->open[0]);
	assert_non_null(page);
	assert_int_equal(page->cookie, cookie);
	assert_int_equal(kvfree_gp_cookie(&domain->gp), cookie);
	assert_false(kvfree_gp_over(&domain->gp, cookie));
	assert_false(kvfree_record_close(record, 0));
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
}

TEST(a_closed_page_is_counted_in_objects_and_bytes)
{
	struct kvfree_record *record = own();
	size_t uncovered = domain->uncovered, pending = domain->pending_bytes;

	record->object_bytes[0] = 700;
	open_page(record, 0);
	assert_int_equal(record->nr_queued, 0);
	fill_to(record, 0, 2);
	assert_true(kvfree_record_close(record, 0));
	assert_int_equal(record->nr_queued, 2);
	assert_int_equal(kvfree_record_queued(record), 2);
	assert_int_equal(record->closed[OWNER_LIST].head->bytes, 1400);
	assert_int_equal(domain->uncovered, uncovered + 1400);
	assert_int_equal(domain->pending_bytes, pending + 1400);
}

/* They may be large, and whoever frees one will know. */
TEST(objects_of_unknown_size_count_as_large_in_the_first_pages)
{
	struct kvfree_record *record = own();

	needs_room_for(4 * KVFREE_FIRST_LIMIT);
	domain->uncovered = 0;
	close_page(record, KVFREE_FIRST_LIMIT);
	/* A first page that is full fills the budget of a library that is not set. */
	assert_int_equal(domain->uncovered, 1048576);
	assert_true(domain->pending_bytes < 1048576);
	domain->uncovered = 0;
	record->next_limit = KVFREE_PAGE_PTRS;
	close_page(record, 1);
	assert_true(domain->uncovered < 32768);
}

TEST(pages_take_their_bytes_of_the_budget_where_the_size_is_known)
{
	struct kvfree_record *record = own();

	domain->uncovered = 0;
	record->object_bytes[0] = 100;
	close_page(record, 2);
	assert_int_equal(domain->uncovered, 200);
	/* Nobody will ever know the size of a channel's. */
	close_page_of(record, OTHER, 1);
	assert_true(domain->uncovered < kvfree_conf.batch_bytes);
}

TEST(only_pages_of_malloc_are_the_owners_to_free)
{
	struct kvfree_record *record = own();

	close_page(record, 1);
	assert_null(record->closed[LARGE_LIST].head);
	assert_null(record->closed[USER_LIST].head);
	close_page_of(record, OTHER, 1);
	assert_null(record->closed[LARGE_LIST].head);
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
	assert_int_equal(record->closed[USER_LIST].nr, 1);
	assert_int_equal(record->closed[USER_LIST].head->channel, OTHER);
}

TEST(all_open_pages_are_closed_at_once)
{
	struct kvfree_record *record = own();

	open_page(record, 0);
	open_page(record, OTHER);
	open_page(record, OTHER + 1);
	record->open[OTHER + 1]->channel = OTHER;
	assert_true(kvfree_record_close_all(record));
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
	assert_int_equal(record->closed[USER_LIST].nr, 2);
	assert_false(kvfree_record_close_all(record));
}

TEST(closed_pages_are_first_in_first_out_and_their_cookies_grow)
{
	struct kvfree_record *record = own();
	struct kvfree_page *page;
	unsigned long cookie;
	unsigned int i;

	cookie = kvfree_gp_cookie(&domain->gp);
	for (i = 0; i < 3; i++) {
		close_page(record, 1);
		run_grace_period();
	}
	page = record->closed[OWNER_LIST].head;
	for (i = 0; i < 3; i++, page = page->next) {
		assert_int_equal(page->cookie, cookie + i);
		assert_ptr_equal(page->ptrs[0], kvarena_nth(i));
	}
	assert_null(page);
}

/* A raw call's page, or another channel's: somebody has to come for it. */
TEST(pages_that_only_workers_will_free_are_told_of)
{
	struct kvfree_record *record = own();

	kvfree_record_mark_clean(record);
	close_page(record, 1);
	assert_false(domain->reap_due);
	close_page_of(record, OTHER, 1);
	assert_true(domain->reap_due);
	domain->reap_due = false;
	domain->tick += 2;
	close_page(record, 1);
	assert_true(domain->reap_due);
}

/* A tick and a barrier close pages too, on a processor of their own. */
TEST(a_record_knows_where_its_owner_began_its_last_page)
{
	struct kvfree_record *record = own();

	open_page(record, KVFREE_CHANNEL_MALLOC);
	assert_true(record->cpu >= 0);
	record->cpu = INT_MAX;
	kvfree_record_close(record, KVFREE_CHANNEL_MALLOC);
	assert_int_equal(record->cpu, INT_MAX);
	open_page(record, KVFREE_CHANNEL_MALLOC);
	assert_true(record->cpu < INT_MAX);
}

TEST(a_peek_without_the_lock_tells_what_is_ripe)
{
	struct kvfree_record *record = own();
	unsigned long cookie;

	assert_false(kvfree_record_peek(record, OWNER_LIST, 1000));
	cookie = close_page_of(record, 0, 1);
	assert_false(kvfree_record_peek(record, OWNER_LIST, cookie - 1));
	assert_true(kvfree_record_peek(record, OWNER_LIST, cookie));
	assert_true(kvfree_record_peek(record, OWNER_LIST, cookie + 1));
	assert_false(kvfree_record_peek(record, USER_LIST, cookie));
	close_page_of(record, OTHER, 1);
	assert_true(kvfree_record_peek(record, USER_LIST, cookie));
}

/* ------------------------------------------------------------------ */
/* The lock                                                           */

static void *try_lock(void *record)
{
	if (!kvfree_record_trylock(record))
		return NULL;
	kvfree_record_unlock(record);
	return record;
}

static void *try_few(void *record)
{
	if (!kvfree_record_lock_few(record))
		return NULL;
	kvfree_record_unlock(record);
	return record;
}

TEST(a_held_lock_is_given_up_on_after_a_few_tries)
{
	struct kvfree_record *record = own();

	kvinside_lock(record);
	assert_null(kvtest_on_thread(try_lock, record));
	assert_null(kvtest_on_thread(try_few, record));
	kvfree_record_unlock(record);
	assert_ptr_equal(kvtest_on_thread(try_lock, record), record);
	assert_ptr_equal(kvtest_on_thread(try_few, record), record);
}

static int locked;	/* atomic */

static void *lock(void *record)
{
	kvfree_record_lock(record);
	__atomic_store_n(&locked, 1, __ATOMIC_SEQ_CST);
	kvfree_record_unlock(record);
	return NULL;
}

TEST(a_clean_lock_waits)
{
	struct kvfree_record *record = own();
	pthread_t tid;

	locked = 0;
	kvinside_lock(record);
	tid = kvtest_thread(lock, record);
	kvtest_sleep_msec(5);
	assert_int_equal(__atomic_load_n(&locked, __ATOMIC_SEQ_CST), 0);
	kvfree_record_unlock(record);
	kvtest_join(tid);
	assert_int_equal(locked, 1);
}

/* ------------------------------------------------------------------ */
/* What the owner takes                                               */

/* Enough that the quick way leaves some. */
#define SOME	(2 * KVFREE_PREFETCH_AHEAD)

/* Free what was taken, and the page if it is spent. */
static void free_taken(struct kvfree_record *record, size_t nr, void **victims,
		struct kvfree_page *spent)
{
	size_t i;

	for (i = 0; i < nr; i++)
		kvfree_record_free_victim(record, victims[i]);
	if (spent)
		kvfree_domain_unpend(domain, spent->bytes);
	kvfree_page_free(&domain->count.page, spent);
}

TEST(nothing_is_taken_before_its_grace_period_is_over)
{
	struct kvfree_record *record = own();
	struct kvfree_page *spent = NULL;
	void *victims[SOME];

	needs_room_for(SOME);
	assert_int_equal(kvfree_record_take(record, SOME, victims, &spent), 0);
	open_page(record, 0);
	fill_to(record, 0, SOME);
	run_grace_period();
	/* Open: it waits for nothing yet. */
	assert_null(kvfree_record_ripe_page(record));
	assert_true(kvfree_record_close(record, 0));
	assert_null(kvfree_record_ripe_page(record));
	assert_null(kvfree_record_take_quick(record));
	assert_int_equal(kvfree_record_take(record, SOME, victims, &spent), 0);
	run_grace_period();
	assert_ptr_equal(kvfree_record_ripe_page(record),
		record->closed[OWNER_LIST].head);
	assert_int_equal(record->nr_taken, 0);
}

/* For a fork: what is in an owner's hands would be freed twice. */
TEST(nothing_is_taken_while_grace_periods_are_held)
{
	struct kvfree_record *record = own();
	struct kvfree_page *spent = NULL;
	void *victims[SOME];

	needs_room_for(SOME);
	close_page(record, SOME);
	run_grace_period();
	kvfree_gp_hold(&domain->gp);
	assert_null(kvfree_record_take_quick(record));
	assert_int_equal(kvfree_record_take(record, SOME, victims, &spent), 0);
	kvfree_gp_release(&domain->gp);
	assert_int_equal(kvfree_record_take(record, SOME, victims, &spent),
		SOME);
	free_taken(record, SOME, victims, spent);
}

TEST(the_quick_way_leaves_the_end_of_a_page_to_the_other)
{
	struct kvfree_record *record = own();
	struct kvfree_page *spent = NULL;
	void *victims[SOME];
	unsigned int i;

	needs_room_for(SOME);
	close_page(record, SOME);
	run_grace_period();
	for (i = 0; i < SOME - KVFREE_PREFETCH_AHEAD; i++) {
		victims[i] = kvfree_record_take_quick(record);
		assert_ptr_equal(victims[i], kvarena_nth(SOME - 1 - i));
		assert_int_equal(record->nr_taken, i + 1);
	}
	assert_null(kvfree_record_take_quick(record));
	assert_int_equal(record->nr_taken, i);
	assert_int_equal(kvfree_record_take(record, SOME, victims + i, &spent),
		SOME - i);
	assert_non_null(spent);
	free_taken(record, SOME, victims, spent);
	kvarena_assert_exact();
}

TEST(as_many_are_taken_as_the_first_page_has)
{
	struct kvfree_record *record = own();
	struct kvfree_page *spent = NULL;
	void *victims[4];

	close_page(record, 3);
	close_page(record, 2);
	run_grace_period();
	assert_int_equal(kvfree_record_take(record, 0, victims, &spent), 0);
	assert_int_equal(kvfree_record_take(record, 1, victims, &spent), 1);
	assert_null(spent);
	free_taken(record, 1, victims, NULL);
	assert_int_equal(kvfree_record_take(record, 4, victims, &spent), 2);
	assert_non_null(spent);
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
	free_taken(record, 2, victims, spent);
	spent = NULL;
	assert_int_equal(kvfree_record_take(record, 2, victims, &spent), 2);
	assert_non_null(spent);
	assert_false(kvfree_record_peek(record, OWNER_LIST,
		kvfree_gp_completed(&domain->gp)));
	free_taken(record, 2, victims, spent);
	assert_int_equal(record->nr_taken, 5);
	assert_int_equal(record->nr_freed, 5);
	kvarena_assert_exact();
}

static int waited;	/* atomic */

static void *wait_owner(void *record)
{
	kvfree_record_wait_owner(record);
	__atomic_store_n(&waited, 1, __ATOMIC_SEQ_CST);
	return (void *) (uintptr_t) kvarena_freed();
}

/* K14 */
TEST(who_waits_for_the_owner_waits_until_it_has_freed_what_it_took)
{
	struct kvfree_record *record = own();
	struct kvfree_page *spent = NULL;
	void *victims[2];
	pthread_t tid;

	kvfree_record_wait_owner(record);
	close_page(record, 2);
	run_grace_period();
	/* Ripe, and in nobody's hands. */
	kvfree_record_wait_owner(record);
	assert_int_equal(kvfree_record_take(record, 2, victims, &spent), 2);
	waited = 0;
	tid = kvtest_thread(wait_owner, record);
	kvtest_sleep_msec(5);
	assert_int_equal(__atomic_load_n(&waited, __ATOMIC_SEQ_CST), 0);
	free_taken(record, 2, victims, spent);
	assert_int_equal((uintptr_t) kvtest_join(tid), 2);
}

/* ------------------------------------------------------------------ */
/* What workers take                                                  */

/* Free what was taken, and count it, as a worker does. */
static void free_pages(struct kvfree_page_list *pages)
{
	struct kvfree_page *page;

	while ((page = kvfree_page_list_pop(pages))) {
		kvfree_free_objects(page->channel, page->nr, page->ptrs);
		domain->count.freed += page->nr;
		kvfree_domain_unpend(domain, page->bytes);
		kvfree_page_free(&domain->count.page, page);
	}
}

TEST(pages_are_taken_up_to_a_number)
{
	struct kvfree_record *record = own();
	struct kvfree_page_list pages = { NULL, NULL, 0 };
	unsigned long cookie = kvfree_gp_cookie(&domain->gp);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		close_page(record, 1);
		run_grace_period();
	}
	assert_int_equal(kvfree_record_take_pages(record, OWNER_LIST,
		cookie - 1, 10, &pages), 0);
	assert_int_equal(kvfree_record_take_pages(record, OWNER_LIST,
		cookie + 1, 10, &pages), 2);
	assert_int_equal(pages.nr, 2);
	assert_ptr_equal(pages.head->ptrs[0], kvarena_nth(0));
	assert_ptr_equal(pages.head->next->ptrs[0], kvarena_nth(1));
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
	assert_false(kvfree_record_peek(record, OWNER_LIST, cookie + 1));
	assert_true(kvfree_record_peek(record, OWNER_LIST, cookie + 2));
	/* What is taken is in no count of the owner's. */
	assert_int_equal(record->nr_taken, 0);
	free_pages(&pages);
}

TEST(no_more_pages_are_taken_than_are_asked_for)
{
	struct kvfree_record *record = own();
	struct kvfree_page_list pages = { NULL, NULL, 0 };
	unsigned long cookie;

	close_page_of(record, OTHER, 1);
	close_page_of(record, OTHER, 1);
	cookie = close_page_of(record, OTHER, 1);
	assert_int_equal(kvfree_record_take_pages(record, OWNER_LIST, cookie,
		10, &pages), 0);
	assert_int_equal(kvfree_record_take_pages(record, USER_LIST, cookie,
		0, &pages), 0);
	assert_int_equal(kvfree_record_take_pages(record, USER_LIST, cookie,
		2, &pages), 2);
	assert_int_equal(record->closed[USER_LIST].nr, 1);
	free_pages(&pages);
}

/* O5 */
TEST(an_owner_frees_for_a_tick_after_its_last_clean_call)
{
	struct kvfree_record *record = own();

	assert_false(kvfree_record_owner_frees(record));
	kvfree_record_mark_clean(record);
	assert_true(kvfree_record_owner_frees(record));
	domain->tick++;
	assert_true(kvfree_record_owner_frees(record));
	domain->tick++;
	assert_false(kvfree_record_owner_frees(record));
	kvfree_record_mark_clean(record);
	assert_true(kvfree_record_owner_frees(record));
	kvfree_conf.debug = URCU_KVFREE_DEBUG_ON;
	assert_false(kvfree_record_owner_frees(record));
	kvfree_conf.debug = URCU_KVFREE_DEBUG_OFF;
	kvfree_record_leave(domain);
	assert_false(kvfree_record_owner_frees(record));
}

TEST(ticks_may_wrap)
{
	struct kvfree_record *record = own();
	unsigned int tick = domain->tick;

	domain->tick = UINT32_MAX;
	kvfree_record_mark_clean(record);
	domain->tick++;
	assert_true(kvfree_record_owner_frees(record));
	domain->tick++;
	assert_false(kvfree_record_owner_frees(record));
	domain->tick = tick;
}

/* ------------------------------------------------------------------ */
/* Leaving                                                            */

TEST(a_thread_that_exits_leaves_its_record)
{
	struct kvfree_record *record = kvtest_on_thread(claim_clean, NULL);

	assert_int_equal(record->state, KVFREE_RECORD_LEFT);
	assert_false(kvfree_record_has_use(record));
}

/* P5 */
TEST(a_record_that_was_left_is_claimed_with_all_that_is_in_it)
{
	struct kvfree_record *record = kvtest_on_thread(claim_clean, NULL);

	close_page(record, 2);
	open_page(record, 0);
	assert_ptr_equal(own(), record);
	assert_int_equal(record->state, KVFREE_RECORD_OWNED);
	assert_true(kvfree_record_has_use(record));
	assert_int_equal(record->tid, syscall(SYS_gettid));
	assert_int_equal(record->closed[OWNER_LIST].nr, 1);
	assert_int_equal(record->open[0]->nr, 1);
	/* The clean calls of its last owner are not its own. */
	assert_false(kvfree_record_owner_frees(record));
	assert_int_equal(kvinside_count_records(domain), 1);
}

/* Its thread left a raw call by longjmp(), say: the next owner would wait for ever. */
TEST(a_record_that_was_left_locked_is_claimed_by_nobody)
{
	struct kvfree_record *stuck = kvtest_on_thread(claim_clean, NULL), *record;

	kvinside_lock(stuck);
	record = kvtest_on_thread(claim_clean, NULL);
	assert_ptr_not_equal(record, stuck);
	/* It stays where it was. */
	assert_ptr_equal(own(), record);
	kvfree_record_unlock(stuck);
	assert_ptr_equal(kvtest_on_thread(claim_clean, NULL), stuck);
}

TEST(a_record_that_was_left_is_made_blank_before_another_is_allocated)
{
	struct kvfree_record *record = kvtest_on_thread(claim_clean, NULL);

	domain->blank[0] = kvfree_record_make_blank(domain);
	assert_ptr_equal(domain->blank[0], record);
	assert_int_equal(record->state, KVFREE_RECORD_BLANK);
	assert_true(kvfree_record_has_use(record));
	assert_ptr_equal(kvfree_record_get_raw(domain), record);
}

TEST(who_leaves_is_given_a_record_again)
{
	struct kvfree_record *record = own();

	kvfree_record_leave(domain);
	assert_int_equal(record->state, KVFREE_RECORD_LEFT);
	assert_null(kvfree_record_own(domain));
	assert_null(kvfree_record_recent(&kvgp_flavor));
	assert_null(kvfree_record_find(&kvgp_flavor));
	/* Nothing to leave. */
	kvfree_record_leave(domain);
	assert_non_null(own());
}

TEST(who_leaves_frees_what_the_allocator_kept_for_it)
{
	struct kvfree_record *record = own();

	record->stash[record->nr_stash++] = kvarena_object();
	record->stash[record->nr_stash++] = kvarena_object();
	kvfree_record_leave(domain);
	assert_int_equal(record->nr_stash, 0);
	kvarena_assert_exact();
}

static struct kvfree_record *late_raw, *late_clean;

static void late(void *key)
{
	if (!kvfree_tls.exited) {
		pthread_setspecific(*(pthread_key_t *) key, key);
		return;
	}
	late_raw = kvfree_record_get_raw(domain);
	late_clean = kvfree_record_get_clean(domain);
}

static void *claim_and_look_later(void *key)
{
	kvfree_record_get_clean(domain);
	pthread_setspecific(*(pthread_key_t *) key, key);
	return NULL;
}

/* It would never be given back. */
TEST(a_thread_past_its_destructor_gets_no_record)
{
	pthread_key_t key;

	make_blanks();
	late_raw = late_clean = (void *) 1;
	assert_int_equal(pthread_key_create(&key, late), 0);
	kvtest_on_thread(claim_and_look_later, &key);
	pthread_key_delete(key);
	assert_null(late_raw);
	assert_null(late_clean);
}

/* ------------------------------------------------------------------ */
/* Giving records back                                                */

TEST(records_that_nobody_has_are_freed_and_stay_in_the_counts)
{
	uint64_t queued = domain->count.retired_queued;
	uint64_t freed = domain->count.owner_freed;
	struct kvfree_record *mine = own();
	struct kvfree_record *left;

	make_blanks();
	left = kvtest_on_thread(claim_clean, NULL);
	left->nr_queued = left->nr_taken = left->nr_freed = 5;
	kvfree_record_free_all(domain);
	assert_int_equal(domain->count.retired_queued, queued + 5);
	assert_int_equal(domain->count.owner_freed, freed + 5);
	/* A living thread's TLS points to it. */
	assert_int_equal(kvinside_count_records(domain), 1);
	assert_ptr_equal(own(), mine);
	assert_null(domain->blank[0]);
	assert_null(domain->left);
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

static sem_t there, leave;

static void *claim_and_stay(void *arg)
{
	struct kvfree_record **record = arg;

	*record = own();
	sem_post(&there);
	while (sem_wait(&leave))
		;
	return NULL;
}

/* Run @look in the child of a fork while another thread has a record. */
static int in_a_child(bool (*look)(struct kvfree_record *mine,
		struct kvfree_record *theirs))
{
	struct kvfree_record *mine = own(), *theirs;
	pthread_t tid;
	int status;
	pid_t pid;

	sem_init(&there, 0, 0);
	sem_init(&leave, 0, 0);
	tid = kvtest_thread(claim_and_stay, &theirs);
	while (sem_wait(&there))
		;
	pid = fork();
	if (!pid)
		_exit(!look(mine, theirs));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	sem_post(&leave);
	kvtest_join(tid);
	return status;
}

static bool only_mine_stays_mine(struct kvfree_record *mine,
		struct kvfree_record *theirs)
{
	theirs->nr_taken = 7;
	theirs->refill_gate = 1;
	/* The thread that had it locked is not here. */
	kvfree_record_lock(theirs);
	kvfree_records_fork_reset(false);
	return kvfree_record_own(domain) == mine &&
		mine->state == KVFREE_RECORD_OWNED &&
		mine->tid == syscall(SYS_gettid) &&
		theirs->state == KVFREE_RECORD_LEFT &&
		theirs->nr_freed == 7 && !theirs->refill_gate &&
		kvfree_record_trylock(theirs);
}

/* As after a fork with the hooks: the bare one of this test has forgotten all. */
static bool with_the_queue(struct kvfree_record *mine,
		struct kvfree_record *theirs)
{
	domain->records = theirs;
	theirs->next = mine;
	mine->next = NULL;
	kvfree_tls.record[kvfree_domain_index(domain)] = mine;
	return only_mine_stays_mine(mine, theirs);
}

TEST(in_the_child_the_records_of_other_threads_are_nobodys)
{
	assert_int_equal(in_a_child(with_the_queue), 0);
}

static bool has_none(struct kvfree_record *mine, struct kvfree_record *theirs)
{
	(void) theirs;
	kvfree_tls.record[kvfree_domain_index(domain)] = mine;
	kvfree_tls.recent = mine;
	kvfree_tls.claiming = 1;
	kvfree_records_fork_reset(true);
	return !kvfree_record_own(domain) && !kvfree_tls.claiming &&
		!kvfree_record_recent(&kvgp_flavor);
}

TEST(in_a_child_that_forgets_the_thread_has_no_record)
{
	assert_int_equal(in_a_child(has_none), 0);
}

TEST(the_hooks_of_a_fork_hold_the_locks_of_all_records)
{
	struct kvfree_record *mine = own();
	struct kvfree_record *left = kvtest_on_thread(claim_clean, NULL);

	kvfree_records_prefork();
	assert_false(kvfree_record_trylock(mine));
	assert_false(kvfree_record_trylock(left));
	kvfree_records_postfork();
	assert_ptr_equal(try_lock(mine), mine);
	assert_ptr_equal(try_lock(left), left);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(a_clean_call_makes_a_record),
		test(a_raw_call_finds_the_record_that_is_there),
		test(a_raw_call_makes_no_record),
		test(a_raw_call_takes_a_blank_record),
		test(no_two_threads_get_the_same_blank_record),
		test(a_record_is_of_one_domain),
		test(with_debugging_there_is_no_fast_path),
		test(a_claim_inside_a_claim_gets_none),
		test(a_claim_finds_what_a_handler_claimed_just_before),
		test(without_memory_a_clean_call_gets_no_record),
		test(a_raw_call_claims_nothing_where_the_key_is_late),
		test(nothing_is_appended_without_a_page),
		test(an_open_page_is_filled_up_to_its_limit),
		test(each_channel_has_a_page_of_its_own),
		test(each_page_has_room_for_twice_as_many_as_the_one_before),
		test(a_page_has_room_for_an_eighth_of_the_budget),
		test(objects_of_unknown_size_are_taken_for_small_ones_unless_they_are_large),
		test(a_closed_page_waits_for_the_next_grace_period),
		test(a_closed_page_is_counted_in_objects_and_bytes),
		test(objects_of_unknown_size_count_as_large_in_the_first_pages),
		test(pages_take_their_bytes_of_the_budget_where_the_size_is_known),
		test(only_pages_of_malloc_are_the_owners_to_free),
		test(all_open_pages_are_closed_at_once),
		test(closed_pages_are_first_in_first_out_and_their_cookies_grow),
		test(pages_that_only_workers_will_free_are_told_of),
		test(a_record_knows_where_its_owner_began_its_last_page),
		test(a_peek_without_the_lock_tells_what_is_ripe),
		test(a_held_lock_is_given_up_on_after_a_few_tries),
		test(a_clean_lock_waits),
		test(nothing_is_taken_before_its_grace_period_is_over),
		test(nothing_is_taken_while_grace_periods_are_held),
		test(the_quick_way_leaves_the_end_of_a_page_to_the_other),
		test(as_many_are_taken_as_the_first_page_has),
		test(who_waits_for_the_owner_waits_until_it_has_freed_what_it_took),
		test(pages_are_taken_up_to_a_number),
		test(no_more_pages_are_taken_than_are_asked_for),
		test(an_owner_frees_for_a_tick_after_its_last_clean_call),
		test(ticks_may_wrap),
		test(a_thread_that_exits_leaves_its_record),
		test(a_record_that_was_left_is_claimed_with_all_that_is_in_it),
		test(a_record_that_was_left_locked_is_claimed_by_nobody),
		test(a_record_that_was_left_is_made_blank_before_another_is_allocated),
		test(who_leaves_is_given_a_record_again),
		test(who_leaves_frees_what_the_allocator_kept_for_it),
		test(a_thread_past_its_destructor_gets_no_record),
		test(records_that_nobody_has_are_freed_and_stay_in_the_counts),
		test(in_the_child_the_records_of_other_threads_are_nobodys),
		test(in_a_child_that_forgets_the_thread_has_no_record),
		test(the_hooks_of_a_fork_hold_the_locks_of_all_records),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
