/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREESCALE_BENCH_H
#define KVFREESCALE_BENCH_H

/*
 * bench.h - what the parts of kvfreescale share
 *
 * A run is one reclaimer under one flavor in one scenario, in a fresh process:
 * nothing of an earlier run is left in the allocator or in idle threads. The
 * runner (scripts/bench) interleaves runs and takes medians.
 *
 * options.c	the command line
 * flavor-*.c	the reclaimers, compiled once for each liburcu flavor
 * peers.c	the floors, and ck_epoch, which have no liburcu flavor
 * crew.c	updater and reader threads, start gate, RSS watch
 * scenario-*.c	what is measured
 * emit.c	the results, to the terminal and to CSV files
 * busy.c	busy loops, processes of their own, beside the run
 * machine.c	clock, RSS, CPU time and context switches
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <pthread.h>
#include <semaphore.h>

#include "histogram.h"

struct urcu_kvfree_stats;

#define BENCH_CACHE_LINE	64
#define BENCH_MAX_THREADS	16384

enum bench_exit {
	BENCH_OK = 0,
	BENCH_LOST = 1,		/* queued and freed differ */
	BENCH_USAGE = 2,
	BENCH_FAILED = 3,	/* out of memory, threads or files */
	BENCH_SKIP = 77,	/* not built in, or not on this machine */
};

/* ------------------------------------------------------------------ */
/* options.c								*/

struct bench_options {
	const char *scenario;
	const char *reclaimer;
	const char *flavor;
	int updaters;			/* kfree_nthreads */
	int readers;			/* nreaders */
	bool reader_spins;
	unsigned int section_us;
	size_t alloc_num;		/* kfree_alloc_num: objects per loop */
	size_t size;			/* kfree_alloc_size * kfree_mult */
	unsigned int loops;		/* kfree_loops */
	unsigned int duration_ms;	/* if not 0: instead of loops */
	unsigned int warmup_ms;
	unsigned int settle_ms;
	unsigned int interval_ns;	/* between calls, 0: none */
	unsigned int stall_ms;
	unsigned int busy;		/* busy loops beside the run */
	bool whole;			/* write all of each object */
	unsigned int ck_poll;
	unsigned int max_rss_mb;
	bool pin;
	const char *label;
	unsigned int round;
	const char *csv;
	const char *series_csv;
	const char *histogram_csv;
	bool quiet;
};

extern struct bench_options bench_options;

/* Returns BENCH_OK to go on, or -1 when the program should end with *status. */
int bench_parse_options(int argc, char **argv, int *status);

/* ------------------------------------------------------------------ */
/* Reclaimers								*/

struct bench_thread;

struct bench_reader_ops {
	void (*register_thread)(struct bench_thread *t);
	void (*lock)(struct bench_thread *t);
	void (*unlock)(struct bench_thread *t);
	void (*unregister_thread)(struct bench_thread *t);
};

#define BENCH_IS_KVFREE		0x1	/* has urcu_kvfree_stats */
#define BENCH_KEEPS_OBJECTS	0x2	/* does not free: objects are reused */
#define BENCH_FLOOR		0x4	/* frees nothing later: no barrier */

struct bench_ops {
	const char *name;
	unsigned int flags;
	const struct bench_reader_ops *reader;
	/* Updaters are threads that could read, too: registered, not in a section. */
	void (*register_updater)(void);
	void (*unregister_updater)(void);
	int (*start)(void);			/* 0, or -1 */
	void (*stop)(void);
	int (*thread_begin)(struct bench_thread *t);
	void (*thread_end)(struct bench_thread *t);
	void (*thread_barrier)(struct bench_thread *t);
	void (*barrier)(void);
	int (*stats)(struct urcu_kvfree_stats *stats);	/* kvfree alone */
	void *(*alloc)(size_t size);
	/* Defer what is in objs. Direct calls in a loop of its own. */
	void (*defer)(struct bench_thread *t, void **objs, size_t n);
	void (*defer_one)(struct bench_thread *t, void *obj);
	/* n times: allocate, touch, defer. Returns how many. */
	size_t (*churn)(struct bench_thread *t, size_t n);
};

const struct bench_ops *bench_find_ops(const char *reclaimer,
		const char *flavor);
/* One list per flavor and one of those without; ends with a NULL name. */
extern const struct bench_ops bench_ops_memb[], bench_ops_mb[],
	bench_ops_qsbr[], bench_ops_bp[], bench_ops_peers[], bench_ops_two[];

/* Frees that a call_rcu or ck_epoch callback counted; each has one thread or
 * one record that frees, so that counting costs the peers no atomic. */
extern uint64_t bench_callbacks;

/* ------------------------------------------------------------------ */
/* crew.c								*/

struct bench_crew;
struct ck_epoch_record;
struct lock_page;
struct bench_obj;
struct bench_batch;

