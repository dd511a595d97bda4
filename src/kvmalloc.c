/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvmalloc.c - urcu_kvmalloc() and its family
 *
 * Recycling. A request takes one of the thread's own ripe objects and, if it fits, returns it: no
 * free(), no malloc(), and the memory is hot. If it does not fit, it is freed before malloc() is
 * called. A few objects are taken each time the lock is held and kept in the record's stash; they
 * count as freed, as memory of the allocator. (The idea is Linux's sheaves for kmem caches.)
 */

#include <string.h>

#include "area.h"
#include "service.h"

/* A stash keeps at most this many bytes, or a single object. */
#define STASH_BYTES	8192

/* ------------------------------------------------------------------ */
/* Recycling                                                          */

/* Sanitizers need to see each free(). NULL in a program without one. */
#pragma weak __asan_init
#pragma weak __tsan_init
#pragma weak __msan_init
void __asan_init(void);
void __tsan_init(void);
void __msan_init(void);

static bool may_recycle(void)
{
	return kvfree_setting(recycle) && !kvfree_setting(debug) &&
		!__asan_init && !__tsan_init && !__msan_init;
}

/* How many objects the stash is to hold. */
static size_t stash_want(struct kvfree_record *record)
{
	/* Relaxed: an estimate. */
	size_t bytes = __atomic_load_n(&record->object_bytes[KVFREE_CHANNEL_MALLOC],
			__ATOMIC_RELAXED);
	size_t nr = bytes ? STASH_BYTES / bytes : KVFREE_STASH;

	return nr > KVFREE_STASH ? KVFREE_STASH : nr ? nr : 1;
}

/* Fill the empty stash with ripe objects, under the lock. */
static void stash_take(struct kvfree_record *record)
{
	struct kvfree_page *spent = NULL;
	size_t nr;

	if (!kvfree_record_trylock(record))
		return;
	nr = kvfree_record_take(record, stash_want(record), record->stash, &spent);
	kvfree_record_unlock(record);
	record->nr_stash = (unsigned int) nr;
	if (spent) {
		kvfree_reap_note_bytes(record, record->stash[0]);
		kvfree_cache_recycle_owner(spent);
	}
	kvfree_record_freed(record, nr);
}

/* The stash is empty. Serve a refill that a raw call asked for here, too, so that it need
 * not wait until a worker gets a processor. */
static __attribute__((noinline)) void stash_fill(struct kvfree_record *record)
{
	kvfree_record_mark_clean(record);
	kvfree_cache_serve(record);
	/* Relaxed: as in note_crowd(). */
	if (__atomic_load_n(&record->yield_due, __ATOMIC_RELAXED)) {
		__atomic_store_n(&record->yield_due, false, __ATOMIC_RELAXED);
		kvfree_service_give_way(record->domain);
	}
	if (kvfree_record_peek(record, KVFREE_CLOSED_OWNER,
			kvfree_gp_completed(&record->domain->gp)))
		stash_take(record);
}

/* A ripe object of at least @size bytes and not many more, or NULL. */
static inline void *recycle(size_t size)
{
	struct kvfree_record *record = kvfree_tls.recent;
	size_t usable;
	void *ptr;

	if (!record)
		return NULL;
	if (caa_unlikely(!record->nr_stash))
		stash_fill(record);
	if (!record->nr_stash)
		return NULL;
	ptr = record->stash[--record->nr_stash];
	usable = kvfree_free_malloc_bytes(ptr);
	if (caa_likely(may_recycle() && size <= usable && usable <= size + size / 8 + 32)) {
		/* Relaxed: a counter that others only read. */
		__atomic_store_n(&record->nr_recycled, record->nr_recycled + 1, __ATOMIC_RELAXED);
		return ptr;
	}
	free(ptr);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The calls                                                          */

/* Not every malloc() sets errno. */
static void *or_enomem(void *ptr)
{
	if (caa_unlikely(!ptr))
		errno = ENOMEM;
	return ptr;
}

static inline __attribute__((always_inline)) void *alloc(size_t size, bool zeroed)
{
	void *ptr;

	if (caa_unlikely(size >= kvfree_setting(large_threshold))) {
		ptr = kvfree_area_alloc(size);
		if (ptr)
			return ptr;
	}
	ptr = recycle(size);
	if (!ptr)
		return or_enomem(zeroed ? calloc(1, size) : malloc(size));
	return zeroed ? memset(ptr, 0, size) : ptr;
}

void *urcu_kvmalloc(size_t size)
{
	return alloc(size, false);
}

void *urcu_kvzalloc(size_t size)
{
	return urcu_kvcalloc(1, size);
}

void *urcu_kvcalloc(size_t nmemb, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nmemb, size, &bytes))
		return or_enomem(NULL);
	return alloc(bytes, true);
}

void *urcu_kvrealloc(void *ptr, size_t size)
{
	bool large = kvfree_area_has(ptr);
	size_t usable;
	void *fresh;

	if (!ptr)
		return urcu_kvmalloc(size);
	if (!size)
		size = 1;	/* as malloc(0): a pointer of its own */
	if (!large && size < kvfree_setting(large_threshold))
		return or_enomem(realloc(ptr, size));
	usable = large ? kvfree_area_usable(ptr) : kvfree_free_malloc_bytes(ptr);
	/* If its size is unknown, so that it cannot be copied, it stays with malloc. */
	if (!usable)
		return or_enomem(realloc(ptr, size));
	if (size <= usable && size > usable / 2)
		return ptr;
	fresh = urcu_kvmalloc(size);
	if (!fresh)
		return NULL;
	memcpy(fresh, ptr, usable < size ? usable : size);
	urcu_kvfree(ptr);
	return fresh;
}

void urcu_kvfree(void *ptr)
{
	if (caa_unlikely(kvfree_area_has(ptr)))
		kvfree_area_free(ptr);
	else
		free(ptr);
}
