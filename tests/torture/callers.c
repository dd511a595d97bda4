/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * callers.c - threads that make every clean call while they are online readers
 *
 * They are registered with every flavor of the run, so with QSBR an online one is
 * in each call. A grace period of QSBR does not end before such a thread is
 * quiescent: each call that waits for anything has to take it offline, and put it
 * back.
 */

#include <errno.h>
#include <string.h>

#include "torture.h"

static void call_init(struct worker *self)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr) {
		object_error("attr_create failed, errno %d", errno);
		return;
	}
	if (urcu_kvfree_attr_set_workers(attr, 1 + torture_random(self) % 4))
		object_error("an attribute was refused");
	if (urcu_kvfree_init(torture_chance(self, 2) ? attr : NULL))
		object_error("init while it runs failed, errno %d", errno);
	urcu_kvfree_attr_destroy(attr);
}

static void call_stats(struct worker *self)
{
	unsigned int i = torture_random(self) % (torture.nr_flavors + 1);
	struct urcu_kvfree_stats stats;

	memset(&stats, 0, sizeof(stats));
	if (urcu_kvfree_get_stats_flavor(i < torture.nr_flavors ?
			torture.rcu[i] : NULL, &stats, sizeof(stats)))
		object_error("get_stats failed, errno %d", errno);
	/* One that is below zero has wrapped. */
	if (stats.pending > UINT64_MAX / 2 || stats.pages > UINT64_MAX / 2 ||
	    stats.pending_bytes > UINT64_MAX / 2)
		object_error("a counter of what there is has wrapped");
}

static void call_reclaim(struct worker *self)
{
	size_t most = torture_random(self) % 100;

	if (urcu_kvfree_rcu_reclaim_flavor(torture.rcu[torture_flavor(self)],
			most) > most)
		object_error("reclaim freed more than it was to");
}

static void call_records(struct worker *self)
{
	unsigned int flavor = torture_flavor(self);

	if (torture_chance(self, 2))
		urcu_kvfree_unregister_thread_flavor(torture.rcu[flavor]);
	else if (urcu_kvfree_register_thread_flavor(torture.rcu[flavor]))
		object_error("register_thread failed, errno %d", errno);
}

static void call_memory(struct worker *self)
{
	size_t size = 1 + torture_random(self) % 20000;
	unsigned char *mem = object_kvalloc(size, torture_random(self)), *more;

	if (!mem)
		return;
	mem[0] = mem[size - 1] = 0x5a;
	more = object_kvrealloc(mem, 2 * size);
	if (more)
		mem = more;
	if (mem[0] != 0x5a || mem[size - 1] != 0x5a)
		object_error("kvrealloc lost the contents");
	object_kvfree(mem);
}

static void call_barrier(struct worker *self)
{
	if (!torture_calm())
		torture_barrier_check("a caller's barrier",
			torture_flavor(self));
}

static void call_shrink(struct worker *self)
{
	(void) self;
	if (torture_calm() || !torture.options.shrinks)
		return;
	urcu_kvfree_shrink_count();
	urcu_kvfree_shrink();
	torture_count(&torture.count.shrinks);
}

static void call_channel(struct worker *self)
{
	if (!torture_calm())
		torture_channel_once(self, torture_flavor(self));
}

/* The hooks without a fork; between them there are raw calls only. */
static void call_fork_hooks(struct worker *self)
{
	unsigned int i;

	if (!torture.options.forks)
		return;
	urcu_kvfree_before_fork();
	for (i = torture_random(self) % 8; i > 0; i--) {
		struct object *object = torture_raw_object(self);

		if (object)
			torture_defer_raw(object, torture_flavor(self),
				self->writer);
	}
	urcu_kvfree_after_fork_parent();
}

static void call_defer(struct worker *self)
{
	unsigned int i, flavor = torture_flavor(self);

	for (i = 0; i < 32 && torture_write(self, flavor); i++)
		torture_quiescent(self);
}

static const struct {
	const char *name;
	void (*make)(struct worker *self);
} calls[] = {
	{ "init", call_init },
	{ "get_stats", call_stats },
	{ "reclaim", call_reclaim },
	{ "(un)register_thread", call_records },
	{ "kvmalloc", call_memory },
	{ "barrier", call_barrier },
	{ "shrink", call_shrink },
	{ "channel_create and _destroy", call_channel },
	{ "before_fork and after_fork_parent", call_fork_hooks },
	{ "a deferring call", call_defer },
};

void torture_caller(struct worker *self)
{
	const unsigned int nr = sizeof(calls) / sizeof(calls[0]);

	while (!torture_stopping()) {
		unsigned int call = torture_random(self) % nr, i;

		torture_park_point(self);
		for (i = 0; i < torture.nr_flavors; i++)
			torture_register(self, i);
		if (torture_chance(self, 4))
			torture_section(self, torture_flavor(self));
		calls[call].make(self);
		torture_count(&torture.count.calls);
		/* Of QSBR it tells whether the thread is online. */
		if (torture.qsbr >= 0 &&
		    !torture.rcu[torture.qsbr]->read_ongoing())
			object_error("%s left an online reader offline",
				calls[call].name);
		torture_quiescent(self);
		torture_nap(self, torture_random(self) % 2000);
	}
}
