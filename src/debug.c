/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * debug.c - find objects that are queued twice, and waits inside sections
 *
 * See debug.h.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
# include <execinfo.h>
#endif

#include "debug.h"

#define SLOTS		((size_t) 1 << 20)
/* Slots that one object may lie in. */
#define WINDOW		64
/* Set in a slot once its object was reported. */
#define REPORTED	((uintptr_t) 1)
#define POISON		0x6b
#define FRAMES		32

/* An array, fixed from the first start with debugging on; atomic. */
static uintptr_t *table;

/* The first of the slots that @key may lie in; NULL while there is no table. */
static uintptr_t *window_of(uintptr_t key)
{
	/* Acquire: pairs with the release in table_publish(). */
	uintptr_t *slots = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	uint64_t hash = key * 0x9e3779b97f4a7c15ULL;

	return slots ? slots + (size_t) (hash >> 32) % (SLOTS - WINDOW) : NULL;
}

bool kvfree_debug_is_started(void)
{
	/* Acquire: pairs with the release in table_publish(). */
	return __atomic_load_n(&table, __ATOMIC_ACQUIRE);
}

static void print_backtrace(void)
{
#ifdef __GLIBC__
	void *frames[FRAMES];
	int nr = backtrace(frames, FRAMES);

	backtrace_symbols_fd(frames, nr, STDERR_FILENO);
#endif
}

/* Of starts that run at once, the first one's table is taken. */
static void table_publish(uintptr_t *slots)
{
	uintptr_t *none = NULL;

	/* Release: pairs with window_of(); the table exists. */
	if (!__atomic_compare_exchange_n(&table, &none, slots, false,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		munmap(slots, SLOTS * sizeof(*slots));
}

int kvfree_debug_start(void)
{
	void *slots;
#ifdef __GLIBC__
	void *frame;
#endif

	if (kvfree_debug_is_started())
		return 0;
#ifdef __GLIBC__
	/* The first backtrace() of a process loads a library; later ones allocate nothing, so a raw
	 * context may call it. Where there is a table, there was one. */
	backtrace(&frame, 1);
#endif
	slots = mmap(NULL, SLOTS * sizeof(*table), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED)
		return -1;
	table_publish(slots);
	return 0;
}

/* The slot of @ptr other than @mine, or NULL. */
static uintptr_t *find(uintptr_t *window, uintptr_t ptr, uintptr_t *mine)
{
	unsigned int i;

	/* Seq_cst, here and in claim(): of two threads that queue the same
	 * object at once, at least one sees the other's slot. */
	for (i = 0; i < WINDOW; i++)
		if (&window[i] != mine && (__atomic_load_n(&window[i],
				__ATOMIC_SEQ_CST) & ~REPORTED) == ptr)
			return &window[i];
	return NULL;
}

static uintptr_t *claim(uintptr_t *window, uintptr_t ptr)
{
	unsigned int i;

	/* Seq_cst: see find(). */
	for (i = 0; i < WINDOW; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&window[i], &none, ptr, false,
				__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return &window[i];
	}
	return NULL;
}

/* Once for each object, however often it is queued. Not inlined: see runtime_start(). */
static __attribute__((noinline)) void report(uintptr_t *slot, void *ptr)
{
	/* Seq_cst, as all of the table: nothing here is fast. */
	if (__atomic_fetch_or(slot, REPORTED, __ATOMIC_SEQ_CST) & REPORTED)
		return;
	kvfree_warn("BUG: object %p is queued twice; this queueing is ignored. It was queued again from:",
		ptr);
	print_backtrace();
}

bool kvfree_debug_queue(void *ptr)
{
	uintptr_t key = (uintptr_t) ptr, *window = window_of(key), *mine, *other;

	if (!window)
		return true;
	other = find(window, key, NULL);
	if (other) {
		report(other, ptr);
		return false;
	}
	mine = claim(window, key);
	other = mine ? find(window, key, mine) : NULL;
	if (!other)
		return true;
	/* Two threads queue it at once. Each may find the other; then it is leaked. */
	report(other, ptr);
	__atomic_store_n(mine, 0, __ATOMIC_SEQ_CST);
	return false;
}

void kvfree_debug_section(const char *call, void *place)
{
	/* Places in code share the table with objects: their addresses differ. Call
	 * instructions are longer than a byte, so the lowest bit is not needed. */
	uintptr_t key = (uintptr_t) place & ~REPORTED, *window = window_of(key);

	if (!window || find(window, key, NULL) || !claim(window, key))
		return;
	kvfree_warn("BUG: %s called inside an RCU read-side critical section: it may wait for itself. It was called from:",
		call);
	print_backtrace();
}

void kvfree_debug_forget(void *ptr)
{
	uintptr_t key = (uintptr_t) ptr, *window = window_of(key);
	uintptr_t *slot = window ? find(window, key, NULL) : NULL;

	if (slot)
		__atomic_store_n(slot, 0, __ATOMIC_SEQ_CST);
}

void kvfree_debug_free(void *ptr, size_t poison_bytes)
{
	memset(ptr, POISON, poison_bytes);
	kvfree_debug_forget(ptr);
}
