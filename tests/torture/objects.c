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

#include "objects.h"
#include "record.h"

#define ALIVE		0x616c697665616c69ULL
#define DEAD		0x6465616464656164ULL

/* A slot's word: state, writer, and the writer's sequence number. What is kept has
 * been freed: it is in the stash of its thread, for urcu_kvmalloc(). */
enum slot_state { SLOT_FREE, SLOT_LIVE, SLOT_QUEUED, SLOT_KEPT, SLOT_DEAD };

#define WORD(state, writer, seq) \
	((uint64_t) (state) << 61 | (uint64_t) (writer) << 48 | (seq))
#define WORD_STATE(word)	((unsigned int) ((word) >> 61))
#define WORD_WRITER(word)	((unsigned int) ((word) >> 48) & 0x1fff)
#define WORD_SEQ(word)		((word) & (((uint64_t) 1 << 48) - 1))

/* Plain members are written before the slot's key, and by nobody after it. */
struct slot {
	uint64_t word;		/* atomic */
	uint64_t stamp;		/* atomic: grace periods begun when queued */
	uint32_t size;
	uint16_t offset;	/* of the struct rcu_head */
	uint8_t kind;		/* enum object_kind */
	uint8_t flavor;		/* atomic: where it is queued */
};

struct writer {
	uint64_t seq;		/* its owner alone */
	uint64_t done;		/* atomic: queueing calls that returned */
	uint64_t inside;	/* atomic: odd while its thread is in the kv
				 * allocator */
	int used;		/* atomic */
} __attribute__((aligned(64)));

/* Slots that are looked at for an address; the table is twice as large as
 * the number of objects, so that there is room within them. */
#define PROBES		64

/* Dead objects that are kept, small and big ones. */
#define QUARANTINE	1024
#define QUARANTINE_BIG	32

static struct quarantine {
	void *dead[QUARANTINE];	/* atomic */
	uint32_t nr;
	uint32_t next;		/* atomic */
} quarantines[2] = { { .nr = QUARANTINE }, { .nr = QUARANTINE_BIG } };

struct object_account object_account;
uint64_t objects_other_frees;
uint64_t objects_kv_frees;
uint64_t objects_adopted;

static struct slot *slots;
static const void **keys;	/* atomic: the object of each slot */
static uint32_t nr_slots;
static uint32_t nr_used;	/* atomic: slots that are not free */
static size_t big_used;		/* atomic: bytes in big objects */
static size_t big_most;
static struct writer writers[OBJECT_WRITERS];

/* This thread frees memory that is no object, by urcu_kvfree() and its kin. */
static __thread bool plain;
/* The first writer's number that it got. */
static __thread unsigned int first_writer;

/* ------------------------------------------------------------------ */
/* Grace periods                                                      */

static struct {
	struct rcu_flavor_struct counted;
	void (*synchronize)(void);
	uint64_t begun;		/* atomic */
	uint64_t ended;		/* atomic */
	uint64_t over;		/* atomic: the youngest that is over */
} gps[OBJECT_FLAVORS];

