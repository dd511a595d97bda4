/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_signal.c - signal handlers, which run in raw context
 *
 * The kernel is given a trampoline in place of each handler; the handler itself is
 * kept in a table. What the kernel says decides: the table is looked at only where
 * the kernel's handler is the trampoline. So SIG_DFL, SIG_IGN, SA_RESETHAND and
 * a vfork() child that resets its signals need no bookkeeping.
 *
 * The trampoline is always called with SA_SIGINFO and always passes all three
 * arguments on: a handler of one argument does not look at the others. Whether
 * the program asked for SA_SIGINFO is kept for its queries.
 *
 * Locking: each table entry has a lock of one byte, held with all signals
 * blocked, over the change of the entry and the system call that belongs to it. The
 * trampoline takes no lock; it loads the handler's address atomically.
 *
 * A handler is left by returning, by an exception or cancellation (the trampoline
 * has a cleanup), or by longjmp() or setcontext(), which tells by its target's stack pointer which
 * handlers it leaves. After fork(), the child has no thread that could hold a
 * table lock, so it clears them.
 */

#include "config.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "preload.h"

typedef void (*rc_handler)(int, siginfo_t *, void *);

/* The two types of handlers, as in struct sigaction. */
union rc_any_handler {
	rc_handler wide;
	__sighandler_t narrow;
};

static rc_handler rc_widen(__sighandler_t handler)
{
	return (union rc_any_handler) { .narrow = handler }.wide;
}

static __sighandler_t rc_narrow(rc_handler handler)
{
	return (union rc_any_handler) { .wide = handler }.narrow;
}

static struct rc_entry {
	rc_handler handler;	/* atomic, changed under lock */
	bool siginfo;		/* the program's SA_SIGINFO, under lock */
	bool lock;		/* atomic */
	struct rc_trace trace;	/* who installed it; a report may see it torn */
} rc_table[_NSIG];

/* ------------------------------------------------------------------ */
/* The trampoline                                                     */

/* What the trampoline keeps on its stack while the handler runs. */
struct rc_delivery {
	unsigned int busy;
	rc_handler handler;
};

/* The newest delivery to that handler is this one: they end in reverse order. */
static void rc_end_delivery(struct rc_delivery *delivery)
{
	rc_pop(RC_SIGNAL, (const volatile void *) delivery->handler);
	rc_self.busy = delivery->busy;
}

/* The stack pointer in @context, UINTPTR_MAX where that is unknown. */
static uintptr_t rc_context_sp(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t) context->uc_mcontext.gregs[REG_RSP];
#else
	(void) context;
	return UINTPTR_MAX;
#endif
}

__attribute__((section("rc_deliver"), noinline))
static void rc_trampoline(int sig, siginfo_t *info, void *ucontext)
{
	struct rc_entry *entry = &rc_table[sig];
	struct rc_delivery delivery __attribute__((cleanup(rc_end_delivery))) = {
		.busy = rc_self.busy,
		/* Acquire: pairs with the release in rc_set_entry(). */
		.handler = __atomic_load_n(&entry->handler, __ATOMIC_ACQUIRE),
	};
	struct rc_context context = {
		.kind = RC_SIGNAL,
		.signo = sig,
		.what = (const volatile void *) delivery.handler,
		.frame = (uintptr_t) __builtin_frame_address(0),
		.interrupted = rc_context_sp(ucontext),
		.trace = entry->trace,
	};

	rc_push(&context);
	/* What this thread was doing for a report is not the handler's doing. */
	rc_self.busy = 0;
	delivery.handler(sig, info, ucontext);
}

static bool rc_is_function(rc_handler handler)
{
	__sighandler_t narrow = rc_narrow(handler);

	return narrow != SIG_DFL && narrow != SIG_IGN && narrow != SIG_ERR &&
		narrow != SIG_HOLD && handler != rc_trampoline;
}

/* ------------------------------------------------------------------ */
/* The table                                                          */

static bool rc_is_signal(int sig)
{
	return sig > 0 && sig < _NSIG;
}

static struct rc_entry *rc_lock_entry(int sig, sigset_t *saved)
{
	struct rc_entry *entry = &rc_table[sig];
	sigset_t all;

	/* By number: pthread_sigmask() leaves the C library's own signals out. */
	memset(&all, 0xff, sizeof(all));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, saved, _NSIG / 8);
	/* Acquire: pairs with the release in rc_unlock_entry(). */
	while (__atomic_test_and_set(&entry->lock, __ATOMIC_ACQUIRE))
		syscall(SYS_sched_yield);
	return entry;
}

