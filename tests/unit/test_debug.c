/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_debug.c - objects that are queued twice are found, told and leaked
 */

#include <sys/mman.h>

#include "cmocka-all.h"
#include "debug.h"
#include "kvarena.h"
#include "kvchild.h"
#include "kvinside.h"

#define THREADS	4
#define MANY	2000

FIXTURE(begin)
{
	return kvfree_debug_start();
}

void *__real_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset);
void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset);

/* What happens once at the next mmap(), before it returns. */
static void (*beside_mmap)(void);
static bool mmap_fails;
static void *mapped;

void *__wrap_mmap(void *addr, size_t size, int prot, int flags, int fd,
		off_t offset)
{
	void (*beside)(void) = beside_mmap;

	beside_mmap = NULL;
	if (beside)
		beside();
	if (mmap_fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	mapped = __real_mmap(addr, size, prot, flags, fd, offset);
	return mapped;
}

/* ------------------------------------------------------------------ */
/* The table                                                          */

TEST(an_object_may_be_queued_again_once_it_was_freed)
{
	void *object = malloc(10);

	assert_true(kvfree_debug_queue(object));
	kvfree_debug_free(object, 0);
	assert_true(kvfree_debug_queue(object));
	kvfree_debug_forget(object);
	assert_true(kvfree_debug_queue(object));
	kvfree_debug_forget(object);
	free(object);
}

TEST(many_objects_are_told_apart)
{
	static struct { char bytes[16]; } objects[MANY];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		assert_true(kvfree_debug_queue(&objects[i]));
	for (i = 0; i < MANY; i += 2)
		kvfree_debug_forget(&objects[i]);
	for (i = 0; i < MANY; i += 2)
		assert_true(kvfree_debug_queue(&objects[i]));
	for (i = 0; i < MANY; i++)
		kvfree_debug_forget(&objects[i]);
}

TEST(a_free_poisons_as_many_bytes_as_it_is_told)
{
	unsigned char object[64];
	unsigned int i;

	memset(object, 0, sizeof(object));
	kvfree_debug_free(object, 0);
	assert_int_equal(object[0], 0);
	kvfree_debug_free(object, 40);
	for (i = 0; i < 64; i++)
		assert_int_equal(object[i], i < 40 ? 0x6b : 0);
}

/* ------------------------------------------------------------------ */
/* In processes of their own: what is said, and what the library does */

static int without_a_table(void)
{
	int object;

	if (!kvfree_debug_queue(&object) || !kvfree_debug_queue(&object))
		return 1;
	kvfree_debug_forget(&object);
	return KVCHILD_OK;
}

static int the_second_of_two(void)
{
	int object;

	if (kvfree_debug_start() || !kvfree_debug_queue(&object))
		return 1;
	/* Told once, however often. */
	if (kvfree_debug_queue(&object) ||
	    kvfree_debug_queue(&object))
		return 2;
	return KVCHILD_OK;
}

static struct { char bytes[16]; } shared[MANY];
static unsigned int accepted[MANY];	/* atomic */

static void *queue_all(void *arg)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		if (kvfree_debug_queue(&shared[i]))
			__atomic_fetch_add(&accepted[i], 1, __ATOMIC_RELAXED);
	return arg;
}

/* Threads that queue the same objects: never twice. */
static int threads_at_once(void)
{
	pthread_t tid[THREADS];
	unsigned int i;

	if (kvfree_debug_start())
		return 1;
	for (i = 0; i < THREADS; i++)
		tid[i] = kvtest_thread(queue_all, NULL);
	for (i = 0; i < THREADS; i++)
		kvtest_join(tid[i]);
	for (i = 0; i < MANY; i++)
		if (accepted[i] > 1)
			return 2;
	return KVCHILD_OK;
}

