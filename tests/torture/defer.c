/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * defer.c - ways to queue an object
 */

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <time.h>

#include "hooks.h"
#include "torture.h"

/* Any value that no call sets. */
#define ERRNO_KEPT	4242

__thread struct worker *torture_self;

uint32_t torture_random(struct worker *self)
{
	/* xorshift64* */
	self->random ^= self->random >> 12;
	self->random ^= self->random << 25;
	self->random ^= self->random >> 27;
	return (uint32_t) ((self->random * 0x2545f4914f6cdd1dULL) >> 32);
}

bool torture_chance(struct worker *self, uint32_t n)
{
	return torture_random(self) % n == 0;
}

unsigned int torture_flavor(struct worker *self)
{
	return torture_random(self) % torture.nr_flavors;
}

/* Most are small; one in some hundred is among the largest. */
static size_t random_size(struct worker *self)
{
	uint32_t how = torture_random(self);
	unsigned int doublings = how % 5;	/* 16 to 511 bytes */
	size_t size;

	if (how / 8 % 8 == 0)
		doublings = 5 + how / 64 % 4;	/* to 8 KB */
	if (how / 8 % 128 == 1)
		doublings = 9 + how / 1024 % 6;	/* to 256 KB and a bit */
	size = (size_t) OBJECT_LEAST << doublings;
	size += torture_random(self) % size;
	return size < torture.options.most_size ? size :
		torture.options.most_size;
}

/* Small ones when there is no room for more that are big. */
static struct object *object_for(struct worker *self, unsigned int kind)
{
	size_t size = random_size(self);
	uint32_t how = torture_random(self);
	struct object *object = object_new(kind, size, how);

	if (!object && size > OBJECT_BIG)
		object = object_new(kind, OBJECT_LEAST + how % 64, how);
	return object;
}

struct object *torture_raw_object(struct worker *self)
{
	uint32_t how = torture_random(self);

	return object_for(self, how % 8 ? OBJECT_MALLOC :
		OBJECT_CHANNEL + how / 8 % TORTURE_CHANNELS);
}

struct object *torture_object(struct worker *self)
{
	return torture_chance(self, 4) ? object_for(self, OBJECT_KV) :
		torture_raw_object(self);
}

/* ------------------------------------------------------------------ */
/* Delays                                                             */

/* One visit in how many waits; 0: the place comes often. */
static const uint32_t odds[] = {
	[KVFREE_HOOK_CLAIM] = 2,
	[KVFREE_HOOK_CLAIMING] = 2,
	[KVFREE_HOOK_GRACE_PERIOD_BEGIN] = 4,
	[KVFREE_HOOK_GRACE_PERIOD_OVER] = 4,
	[KVFREE_HOOK_REFILL] = 4,
	[KVFREE_HOOK_VICTIM] = 1024,
	[KVFREE_HOOK_PIECE] = 16,
	[KVFREE_HOOK_EMERGENCY_LINKED] = 1024,
	[KVFREE_HOOK_TIMER] = 16,
};

/*
 * At the places of src/hooks.h, now and then: what has to happen between two
 * instructions of somebody else's then happens. Runs in any context.
 */
static void delay(enum kvfree_hook_place place)
{
	static __thread uint32_t state;
	struct timespec nap = { .tv_nsec = 100000 };
	uint32_t odd = place < sizeof(odds) / sizeof(odds[0]) ?
		odds[place] : 0;
	int saved = errno;

	/* A barrier that does not wait for it must be over before. */
	if (place == KVFREE_HOOK_VICTIM)
		nap.tv_nsec = 20000000;
	if (!state)
		state = (uint32_t) (uintptr_t) &state | 1;
	state = state * 1664525 + 1013904223;
	if ((state >> 8) % (odd ? odd : 8192) == 0)
		nanosleep(&nap, NULL);
	else if ((state >> 8) % 1024 == 1)
		sched_yield();
	errno = saved;
}

