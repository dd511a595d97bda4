/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * wrap_io.c - input and output that may wait
 *
 * Not reported: anything on a non-blocking descriptor that is not a file on disk,
 * anything with MSG_DONTWAIT, RWF_NOWAIT or IPC_NOWAIT, and polling with a timeout
 * of zero. Everything else is, whether it would have waited this time or not.
 */

#include "config.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "preload.h"

bool rc_fd_blocks(int fd)
{
	int saved_errno = errno;
	struct stat status;
	bool blocks = true;
	long flags;

	flags = RC_REAL(syscall)(SYS_fcntl, fd, F_GETFL);
	if (flags < 0)
		blocks = false;		/* fails at once */
	else if (flags & O_NONBLOCK)
		blocks = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	errno = saved_errno;
	return blocks;
}

/* ------------------------------------------------------------------ */
/* Files                                                              */

RC_WRAP(ssize_t, read, (int fd, void *buf, size_t nr),
	(fd, buf, nr), rc_fd_blocks(fd))
RC_WRAP(ssize_t, readv, (int fd, const struct iovec *iov, int nr),
	(fd, iov, nr), rc_fd_blocks(fd))
RC_WRAP(ssize_t, pread, (int fd, void *buf, size_t nr, off_t at),
	(fd, buf, nr, at), rc_fd_blocks(fd))
RC_WRAP(ssize_t, preadv, (int fd, const struct iovec *iov, int nr, off_t at),
	(fd, iov, nr, at), rc_fd_blocks(fd))
RC_WRAP(ssize_t, preadv2,
	(int fd, const struct iovec *iov, int nr, off_t at, int flags),
	(fd, iov, nr, at, flags), !(flags & RWF_NOWAIT) && rc_fd_blocks(fd))
RC_WRAP(ssize_t, write, (int fd, const void *buf, size_t nr),
	(fd, buf, nr), rc_fd_blocks(fd))
RC_WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int nr),
	(fd, iov, nr), rc_fd_blocks(fd))
RC_WRAP(ssize_t, pwrite, (int fd, const void *buf, size_t nr, off_t at),
	(fd, buf, nr, at), rc_fd_blocks(fd))
RC_WRAP(ssize_t, pwritev, (int fd, const struct iovec *iov, int nr, off_t at),
	(fd, iov, nr, at), rc_fd_blocks(fd))
RC_WRAP(ssize_t, pwritev2,
	(int fd, const struct iovec *iov, int nr, off_t at, int flags),
	(fd, iov, nr, at, flags), !(flags & RWF_NOWAIT) && rc_fd_blocks(fd))
RC_WRAP(ssize_t, sendfile, (int out, int in, off_t *at, size_t nr),
	(out, in, at, nr), rc_fd_blocks(out) || rc_fd_blocks(in))
RC_WRAP(ssize_t, splice,
	(int in, off64_t *in_at, int out, off64_t *out_at, size_t nr,
		unsigned int flags),
	(in, in_at, out, out_at, nr, flags),
	!(flags & SPLICE_F_NONBLOCK) || rc_fd_blocks(in) || rc_fd_blocks(out))

RC_WRAP_AS(pread, ssize_t, pread64, (int fd, void *buf, size_t nr, off64_t at),
	(fd, buf, nr, at), rc_fd_blocks(fd))
RC_WRAP_AS(preadv, ssize_t, preadv64,
	(int fd, const struct iovec *iov, int nr, off64_t at),
	(fd, iov, nr, at), rc_fd_blocks(fd))
RC_WRAP_AS(preadv2, ssize_t, preadv64v2,
	(int fd, const struct iovec *iov, int nr, off64_t at, int flags),
	(fd, iov, nr, at, flags), !(flags & RWF_NOWAIT) && rc_fd_blocks(fd))
RC_WRAP_AS(pwrite, ssize_t, pwrite64,
	(int fd, const void *buf, size_t nr, off64_t at),
	(fd, buf, nr, at), rc_fd_blocks(fd))
RC_WRAP_AS(pwritev, ssize_t, pwritev64,
	(int fd, const struct iovec *iov, int nr, off64_t at),
	(fd, iov, nr, at), rc_fd_blocks(fd))
