/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef _URCU_RAWCHECK_H
#define _URCU_RAWCHECK_H

/*
 * urcu/rawcheck.h - tell urcu-rawcheck(1) about raw sections of your own
 *
 * A raw section is code that must not sleep. urcu-rawcheck sees by itself when a
 * thread holds a pthread_spinlock_t or runs a signal handler. Where a thread must not
 * sleep for another reason (a spinlock of your own, an allocator hook, a real-time loop),
 * say so:
 *
 *	urcu_rawcheck_enter();
 *	...
 *	urcu_rawcheck_leave();
 *
 * Nothing needs to be linked. Without urcu-rawcheck, each call only finds that a
 * pointer is NULL. In a statically linked program the calls are no-ops.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* Defined by the library that urcu-rawcheck preloads. */
extern void urcu_rawcheck_enter_hook(void) __attribute__((weak));
extern void urcu_rawcheck_leave_hook(void) __attribute__((weak));
extern void urcu_rawcheck_disown_hook(const volatile void *lock)
	__attribute__((weak));

/*
 * The address of a hook, or NULL. In code that is not position-independent the link
 * editor would fix it as NULL, before anything is preloaded: there the address is
 * read from the global offset table.
 */
#if defined(__x86_64__) && !defined(__PIC__)
# define _urcu_rawcheck_hook(name)					\
	__extension__ ({						\
		__typeof__(&name) _hook;				\
		__asm__(".weak " #name "\n\t"				\
			"movq " #name "@GOTPCREL(%%rip), %0"		\
			: "=r" (_hook));				\
		_hook;							\
	})
#else
# define _urcu_rawcheck_hook(name)	(&name)
#endif

/*
 * urcu_rawcheck_enter() - the calling thread must not sleep from here on
 * urcu_rawcheck_leave() - end what the last urcu_rawcheck_enter() began
 *
 * Sections nest and belong to the thread. A leave without an enter is ignored.
 *
 * Context: any. Async-signal-safe. Both keep errno.
 */
static __inline__ __attribute__((always_inline)) void urcu_rawcheck_enter(void)
{
	void (*hook)(void) = _urcu_rawcheck_hook(urcu_rawcheck_enter_hook);

	if (hook)
		hook();
}

static __inline__ __attribute__((always_inline)) void urcu_rawcheck_leave(void)
{
	void (*hook)(void) = _urcu_rawcheck_hook(urcu_rawcheck_leave_hook);

	if (hook)
		hook();
}

/*
 * urcu_rawcheck_disown() - a held spinlock is not this thread's concern any more
 *
 * For a pthread_spinlock_t that stays locked although the thread that took it has left
 * its raw context: one that another thread will release, or one that only keeps out
 * threads that try and never spin. Releasing it needs no further call.
 *
 * Context: any. Async-signal-safe, keeps errno. Idea: Linux
 * lockdep_sb_freeze_release().
 */
static __inline__ __attribute__((always_inline)) void urcu_rawcheck_disown(
		const volatile void *lock)
{
	void (*hook)(const volatile void *) =
		_urcu_rawcheck_hook(urcu_rawcheck_disown_hook);

	if (hook)
		hook(lock);
}

#ifdef __cplusplus
}
#endif

#endif /* _URCU_RAWCHECK_H */
