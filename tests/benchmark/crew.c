/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * crew.c - the threads of a run
 *
 * Updaters warm up, and what they deferred is freed before the clock starts: the
 * measured part begins with hot caches, recycled pages and nothing pending. It
 * ends when everything is freed, so that no reclaimer gains by leaving its work
 * for later; loop_ns, until the last updater is through its loop, is kept too.
 *
 * The main thread samples the RSS while it waits. When the process grows beyond
 * max_rss_mb, the updaters are told to stop, and the result says so.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

/* Objects between two looks at the clock. */
#define CHUNK	64

static void barrier_wait(pthread_barrier_t *barrier)
{
	int ret = pthread_barrier_wait(barrier);

	if (ret && ret != PTHREAD_BARRIER_SERIAL_THREAD)
		abort();
}

static void add_done(struct bench_thread *t, size_t n)
{
	__atomic_store_n(&t->done, t->done + n, __ATOMIC_RELAXED);
}

void crew_body_churn(struct bench_thread *t)
{
	const struct bench_options *o = &bench_options;
	uint64_t wanted = (uint64_t) o->loops * o->alloc_num;
	uint64_t end = 0;

	if (o->duration_ms)
		end = t->crew->start_ns + (uint64_t) o->duration_ms * 1000000u;
	while (!crew_stopped(t->crew)) {
		size_t n = CHUNK;

		if (end ? bench_now() >= end : t->done >= wanted)
			return;
		if (!end && wanted - t->done < n)
			n = wanted - t->done;
		if (t->ops->churn(t, n) != n) {
			t->failed = true;
			return;
		}
		add_done(t, n);
	}
}

static void warm_up(struct bench_thread *t)
{
	uint64_t end = bench_now() +
		(uint64_t) bench_options.warmup_ms * 1000000u;
	void *obj;

	while (bench_now() < end) {
		/* Those that keep their objects have nothing to warm here. */
		if (t->ops->flags & BENCH_KEEPS_OBJECTS) {
			obj = t->ops->alloc(t->size);
			free(obj);
			continue;
		}
		t->warmed += t->ops->churn(t, CHUNK);
	}
}

static void thread_barrier(struct bench_thread *t)
{
	if (t->ops->thread_barrier)
		t->ops->thread_barrier(t);
}

static void run_body(struct bench_thread *t)
{
	uint64_t cpu = bench_thread_cpu();

	t->crew->body(t);
	t->end_ns = bench_now();
	t->cpu_ns = bench_thread_cpu() - cpu;
	thread_barrier(t);
}

int bench_thread_begin(struct bench_thread *t)
{
	if (t->ops->register_updater)
		t->ops->register_updater();
	return t->ops->thread_begin ? t->ops->thread_begin(t) : 0;
}

void bench_thread_end(struct bench_thread *t)
{
	if (t->ops->thread_end)
		t->ops->thread_end(t);
	if (t->ops->unregister_updater)
		t->ops->unregister_updater();
}

static void *updater(void *arg)
{
	struct bench_thread *t = arg;
	struct bench_crew *crew = t->crew;

	if (bench_options.pin)
		bench_pin(t->index);
	t->failed = bench_thread_begin(t);
	if (!t->failed) {
		warm_up(t);
		if (crew->prepare)
			crew->prepare(t);
		thread_barrier(t);
	}
	barrier_wait(&crew->gate);	/* all are warm */
	barrier_wait(&crew->gate);	/* all that was deferred is freed */
	if (!t->failed)
		run_body(t);
	if (sem_post(&crew->done))
		abort();
	barrier_wait(&crew->gate);	/* the end was taken down */
	bench_thread_end(t);
	return NULL;
}

static void *reader(void *arg)
{
	struct bench_thread *t = arg;
	uint64_t section = (uint64_t) bench_options.section_us * 1000;

	t->ops->reader->register_thread(t);
	while (!__atomic_load_n(&t->crew->readers_stop, __ATOMIC_RELAXED)) {
		t->ops->reader->lock(t);
		if (bench_options.reader_spins)
			bench_spin_until(bench_now() + section);
		else
			bench_sleep_ns(section);
		t->ops->reader->unlock(t);
	}
	t->ops->reader->unregister_thread(t);
	return NULL;
}

static uint64_t crew_done(const struct bench_crew *crew)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < crew->updaters; i++)
		sum += __atomic_load_n(&crew->threads[i].done,
				__ATOMIC_RELAXED);
	return sum;
}

