/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_ANNOTATE_H
#define KVCACHED_ANNOTATE_H

/*
 * annotate.h - tell ThreadSanitizer what RCU orders
 *
 * liburcu publishes and looks up with barriers in assembly, and waits for
 * readers with membarrier(): the sanitizer sees none of it and would call each
 * reader's look at an item a race. Without -fsanitize=thread all of this is empty.
 */

#include <urcu.h>

#if defined(__SANITIZE_THREAD__)
# define ANNOTATE_RCU
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define ANNOTATE_RCU
# endif
#endif

#ifdef ANNOTATE_RCU
void __tsan_acquire(void *address);
void __tsan_release(void *address);
# define annotate_release(address)	__tsan_release((void *) (address))
# define annotate_acquire(address)	__tsan_acquire((void *) (address))
#else
# define annotate_release(address)	((void) (address))
# define annotate_acquire(address)	((void) (address))
#endif

/* The writer, before an item goes into the table. */
static inline void annotate_publish(const void *item)
{
	annotate_release(item);
}

/* The reader, when the table has given it an item. */
static inline void annotate_found(const void *item)
{
	annotate_acquire(item);
}

/* The reader is done. liburcu-kvfree acquires this before it frees. */
static inline void annotate_read_unlock(void)
{
	annotate_release(&rcu_flavor);
}

#endif /* KVCACHED_ANNOTATE_H */
