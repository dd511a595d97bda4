/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_PRELOAD_H
#define RAWCHECK_PRELOAD_H

/*
 * preload.h - the parts of urcu-rawcheck.so
 *
 *	preload.c	finds the real functions, attaches to the launcher
 *	context.c	per thread: which raw contexts it is in
 *	record.c	writes a finding into the shared memory
 *	wrap_*.c	the functions that stand in front of the C library's
 *
 * Rules for all of it. A wrapper that finds the thread in no raw context calls
 * the real function and does nothing else. Nothing here allocates, takes a lock
 * or makes a blocking system call in raw context, except in --abort mode, which waits
 * for the launcher's verdict. All per-thread state is initial-exec
 * TLS, which exists from the thread's first instruction, and is consistent
 * at every instruction: a signal handler may use it in between.
 */

#include <aio.h>
#include <err.h>
#include <error.h>
#include <grp.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <fcntl.h>
#include <wchar.h>

#include "shared.h"

#define RC_EXPORT	__attribute__((visibility("default")))
#define rc_unlikely(x)	__builtin_expect(!!(x), 0)

/* ------------------------------------------------------------------ */
/* Functions that the C library has and no header declares             */

ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int,
		struct sockaddr *, socklen_t *);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *,
		const sigset_t *, size_t);
int __vfprintf_chk(FILE *, int, const char *, va_list);
int __vdprintf_chk(int, int, const char *, va_list);
int __printf_chk(int, const char *, ...);
int __fprintf_chk(FILE *, int, const char *, ...);
int __vprintf_chk(int, const char *, va_list);
int __dprintf_chk(int, int, const char *, ...);
ssize_t __getdelim(char **, size_t *, int, FILE *);
char *__fgets_chk(char *, size_t, int, FILE *);
size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);
void __syslog_chk(int, int, const char *, ...);
void __vsyslog_chk(int, int, const char *, va_list);
int __vfwprintf_chk(FILE *, int, const wchar_t *, va_list);
int __wprintf_chk(int, const wchar_t *, ...);
int __fwprintf_chk(FILE *, int, const wchar_t *, ...);
int __vwprintf_chk(int, const wchar_t *, va_list);
wchar_t *__fgetws_chk(wchar_t *, size_t, int, FILE *);
int __isoc99_vfscanf(FILE *, const char *, va_list);
int __isoc99_vscanf(const char *, va_list);
int __isoc99_fscanf(FILE *, const char *, ...);
int __isoc99_scanf(const char *, ...);
int __isoc23_vfscanf(FILE *, const char *, va_list);
int __isoc23_vscanf(const char *, va_list);
int __isoc23_fscanf(FILE *, const char *, ...);
int __isoc23_scanf(const char *, ...);
/* Of the C++ library, where there is one. */
int __cxa_guard_acquire(uint64_t *);
void __cxa_guard_release(uint64_t *);
void __cxa_guard_abort(uint64_t *);
void __longjmp_chk(jmp_buf, int) __attribute__((noreturn));
int execveat(int, const char *, char *const [], char *const [], int);
int __sigaction(int, const struct sigaction *, struct sigaction *);
__sighandler_t bsd_signal(int, __sighandler_t);
__sighandler_t sysv_signal(int, __sighandler_t);
__sighandler_t __sysv_signal(int, __sighandler_t);
__sighandler_t sigset(int, __sighandler_t);

/* Reals beside those of RC_CALLS. */
#define RC_REALS(X)							\
	RC_CALLS(X)							\
	X(mmap64) X(pread64) X(preadv64) X(pwrite64) X(pwritev64)	\
	X(preadv64v2) X(pwritev64v2) X(sendfile64) X(lockf64) X(fcntl64)	\
	X(fopen64) X(__getdelim) X(malloc_usable_size)			\
	X(__read_chk) X(__pread_chk) X(__pread64_chk) X(__recv_chk)	\
	X(__recvfrom_chk) X(__poll_chk) X(__ppoll_chk)			\
	X(__vfprintf_chk) X(__vdprintf_chk) X(__fgets_chk)		\
	X(__fread_chk) X(__vsyslog_chk) X(__vfwprintf_chk)		\
	X(__fgetws_chk) X(__isoc99_vfscanf) X(__isoc23_vfscanf)		\
	X(freopen64) X(fseeko64) X(ftello64) X(fgetpos64) X(fsetpos64)	\
	X(vfork) X(__cxa_guard_release) X(__cxa_guard_abort)		\
	X(pthread_spin_lock) X(pthread_spin_trylock)			\
	X(pthread_spin_unlock) X(pthread_spin_init)			\
	X(pthread_spin_destroy)						\
	X(sigaction) X(signal) X(sysv_signal) X(sigset)			\
	X(setcontext) X(swapcontext)					\
	X(execve) X(execv) X(execvp) X(execvpe) X(fexecve) X(execveat)	\
	X(longjmp) X(_longjmp) X(siglongjmp) X(__longjmp_chk)		\
	X(syscall)

struct rc_real {
#define X(name) __typeof__(name) *name;
	RC_REALS(X)
#undef X
};

/* The next definition of each function. Read-only after rc_resolve(). */
extern struct rc_real rc_real;
/* Stands there for a function that no library of the program has. */
void rc_missing(void);
extern bool rc_ready;

/*
 * Fills rc_real. False when it is called by its own dlsym(), and then only what was
 * found before that is there.
 */
bool rc_resolve(void);

static inline void rc_need_reals(void)
{
	if (rc_unlikely(!rc_ready))
		rc_resolve();
}

#define RC_REAL(name)	(*(rc_need_reals(), rc_real.name))

/* ------------------------------------------------------------------ */
/* Attaching                                                          */

