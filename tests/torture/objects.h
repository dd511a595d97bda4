/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef TORTURE_OBJECTS_H
#define TORTURE_OBJECTS_H

/*
 * objects.h - objects whose fate is accounted for
 *
 * Each object has a slot in a table. The slot's word says which writer queued
 * it as its how-manieth object, and goes back to "free" when the library frees
 * the object. The program is linked with --wrap=free and
 * --wrap=kvfree_area_free, so that every free of the library's is seen: one of
 * an object that was not queued, was freed before, or comes through the wrong
 * channel is an error, and so is one with no whole grace period since the
 * object was queued. Freed objects are poisoned and stay a while in a quarantine,
 * so that a reader or a second free finds them dead, not recycled.
 *
 * Grace periods are counted by the program itself, through a copy of the
 * flavor whose update_synchronize_rcu() counts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <urcu/flavor.h>

#include "kvtest.h"

enum object_kind {
	OBJECT_MALLOC,		/* malloc(), posix_memalign() and so on */
	OBJECT_KV,		/* urcu_kvmalloc(), small or large */
	OBJECT_CHANNEL,		/* a user channel's: OBJECT_CHANNEL + its index */
	OBJECT_KINDS = OBJECT_CHANNEL + URCU_KVFREE_MAX_CHANNELS,
};

struct object {
	uint64_t pad[4];	/* what an allocator writes into free memory */
	uint64_t magic;
	uint64_t canary;
	uint32_t slot;
	uint32_t kind;		/* enum object_kind */
	size_t size;
	size_t offset;		/* of its struct rcu_head */
	struct rcu_head head;
	uint64_t end;		/* a canary is also in the last 8 bytes */
};

/* Writers are numbered; each counts what it queues. 0 is for those who share
 * a number: their objects are in the last account, but no barrier's. */
#define OBJECT_WRITERS	512
#define OBJECT_ANYBODY	0

/* Largest grace-period age told apart in the histogram. */
#define OBJECT_AGES	12

struct object_account {
	uint64_t queued;
	uint64_t freed;
	uint64_t kinds[OBJECT_KINDS];	/* of freed */
	uint64_t ages[OBJECT_AGES + 1];	/* of freed: by grace periods */
	uint64_t errors;
};

/* All counters are atomic. */
extern struct object_account object_account;

/*
 * Make a table of @slots and a copy of @flavor that counts its grace periods; abort
 * without memory. The copy is what the library and readers must be given.
 */
const struct rcu_flavor_struct *objects_init(
		const struct rcu_flavor_struct *flavor, uint32_t slots);

/*
 * A live object, or NULL when all slots are in use or there is no memory. @size is
 * raised to the least that is needed; @how picks among the allocators of the
 * kind and the place of the rcu_head.
 */
struct object *object_new(unsigned int kind, size_t size, uint32_t how);
/* Give back an object that nobody else sees. */
void object_discard(struct object *object);

/*
 * Around the call that queues: object_queue() before it, object_queued() with what
 * that returned after it, or object_unqueue() when the call refused it.
 */
uint64_t object_queue(struct object *object, unsigned int writer);
void object_queued(unsigned int writer, uint64_t seq);
void object_unqueue(struct object *object, unsigned int writer, uint64_t seq);

/* For readers: whether it is alive; counts an error if not. */
bool object_check(const struct object *object);

/* For free functions of channels: account, then free. */
void object_free_bulk(size_t nr, void **ptrs, unsigned int kind);

/* A writer's number of one's own, 0 when there is none; and back. */
unsigned int object_writer_get(void);
void object_writer_put(unsigned int writer);

/* What every writer had queued at a moment, and how much of it is not freed. */
struct object_moment {
	uint64_t done[OBJECT_WRITERS];
};

void objects_moment(struct object_moment *moment);
uint64_t objects_left(const struct object_moment *moment);

/* Objects that are queued and not freed, and those that a program holds. */
uint64_t objects_outstanding(void);
uint64_t objects_live(void);

/* In the child of a fork: what is queued is the parent's to free. */
void objects_abandon(void);

/* Empty the quarantine. */
void objects_flush(void);

/* One line on stderr and one error more. */
void object_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The library's own memory: calls of free() that were no object's, for
 * who counts its allocations too.
 */
extern uint64_t objects_other_frees;
extern uint64_t objects_kv_frees;	/* those that were OBJECT_KV */

void __real_free(void *ptr);

#endif /* TORTURE_OBJECTS_H */
