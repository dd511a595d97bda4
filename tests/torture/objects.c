/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * objects.c - objects whose fate is accounted for
 *
 * Nothing here takes a lock: objects are queued from signal handlers, and a
 * fork() may come at any moment.
 */

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvmalloc.h"
#include "objects.h"

#define MAGIC_LIVE	0x746f72747572654cULL
#define MAGIC_DEAD	0x746f727475726544ULL
#define ALIVE		0x616c697665616c69ULL
#define DEAD		0x6465616464656164ULL

/* A slot's word: state, writer, and the writer's sequence number. */
enum slot_state { SLOT_FREE, SLOT_LIVE, SLOT_QUEUED };

#define WORD(state, writer, seq) \
	((uint64_t) (state) << 62 | (uint64_t) (writer) << 48 | (seq))
#define WORD_STATE(word)	((unsigned int) ((word) >> 62))
#define WORD_WRITER(word)	((unsigned int) ((word) >> 48) & 0x3fff)
#define WORD_SEQ(word)		((word) & (((uint64_t) 1 << 48) - 1))

struct slot {
	uint64_t word;		/* atomic */
	void *object;		/* atomic */
	uint64_t stamp;		/* atomic: grace periods begun when queued */
};

struct writer {
	uint64_t seq;		/* its owner alone */
	uint64_t done;		/* atomic: queueing calls that returned */
	int used;		/* atomic */
} __attribute__((aligned(64)));

#define QUARANTINE	1024
/* Slots that are looked at before a table counts as full. */
#define PROBES		256

struct object_account object_account;
uint64_t objects_other_frees;
uint64_t objects_kv_frees;

static struct slot *slots;
static uint32_t nr_slots;
static uint32_t next_slot;		/* atomic */
static struct writer writers[OBJECT_WRITERS];
static void *quarantine[QUARANTINE];	/* atomic */
static uint32_t quarantine_next;	/* atomic */

/* ------------------------------------------------------------------ */
/* Grace periods                                                      */

static struct rcu_flavor_struct counted;
static void (*synchronize)(void);
static uint64_t gp_begun;		/* atomic */
static uint64_t gp_over;		/* atomic: the youngest that is over */

