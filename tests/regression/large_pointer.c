/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * large_pointer.c - a process that ends while only large memory points to an object
 *
 * For LeakSanitizer (see leaks.sh). With "kept" as its argument the large memory is in
 * use to the end, so that nothing is lost; with "freed" it is not; with "lost" nothing
 * points to the object from the beginning.
 */

#include <stdlib.h>
#include <string.h>

#include <urcu.h>
#include <urcu/kvfree.h>

#define SLOTS	100000

/* Nothing of it stays in a register or on the stack. */
static __attribute__((noinline)) void fill(void **large)
{
	large[SLOTS / 2] = memset(malloc(100), 1, 100);
}

static __attribute__((noinline)) void scrub(void)
{
	volatile char stack[4096];
	size_t i;

	for (i = 0; i < sizeof(stack); i++)
		stack[i] = 0;
}

static void **large;

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	large = urcu_kvmalloc(SLOTS * sizeof(*large));
	if (!large)
		return 3;
	fill(large);
	if (!strcmp(argv[1], "lost"))
		large[SLOTS / 2] = NULL;
	if (!strcmp(argv[1], "freed"))
		urcu_kvfree(large);
	scrub();
	return 0;
}
