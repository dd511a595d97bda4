/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * timer.c - the timer thread
 *
 * See timer.h for the three timers and the rule of the gates.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pressure.h"
#include "reclaim.h"
#include "refill.h"
#include "runtime.h"
#include "trace.h"

/*
 * "At once" is a moment later: a timer that has expired when it is armed
 * interrupts the very call that arms it, which then pays for the interrupt and for
 * waking the timer thread, 20 us in a virtual machine instead of 1 to 5.
 */
#define SOON_NSEC	50000

/* Arm the timer in *@fd; 0 means soon. Raw-safe. */
static bool timer_arm(int *fd, unsigned int msec)
{
	struct itimerspec when = {
		.it_value = {
			.tv_sec = msec / 1000,
			.tv_nsec = msec ? (long) (msec % 1000) * 1000000 : SOON_NSEC,
		},
	};
	/* Seq_cst: pairs with fds_publish(). Either this load comes after it
	 * and the timer is armed, or the start's first drain comes after the
	 * caller's publication and sees it. */
	int n = __atomic_load_n(fd, __ATOMIC_SEQ_CST);

	return n >= 0 && timerfd_settime(n, 0, &when, NULL) == 0;
}

/*
 * Arm the timer in *@fd unless @gate says that it is armed already, and close the
 * gate. @mark (or NULL) tells the service whom the timer is armed for; it is set
 * once the gate was read: set before, an earlier expiry could take it, serve,
 * and leave the timer that is armed here without one. Raw-safe. False: it was
 * closed, or arming failed, which leaves it open.
 */
