/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* defer_rcu(), in all its names. */

#include <stdlib.h>
#include <urcu.h>
#include <urcu-defer.h>

static void only_frees(void *pointer)
{
	free(pointer);
}

static void prints(void *pointer)
{
	abort();
	free(pointer);
}

char *name;

void replace(char *fresh)
{
	defer_rcu(free, rcu_xchg_pointer(&name, fresh));
	defer_rcu(&free, fresh + 0);
	defer_rcu(only_frees, name);
	urcu_memb_defer_rcu((void (*)(void *)) free, fresh);
	defer_rcu_memb(free, fresh);
	defer_rcu(prints, name);
}

void in_section(void)
{
	rcu_read_lock();
	defer_rcu(free, name);
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