RC_WRAP_AS(pwritev2, ssize_t, pwritev64v2,
	(int fd, const struct iovec *iov, int nr, off64_t at, int flags),
	(fd, iov, nr, at, flags), !(flags & RWF_NOWAIT) && rc_fd_blocks(fd))
RC_WRAP_AS(sendfile, ssize_t, sendfile64,
	(int out, int in, off64_t *at, size_t nr),
	(out, in, at, nr), rc_fd_blocks(out) || rc_fd_blocks(in))

RC_WRAP_AS(read, ssize_t, __read_chk,
	(int fd, void *buf, size_t nr, size_t size),
	(fd, buf, nr, size), rc_fd_blocks(fd))
RC_WRAP_AS(pread, ssize_t, __pread_chk,
	(int fd, void *buf, size_t nr, off_t at, size_t size),
	(fd, buf, nr, at, size), rc_fd_blocks(fd))
RC_WRAP_AS(pread, ssize_t, __pread64_chk,
	(int fd, void *buf, size_t nr, off64_t at, size_t size),
	(fd, buf, nr, at, size), rc_fd_blocks(fd))

RC_WRAP(int, fsync, (int fd), (fd), true)
RC_WRAP(int, fdatasync, (int fd), (fd), true)
RC_WRAP(int, syncfs, (int fd), (fd), true)

RC_EXPORT void sync(void)
{
	RC_GUARD(sync, true)
	RC_REAL(sync)();
}

/* ------------------------------------------------------------------ */
/* File locks                                                         */

RC_WRAP(int, flock, (int fd, int op), (fd, op), !(op & (LOCK_NB | LOCK_UN)))
RC_WRAP(int, lockf, (int fd, int op, off_t length),
	(fd, op, length), op == F_LOCK)
RC_WRAP_AS(lockf, int, lockf64, (int fd, int op, off64_t length),
	(fd, op, length), op == F_LOCK)

static bool rc_lock_waits(int command)
{
	return command == F_SETLKW || command == F_OFD_SETLKW;
}

#define RC_WRAP_FCNTL(name)						\
RC_EXPORT int name(int fd, int command, ...)				\
{									\
	void *arg;							\
	va_list args;							\
									\
	va_start(args, command);					\
	arg = va_arg(args, void *);	/* as wide as any of them */	\
	va_end(args);							\
	RC_GUARD(fcntl, rc_lock_waits(command))				\
	return RC_REAL(name)(fd, command, arg);				\
}
RC_WRAP_FCNTL(fcntl)
RC_WRAP_FCNTL(fcntl64)

/* ------------------------------------------------------------------ */
/* Sockets                                                            */

static bool rc_socket_blocks(int fd, int flags)
{
	return !(flags & MSG_DONTWAIT) && rc_fd_blocks(fd);
}

RC_WRAP(ssize_t, recv, (int fd, void *buf, size_t nr, int flags),
	(fd, buf, nr, flags), rc_socket_blocks(fd, flags))
RC_WRAP(ssize_t, recvfrom,
	(int fd, void *buf, size_t nr, int flags, struct sockaddr *addr,
		socklen_t *size),
	(fd, buf, nr, flags, addr, size), rc_socket_blocks(fd, flags))
RC_WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
	(fd, msg, flags), rc_socket_blocks(fd, flags))
RC_WRAP(int, recvmmsg,
	(int fd, struct mmsghdr *msgs, unsigned int nr, int flags,
		struct timespec *timeout),
	(fd, msgs, nr, flags, timeout), rc_socket_blocks(fd, flags))
RC_WRAP(ssize_t, send, (int fd, const void *buf, size_t nr, int flags),
	(fd, buf, nr, flags), rc_socket_blocks(fd, flags))
RC_WRAP(ssize_t, sendto,
	(int fd, const void *buf, size_t nr, int flags,
		const struct sockaddr *addr, socklen_t size),
	(fd, buf, nr, flags, addr, size), rc_socket_blocks(fd, flags))
RC_WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
	(fd, msg, flags), rc_socket_blocks(fd, flags))