static void watch_rss(struct bench_crew *crew)
{
	uint64_t ns = bench_now() - crew->start_ns;
	uint64_t half = (uint64_t) bench_options.duration_ms * 500000u;
	size_t kb = bench_rss_kb();

	if (kb > crew->rss_peak_kb)
		crew->rss_peak_kb = kb;
	if (ns <= half && kb > crew->rss_half1_kb)
		crew->rss_half1_kb = kb;
	if (ns > half && kb > crew->rss_half2_kb)
		crew->rss_half2_kb = kb;
	if (kb / 1024 > bench_options.max_rss_mb && !crew->over_rss) {
		crew->over_rss = true;
		__atomic_store_n(&crew->stop, true, __ATOMIC_RELAXED);
	}
	emit_sample(ns, kb);
}

/* Waits for one post of done, and watches until it comes. */
static void wait_one(struct bench_crew *crew, uint64_t *next_progress)
{
	struct timespec until;
	int ret;

	for (;;) {
		if (clock_gettime(CLOCK_REALTIME, &until))
			abort();
		until.tv_nsec += (long) crew->sample_ms * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		ret = sem_timedwait(&crew->done, &until);
		if (ret && errno != ETIMEDOUT && errno != EINTR)
			abort();
		watch_rss(crew);
		if (ret == 0)
			return;
		if (bench_now() >= *next_progress) {
			*next_progress = bench_now() + 500000000;
			emit_progress("%.1f M objects, RSS %zu MB",
				(double) crew_done(crew) / 1e6,
				bench_rss_kb() / 1024);
		}
	}
}

static void global_barrier(const struct bench_ops *ops)
{
	if (ops->barrier)
		ops->barrier();
}

static void measure(struct bench_crew *crew)
{
	uint64_t next_progress;
	int i;

	barrier_wait(&crew->gate);
	global_barrier(crew->ops);
	crew->rss_start_kb = crew->rss_peak_kb = bench_rss_kb();
	crew->cpu_ns = bench_process_cpu();
	crew->start_ns = bench_now();
	next_progress = crew->start_ns + 500000000;
	if (crew->at_start)
		crew->at_start();
	barrier_wait(&crew->gate);
	for (i = 0; i < crew->updaters; i++)
		wait_one(crew, &next_progress);
	global_barrier(crew->ops);
	crew->total_ns = bench_now() - crew->start_ns;
	crew->cpu_ns = bench_process_cpu() - crew->cpu_ns;
	watch_rss(crew);
	crew->rss_life_kb = bench_peak_rss_kb();
	crew->objects = crew_done(crew);
	for (i = 0; i < crew->updaters; i++)
		if (crew->threads[i].end_ns - crew->start_ns > crew->loop_ns)
			crew->loop_ns = crew->threads[i].end_ns -
				crew->start_ns;
	__atomic_store_n(&crew->readers_stop, true, __ATOMIC_RELAXED);
	barrier_wait(&crew->gate);
}

static int start_threads(struct bench_crew *crew)
{
	int n = crew->updaters + crew->readers, i, ret;
	pthread_attr_t attr;

	ret = pthread_attr_init(&attr);
	if (!ret)
		ret = pthread_attr_setstacksize(&attr, 256 * 1024);
	for (i = 0; !ret && i < n; i++) {
		struct bench_thread *t = &crew->threads[i];

		t->crew = crew;
		t->ops = crew->ops;
		t->index = i;
		t->size = bench_options.size;
		ret = pthread_create(&t->id, &attr,
				i < crew->updaters ? updater : reader, t);
	}
	if (ret) {
		/* The others wait at the gate for good. */
		fprintf(stderr, "kvfreescale: thread %d of %d: %s\n", i, n,
			strerror(ret));
		exit(BENCH_FAILED);
	}
	(void) pthread_attr_destroy(&attr);
	return n;
}

int crew_run(struct bench_crew *crew)
{
	int n, i, status = BENCH_OK;

	crew->updaters = bench_options.updaters;
	crew->readers = bench_options.readers;
	if (!crew->sample_ms)
		crew->sample_ms = 100;
	n = crew->updaters + crew->readers;
	if (posix_memalign((void **) &crew->threads, BENCH_CACHE_LINE,
			(size_t) n * sizeof(*crew->threads)))
		return BENCH_FAILED;
	memset(crew->threads, 0, (size_t) n * sizeof(*crew->threads));
	if (sem_init(&crew->done, 0, 0) || pthread_barrier_init(&crew->gate,
			NULL, (unsigned int) crew->updaters + 1))
		return BENCH_FAILED;
	start_threads(crew);
	measure(crew);
	for (i = 0; i < n; i++)
		if (pthread_join(crew->threads[i].id, NULL))
			abort();
	for (i = 0; i < crew->updaters; i++)
		if (crew->threads[i].failed)
			status = BENCH_FAILED;
	if (status)
		fprintf(stderr, "kvfreescale: an updater failed\n");
	(void) pthread_barrier_destroy(&crew->gate);
	(void) sem_destroy(&crew->done);
	return status;
}