static void counting_synchronize(unsigned int i)
{
	uint64_t mine = __atomic_add_fetch(&gps[i].begun, 1, __ATOMIC_SEQ_CST);
	uint64_t over = __atomic_load_n(&gps[i].over, __ATOMIC_RELAXED);

	gps[i].synchronize();
	/* Release: pairs with the acquire in age_of(). */
	while (over < mine && !__atomic_compare_exchange_n(&gps[i].over, &over,
			mine, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	__atomic_fetch_add(&gps[i].ended, 1, __ATOMIC_RELAXED);
}

static void synchronize_0(void)
{
	counting_synchronize(0);
}

static void synchronize_1(void)
{
	counting_synchronize(1);
}

const struct rcu_flavor_struct *objects_flavor(unsigned int index,
		const struct rcu_flavor_struct *flavor)
{
	gps[index].counted = *flavor;
	gps[index].synchronize = flavor->update_synchronize_rcu;
	gps[index].counted.update_synchronize_rcu =
		index ? synchronize_1 : synchronize_0;
	return &gps[index].counted;
}

uint64_t objects_grace_periods(unsigned int flavor)
{
	return __atomic_load_n(&gps[flavor].begun, __ATOMIC_RELAXED);
}

bool objects_grace_period_runs(unsigned int flavor)
{
	uint64_t ended = __atomic_load_n(&gps[flavor].ended, __ATOMIC_ACQUIRE);

	return objects_grace_periods(flavor) != ended;
}

/* Grace periods that began after the object was queued and are over. */
static uint64_t age_of(const struct slot *slot)
{
	unsigned int i = __atomic_load_n(&slot->flavor, __ATOMIC_RELAXED);
	uint64_t over = __atomic_load_n(&gps[i].over, __ATOMIC_ACQUIRE);
	uint64_t stamp = __atomic_load_n(&slot->stamp, __ATOMIC_RELAXED);

	return over > stamp ? over - stamp : 0;
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
/* Slots                                                              */

static void *table(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		abort();
	return mem;
}

void objects_init(uint32_t objects, size_t big_bytes)
{
	nr_slots = 2 * objects;
	slots = table(nr_slots * sizeof(*slots));
	keys = table(nr_slots * sizeof(*keys));
	big_most = big_bytes;
}

static uint32_t first_probe(const void *ptr)
{
	uint64_t hash = ((uintptr_t) ptr >> 4) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t) (hash >> 32) % nr_slots;
}

/* The slot of the object at @ptr, or NULL: it is none. */
static struct slot *slot_find(const void *ptr)
{
	uint32_t i, at = first_probe(ptr);

	for (i = 0; i < PROBES; i++) {
		uint32_t n = (at + i) % nr_slots;

		/* Acquire: pairs with the release in slot_get(). */
		if (__atomic_load_n(&keys[n], __ATOMIC_ACQUIRE) == ptr)
			return &slots[n];
	}
	return NULL;
}

/* Of what must be an object. */
static struct slot *slot_of(const struct object *object)
{
	struct slot *slot = slot_find(object);

	if (!slot)
		abort();
	return slot;
}

static bool take_room(size_t size)
{
	if (__atomic_add_fetch(&nr_used, 1, __ATOMIC_RELAXED) <= nr_slots / 2) {
		if (size <= OBJECT_BIG || __atomic_add_fetch(&big_used, size,
				__ATOMIC_RELAXED) <= big_most)
			return true;
		__atomic_fetch_sub(&big_used, size, __ATOMIC_RELAXED);
	}
	__atomic_fetch_sub(&nr_used, 1, __ATOMIC_RELAXED);
	return false;
}

static void give_room(size_t size)
{
	if (size > OBJECT_BIG)
		__atomic_fetch_sub(&big_used, size, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&nr_used, 1, __ATOMIC_RELAXED);
}

/* A slot for the object at @ptr becomes live as @like says, or NULL. */
static struct slot *slot_get(const void *ptr, const struct slot *like)
{
	uint32_t i, at = first_probe(ptr);

	for (i = 0; i < PROBES; i++) {
		uint32_t n = (at + i) % nr_slots;
		uint64_t word = __atomic_load_n(&slots[n].word,
				__ATOMIC_RELAXED);

		/* Acquire: pairs with the release in slot_put(). */
		if (WORD_STATE(word) != SLOT_FREE ||
		    !__atomic_compare_exchange_n(&slots[n].word, &word,
				WORD(SLOT_LIVE, 0, 0), false,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		slots[n].size = like->size;
		slots[n].offset = like->offset;
		slots[n].kind = like->kind;
		__atomic_store_n(&keys[n], ptr, __ATOMIC_RELEASE);
		return &slots[n];
	}
	return NULL;
}

/* Before the memory is anybody else's. */
static void slot_put(struct slot *slot)
{
	give_room(slot->size);
	__atomic_store_n(&keys[slot - slots], NULL, __ATOMIC_RELAXED);
	/* Release: pairs with the acquire in slot_get(). */
	__atomic_store_n(&slot->word, WORD(SLOT_FREE, 0, 0), __ATOMIC_RELEASE);
}

unsigned int object_kind(const struct object *object)
{
	return slot_of(object)->kind;
}

size_t object_offset(const struct object *object)
{
	return slot_of(object)->offset;
}

/* ------------------------------------------------------------------ */
/* Canaries                                                           */

/* Where the object has room for them beside its rcu_head: at its end, and
 * before or behind the head. */
static unsigned int canaries(const struct slot *slot, const void *ptr,
		uint64_t *at[2])
{
	char *mem = (char *) ptr;

	at[0] = (uint64_t *) (void *) (mem + slot->size - 8);
	at[1] = (uint64_t *) (void *) (mem +
		(slot->offset ? 0 : sizeof(struct rcu_head)));
	return slot->size < 24 ? 0 : slot->size < 40 ? 1 : 2;
}

static void canaries_set(const struct slot *slot, void *ptr, uint64_t value)
{
	uint64_t *at[2];
	unsigned int nr = canaries(slot, ptr, at);

	while (nr--)
		__atomic_store_n(at[nr], value, __ATOMIC_RELAXED);
}

static bool canaries_alive(const struct slot *slot, const void *ptr)
{
	uint64_t *at[2];
	unsigned int nr = canaries(slot, ptr, at);

	while (nr--)
		if (__atomic_load_n(at[nr], __ATOMIC_RELAXED) != ALIVE)
			return false;
	return true;
}

bool object_check(const struct object *object)
{
	const struct slot *slot = slot_find(object);
	unsigned int state = slot ? WORD_STATE(__atomic_load_n(&slot->word,
			__ATOMIC_ACQUIRE)) : SLOT_FREE;

	if ((state == SLOT_LIVE || state == SLOT_QUEUED) &&
	    canaries_alive(slot, object))
		return true;
	object_error("a reader found an object freed or overwritten");
	return false;
}

/* ------------------------------------------------------------------ */
/* Freeing                                                            */

static unsigned int size_class(size_t size)
{
	unsigned int class = 0;

	while (class < OBJECT_SIZES - 1 && size > (size_t) 64 << 3 * class)
		class++;
	return class;
}

/* What is wrong with a free of an object as one of @kind, or NULL. */
static const char *wrong(const struct slot *slot, uint64_t word,
		unsigned int kind, bool intact)
{
	if (WORD_STATE(word) == SLOT_DEAD)
		return "an object was freed twice";
	if (WORD_STATE(word) != SLOT_QUEUED && WORD_STATE(word) != SLOT_KEPT)
		return "an object was freed that was not queued";
	if (slot->kind != kind)
		return "an object was freed as one of another kind";
	if (!age_of(slot))
		return "an object was freed without a grace period";
	if (!intact)
		return "an object was freed that was overwritten";
	return NULL;
}

static void count_freed(const struct slot *slot, unsigned int kind)
{
	uint64_t age = age_of(slot);

	count(&object_account.ages[age < OBJECT_AGES ? age : OBJECT_AGES]);
	count(&object_account.kinds[kind % OBJECT_KINDS]);
	count(&object_account.sizes[size_class(slot->size)]);
	count(&object_account.freed);
}

/* The library frees an object as one of @kind, and its canaries are as they were
 * or not; or it keeps it for its thread. False if the object was dead already. */
static bool object_freed(struct slot *slot, unsigned int kind, bool intact,
		enum slot_state state)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
	const char *error = wrong(slot, word, kind, intact);

	if (error)
		object_error("%s (kind %u as %u, %u bytes)", error, slot->kind,
			kind, slot->size);
	if (WORD_STATE(word) == SLOT_DEAD)
		return false;
	/* Before it is seen to be freed: the slot may be another's after that. */
	if (WORD_STATE(word) != SLOT_KEPT)
		count_freed(slot, kind);
	/* Release: pairs with the acquire of who uses the slot next. */
	if (!__atomic_compare_exchange_n(&slot->word, &word, WORD(state, 0, 0),
			false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		object_error("an object was freed by two threads at once");
	return true;
}

/* The memory goes to the quarantine; what has been there longest goes free. */
static void bury_in(struct quarantine *q, void *ptr)
{
	uint32_t i = __atomic_fetch_add(&q->next, 1, __ATOMIC_RELAXED);
	/* Both: hands the one over, takes the other. */
	void *old = __atomic_exchange_n(&q->dead[i % q->nr], ptr,
			__ATOMIC_ACQ_REL);

	if (!old)
		return;
	slot_put(slot_of(old));
	__real_free(old);
}

static void bury(const struct slot *slot, void *ptr)
{
	canaries_set(slot, ptr, DEAD);
	bury_in(&quarantines[slot->size > OBJECT_BIG], ptr);
}

void objects_flush(void)
{
	unsigned int i;

	for (i = 0; i < QUARANTINE; i++)
		bury_in(&quarantines[0], NULL);
	for (i = 0; i < QUARANTINE_BIG; i++)
		bury_in(&quarantines[1], NULL);
}

void object_free_bulk(size_t nr, void **ptrs, unsigned int kind)
{
	size_t i;

	if (!nr)
		object_error("a free function was called with nothing");
	for (i = 0; i < nr; i++) {
		struct slot *slot = slot_find(ptrs[i]);

		if (!slot)
			object_error("a free function was given no object");
		else if (object_freed(slot, kind,
				canaries_alive(slot, ptrs[i]), SLOT_DEAD))
			bury(slot, ptrs[i]);
	}
}

/* What an object must be of that is freed as memory of malloc(). */
static unsigned int kind_of_malloc(const struct slot *slot)
{
	return slot->kind == OBJECT_KV ? OBJECT_KV : OBJECT_MALLOC;
}

void __wrap_free(void *ptr);
void __wrap_free(void *ptr)
{
	struct slot *slot = ptr && nr_slots ? slot_find(ptr) : NULL;
	unsigned int kind;

	if (!slot) {
		if (ptr)
			count(&objects_other_frees);
		__real_free(ptr);
		return;
	}
	kind = kind_of_malloc(slot);
	if (!object_freed(slot, kind, canaries_alive(slot, ptr), SLOT_DEAD))
		return;
	if (kind == OBJECT_KV)
		count(&objects_kv_frees);
	bury(slot, ptr);
}

void __real_kvfree_area_free(void *ptr);
void __wrap_kvfree_area_free(void *ptr);
void __wrap_kvfree_area_free(void *ptr)
{
	struct slot *slot = slot_find(ptr);

	if (slot) {
		object_freed(slot, OBJECT_KV, canaries_alive(slot, ptr),
			SLOT_DEAD);
		slot_put(slot);
	} else if (!plain) {
		object_error("large memory was freed that is no object");
	}
	__real_kvfree_area_free(ptr);
}

/* ------------------------------------------------------------------ */
/* The kv allocator                                                   */

/* The allocator returned @ptr: if it was an object, it is one no more. Whether it
 * is @fresh, that is, nothing was written into it since. */
static void recycled(void *ptr, size_t size, bool fresh)
{
	struct slot *slot = slot_find(ptr);
	unsigned int kind;

	if (!slot)
		return;
	kind = kind_of_malloc(slot);
	object_freed(slot, kind, !fresh || canaries_alive(slot, ptr),
		SLOT_DEAD);
	if (kind == OBJECT_MALLOC)
		count(&objects_adopted);
	count(&object_account.recycled);
	/* Beyond that size it may lie where malloc() knows nothing of it. */
	if ((kind == OBJECT_MALLOC || slot->size <= OBJECT_BIG) &&
	    malloc_usable_size(ptr) < size)
		object_error("urcu_kvmalloc(%zu) returned an object of %u bytes",
			size, slot->size);
	slot_put(slot);
}

/*
 * The library counts as freed what a thread keeps for its next urcu_kvmalloc(). What
 * it keeps changes in the kv allocator only; a barrier that is over meanwhile
 * may be ahead of us, so a thread says that it is inside.
 */
static void go_inside(void)
{
	/* Its owner alone writes it. Release, seq_cst: pair with the acquire in
	 * wait_outside(), before the library's part and after it. */
	if (first_writer)
		__atomic_fetch_add(&writers[first_writer].inside, 1,
				__ATOMIC_SEQ_CST);
}

static void go_outside(void)
{
	unsigned int i, n;

	for (i = 0; i < KVFREE_MAX_DOMAINS; i++) {
		const struct kvfree_record *record = kvfree_tls.record[i];

		for (n = 0; record && n < record->nr_stash; n++) {
			struct slot *slot = slot_find(record->stash[n]);

			/* Relaxed: it is in our record, and nobody else changes it. */
			if (slot && WORD_STATE(__atomic_load_n(&slot->word,
					__ATOMIC_RELAXED)) != SLOT_KEPT)
				object_freed(slot, kind_of_malloc(slot),
					canaries_alive(slot, record->stash[n]),
					SLOT_KEPT);
		}
	}
	go_inside();
}

/* Until every thread that is in the kv allocator has left it once. */
static void wait_outside(void)
{
	unsigned int i;

	for (i = 1; i < OBJECT_WRITERS; i++) {
		uint64_t inside = __atomic_load_n(&writers[i].inside,
				__ATOMIC_ACQUIRE);

		while (inside % 2 && inside == __atomic_load_n(
				&writers[i].inside, __ATOMIC_ACQUIRE))
			kvtest_sleep_msec(1);
	}
}

/* A look here and there will do. */
static bool is_zero(const unsigned char *mem, size_t size)
{
	size_t i, step = size / 256 + 1;

	for (i = 0; i < size; i += step)
		if (mem[i])
			return false;
	return !size || (!mem[size - 1] && !mem[size / 2]);
}

void *object_kvalloc(size_t size, uint32_t how)
{
	bool zero = how % 2;
	void *mem;

	go_inside();
	mem = !zero ? urcu_kvmalloc(size) : how % 4 == 1 ?
		urcu_kvzalloc(size) : urcu_kvcalloc(1, size);
	if (mem && zero && !is_zero(mem, size))
		object_error("memory of urcu_kvzalloc() is not zero");
	if (mem)
		recycled(mem, size, !zero);
	go_outside();
	return mem;
}

void *object_kvrealloc(void *ptr, size_t size)
{
	void *mem;

	plain = true;
	go_inside();
	mem = urcu_kvrealloc(ptr, size);
	if (mem && mem != ptr)
		recycled(mem, size, false);
	go_outside();
	plain = false;
	return mem;
}

void object_kvfree(void *ptr)
{
	plain = true;
	urcu_kvfree(ptr);
	plain = false;
}

/* ------------------------------------------------------------------ */
/* Making objects                                                     */

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

/* Where the rcu_head lies. */
static uint16_t pick_offset(size_t size, uint32_t how)
{
	/* The last offset that is allowed, where there is room for it. */
	if (size >= URCU_KVFREE_MAX_OFFSET + 24 && how & 16)
		return URCU_KVFREE_MAX_OFFSET - 8;
	return size >= 64 && how & 32 ? 16 : 0;
}

struct object *object_new(unsigned int kind, size_t size, uint32_t how)
{
	struct slot like = {
		.size = (uint32_t) (size + 7) & ~(uint32_t) 7,
		.kind = (uint8_t) kind,
	};
	struct slot *slot = NULL;
	void *mem;

	like.offset = pick_offset(like.size, how);
	if (!take_room(like.size))
		return NULL;
	mem = kind == OBJECT_KV ? object_kvalloc(like.size, how) :
		plain_alloc(like.size, how);
	if (mem)
		slot = slot_get(mem, &like);
	if (slot) {
		canaries_set(slot, mem, ALIVE);
		return mem;
	}
	give_room(like.size);
	if (kind == OBJECT_KV)
		object_kvfree(mem);
	else
		__real_free(mem);
	return NULL;
}

void object_discard(struct object *object)
{
	struct slot *slot = slot_of(object);
	unsigned int kind = slot->kind;

	slot_put(slot);
	if (kind == OBJECT_KV)
		object_kvfree(object);
	else
		__real_free(object);
}

/* ------------------------------------------------------------------ */
/* Queueing                                                           */

uint64_t object_queue(struct object *object, unsigned int flavor,
		unsigned int writer)
{
	struct slot *slot = slot_of(object);
	uint64_t seq = 0;

	if (writer != OBJECT_ANYBODY)
		seq = ++writers[writer].seq;
	__atomic_store_n(&slot->flavor, (uint8_t) flavor, __ATOMIC_RELAXED);
	/* Before the call, so that what the library does is never ahead. */
	__atomic_store_n(&slot->stamp, __atomic_load_n(&gps[flavor].begun,
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
	__atomic_store_n(&slot_of(object)->word, WORD(SLOT_LIVE, 0, 0),
			__ATOMIC_RELEASE);
	__atomic_fetch_sub(&object_account.queued, 1, __ATOMIC_RELAXED);
	object_queued(writer, seq);
}

unsigned int object_writer_get(void)
{
	unsigned int i;

	for (i = 1; i < OBJECT_WRITERS; i++) {
		int unused = 0;

		/* Acquire: pairs with the release in object_writer_put(). */
		if (__atomic_compare_exchange_n(&writers[i].used, &unused, 1,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			if (!first_writer)
				first_writer = i;
			return i;
		}
	}
	return OBJECT_ANYBODY;
}

void object_writer_put(unsigned int writer)
{
	if (writer == first_writer)
		first_writer = OBJECT_ANYBODY;
	if (writer != OBJECT_ANYBODY)
		__atomic_store_n(&writers[writer].used, 0, __ATOMIC_RELEASE);
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

/* Whether @slot holds what was queued on @flavor before @moment. */
static bool is_left(const struct slot *slot,
		const struct object_moment *moment, unsigned int flavor)
{
	uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);

	if (WORD_STATE(word) != SLOT_QUEUED ||
	    WORD_WRITER(word) == OBJECT_ANYBODY ||
	    WORD_SEQ(word) > moment->done[WORD_WRITER(word)])
		return false;
	if (flavor != OBJECT_ANY_FLAVOR && flavor !=
			__atomic_load_n(&slot->flavor, __ATOMIC_ACQUIRE))
		return false;
	/* No two objects of a writer have the same word: the flavor was its. */
	return word == __atomic_load_n(&slot->word, __ATOMIC_RELAXED);
}

static uint64_t count_left(const struct object_moment *moment,
		unsigned int flavor)
{
	uint64_t nr = 0;
	uint32_t i;

	for (i = 0; i < nr_slots; i++)
		nr += is_left(&slots[i], moment, flavor);
	return nr;
}

uint64_t objects_left(const struct object_moment *moment, unsigned int flavor)
{
	uint64_t nr = count_left(moment, flavor);

	if (!nr)
		return 0;
	wait_outside();
	return count_left(moment, flavor);
}

static uint64_t count_slots(unsigned int state)
{
	uint64_t nr = 0;
	uint32_t i;

	for (i = 0; i < nr_slots; i++)
		nr += WORD_STATE(__atomic_load_n(&slots[i].word,
				__ATOMIC_ACQUIRE)) == state;
	return nr;
}

uint64_t objects_outstanding(void)
{
	return count_slots(SLOT_QUEUED);
}

uint64_t objects_live(void)
{
	return count_slots(SLOT_LIVE);
}

uint64_t objects_kept(void)
{
	return count_slots(SLOT_KEPT);
}

void objects_fork_child(bool abandon)
{
	uint32_t i;

	/* Nobody but this thread is there to leave the kv allocator. */
	for (i = 0; i < OBJECT_WRITERS; i++)
		writers[i].inside = 0;
	for (i = 0; abandon && i < nr_slots; i++)
		if (WORD_STATE(slots[i].word) == SLOT_QUEUED)
			slots[i].word = WORD(SLOT_LIVE, 0, 0);
}