RC_WRAP(int, sendmmsg,
	(int fd, struct mmsghdr *msgs, unsigned int nr, int flags),
	(fd, msgs, nr, flags), rc_socket_blocks(fd, flags))
RC_WRAP(int, accept, (int fd, struct sockaddr *addr, socklen_t *size),
	(fd, addr, size), rc_fd_blocks(fd))
RC_WRAP(int, accept4,
	(int fd, struct sockaddr *addr, socklen_t *size, int flags),
	(fd, addr, size, flags), rc_fd_blocks(fd))
RC_WRAP(int, connect, (int fd, const struct sockaddr *addr, socklen_t size),
	(fd, addr, size), rc_fd_blocks(fd))

RC_WRAP_AS(recv, ssize_t, __recv_chk,
	(int fd, void *buf, size_t nr, size_t size, int flags),
	(fd, buf, nr, size, flags), rc_socket_blocks(fd, flags))
RC_WRAP_AS(recvfrom, ssize_t, __recvfrom_chk,
	(int fd, void *buf, size_t nr, size_t buf_size, int flags,
		struct sockaddr *addr, socklen_t *size),
	(fd, buf, nr, buf_size, flags, addr, size),
	rc_socket_blocks(fd, flags))

/* ------------------------------------------------------------------ */
/* Polling                                                            */

static bool rc_is_zero_tv(const struct timeval *timeout)
{
	return timeout && timeout->tv_sec == 0 && timeout->tv_usec == 0;
}

RC_WRAP(int, poll, (struct pollfd *fds, nfds_t nr, int timeout),
	(fds, nr, timeout), timeout != 0)
RC_WRAP(int, ppoll,
	(struct pollfd *fds, nfds_t nr, const struct timespec *timeout,
		const sigset_t *mask),
	(fds, nr, timeout, mask), !rc_is_zero(timeout))
RC_WRAP(int, select,
	(int nr, fd_set *in, fd_set *out, fd_set *except,
		struct timeval *timeout),
	(nr, in, out, except, timeout), !rc_is_zero_tv(timeout))
RC_WRAP(int, pselect,
	(int nr, fd_set *in, fd_set *out, fd_set *except,
		const struct timespec *timeout, const sigset_t *mask),
	(nr, in, out, except, timeout, mask), !rc_is_zero(timeout))
RC_WRAP(int, epoll_wait,
	(int fd, struct epoll_event *events, int nr, int timeout),
	(fd, events, nr, timeout), timeout != 0)
RC_WRAP(int, epoll_pwait,
	(int fd, struct epoll_event *events, int nr, int timeout,
		const sigset_t *mask),
	(fd, events, nr, timeout, mask), timeout != 0)
RC_WRAP(int, epoll_pwait2,
	(int fd, struct epoll_event *events, int nr,
		const struct timespec *timeout, const sigset_t *mask),
	(fd, events, nr, timeout, mask), !rc_is_zero(timeout))

RC_WRAP_AS(poll, int, __poll_chk,
	(struct pollfd *fds, nfds_t nr, int timeout, size_t size),
	(fds, nr, timeout, size), timeout != 0)
RC_WRAP_AS(ppoll, int, __ppoll_chk,
	(struct pollfd *fds, nfds_t nr, const struct timespec *timeout,
		const sigset_t *mask, size_t size),
	(fds, nr, timeout, mask, size), !rc_is_zero(timeout))

/* ------------------------------------------------------------------ */
/* Messages between processes                                         */

static bool rc_queue_blocks(mqd_t queue)
{
	struct mq_attr attr;

	return mq_getattr(queue, &attr) == 0 && !(attr.mq_flags & O_NONBLOCK);
}

static bool rc_semop_blocks(const struct sembuf *ops, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (ops[i].sem_op <= 0 && !(ops[i].sem_flg & IPC_NOWAIT))
			return true;
	return false;
}

RC_WRAP(ssize_t, msgrcv,
	(int queue, void *msg, size_t nr, long type, int flags),
	(queue, msg, nr, type, flags), !(flags & IPC_NOWAIT))
RC_WRAP(int, msgsnd, (int queue, const void *msg, size_t nr, int flags),
	(queue, msg, nr, flags), !(flags & IPC_NOWAIT))