static void rc_unlock_entry(struct rc_entry *entry, const sigset_t *saved)
{
	int saved_errno = errno;

	__atomic_clear(&entry->lock, __ATOMIC_RELEASE);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, saved, NULL, _NSIG / 8);
	errno = saved_errno;
}

static void rc_unlock_all(void)
{
	int sig;

	for (sig = 1; sig < _NSIG; sig++)
		__atomic_clear(&rc_table[sig].lock, __ATOMIC_RELAXED);
}

static __attribute__((constructor(102))) void rc_start_signals(void)
{
	/* Fails for lack of memory alone; then a fork child risks a stuck lock. */
	(void) pthread_atfork(NULL, NULL, rc_unlock_all);
}

static void rc_set_entry(struct rc_entry *entry, rc_handler handler,
		bool siginfo, const struct rc_trace *trace)
{
	entry->siginfo = siginfo;
	entry->trace = *trace;
	/* Pairs with the acquire in rc_trampoline(). */
	__atomic_store_n(&entry->handler, handler, __ATOMIC_RELEASE);
}

/* Turns what the kernel has into what the program gave. */
static void rc_translate(struct sigaction *action, rc_handler handler,
		bool siginfo)
{
	if (action->sa_sigaction != rc_trampoline)
		return;
	action->sa_sigaction = handler;
	if (!siginfo)
		action->sa_flags &= ~SA_SIGINFO;
}

/* ------------------------------------------------------------------ */
/* sigaction()                                                        */

static int rc_sigaction(int sig, const struct sigaction *action,
		struct sigaction *old, void *caller)
{
	struct rc_trace trace = { .nr = 0 }, old_trace;
	struct sigaction wrapped, kernel_old;
	struct rc_entry *entry;
	rc_handler handler;
	sigset_t saved;
	bool siginfo, wrap;
	int ret;

	rc_attach();
	wrap = action && rc_is_function(action->sa_sigaction);
	if (wrap)
		rc_trace_here(&trace, RC_DEFAULT_TRACE, caller);
	entry = rc_lock_entry(sig, &saved);
	handler = entry->handler;
	siginfo = entry->siginfo;
	old_trace = entry->trace;
	if (wrap) {
		wrapped = *action;
		wrapped.sa_sigaction = rc_trampoline;
		wrapped.sa_flags |= SA_SIGINFO;
		/* First: the signal may come as soon as the kernel knows. */
		rc_set_entry(entry, action->sa_sigaction,
				action->sa_flags & SA_SIGINFO, &trace);
	}
	ret = RC_REAL(sigaction)(sig, wrap ? &wrapped : action, &kernel_old);
	if (ret < 0 && wrap)
		rc_set_entry(entry, handler, siginfo, &old_trace);
	rc_unlock_entry(entry, &saved);
	if (ret == 0 && old) {
		rc_translate(&kernel_old, handler, siginfo);
		*old = kernel_old;
	}
	return ret;
}

RC_EXPORT int sigaction(int sig, const struct sigaction *action,
		struct sigaction *old)
{
	if (!rc_is_signal(sig))
		return RC_REAL(sigaction)(sig, action, old);
	return rc_sigaction(sig, action, old, __builtin_return_address(0));
}

RC_EXPORT int __sigaction(int sig, const struct sigaction *action,
		struct sigaction *old)
{
	if (!rc_is_signal(sig))
		return RC_REAL(sigaction)(sig, action, old);
	return rc_sigaction(sig, action, old, __builtin_return_address(0));
}

/* ------------------------------------------------------------------ */
/* signal() and its kin                                               */

/* The real function chooses flags and mask; SA_SIGINFO is added after. */
static __sighandler_t rc_install(__sighandler_t (*real)(int, __sighandler_t),
		int sig, __sighandler_t new_handler, const struct rc_trace *trace)
{
	rc_handler handler = rc_widen(new_handler), old_handler;
	struct rc_trace old_trace;
	struct sigaction action;
	struct rc_entry *entry;
	__sighandler_t ret;
	sigset_t saved;
	bool old_siginfo;

	entry = rc_lock_entry(sig, &saved);
	old_handler = entry->handler;
	old_siginfo = entry->siginfo;
	old_trace = entry->trace;
	rc_set_entry(entry, handler, false, trace);
	ret = real(sig, rc_narrow(rc_trampoline));
	if (ret == SIG_ERR) {
		rc_set_entry(entry, old_handler, old_siginfo, &old_trace);
	} else if (RC_REAL(sigaction)(sig, NULL, &action) == 0) {
		action.sa_flags |= SA_SIGINFO;
		RC_REAL(sigaction)(sig, &action, NULL);
	}
	rc_unlock_entry(entry, &saved);
	if (ret == rc_narrow(rc_trampoline))
		ret = rc_narrow(old_handler);
	return ret;
}

