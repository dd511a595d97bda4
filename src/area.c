/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * area.c - the range of large memory
 */

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "area.h"

#define USED	((uint32_t) 1 << 31)
#define UNITS	((uint32_t) (KVFREE_AREA_BYTES / KVFREE_AREA_UNIT))

struct kvfree_area kvfree_area = {
	.base = KVFREE_AREA_NONE,
	.lock = PTHREAD_MUTEX_INITIALIZER,
};
static struct kvfree_area *const area = &kvfree_area;

/* ------------------------------------------------------------------ */
/* Runs                                                               */

static unsigned int bin_of(uint32_t units)
{
	return 31 - (unsigned int) __builtin_clz(units);
}

static void run_mark(uint32_t first, uint32_t units, uint32_t used)
{
	area->units[first].run = units | used;
	area->units[first + units - 1].run = units | used;
}

static void run_list(uint32_t first, uint32_t units)
{
	uint32_t *bin = &area->bins[bin_of(units)];

	run_mark(first, units, 0);
	area->units[first].prev = 0;
	area->units[first].next = *bin;
	if (*bin)
		area->units[*bin - 1].prev = first + 1;
	*bin = first + 1;
}

static void run_unlist(uint32_t first)
{
	struct kvfree_area_unit *unit = &area->units[first];

	if (unit->prev)
		area->units[unit->prev - 1].next = unit->next;
	else
		area->bins[bin_of(unit->run)] = unit->next;
	if (unit->next)
		area->units[unit->next - 1].prev = unit->prev;
}

/* Index + 1 of a free run of at least @units, or 0. The first that fits in the bin that
 * may hold one; in the bins above, any run fits. */
static uint32_t run_find(uint32_t units)
{
	unsigned int bin = bin_of(units);
	uint32_t i;

	for (i = area->bins[bin]; i; i = area->units[i - 1].next)
		if (area->units[i - 1].run >= units)
			return i;
	while (++bin < KVFREE_AREA_BINS)
		if (area->bins[bin])
			return area->bins[bin];
	return 0;
}

/* Take a run for @bytes, in whole pages; index + 1, or 0. Caller holds the lock. */
static uint32_t run_take(size_t bytes)
{
	uint32_t units = (uint32_t) ((bytes + KVFREE_AREA_UNIT - 1) / KVFREE_AREA_UNIT);
	uint32_t found = run_find(units), rest;

	if (!found)
		return 0;
	rest = area->units[found - 1].run - units;
	run_unlist(found - 1);
	if (rest)
		run_list(found - 1 + units, rest);
	run_mark(found - 1, units, USED);
	area->units[found - 1].pages = (uint32_t) (bytes / area->page_bytes);
	return found;
}

/* Give a run back, joined with its free neighbours. Caller holds the lock. */
static void run_give(uint32_t first)
{
	uint32_t units = area->units[first].run & ~USED;
	uint32_t after = first + units;

	if (after < area->size / KVFREE_AREA_UNIT && !(area->units[after].run & USED)) {
		units += area->units[after].run;
		run_unlist(after);
	}
	if (first && !(area->units[first - 1].run & USED)) {
		uint32_t before = area->units[first - 1].run;

		first -= before;
		units += before;
		run_unlist(first);
	}
	run_list(first, units);
}

/* ------------------------------------------------------------------ */
/* The range                                                          */