void torture_delays(bool on)
{
	__atomic_store_n(&kvfree_check_hook, on ? delay : NULL,
			__ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ */
/* The calls                                                          */

void torture_defer_raw(struct object *object, unsigned int flavor,
		unsigned int writer)
{
	const struct rcu_flavor_struct *rcu = torture.rcu[flavor];
	unsigned int kind = object_kind(object);
	size_t offset = object_offset(object);
	uint64_t seq = object_queue(object, flavor, writer);
	int saved = errno;

	errno = ERRNO_KEPT;
	if (kind >= OBJECT_CHANNEL)
		urcu_kvfree_rcu_channel_offset_flavor(rcu, object, offset,
			torture.channel[kind - OBJECT_CHANNEL]);
	else
		urcu_kvfree_rcu_offset_flavor(rcu, object, offset);
	if (errno != ERRNO_KEPT)
		object_error("a raw call changed errno to %d", errno);
	errno = saved;
	object_queued(writer, seq);
	torture_count(kind >= OBJECT_CHANNEL ? &torture.count.channels :
			kind == OBJECT_KV ? &torture.count.kvs :
			&torture.count.raws);
}

static bool defer_try(struct object *object, unsigned int flavor,
		unsigned int writer)
{
	uint64_t seq = object_queue(object, flavor, writer);

	if (urcu_kvfree_rcu_try_flavor(torture.rcu[flavor], object)) {
		object_queued(writer, seq);
		torture_count(&torture.count.tries);
		return true;
	}
	object_unqueue(object, writer, seq);
	torture_count(&torture.count.refused);
	return false;
}

static void defer_mightsleep(struct object *object, unsigned int flavor,
		unsigned int writer)
{
	uint64_t seq = object_queue(object, flavor, writer);

	urcu_kvfree_rcu_mightsleep_flavor(torture.rcu[flavor], object);
	object_queued(writer, seq);
	torture_count(&torture.count.sleeps);
}

void torture_defer(struct worker *self, struct object *object,
		unsigned int flavor)
{
	uint32_t how = torture_random(self) % 8;

	if (object_kind(object) < OBJECT_CHANNEL) {
		if (how < 3) {
			defer_mightsleep(object, flavor, self->writer);
			return;
		}
		if (how == 3 && defer_try(object, flavor, self->writer))
			return;
	}
	torture_defer_raw(object, flavor, self->writer);
}

struct object *torture_swap(struct worker *self, struct object *object,
		unsigned int flavor)
{
	struct object **place = &torture.shared[flavor][
		torture_random(self) % TORTURE_SHARED];

	/* Release for the readers of the one, acquire for us of the other. */
	return __atomic_exchange_n(place, object, __ATOMIC_ACQ_REL);
}

/* ------------------------------------------------------------------ */
/* Signals                                                            */

/* Small, and no memory of the library's: any thread may make one. */
static struct object *stash_object(struct worker *self)
{
	uint32_t how = torture_random(self);

	return object_new(how % 4 ? OBJECT_MALLOC :
			OBJECT_CHANNEL + how / 4 % TORTURE_CHANNELS,
		OBJECT_LEAST + how / 16 % 512, how >> 8);
}

void torture_stash_fill(struct worker *self)
{
	unsigned int i;

	for (i = 0; i < TORTURE_STASH; i++) {
		struct object *object;

		if (__atomic_load_n(&self->stash[i], __ATOMIC_RELAXED))
			continue;
		object = stash_object(self);
		/* The handler may take it from here on; only it does. */
		__atomic_store_n(&self->stash[i], object, __ATOMIC_RELEASE);
	}
}

static struct object *stash_take(struct worker *self, unsigned int i)
{
	return __atomic_exchange_n(&self->stash[i], NULL, __ATOMIC_ACQUIRE);
}

void torture_on_signal(int signo)
{
	struct worker *self = torture_self;
	unsigned int i;

	(void) signo;
	if (!self)
		return;
	torture_count(&torture.count.handlers);
	for (i = 0; i < TORTURE_STASH; i++) {
		struct object *object = stash_take(self, i);

		if (object)
			torture_defer_raw(object, i % torture.nr_flavors,
				self->handler_writer);
	}
}

void torture_stash_empty(struct worker *self)
{
	unsigned int i;

	for (i = 0; i < TORTURE_STASH; i++) {
		struct object *object = stash_take(self, i);

		if (object)
			torture_defer_raw(object, i % torture.nr_flavors,
				self->writer);
	}
}

void torture_shared_empty(struct worker *self)
{
	unsigned int i;

	for (i = 0; i < torture.nr_flavors * TORTURE_SHARED; i++) {
		struct object *object = __atomic_exchange_n(
			&torture.shared[i / TORTURE_SHARED][i % TORTURE_SHARED],
			NULL, __ATOMIC_ACQ_REL);

		if (object)
			torture_defer_raw(object, i / TORTURE_SHARED,
				self->writer);
	}
}

/* ------------------------------------------------------------------ */
/* Channels                                                           */

/* A free function may queue in its turn. */
static void queue_more(void)
{
	static uint32_t calls;
	uint32_t nr = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	struct object *object;

	/* Nor while all stand still for a fork: nothing is to wait for readers. */
	if (torture_stopping() || torture_parking() || nr % 64)
		return;
	object = object_new(OBJECT_MALLOC, 100, 0);
	if (object)
		torture_defer_raw(object, nr / 64 % torture.nr_flavors,
			OBJECT_ANYBODY);
}

static void channel_free(size_t nr, void **ptrs, void *priv)
{
	unsigned int index = (unsigned int) (uintptr_t) priv;

	object_free_bulk(nr, ptrs, OBJECT_CHANNEL + index);
	queue_more();
}

bool torture_channels_create(void)
{
	uintptr_t i;

	for (i = 0; i < TORTURE_CHANNELS; i++) {
		torture.channel[i] = urcu_kvfree_channel_create("torture",
				channel_free, (void *) i);
		if (!torture.channel[i])
			return false;
	}
	return true;
}

void torture_channels_destroy(void)
{
	unsigned int i;

	for (i = 0; i < TORTURE_CHANNELS; i++)
		if (urcu_kvfree_channel_destroy(torture.channel[i]))
			object_error("a channel could not be destroyed");
}
