/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvarena-size.c - a malloc_usable_size() that knows the objects of the arena
 *
 * The real one would look in front of an object for what malloc() wrote there.
 */

#include <stddef.h>

#include "kvarena.h"

/* NULL in a program that has no arena. */
#pragma weak kvarena_has

size_t __real_malloc_usable_size(void *ptr);
size_t __wrap_malloc_usable_size(void *ptr);

size_t __wrap_malloc_usable_size(void *ptr)
{
	if (kvarena_has && kvarena_has(ptr))
		return KVARENA_BYTES;
	return __real_malloc_usable_size(ptr);
}