static void start(enum urcu_kvfree_debug how)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	urcu_kvfree_attr_set_debug(attr, how);
	if (urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

static int queued_beside;

static void start_and_queue(void)
{
	if (kvfree_debug_start() || !kvfree_debug_queue(&queued_beside))
		abort();
}

/* Two threads start at once: the one that is late takes the other one's table. */
static int two_starts_at_once(void)
{
	beside_mmap = start_and_queue;
	if (kvfree_debug_start())
		return 1;
	if (kvfree_debug_queue(&queued_beside))
		return 2;
	/* The late one's is unmapped. */
	return msync(mapped, 1, MS_ASYNC) == -1 && errno == ENOMEM ?
		KVCHILD_OK : 3;
}

/* A start that fails keeps its settings: the next one is with debugging, too. */
static int no_memory_for_the_table(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	int object;

	urcu_kvfree_attr_set_debug(attr, URCU_KVFREE_DEBUG_ON);
	mmap_fails = true;
	if (urcu_kvfree_init(attr) != -1 || errno != ENOMEM)
		return 1;
	mmap_fails = false;
	urcu_kvfree_attr_destroy(attr);
	if (urcu_kvfree_init(NULL) || !kvfree_debug_queue(&object) ||
	    kvfree_debug_queue(&object))
		return 2;
	kvfree_debug_forget(&object);
	urcu_kvfree_exit();
	return KVCHILD_OK;
}

/* Every pair of calls, on each flavor: freed once, one of the two leaked. */
static int double_free(enum urcu_kvfree_debug how)
{
	const struct kvtest_flavor *flavor;
	unsigned int nr = 0, i, k;

	start(how);
	for (flavor = kvtest_flavors; flavor->name; flavor++) {
		const struct rcu_flavor_struct *rcu = flavor->rcu;
		struct kvtest_reader reader;

		kvtest_reader_enter(&reader, rcu);
		for (i = 0; i < 9; i++) {
			struct kvtest_object *object = kvarena_object();
			unsigned int pair[2] = { i / 3, i % 3 };

			for (k = 0; k < 2; k++) {
				if (pair[k] == 0)
					urcu_kvfree_rcu_flavor(rcu, object,
							head);
				else if (pair[k] == 1)
					urcu_kvfree_rcu_mightsleep_flavor(rcu,
							object);
				else
					kvinside_queue_emergency(rcu, object,
							NULL);
			}
			nr++;
		}
		kvtest_reader_leave(&reader);
		urcu_kvfree_rcu_barrier_flavor(rcu);
	}
	if (kvarena_freed() != nr || kvarena_twice())
		return 1;
	if (kvtest_stats(NULL).leaked != nr || kvtest_stats(NULL).pending)
		return 2;
	urcu_kvfree_exit();
	return KVCHILD_OK;
}

static int double_free_on(void)
{
	return double_free(URCU_KVFREE_DEBUG_ON);
}

static int ordinary_use(void)
{
	const struct rcu_flavor_struct *rcu = &urcu_mb_flavor;
	unsigned int i;

	start(URCU_KVFREE_DEBUG_ON);
	for (i = 0; i < 5000; i++) {
		urcu_kvfree_rcu_mightsleep_flavor(rcu, malloc(32));
		if (!urcu_kvfree_rcu_try_flavor(rcu, kvarena_object()))
			urcu_kvfree_rcu_flavor(rcu, kvarena_nth(
				kvarena_made() - 1), head);
	}
	urcu_kvfree_exit();
	return kvtest_stats(NULL).leaked || kvarena_freed() != 5000;
}

static const struct kvchild_scenario scenarios[] = {
	{ "without_a_table", without_a_table },
	{ "the_second_of_two", the_second_of_two },
	{ "threads_at_once", threads_at_once },
	{ "two_starts_at_once", two_starts_at_once },
	{ "no_memory_for_the_table", no_memory_for_the_table },
	{ "double_free_on", double_free_on },
	{ "ordinary_use", ordinary_use },
	{ NULL, NULL },
};

static void assert_says(const char *scenario, unsigned int lines)
{
	static char err[1 << 20];

	assert_int_equal(kvchild_run(scenario, err, sizeof(err)), KVCHILD_OK);
	assert_int_equal(kvchild_count_lines(err), lines);
	if (lines)
		assert_non_null(strstr(err, "is queued twice"));
}

TEST(without_a_table_everything_may_be_queued)
{
	assert_says("without_a_table", 0);
}

TEST(a_double_queueing_is_told_once_and_refused)
{
	assert_says("the_second_of_two", 1);
}

TEST(threads_that_queue_the_same_object_do_not_both_succeed)
{
	static char err[1 << 20];

	assert_int_equal(kvchild_run("threads_at_once", err, sizeof(err)),
		KVCHILD_OK);
}

TEST(starts_at_once_make_one_table)
{
	assert_says("two_starts_at_once", 1);
}

TEST(a_start_without_memory_for_the_table_fails)
{
	assert_says("no_memory_for_the_table", 2);
}

TEST(an_object_that_is_queued_twice_is_freed_once)
{
	assert_says("double_free_on", 4 * 9);
}

TEST(ordinary_use_is_not_told)
{
	assert_says("ordinary_use", 0);
}

static bool one_is_freed(void *freed)
{
	return kvtest_stats(&urcu_mb_flavor).freed > *(uint64_t *) freed;
}

/* P1: so that who unlinks too late fails at once. */
TEST(strict_debugging_begins_grace_periods_at_once)
{
	uint64_t freed = kvtest_stats(&urcu_mb_flavor).freed;

	start(URCU_KVFREE_DEBUG_STRICT);	/* a tick each minute */
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_mb_flavor, malloc(64));
	assert_true(kvtest_wait(one_is_freed, &freed, KVTEST_LONG / 2));
	urcu_kvfree_exit();
}

#define test(f)	cmocka_unit_test_setup(f, begin)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		test(an_object_may_be_queued_again_once_it_was_freed),
		test(many_objects_are_told_apart),
		test(a_free_poisons_as_many_bytes_as_it_is_told),
		test(without_a_table_everything_may_be_queued),
		test(a_double_queueing_is_told_once_and_refused),
		test(threads_that_queue_the_same_object_do_not_both_succeed),
		test(starts_at_once_make_one_table),
		test(a_start_without_memory_for_the_table_fails),
		test(an_object_that_is_queued_twice_is_freed_once),
		test(ordinary_use_is_not_told),
		cmocka_unit_test(
			strict_debugging_begins_grace_periods_at_once),
	};
	int ret = kvchild_main(argc, argv, scenarios);

	return ret >= 0 ? ret : kvtest_run(tests);
}
