/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_EMERGENCY_H
#define KVFREE_EMERGENCY_H

/*
 * emergency.h - the lists for objects that found no page
 *
 * Lock-free: any number of threads and signal handlers push, and a collector takes the whole list
 * at once, so there is no pop and no ABA. The object's own struct rcu_head is the link: nothing is
 * allocated.
 *
 * Why a stack, and not liburcu's wfcqueue: a wfcqueue enqueuer that is stopped between its exchange
 * and its link makes the consumer wait for it. Here the link is written first and published by the
 * compare-and-exchange; a stopped pusher holds up nobody. (liburcu's lfstack does the same with
 * assembly that ThreadSanitizer cannot see.)
 */

#include <urcu/call-rcu.h>

#include "util.h"

/* How the list uses a struct rcu_head. */
struct __attribute__((may_alias)) kvfree_emergency {
	struct kvfree_emergency *next;
	uintptr_t where;	/* offset in the object | channel << SHIFT */
};

#define KVFREE_EMERGENCY_SHIFT	12

/* The lists of a domain, by whose free functions their objects go to. Those of the program
 * may be slow, and hold up only their own list. */
enum {
	KVFREE_EMERGENCY_BUILTIN,	/* objects of malloc, and large ones */
	KVFREE_EMERGENCY_USER,		/* objects of the program's channels */
	KVFREE_EMERGENCY_LISTS,
};

/* The list for objects of @channel. */
static inline unsigned int kvfree_emergency_list(unsigned int channel)
{
	return channel >= KVFREE_CHANNEL_USER ? KVFREE_EMERGENCY_USER : KVFREE_EMERGENCY_BUILTIN;
}

_Static_assert(sizeof(struct kvfree_emergency) <= sizeof(struct rcu_head),
	"an rcu_head has room for a link and a word");
_Static_assert(URCU_KVFREE_MAX_OFFSET <= 1 << KVFREE_EMERGENCY_SHIFT,
	"offset and channel share a word");

static inline void kvfree_emergency_push(struct kvfree_emergency **list,
		void *ptr, size_t offset, unsigned int channel)
{
	struct kvfree_emergency *link = (void *) ((char *) ptr + offset);

	link->where = offset | (uintptr_t) channel << KVFREE_EMERGENCY_SHIFT;
	link->next = __atomic_load_n(list, __ATOMIC_RELAXED);
	kvfree_hook(KVFREE_HOOK_EMERGENCY_LINKED);
	/*
	 * Release: whoever takes the list sees the link and what the caller
	 * unlinked before; pairs with the acquire in kvfree_emergency_take().
	 * Without it a collector could walk into an unwritten link.
	 */
	while (!__atomic_compare_exchange_n(list, &link->next, link, true,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Take everything; the caller owns the chain. */
static inline struct kvfree_emergency *kvfree_emergency_take(struct kvfree_emergency **list)
{
	/* Acquire: pairs with the release in kvfree_emergency_push(). */
	return __atomic_exchange_n(list, NULL, __ATOMIC_ACQUIRE);
}

static inline void *kvfree_emergency_object(struct kvfree_emergency *link)
{
	return (char *) link - (link->where & ((1u << KVFREE_EMERGENCY_SHIFT) - 1));
}

static inline unsigned int kvfree_emergency_channel(struct kvfree_emergency *link)
{
	return (unsigned int) (link->where >> KVFREE_EMERGENCY_SHIFT);
}

#endif /* KVFREE_EMERGENCY_H */