static void *map(void *ptr, size_t bytes, int prot, int flags)
{
	return mmap(ptr, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Reserve range and table. Caller holds the lock. */
static bool area_reserve(void)
{
	void *base, *units;

	area->failed = true;
	base = map(NULL, KVFREE_AREA_BYTES, PROT_NONE, 0);
	if (base == MAP_FAILED)
		return false;
	units = map(NULL, UNITS * sizeof(*area->units), PROT_READ | PROT_WRITE, 0);
	if (units == MAP_FAILED) {
		munmap(base, KVFREE_AREA_BYTES);
		return false;
	}
	madvise(base, KVFREE_AREA_BYTES, MADV_DONTDUMP);
	area->failed = false;
	area->units = units;
	area->page_bytes = (size_t) sysconf(_SC_PAGESIZE);
	run_list(0, UNITS);
	/* Relaxed: see kvfree_area_has(). */
	__atomic_store_n(&area->size, KVFREE_AREA_BYTES, __ATOMIC_RELAXED);
	__atomic_store_n(&area->base, (uintptr_t) base, __ATOMIC_RELAXED);
	return true;
}

/* Give back what is free at the end of the range, and the table if that is all of it.
 * Caller holds the lock. */
static void area_trim(void)
{
	uint32_t units = (uint32_t) (area->size / KVFREE_AREA_UNIT);
	uint32_t rest = area->units[units - 1].run;
	uintptr_t base = area->base;

	if (rest & USED)
		return;
	run_unlist(units - rest);
	units -= rest;
	/* Relaxed: see kvfree_area_has(). Both stores come before the addresses can
	 * belong to anybody else. */
	__atomic_store_n(&area->size, units * KVFREE_AREA_UNIT, __ATOMIC_RELAXED);
	if (!units)
		__atomic_store_n(&area->base, KVFREE_AREA_NONE, __ATOMIC_RELAXED);
	munmap((void *) (base + area->size), rest * KVFREE_AREA_UNIT);
	if (units)
		return;
	munmap(area->units, UNITS * sizeof(*area->units));
	area->units = NULL;
}

/* Whether nothing may be allocated: the range failed, or there is an RLIMIT_AS. Then, gives
 * back what is free at its end. Caller holds the lock. */
static bool area_heed_limit(void)
{
	struct rlimit limit;

	if (area->failed)
		return true;
	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return false;
	if (area->units)
		area_trim();
	return true;
}

/* The first unit of the run in use that begins at @ptr. Caller holds the lock. */
static uint32_t run_at(const void *ptr)
{
	uintptr_t offset = (uintptr_t) ptr - area->base;
	uint32_t first = (uint32_t) (offset / KVFREE_AREA_UNIT);

	if (offset < area->size && offset % KVFREE_AREA_UNIT == 0 && area->units[first].pages)
		return first;
	kvfree_die("BUG: no large memory in use begins at %p: freed already, or a pointer into its middle",
		ptr);
}

static size_t run_bytes(uint32_t first)
{
	return (size_t) area->units[first].pages * area->page_bytes;
}

/* Make a run inaccessible and empty. False: its memory is still there. */
static bool run_drop(void *ptr, size_t bytes)
{
	if (map(ptr, bytes, PROT_NONE, MAP_FIXED) != MAP_FAILED) {
		/* Like its neighbours, so that the kernel joins the mappings. */
		madvise(ptr, bytes, MADV_DONTDUMP);
		return true;
	}
	/* For example, there are too many mappings. If it is emptied, it can be used again. */
	return madvise(ptr, bytes, MADV_DONTNEED) == 0;
}

/* LeakSanitizer looks for pointers where it is told to. NULL in a program without it. */
void __lsan_register_root_region(const void *ptr, size_t bytes) __attribute__((weak));
void __lsan_unregister_root_region(const void *ptr, size_t bytes) __attribute__((weak));

void *kvfree_area_alloc(size_t size)
{
	uint32_t found = 0;
	size_t bytes = 0;
	void *ptr;

	if (size > KVFREE_AREA_BYTES)
		return NULL;
	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	if (KVFREE_AREA_EXISTS && !area_heed_limit() && (area->units || area_reserve())) {
		bytes = (size + area->page_bytes - 1) & ~(area->page_bytes - 1);
		found = run_take(bytes);
	}
	kvfree_mutex_unlock(&area->lock);
	if (!found)
		return NULL;
	ptr = (void *) (area->base + (found - 1) * KVFREE_AREA_UNIT);
	if (mprotect(ptr, bytes, PROT_READ | PROT_WRITE)) {
		kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
		area->units[found - 1].pages = 0;
		run_give(found - 1);
		kvfree_mutex_unlock(&area->lock);
		return NULL;
	}
	madvise(ptr, bytes, MADV_DODUMP);
	__atomic_fetch_add(&area->bytes, bytes, __ATOMIC_RELAXED);
	if (__lsan_register_root_region)
		__lsan_register_root_region(ptr, bytes);
	return ptr;
}

size_t kvfree_area_usable(void *ptr)
{
	size_t bytes;

	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	bytes = run_bytes(run_at(ptr));
	kvfree_mutex_unlock(&area->lock);
	return bytes;
}

void kvfree_area_free(void *ptr)
{
	uint32_t first;
	size_t bytes;

	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	first = run_at(ptr);
	bytes = run_bytes(first);
	area->units[first].pages = 0;	/* for a second free to find */
	kvfree_mutex_unlock(&area->lock);
	__atomic_fetch_sub(&area->bytes, bytes, __ATOMIC_RELAXED);
	if (__lsan_unregister_root_region)
		__lsan_unregister_root_region(ptr, bytes);
	if (!run_drop(ptr, bytes))
		return;		/* never handed out again: it must be zero */
	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	if (!area->failed)
		run_give(first);
	area_heed_limit();
	kvfree_mutex_unlock(&area->lock);
}

void kvfree_area_fork_reset(bool at_rest)
{
	/* A thread that the fork did not copy was changing the table:
	 * allocate from malloc from here on. What is allocated in the range is
	 * still recognized, and its memory goes back when it is freed. */
	if (!at_rest && pthread_mutex_trylock(&area->lock) != 0)
		area->failed = true;
	pthread_mutex_init(&area->lock, NULL);
}

void kvfree_area_release(void)
{
	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	if (area->units && !area->failed && area->units[0].run == area->size / KVFREE_AREA_UNIT)
		area_trim();
	kvfree_mutex_unlock(&area->lock);
}

void kvfree_area_heed_limit(void)
{
	kvfree_mutex_lock(&area->lock, KVFREE_RANK_AREA);
	area_heed_limit();
	kvfree_mutex_unlock(&area->lock);
}

void kvfree_area_prefork(void)
{
	kvfree_mutex_lock(&kvfree_area.lock, KVFREE_RANK_AREA);
}

void kvfree_area_postfork(void)
{
	kvfree_mutex_unlock(&kvfree_area.lock);
}
