/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvarena.c - objects that count how often they are freed
 */

#include <stdlib.h>
#include <string.h>

#include "kvarena.h"

#ifdef KVTEST_ASAN
# include <sanitizer/asan_interface.h>
#else
# define ASAN_POISON_MEMORY_REGION(ptr, size) ((void) (ptr), (void) (size))
# define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void) (ptr), (void) (size))
#endif

/* A slot is a cache line, so that objects are not neighbours by chance. */
union __attribute__((aligned(KVARENA_BYTES))) slot {
	struct kvtest_object object;
	char bytes[KVARENA_BYTES];
};

/* Never moves and is never given back, so that any thread may ask whether a
 * pointer lies in it. */
static union slot slots[KVARENA_ROOM];
static unsigned int frees[KVARENA_ROOM];	/* atomic */

static struct {		/* all atomic */
	size_t made;
	size_t freed;	/* slots freed at least once */
	size_t twice;	/* frees beyond the first */
} arena;

void (*kvarena_on_free)(struct kvtest_object *object);

/* Only programs linked with --wrap=free have the first of them. */
extern void __real_free(void *ptr);
void __wrap_free(void *ptr);

void kvarena_reset(void)
{
	size_t made = kvarena_made();

	ASAN_UNPOISON_MEMORY_REGION(slots, made * sizeof(slots[0]));
	memset(frees, 0, made * sizeof(frees[0]));
	__atomic_store_n(&arena.freed, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&arena.twice, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&arena.made, 0, __ATOMIC_RELEASE);
}

struct kvtest_object *kvarena_object(void)
{
	size_t n = __atomic_fetch_add(&arena.made, 1, __ATOMIC_RELAXED);
	struct kvtest_object *object = kvarena_nth(n);

	object->value = n;
	object->canary = KVTEST_ALIVE;
	return object;
}

struct kvtest_object *kvarena_nth(size_t n)
{
	if (n >= KVARENA_ROOM)
		abort();
	return &slots[n].object;
}

/* Acquire: whoever sees all objects freed may look at what the frees did. */
size_t kvarena_made(void)
{
	return __atomic_load_n(&arena.made, __ATOMIC_ACQUIRE);
}

size_t kvarena_freed(void)
{
	return __atomic_load_n(&arena.freed, __ATOMIC_ACQUIRE);
}

size_t kvarena_twice(void)
{
	return __atomic_load_n(&arena.twice, __ATOMIC_ACQUIRE);
}

static size_t index_of(const void *ptr)
{
	return ((uintptr_t) ptr - (uintptr_t) slots) / sizeof(slots[0]);
}

bool kvarena_has(const void *ptr)
{
	return (uintptr_t) ptr - (uintptr_t) slots < sizeof(slots);
}

bool kvarena_is_freed(const void *ptr)
{
	return __atomic_load_n(&frees[index_of(ptr)],
			__ATOMIC_ACQUIRE) != 0;
}

bool kvarena_all_freed(void *unused)
{
	(void) unused;
	return kvarena_freed() >= kvarena_made();
}

void kvarena_free(void *ptr)
{
	struct kvtest_object *object = ptr;

	if (!kvarena_has(ptr)) {
		__real_free(ptr);
		return;
	}
	/* Release: pairs with the acquire loads above. */
	if (__atomic_fetch_add(&frees[index_of(ptr)], 1,
			__ATOMIC_RELEASE)) {
		__atomic_fetch_add(&arena.twice, 1, __ATOMIC_RELEASE);
		return;
	}
	if (kvarena_on_free)
		kvarena_on_free(object);
	object->canary = KVTEST_DEAD;
	ASAN_POISON_MEMORY_REGION(ptr, sizeof(union slot));
	__atomic_fetch_add(&arena.freed, 1, __ATOMIC_RELEASE);
}

void kvarena_free_bulk(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++)
		kvarena_free(ptrs[i]);
}

void __wrap_free(void *ptr)
{
	kvarena_free(ptr);
}
