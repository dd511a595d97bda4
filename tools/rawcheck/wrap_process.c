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
RC_WRAP(int, system, (const char *command), (command), true)
RC_WRAP(FILE *, popen, (const char *command, const char *mode),
	(command, mode), true)
RC_WRAP(int, pclose, (FILE *stream), (stream), true)
RC_WRAP(int, posix_spawn,
	(pid_t *pid, const char *path,
		const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[]),
	(pid, path, actions, attr, argv, envp), true)
RC_WRAP(int, posix_spawnp,
	(pid_t *pid, const char *file,
		const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[]),
	(pid, file, actions, attr, argv, envp), true)
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
