/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* defer_rcu(), in all its names. */

#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>
#include <urcu-defer.h>

static void prints(void *pointer)
{
	abort();
	free(pointer);
}

char *name;

void replace(char *fresh)
{
	urcu_kvfree_rcu_mightsleep(rcu_xchg_pointer(&name, fresh));
	urcu_kvfree_rcu_mightsleep(fresh + 0);
	urcu_kvfree_rcu_mightsleep(name);
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, fresh);
	urcu_kvfree_rcu_mightsleep_flavor(&urcu_memb_flavor, fresh);
	defer_rcu(prints, name);
}

void in_section(void)
{
	rcu_read_lock();
	urcu_kvfree_rcu_mightsleep(name);
	rcu_read_unlock();
}

void *updater(void *argument)
{
	rcu_defer_register_thread();
	replace(argument);
	rcu_defer_barrier();
	rcu_defer_unregister_thread();
	return NULL;
}
