/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * channel-module.c - a module with a channel's free function, to be unloaded
 */

#include <stddef.h>

void module_free_bulk(size_t nr, void **ptrs, void *priv);

/* @priv: the function that takes one pointer. */
void module_free_bulk(size_t nr, void **ptrs, void *priv)
{
	void (*take)(void *ptr);
	size_t i;

	*(void **) &take = priv;
	for (i = 0; i < nr; i++)
		take(ptrs[i]);
}