/* The launcher's memory, NULL when there is none. Set once by rc_attach(). */
extern struct rc_shared *rc_shared;
/* Path of the program, for its object's name. Set by rc_attach(). */
extern char rc_program[512];

/* Idempotent. Clean contexts alone: opens files, primes the unwinder. */
void rc_attach(void);

/* Takes away the note that this program was executed. Called once, by rc_attach(). */
void rc_note_attached(struct rc_shared *shared);
/* Notes that calls of this program's malloc() are not seen. Called by rc_attach(). */
void rc_note_own_malloc(struct rc_shared *shared);

/* ------------------------------------------------------------------ */
/* Contexts                                                           */

#define RC_MAX_CONTEXTS	16

struct rc_trace {
	unsigned int nr;
	void *frames[RC_MAX_TRACE];
};

/*
 * One reason why a thread is in raw context. trace is where it began; for a lock or
 * a section it is empty unless --trace-frames asks for it. Then caller and sp say
 * in which function it began, and the stack of a finding has the rest.
 */
struct rc_context {
	enum rc_kind kind;
	int signo;			/* RC_SIGNAL */
	const volatile void *what;	/* the lock, or the handler */
	void *caller;			/* not RC_SIGNAL: return address */
	uintptr_t sp;			/* not RC_SIGNAL: stack pointer at the call */
	uintptr_t frame;		/* RC_SIGNAL: of the trampoline */
	uintptr_t interrupted;		/* RC_SIGNAL: stack pointer before it */
	struct rc_trace trace;		/* last: only its frames in use are copied */
};

/*
 * All members: owner thread, and signal handlers on it. contexts[nr] is
 * written before nr is raised.
 */
struct rc_thread {
	unsigned int nr;	/* contexts[] in use, the newest last */
	unsigned int more;	/* contexts for which there was no room */
	unsigned int busy;	/* inside a finding: what it calls is no other */
	struct rc_context contexts[RC_MAX_CONTEXTS];
};

extern __thread struct rc_thread rc_self
	__attribute__((tls_model("initial-exec")));

static inline bool rc_is_raw(void)
{
	return rc_unlikely((rc_self.nr | rc_self.more) && !rc_self.busy);
}

/* A stack, innermost frame first. */
struct rc_stack {
	unsigned int nr;
	void *frames[RC_MAX_FRAMES];	/* addresses in the code */
	uintptr_t sp[RC_MAX_FRAMES];	/* stack pointers at the calls made there */
};

/* The stack above the return address @caller, at most @max frames of it. */
void rc_backtrace(struct rc_stack *stack, unsigned int max, void *caller);
void rc_trace_here(struct rc_trace *trace, unsigned int max, void *caller);

/*
 * Fills in where @context begins, but for kind and what: in the function that
 * @caller lies in, whose stack pointer was @sp. In a wrapper these are its
 * __builtin_return_address(0) and __builtin_dwarf_cfa().
 */
void rc_begin_at(struct rc_context *context, void *caller, const void *sp);

/* A block of memory goes away: the calling thread holds no lock in it any more. */
void rc_forget_locks(const void *from, size_t size);

void rc_push(const struct rc_context *context);
/* Removes the newest context of @kind about @what; false if there is none. */
bool rc_pop(enum rc_kind kind, const volatile void *what);
const struct rc_context *rc_find(enum rc_kind kind,
		const volatile void *what);

/* Bounds of the code that calls the program's handlers, by the link editor. */
extern const char __start_rc_deliver[] __attribute__((visibility("hidden")));
extern const char __stop_rc_deliver[] __attribute__((visibility("hidden")));

/* ------------------------------------------------------------------ */
/* Findings                                                           */

/*
 * Writes down that the calling thread made @call in raw context. Keeps errno.
 * @caller: return address of the wrapper.
 */
void rc_report(enum rc_call call, void *caller, bool recursion);

/*
 * A wrapper's view of its call: while the real function runs after a finding,
 * what that calls in turn (pthread_create() its calloc()) is not another one.
 */
struct rc_guard {
	bool reported;
};

static inline void rc_guard_end(struct rc_guard *guard)
{
	if (guard->reported)
		rc_self.busy--;
}

#define RC_GUARD(call, blocks)						\
	struct rc_guard rc_guard					\
		__attribute__((cleanup(rc_guard_end), unused)) = { false };	\
	if (rc_is_raw() && (blocks)) {					\
		rc_report(RC_CALL_##call, __builtin_return_address(0),	\
				false);					\
		rc_self.busy++;						\
		rc_guard.reported = true;				\
	}

/* The wrapper @name: reported as @call when @blocks holds. */
#define RC_WRAP_AS(call, ret, name, params, args, blocks)		\
RC_EXPORT ret name params						\
{									\
	RC_GUARD(call, blocks)						\
	return RC_REAL(name) args;					\
}
/* The same for a function without a value. */
#define RC_WRAP_VOID_AS(call, name, params, args, blocks)		\
RC_EXPORT void name params						\
{									\
	RC_GUARD(call, blocks)						\
	RC_REAL(name) args;						\
}
#define RC_WRAP_VOID(name, params, args, blocks)			\
	RC_WRAP_VOID_AS(name, name, params, args, blocks)
/* The same for a function that does not return. */
#define RC_WRAP_NORETURN(name, params, args)				\
RC_EXPORT void name params						\
{									\
	RC_GUARD(name, true)						\
	RC_REAL(name) args;						\
	__builtin_unreachable();					\
}
#define RC_WRAP(ret, name, params, args, blocks)			\
	RC_WRAP_AS(name, ret, name, params, args, blocks)

/* Would a read from or a write to @fd wait where it cannot go on at once? */
bool rc_fd_blocks(int fd);
bool rc_is_zero(const struct timespec *timeout);

#endif /* RAWCHECK_PRELOAD_H */
