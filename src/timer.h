/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_TIMER_H
#define KVFREE_TIMER_H

/*
 * timer.h - the timer thread: where raw contexts hand over to clean ones
 *
 * A raw call notes what it asks for and when, and arms the timerfd, by system calls that never
 * block and take no lock that the caller could hold. The timer thread wakes, calls the handler that
 * the start gave it, and sleeps again. The handler queues work; it allocates nothing and waits for
 * nothing.
 *
 * There are three alarms:
 *  - tick: in drain_msec, when a page comes into use or something goes to the emergency list.
 *  - kick: at once, when batch_bytes wait for a grace period.
 *  - refill: at once when a cache ran empty or a raw call found no blank record, or after the
 *    back-off time when the allocator failed.
 * One timer serves them all. It only wakes the thread, always a moment after it is armed; the
 * thread, which may read a clock, keeps the times. So no request ever moves a timer that another
 * has set, and one descriptor is enough.
 *
 * Whose descriptors? A program may close all that it does not know, or put its own over them with
 * dup2(). So no descriptor is armed, read or closed here before it was checked to be the library's.
 * All timers have the same inode; ours is recognized by its interval, ten years and a mark, which
 * timerfd_gettime() returns. That makes arming, which is rare, a tenth slower. The pipe and the
 * pressure file have inodes of their own. A descriptor that another thread closes or replaces
 * between the check and the use goes unnoticed.
 *
 * When ours are gone, the thread makes new ones, says so once, and serves all alarms. It learns of
 * it from a pipe that nobody writes to: poll() returns when one of its descriptors is closed, and
 * when the writing end is. A call that finds its timer gone closes the writing end itself, if that
 * is still there, and so does the stop. If the numbers of the reading end or of the armed timer
 * were given to other files and nothing else happened, poll() does not return: so the thread checks
 * all of them every ten seconds.
 */

#include <pthread.h>

#include "gate.h"

enum kvfree_alarm {
	KVFREE_ALARM_TICK,
	KVFREE_ALARM_KICK,
	KVFREE_ALARM_REFILL,
	KVFREE_ALARMS,
};

/* The inode of a file; not for kinds of file that all share one. */
struct kvfree_inode {
	uint64_t dev, ino;	/* atomic */
};

/* Descriptors are above 2, or -1 for none. */
struct kvfree_timer {
	bool open;		/* atomic: alarms may be asked for */
	bool stopping;		/* atomic: the thread is to end */
	int fd;			/* atomic; -1: none */
	/* Atomic: milliseconds from now, plus one, or 0 for none; the last request counts. */
	unsigned int asked[KVFREE_ALARMS];
	/* Timer thread's: when it is due, by kvfree_now_msec(), or 0. */
	uint64_t due[KVFREE_ALARMS];
	int hangup;		/* atomic: the pipe's writing end */
	int listen;		/* timer thread's once started: the reading end */
	int pressure;		/* timer thread's once started */
	struct kvfree_inode pipe, pressure_file;
	void (*on_alarm)(enum kvfree_alarm alarm);	/* read-only then */
	void (*on_pressure)(void);			/* the same */
	struct kvfree_gate tick_gate;
	pthread_t thread;
};

extern struct kvfree_timer kvfree_timer;

#ifdef KVFREE_CHECK
/* How often the idle thread checks its descriptors, instead of every ten seconds. */
extern unsigned int kvfree_check_look_msec;
#endif

/* Make the descriptors, then the thread; 0, or -1 with errno and nothing left. Nothing can
 * be asked for yet. */
int kvfree_timer_start(void (*on_alarm)(enum kvfree_alarm alarm), void (*on_pressure)(void));
/* From here on alarms may be asked for. */
void kvfree_timer_open(void);
void kvfree_timer_stop(void);
/* In the child of a fork: close what was inherited. Async-signal-safe. */
void kvfree_timer_fork_reset(void);

/* Ask for @alarm in @msec milliseconds, less than UINT_MAX, or 0 for at once. False: it
 * failed. Raw-safe, may change errno. */
bool kvfree_timer_arm(enum kvfree_alarm alarm, unsigned int msec);
/* The same behind @gate. False: the gate was closed, or arming failed. */
bool kvfree_timer_request(enum kvfree_alarm alarm, unsigned int msec, struct kvfree_gate *gate);

/* Ask for a tick within drain_msec. Raw-safe, may change errno. */
void kvfree_tick_arm(void);

#endif /* KVFREE_TIMER_H */
