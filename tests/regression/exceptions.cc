/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * exceptions.cc - a free function that does not return
 *
 * exceptions.cc throw: by an exception that its thread catches outside of the library
 * exceptions.cc exit: by the end of its thread
 *
 * Run by exceptions.sh. A program that goes on says whether the library does, too.
 */

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <urcu.h>
#include <urcu/kvfree.h>

struct object {
	struct rcu_head head;
};

static bool throws;

static void free_bulk(size_t nr, void **ptrs, void *)
{
	while (nr--)
		std::free(ptrs[nr]);
	if (throws)
		throw 1;
	pthread_exit(NULL);
}

static void *barrier(void *arg)
{
	try {
		urcu_kvfree_rcu_barrier();
	} catch (int) {
		std::fputs("caught\n", stderr);
	}
	return arg;
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct urcu_kvfree_channel *channel;
	struct object *object;
	pthread_t thread;

	setrlimit(RLIMIT_CORE, &no_core);
	alarm(30);
	throws = argc > 1 && !std::strcmp(argv[1], "throw");
	/* So that it is the barrier that frees. */
	urcu_kvfree_attr_set_drain_msec(attr, 60000);
	if (urcu_kvfree_init(attr))
		return 1;
	channel = urcu_kvfree_channel_create("unwinds", free_bulk, NULL);
	object = (struct object *) std::malloc(sizeof(*object));
	urcu_kvfree_rcu_channel(object, head, channel);
	if (pthread_create(&thread, NULL, barrier, NULL))
		return 1;
	pthread_join(thread, NULL);
	if (throws)
		barrier(NULL);
	std::fprintf(stderr, "barrier: %d\n", urcu_kvfree_rcu_barrier());
	return 0;
}
