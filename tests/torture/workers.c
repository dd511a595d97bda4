/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * workers.c - the kinds of threads
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

/* ------------------------------------------------------------------ */
/* What all of them do                                                */

void torture_register(struct worker *self, unsigned int flavor)
{
	if (self->registered[flavor])
		return;
	torture.rcu[flavor]->register_thread();
	self->registered[flavor] = true;
}

void torture_unregister(struct worker *self)
{
	unsigned int i;

	for (i = 0; i < OBJECT_FLAVORS; i++) {
		if (self->registered[i])
			torture.rcu[i]->unregister_thread();
		self->registered[i] = false;
	}
}

void torture_quiescent(struct worker *self)
{
	unsigned int i;

	for (i = 0; i < OBJECT_FLAVORS; i++)
		if (self->registered[i])
			torture.rcu[i]->read_quiescent_state();
}

void torture_sleep(unsigned int usec)
{
	struct timespec ts = {
		.tv_sec = usec / 1000000,
		.tv_nsec = (long) (usec % 1000000) * 1000,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

void torture_nap(struct worker *self, unsigned int usec)
{
	unsigned int i;

	for (i = 0; i < OBJECT_FLAVORS; i++)
		if (self->registered[i])
			torture.rcu[i]->thread_offline();
	torture_sleep(usec);
	for (i = 0; i < OBJECT_FLAVORS; i++)
		if (self->registered[i])
			torture.rcu[i]->thread_online();
}

void torture_worker_begin(struct worker *self)
{
	unsigned int i;

	self->writer = object_writer_get();
	self->handler_writer = object_writer_get();
	memset(self->registered, 0, sizeof(self->registered));
	for (i = 0; i < TORTURE_STASH; i++)
		self->stash[i] = NULL;
	torture_self = self;
	__atomic_store_n(&self->tid, (int) syscall(SYS_gettid),
			__ATOMIC_RELEASE);
}

void torture_worker_end(struct worker *self)
{
	torture_unregister(self);
	__atomic_store_n(&self->tid, 0, __ATOMIC_RELAXED);
	torture_stash_empty(self);
	/* A signal that is on its way finds nothing. */
	torture_self = NULL;
	object_writer_put(self->writer);
	object_writer_put(self->handler_writer);
}

/*
 * Every other quarter of a second nobody asks for a barrier: a barrier takes
 * what is ripe away from its owners, and they are to free some themselves.
 */
bool torture_calm(void)
{
	return kvtest_msec() / 250 % 2;
}

/* ------------------------------------------------------------------ */
/* Readers                                                            */

/* Objects that a reader holds on to. */
struct held {
	const struct object *seen[8];
	unsigned int nr;
};

static void look(struct worker *self, struct held *held, unsigned int flavor)
{
	unsigned int i;

	held->nr = 1 + torture_random(self) % 8;
	for (i = 0; i < held->nr; i++)
		held->seen[i] = __atomic_load_n(&torture.shared[flavor][
			torture_random(self) % TORTURE_SHARED],
			__ATOMIC_ACQUIRE);
}

static void check(const struct held *held)
{
	unsigned int i;

	for (i = 0; i < held->nr; i++)
		if (held->seen[i])
			object_check(held->seen[i]);
}

static void hold_section(struct worker *self)
{
	uint32_t how = torture_random(self) % 1024, i;

	if (how == 0)
		torture_sleep(20000);
	else if (how < 8)
		torture_sleep(1000);
	else if (how < 64)
		for (i = 0; i < 2000; i++)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* What is unlinked in a section is seen there until it ends. */
static void unlink_inside(struct worker *self, unsigned int flavor)
{
	struct object *old = torture_swap(self, NULL, flavor);

	if (!old)
		return;
	torture_defer_raw(old, flavor, self->writer);
	object_check(old);
}

void torture_section(struct worker *self, unsigned int flavor)
{
	struct held held;

	kvtest_read_lock(torture.rcu[flavor]);
	look(self, &held, flavor);
	check(&held);
	hold_section(self);
	check(&held);
	if (torture_chance(self, 16))
		unlink_inside(self, flavor);
	kvtest_read_unlock(torture.rcu[flavor]);
	torture_count(&torture.count.reads);
}

void torture_reader(struct worker *self)
{
	while (!torture_stopping()) {
		torture_park_point(self);
		torture_register(self, 0);
		torture_section(self, 0);
		if (torture_chance(self, 64))
			torture_stash_fill(self);
		if (torture_chance(self, 256))
			torture_nap(self, torture_random(self) % 2000);
		if (torture_chance(self, 2048))
			torture_unregister(self);
	}
}

/* A section of up to --stay milliseconds; it ends early for a standstill, which
 * waits for it. */
static void stay(struct worker *self, unsigned int flavor)
{
	uint64_t end = kvtest_msec() + 1 +
		torture_random(self) % torture.options.stay_msec;
	struct held held;

	kvtest_read_lock(torture.rcu[flavor]);
	look(self, &held, flavor);
	do {
		check(&held);
		torture_sleep(2000);
	} while (kvtest_msec() < end && !torture_parking() &&
		!torture_stopping());
	check(&held);
	kvtest_read_unlock(torture.rcu[flavor]);
	torture_count(&torture.count.stays);
}

void torture_stayer(struct worker *self)
{
	while (!torture_stopping()) {
		uint64_t away = 2 * torture.options.stay_msec, end;
		unsigned int flavor = torture_flavor(self);

		torture_park_point(self);
		torture_register(self, flavor);
		stay(self, flavor);
		torture_unregister(self);
		end = kvtest_msec() + torture_random(self) % (away + 1);
		while (kvtest_msec() < end && !torture_stopping()) {
			torture_park_point(self);
			torture_sleep(2000);
		}
	}
}

/* ------------------------------------------------------------------ */
/* Writers                                                            */

bool torture_write(struct worker *self, unsigned int flavor)
{
	struct object *fresh = torture_object(self), *old;

	if (!fresh)
		return false;
	old = torture_swap(self, fresh, flavor);
	if (old)
		torture_defer(self, old, flavor);
	return true;
}

/* When the table is full the library has to catch up. */
static void write_once(struct worker *self, unsigned int flavor)
{
	if (torture_write(self, flavor))
		return;
	torture_nap(self, 200 + torture_random(self) % 1000);
	urcu_kvfree_rcu_reclaim_flavor(torture.rcu[flavor], 64);
}

static void burst(struct worker *self)
{
	unsigned int i, nr = torture_random(self) % 2000;

	for (i = 0; i < nr; i++) {
		struct object *object = torture_raw_object(self);

		if (!object)
			return;
		torture_defer_raw(object, 0, self->writer);
	}
}

/* What a writer does now and then beside writing. */
static void write_more(struct worker *self, unsigned int flavor)
{
	if (torture_chance(self, 32))
		torture_stash_fill(self);
	if (torture_chance(self, 4096))
		burst(self);
	if (torture_chance(self, 512))
		urcu_kvfree_rcu_reclaim_flavor(torture.rcu[flavor],
				torture_random(self) % 100);
	if (torture_chance(self, 1024))
		torture_nap(self, torture_random(self) % 5000);
}

void torture_writer(struct worker *self)
{
	/* Some writers are readers too: QSBR's have to be taken offline. */
	bool reads = torture_chance(self, 2);

	while (!torture_stopping()) {
		torture_park_point(self);
		if (reads) {
			torture_register(self, 0);
			if (torture_chance(self, 4))
				torture_section(self, 0);
			torture_quiescent(self);
		}
		write_once(self, 0);
		write_more(self, 0);
	}
}

static void write_raw(struct worker *self)
{
	struct object *fresh = torture_raw_object(self), *old;

	if (!fresh) {
		torture_nap(self, 200 + torture_random(self) % 1000);
		return;
	}
	old = torture_swap(self, fresh, 0);
	if (old)
		torture_defer_raw(old, 0, self->writer);
}

/* Never calls the library but by raw calls, inside sections and outside: what it
 * queues is for others to free. */
void torture_raw(struct worker *self)
{
	bool reads = torture_chance(self, 2);

	while (!torture_stopping()) {
		torture_park_point(self);
		if (reads) {
			torture_register(self, 0);
			if (torture_chance(self, 4))
				torture_section(self, 0);
			torture_quiescent(self);
		}
		write_raw(self);
		if (torture_chance(self, 32))
			torture_stash_fill(self);
		if (torture_chance(self, 4096))
			burst(self);
		if (torture_chance(self, 256))
			torture_nap(self, torture_random(self) % 5000);
	}
}

/* A section of the one flavor inside a section of the other. */
static void nested_section(struct worker *self, unsigned int flavor)
{
	kvtest_read_lock(torture.rcu[flavor]);
	torture_section(self, !flavor);
	unlink_inside(self, flavor);
	kvtest_read_unlock(torture.rcu[flavor]);
}

/* Two flavors in turn: what waits for the one must not keep the other's. */
void torture_duo(struct worker *self)
{
	unsigned int flavor = 0;

	while (!torture_stopping()) {
		torture_park_point(self);
		flavor = !flavor;
		torture_register(self, 0);
		torture_register(self, 1);
		if (torture_chance(self, 4))
			torture_section(self, flavor);
		if (torture_chance(self, 32))
			nested_section(self, flavor);
		torture_quiescent(self);
		write_once(self, flavor);
		write_more(self, flavor);
		if (torture_chance(self, 1024))
			torture_unregister(self);
	}
}

/* ------------------------------------------------------------------ */
/* Barriers                                                           */

void torture_barrier_check(const char *who, unsigned int flavor)
{
	struct object_moment moment;
	uint64_t left;

	objects_moment(&moment);
	if (urcu_kvfree_rcu_barrier_flavor(torture.rcu[flavor]))
		object_error("%s: barrier failed, errno %d", who, errno);
	left = objects_left(&moment, flavor);
	if (left)
		object_error("%s: %llu objects queued before a barrier were not freed after it",
			who, (unsigned long long) left);
	torture_count(&torture.count.barriers);
}

void torture_barrier(struct worker *self)
{
	while (!torture_stopping()) {
		unsigned int i, nr = torture_random(self) % 50;

		torture_park_point(self);
		if (torture_chance(self, 2))
			torture_register(self, torture_flavor(self));
		else
			torture_unregister(self);
		for (i = 0; i < nr; i++)
			write_once(self, torture_flavor(self));
		torture_stash_fill(self);
		if (!torture_calm())
			torture_barrier_check("barrier", torture_flavor(self));
		torture_nap(self, torture_random(self) % 20000);
	}
}

/* ------------------------------------------------------------------ */
/* Threads that come and go                                           */

static pthread_key_t late_key;
static pthread_once_t late_once = PTHREAD_ONCE_INIT;

/* Runs at the thread's exit, maybe after the library's own destructor. */
static void queue_late(void *arg)
{
	struct object *object = arg;

	torture_defer_raw(object, 0, OBJECT_ANYBODY);
}

static void late_init(void)
{
	if (pthread_key_create(&late_key, queue_late))
		abort();
}

static void visit_first(struct worker *self, unsigned int flavor)
{
	struct object *object = torture_raw_object(self);

	switch (torture_random(self) % 4) {
	case 0:
		if (urcu_kvfree_register_thread_flavor(torture.rcu[flavor]))
			object_error("register_thread failed, errno %d", errno);
		break;
	case 1:			/* the first call is raw */
		if (object)
			torture_defer_raw(object, flavor, self->writer);
		return;
	default:
		break;
	}
	if (object)
		torture_defer(self, object, flavor);
}

static void *visit(void *arg)
{
	struct worker *self = arg;
	unsigned int i, nr = torture_random(self) % 200;
	unsigned int flavor = torture_flavor(self);
	struct object *object;

	torture_worker_begin(self);
	visit_first(self, flavor);
	torture_stash_fill(self);
	for (i = 0; i < nr; i++)
		write_once(self, flavor);
	if (torture_chance(self, 4)) {
		torture_register(self, flavor);
		torture_section(self, flavor);
	}
	if (!torture_calm() && torture_chance(self, 8))
		torture_barrier_check("a thread about to exit", flavor);
	if (torture_chance(self, 4))
		urcu_kvfree_unregister_thread_flavor(torture.rcu[flavor]);
	object = torture_object(self);
	if (object && pthread_setspecific(late_key, object))
		object_discard(object);
	torture_worker_end(self);
	torture_count(&torture.count.threads);
	return NULL;
}

void torture_churner(struct worker *self)
{
	/* Its slot for signals is in the table of workers, behind ours. */
	struct worker *visitor = self + 1;

	pthread_once(&late_once, late_init);
	while (!torture_stopping()) {
		torture_park_point(self);
		visitor->random = self->random;
		torture_random(self);
		if (pthread_create(&visitor->thread, NULL, visit, visitor)) {
			torture_nap(self, 1000);
			continue;
		}
		pthread_join(visitor->thread, NULL);
		self->random ^= visitor->random;
		if (torture_chance(self, 4))
			torture_nap(self, torture_random(self) % 3000);
	}
}

/* ------------------------------------------------------------------ */
/* The others                                                         */

void torture_shrinker(struct worker *self)
{
	while (!torture_stopping()) {
		torture_park_point(self);
		torture_stash_fill(self);
		if (!torture_calm() && urcu_kvfree_shrink_count()) {
			urcu_kvfree_shrink();
			torture_count(&torture.count.shrinks);
		}
		torture_nap(self, torture_random(self) % 100000);
	}
}

static void own_channel_free(size_t nr, void **ptrs, void *priv)
{
	uint64_t *freed = priv;

	object_free_bulk(nr, ptrs, OBJECT_CHANNEL + TORTURE_CHANNELS);
	__atomic_fetch_add(freed, nr, __ATOMIC_RELEASE);
}

/* Queue up to @nr objects on @channel; how many. */
static unsigned int channel_fill(struct worker *self,
		struct urcu_kvfree_channel *channel, unsigned int flavor,
		unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct object *object = object_new(OBJECT_CHANNEL +
				TORTURE_CHANNELS, 64, torture_random(self));
		uint64_t seq;

		if (!object)
			break;
		seq = object_queue(object, flavor, self->writer);
		urcu_kvfree_rcu_channel_offset_flavor(torture.rcu[flavor],
				object, object_offset(object), channel);
		object_queued(self->writer, seq);
	}
	return i;
}

void torture_channel_once(struct worker *self, unsigned int flavor)
{
	uint64_t queued, freed = 0;
	struct urcu_kvfree_channel *channel;

	channel = urcu_kvfree_channel_create("own", own_channel_free, &freed);
	if (!channel) {
		object_error("channel_create failed, errno %d", errno);
		return;
	}
	queued = channel_fill(self, channel, flavor,
			torture_random(self) % 500);
	if (urcu_kvfree_channel_destroy(channel))
		object_error("channel_destroy failed, errno %d", errno);
	if (__atomic_load_n(&freed, __ATOMIC_ACQUIRE) != queued)
		object_error("channel_destroy left %llu of %llu objects",
			(unsigned long long) (queued - freed),
			(unsigned long long) queued);
}

void torture_channeler(struct worker *self)
{
	while (!torture_stopping()) {
		torture_park_point(self);
		torture_stash_fill(self);
		if (!torture_calm())
			torture_channel_once(self, torture_flavor(self));
		torture_nap(self, torture_random(self) % 30000);
	}
}

void torture_signaller(struct worker *self)
{
	while (!torture_stopping()) {
		struct worker *victim;
		int tid;

		torture_park_point(self);
		victim = &torture.workers[torture_random(self) %
			torture.nr_workers];
		tid = __atomic_load_n(&victim->tid, __ATOMIC_ACQUIRE);
		/* By number, so that a thread that is gone is no harm. */
		if (tid)
			syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		torture_nap(self, torture_random(self) % 500);
	}
}
