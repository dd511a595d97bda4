/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_TIMER_H
#define KVFREE_TIMER_H

/*
 * timer.h - the timer thread: where raw contexts hand over to clean ones
 *
 * A raw call arms a timerfd; that is one system call which never blocks and
 * takes no lock that the caller could hold. The timer thread wakes, puts a work item
 * on the worker pool and sleeps again. It allocates nothing and waits
 * for no grace period.
 *
 * Three timers:
 *  - tick: armed for drain_msec when a page comes into use or something goes
 *    to the emergency list. Drains everything, partial pages too.
 *  - kick: armed for now when kick_pages full pages wait. Drains full pages.
 *  - refill: armed for now when a cache ran empty, for the back-off time when
 *    the allocator failed.
 * Kick and tick are two timers, and not one whose time is shortened, so that re-arming
 * one can never undo the other.
 *
 * Gates. A request is made by publishing the state, then setting the gate with
 * an exchange, then arming the timer if the gate was open. It is served by
 * opening the gate with an exchange, then scanning the state. Both exchanges are on the
 * same word, so one comes first: either the request's, and then the scan sees the
 * published state (release of the one, acquire of the other), or the
 * server's, and then the request finds the gate open and arms the timer.
 * A plain store in either place would lose a wake-up. When arming fails the gate
 * is opened again, so that the next request tries.
 */

#include <pthread.h>

#include "common.h"

struct kvfree_timer {
	int epoll;		/* timer thread alone once started */
	int tick;		/* atomic; -1 while not running */
	int kick;		/* atomic; -1 while not running */
	int refill;		/* atomic; -1 while not running */
	int stop;		/* eventfd; -1 while not running */
	int pressure;		/* timer thread alone once started; or -1 */
	pthread_t thread;
};

#define KVFREE_TIMER_INIT \
	{ .epoll = -1, .tick = -1, .kick = -1, .refill = -1, .stop = -1, \
	  .pressure = -1 }

/* Descriptors, then the thread; 0, or -1 with errno and nothing left. */
int kvfree_timer_start(struct kvfree_timer *timer);
void kvfree_timer_stop(struct kvfree_timer *timer);
/* In the child of a fork: close what was inherited. Async-signal-safe. */
void kvfree_timer_reset(struct kvfree_timer *timer);

struct kvfree_domain;

/* Requests; raw-safe, may change errno. Each publishes with its gate. */
void kvfree_tick_arm(void);
/* At a start: arm the tick whatever its gate says. A call that found no timer
 * yet may be about to open the gate, and others trusted it meanwhile. */
void kvfree_tick_start(void);
void kvfree_kick(struct kvfree_domain *domain);
void kvfree_refill_request(int *gate);

/* Arm the refill timer for @msec from now (0: at once). False: it failed. */
bool kvfree_refill_timer(unsigned int msec);

#endif /* KVFREE_TIMER_H */
