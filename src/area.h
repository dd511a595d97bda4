/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_AREA_H
#define KVFREE_AREA_H

/*
 * area.h - large memory in one reserved range of addresses
 *
 * Everything large lies in one range that is reserved once, so that telling it from malloc's memory
 * is a subtraction and a compare, which a raw call can afford (the kernel's is_vmalloc_addr()). A
 * page of the range is accessible while it is allocated; freeing it replaces the mapping, which
 * gives the memory back to the system at once. Core files leave out what is not allocated; gdb
 * would otherwise write the whole range.
 *
 * The range is made of units. A run is a sequence of units that is allocated or free as a whole;
 * its length is kept at its first and last unit (boundary tags), and free runs are in one list for
 * each power of two.
 *
 * The range counts against RLIMIT_AS. If there is a limit, there is no range; if one is set later,
 * what is free at the end of the range is given back: the range becomes shorter, never longer.
 *
 * Locking discipline: area.lock guards the table and the lists. The system calls on a run are made
 * outside it, by whoever owns the run.
 */

#include "lockrank.h"

#if UINTPTR_MAX <= UINT32_MAX
/* No room for a range: large requests go to malloc. */
# define KVFREE_AREA_EXISTS	0
# define KVFREE_AREA_BYTES	KVFREE_AREA_UNIT
# define KVFREE_AREA_NONE	((uintptr_t) 0)
#else
# define KVFREE_AREA_EXISTS	1
# ifdef KVFREE_CHECK
#  define KVFREE_AREA_BYTES	((uintptr_t) 64 << 20)
# else
#  define KVFREE_AREA_BYTES	((uintptr_t) 64 << 30)
# endif
/* Above all user addresses, so that no pointer is inside. */
# define KVFREE_AREA_NONE	((uintptr_t) 1 << 63)
#endif

#define KVFREE_AREA_UNIT	((size_t) 64 << 10)
#define KVFREE_AREA_BINS	32

struct kvfree_area_unit {
	uint32_t run;		/* first and last of a run: its units | USED */
	uint32_t pages;		/* first of a run in use: accessible pages; or 0 */
	uint32_t next, prev;	/* first of a free run: index + 1, 0: none */
};

struct kvfree_area {
	uintptr_t base;		/* atomic; KVFREE_AREA_NONE, then fixed */
	size_t size;		/* atomic, written under lock */
	bool failed;		/* under lock: not to be had, or its table not to be trusted */
	pthread_mutex_t lock;
	struct kvfree_area_unit *units;		/* under lock */
	uint32_t bins[KVFREE_AREA_BINS];	/* under lock: index + 1 */
	size_t page_bytes;	/* under lock until base is set, then fixed */
	uint64_t bytes;		/* atomic: accessible */
};

extern struct kvfree_area kvfree_area;

/* Raw-safe. */
static inline bool kvfree_area_has(const void *ptr)
{
	/* Relaxed: a thread that has a pointer into the range got it from one that saw the base and
	 * the size; for all other pointers either value answers no. Addresses that were given back
	 * reach others through the kernel, which orders the size before that. */
	return KVFREE_AREA_EXISTS &&
		(uintptr_t) ptr - __atomic_load_n(&kvfree_area.base, __ATOMIC_RELAXED) <
		__atomic_load_n(&kvfree_area.size, __ATOMIC_RELAXED);
}

/* Zeroed memory of @size bytes, or NULL. Clean context. */
void *kvfree_area_alloc(size_t size);
/* Free @ptr. This call and the next abort with a message if no memory in use begins there:
 * it was freed already, or @ptr points into its middle. */
void kvfree_area_free(void *ptr);
/* How many bytes may be used at @ptr. */
size_t kvfree_area_usable(void *ptr);
/* Give the range back if nothing is allocated in it. */
void kvfree_area_release(void);
/* Give back what is free at its end, if there is an RLIMIT_AS. */
void kvfree_area_heed_limit(void);

void kvfree_area_prefork(void);
void kvfree_area_postfork(void);
/* In the child of a fork; @at_rest: nobody was changing the table. */
void kvfree_area_fork_reset(bool at_rest);

#endif /* KVFREE_AREA_H */
