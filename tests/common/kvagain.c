/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvagain.c - an object that can be queued again and again
 */

#include <stdlib.h>

#include "kvagain.h"

#define OBJECT_BYTES	64

/* From malloc(), so that the library may ask how large it is. */
static void *object;		/* set before main() */
static uint64_t freed;		/* atomic */

/* Only programs linked with --wrap=free have the first of them. */
extern void __real_free(void *ptr);
void __wrap_free(void *ptr);

static __attribute__((constructor)) void object_make(void)
{
	object = malloc(OBJECT_BYTES);
	if (!object)
		abort();
}

void *kvagain_object(void)
{
	return object;
}

uint64_t kvagain_freed(void)
{
	return __atomic_load_n(&freed, __ATOMIC_ACQUIRE);
}

/* Weak: in a program with an arena the linker may come by here first. */
__attribute__((weak)) void __wrap_free(void *ptr)
{
	if (ptr && ptr == object)
		__atomic_fetch_add(&freed, 1, __ATOMIC_RELEASE);
	else
		__real_free(ptr);
}
