/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvfreetorture.c - everything at once, and an exact account at the end
 *
 * In the manner of the kernel's rcutorture: writers replace objects in every
 * way that the library knows, readers hold on to them and check them, and
 * meanwhile there are barriers, shrinks, signals, forks, and threads that come and go.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"
#include "tsan.h"

/* What a page of the library that this program is linked with holds. */
#ifdef KVFREE_BULK_RECORDS_OVERRIDE
# define TORTURE_PAGES	"small"
#else
# define TORTURE_PAGES	"full"
#endif

struct torture torture;

/* ------------------------------------------------------------------ */
/* The run                                                            */

static void on_alarm(int signo)
{
	static const char text[] = "\nkvfreetorture: it hangs\n";

	(void) signo;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(TORTURE_EXIT_HUNG);
	_exit(TORTURE_EXIT_HUNG);
}

static void *worker_thread(void *arg)
{
	struct worker *self = arg;

	torture_worker_begin(self);
	self->run(self);
	torture_worker_end(self);
	torture_park_join(-1);
	return NULL;
}

static struct worker *add(const char *name, void (*run)(struct worker *))
{
	struct worker *worker = &torture.workers[torture.nr_workers++];

	worker->name = name;
	worker->run = run;
	worker->random = torture.options.seed * 0x9e3779b97f4a7c15ULL +
		torture.nr_workers;
	return worker;
}

static const struct {
	const char *name;
	void (*run)(struct worker *self);
} kinds[TORTURE_KINDS] = {
	[TORTURE_WRITERS] = { "writer", torture_writer },
	[TORTURE_RAWS] = { "raw writer", torture_raw },
	[TORTURE_DUOS] = { "writer on two flavors", torture_duo },
	[TORTURE_READERS] = { "reader", torture_reader },
	[TORTURE_STAYERS] = { "reader that stays", torture_stayer },
	[TORTURE_CALLERS] = { "caller", torture_caller },
	[TORTURE_BARRIERS] = { "barrier", torture_barrier },
	[TORTURE_CHURNERS] = { "churner", torture_churner },
};

static void add_workers(const struct options *o)
{
	unsigned int kind, i;

	for (kind = 0; kind < TORTURE_KINDS; kind++)
		for (i = 0; i < o->nr[kind]; i++) {
			add(kinds[kind].name, kinds[kind].run);
			if (kind == TORTURE_CHURNERS)
				add("visitor of the churner", NULL);
		}
	add("channels", torture_channeler);
	add("sampler", torture_sampler);
	if (o->shrinks)
		add("shrinker", torture_shrinker);
	if (o->signals)
		add("signaller", torture_signaller);
	if (o->forks || o->cycles)
		add("visitor", torture_visitor);
}

static bool start_workers(void)
{
	unsigned int i;

	for (i = 0; i < torture.nr_workers; i++) {
		struct worker *worker = &torture.workers[i];

		if (!worker->run)
			continue;
		torture_park_join(1);
		if (pthread_create(&worker->thread, NULL, worker_thread,
				worker)) {
			fprintf(stderr, "kvfreetorture: no thread\n");
			return false;
		}
	}
	return true;
}

static void join_workers(void)
{
	unsigned int i;

	__atomic_store_n(&torture.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < torture.nr_workers; i++)
		if (torture.workers[i].run)
			pthread_join(torture.workers[i].thread, NULL);
}

static void watch(unsigned int duration)
{
	uint64_t before = 0;
	unsigned int second;

	for (second = 1; second <= duration; second++) {
		uint64_t freed;

		kvtest_sleep_msec(1000);
		freed = __atomic_load_n(&object_account.freed,
				__ATOMIC_RELAXED);
		if (freed != before)
			alarm(torture.options.patience);
		before = freed;
		torture_progress(second);
	}
}

static bool nothing_outstanding(void *arg)
{
	(void) arg;
	return objects_outstanding() == 0;
}

/* Everybody is gone: the library's threads must free what is left by
 * themselves; then barrier and exit must find nothing to say. */
static void settle(struct worker *self)
{
	uint64_t left;
	unsigned int i;

	alarm(3 * torture.options.patience);
	torture_worker_begin(self);
	torture_shared_empty(self);
	if (!kvtest_wait(nothing_outstanding, NULL,
			torture.options.patience * 500))
		object_error("%" PRIu64 " objects were not freed without a barrier",
			objects_outstanding());
	for (i = 0; i < torture.nr_flavors; i++)
		torture_barrier_check("the end", i);
	torture_channels_destroy();
	torture_worker_end(self);
	urcu_kvfree_exit();
	objects_flush();
	left = objects_outstanding();
	if (left || object_account.queued != object_account.freed)
		object_error("queued %" PRIu64 ", freed %" PRIu64 ", %" PRIu64 " left",
			object_account.queued, object_account.freed, left);
	if (objects_live())
		object_error("%" PRIu64 " objects were never queued",
			objects_live());
	if (objects_kept())
		object_error("%" PRIu64 " objects are kept for threads that are gone",
			objects_kept());
	alarm(0);
}

static int finish(unsigned int fds)
{
	if (!kvtest_threads_become("kvfree-", 0))
		object_error("threads are left");
	if (kvtest_count_fds() != fds)
		object_error("%u descriptors at the start, %u at the end",
			fds, kvtest_count_fds());
	torture_report();
	return object_account.errors ? TORTURE_EXIT_ERRORS : EXIT_SUCCESS;
}

static void add_flavor(const char *name)
{
	unsigned int i = torture.nr_flavors++;

	torture.rcu[i] = objects_flavor(i, kvtest_flavor(name));
	if (!strcmp(name, "qsbr"))
		torture.qsbr = (int) i;
	if (!strcmp(name, "bp"))
		torture.has_bp = true;
}

static void setup(const struct options *o)
{
	struct sigaction usr1 = { .sa_handler = torture_on_signal };
	struct sigaction alrm = { .sa_handler = on_alarm };

	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGALRM, &alrm, NULL);
	objects_init(o->slots, (size_t) o->memory_mib << 20);
	torture.qsbr = -1;
	add_flavor(o->flavor);
	if (o->second)
		add_flavor(o->second);
	add_workers(o);
	torture_say("kvfreetorture: flavor %s, second %s, seed %" PRIu64
		", %u s, %u threads, %s pages\n", o->flavor,
		o->second ? o->second : "none", o->seed, o->duration,
		torture.nr_workers, TORTURE_PAGES);
}

/* ThreadSanitizer does not follow a fork() of threads. An emulator's child hangs if a
 * thread was being created, as churners do all the time. */
static bool can_fork(void)
{
#ifdef KVFREE_TSAN
	return false;
#else
	return !kvtest_is_emulated();
#endif
}

int main(int argc, char **argv)
{
	struct options *o = &torture.options;
	struct worker self = { .name = "main" };
	unsigned int fds;

	torture_options(o, argc, argv);
	if (!can_fork())
		o->forks = false;
	fds = kvtest_count_fds();
	setup(o);
	torture_delays(o->delays);
	self.random = o->seed * 31 + 7;
	torture_start(&self);
	if (!torture_channels_create())
		return TORTURE_EXIT_SETUP;
	alarm(torture.options.patience);
	if (!start_workers())
		return TORTURE_EXIT_SETUP;
	watch(o->duration);
	join_workers();
	settle(&self);
	return finish(fds);
}
