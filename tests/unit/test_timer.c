/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_timer.c - the timer thread and its gates
 */

#include <fcntl.h>
#include <sys/timerfd.h>

#include "cmocka-all.h"
#include "kvfault.h"
#include "kvgp.h"
#include "kvhold.h"
#include "kvinside.h"
#include "refill.h"

static struct kvfree_runtime *const rt = &kvfree_runtime;

/* Started with a tick that never comes by itself. */
static int begin(void **state)
{
	(void) state;
	kvtest_start(60000, 1);
	kvinside_settle();
	return 0;
}

static int end(void **state)
{
	(void) state;
	kvhold_go();
	kvgp_let_go();
	urcu_kvfree_exit();
	return 0;
}

static bool is_armed(int fd)
{
	struct itimerspec left;

	assert_int_equal(timerfd_gettime(fd, &left), 0);
	return left.it_value.tv_sec || left.it_value.tv_nsec;
}

static void disarm(int fd)
{
	const struct itimerspec never = { { 0, 0 }, { 0, 0 } };

	assert_int_equal(timerfd_settime(fd, 0, &never, NULL), 0);
}

static void a_start_opens_all_timers_and_a_stop_closes_them(void **state)
{
	struct kvfree_timer timer = KVFREE_TIMER_INIT;
	unsigned int fds = kvtest_count_fds();

	(void) state;
	assert_int_equal(kvfree_timer_start(&timer), 0);
	assert_true(timer.epoll >= 0 && timer.tick >= 0 && timer.kick >= 0 &&
		timer.refill >= 0 && timer.stop >= 0);
	assert_true(kvtest_threads_become("kvfree-timer", 1));
	kvfree_timer_stop(&timer);
	assert_true(timer.epoll < 0 && timer.tick < 0 && timer.kick < 0 &&
		timer.refill < 0 && timer.stop < 0);
	assert_true(kvtest_threads_become("kvfree-timer", 0));
	assert_int_equal(kvtest_count_fds(), fds);
}

