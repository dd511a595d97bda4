/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_CALLS_H
#define RAWCHECK_CALLS_H

/*
 * calls.h - the calls that may sleep, take a sleeping lock, or allocate
 *
 * One table for both sides: the preloaded library has a wrapper for each name,
 * the launcher prints the names.
 */

#define RC_CALLS_MEMORY(X)						\
	X(malloc) X(calloc) X(realloc) X(reallocarray) X(free)		\
	X(posix_memalign) X(aligned_alloc) X(memalign) X(valloc)	\
	X(pvalloc) X(malloc_trim)					\
	X(mmap) X(munmap) X(mremap) X(mprotect) X(madvise) X(msync)	\
	X(mlock) X(munlock) X(mlockall) X(munlockall) X(brk) X(sbrk)

#define RC_CALLS_THREAD(X)						\
	X(pthread_mutex_lock) X(pthread_mutex_timedlock)		\
	X(pthread_cond_wait) X(pthread_cond_timedwait)			\
	X(pthread_rwlock_rdlock) X(pthread_rwlock_wrlock)		\
	X(pthread_rwlock_timedrdlock) X(pthread_rwlock_timedwrlock)	\
	X(pthread_barrier_wait) X(pthread_create) X(pthread_join)	\
	X(pthread_timedjoin_np)						\
	X(sem_wait) X(sem_timedwait)					\
	X(mtx_lock) X(mtx_timedlock) X(cnd_wait) X(cnd_timedwait)	\
	X(thrd_create) X(thrd_join) X(thrd_sleep)			\
	X(pthread_mutex_clocklock) X(pthread_cond_clockwait)		\
	X(pthread_rwlock_clockrdlock) X(pthread_rwlock_clockwrlock)	\
	X(pthread_clockjoin_np) X(sem_clockwait)			\
	X(pthread_once) X(call_once) X(__cxa_guard_acquire) X(thrd_yield)

#define RC_CALLS_SLEEP(X)						\
	X(sleep) X(usleep) X(nanosleep) X(clock_nanosleep) X(pause)	\
	X(sched_yield) X(sigsuspend) X(sigwait) X(sigwaitinfo)		\
	X(sigtimedwait)

#define RC_CALLS_PROCESS(X)						\
	X(fork) X(system) X(popen) X(pclose) X(posix_spawn)		\
	X(posix_spawnp) X(wait) X(waitpid) X(waitid) X(wait3) X(wait4)	\
	X(_Fork) X(exit) X(quick_exit)					\
	X(setuid) X(seteuid) X(setreuid) X(setresuid)			\
	X(setgid) X(setegid) X(setregid) X(setresgid)			\
	X(setgroups) X(initgroups)

#define RC_CALLS_IO(X)							\
	X(read) X(readv) X(pread) X(preadv) X(write) X(writev)		\
	X(pwrite) X(pwritev) X(preadv2) X(pwritev2)			\
	X(recv) X(recvfrom) X(recvmsg) X(recvmmsg)			\
	X(send) X(sendto) X(sendmsg) X(sendmmsg)			\
	X(accept) X(accept4) X(connect) X(sendfile) X(splice)		\
	X(poll) X(ppoll) X(select) X(pselect)				\
	X(epoll_wait) X(epoll_pwait) X(epoll_pwait2)			\
	X(fsync) X(fdatasync) X(sync) X(syncfs)				\
	X(flock) X(lockf) X(fcntl)					\
	X(msgrcv) X(msgsnd) X(semop) X(semtimedop)			\
	X(mq_receive) X(mq_timedreceive) X(mq_send) X(mq_timedsend)

#define RC_CALLS_STDIO(X)						\
	X(printf) X(fprintf) X(vprintf) X(vfprintf) X(dprintf)		\
	X(vdprintf) X(puts) X(fputs) X(fputc) X(putc) X(putchar)	\
	X(fwrite) X(fflush) X(perror) X(fread) X(fgets) X(fgetc)	\
	X(getc) X(getchar) X(getline) X(getdelim) X(fopen) X(fclose)	\
	X(syslog) X(vsyslog) X(openlog) X(closelog)			\
	X(freopen) X(fdopen) X(setvbuf) X(setbuf) X(setbuffer)		\
	X(setlinebuf) X(flockfile) X(ungetc)				\
	X(fseek) X(fseeko) X(ftell) X(ftello) X(rewind)			\
	X(fgetpos) X(fsetpos)						\
	X(scanf) X(fscanf) X(vscanf) X(vfscanf)				\
	X(wprintf) X(fwprintf) X(vwprintf) X(vfwprintf)			\
	X(fputws) X(fputwc) X(putwc) X(putwchar)			\
	X(fgetws) X(fgetwc) X(getwc) X(getwchar) X(ungetwc)		\
	X(warn) X(warnx) X(vwarn) X(vwarnx)				\
	X(err) X(errx) X(verr) X(verrx)					\
	X(error) X(error_at_line) X(psignal) X(psiginfo)

/* Every call with a wrapper of the same name. */
#define RC_CALLS(X)							\
	RC_CALLS_MEMORY(X) RC_CALLS_THREAD(X) RC_CALLS_SLEEP(X)		\
	RC_CALLS_PROCESS(X) RC_CALLS_IO(X) RC_CALLS_STDIO(X)

/* Reported for syscall(), for spinlocks and by an assembly stub. */
#define RC_CALLS_OTHER(X)						\
	X(vfork)							\
	X(futex) X(io_uring_enter) X(membarrier) X(pthread_spin_lock)

enum rc_call {
#define X(name) RC_CALL_##name,
	RC_CALLS(X)
	RC_CALLS_OTHER(X)
#undef X
	RC_NR_CALLS
};

#endif /* RAWCHECK_CALLS_H */
