/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_channels.c - objects with their own free function
 */

#include <dlfcn.h>
#include <semaphore.h>
#include <stdio.h>

#include "cmocka-all.h"
#include "kvarena.h"
#include "kvinside.h"

static const struct rcu_flavor_struct *rcu;

static int begin(void **state)
{
	rcu = *state ? kvtest_of(state) : &urcu_memb_flavor;
	kvtest_start(2, 2);
	kvarena_reset();
	return 0;
}

static void counting_free(size_t nr, void **ptrs, void *priv)
{
	__atomic_fetch_add((size_t *) priv, nr, __ATOMIC_RELEASE);
	kvarena_free_bulk(nr, ptrs, NULL);
}

static void queue_on(struct urcu_kvfree_channel *channel)
{
	urcu_kvfree_rcu_channel_flavor(rcu, kvarena_object(), head, channel);
}

TEST(each_channel_frees_its_own_objects)
{
	struct urcu_kvfree_channel *channel[URCU_KVFREE_MAX_CHANNELS];
	size_t freed[URCU_KVFREE_MAX_CHANNELS] = { 0 };
	unsigned int i, n;

	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++) {
		channel[i] = urcu_kvfree_channel_create("one of many",
				counting_free, &freed[i]);
		assert_non_null(channel[i]);
	}
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		for (n = 0; n <= i * 100; n++)
			queue_on(channel[i]);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		assert_int_equal(freed[i], i * 100 + 1);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		assert_int_equal(urcu_kvfree_channel_destroy(channel[i]), 0);
	kvarena_assert_exact();
}

TEST(a_fifteenth_channel_is_enospc_until_one_is_destroyed)
{
	struct urcu_kvfree_channel *channel[URCU_KVFREE_MAX_CHANNELS];
	size_t freed = 0;
	unsigned int i;

	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		channel[i] = urcu_kvfree_channel_create(NULL, counting_free,
				&freed);
	errno = 0;
	assert_null(urcu_kvfree_channel_create("more", counting_free, &freed));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(urcu_kvfree_channel_destroy(channel[5]), 0);
	channel[5] = urcu_kvfree_channel_create("more", counting_free, &freed);
	assert_non_null(channel[5]);
	queue_on(channel[5]);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS; i++)
		assert_int_equal(urcu_kvfree_channel_destroy(channel[i]), 0);
	assert_int_equal(freed, 1);
}

TEST(a_channel_without_a_free_function_is_einval)
{
	errno = 0;
	assert_null(urcu_kvfree_channel_create("none", NULL, NULL));
	assert_int_equal(errno, EINVAL);
}

TEST(null_is_a_no_op)
{
	struct kvtest_object *none = NULL;
	struct urcu_kvfree_channel *channel;
	size_t freed = 0;

	channel = urcu_kvfree_channel_create("null", counting_free, &freed);
	urcu_kvfree_rcu_channel_flavor(rcu, none, head, channel);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_int_equal(urcu_kvfree_channel_destroy(NULL), 0);
	assert_int_equal(freed, 0);
}

/* K15: with all sorts of places to wait in. */
TEST(destroy_waits_for_what_is_pending)
{
	struct urcu_kvfree_channel *channel;
	size_t freed = 0;
	unsigned int i;

	channel = urcu_kvfree_channel_create("pending", counting_free, &freed);
	for (i = 0; i < 2000; i++)
		queue_on(channel);
	kvinside_queue_emergency(rcu, kvarena_object(), channel);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_int_equal(freed, 2001);
	kvarena_assert_exact();
}

struct destroying {
	struct urcu_kvfree_channel *channel;
	size_t freed;
	int done;	/* atomic */
};

