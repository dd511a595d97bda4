/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_count.c - objects ever queued, ever freed, and the difference
 *
 * The library is not started: nothing happens but what the tests do.
 */

#include "cmocka-all.h"
#include "barrier.h"
#include "count.h"
#include "kvarena.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"

static struct kvfree_domain *domain;
static struct kvfree_record *record;
static uint64_t queued, freed, owner_freed;	/* at the test's begin */

FIXTURE(begin)
{
	kvfree_conf.batch_bytes = 1 << 20;
	kvfree_conf.min_cached_pages = 0;
	kvarena_reset();
	domain = kvfree_domain_get(&kvgp_flavor);
	record = kvfree_record_get_clean(domain);
	queued = kvfree_count_queued(domain, true);
	freed = kvfree_count_freed(domain);
	owner_freed = kvfree_count_owner_freed(domain);
	return record ? 0 : -1;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	kvarena_assert_exact();
	return 0;
}

/* A page of @nr objects becomes the open page of @on. */
static void queue_on(struct kvfree_record *on, unsigned int nr)
{
	struct kvfree_page *page = kvfree_page_alloc(&domain->count.page);

	kvfree_record_lock(on);
	kvfree_record_close(on, KVFREE_CHANNEL_MALLOC);
	kvfree_record_open(on, KVFREE_CHANNEL_MALLOC, page, kvarena_object());
	while (--nr)
		if (!kvfree_record_append(on, KVFREE_CHANNEL_MALLOC,
				kvarena_object()))
			abort();
	kvfree_record_unlock(on);
}

static void ripen(void)
{
	kvinside_ripen(record);
}

static uint64_t more_queued(void)
{
	return kvfree_count_queued(domain, true) - queued;
}

static uint64_t more_freed(void)
{
	return kvfree_count_freed(domain) - freed;
}

TEST(what_open_and_closed_pages_hold_is_queued)
{
	queue_on(record, 3);
	assert_int_equal(more_queued(), 3);
	queue_on(record, 4);
	assert_int_equal(more_queued(), 7);
	assert_int_equal(kvfree_count_pending(domain, true), 7);
	assert_int_equal(more_freed(), 0);
}

TEST(objects_on_the_emergency_list_are_queued)
{
	struct kvtest_object *object = kvarena_object();

	domain->count.emergency++;
	kvfree_emergency_push(
			&domain->emergency[KVFREE_EMERGENCY_BUILTIN],
			object, offsetof(struct kvtest_object, head), 0);
	assert_int_equal(more_queued(), 1);
	assert_int_equal(kvfree_count_pending(domain, true), 1);
	kvfree_barrier(domain);
	assert_int_equal(more_freed(), 1);
	assert_int_equal(kvfree_count_pending(domain, true), 0);
}

TEST(what_an_owner_frees_is_freed)
{
	queue_on(record, 5);
	ripen();
	assert_int_equal(kvfree_count_pending(domain, true), 5);
	assert_int_equal(kvfree_reap_own(record, 2), 2);
	assert_int_equal(more_freed(), 2);
	assert_int_equal(kvfree_count_owner_freed(domain), owner_freed + 2);
	assert_int_equal(kvfree_count_pending(domain, true), 3);
	assert_int_equal(more_queued(), 5);
}

TEST(what_others_free_is_freed)
{
	queue_on(record, 5);
	ripen();
	kvfree_reap_record(record, kvfree_gp_completed(&domain->gp));
	assert_int_equal(more_freed(), 5);
	assert_int_equal(kvfree_count_owner_freed(domain), owner_freed);
	assert_int_equal(kvfree_count_pending(domain, true), 0);
}

static uint64_t pending_at_free;

static void count_in_hand(void)
{
	pending_at_free = kvfree_count_pending(domain, true);
}

/* K14: not before it is free. */
TEST(what_an_owner_has_in_hand_is_pending)
{
	queue_on(record, 1);
	ripen();
	kvhold_call(KVFREE_HOOK_VICTIM, count_in_hand);
	assert_int_equal(kvfree_reap_own(record, 1), 1);
	kvhold_off();
	assert_int_equal(pending_at_free, 1);
	assert_int_equal(kvfree_count_pending(domain, true), 0);
}

/* A failed check and a double queueing keep an object for good. */
TEST(what_is_kept_on_purpose_is_leaked_and_not_pending)
{
	uint64_t leaked = kvfree_count_leaked(domain);

	queue_on(record, 5);
	domain->count.leaked += 2;
	domain->count.doubles += 1;	/* queued, and kept */
	assert_int_equal(kvfree_count_leaked(domain), leaked + 3);
	assert_int_equal(more_queued(), 6);
	assert_int_equal(kvfree_count_pending(domain, true), 3);
	domain->count.leaked -= 2;
	domain->count.doubles -= 1;
}

TEST(objects_freed_inline_were_queued_and_are_freed)
{
	domain->count.inline_freed++;
	assert_int_equal(more_queued(), 1);
	assert_int_equal(more_freed(), 1);
	assert_int_equal(kvfree_count_pending(domain, true), 0);
}

/* The tick's service must wait for nobody, and must not report nonsense. */
TEST(without_waiting_a_record_whose_lock_is_held_is_left_out)
{
	struct kvfree_record *other = kvfree_record_make_blank(domain);

	queue_on(record, 5);
	queue_on(other, 2);
	kvinside_lock(record);
	assert_int_equal(kvfree_count_pending(domain, false), 2);
	kvfree_record_unlock(record);
	assert_int_equal(kvfree_count_pending(domain, false), 7);
	ripen();
	assert_int_equal(kvfree_reap_own(record, 5), 5);
	kvinside_lock(record);
	/* Fewer are known to be queued than are freed. */
	assert_int_equal(kvfree_count_pending(domain, false), 0);
	kvfree_record_unlock(record);
	kvfree_record_give_back(other);
}

/* K9: the counters are for the whole life of the process. */
TEST(records_that_are_gone_are_counted_on)
{
	queue_on(record, 5);
	ripen();
	assert_int_equal(kvfree_reap_own(record, 2), 2);
	urcu_kvfree_exit();
	assert_int_equal(kvinside_count_records(domain), 0);
	assert_int_equal(more_queued(), 5);
	assert_int_equal(more_freed(), 5);
	assert_int_equal(kvfree_count_owner_freed(domain), owner_freed + 2);
	assert_int_equal(kvfree_count_pending(domain, true), 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_open_and_closed_pages_hold_is_queued),
		test(objects_on_the_emergency_list_are_queued),
		test(what_an_owner_frees_is_freed),
		test(what_others_free_is_freed),
		test(what_an_owner_has_in_hand_is_pending),
		test(what_is_kept_on_purpose_is_leaked_and_not_pending),
		test(objects_freed_inline_were_queued_and_are_freed),
		test(without_waiting_a_record_whose_lock_is_held_is_left_out),
		test(records_that_are_gone_are_counted_on),
	};

	return kvtest_run(tests);
}
