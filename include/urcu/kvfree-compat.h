/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef _URCU_KVFREE_COMPAT_H
#define _URCU_KVFREE_COMPAT_H

/*
 * urcu/kvfree-compat.h - Linux's names for the calls of urcu/kvfree.h
 *
 * For code that is shared with the kernel or comes from it:
 *
 *	#include <urcu.h>			// or another flavor
 *	#include <urcu/kvfree-compat.h>
 *
 *	kfree_rcu(old, rcu);
 *
 * No other header includes this one. The forms are those of Linux 6.4 and later: two
 * arguments, or one argument and a name that ends in _mightsleep. Memory comes from
 * malloc()'s or urcu_kvmalloc()'s family; kfree_rcu() and kvfree_rcu() are the same.
 *
 * Unlike Linux's, kvfree_rcu_barrier() waits for the objects of one flavor, and
 * kvfree_rcu_mightsleep() must not be called with a lock held that a reader inside its
 * section may wait for: see urcu_kvfree_rcu_mightsleep_flavor().
 *
 * Idea and names: include/linux/rcupdate.h of Linux.
 */


/*
 * Raw. Free @ptr after a grace period; @rhf is the name of its struct rcu_head. NULL is
 * a no-op. As urcu_kvfree_rcu(ptr, field).
 */
#define kvfree_rcu(ptr, rhf)		urcu_kvfree_rcu(ptr, rhf)
#define kfree_rcu(ptr, rhf)		kvfree_rcu(ptr, rhf)

/* Clean. The same without a struct rcu_head. As urcu_kvfree_rcu_mightsleep(ptr). */
#define kvfree_rcu_mightsleep(ptr)	urcu_kvfree_rcu_mightsleep(ptr)
#define kfree_rcu_mightsleep(ptr)	kvfree_rcu_mightsleep(ptr)

/* Clean. Wait until all that was queued is freed. As urcu_kvfree_rcu_barrier(). */
#define kvfree_rcu_barrier()		((void) urcu_kvfree_rcu_barrier())

#endif /* _URCU_KVFREE_COMPAT_H */

/* Outside the guard: a flavor that came in between is taken up each time. */
#include <urcu/kvfree.h>
