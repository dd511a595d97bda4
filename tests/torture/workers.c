/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * workers.c - the kinds of threads
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

/* ------------------------------------------------------------------ */
/* What all of them do                                                */

void torture_register(struct worker *self)
{
	if (self->registered)
		return;
	torture.rcu->register_thread();
	self->registered = true;
}

void torture_unregister(struct worker *self)
{
	if (!self->registered)
		return;
	torture.rcu->unregister_thread();
	self->registered = false;
}

static void sleep_usec(unsigned int usec)
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
	if (self->registered)
		torture.rcu->thread_offline();
	sleep_usec(usec);
	if (self->registered)
		torture.rcu->thread_online();
}

void torture_worker_begin(struct worker *self)
{
	unsigned int i;

	self->writer = object_writer_get();
	self->handler_writer = object_writer_get();
	self->registered = false;
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
static bool calm(void)
{
	return kvtest_msec() / 250 % 2;
}

/* ------------------------------------------------------------------ */
/* Readers                                                            */

static void hold_section(struct worker *self)
{
	uint32_t how = torture_random(self) % 1024, i;

	if (how == 0)
		sleep_usec(20000);
	else if (how < 8)
		sleep_usec(1000);
	else if (how < 64)
		for (i = 0; i < 2000; i++)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void torture_section(struct worker *self)
{
	const struct object *seen[8];
	unsigned int i, nr = 1 + torture_random(self) % 8;

	kvtest_read_lock(torture.rcu);
	for (i = 0; i < nr; i++) {
		seen[i] = __atomic_load_n(&torture.shared[
			torture_random(self) % TORTURE_SHARED],
			__ATOMIC_ACQUIRE);
		if (seen[i])
			object_check(seen[i]);
	}
	hold_section(self);
	for (i = 0; i < nr; i++)
		if (seen[i])
			object_check(seen[i]);
	/* What is unlinked here is seen here until the section ends. */
	if (torture_chance(self, 16)) {
		struct object *old = torture_swap(self, NULL);

		if (old) {
			torture_defer_raw(old, self->writer);
			object_check(old);
		}
	}
	kvtest_read_unlock(torture.rcu);
	torture_count(&torture.count.reads);
}

void torture_reader(struct worker *self)
{
	while (!torture_stopping()) {
		torture_park_point(self);
		torture_register(self);
		torture_section(self);
		if (torture_chance(self, 64))
			torture_stash_fill(self);
		if (torture_chance(self, 256))
			torture_nap(self, torture_random(self) % 2000);
		if (torture_chance(self, 2048))
			torture_unregister(self);
	}
}

/* ------------------------------------------------------------------ */
/* Writers                                                            */

static void write_once(struct worker *self)
{
	struct object *fresh = torture_object(self), *old;

	if (!fresh) {
		/* The table is full: let the library catch up. */
		torture_nap(self, 200);
		urcu_kvfree_rcu_reclaim_flavor(torture.rcu, 64);
		return;
	}
	old = torture_swap(self, fresh);
	if (old)
		torture_defer(self, old);
}

static void burst(struct worker *self)
{
	unsigned int i, nr = torture_random(self) % 2000;

	for (i = 0; i < nr; i++) {
		struct object *object = torture_object(self);

		if (!object)
			return;
		torture_defer_raw(object, self->writer);
	}
}

void torture_writer(struct worker *self)
{
	/* Some writers are readers too: QSBR's have to be taken offline. */
	bool reads = torture_chance(self, 2);

	while (!torture_stopping()) {
		torture_park_point(self);
		if (reads) {
			torture_register(self);
			if (torture_chance(self, 4))
				torture_section(self);
			torture.rcu->read_quiescent_state();
		}
		write_once(self);
		if (torture_chance(self, 32))
			torture_stash_fill(self);
		if (torture_chance(self, 4096))
			burst(self);
		if (torture_chance(self, 512))
			urcu_kvfree_rcu_reclaim_flavor(torture.rcu,
					torture_random(self) % 100);
		if (torture_chance(self, 1024))
			torture_nap(self, torture_random(self) % 5000);
	}
}

/* ------------------------------------------------------------------ */
/* Barriers                                                           */

void torture_barrier_check(const char *who)
{
	struct object_moment moment;
	uint64_t left;

	objects_moment(&moment);
	if (urcu_kvfree_rcu_barrier_flavor(torture.rcu))
		object_error("%s: barrier failed, errno %d", who, errno);
	left = objects_left(&moment);
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
			torture_register(self);
		else
			torture_unregister(self);
		for (i = 0; i < nr; i++)
			write_once(self);
		torture_stash_fill(self);
		if (!calm())
			torture_barrier_check("barrier");
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

	torture_defer_raw(object, OBJECT_ANYBODY);
}

static void late_init(void)
{
	if (pthread_key_create(&late_key, queue_late))
		abort();
}

static void visit_first(struct worker *self)
{
	struct object *object = torture_object(self);

	switch (torture_random(self) % 4) {
	case 0:
		if (urcu_kvfree_register_thread_flavor(torture.rcu))
			object_error("register_thread failed, errno %d", errno);
		break;
	case 1:			/* the first call is raw */
		if (object)
			torture_defer_raw(object, self->writer);
		return;
	default:
		break;
	}
	if (object)
		torture_defer(self, object);
}

static void *visit(void *arg)
{
	struct worker *self = arg;
	unsigned int i, nr = torture_random(self) % 200;
	struct object *object;

	torture_worker_begin(self);
	visit_first(self);
	torture_stash_fill(self);
	for (i = 0; i < nr; i++)
		write_once(self);
	if (torture_chance(self, 4)) {
		torture_register(self);
		torture_section(self);
	}
	if (!calm() && torture_chance(self, 8))
		torture_barrier_check("a thread about to exit");
	if (torture_chance(self, 4))
		urcu_kvfree_unregister_thread_flavor(torture.rcu);
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
		if (!calm() && urcu_kvfree_shrink_count()) {
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

/* A channel is made, used and destroyed; then all that went in was freed. */
static void channel_once(struct worker *self)
{
	uint64_t queued = 0, freed = 0;
	struct urcu_kvfree_channel *channel;
	unsigned int nr = torture_random(self) % 500;

	channel = urcu_kvfree_channel_create("own", own_channel_free, &freed);
	if (!channel) {
		object_error("channel_create failed, errno %d", errno);
		return;
	}
	while (nr--) {
		struct object *object = object_new(OBJECT_CHANNEL +
				TORTURE_CHANNELS, 64, torture_random(self));
		uint64_t seq;

		if (!object)
			break;
		seq = object_queue(object, self->writer);
		urcu_kvfree_rcu_channel_offset_flavor(torture.rcu, object,
				object->offset, channel);
		object_queued(self->writer, seq);
		queued++;
	}
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
		if (!calm())
			channel_once(self);
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