static void a_start_without_a_thread_closes_what_it_opened(void **state)
{
	struct kvfree_timer timer = KVFREE_TIMER_INIT;
	unsigned int fds = kvtest_count_fds();

	(void) state;
	kvfault_threads_after(0);
	errno = 0;
	assert_int_equal(kvfree_timer_start(&timer), -1);
	kvfault_threads_after(-1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(kvtest_count_fds(), fds);
	assert_int_equal(timer.tick, -1);
}

static void the_descriptors_do_not_survive_an_exec(void **state)
{
	(void) state;
	assert_true(fcntl(rt->timer.epoll, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(rt->timer.tick, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(rt->timer.kick, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(rt->timer.refill, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(rt->timer.stop, F_GETFD) & FD_CLOEXEC);
}

/* ------------------------------------------------------------------ */
/* The tick's gate                                                    */

static void the_tick_is_armed_once_until_it_is_served(void **state)
{
	(void) state;
	kvfree_gate_open(&rt->tick_gate);
	disarm(rt->timer.tick);
	kvfree_tick_arm();
	assert_true(is_armed(rt->timer.tick));
	/* Closed: the next request leaves the timer alone. */
	disarm(rt->timer.tick);
	kvfree_tick_arm();
	assert_false(is_armed(rt->timer.tick));
	kvfree_gate_open(&rt->tick_gate);
	kvfree_tick_arm();
	assert_true(is_armed(rt->timer.tick));
}

/* K20 */
static void a_gate_whose_timer_could_not_be_armed_stays_open(void **state)
{
	int fd = rt->timer.tick;

	(void) state;
	kvfree_gate_open(&rt->tick_gate);
	disarm(fd);
	__atomic_store_n(&rt->timer.tick, -1, __ATOMIC_SEQ_CST);
	kvfree_tick_arm();
	kvfree_tick_arm();
	__atomic_store_n(&rt->timer.tick, fd, __ATOMIC_SEQ_CST);
	assert_false(is_armed(fd));
	kvfree_tick_arm();
	assert_true(is_armed(fd));
}

/* K20 */
static void a_kick_that_could_not_be_armed_is_no_kick(void **state)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);
	uint64_t kicks = kvtest_stats(&kvgp_flavor).kicks;
	int fd = rt->timer.kick;

	(void) state;
	__atomic_store_n(&rt->timer.kick, -1, __ATOMIC_SEQ_CST);
	kvfree_kick(domain);
	__atomic_store_n(&rt->timer.kick, fd, __ATOMIC_SEQ_CST);
	assert_int_equal(kvtest_stats(&kvgp_flavor).kicks, kicks);
	kvfree_kick(domain);
	assert_int_equal(kvtest_stats(&kvgp_flavor).kicks, kicks + 1);
}

static bool drains_grew(void *drains)
{
	return kvtest_stats(&kvgp_flavor).drains > *(uint64_t *) drains;
}

static void a_kick_drains_its_domain_at_once(void **state)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);
	uint64_t drains = kvtest_stats(&kvgp_flavor).drains;

	(void) state;
	kvfree_kick(domain);
	assert_true(kvtest_wait(drains_grew, &drains, KVTEST_LONG));
}

static bool tick_is_served(void *seen)
{
	/* The low bit says closed; a service moves to the next even number. */
	return (__atomic_load_n(&rt->tick_gate, __ATOMIC_SEQ_CST) & ~1u) !=
		(*(unsigned int *) seen & ~1u);
}

static void a_tick_drains_all_domains_and_opens_its_gate(void **state)
{
	uint64_t drains = kvtest_stats(&kvgp_flavor).drains;
	unsigned int seen;

	(void) state;
	kvfree_domain_get(&kvgp_flavor);
	urcu_kvfree_exit();
	kvtest_start(1, 1);
	kvinside_settle();
	seen = __atomic_load_n(&rt->tick_gate, __ATOMIC_SEQ_CST);
	drains = kvtest_stats(&kvgp_flavor).drains;
	kvfree_tick_arm();
	assert_true(kvtest_wait(tick_is_served, &seen, KVTEST_LONG));
	assert_true(kvtest_wait(drains_grew, &drains, KVTEST_LONG));
}

/* ------------------------------------------------------------------ */
/* The refill's gates                                                 */

/* Out of the way of the start's own refill. */
static void a_refill_request_sets_its_gate_and_arms_once(void **state)
{
	int gate = 0;

	(void) state;
	kvhold_at(KVFREE_HOOK_TIMER);
	kvfree_refill_request(&gate);
	assert_int_equal(gate, 1);
	assert_true(kvhold_wait());
	/* Set: a second request makes no system call. */
	disarm(rt->timer.refill);
	kvfree_refill_request(&gate);
	assert_false(is_armed(rt->timer.refill));
	kvhold_go();
}

static bool blanks_are_made(void *domain)
{
	struct kvfree_domain *d = domain;

	return !__atomic_load_n(&d->blanks_wanted, __ATOMIC_SEQ_CST) &&
		__atomic_load_n(&d->blank[KVFREE_BLANKS - 1], __ATOMIC_SEQ_CST);
}

/* K20 */
static void a_refill_request_that_could_not_be_armed_clears_its_gate(
		void **state)
{
	int fd = rt->timer.refill, gate = 0;

	(void) state;
	__atomic_store_n(&rt->timer.refill, -1, __ATOMIC_SEQ_CST);
	kvfree_refill_request(&gate);
	__atomic_store_n(&rt->timer.refill, fd, __ATOMIC_SEQ_CST);
	assert_int_equal(gate, 0);
}

/* Unlike a record's gate: others wait for blank records too. */
static void who_is_stopped_while_asking_for_blank_records_stops_nobody(
		void **state)
{
	struct kvfree_domain *domain = kvfree_domain_get(&kvgp_flavor);

	(void) state;
	kvhold_at(KVFREE_HOOK_TIMER);
	/* As far as one got before it was stopped. */
	domain->blanks_wanted = 1;
	kvfree_blanks_request(domain);
	assert_true(kvhold_wait());
	/* Armed by now and so closed: the next makes no system call. */
	disarm(rt->timer.refill);
	kvfree_blanks_request(domain);
	assert_false(is_armed(rt->timer.refill));
	/* Asked while it is not served yet: a worker comes for both. */
	kvhold_go();
	assert_true(kvtest_wait(blanks_are_made, domain, KVTEST_LONG));
}

/* K4 */
static void during_a_back_off_requests_leave_the_timer_alone(void **state)
{
	int gate = 0;

	(void) state;
	kvfree_refill_hold();
	assert_true(is_armed(rt->timer.refill));
	disarm(rt->timer.refill);
	kvfree_refill_request(&gate);
	assert_int_equal(gate, 1);
	assert_false(is_armed(rt->timer.refill));
}

#define test(f)	cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_start_opens_all_timers_and_a_stop_closes_them),
		cmocka_unit_test(
			a_start_without_a_thread_closes_what_it_opened),
		test(the_descriptors_do_not_survive_an_exec),
		test(the_tick_is_armed_once_until_it_is_served),
		test(a_gate_whose_timer_could_not_be_armed_stays_open),
		test(a_kick_that_could_not_be_armed_is_no_kick),
		test(a_kick_drains_its_domain_at_once),
		test(a_tick_drains_all_domains_and_opens_its_gate),
		test(a_refill_request_sets_its_gate_and_arms_once),
		test(a_refill_request_that_could_not_be_armed_clears_its_gate),
		test(who_is_stopped_while_asking_for_blank_records_stops_nobody),
		test(during_a_back_off_requests_leave_the_timer_alone),
	};

	return kvtest_run(tests);
}
