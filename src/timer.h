/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_TIMER_H
#define KVFREE_TIMER_H

/*
 * timer.h - the timer thread: where raw contexts hand over to clean ones
 *
 * A raw call arms a timerfd; that is one system call which never blocks and
 * takes no lock that the caller could hold. The timer thread wakes, calls the handler
 * that the start gave it, and sleeps again. The handler queues work; it allocates
 * nothing and waits for nothing.
 *
 * Three timers:
 *  - tick: armed for drain_msec when a page comes into use or something goes
 *    to the emergency list.
 *  - kick: armed for now when batch_bytes wait for a grace period.
 *  - refill: armed for now when a cache ran empty or a raw call found no blank
 *    record, for the back-off time when the allocator failed.
 * Kick and tick are two timers, and not one whose time is shortened, so that re-arming
 * one can never undo the other.
 *
 * Gates (gate.h) keep all calls but the first from making the system call.
 */

#include <pthread.h>

#include "gate.h"

enum kvfree_alarm {
	KVFREE_ALARM_TICK,
	KVFREE_ALARM_KICK,
	KVFREE_ALARM_REFILL,
	KVFREE_ALARMS,
};

struct kvfree_timer {
	int fd[KVFREE_ALARMS];	/* atomic; -1 while not running */
	int epoll;		/* timer thread's once started */
	int stop;		/* eventfd; -1 while not running */
	int pressure;		/* timer thread's once started; or -1 */
	void (*on_alarm)(enum kvfree_alarm alarm);	/* read-only then */
	void (*on_pressure)(void);			/* the same */
	struct kvfree_gate tick_gate;
	pthread_t thread;
};

extern struct kvfree_timer kvfree_timer;

/*
 * Descriptors, then the thread; 0, or -1 with errno and nothing left. @pressure: a
 * descriptor that signals EPOLLPRI, which the timer closes, or -1.
 */
int kvfree_timer_start(void (*on_alarm)(enum kvfree_alarm alarm),
		void (*on_pressure)(void), int pressure);
void kvfree_timer_stop(void);
/* In the child of a fork: close what was inherited. Async-signal-safe. */
void kvfree_timer_fork_reset(void);

/* Arm @alarm for @msec from now, 0 for at once. False: it failed. Raw-safe, may
 * change errno. */
bool kvfree_timer_arm(enum kvfree_alarm alarm, unsigned int msec);
/* The same behind @gate. False: the gate was closed, or arming failed. */
bool kvfree_timer_request(enum kvfree_alarm alarm, unsigned int msec,
		struct kvfree_gate *gate);

/* Ask for a tick within drain_msec. Raw-safe, may change errno. */
void kvfree_tick_arm(void);

#endif /* KVFREE_TIMER_H */
