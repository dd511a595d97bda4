/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef TORTURE_OBJECTS_H
#define TORTURE_OBJECTS_H

/*
 * objects.h - objects whose fate is accounted for
 *
 * Each object has a slot in a table, which is found by the object's address, so
 * that an object of 16 bytes needs no room for anything but its rcu_head. The
 * slot's word says which writer queued the object as its how-manieth, and that
 * the library has freed it. The program is linked with --wrap=free and
 * --wrap=kvfree_area_free, so that every free of the library's is seen: one of
 * an object that was not queued, was freed before, or comes through the wrong
 * channel is an error, and so is one with no whole grace period since the
 * object was queued. An object that the library keeps for a thread, for its
 * urcu_kvmalloc() to hand out again, counts as freed from that moment. Freed objects are poisoned and stay a while in a quarantine,
 * so that a reader or a second free finds them dead, not recycled.
 *
 * Grace periods are counted by the program itself, through copies of the
 * flavors whose update_synchronize_rcu() counts.
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

/* Memory of one of these sizes; what is in it belongs to objects.c. */
struct object;

#define OBJECT_LEAST	16
#define OBJECT_MOST	((size_t) 256 << 10)
/* Objects beyond this size count against the bytes that may exist. */
#define OBJECT_BIG	((size_t) 4096)

/* Writers are numbered; each counts what it queues. 0 is for those who share
 * a number: their objects are in the last account, but no barrier's. */
#define OBJECT_WRITERS	1024
#define OBJECT_ANYBODY	0

/* Flavors that one run uses. */
#define OBJECT_FLAVORS	2

/* Largest grace-period age told apart in the histogram. */
#define OBJECT_AGES	12
/* Sizes told apart: up to 64 bytes, 512, 4 KB, 32 KB, and above. */
#define OBJECT_SIZES	5

struct object_account {
	uint64_t queued;
	uint64_t freed;
	uint64_t recycled;	/* of freed: by urcu_kvmalloc() and its kin */
	uint64_t kinds[OBJECT_KINDS];	/* of freed */
	uint64_t sizes[OBJECT_SIZES];	/* of freed */
	uint64_t ages[OBJECT_AGES + 1];	/* of freed: by grace periods */
	uint64_t errors;
};

/* All counters are atomic. */
extern struct object_account object_account;

/* Make a table for @objects, of which those that are big have @big_bytes in all;
 * abort without memory. */
void objects_init(uint32_t objects, size_t big_bytes);

/*
 * A copy of @flavor that counts its grace periods, to be known as number @index of
 * this run. The library and readers must be given the copy.
 */
const struct rcu_flavor_struct *objects_flavor(unsigned int index,
		const struct rcu_flavor_struct *flavor);

/* Grace periods of a flavor that have begun; whether one is running. */
uint64_t objects_grace_periods(unsigned int flavor);
bool objects_grace_period_runs(unsigned int flavor);

/*
 * A live object, or NULL when all slots are in use or there is no memory. @size is
 * raised to a multiple of 8; @how picks among the allocators of the kind and the
 * place of the rcu_head.
 */
struct object *object_new(unsigned int kind, size_t size, uint32_t how);
/* Give back an object that nobody else sees. */
void object_discard(struct object *object);

/* Of an object that is live. */
unsigned int object_kind(const struct object *object);
size_t object_offset(const struct object *object);

/*
 * Around the call that queues: object_queue() before it, object_queued() with what
 * that returned after it, or object_unqueue() when the call refused it. @flavor is
 * the index of the flavor.
 */
uint64_t object_queue(struct object *object, unsigned int flavor,
		unsigned int writer);
void object_queued(unsigned int writer, uint64_t seq);
void object_unqueue(struct object *object, unsigned int writer, uint64_t seq);

/* For readers: whether it is alive; counts an error if not. */
bool object_check(const struct object *object);

/* For free functions of channels: account, then free. */
void object_free_bulk(size_t nr, void **ptrs, unsigned int kind);

/*
 * The kv allocator for memory that is no object, or not yet one: what it
 * returns may have been an object until then. @how picks among urcu_kvmalloc(),
 * urcu_kvzalloc() and urcu_kvcalloc(), and whether memory is zero is checked.
 */
void *object_kvalloc(size_t size, uint32_t how);
void *object_kvrealloc(void *ptr, size_t size);
void object_kvfree(void *ptr);

/* A writer's number of one's own, 0 when there is none; and back. */
unsigned int object_writer_get(void);
void object_writer_put(unsigned int writer);

/* What every writer had queued at a moment, and how much of it is not freed
 * that was queued on a flavor. */
struct object_moment {
	uint64_t done[OBJECT_WRITERS];
};

#define OBJECT_ANY_FLAVOR	OBJECT_FLAVORS

void objects_moment(struct object_moment *moment);
uint64_t objects_left(const struct object_moment *moment, unsigned int flavor);

/* Objects that are queued and not freed, those that a program holds, and those that
 * the library keeps for urcu_kvmalloc(). */
uint64_t objects_outstanding(void);
uint64_t objects_live(void);
uint64_t objects_kept(void);

/* In the child of a fork. Where the hooks were not called, what is queued is the
 * parent's to free: @abandon it. */
void objects_fork_child(bool abandon);

/* Empty the quarantine. */
void objects_flush(void);

/* One line on stderr and one error more. */
void object_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The library's own memory, for who counts its allocations too: calls of free()
 * that were no object's, those of OBJECT_KV, and objects of malloc() that became
 * memory of urcu_kvmalloc().
 */
extern uint64_t objects_other_frees;
extern uint64_t objects_kv_frees;
extern uint64_t objects_adopted;

void __real_free(void *ptr);

#endif /* TORTURE_OBJECTS_H */
