/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef TORTURE_H
#define TORTURE_H

/*
 * torture.h - what the files of kvfreetorture share
 *
 *	kvfreetorture.c	the run
 *	options.c	the command line
 *	report.c	progress and the last account
 *	workers.c	the kinds of threads
 *	callers.c	threads that make every clean call
 *	defer.c		ways to queue an object
 *	visits.c	what needs all others to stand still: fork, exit and start
 *	objects.c	the account
 */

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "objects.h"
#include "tsan.h"

/* Pointers that writers replace under readers, per flavor. */
#define TORTURE_SHARED	64
#define TORTURE_CHANNELS 3
/* Objects that a thread keeps ready for its signal handler. */
#define TORTURE_STASH	8
#define TORTURE_WORKERS	400

enum { TORTURE_EXIT_ERRORS = 1, TORTURE_EXIT_USAGE = 2,
	TORTURE_EXIT_SETUP = 3, TORTURE_EXIT_HUNG = 4 };

/* Kinds of threads of which there may be any number. */
enum torture_kind {
	TORTURE_WRITERS,	/* replace objects in every way */
	TORTURE_RAWS,		/* the same, by raw calls only */
	TORTURE_DUOS,		/* the same, on two flavors in turn */
	TORTURE_READERS,	/* short sections */
	TORTURE_STAYERS,	/* long ones */
	TORTURE_CALLERS,	/* every clean call, as online readers */
	TORTURE_BARRIERS,
	TORTURE_CHURNERS,	/* make threads that live for a moment */
	TORTURE_KINDS
};

struct options {
	const char *flavor;
	const char *second;		/* NULL: there is only one flavor */
	unsigned int duration;		/* seconds */
	uint64_t seed;
	unsigned int nr[TORTURE_KINDS];
	unsigned int stay_msec;		/* the longest section */
	bool forks, signals, cycles, shrinks, delays;
	unsigned int slots;
	unsigned int most_size;		/* bytes in an object */
	unsigned int memory_mib;	/* in big objects */
	unsigned int patience;		/* seconds without a free: it hangs */
};

/* What one thread of the program knows about itself. */
struct worker {
	const char *name;
	void (*run)(struct worker *self);
	uint64_t random;
	unsigned int writer;		/* its number in the account */
	unsigned int handler_writer;	/* its signal handler's */
	bool registered[OBJECT_FLAVORS];	/* with the flavor, now */
	struct object *stash[TORTURE_STASH];	/* atomic: for the handler */
	pthread_t thread;
	int tid;			/* atomic; 0: no signals */
};

struct torture {
	struct options options;
	/* By index; the first is the one that --flavor names. They count grace periods. */
	const struct rcu_flavor_struct *rcu[OBJECT_FLAVORS];
	unsigned int nr_flavors;
	int qsbr;			/* the index of that flavor, or -1 */
	bool has_bp;
	struct object *shared[OBJECT_FLAVORS][TORTURE_SHARED];	/* atomic */
	struct urcu_kvfree_channel *channel[TORTURE_CHANNELS];
	struct worker workers[TORTURE_WORKERS];
	unsigned int nr_workers;
	int stop;				/* atomic */
	struct {		/* all atomic, relaxed */
		uint64_t reads, stays, raws, sleeps, tries, refused, channels;
		uint64_t kvs, handlers, barriers, shrinks, threads, cycles;
		uint64_t forks, children, calls;
	} count;
	/* The most that a look at the library's counters found; atomic. */
	uint64_t peak_pending, peak_bytes, peak_oldest_msec;
	/* What the last look found; atomic. */
	uint64_t seen_grace_periods, seen_helped, seen_recycled;
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

/* The index of some flavor of this run. */
unsigned int torture_flavor(struct worker *self);

/* A live object of a random kind and size; NULL when the table is full. */
struct object *torture_object(struct worker *self);
/* The same, made without a call of the library. */
struct object *torture_raw_object(struct worker *self);
/* Queue an object that no new reader can reach: in a raw context, or in a
 * clean one outside of sections. */
void torture_defer_raw(struct object *object, unsigned int flavor,
		unsigned int writer);
void torture_defer(struct worker *self, struct object *object,
		unsigned int flavor);

/* Replace a pointer that readers of @flavor see; what it was before, or NULL. */
struct object *torture_swap(struct worker *self, struct object *object,
		unsigned int flavor);

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
void torture_raw(struct worker *self);
void torture_duo(struct worker *self);
void torture_reader(struct worker *self);
void torture_stayer(struct worker *self);
void torture_barrier(struct worker *self);
void torture_churner(struct worker *self);
void torture_shrinker(struct worker *self);
void torture_channeler(struct worker *self);
void torture_signaller(struct worker *self);

/* Become a reader of a flavor, and cease to be one of any. */
void torture_register(struct worker *self, unsigned int flavor);
void torture_unregister(struct worker *self);
void torture_section(struct worker *self, unsigned int flavor);
/* A quiescent state of the flavors that the thread is registered with. */
void torture_quiescent(struct worker *self);
/* Replace an object in some way; false when there is no room for one more. */
bool torture_write(struct worker *self, unsigned int flavor);
/* Barrier, and what was queued on the flavor before it by anybody must be freed. */
void torture_barrier_check(const char *who, unsigned int flavor);
/* A channel is made, used and destroyed; then all that went in was freed. */
void torture_channel_once(struct worker *self, unsigned int flavor);
/* Nobody is to wait for all that is queued: owners get to free some of it. */
bool torture_calm(void);

/* Start and end of a thread that is a worker; @self is filled in but for
 * what these set. */
void torture_worker_begin(struct worker *self);
void torture_worker_end(struct worker *self);

/* Sleep as a reader may: offline. And as it may not. */
void torture_nap(struct worker *self, unsigned int usec);
void torture_sleep(unsigned int usec);

/* ------------------------------------------------------------------ */
/* callers.c                                                          */

void torture_caller(struct worker *self);

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

/* ------------------------------------------------------------------ */
/* options.c                                                          */

/* Options as the command line says; ends the program for --help and bad usage. */
void torture_options(struct options *o, int argc, char **argv);

/* ------------------------------------------------------------------ */
/* report.c                                                           */

/* To stdout, straight to the descriptor: a child of fork() inherits no full buffer. */
void torture_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A thread that looks at the library's counters now and then. */
void torture_sampler(struct worker *self);
void torture_progress(unsigned int second);
/* Compare the library's account with ours, and say both. */
void torture_report(void);

#endif /* TORTURE_H */
