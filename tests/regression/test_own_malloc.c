/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_own_malloc.c - in a program with a malloc() of its own
 *
 * It has malloc(), calloc(), realloc() and free() and no more: malloc_usable_size() and
 * posix_memalign() are the C library's, which know nothing of it. A failure does not
 * set errno. (lessons: O14)
 */

#include <errno.h>
#include <stdio.h>

#include "cmocka-all.h"
#include "kvtest.h"

#define LARGE	((size_t) 300000)
#define NR	2000

#if !defined(KVTEST_ASAN) && !defined(__SANITIZE_THREAD__)

/* Memory is handed out once. In front of each piece is its size, and a word that
 * the C library would take for the mark of a piece of 16 bytes. */
static _Alignas(64) char heap[64 << 20];
static size_t used;		/* atomic */
static bool fails;
static unsigned long foreign;	/* atomic: frees of what is not of the heap */

static bool is_own(const void *ptr)
{
	return (uintptr_t) ptr - (uintptr_t) heap < sizeof(heap);
}

static size_t *size_of(void *ptr)
{
	return (size_t *) ((char *) ptr - 16);
}

void *malloc(size_t size)
{
	size_t room = (size + 31) & ~(size_t) 15, at;

	if (fails || room < size)
		return NULL;
	at = __atomic_fetch_add(&used, room, __ATOMIC_RELAXED);
	if (at + room > sizeof(heap))
		return NULL;
	*(size_t *) (heap + at) = size;
	*(size_t *) (heap + at + 16 - sizeof(size_t)) = 32 | 2;
	return heap + at + 16;
}

void *calloc(size_t nmemb, size_t size)
{
	return malloc(nmemb * size);
}

void *realloc(void *ptr, size_t size)
{
	size_t i, kept = ptr ? *size_of(ptr) : 0;
	char *fresh = malloc(size);

	for (i = 0; fresh && i < kept && i < size; i++)
		fresh[i] = ((char *) ptr)[i];
	return fresh;
}

void free(void *ptr)
{
	if (ptr && !is_own(ptr))
		__atomic_fetch_add(&foreign, 1, __ATOMIC_RELAXED);
}

TEST(this_is_the_malloc_in_use)
{
	assert_true(is_own(strdup("text")));
	assert_true(is_own(urcu_kvmalloc(100)));
}

static void check_realloc(void)
{
	char *ptr = urcu_kvmalloc(1000), expected[1000];

	memset(ptr, 7, 1000);
	memset(expected, 7, 1000);
	ptr = urcu_kvrealloc(ptr, LARGE);
	assert_memory_equal(ptr, expected, 1000);
	ptr = urcu_kvrealloc(ptr, 2 * LARGE);
	assert_memory_equal(ptr, expected, 1000);
	urcu_kvfree(ptr);
	ptr = memset(urcu_kvmalloc(LARGE), 7, LARGE);
	ptr = urcu_kvrealloc(ptr, 1000);
	assert_memory_equal(ptr, expected, 1000);
	ptr = urcu_kvrealloc(ptr, 500);
	assert_memory_equal(ptr, expected, 500);
	urcu_kvfree(ptr);
}

TEST(realloc_keeps_the_contents)
{
	check_realloc();
	assert_int_equal(urcu_kvfree_init(NULL), 0);
	check_realloc();
	urcu_kvfree_exit();
}

TEST(nothing_is_freed_that_is_not_of_this_malloc)
{
	unsigned int i;

	assert_int_equal(urcu_kvfree_init(NULL), 0);
	for (i = 0; i < NR; i++)
		urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor,
				urcu_kvmalloc(64));
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(&urcu_mb_flavor), 0);
	urcu_kvfree_shrink();
	urcu_kvfree_exit();
	assert_int_equal(kvtest_stats(&urcu_mb_flavor).pending, 0);
	assert_int_equal(foreign, 0);
}

#define assert_enomem(call)						\
	do {								\
		const void *ptr;					\
									\
		errno = 0;						\
		fails = true;						\
		ptr = (call);						\
		fails = false;						\
		assert_null(ptr);					\
		assert_int_equal(errno, ENOMEM);			\
	} while (0)

TEST(every_null_has_an_errno)
{
	static volatile size_t too_much = SIZE_MAX / 4;
	char *small = urcu_kvmalloc(100), *large = urcu_kvmalloc(LARGE);

	assert_enomem(urcu_kvmalloc(100));
	assert_enomem(urcu_kvmalloc(too_much));
	assert_enomem(urcu_kvzalloc(100));
	assert_enomem(urcu_kvzalloc(too_much));
	assert_enomem(urcu_kvcalloc(10, 10));
	assert_enomem(urcu_kvrealloc(NULL, 100));
	assert_enomem(urcu_kvrealloc(small, 200));
	assert_enomem(urcu_kvrealloc(small, too_much));
	assert_enomem(urcu_kvrealloc(large, 100));
	assert_enomem(urcu_kvfree_attr_create());
	urcu_kvfree(small);
	urcu_kvfree(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_is_the_malloc_in_use),
		cmocka_unit_test(realloc_keeps_the_contents),
		cmocka_unit_test(nothing_is_freed_that_is_not_of_this_malloc),
		cmocka_unit_test(every_null_has_an_errno),
	};

	return kvtest_run(tests);
}

#else

int main(void)
{
	puts("SKIP: the sanitizer brings its own malloc()");
	return 77;
}

#endif