static bool gate_arm(unsigned int *gate, int *mark, int *fd,
		unsigned int msec)
{
	/* Seq_cst, and a read-modify-write of the same word as
	 * kvfree_gate_open(): pairs with it; see timer.h. */
	unsigned int seen = __atomic_fetch_add(gate, 0, __ATOMIC_SEQ_CST);

	if (seen & 1)
		return false;
	/* Seq_cst: before the timer fires; pairs with the exchange in
	 * on_kick(). */
	if (mark)
		__atomic_store_n(mark, 1, __ATOMIC_SEQ_CST);
#ifdef KVFREE_TWIN_EARLY_GATE
	__atomic_store_n(gate, seen | 1, __ATOMIC_SEQ_CST);
#endif
	if (!timer_arm(fd, msec)) {
#ifdef KVFREE_TWIN_STUCK_GATE
		__atomic_store_n(gate, seen | 1, __ATOMIC_SEQ_CST);
#endif
		return false;
	}
	/* Fails when it was served or closed since: nothing to close then.
	 * Seq_cst: after the timer is armed; pairs with kvfree_gate_open(). */
	__atomic_compare_exchange_n(gate, &seen, seen | 1, false,
			__ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return true;
}

void kvfree_gate_open(unsigned int *gate)
{
	unsigned int seen = __atomic_load_n(gate, __ATOMIC_RELAXED);

	/* Seq_cst: pairs with gate_arm(); see timer.h. */
	while (!__atomic_compare_exchange_n(gate, &seen, (seen | 1) + 1, false,
			__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

void kvfree_tick_arm(void)
{
	struct kvfree_runtime *rt = &kvfree_runtime;

	gate_arm(&rt->tick_gate, NULL, &rt->timer.tick,
			kvfree_setting(drain_msec));
}

void kvfree_kick(struct kvfree_domain *domain)
{
	if (gate_arm(&domain->kick_gate, &domain->kicked,
			&kvfree_runtime.timer.kick, 0)) {
		kvfree_trace(kick, domain);
		__atomic_fetch_add(&domain->count.kicks, 1, __ATOMIC_RELAXED);
	}
}

bool kvfree_refill_timer(unsigned int msec)
{
	return timer_arm(&kvfree_runtime.timer.refill, msec);
}

void kvfree_refill_request(int *gate)
{
	struct kvfree_runtime *rt = &kvfree_runtime;

	/* No cache, no refill, no timer. */
	if (!kvfree_setting(min_cached_pages))
		return;
	/* Seq_cst: pairs with the exchange in refill_wanted(). */
	if (__atomic_exchange_n(gate, 1, __ATOMIC_SEQ_CST))
		return;
	/* Seq_cst: pairs with the store in refill_hold_over(). During a
	 * back-off the timer is armed already, and its work looks at all
	 * gates after it cleared the hold. */
	if (__atomic_load_n(&rt->refill_hold, __ATOMIC_SEQ_CST))
		return;
#ifndef KVFREE_TWIN_STUCK_GATE
	if (!kvfree_refill_timer(0))
		__atomic_store_n(gate, 0, __ATOMIC_SEQ_CST);
#else
	kvfree_refill_timer(0);
#endif
}

void kvfree_blanks_request(struct kvfree_domain *domain)
{
	struct kvfree_runtime *rt = &kvfree_runtime;

	if (!kvfree_setting(min_cached_pages))
		return;
	/* Seq_cst: pairs with the exchange in refill_wanted(). Before the gate
	 * is read, unlike the mark of a kick: a worker that takes it too early
	 * still looks at the domain's slots after that. */
	__atomic_store_n(&domain->blanks_wanted, 1, __ATOMIC_SEQ_CST);
	/* Seq_cst: as in kvfree_refill_request(). */
	if (!__atomic_load_n(&rt->refill_hold, __ATOMIC_SEQ_CST))
		gate_arm(&domain->blank_gate, NULL, &rt->timer.refill, 0);
}

/* ------------------------------------------------------------------ */
/* The thread                                                         */

static void on_tick(void)
{
	struct kvfree_domain *domain;

	kvfree_gate_open(&kvfree_runtime.tick_gate);
	kvfree_for_each_domain(domain) {
		kvfree_drain_request(domain, KVFREE_DRAIN_ALL |
				KVFREE_DRAIN_TICK);
		/* A grace period that lasts keeps the tick going. */
		if (kvfree_stall_check(domain))
			kvfree_tick_arm();
	}
}

static void on_kick(void)
{
	struct kvfree_domain *domain;

	/* The gate stays closed until a batch collects: while a grace period
	 * keeps the next batch waiting, further full pages need no kick.
	 * Seq_cst: pairs with the mark in gate_arm(). */
	kvfree_for_each_domain(domain)
		if (__atomic_exchange_n(&domain->kicked, 0, __ATOMIC_SEQ_CST))
			kvfree_drain_request(domain, KVFREE_DRAIN_FULL);
}

static void on_pressure(struct kvfree_timer *timer, uint32_t events)
{
	if (events & EPOLLPRI)
		kvfree_pressure_relieve();
	/* Its cgroup was removed, say: it would signal without end, and with
	 * EPOLLPRI beside the error. */
	if (events & (EPOLLERR | EPOLLHUP)) {
		/* Closing is not enough where another process has it too. */
		epoll_ctl(timer->epoll, EPOLL_CTL_DEL, timer->pressure, NULL);
		close(timer->pressure);
		timer->pressure = -1;
	}
}

static void timer_event(struct kvfree_timer *timer, int fd)
{
	uint64_t expirations;

	/* What it says does not matter: a timer that was armed again
	 * meanwhile (EAGAIN) or fired twice asks for the same. */
	if (read(fd, &expirations, sizeof(expirations)) < 0)
		expirations = 0;
	kvfree_hook(KVFREE_HOOK_TIMER);
	/* Acquire: pairs with fds_publish(), after which it was armed. */
	if (fd == __atomic_load_n(&timer->tick, __ATOMIC_ACQUIRE))
		on_tick();
	else if (fd == __atomic_load_n(&timer->kick, __ATOMIC_ACQUIRE))
		on_kick();
	else if (fd == __atomic_load_n(&timer->refill, __ATOMIC_ACQUIRE))
		kvfree_workqueue_queue(&kvfree_runtime.workqueue,
				&kvfree_runtime.refill);
}

static void *timer_thread(void *arg)
{
	struct kvfree_timer *timer = arg;

	for (;;) {
		struct epoll_event events[4];
		int i, n;

		n = epoll_wait(timer->epoll, events, 4, -1);
		if (n < 0 && errno != EINTR)
			kvfree_die("epoll_wait on the timers: errno %d", errno);
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == timer->stop)
				return NULL;
			if (events[i].data.fd == timer->pressure)
				on_pressure(timer, events[i].events);
			else
				timer_event(timer, events[i].data.fd);
		}
	}
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

static int watch(struct kvfree_timer *timer, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .fd = fd } };

	return epoll_ctl(timer->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int timer_open(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

/* Close all; errno is kept. Async-signal-safe. */
static void fds_close(struct kvfree_timer *timer)
{
	int *fd[] = { &timer->epoll, &timer->tick, &timer->kick,
		&timer->refill, &timer->stop, &timer->pressure };
	int saved = errno;
	unsigned int i;

	for (i = 0; i < sizeof(fd) / sizeof(fd[0]); i++) {
		/* Seq_cst: raw calls stop using it before it is closed. */
		int n = __atomic_exchange_n(fd[i], -1, __ATOMIC_SEQ_CST);

		if (n >= 0)
			close(n);
	}
	errno = saved;
}

/* Make all descriptors in @timer, which no raw call looks at yet. */
static int fds_open(struct kvfree_timer *timer)
{
	timer->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (timer->epoll < 0)
		return -1;
	timer->tick = timer_open();
	if (timer->tick < 0 || watch(timer, timer->tick, EPOLLIN))
		return -1;
	timer->kick = timer_open();
	if (timer->kick < 0 || watch(timer, timer->kick, EPOLLIN))
		return -1;
	timer->refill = timer_open();
	if (timer->refill < 0 || watch(timer, timer->refill, EPOLLIN))
		return -1;
	timer->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (timer->stop < 0 || watch(timer, timer->stop, EPOLLIN))
		return -1;
	/* A system without it is no worse off than before. */
	timer->pressure = kvfree_pressure_open();
	if (timer->pressure >= 0 && watch(timer, timer->pressure, EPOLLPRI)) {
		close(timer->pressure);
		timer->pressure = -1;
	}
	return 0;
}

/* From here on raw calls arm the timers. */
static void fds_publish(struct kvfree_timer *timer,
		const struct kvfree_timer *opened)
{
	/* Seq_cst: pairs with timer_arm(). */
	__atomic_store_n(&timer->tick, opened->tick, __ATOMIC_SEQ_CST);
	__atomic_store_n(&timer->kick, opened->kick, __ATOMIC_SEQ_CST);
	__atomic_store_n(&timer->refill, opened->refill, __ATOMIC_SEQ_CST);
}

int kvfree_timer_start(struct kvfree_timer *timer)
{
	struct kvfree_timer opened = KVFREE_TIMER_INIT;
	int ret;

	if (fds_open(&opened)) {
		fds_close(&opened);
		return -1;
	}
	timer->epoll = opened.epoll;
	timer->stop = opened.stop;
	timer->pressure = opened.pressure;
	ret = kvfree_thread_create(&timer->thread, timer_thread, timer,
			"kvfree-timer");
	if (ret) {
		timer->epoll = timer->stop = timer->pressure = -1;
		fds_close(&opened);
		errno = ret;
		return -1;
	}
	/* Last: a timer that was armed and then closed would leave its gate
	 * closed for good. */
	fds_publish(timer, &opened);
	return 0;
}

void kvfree_timer_stop(struct kvfree_timer *timer)
{
	const uint64_t one = 1;

	while (write(timer->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(timer->thread, NULL);
	fds_close(timer);
}

void kvfree_timer_reset(struct kvfree_timer *timer)
{
	fds_close(timer);
}