RC_WRAP(int, semop, (int set, struct sembuf *ops, size_t nr),
	(set, ops, nr), rc_semop_blocks(ops, nr))
RC_WRAP(int, semtimedop,
	(int set, struct sembuf *ops, size_t nr, const struct timespec *timeout),
	(set, ops, nr, timeout),
	!rc_is_zero(timeout) && rc_semop_blocks(ops, nr))
RC_WRAP(ssize_t, mq_receive,
	(mqd_t queue, char *msg, size_t nr, unsigned int *priority),
	(queue, msg, nr, priority), rc_queue_blocks(queue))
RC_WRAP(ssize_t, mq_timedreceive,
	(mqd_t queue, char *restrict msg, size_t nr,
		unsigned int *restrict priority,
		const struct timespec *restrict until),
	(queue, msg, nr, priority, until), rc_queue_blocks(queue))
RC_WRAP(int, mq_send,
	(mqd_t queue, const char *msg, size_t nr, unsigned int priority),
	(queue, msg, nr, priority), rc_queue_blocks(queue))
RC_WRAP(int, mq_timedsend,
	(mqd_t queue, const char *msg, size_t nr, unsigned int priority,
		const struct timespec *until),
	(queue, msg, nr, priority, until), rc_queue_blocks(queue))

/* ------------------------------------------------------------------ */
/* System calls made by number                                        */

static bool rc_futex_waits(long op)
{
	switch (op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return true;
	default:
		return false;
	}
}

/* The call that @number with @args amounts to; RC_NR_CALLS: one that may be made. */
static enum rc_call rc_syscall(long number, const long *args)
{
	switch (number) {
#ifdef SYS_futex_time64
	case SYS_futex_time64:
#endif
	case SYS_futex:
		return rc_futex_waits(args[1]) ? RC_CALL_futex : RC_NR_CALLS;
	case SYS_read:
		return rc_fd_blocks((int) args[0]) ? RC_CALL_read : RC_NR_CALLS;
	case SYS_write:
		return rc_fd_blocks((int) args[0]) ? RC_CALL_write : RC_NR_CALLS;
	case SYS_io_uring_enter:
		return args[2] ? RC_CALL_io_uring_enter : RC_NR_CALLS;
	case SYS_membarrier:
		/* MEMBARRIER_CMD_GLOBAL waits for a grace period of the kernel. */
		return args[0] == 1 ? RC_CALL_membarrier : RC_NR_CALLS;
	case SYS_nanosleep:
		return RC_CALL_nanosleep;
#ifdef SYS_clock_nanosleep_time64
	case SYS_clock_nanosleep_time64:
#endif
	case SYS_clock_nanosleep:
		return RC_CALL_clock_nanosleep;
	case SYS_sched_yield:
		return RC_CALL_sched_yield;
#ifdef SYS_mmap
	case SYS_mmap:
#endif
#ifdef SYS_mmap2
	case SYS_mmap2:
#endif
		return RC_CALL_mmap;
	case SYS_munmap:
		return RC_CALL_munmap;
	case SYS_mremap:
		return RC_CALL_mremap;
	case SYS_mprotect:
		return RC_CALL_mprotect;
	case SYS_madvise:
		return RC_CALL_madvise;
	default:
		return RC_NR_CALLS;
	}
}

static void rc_check_syscall(long number, const long *args, void *caller,
		struct rc_guard *guard)
{
	enum rc_call call = rc_syscall(number, args);

	if (call == RC_NR_CALLS)
		return;
	rc_report(call, caller, false);
	rc_self.busy++;
	guard->reported = true;
}

RC_EXPORT long syscall(long number, ...)
{
	struct rc_guard guard __attribute__((cleanup(rc_guard_end))) = { false };
	long args[6];
	va_list list;
	int i;

	va_start(list, number);
	for (i = 0; i < 6; i++)		/* those not passed are not looked at */
		args[i] = va_arg(list, long);
	va_end(list);
	if (rc_is_raw())
		rc_check_syscall(number, args, __builtin_return_address(0),
				&guard);
	return RC_REAL(syscall)(number, args[0], args[1], args[2], args[3],
			args[4], args[5]);
}
