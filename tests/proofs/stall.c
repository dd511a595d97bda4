/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * stall.c - raw calls go on while every allocation of the process is stalled
 *
 * All of malloc's family, mmap(), munmap() and madvise() are wrapped (ld
 * --wrap). While the stall lasts, each call of them blocks, in the library's workers
 * and in a thread that does nothing but allocate. The raw callers have their objects
 * already. The stall lasts for a second and is not lifted before they have
 * made all their calls: if one of these needed the allocator, nothing would ever
 * move again and the watchdog would end the program.
 */

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "proof.h"

#define CALLERS		2
#define CALLS		300000	/* per caller */
#define BURSTS		500	/* spread over the stall */
#define STALL_MSEC	1000

struct object {
	struct rcu_head head;
};

static const struct rcu_flavor_struct *flavor;
static struct object **objects[CALLERS];
static int stalled, blocked, callers_ready, callers_through, stop;
static int blocked_in_library;
static uint64_t longest_nsec[CALLERS];
static __thread bool exempt;		/* the main thread lifts the stall */
static __thread bool is_app;

/* ------------------------------------------------------------------ */
/* The allocator                                                      */

static void stall(void)
{
	if (exempt || !proof_load(&stalled))
		return;
	proof_add(&blocked, 1);
	if (!is_app)
		proof_add(&blocked_in_library, 1);
	while (proof_load(&stalled))
		usleep(1000);
}

#define WRAP(type, name, params, args)					\
	type __real_##name params;					\
	type __wrap_##name params;					\
	type __wrap_##name params					\
	{								\
		stall();						\
		return __real_##name args;				\
	}

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t nmemb, size_t size), (nmemb, size))
WRAP(void *, realloc, (void *ptr, size_t size), (ptr, size))
WRAP(int, posix_memalign, (void **ptr, size_t align, size_t size),
	(ptr, align, size))
WRAP(void *, mmap, (void *addr, size_t length, int prot, int flags, int fd,
	off_t offset), (addr, length, prot, flags, fd, offset))
WRAP(int, munmap, (void *addr, size_t length), (addr, length))
WRAP(int, mprotect, (void *addr, size_t length, int prot),
	(addr, length, prot))
WRAP(int, madvise, (void *addr, size_t length, int advice),
	(addr, length, advice))

void __real_free(void *ptr);
void __wrap_free(void *ptr);
void __wrap_free(void *ptr)
{
	stall();
	__real_free(ptr);
}

/* ------------------------------------------------------------------ */
/* The threads                                                        */

static uint64_t now_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

/*
 * Some calls, then a little sleep, so that they last as long as the stall. The
 * first caller has a record and a page, which it fills up; the second does
 * not, and nobody can make it one.
 */
static void *caller(void *arg)
{
	unsigned int me = *(unsigned int *) arg;
	struct object **mine = objects[me];
	unsigned int i;

	if (me == 0)
		proof_record(flavor);
	proof_add(&callers_ready, 1);
	while (!proof_load(&stalled))
		usleep(100);
	for (i = 0; i < CALLS; i++) {
		uint64_t begin = now_nsec(), took;

		if (i % 8)
			urcu_kvfree_rcu_flavor(flavor, mine[i], head);
		else if (!urcu_kvfree_rcu_try_flavor(flavor, mine[i]))
			urcu_kvfree_rcu_flavor(flavor, mine[i], head);
		took = now_nsec() - begin;
		if (took > longest_nsec[me])
			longest_nsec[me] = took;
		if (i % (CALLS / BURSTS) == 0)
			usleep(STALL_MSEC * 1000 / BURSTS);
	}
	proof_add(&callers_through, 1);
	return NULL;
}

static void *allocating(void *arg)
{
	(void) arg;
	is_app = true;
	while (!proof_load(&stop)) {
		void *volatile ptr = malloc(100);

		free(ptr);
		/* Pages to drain and to refill, large memory to unmap. */
		urcu_kvfree_rcu_flavor(flavor, malloc(100));
		urcu_kvfree_rcu_flavor(flavor, urcu_kvmalloc(300000));
		usleep(200);
	}
	return NULL;
}

static void make_objects(void)
{
	unsigned int i, j;

	for (i = 0; i < CALLERS; i++) {
		objects[i] = malloc(CALLS * sizeof(*objects[i]));
		proof_require(objects[i] != NULL, "no memory");
		for (j = 0; j < CALLS; j++) {
			objects[i][j] = malloc(sizeof(*objects[i][j]));
			proof_require(objects[i][j] != NULL, "no memory");
		}
	}
}

static void round_of_calls(void)
{
	static unsigned int number[CALLERS];
	pthread_t threads[CALLERS], app;
	uint64_t begin, lasted, longest = 0;
	unsigned int i;

	make_objects();
	stop = blocked = blocked_in_library = 0;
	callers_ready = callers_through = 0;
	app = proof_thread(allocating, NULL);
	for (i = 0; i < CALLERS; i++) {
		number[i] = i;
		threads[i] = proof_thread(caller, &number[i]);
	}
	proof_wait_for(&callers_ready, CALLERS);
	begin = kvtest_msec();
	proof_store(&stalled, 1);
	kvtest_sleep_msec(STALL_MSEC);
	proof_wait_for(&callers_through, CALLERS);
	lasted = kvtest_msec() - begin;
	proof_require(proof_load(&blocked) >= 2 &&
		proof_load(&blocked_in_library) >= 1,
		"%d calls of the allocator were stalled, %d of them the library's",
		blocked, blocked_in_library);
	proof_store(&stalled, 0);
	proof_store(&stop, 1);
	proof_join(app);
	for (i = 0; i < CALLERS; i++) {
		proof_join(threads[i]);
		if (longest_nsec[i] > longest)
			longest = longest_nsec[i];
		free(objects[i]);
	}
	proof_all_freed(flavor);
	proof_say("%d raw calls while %d threads, %d of them the library's, stood in the allocator for %llu ms; the longest call took %llu us",
		CALLERS * CALLS, blocked, blocked_in_library,
		(unsigned long long) lasted,
		(unsigned long long) longest / 1000);
}

int main(void)
{
	unsigned int i;

	proof_start("stall", proof_long() ? 300 : 60);
	proof_skip_instrumented();
	exempt = true;
	flavor = &urcu_memb_flavor;
	proof_init(5, 0, 2, 0);
	for (i = 0; i < (proof_long() ? 10 : 1); i++)
		round_of_calls();
	urcu_kvfree_exit();
	return 0;
}
