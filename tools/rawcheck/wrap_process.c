/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_process.c - sleeping, waiting for a signal or for another process
 *
 * Not reported: waiting calls with WNOHANG or a timeout of zero; execve(), kill()
 * and _exit(), which do not wait.
 */

#include "config.h"

#include "preload.h"

bool rc_is_zero(const struct timespec *timeout)
{
	return timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
}

RC_WRAP(unsigned int, sleep, (unsigned int seconds), (seconds), true)
RC_WRAP(int, usleep, (useconds_t usec), (usec), true)
RC_WRAP(int, nanosleep, (const struct timespec *time, struct timespec *left),
	(time, left), true)
RC_WRAP(int, clock_nanosleep,
	(clockid_t clock, int flags, const struct timespec *time,
		struct timespec *left),
	(clock, flags, time, left), true)
RC_WRAP(int, thrd_sleep, (const struct timespec *time, struct timespec *left),
	(time, left), true)
RC_WRAP(int, pause, (void), (), true)
/* What it gives the processor to may wait for the lock that is held here. */
RC_WRAP(int, sched_yield, (void), (), true)
RC_WRAP(int, sigsuspend, (const sigset_t *mask), (mask), true)
RC_WRAP(int, sigwait, (const sigset_t *set, int *sig), (set, sig), true)
RC_WRAP(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info),
	(set, info), true)
RC_WRAP(int, sigtimedwait,
	(const sigset_t *set, siginfo_t *info, const struct timespec *timeout),
	(set, info, timeout), !rc_is_zero(timeout))

RC_WRAP(pid_t, fork, (void), (), true)
RC_WRAP(int, pclose, (FILE *stream), (stream), true)
RC_WRAP(pid_t, wait, (int *status), (status), true)
RC_WRAP(pid_t, waitpid, (pid_t pid, int *status, int options),
	(pid, status, options), !(options & WNOHANG))
RC_WRAP(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
	(type, id, info, options), !(options & WNOHANG))
RC_WRAP(pid_t, wait3, (int *status, int options, struct rusage *usage),
	(status, options, usage), !(options & WNOHANG))
RC_WRAP(pid_t, wait4,
	(pid_t pid, int *status, int options, struct rusage *usage),
	(pid, status, options, usage), !(options & WNOHANG))

/* Handlers and destructors run, which take locks; the C library takes its own. */
RC_WRAP_NORETURN(exit, (int code), (code))
RC_WRAP_NORETURN(quick_exit, (int code), (code))

RC_WRAP(pid_t, _Fork, (void), (), true)

#if defined(__x86_64__)
/*
 * vfork() returns twice, so no function may stand between it and its caller: the
 * stub goes on by a jump, with the stack as it found it.
 */
__attribute__((used)) void *rc_check_vfork(void *caller);

void *rc_check_vfork(void *caller)
{
	rc_need_reals();
	if (rc_is_raw())
		rc_report(RC_CALL_vfork, caller, false);
	return (void *) rc_real.vfork;
}

__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	movq (%rsp), %rdi\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call rc_check_vfork\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	"	.cfi_endproc\n"
	".size vfork, . - vfork\n");
#endif

/* In a program with threads the C library signals each and waits for all. */
RC_WRAP(int, setuid, (uid_t id), (id), true)
RC_WRAP(int, seteuid, (uid_t id), (id), true)
RC_WRAP(int, setreuid, (uid_t real, uid_t id), (real, id), true)
RC_WRAP(int, setresuid, (uid_t real, uid_t id, uid_t saved),
	(real, id, saved), true)
RC_WRAP(int, setgid, (gid_t id), (id), true)
RC_WRAP(int, setegid, (gid_t id), (id), true)
RC_WRAP(int, setregid, (gid_t real, gid_t id), (real, id), true)
RC_WRAP(int, setresgid, (gid_t real, gid_t id, gid_t saved),
	(real, id, saved), true)
RC_WRAP(int, setgroups, (size_t nr, const gid_t *groups), (nr, groups), true)
RC_WRAP(int, initgroups, (const char *user, gid_t group), (user, group), true)
