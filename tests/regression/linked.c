/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * linked.c - a program that linked.sh links with the library in several ways
 *
 * Fork, exit and the exit of a thread, by public calls only. Without
 * LINKED_HOOKS the program names none of the fork hooks (O11): the child of a bare fork
 * must find a new library all the same. No grace period runs but those of its own
 * barriers, so none is under way at a fork.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <urcu.h>
#include <urcu/kvfree.h>

#include "linked.h"

#define HANGS_AFTER	60
#define OBJECTS		100

struct object {
	struct rcu_head head;
};

static struct urcu_kvfree_channel *channel;
static size_t freed;	/* atomic */

static void free_bulk(size_t nr, void **ptrs, void *priv)
{
	size_t i;

	(void) priv;
	for (i = 0; i < nr; i++)
		free(ptrs[i]);
	__atomic_fetch_add(&freed, nr, __ATOMIC_RELAXED);
}

static void *queue(void *arg)
{
	unsigned int i;

	CHECK(urcu_kvfree_register_thread() == 0);
	for (i = 0; i < OBJECTS; i++) {
		struct object *object = malloc(sizeof(*object));

		CHECK(object);
		urcu_kvfree_rcu_channel(object, head, channel);
	}
	return arg;
}

/* After a barrier: exactly @nr were freed since the last time. */
static void check_freed(size_t nr)
{
	CHECK(urcu_kvfree_rcu_barrier() == 0);
	CHECK(__atomic_exchange_n(&freed, 0, __ATOMIC_RELAXED) == nr);
}

static struct urcu_kvfree_stats stats(void)
{
	struct urcu_kvfree_stats now;

	CHECK(urcu_kvfree_get_stats(&now, sizeof(now)) == 0);
	return now;
}

static void start(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	CHECK(urcu_kvfree_attr_set_drain_msec(attr, 60000) == 0);
	CHECK(urcu_kvfree_init(attr) == 0);
	urcu_kvfree_attr_destroy(attr);
}

static void on_thread(void *(*function)(void *))
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, function, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void test_thread_exit(void)
{
	queue(NULL);
	CHECK(stats().threads == 1);
	on_thread(queue);
	CHECK(stats().threads == 1);
	check_freed(2 * OBJECTS);
}

/* A child that ends with @child(). */
static void in_child(void (*child)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		alarm(HANGS_AFTER);
		child();
		urcu_kvfree_exit();
		CHECK(stats().pending == 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

static void find_a_new_library(void)
{
	CHECK(stats().queued == 0);
	queue(NULL);
	on_thread(queue);
	check_freed(2 * OBJECTS);
}

static void test_bare_fork(void)
{
	queue(NULL);
	in_child(find_a_new_library);
	check_freed(OBJECTS);
}

#ifdef LINKED_HOOKS
static void free_the_copy(void)
{
	CHECK(urcu_kvfree_after_fork_child() == 0);
	queue(NULL);
	check_freed(2 * OBJECTS);
}

static void test_fork_with_hooks(void)
{
	queue(NULL);
	urcu_kvfree_before_fork();
	in_child(free_the_copy);
	urcu_kvfree_after_fork_parent();
	check_freed(OBJECTS);
}
#else
static void test_fork_with_hooks(void)
{
}
#endif

#ifdef LINKED_PLUGIN
static pthread_barrier_t step;

/* A thread that outlives the dlclose() of what it used (O19). */
static void *use_and_wait(void *use)
{
	((void (*)(void)) (uintptr_t) use)();
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	return NULL;
}

/* Another copy of the library, whose fork hooks nobody calls. */
static void use_plugin(void)
{
	void *plugin = dlopen(LINKED_PLUGIN, RTLD_NOW | RTLD_LOCAL), *use;
	pthread_t thread;

	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(plugin);
	use = dlsym(plugin, "plugin_use");
	CHECK(use);
	pthread_barrier_init(&step, NULL, 2);
	CHECK(pthread_create(&thread, NULL, use_and_wait, use) == 0);
	pthread_barrier_wait(&step);
	CHECK(dlclose(plugin) == 0);
	pthread_barrier_wait(&step);
	CHECK(pthread_join(thread, NULL) == 0);
	pthread_barrier_destroy(&step);
}
#else
static void use_plugin(void)
{
}
#endif

int main(void)
{
	alarm(HANGS_AFTER);
	start();
	channel = urcu_kvfree_channel_create("counts", free_bulk, NULL);
	CHECK(channel);
	use_plugin();
	test_thread_exit();
	test_bare_fork();
	test_fork_with_hooks();
	use_plugin();
	queue(NULL);
	urcu_kvfree_exit();
	CHECK(freed == OBJECTS);
	return 0;
}
