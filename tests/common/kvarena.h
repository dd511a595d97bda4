/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVARENA_H
#define KVARENA_H

/*
 * kvarena.h - objects that count how often they are freed
 *
 * The objects of the arena are handed to the library as if malloc() had made
 * them. A program linked with --wrap=free (WRAP_FREE in Makemodule.am) sends each
 * free() of the library through kvarena_free(), which counts it per object,
 * spoils the canary and poisons the memory for AddressSanitizer, and never uses the
 * memory again: "lost" and "twice" are exact. A channel's free
 * function can be kvarena_free_bulk().
 *
 * Thread-safe, but for kvarena_reset(), which wants nothing to be pending.
 */

#include "kvtest.h"

/* Objects that there is room for. */
#define KVARENA_ROOM	((size_t) 1 << 18)
/* What malloc_usable_size() says of each, if the library asks. */
#define KVARENA_BYTES	64

/* Forget all objects. */
void kvarena_reset(void);

/* A fresh object; aborts when there is no room. */
struct kvtest_object *kvarena_object(void);
/* The object of that number, from 0 in the order of their making. */
struct kvtest_object *kvarena_nth(size_t n);

size_t kvarena_made(void);
/* Objects that were freed at least once, more than once. */
size_t kvarena_freed(void);
size_t kvarena_twice(void);
bool kvarena_is_freed(const void *ptr);
/* Whether @ptr is of the arena. */
bool kvarena_has(const void *ptr);

/* Whether all that were made were freed: for kvtest_wait(). */
bool kvarena_all_freed(void *unused);

/* Count a free; anything that is not of the arena is passed to free(). */
void kvarena_free(void *ptr);
void kvarena_free_bulk(size_t nr, void **ptrs, void *priv);

/*
 * Called before an object is counted as freed and spoiled. Set while nothing
 * is pending.
 */
extern void (*kvarena_on_free)(struct kvtest_object *object);

/* Everything that was made was freed, once. From the main thread. */
#define kvarena_assert_exact()						\
	do {								\
		assert_int_equal(kvarena_freed(), kvarena_made());	\
		assert_int_equal(kvarena_twice(), 0);			\
	} while (0)

#endif /* KVARENA_H */
