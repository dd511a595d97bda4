/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_TSAN_H
#define KVFREE_TSAN_H

/*
 * tsan.h - tell ThreadSanitizer what a grace period orders
 *
 * liburcu's grace period is made of membarrier() calls and assembly, which ThreadSanitizer cannot
 * see. The library says "acquire" on the address of the flavor after each grace period; a reader of
 * a test says "release" on the same address before it leaves its section (see tests/common/).
 */

#if defined(__SANITIZE_THREAD__)
# define KVFREE_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define KVFREE_TSAN 1
# endif
#endif

#ifdef KVFREE_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

static inline void kvfree_tsan_acquire(const void *addr)
{
	__tsan_acquire((void *) (uintptr_t) addr);
}

static inline void kvfree_tsan_release(const void *addr)
{
	__tsan_release((void *) (uintptr_t) addr);
}
#else
static inline void kvfree_tsan_acquire(const void *addr)
{
	(void) addr;
}

static inline void kvfree_tsan_release(const void *addr)
{
	(void) addr;
}
#endif

#endif /* KVFREE_TSAN_H */
