/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * queued.c - objects in each place where the library keeps them, for gdb.sh
 *
 * A variable for each place holds the object that is there when all_queued() is called.
 * What keeps it there: grace periods of kvgp_flavor do not end, ticks are a minute apart, and
 * without cached pages a raw call that needs a page goes to the emergency list.
 */

#include <stdlib.h>
#include <sys/prctl.h>

#include "kvgp.h"

struct object {
	char bytes[40];
	struct rcu_head head;
};

/* Of kvgp_flavor. The chain is what the emergency list held as the grace period began. */
struct object *in_current, *in_closed, *in_emergency, *in_chain;
/* Of urcu_memb_flavor: large memory, a channel's, of a thread that is gone, and what
 * urcu_kvmalloc() gives out next. */
void *in_large;
struct object *in_channel, *in_left, *in_stash;
struct object *never_queued;

void all_queued(void);

/* Where gdb stops. */
__attribute__((noinline)) void all_queued(void)
{
	__asm__ volatile("" : : : "memory");
}

static void *checked(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

static struct object *object_new(void)
{
	return checked(calloc(1, sizeof(struct object)));
}

static void queue_raw(struct object *object)
{
	urcu_kvfree_rcu_flavor(&kvgp_flavor, object, head);
}

static void set_up(void)
{
	struct urcu_kvfree_attr *attr = checked(urcu_kvfree_attr_create());

	if (urcu_kvfree_attr_set_drain_msec(attr, 60000) ||
	    urcu_kvfree_attr_set_batch_bytes(attr, 4096) ||
	    urcu_kvfree_attr_set_min_cached_pages(attr, 0) ||
	    urcu_kvfree_attr_set_workers(attr, 1) || urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

/* Raw calls without a page, until that many ask for a grace period, which begins. */
static void fill_chain(void)
{
	kvgp_hold();
	in_chain = object_new();
	queue_raw(in_chain);
	while (!kvgp_begun()) {
		queue_raw(object_new());
		kvtest_sleep_msec(10);
	}
}

/* A page with one object, filled until a raw call closes it and finds no other; then
 * another one. */
static void fill_pages(void)
{
	struct urcu_kvfree_stats before = kvtest_stats(&kvgp_flavor);

	in_closed = object_new();
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, in_closed);
	do {
		in_emergency = object_new();
		queue_raw(in_emergency);
	} while (kvtest_stats(&kvgp_flavor).emergency == before.emergency);
	in_current = object_new();
	urcu_kvfree_rcu_mightsleep_flavor(&kvgp_flavor, in_current);
}

/* Until a clean call has run a grace period, and has freed an object of the first page. The
 * allocator takes what is left in the page, and keeps what it does not return. */
static void fill_stash(void)
{
	struct object *first, *second;

	urcu_kvfree_rcu_mightsleep(first = object_new());
	urcu_kvfree_rcu_mightsleep(second = object_new());
	while (!kvtest_stats(&urcu_memb_flavor).grace_periods)
		urcu_kvfree_rcu_mightsleep(object_new());
	if (urcu_kvmalloc(sizeof(*first)) != first)
		abort();
	in_stash = second;
}

static void free_nothing(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

static void *queue_and_exit(void *arg)
{
	in_left = object_new();
	urcu_kvfree_rcu_mightsleep(in_left);
	return arg;
}

static void *queue_large_and_stay(void *arg)
{
	prctl(PR_SET_NAME, "stays");
	in_large = checked(urcu_kvmalloc(1 << 20));
	urcu_kvfree_rcu_mightsleep(in_large);
	sem_post(arg);
	while (arg)
		kvtest_sleep_msec(1000);
	return NULL;
}

int main(void)
{
	struct urcu_kvfree_channel *channel;
	sem_t queued;

	set_up();
	never_queued = object_new();
	fill_chain();
	fill_pages();
	fill_stash();
	sem_init(&queued, 0, 0);
	kvtest_thread(queue_large_and_stay, &queued);
	sem_wait(&queued);
	/* Last: another thread would take its record. */
	kvtest_on_thread(queue_and_exit, NULL);
	channel = checked(urcu_kvfree_channel_create("pool", free_nothing, NULL));
	in_channel = object_new();
	urcu_kvfree_rcu_channel(in_channel, head, channel);
	all_queued();
	_Exit(EXIT_SUCCESS);
}
