/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_gate.c - one request at a time, and none lost
 */

#include <limits.h>

#include "cmocka-all.h"
#include "gate.h"

#define THREADS	3
#define EACH	20000

static struct kvfree_gate gate;

FIXTURE(begin)
{
	memset(&gate, 0, sizeof(gate));
	return 0;
}

static bool is_closed(void)
{
	return kvfree_gate_is_closed(kvfree_gate_read(&gate));
}

TEST(a_gate_is_open_until_it_is_closed)
{
	assert_false(is_closed());
	kvfree_gate_close(&gate, kvfree_gate_read(&gate));
	assert_true(is_closed());
	kvfree_gate_open(&gate);
	assert_false(is_closed());
}

/* So that who is stopped before it closes the gate stops nobody else. */
TEST(reading_changes_nothing)
{
	unsigned int seen = kvfree_gate_read(&gate);

	assert_int_equal(kvfree_gate_read(&gate), seen);
	kvfree_gate_close(&gate, seen);
	seen = kvfree_gate_read(&gate);
	assert_int_equal(kvfree_gate_read(&gate), seen);
}

/* The service did not see what was armed after it; it would stay closed. */
TEST(a_closing_that_comes_after_the_service_fails)
{
	unsigned int seen = kvfree_gate_read(&gate);

	kvfree_gate_open(&gate);
	kvfree_gate_close(&gate, seen);
	assert_false(is_closed());
}

TEST(a_closing_that_comes_after_another_and_its_service_fails)
{
	unsigned int slow = kvfree_gate_read(&gate);

	kvfree_gate_close(&gate, kvfree_gate_read(&gate));
	kvfree_gate_open(&gate);
	kvfree_gate_close(&gate, slow);
	assert_false(is_closed());
}

TEST(two_that_saw_it_open_close_it_once)
{
	unsigned int seen = kvfree_gate_read(&gate);

	kvfree_gate_close(&gate, seen);
	kvfree_gate_close(&gate, seen);
	assert_true(is_closed());
	kvfree_gate_open(&gate);
	assert_false(is_closed());
}

TEST(a_service_opens_and_leaves_a_new_number)
{
	unsigned int open = kvfree_gate_read(&gate), closed;

	kvfree_gate_open(&gate);
	assert_int_not_equal(kvfree_gate_read(&gate), open);
	kvfree_gate_close(&gate, kvfree_gate_read(&gate));
	closed = kvfree_gate_read(&gate);
	kvfree_gate_open(&gate);
	assert_false(is_closed());
	assert_int_not_equal(kvfree_gate_read(&gate), closed & ~1u);
}

TEST(the_number_may_wrap)
{
	gate.word = UINT_MAX - 1;
	assert_false(is_closed());
	kvfree_gate_close(&gate, kvfree_gate_read(&gate));
	assert_true(is_closed());
	kvfree_gate_open(&gate);
	assert_false(is_closed());
	assert_int_equal(gate.word, 0);
}

/* ------------------------------------------------------------------ */
/* Requests and a server at once                                      */

static struct {
	unsigned int published;	/* atomic: the state */
	int armed;		/* atomic: the timer */
	unsigned int arms;	/* atomic: how often it was armed */
	unsigned int served;	/* server: the state as it saw it last */
	sem_t wake;
} at_once;

static void request(void)
{
	unsigned int seen;

	/* Relaxed: the gate is what orders it. */
	__atomic_fetch_add(&at_once.published, 1, __ATOMIC_RELAXED);
	seen = kvfree_gate_read(&gate);
	if (kvfree_gate_is_closed(seen))
		return;
	__atomic_fetch_add(&at_once.arms, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&at_once.armed, 1, __ATOMIC_SEQ_CST);
	sem_post(&at_once.wake);
	kvfree_gate_close(&gate, seen);
}

static void *request_often(void *unused)
{
	unsigned int i;

	for (i = 0; i < EACH; i++)
		request();
	return unused;
}

/* Looks at the state when the timer was armed and at no other time. */
static void *serve(void *stop)
{
	do {
		while (sem_wait(&at_once.wake))
			;
		while (__atomic_exchange_n(&at_once.armed, 0,
				__ATOMIC_SEQ_CST)) {
			kvfree_gate_open(&gate);
			at_once.served = __atomic_load_n(&at_once.published,
					__ATOMIC_RELAXED);
		}
	} while (!__atomic_load_n((int *) stop, __ATOMIC_SEQ_CST));
	return NULL;
}

TEST(no_request_is_lost)
{
	pthread_t tid[THREADS], server;
	int stop = 0;
	unsigned int i;

	memset(&at_once, 0, sizeof(at_once));
	sem_init(&at_once.wake, 0, 0);
	server = kvtest_thread(serve, &stop);
	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(request_often, NULL);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	sem_post(&at_once.wake);
	kvtest_join(server);
	sem_destroy(&at_once.wake);
	assert_in_range(at_once.arms, 1, THREADS * EACH);
	assert_int_equal(at_once.served, THREADS * EACH);
	assert_false(is_closed());
}

#define test(f)	cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_gate_is_open_until_it_is_closed),
		test(reading_changes_nothing),
		test(a_closing_that_comes_after_the_service_fails),
		test(a_closing_that_comes_after_another_and_its_service_fails),
		test(two_that_saw_it_open_close_it_once),
		test(a_service_opens_and_leaves_a_new_number),
		test(the_number_may_wrap),
		test(no_request_is_lost),
	};

	return kvtest_run(tests);
}
