/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_RUNTIME_H
#define KVFREE_RUNTIME_H

/*
 * runtime.h - the one struct that holds all of the process's state
 *
 * Lock order, outermost first: start_lock, domain.reap_lock, domain.lock,
 * channels.lock, area.lock, records_lock, workqueue.lock, thread.lock (raw).
 */

#include <sched.h>

#include "channel.h"
#include "conf.h"
#include "debug.h"
#include "domain.h"
#include "kvmalloc.h"
#include "timer.h"
#include "workqueue.h"

enum kvfree_state {
	KVFREE_STATE_NEVER,	/* the next call of any kind starts */
	KVFREE_STATE_STOPPED,	/* the next clean call starts: after a failed
				 * start, after exit, in a fork child */
	KVFREE_STATE_RUNNING,
};

struct kvfree_runtime {
	/* Read by every raw call, written at a start alone. */
	struct kvfree_area area;
	struct kvfree_conf conf;	/* atomic, set at a start: kvfree_setting() */
	int state;			/* atomic */
	bool key_made;			/* set by the constructor; if it could
					 * not, by a start */
	pthread_key_t key;
	bool cpus_known;		/* read-only after the constructor */
	cpu_set_t cpus;			/* the same: where the process may run */

	/* Gates and refill. */
	unsigned int tick_gate KVFREE_CACHE_ALIGNED; /* atomic: see timer.h */
	int refill_hold;		/* atomic: 1 during a back-off */
	uint64_t refill_hold_until;	/* atomic: msec */

	struct kvfree_timer timer KVFREE_CACHE_ALIGNED;
	pthread_mutex_t records_lock;	/* while a record is published */
	struct kvfree_work refill;
	struct kvfree_workqueue workqueue;
	pthread_mutex_t start_lock;
	bool forking;			/* atomic, set under start_lock: see fork.c */
	pthread_t forker;		/* atomic, set under start_lock before
					 * forking */
	bool configured;		/* under start_lock: conf was set */
	unsigned int settings_reported;	/* under start_lock: a bit for each bad
					 * value of the environment */
	struct kvfree_channels channels;
	struct kvfree_debug debug;
	struct kvfree_domain domains[KVFREE_MAX_DOMAINS];
};

extern struct kvfree_runtime kvfree_runtime;

/*
 * A setting; 0 before the first start. Relaxed: calls that do not need a start
 * may run beside one, and either value serves them.
 */
#define kvfree_setting(name)						\
	__atomic_load_n(&kvfree_runtime.conf.name, __ATOMIC_RELAXED)

/* Start if need be; the raw form only does what a first call may do. Returns
 * whether the library runs. */
bool kvfree_runtime_start_raw(void);
bool kvfree_runtime_start_clean(void);

/* Acquire: pairs with the release in runtime_start(); what a start wrote is
 * visible to whoever sees it running. */
static inline bool kvfree_runtime_running(void)
{
	return __atomic_load_n(&kvfree_runtime.state, __ATOMIC_ACQUIRE) ==
		KVFREE_STATE_RUNNING;
}

/* Whether a ripe list of so many pages grows faster than one free per call
 * empties it. */
static inline bool kvfree_many_ripe(unsigned int pages)
{
	return pages > 2 * kvfree_setting(kick_pages);
}

/* Ripe objects that are taken in one critical section. */
#define KVFREE_RECLAIM_BULK	8

/* How many of them a call frees. Who queues faster than workers free pays with
 * frees of its own, the more the longer its ripe list: so memory stays bounded. */
static inline unsigned int kvfree_ripe_share(unsigned int pages)
{
	unsigned int nr;

	if (caa_likely(!kvfree_many_ripe(pages)))
		return 1;
	nr = 1 + pages / (2 * kvfree_setting(kick_pages));
	return nr < KVFREE_RECLAIM_BULK ? nr : KVFREE_RECLAIM_BULK;
}

#endif /* KVFREE_RUNTIME_H */
