/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_many_records.c - a thread's first call takes a record that another thread
 * left off a list, and searches for none (O16)
 *
 * How long a first call takes with thousands of records is the benchmark's to say.
 * Here it is shown what bounds its steps: the record that a claim gets is the first
 * of the list, and without one it is made.
 */

#include "cmocka-all.h"
#include "record.h"

#define THREADS	200

static const struct rcu_flavor_struct *rcu = &urcu_memb_flavor;
static struct kvfree_domain *domain;
static sem_t claimed, leave;

/* Without a cache there is no refill, and so no record for raw calls: nobody claims
 * but the test. */
FIXTURE(begin)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_min_cached_pages(attr, 0) ||
	    urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
	domain = kvfree_domain_get(rcu);
	sem_init(&claimed, 0, 0);
	sem_init(&leave, 0, 0);
	return 0;
}

FIXTURE(end)
{
	urcu_kvfree_exit();
	sem_destroy(&claimed);
	sem_destroy(&leave);
	return 0;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

/* The first record that was left, or NULL. */
static struct kvfree_record *first_left(void)
{
	struct kvfree_record *record;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	record = domain->left;
	kvfree_mutex_unlock(&domain->lock);
	return record;
}

static unsigned int count_left(void)
{
	struct kvfree_record *record;
	unsigned int nr = 0;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	for (record = domain->left; record; record = record->next_left)
		nr++;
	kvfree_mutex_unlock(&domain->lock);
	return nr;
}

static unsigned int count_records(void)
{
	struct kvfree_record *record;
	unsigned int nr = 0;

	kvfree_for_each_record(record, domain)
		nr++;
	return nr;
}

/* Claim a record, and keep it until told to leave; which one it was. */
static void *claim(void *unused)
{
	struct kvfree_record *record;

	(void) unused;
	urcu_kvfree_rcu_mightsleep_flavor(rcu, malloc(1));
	record = kvfree_record_own(domain);
	sem_post(&claimed);
	wait_for(&leave);
	return record;
}

static void claim_on_threads(pthread_t *tid, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		tid[i] = kvtest_thread(claim, NULL);
		wait_for(&claimed);
	}
}

static void leave_all(pthread_t *tid, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		sem_post(&leave);
	for (i = 0; i < nr; i++)
		kvtest_join(tid[i]);
}

TEST(a_first_call_takes_the_record_that_was_left_last)
{
	pthread_t tid[THREADS];
	unsigned int i, nr;

	claim_on_threads(tid, THREADS);
	leave_all(tid, THREADS);
	nr = count_left();
	assert_int_equal(nr, count_records());
	for (i = 0; i < THREADS; i++) {
		struct kvfree_record *first = first_left();
		pthread_t one;

		claim_on_threads(&one, 1);
		assert_int_equal(count_left(), nr - 1);
		sem_post(&leave);
		assert_ptr_equal(kvtest_join(one), first);
		assert_ptr_equal(first_left(), first);
	}
	assert_int_equal(count_records(), nr);
}

TEST(without_one_that_was_left_a_first_call_makes_one)
{
	pthread_t tid[THREADS];
	unsigned int i, nr = count_records();

	for (i = 0; i < THREADS; i++) {
		claim_on_threads(&tid[i], 1);
		assert_null(first_left());
		assert_int_equal(count_records(), nr + i + 1);
	}
	leave_all(tid, THREADS);
	assert_int_equal(count_left(), nr + THREADS);
}

TEST(threads_that_come_and_go_need_no_more_records_than_at_once)
{
	pthread_t tid[THREADS];
	unsigned int round, nr;

	claim_on_threads(tid, THREADS);
	nr = count_records();
	leave_all(tid, THREADS);
	for (round = 0; round < 3; round++) {
		claim_on_threads(tid, THREADS);
		assert_int_equal(count_records(), nr);
		leave_all(tid, THREADS);
	}
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(kvtest_stats(rcu).pending, 0);
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_first_call_takes_the_record_that_was_left_last),
		test(without_one_that_was_left_a_first_call_makes_one),
		test(
		threads_that_come_and_go_need_no_more_records_than_at_once),
	};

	return kvtest_run(tests);
}
