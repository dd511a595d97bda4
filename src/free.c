/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * free.c - how the objects of a channel are freed
 */

#include <dlfcn.h>
#include <malloc.h>

#include "area.h"
#include "conf.h"
#include "debug.h"
#include "free.h"
#include "page.h"

/* How many objects ahead of the free a cache line is prefetched. */
#define PREFETCH_AHEAD	8

struct kvfree_channels kvfree_channels = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

KVFREE_TLS unsigned char kvfree_freeing;

/* Atomic: malloc_usable_size() may be called for memory of malloc(). */
static bool sizes_known;

/* The program or library that @function is in; NULL in a static program. */
static const void *object_of(void *function)
{
	Dl_info info = { 0 };

	dladdr(function, &info);
	return info.dli_fbase;
}

/*
 * Which functions belong to the malloc() in use. Not at a start: dladdr() takes the
 * dynamic linker's lock; see launch.c, and start_debugging() in start.c. Until this ran,
 * the answers are those that are right for any malloc().
 */
static __attribute__((constructor)) void learn_malloc(void)
{
	const void *memory = object_of((void *) (uintptr_t) malloc);
	const void *libc = object_of((void *) (uintptr_t) abort);

	/* A program with a malloc() of its own may have left these two to the C
	 * library: then malloc_usable_size() would read memory that it does not
	 * know, and the program's free() would not accept memory of
	 * posix_memalign(). Relaxed: the answers from before stay right. */
	__atomic_store_n(&sizes_known, memory == object_of((void *) (uintptr_t) malloc_usable_size),
			__ATOMIC_RELAXED);
	if (memory == libc || libc != object_of((void *) (uintptr_t) posix_memalign))
		kvfree_page_use_memalign();
}

size_t kvfree_free_malloc_bytes(void *ptr)
{
	return __atomic_load_n(&sizes_known, __ATOMIC_RELAXED) ? malloc_usable_size(ptr) : 0;
}

size_t kvfree_free_bytes(unsigned int channel, void *ptr)
{
	if (channel == KVFREE_CHANNEL_MALLOC)
		return kvfree_free_malloc_bytes(ptr);
	if (channel == KVFREE_CHANNEL_LARGE)
		return kvfree_area_usable(ptr);
	return 0;
}

static void free_malloced(size_t nr, void **ptrs)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		/* The allocator's header lies in front of the object. */
		if (i + PREFETCH_AHEAD < nr)
			__builtin_prefetch((char *) ptrs[i + PREFETCH_AHEAD] - sizeof(size_t), 1);
		free(ptrs[i]);
	}
}

static void debug_free(unsigned int channel, size_t nr, void **ptrs)
{
	bool strict = kvfree_setting(debug) == URCU_KVFREE_DEBUG_STRICT;
	size_t i;

	for (i = 0; i < nr; i++)
		kvfree_debug_free(ptrs[i], strict && channel == KVFREE_CHANNEL_MALLOC ?
				kvfree_free_malloc_bytes(ptrs[i]) : 0);
}

/* Called at the end of the scope, and when an exception or the end of the thread unwinds
 * the stack. The library cannot go on then: what the caller has in hand would stay there. */
static void must_return(struct urcu_kvfree_channel **user)
{
	if (*user)
		kvfree_die("a free function of channel \"%s\" did not return: it threw an exception, or ended its thread",
			(*user)->name);
}

static void user_free(struct urcu_kvfree_channel *user, size_t nr, void **ptrs)
{
	struct urcu_kvfree_channel *inside __attribute__((cleanup(must_return))) = user;

	kvfree_freeing++;
	user->free_bulk(nr, ptrs, user->priv);
	/* In the child of a fork() it is 0; the thread that called for this is the parent's. */
	if (caa_unlikely(!kvfree_freeing))
		kvfree_die("a free function of channel \"%s\" called fork(), and its child returned from it",
			user->name);
	kvfree_freeing--;
	inside = NULL;
}

void kvfree_free_objects(unsigned int channel, size_t nr, void **ptrs)
{
	size_t i;

	if (caa_unlikely(kvfree_setting(debug)))
		debug_free(channel, nr, ptrs);
	switch (channel) {
	case KVFREE_CHANNEL_MALLOC:
		free_malloced(nr, ptrs);
		return;
	case KVFREE_CHANNEL_LARGE:
		for (i = 0; i < nr; i++)
			kvfree_area_free(ptrs[i]);
		return;
	}
	user_free(&kvfree_channels.user[channel - KVFREE_CHANNEL_USER], nr, ptrs);
}