static __sighandler_t rc_signal(__sighandler_t (*real)(int, __sighandler_t),
		int sig, __sighandler_t handler, void *caller)
{
	struct rc_trace trace;
	__sighandler_t ret;

	rc_attach();
	if (rc_is_signal(sig) && rc_is_function(rc_widen(handler))) {
		rc_trace_here(&trace, RC_DEFAULT_TRACE, caller);
		return rc_install(real, sig, handler, &trace);
	}
	ret = real(sig, handler);
	if (ret == rc_narrow(rc_trampoline))
		ret = rc_narrow(__atomic_load_n(&rc_table[sig].handler,
				__ATOMIC_ACQUIRE));
	return ret;
}

#define RC_WRAP_SIGNAL(name, real)					\
RC_EXPORT __sighandler_t name(int sig, __sighandler_t handler)		\
{									\
	rc_need_reals();						\
	return rc_signal(rc_real.real, sig, handler,			\
			__builtin_return_address(0));			\
}
RC_WRAP_SIGNAL(signal, signal)
RC_WRAP_SIGNAL(bsd_signal, signal)
RC_WRAP_SIGNAL(ssignal, signal)
RC_WRAP_SIGNAL(sysv_signal, sysv_signal)
RC_WRAP_SIGNAL(__sysv_signal, sysv_signal)
RC_WRAP_SIGNAL(sigset, sigset)

/* ------------------------------------------------------------------ */
/* longjmp() and setcontext() out of a handler                        */

/*
 * The stack pointer that a longjmp() will set, as the C library keeps it (glibc
 * hides it by xor and rotation). UINTPTR_MAX where that is unknown: then the
 * jump is taken to leave all handlers.
 */
static uintptr_t rc_target(const struct __jmp_buf_tag *env)
{
#if defined(__x86_64__) && defined(__LP64__)
	uintptr_t sp = (uintptr_t) env->__jmpbuf[6];

	__asm__("rorq $17, %0\n\t"
		"xorq %%fs:0x30, %0"
		: "+r" (sp) : : "cc");
	return sp;
#else
	(void) env;
	return UINTPTR_MAX;
#endif
}

/*
 * Ends the handlers that a jump from stack pointer @from to @target leaves. One
 * that goes on has the target between its first frame and the place from where
 * it is left for what is inside it; another stack is not there.
 */
static void rc_leave_handlers(uintptr_t from, uintptr_t target)
{
	struct rc_thread *self = &rc_self;
	unsigned int i;

	for (i = self->nr; i > 0; i--) {
		struct rc_context *context = &self->contexts[i - 1];

		if (context->kind != RC_SIGNAL)
			continue;
		/* Those outside one that goes on go on as well. */
		if (from <= target && target <= context->frame)
			break;
		from = context->interrupted;
		memmove(context, context + 1,
				(self->nr - i) * sizeof(*context));
		self->nr--;
	}
}

#define RC_WRAP_LONGJMP(name)						\
RC_EXPORT void name(struct __jmp_buf_tag env[1], int value)		\
{									\
	rc_need_reals();						\
	if (rc_unlikely(rc_self.nr))					\
		rc_leave_handlers((uintptr_t) __builtin_frame_address(0), \
				rc_target(env));			\
	rc_real.name(env, value);					\
	__builtin_unreachable();					\
}
RC_WRAP_LONGJMP(longjmp)
RC_WRAP_LONGJMP(_longjmp)
RC_WRAP_LONGJMP(siglongjmp)
RC_WRAP_LONGJMP(__longjmp_chk)

RC_EXPORT int setcontext(const ucontext_t *context)
{
	rc_leave_handlers((uintptr_t) __builtin_frame_address(0),
			rc_context_sp(context));
	return RC_REAL(setcontext)(context);
}

/* A handler that is left this way counts as left, even if it is resumed. */
RC_EXPORT int swapcontext(ucontext_t *old, const ucontext_t *context)
{
	rc_leave_handlers((uintptr_t) __builtin_frame_address(0),
			rc_context_sp(context));
	return RC_REAL(swapcontext)(old, context);
}