static void counting_synchronize(void)
{
	uint64_t mine = __atomic_add_fetch(&gp_begun, 1, __ATOMIC_SEQ_CST);
	uint64_t over = __atomic_load_n(&gp_over, __ATOMIC_RELAXED);

	synchronize();
	/* Release: pairs with the acquire in age_of(). */
	while (over < mine && !__atomic_compare_exchange_n(&gp_over, &over,
			mine, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Grace periods that began after the object was queued and are over. */
static uint64_t age_of(const struct slot *slot)
{
	uint64_t over = __atomic_load_n(&gp_over, __ATOMIC_ACQUIRE);
	uint64_t stamp = __atomic_load_n(&slot->stamp, __ATOMIC_RELAXED);

	return over > stamp ? over - stamp : 0;
}

const struct rcu_flavor_struct *objects_init(
		const struct rcu_flavor_struct *flavor, uint32_t count)
{
	void *mem = mmap(NULL, count * sizeof(*slots), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	slots = mem;
	nr_slots = count;
	counted = *flavor;
	synchronize = flavor->update_synchronize_rcu;
	counted.update_synchronize_rcu = counting_synchronize;
	return &counted;
}

/* ------------------------------------------------------------------ */
/* Errors and counters                                                */

static void count(uint64_t *counter)
{
	/* Relaxed: counters order nothing. */
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void object_error(const char *fmt, ...)
{
	char line[256];
	va_list args;
	int n;

	/* The first few tell the story. */
	if (__atomic_fetch_add(&object_account.errors, 1,
			__ATOMIC_RELAXED) >= 20)
		return;
	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	if (n > (int) sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) != n)
		return;		/* the count stands */
}

/* ------------------------------------------------------------------ */
/* Making objects                                                     */

/* A slot becomes live, or NULL. */
static struct slot *slot_get(void)
{
	uint32_t i, at = __atomic_fetch_add(&next_slot, 1, __ATOMIC_RELAXED);

	for (i = 0; i < PROBES; i++) {
		struct slot *slot = &slots[(at + i) % nr_slots];
		uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_RELAXED);

		/* Acquire: pairs with the release in object_freed(). */
		if (WORD_STATE(word) == SLOT_FREE &&
		    __atomic_compare_exchange_n(&slot->word, &word,
				WORD(SLOT_LIVE, 0, 0), false,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return slot;
		if (i == PROBES / 2)	/* away from a crowded place */
			at = __atomic_add_fetch(&next_slot, nr_slots / 3,
					__ATOMIC_RELAXED);
	}
	return NULL;
}

static void slot_put(struct slot *slot)
{
	/* Release: pairs with the acquire in slot_get(). */
	__atomic_store_n(&slot->word, WORD(SLOT_FREE, 0, 0), __ATOMIC_RELEASE);
}

static void *plain_alloc(size_t size, uint32_t how)
{
	void *mem = NULL;

	switch (how % 4) {
	case 0:
		return calloc(1, size);
	case 1:
		return posix_memalign(&mem, 64 << (how / 4 % 4), size) ?
			NULL : mem;
	default:
		return malloc(size);
	}
}

static uint64_t *last_canary(const struct object *object)
{
	return (uint64_t *) ((char *) object + object->size) - 1;
}

static void canaries_set(struct object *object, uint64_t value)
{
	__atomic_store_n(&object->canary, value, __ATOMIC_RELAXED);
	__atomic_store_n(last_canary(object), value, __ATOMIC_RELAXED);
}

struct object *object_new(unsigned int kind, size_t size, uint32_t how)
{
	struct slot *slot = slot_get();
	struct object *object;

	if (!slot)
		return NULL;
	size = (size + 7) & ~(size_t) 7;
	if (size < sizeof(*object))
		size = sizeof(*object);
	object = kind == OBJECT_KV ? urcu_kvmalloc(size) :
		plain_alloc(size, how);
	if (!object) {
		slot_put(slot);
		return NULL;
	}
	object->magic = MAGIC_LIVE;
	object->slot = (uint32_t) (slot - slots);
	object->kind = kind;
	object->size = size;
	object->offset = offsetof(struct object, head);
	/* The last offset that is allowed, where there is room for it. */
	if (size >= URCU_KVFREE_MAX_OFFSET + 24 && how & 16)
		object->offset = URCU_KVFREE_MAX_OFFSET - 8;
	canaries_set(object, ALIVE);
	__atomic_store_n(&slot->object, object, __ATOMIC_RELAXED);
	return object;
}

/* The memory goes to the quarantine; what has been there longest goes free. */
static void bury(void *ptr)
{
	uint32_t i = __atomic_fetch_add(&quarantine_next, 1, __ATOMIC_RELAXED);
	struct object *old;

	/* Both: hands the one over, takes the other. */
	old = __atomic_exchange_n(&quarantine[i % QUARANTINE], ptr,
			__ATOMIC_ACQ_REL);
	if (!old)
		return;
	old->magic = 0;
	__real_free(old);
}

void objects_flush(void)
{
	unsigned int i;

	for (i = 0; i < QUARANTINE; i++)
		bury(NULL);
}

void object_discard(struct object *object)
{
	slot_put(&slots[object->slot]);
	object->magic = 0;
	if (object->kind == OBJECT_KV)
		urcu_kvfree(object);
	else
		__real_free(object);
}

/* ------------------------------------------------------------------ */
/* Queueing                                                           */

uint64_t object_queue(struct object *object, unsigned int writer)
{
	struct slot *slot = &slots[object->slot];
	uint64_t seq = 0;

	if (writer != OBJECT_ANYBODY)
		seq = ++writers[writer].seq;
	/* Before the call, so that what the library does is never ahead. */
	__atomic_store_n(&slot->stamp, __atomic_load_n(&gp_begun,
			__ATOMIC_SEQ_CST), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->word, WORD(SLOT_QUEUED, writer, seq),
			__ATOMIC_RELEASE);
	count(&object_account.queued);
	return seq;
}

void object_queued(unsigned int writer, uint64_t seq)
{
	/* Release: pairs with the acquire in objects_moment(). */
	if (writer != OBJECT_ANYBODY)
		__atomic_store_n(&writers[writer].done, seq, __ATOMIC_RELEASE);
}

void object_unqueue(struct object *object, unsigned int writer, uint64_t seq)
{
	__atomic_store_n(&slots[object->slot].word, WORD(SLOT_LIVE, 0, 0),
			__ATOMIC_RELEASE);
	__atomic_fetch_sub(&object_account.queued, 1, __ATOMIC_RELAXED);
	object_queued(writer, seq);
}

bool object_check(const struct object *object)
{
	if (__atomic_load_n(&object->canary, __ATOMIC_RELAXED) == ALIVE &&
	    __atomic_load_n(last_canary(object), __ATOMIC_RELAXED) == ALIVE)
		return true;
	object_error("a reader found an object freed or overwritten");
	return false;
}

unsigned int object_writer_get(void)
{
	unsigned int i;

	for (i = 1; i < OBJECT_WRITERS; i++) {
		int unused = 0;

		/* Acquire: pairs with the release in object_writer_put(). */
		if (__atomic_compare_exchange_n(&writers[i].used, &unused, 1,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return i;
	}
	return OBJECT_ANYBODY;
}

void object_writer_put(unsigned int writer)
{
	if (writer != OBJECT_ANYBODY)
		__atomic_store_n(&writers[writer].used, 0, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ */
/* Freeing                                                            */

/* The library frees @object as one of @kind. */
static void object_freed(struct object *object, unsigned int kind)
{
	struct slot *slot = &slots[object->slot % nr_slots];
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
	uint64_t age = age_of(slot);

	if (object->magic == MAGIC_DEAD)
		object_error("an object was freed twice");
	else if (__atomic_load_n(&slot->object, __ATOMIC_RELAXED) != object ||
		 WORD_STATE(word) != SLOT_QUEUED)
		object_error("an object was freed that was not queued");
	else if (object->kind != kind)
		object_error("an object of kind %u was freed as one of kind %u",
			object->kind, kind);
	else if (!age)
		object_error("an object was freed without a grace period");
	else
		object_check(object);
	object->magic = MAGIC_DEAD;
	canaries_set(object, DEAD);
	count(&object_account.ages[age < OBJECT_AGES ? age : OBJECT_AGES]);
	count(&object_account.kinds[kind % OBJECT_KINDS]);
	/* Release: pairs with the acquire of who uses the slot next. */
	if (!__atomic_compare_exchange_n(&slot->word, &word,
			WORD(SLOT_FREE, 0, 0), false, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED))
		object_error("an object was freed by two threads at once");
	count(&object_account.freed);
}

void object_free_bulk(size_t nr, void **ptrs, unsigned int kind)
{
	size_t i;

	if (!nr)
		object_error("a free function was called with nothing");
	for (i = 0; i < nr; i++) {
		object_freed(ptrs[i], kind);
		bury(ptrs[i]);
	}
}

void __wrap_free(void *ptr);
void __wrap_free(void *ptr)
{
	struct object *object = ptr;

	if (!ptr)
		return;
	if (malloc_usable_size(ptr) < sizeof(*object) ||
	    (object->magic != MAGIC_LIVE && object->magic != MAGIC_DEAD)) {
		count(&objects_other_frees);
		__real_free(ptr);
		return;
	}
	if (object->magic == MAGIC_DEAD) {
		object_error("an object was freed twice");
		return;
	}
	if (object->kind == OBJECT_KV)
		count(&objects_kv_frees);
	object_freed(object, object->kind == OBJECT_KV ? OBJECT_KV :
			OBJECT_MALLOC);
	bury(object);
}

void __real_kvfree_area_free(struct kvfree_area *area, void *ptr);
void __wrap_kvfree_area_free(struct kvfree_area *area, void *ptr);
void __wrap_kvfree_area_free(struct kvfree_area *area, void *ptr)
{
	object_freed(ptr, OBJECT_KV);
	__real_kvfree_area_free(area, ptr);
}

/* ------------------------------------------------------------------ */
/* Looking                                                            */

void objects_moment(struct object_moment *moment)
{
	unsigned int i;

	for (i = 0; i < OBJECT_WRITERS; i++)
		moment->done[i] = __atomic_load_n(&writers[i].done,
				__ATOMIC_ACQUIRE);
	moment->done[OBJECT_ANYBODY] = 0;
}

static uint64_t count_slots(unsigned int state,
		const struct object_moment *moment)
{
	uint64_t nr = 0;
	uint32_t i;

	for (i = 0; i < nr_slots; i++) {
		uint64_t word = __atomic_load_n(&slots[i].word,
				__ATOMIC_ACQUIRE);

		if (WORD_STATE(word) != state)
			continue;
		if (moment && (WORD_WRITER(word) == OBJECT_ANYBODY ||
		    WORD_SEQ(word) > moment->done[WORD_WRITER(word)]))
			continue;
		nr++;
	}
	return nr;
}

uint64_t objects_left(const struct object_moment *moment)
{
	return count_slots(SLOT_QUEUED, moment);
}

uint64_t objects_outstanding(void)
{
	return count_slots(SLOT_QUEUED, NULL);
}

uint64_t objects_live(void)
{
	return count_slots(SLOT_LIVE, NULL);
}

void objects_abandon(void)
{
	uint32_t i;

	for (i = 0; i < nr_slots; i++)
		if (WORD_STATE(slots[i].word) == SLOT_QUEUED)
			slots[i].word = WORD(SLOT_LIVE, 0, 0);
}
