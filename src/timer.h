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
 *  - kick: armed for now when kick_pages full pages of a record wait. Drains full
 *    pages.
 *  - refill: armed for now when a cache ran empty or a raw call found no blank
 *    record, for the back-off time when the allocator failed.
 * Kick and tick are two timers, and not one whose time is shortened, so that re-arming
 * one can never undo the other.
 *
 * Gates. The gates of tick, kick and blank records keep every call but the first from making
 * the system call. A gate is a counter: even while it is open, odd while it is
 * closed, which says that the timer was armed and that its service is still
 * to come. A request publishes its state, reads the gate, and if it is open arms
 * the timer and *then* closes the gate, by compare-and-exchange from what it
 * read. A service moves the gate to the next even number, then scans the state.
 *
 *  - Reading is a read-modify-write of the word that the service writes, so one
 *    comes first: either the request, and then the scan sees what it published
 *    (release of the one, acquire of the other), or the service, and then
 *    the request finds the gate open and arms the timer. A plain load would lose a wake-up.
 *  - Closing comes last, so that a thread that is stopped anywhere in between
 *    leaves the gate open: others arm the timer themselves. Closed first, one
 *    preempted thread would keep everybody's objects from being freed.
 *  - A service that comes before the closing changes the number, also when it
 *    was even, and the closing fails; a plain flag would be closed for good.
 *  - A request that could not arm the timer leaves the gate as it was, so
 *    that the next request tries.
 *
 * The gate of a record's refill is its own, and closed first: its thread stops
 * nobody but itself. It also says which record asked. It is opened again when
 * arming fails.
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
void kvfree_kick(struct kvfree_domain *domain);
void kvfree_refill_request(int *gate);
void kvfree_blanks_request(struct kvfree_domain *domain);

/* Serve a request: before the state is looked at. */
void kvfree_gate_open(unsigned int *gate);

/* Arm the refill timer for @msec from now (0: at once). False: it failed. */
bool kvfree_refill_timer(unsigned int msec);

#endif /* KVFREE_TIMER_H */
