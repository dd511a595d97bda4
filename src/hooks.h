/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_HOOKS_H
#define KVFREE_HOOKS_H

/*
 * hooks.h - places where a test can step in
 *
 * In the check build (KVFREE_CHECK) each place calls kvfree_check_hook, when it is
 * set, on the thread that gets there, and urcu-rawcheck(1) learns when a record's lock is
 * held. In the library that is installed all this compiles to nothing.
 */

enum kvfree_hook_place {
	KVFREE_HOOK_RAW_LOCKED,		/* raw call, record's lock held */
	KVFREE_HOOK_CLEAN_LOCKED,	/* clean call, record's lock held */
	KVFREE_HOOK_TICK_LOCKED,	/* tick's service, record's lock held */
	KVFREE_HOOK_CLAIM,		/* no record yet, about to claim one */
	KVFREE_HOOK_CLAIMING,		/* between taking a record and owning it */
	KVFREE_HOOK_GRACE_PERIOD_BEGIN,	/* runner, before the number moves */
	KVFREE_HOOK_GRACE_PERIOD_OVER,	/* runner, before it says so */
	KVFREE_HOOK_REFILL,		/* refill work begins */
	KVFREE_HOOK_VICTIM,		/* owner took a ripe object, not freed */
	KVFREE_HOOK_PIECE,		/* worker took ripe pages, not freed */
	KVFREE_HOOK_EMERGENCY_LINKED,	/* emergency push, before publication */
	KVFREE_HOOK_TIMER,		/* timer thread woke */
};

#ifdef KVFREE_CHECK
# include <urcu/rawcheck.h>

/* Called instead of abort(), which follows if it returns. */
extern void (*kvfree_check_abort)(void);
extern void (*kvfree_check_hook)(enum kvfree_hook_place place);

/* When a grace period is reported first, instead of after 10000. */
extern unsigned int kvfree_check_stall_msec;

static inline void kvfree_hook(enum kvfree_hook_place place)
{
	void (*hook)(enum kvfree_hook_place);

	hook = __atomic_load_n(&kvfree_check_hook, __ATOMIC_ACQUIRE);
	if (hook)
		hook(place);
}
#else
/* Around what runs with a record's lock held: by itself, urcu-rawcheck(1) knows only of a
 * pthread_spinlock_t. */
static inline void urcu_rawcheck_enter(void)
{
}

static inline void urcu_rawcheck_leave(void)
{
}

static inline void kvfree_hook(enum kvfree_hook_place place)
{
	(void) place;
}
#endif

#endif /* KVFREE_HOOKS_H */