struct bench_thread {
	struct bench_crew *crew;
	const struct bench_ops *ops;
	int index;
	bool failed;
	pthread_t id;
	size_t size;
	struct ck_epoch_record *ck;
	struct lock_page *floor;	/* of the reclaimer "lock" */
	struct bench_obj *shared;	/* what the next object replaces */
	struct bench_batch *batch;	/* of the reclaimer "batch" */
	unsigned int ck_calls;		/* since the last poll */
	unsigned int turn;		/* of the reclaimer "kvfree-two" */
	uint64_t done;			/* atomic: objects deferred, measured */
	uint64_t warmed;		/* objects deferred before that */
	uint64_t end_ns;		/* end of the body */
	uint64_t cpu_ns;		/* CPU time of the body */
	void *private;			/* the scenario's */
} __attribute__((aligned(BENCH_CACHE_LINE)));

struct bench_crew {
	const struct bench_ops *ops;
	void (*prepare)(struct bench_thread *t);	/* after warm-up, or NULL */
	void (*body)(struct bench_thread *t);
	void (*at_start)(void);		/* main thread, body begins; or NULL */
	struct bench_thread *threads;
	int updaters;
	int readers;
	bool stop;			/* atomic: updaters end their loops */
	bool readers_stop;		/* atomic */
	bool over_rss;
	unsigned int sample_ms;		/* RSS watch */
	sem_t done;
	pthread_barrier_t gate;
	uint64_t start_ns;
	uint64_t loop_ns;		/* until the last updater's body ended */
	uint64_t total_ns;		/* until everything was freed */
	uint64_t cpu_ns;		/* of the whole process, start to total */
	uint64_t objects;
	size_t rss_start_kb;
	size_t rss_peak_kb;
	size_t rss_half1_kb;		/* peak of the first half of the run */
	size_t rss_half2_kb;		/* and of the second */
	size_t rss_life_kb;		/* peak of the process, warm-up included */
};

/* Runs prepare and body in each updater. Returns BENCH_OK or BENCH_FAILED. */
int crew_run(struct bench_crew *crew);
/* Registers the caller with the reclaimer and, as a reader, with liburcu. */
int bench_thread_begin(struct bench_thread *t);
void bench_thread_end(struct bench_thread *t);
/* The usual body: churn for the loops or the duration asked for. */
void crew_body_churn(struct bench_thread *t);
static inline bool crew_stopped(struct bench_crew *crew)
{
	return __atomic_load_n(&crew->stop, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ */
/* machine.c								*/

uint64_t bench_now(void);
uint64_t bench_thread_cpu(void);
uint64_t bench_process_cpu(void);
size_t bench_rss_kb(void);
/* The most that this process ever had, as the kernel counted; 0 if unknown. */
size_t bench_peak_rss_kb(void);
void bench_sleep_ns(uint64_t ns);
void bench_spin_until(uint64_t ns);
int bench_cpus(void);
void bench_pin(int index);
struct bench_switches {
	uint64_t voluntary;
	uint64_t involuntary;
	unsigned int threads;
};
/* Context switches so far of all threads but the caller and the main one. */
int bench_switches(struct bench_switches *sum);
/* This thread's, from getrusage(). */
void bench_own_switches(uint64_t *voluntary, uint64_t *involuntary);

/* ------------------------------------------------------------------ */
/* busy.c								*/

/* Before any thread exists. Returns 0, or -1 and none runs. */
int bench_busy_start(unsigned int nr);
void bench_busy_stop(void);

/* ------------------------------------------------------------------ */
/* emit.c								*/

int emit_open(void);
int emit_close(void);
void emit(const char *metric, double value);
void emit_sample(uint64_t ns, size_t rss_kb);
void emit_histogram(const struct histogram *h, const char *prefix);
void emit_progress(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* ------------------------------------------------------------------ */
/* Scenarios								*/

struct bench_scenario {
	const char *name;
	int (*run)(const struct bench_ops *ops);
	const char *help;
};

int scenario_scale(const struct bench_ops *ops);
int scenario_flood(const struct bench_ops *ops);
int scenario_call(const struct bench_ops *ops);
int scenario_latency(const struct bench_ops *ops);
int scenario_steady(const struct bench_ops *ops);
int scenario_barrier(const struct bench_ops *ops);
int scenario_barriers(const struct bench_ops *ops);
int scenario_first(const struct bench_ops *ops);
int scenario_idle(const struct bench_ops *ops);
int scenario_footprint(const struct bench_ops *ops);
int scenario_turnover(const struct bench_ops *ops);
int scenario_burst(const struct bench_ops *ops);
int scenario_table(const struct bench_ops *ops);
int scenario_line(const struct bench_ops *ops);

extern const struct bench_scenario bench_scenarios[];

/* stall.c, preloaded for the stalled runs; NULL otherwise. */
extern void bench_stall(int on) __attribute__((weak));
extern unsigned long bench_stalled_calls(void) __attribute__((weak));

#endif /* KVFREESCALE_BENCH_H */
