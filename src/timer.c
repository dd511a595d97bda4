/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * timer.c - the timer thread
 *
 * See timer.h for the three timers, gate.h for the rule of the gates.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "conf.h"
#include "launch.h"
#include "timer.h"

/*
 * "At once" is a moment later: a timer that has expired when it is armed
 * interrupts the very call that arms it, which then pays for the interrupt and for
 * waking the timer thread, 20 us in a virtual machine instead of 1 to 5.
 */
#define SOON_NSEC	50000

#define TIMER_INIT { .fd = { -1, -1, -1 }, .epoll = -1, .stop = -1, \
	.pressure = -1 }

struct kvfree_timer kvfree_timer = TIMER_INIT;

/* ------------------------------------------------------------------ */
/* Requests                                                           */

bool kvfree_timer_arm(enum kvfree_alarm alarm, unsigned int msec)
{
	struct itimerspec when = {
		.it_value = {
			.tv_sec = msec / 1000,
			.tv_nsec = msec ? (long) (msec % 1000) * 1000000 :
				SOON_NSEC,
		},
	};
	/* Seq_cst: pairs with fds_publish(). Either this load comes after it
	 * and the timer is armed, or what the start does first comes after the
	 * caller's publication and sees it. */
	int fd = __atomic_load_n(&kvfree_timer.fd[alarm], __ATOMIC_SEQ_CST);

	return fd >= 0 && timerfd_settime(fd, 0, &when, NULL) == 0;
}

bool kvfree_timer_request(enum kvfree_alarm alarm, unsigned int msec,
		struct kvfree_gate *gate)
{
	unsigned int seen = kvfree_gate_read(gate);

	if (kvfree_gate_is_closed(seen) || !kvfree_timer_arm(alarm, msec))
		return false;
	kvfree_gate_close(gate, seen);
	return true;
}

void kvfree_tick_arm(void)
{
	kvfree_timer_request(KVFREE_ALARM_TICK, kvfree_setting(drain_msec),
			&kvfree_timer.tick_gate);
}

/* ------------------------------------------------------------------ */
/* The thread                                                         */

static void pressure_event(struct kvfree_timer *timer, uint32_t events)
{
	if (events & EPOLLPRI)
		timer->on_pressure();
	/* Its cgroup was removed, say: it would signal without end, and with
	 * EPOLLPRI beside the error. */
	if (events & (EPOLLERR | EPOLLHUP)) {
		/* Closing is not enough where another process has it too. */
		epoll_ctl(timer->epoll, EPOLL_CTL_DEL, timer->pressure, NULL);
		close(timer->pressure);
		timer->pressure = -1;
	}
}

static void alarm_event(struct kvfree_timer *timer, int fd)
{
	uint64_t expirations;
	unsigned int alarm;

	/* What it says does not matter: a timer that was armed again
	 * meanwhile (EAGAIN) or fired twice asks for the same. */
	if (read(fd, &expirations, sizeof(expirations)) < 0)
		expirations = 0;
	kvfree_hook(KVFREE_HOOK_TIMER);
	for (alarm = 0; alarm < KVFREE_ALARMS; alarm++)
		/* Acquire: pairs with fds_publish(), after which it was armed. */
		if (fd == __atomic_load_n(&timer->fd[alarm], __ATOMIC_ACQUIRE))
			timer->on_alarm(alarm);
}

static void *timer_thread(void *arg)
{
	struct kvfree_timer *timer = arg;

	kvfree_launched("kvfree-timer");
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
				pressure_event(timer, events[i].events);
			else
				alarm_event(timer, events[i].data.fd);
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

static void fd_close(int *fd)
{
	/* Seq_cst: raw calls stop using it before it is closed. */
	int n = __atomic_exchange_n(fd, -1, __ATOMIC_SEQ_CST);

	if (n >= 0)
		close(n);
}

/* Close all; errno is kept. Async-signal-safe. */
static void fds_close(struct kvfree_timer *timer)
{
	int saved = errno;
	unsigned int i;

	fd_close(&timer->epoll);
	for (i = 0; i < KVFREE_ALARMS; i++)
		fd_close(&timer->fd[i]);
	fd_close(&timer->stop);
	fd_close(&timer->pressure);
	errno = saved;
}

/* Make all descriptors in @timer, which no raw call looks at yet. */
static int fds_open(struct kvfree_timer *timer)
{
	unsigned int i;

	timer->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (timer->epoll < 0)
		return -1;
	for (i = 0; i < KVFREE_ALARMS; i++) {
		timer->fd[i] = timerfd_create(CLOCK_MONOTONIC,
				TFD_CLOEXEC | TFD_NONBLOCK);
		if (timer->fd[i] < 0 || watch(timer, timer->fd[i], EPOLLIN))
			return -1;
	}
	timer->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (timer->stop < 0 || watch(timer, timer->stop, EPOLLIN))
		return -1;
	/* A system without it is no worse off than before. */
	if (timer->pressure >= 0 && watch(timer, timer->pressure, EPOLLPRI))
		fd_close(&timer->pressure);
	return 0;
}

/* From here on raw calls arm the timers. */
static void fds_publish(const struct kvfree_timer *opened)
{
	unsigned int i;

	/* Seq_cst: pairs with kvfree_timer_arm(). */
	for (i = 0; i < KVFREE_ALARMS; i++)
		__atomic_store_n(&kvfree_timer.fd[i], opened->fd[i],
				__ATOMIC_SEQ_CST);
}

int kvfree_timer_start(void (*on_alarm)(enum kvfree_alarm alarm),
		void (*on_pressure)(void), int pressure)
{
	struct kvfree_timer *timer = &kvfree_timer, opened = TIMER_INIT;
	int ret;

	opened.pressure = pressure;
	if (fds_open(&opened)) {
		fds_close(&opened);
		return -1;
	}
	timer->epoll = opened.epoll;
	timer->stop = opened.stop;
	timer->pressure = opened.pressure;
	timer->on_alarm = on_alarm;
	timer->on_pressure = on_pressure;
	ret = kvfree_launch(&timer->thread, timer_thread, timer);
	if (ret) {
		timer->epoll = timer->stop = timer->pressure = -1;
		fds_close(&opened);
		errno = ret;
		return -1;
	}
	/* Last: a timer that was armed and then closed would leave its gate
	 * closed for good. */
	fds_publish(&opened);
	return 0;
}

void kvfree_timer_stop(void)
{
	struct kvfree_timer *timer = &kvfree_timer;
	const uint64_t one = 1;

	while (write(timer->stop, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(timer->thread, NULL);
	fds_close(timer);
}

void kvfree_timer_fork_reset(void)
{
	fds_close(&kvfree_timer);
	kvfree_timer.tick_gate.word = 0;
}