static void *destroy(void *arg)
{
	struct destroying *destroying = arg;

	urcu_kvfree_channel_destroy(destroying->channel);
	__atomic_store_n(&destroying->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* K15 */
TEST(destroy_waits_for_a_reader_that_may_see_the_objects)
{
	struct destroying d = { NULL, 0, 0 };
	struct kvtest_reader reader;
	pthread_t tid;
	int early;

	d.channel = urcu_kvfree_channel_create("held", counting_free, &d.freed);
	kvtest_reader_enter(&reader, rcu);
	queue_on(d.channel);
	tid = kvtest_thread(destroy, &d);
	/* Time in which a destroy that does not wait would return. */
	kvtest_sleep_msec(30);
	early = __atomic_load_n(&d.done, __ATOMIC_ACQUIRE);
	kvtest_reader_leave(&reader);
	kvtest_join(tid);
	assert_int_equal(early, 0);
	assert_int_equal(d.freed, 1);
}

/* K15: exit waits for what is on the channels too. */
TEST(exit_waits_for_what_is_pending)
{
	struct urcu_kvfree_channel *channel;
	size_t freed = 0;
	unsigned int i;

	channel = urcu_kvfree_channel_create("exit", counting_free, &freed);
	for (i = 0; i < 700; i++)
		queue_on(channel);
	urcu_kvfree_exit();
	assert_int_equal(freed, 700);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
}

/* K15: the free function's code is gone as soon as destroy returns. */
TEST(the_module_that_owns_a_channel_may_be_unloaded)
{
	const char *builddir = getenv("top_builddir");
	char path[4096];
	unsigned int round, i;

	snprintf(path, sizeof(path), "%s/tests/regression/channel-module.so",
		builddir ? builddir : ".");
	for (round = 0; round < 20; round++) {
		void *module = dlopen(path, RTLD_NOW);
		void (*free_bulk)(size_t nr, void **ptrs, void *priv);
		struct urcu_kvfree_channel *channel;

		assert_non_null(module);
		*(void **) &free_bulk = dlsym(module, "module_free_bulk");
		assert_non_null(free_bulk);
		channel = urcu_kvfree_channel_create("module", free_bulk,
				(void *) kvarena_free);
		for (i = 0; i < 1200; i++)
			queue_on(channel);
		assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
		assert_int_equal(dlclose(module), 0);
#ifdef __GLIBC__	/* musl unmaps nothing */
		/* Unmapped for real: late calls would crash. */
		assert_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
#endif
	}
	kvarena_assert_exact();
}

/* ------------------------------------------------------------------ */
/* Inside a free function                                             */

static struct {
	struct urcu_kvfree_channel *channel;
	int destroy_ret, destroy_errno;
	size_t smallest, largest;
	int queued_more;
} seen;

static void destroying_free(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	errno = 0;
	seen.destroy_ret = urcu_kvfree_channel_destroy(seen.channel);
	seen.destroy_errno = errno;
	kvarena_free_bulk(nr, ptrs, NULL);
}

/* K16 */
TEST(destroy_from_a_free_function_is_edeadlk)
{
	seen.destroy_ret = 0;
	seen.channel = urcu_kvfree_channel_create("self", destroying_free,
			NULL);
	queue_on(seen.channel);
	assert_int_equal(urcu_kvfree_rcu_barrier_flavor(rcu), 0);
	assert_int_equal(seen.destroy_ret, -1);
	assert_int_equal(seen.destroy_errno, EDEADLK);
	assert_int_equal(urcu_kvfree_channel_destroy(seen.channel), 0);
}

static void queueing_free(size_t nr, void **ptrs, void *priv)
{
	(void) priv;
	/* All calls but the three that wait: see the header. */
	if (__atomic_fetch_add(&seen.queued_more, 1, __ATOMIC_RELAXED) < 100) {
		urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
		urcu_kvfree_rcu_mightsleep_flavor(rcu, kvarena_object());
		queue_on(seen.channel);
		urcu_kvfree_rcu_reclaim_flavor(rcu, 1);
		urcu_kvfree(urcu_kvmalloc(100));
	}
	kvarena_free_bulk(nr, ptrs, NULL);
}

TEST(a_free_function_may_queue_more)
{
	seen.queued_more = 0;
	seen.channel = urcu_kvfree_channel_create("more", queueing_free, NULL);
	queue_on(seen.channel);
	assert_true(kvtest_wait(kvarena_all_freed, NULL, KVTEST_LONG));
	assert_int_equal(kvarena_made(), 301);
	kvarena_assert_exact();
	assert_int_equal(urcu_kvfree_channel_destroy(seen.channel), 0);
}

/* Objects that their free functions queue are freed by exit, too. */
TEST(exit_frees_what_free_functions_queue)
{
	seen.queued_more = 0;
	seen.channel = urcu_kvfree_channel_create("more", queueing_free, NULL);
	queue_on(seen.channel);
	urcu_kvfree_exit();
	assert_int_equal(kvarena_made(), 301);
	kvarena_assert_exact();
	assert_int_equal(urcu_kvfree_channel_destroy(seen.channel), 0);
}

static void sizing_free(size_t nr, void **ptrs, void *priv)
{
	pthread_mutex_t *lock = priv;

	pthread_mutex_lock(lock);
	if (nr < seen.smallest)
		seen.smallest = nr;
	if (nr > seen.largest)
		seen.largest = nr;
	pthread_mutex_unlock(lock);
	kvarena_free_bulk(nr, ptrs, NULL);
}

TEST(a_free_function_gets_as_many_pointers_as_it_is_told)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	/* Pages of 32-bit machines hold more. */
	const size_t most = KVFREE_PAGE_PTRS > 512 ?
		URCU_KVFREE_MAX_BULK : 512;
	struct urcu_kvfree_channel *channel;
	unsigned int i;

	seen.smallest = SIZE_MAX;
	seen.largest = 0;
	channel = urcu_kvfree_channel_create("sizes", sizing_free, &lock);
	for (i = 0; i < 5000; i++)
		queue_on(channel);
	for (i = 0; i < 1500; i++)
		kvinside_queue_emergency(rcu, kvarena_object(), channel);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_in_range(seen.smallest, 1, most);
	assert_in_range(seen.largest, seen.smallest, most);
	kvarena_assert_exact();
}

static sem_t in_free, free_on;

static void standing_free(size_t nr, void **ptrs, void *priv)
{
	sem_post(&in_free);
	while (sem_wait(&free_on))
		;
	kvarena_free_bulk(nr, ptrs, priv);
}

static bool one_pends(void *unused)
{
	(void) unused;
	return kvtest_stats(rcu).pending == 1;
}

/* O8: a second worker frees all that is not of channels, large memory too. */
TEST(a_free_function_that_stands_holds_up_only_channels)
{
	struct urcu_kvfree_channel *channel;
	struct kvtest_object *large;
	bool freed_others;

	sem_init(&in_free, 0, 0);
	sem_init(&free_on, 0, 0);
	channel = urcu_kvfree_channel_create("stands", standing_free, NULL);
	assert_non_null(channel);
	queue_on(channel);
	while (sem_wait(&in_free))
		;
	large = urcu_kvmalloc(1 << 20);
	assert_non_null(large);
	urcu_kvfree_rcu_flavor(rcu, large, head);
	urcu_kvfree_rcu_flavor(rcu, kvarena_object(), head);
	kvinside_queue_emergency(rcu, kvarena_object(), NULL);
	freed_others = kvtest_wait(one_pends, NULL, KVTEST_LONG);
	sem_post(&free_on);
	assert_int_equal(urcu_kvfree_channel_destroy(channel), 0);
	assert_true(freed_others);
	kvarena_assert_exact();
}

#define test(f)	cmocka_unit_test_setup(f, begin)
#define test_each(f)	kvtest_flavors_test_setup_teardown(f, begin, NULL)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_each(each_channel_frees_its_own_objects),
		test(a_fifteenth_channel_is_enospc_until_one_is_destroyed),
		test(a_channel_without_a_free_function_is_einval),
		test_each(null_is_a_no_op),
		test_each(destroy_waits_for_what_is_pending),
		test_each(destroy_waits_for_a_reader_that_may_see_the_objects),
		test_each(exit_waits_for_what_is_pending),
		test_each(the_module_that_owns_a_channel_may_be_unloaded),
		test_each(destroy_from_a_free_function_is_edeadlk),
		test_each(a_free_function_may_queue_more),
		test_each(exit_frees_what_free_functions_queue),
		test_each(a_free_function_gets_as_many_pointers_as_it_is_told),
		test_each(a_free_function_that_stands_holds_up_only_channels),
	};

	return kvtest_run(tests);
}
