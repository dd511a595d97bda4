/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef TORTURE_H
#define TORTURE_H

/*
 * torture.h - what the files of kvfreetorture share
 *
 *	kvfreetorture.c	options, the run, the report
 *	workers.c	the kinds of threads
 *	defer.c		ways to queue an object
 *	visits.c	what needs all others to stand still: fork, exit and start
 *	objects.c	the account
 */

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bulk.h"
#include "objects.h"
#include "tsan.h"

/* Pointers that writers replace under readers. */
#define TORTURE_SHARED	64
#define TORTURE_CHANNELS 3
/* Objects that a thread keeps ready for its signal handler. */
#define TORTURE_STASH	8
#define TORTURE_WORKERS	128

struct options {
	const char *flavor;
	unsigned int duration;		/* seconds */
	uint64_t seed;
	unsigned int writers, readers, barriers, churners;
	bool forks, signals, cycles, shrinks, delays;
	unsigned int slots;
};

/* What one thread of the program knows about itself. */
struct worker {
	const char *name;
	void (*run)(struct worker *self);
	uint64_t random;
	unsigned int writer;		/* its number in the account */
	unsigned int handler_writer;	/* its signal handler's */
	bool registered;		/* with the flavor, now */
	struct object *stash[TORTURE_STASH];	/* atomic: for the handler */
	pthread_t thread;
	int tid;			/* atomic; 0: no signals */
};

struct torture {
	struct options options;
	const struct rcu_flavor_struct *rcu;	/* counts grace periods */
	bool is_qsbr, is_bp;
	struct object *shared[TORTURE_SHARED];	/* atomic */
	struct urcu_kvfree_channel *channel[TORTURE_CHANNELS];
	struct worker workers[TORTURE_WORKERS];
	unsigned int nr_workers;
	int stop;				/* atomic */
	struct {		/* all atomic, relaxed */
		uint64_t reads, raws, sleeps, tries, refused, channels, kvs;
		uint64_t handlers, barriers, shrinks, threads, cycles;
		uint64_t forks, children, made, exits;
	} count;
};

extern struct torture torture;

static inline void torture_count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline bool torture_stopping(void)
{
	return __atomic_load_n(&torture.stop, __ATOMIC_ACQUIRE);
}

/* ------------------------------------------------------------------ */
/* defer.c                                                            */

/* The calling thread, NULL on a thread of the library's. */
extern __thread struct worker *torture_self;

uint32_t torture_random(struct worker *self);
/* True once in @n. */
bool torture_chance(struct worker *self, uint32_t n);

/* A live object of a random kind; NULL when the table is full. */
struct object *torture_object(struct worker *self);
/* Queue an object that no new reader can reach: in a raw context, or in a
 * clean one outside of sections. */
void torture_defer_raw(struct object *object, unsigned int writer);
void torture_defer(struct worker *self, struct object *object);

/* Replace a shared pointer; what it was before, or NULL. */
struct object *torture_swap(struct worker *self, struct object *object);

void torture_stash_fill(struct worker *self);
/* Queue what shared pointers and the worker's stash still hold. */
void torture_stash_empty(struct worker *self);
void torture_shared_empty(struct worker *self);
void torture_on_signal(int signo);

/* Let threads wait a moment at the places of src/hooks.h. */
void torture_delays(bool on);

bool torture_channels_create(void);
void torture_channels_destroy(void);

/* ------------------------------------------------------------------ */
/* workers.c                                                          */

/* The kinds of threads. */
void torture_writer(struct worker *self);
void torture_reader(struct worker *self);
void torture_barrier(struct worker *self);
void torture_churner(struct worker *self);
void torture_shrinker(struct worker *self);
void torture_channeler(struct worker *self);
void torture_signaller(struct worker *self);

/* Become and cease to be a reader. */
void torture_register(struct worker *self);
void torture_unregister(struct worker *self);
void torture_section(struct worker *self);
/* Barrier, and what was queued before it by anybody must be freed. */
void torture_barrier_check(const char *who);

/* Start and end of a thread that is a worker; @self is filled in but for
 * what these set. */
void torture_worker_begin(struct worker *self);
void torture_worker_end(struct worker *self);

/* Sleep as a reader may: offline. */
void torture_nap(struct worker *self, unsigned int usec);

/* ------------------------------------------------------------------ */
/* visits.c                                                           */

/* Workers call it between operations: where they stand still when asked. */
void torture_park_point(struct worker *self);
/* A worker counts among those that stand still from its start (1) to its
 * end (-1). */
void torture_park_join(int by);
/* Whether all others stand still, or are to. */
bool torture_parking(void);
/* All other workers stand still, unregistered; they go on. False, and nobody
 * stands still, when the run is over. */
bool torture_park_all(void);
void torture_unpark_all(void);

/* Forks, and exit and start of the library. */
void torture_visitor(struct worker *self);
/* urcu_kvfree_init() with random settings; aborts when it fails. */
void torture_start(struct worker *self);

#endif /* TORTURE_H */
