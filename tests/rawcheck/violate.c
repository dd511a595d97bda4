/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * violate - make one call that may sleep in one raw context
 *
 *	violate list			names, and what each is reported as
 *	violate NAME spin|signal|section
 *	violate all none		every call, in a clean context
 *
 * Each call is arranged to return at once, so that the violation is all that
 * happens. Exits 77 where the system does not let it prepare the call.
 */

#include "config.h"

#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <malloc.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include <urcu/rawcheck.h>

/* Some processors of 32 bits have this one only. */
#ifndef SYS_mmap
# define SYS_mmap	SYS_mmap2
#endif

/* What _FORTIFY_SOURCE calls; declared here so that no optimizer chooses. */
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __fprintf_chk(FILE *, int, const char *, ...);
char *__fgets_chk(char *, size_t, int, FILE *);
int __fwprintf_chk(FILE *, int, const wchar_t *, ...);
/* Of the C++ library, which this program does without. */
int __cxa_guard_acquire(uint64_t *) __attribute__((weak));
void __cxa_guard_release(uint64_t *) __attribute__((weak));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static mtx_t mtx;
static cnd_t cnd;
static pthread_t thread;
static thrd_t thrd;
static pid_t child;
static int pipe_fds[2], sockets[2], listener, client, memory, epoll, queue;
static int semaphores;
static mqd_t mq;
static void *block, *area;
static FILE *stream, *command;
static char buffer[4096], *line;
static size_t line_size;
static sigset_t usr2;
static uint32_t futex_word;
static struct sockaddr_un address;
static socklen_t address_size;
static struct epoll_event event;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static uint64_t guard;
static fpos_t position;

static const struct timespec past = { .tv_sec = 1 };
static const struct timespec moment = { .tv_nsec = 1000 };
static struct timeval tv_moment = { .tv_usec = 1000 };

/* Keeps the compiler from leaving out calls whose result nobody wants. */
static volatile intptr_t result;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	dprintf(2, "violate: cannot prepare %s: %s\n", what, strerror(errno));
	_exit(77);
}

/* ------------------------------------------------------------------ */
/* Preparations                                                       */

static void *thread_main(void *unused)
{
	return unused;
}

static int thrd_main(void *unused)
{
	(void) unused;
	return 0;
}

static void make_block(void)
{
	block = malloc(100);
	need(block != NULL, "malloc");
}

static void make_area(void)
{
	area = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(area != MAP_FAILED, "mmap");
}

static void make_thread(void)
{
	need(pthread_create(&thread, NULL, thread_main, NULL) == 0, "thread");
}

static void make_thrd(void)
{
	need(thrd_create(&thrd, thrd_main, NULL) == thrd_success, "thread");
}

static void make_child(void)
{
	siginfo_t info;

	child = fork();
	need(child >= 0, "fork");
	if (child == 0)
		_exit(0);
	need(waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT) == 0, "wait");
}

/* The pipe holds something to read. */
static void fill_pipe(void)
{
	need(pipe(pipe_fds) == 0, "pipe");
	need(write(pipe_fds[1], "abcd\n", 5) == 5, "write");
}

static void fill_sockets(void)
{
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	need(send(sockets[1], "abcd", 4, 0) == 4, "send");
}

static void make_listener(void)
{
	address.sun_family = AF_UNIX;
	address_size = sizeof(sa_family_t);	/* the kernel finds a name */
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	need(listener >= 0 && client >= 0, "socket");
	need(bind(listener, (struct sockaddr *) &address, address_size) == 0,
			"bind");
	address_size = sizeof(address);
	need(getsockname(listener, (struct sockaddr *) &address,
			&address_size) == 0, "getsockname");
	need(listen(listener, 5) == 0, "listen");
}

static void make_connection(void)
{
	make_listener();
	need(connect(client, (struct sockaddr *) &address, address_size) == 0,
			"connect");
	address_size = sizeof(address);
}

static void make_memory(void)
{
	memory = memfd_create("violate", 0);
	need(memory >= 0 && write(memory, "text\n", 5) == 5, "memfd");
	lseek(memory, 0, SEEK_SET);
}

static void make_epoll(void)
{
	struct epoll_event want = { .events = EPOLLIN };

	fill_pipe();
	epoll = epoll_create1(0);
	need(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0],
			&want) == 0, "epoll");
}

static void make_queue(void)
{
	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	need(queue >= 0, "msgget");
}

static void fill_queue(void)
{
	struct { long type; char text[4]; } msg = { 1, "abc" };

	make_queue();
	need(msgsnd(queue, &msg, sizeof(msg.text), 0) == 0, "msgsnd");
}

static void make_semaphores(void)
{
	semaphores = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	need(semaphores >= 0, "semget");
}

static void make_mq(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 8 };
	char name[64];

	snprintf(name, sizeof(name), "/violate-%d", (int) getpid());
	mq = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
	need(mq != (mqd_t) -1, "mq_open");
	mq_unlink(name);
}

static void fill_mq(void)
{
	make_mq();
	need(mq_send(mq, "abc", 4, 0) == 0, "mq_send");
}

static void make_stream(void)
{
	make_memory();
	stream = fdopen(memory, "r+");
	need(stream != NULL, "fdopen");
}

/* It has its buffer: no finding is left to malloc(). */
static void make_used_stream(void)
{
	make_stream();
	need(getc(stream) == 't', "getc");
}

static void mark_position(void)
{
	make_used_stream();
	need(fgetpos(stream, &position) == 0, "fgetpos");
}

static void make_input(void)
{
	fill_pipe();
	need(dup2(pipe_fds[0], STDIN_FILENO) == STDIN_FILENO, "dup2");
}

/* Standard output and error go nowhere. */
static void mute(void)
{
	int null = open("/dev/null", O_WRONLY);

	need(null >= 0, "/dev/null");
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	setlogmask(LOG_MASK(LOG_EMERG));
}

static void make_command(void)
{
	command = popen("exit 0", "r");
	need(command != NULL, "popen");
}

static void no_alarm(int sig)
{
	(void) sig;
}

static void start_alarms(void)
{
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	struct sigaction action = { .sa_handler = no_alarm };

	need(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
	need(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
}

static void stop_alarms(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &never, NULL);
}

/* SIGUSR2 is blocked and pending. */
static void pend_usr2(void)
{
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	need(raise(SIGUSR2) == 0, "raise");
}

static void *wake_main(void *unused)
{
	for (;;) {
		pthread_cond_broadcast(&cond);
		cnd_broadcast(&cnd);
		usleep(1000);
	}
	return unused;
}

/* Another thread wakes those who wait for cond and cnd, again and again. */
static void start_waking(void)
{
	pthread_mutex_lock(&cond_mutex);
	need(mtx_lock(&mtx) == thrd_success, "mtx_lock");
	need(pthread_create(&thread, NULL, wake_main, NULL) == 0, "thread");
}

static void stop_waking(void)
{
	pthread_cancel(thread);
	pthread_mutex_unlock(&cond_mutex);
	mtx_unlock(&mtx);
	pthread_join(thread, NULL);
}

static void nothing(void)
{
}

/* ------------------------------------------------------------------ */
/* Calls of more than one expression                                  */

static intptr_t do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static intptr_t do__Fork(void)
{
	pid_t pid = _Fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static intptr_t do_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static intptr_t do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_fds[0], &set);
	return select(pipe_fds[0] + 1, &set, NULL, NULL, NULL);
}

static intptr_t do_pselect(void)
{
	return pselect(0, NULL, NULL, NULL, &moment, NULL);
}

static struct pollfd *pipe_poll(void)
{
	static struct pollfd fd;

	fd = (struct pollfd) { .fd = pipe_fds[0], .events = POLLIN };
	return &fd;
}

static struct iovec *iov(void)
{
	static struct iovec vector = { buffer, 2 };

	return &vector;
}

static struct msghdr *msg(void)
{
	static struct msghdr header;

	header = (struct msghdr) { .msg_iov = iov(), .msg_iovlen = 1 };
	return &header;
}

static struct mmsghdr *mmsg(void)
{
	static struct mmsghdr header;

	header = (struct mmsghdr) { .msg_hdr = *msg() };
	return &header;
}

static struct sembuf *sem_op(int value)
{
	static struct sembuf op;

	op = (struct sembuf) { .sem_op = (short) value };
	return &op;
}

static intptr_t do_lock(int command_wait)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(memory, command_wait, &lock);
}

static intptr_t do_spawn(int (*spawn)(pid_t *, const char *,
		const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
		char *const *, char *const *))
{
	char *argv[] = { "true", NULL };

	return spawn(&child, "/bin/true", NULL, NULL, argv, environ);
}

static intptr_t with_args(int (*print)(const char *, va_list),
		const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = print(format, args);
	va_end(args);
	return ret;
}

static int do_vfprintf(const char *format, va_list args)
{
	return vfprintf(stdout, format, args);
}

static int do_vdprintf(const char *format, va_list args)
{
	return vdprintf(pipe_fds[1], format, args);
}

static int do_vwarn(const char *format, va_list args)
{
	vwarn(format, args);
	return 0;
}

static int do_vwarnx(const char *format, va_list args)
{
	vwarnx(format, args);
	return 0;
}

static int do_vfscanf(const char *format, va_list args)
{
	return vfscanf(stream, format, args);
}

static intptr_t with_wide_args(int (*print)(const wchar_t *, va_list),
		const wchar_t *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = print(format, args);
	va_end(args);
	return ret;
}

static int do_vfwprintf(const wchar_t *format, va_list args)
{
	return vfwprintf(stdout, format, args);
}

static int do_vsyslog(const char *format, va_list args)
{
	vsyslog(LOG_DEBUG, format, args);
	return 0;
}

static intptr_t do_futex_wait(void)
{
	/* The word differs from what is expected: returns at once. */
	return syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 1, NULL,
			NULL, 0);
}

/* ------------------------------------------------------------------ */
/* The table: name, what it is reported as, before, the call, after    */

#define MEMORY_CALLS(X)							\
	X(malloc, malloc, nothing, block = malloc(10), nothing)		\
	X(calloc, calloc, nothing, block = calloc(1, 10), nothing)	\
	X(realloc, realloc, make_block, block = realloc(block, 5000), nothing) \
	X(reallocarray, reallocarray, make_block,			\
		block = reallocarray(block, 50, 100), nothing)		\
	X(free, free, make_block, (free(block), 0), nothing)		\
	X(posix_memalign, posix_memalign, nothing,			\
		posix_memalign(&block, 64, 100), nothing)		\
	X(aligned_alloc, aligned_alloc, nothing,			\
		block = aligned_alloc(64, 128), nothing)		\
	X(memalign, memalign, nothing, block = memalign(64, 100), nothing) \
	X(valloc, valloc, nothing, block = valloc(100), nothing)	\
	X(pvalloc, pvalloc, nothing, block = pvalloc(100), nothing)	\
	X(malloc_trim, malloc_trim, nothing, malloc_trim(0), nothing)	\
	X(strdup, malloc, nothing, block = strdup("abc"), nothing)	\
	X(mmap, mmap, nothing, area = mmap(NULL, 4096, PROT_NONE,	\
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), nothing)		\
	X(mmap64, mmap, nothing, area = mmap64(NULL, 4096, PROT_NONE,	\
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), nothing)		\
	X(munmap, munmap, make_area, munmap(area, 8192), nothing)	\
	X(mremap, mremap, make_area, area = mremap(area, 8192, 16384,	\
		MREMAP_MAYMOVE), nothing)				\
	X(mprotect, mprotect, make_area, mprotect(area, 4096, PROT_READ), \
		nothing)						\
	X(madvise, madvise, make_area, madvise(area, 8192, MADV_DONTNEED), \
		nothing)						\
	X(msync, msync, make_area, msync(area, 4096, MS_SYNC), nothing)	\
	X(mlock, mlock, make_area, mlock(area, 4096), nothing)		\
	X(munlock, munlock, make_area, munlock(area, 4096), nothing)	\
	X(mlockall, mlockall, nothing, mlockall(0), nothing)		\
	X(munlockall, munlockall, nothing, munlockall(), nothing)	\
	X(brk, brk, nothing, brk(NULL), nothing)			\
	X(sbrk, sbrk, nothing, sbrk(0), nothing)			\
	X(syscall_mmap, mmap, nothing, syscall(SYS_mmap, NULL, 4096,	\
		PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), nothing)

#define THREAD_CALLS(X)							\
	X(pthread_mutex_lock, pthread_mutex_lock, nothing,		\
		pthread_mutex_lock(&mutex), unlock_mutex)		\
	X(pthread_mutex_timedlock, pthread_mutex_timedlock, nothing,	\
		pthread_mutex_timedlock(&mutex, &past), unlock_mutex)	\
	X(pthread_mutex_clocklock, pthread_mutex_clocklock, nothing,	\
		pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past), \
		unlock_mutex)						\
	X(pthread_cond_wait, pthread_cond_wait, start_waking,		\
		pthread_cond_wait(&cond, &cond_mutex), stop_waking)	\
	X(pthread_cond_timedwait, pthread_cond_timedwait, start_waking,	\
		pthread_cond_timedwait(&cond, &cond_mutex, &past), stop_waking) \
	X(pthread_cond_clockwait, pthread_cond_clockwait, start_waking,	\
		pthread_cond_clockwait(&cond, &cond_mutex,		\
			CLOCK_MONOTONIC, &past), stop_waking)		\
	X(cnd_wait, cnd_wait, start_waking, cnd_wait(&cnd, &mtx), stop_waking) \
	X(cnd_timedwait, cnd_timedwait, start_waking,			\
		cnd_timedwait(&cnd, &mtx, &past), stop_waking)		\
	X(mtx_lock, mtx_lock, nothing, mtx_lock(&mtx), unlock_mtx)	\
	X(mtx_timedlock, mtx_timedlock, nothing,			\
		mtx_timedlock(&mtx, &past), unlock_mtx)			\
	X(pthread_rwlock_rdlock, pthread_rwlock_rdlock, nothing,	\
		pthread_rwlock_rdlock(&rwlock), unlock_rwlock)		\
	X(pthread_rwlock_wrlock, pthread_rwlock_wrlock, nothing,	\
		pthread_rwlock_wrlock(&rwlock), unlock_rwlock)		\
	X(pthread_rwlock_timedrdlock, pthread_rwlock_timedrdlock, nothing, \
		pthread_rwlock_timedrdlock(&rwlock, &past), unlock_rwlock) \
	X(pthread_rwlock_timedwrlock, pthread_rwlock_timedwrlock, nothing, \
		pthread_rwlock_timedwrlock(&rwlock, &past), unlock_rwlock) \
	X(pthread_rwlock_clockrdlock, pthread_rwlock_clockrdlock, nothing, \
		pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &past), \
		unlock_rwlock)						\
	X(pthread_rwlock_clockwrlock, pthread_rwlock_clockwrlock, nothing, \
		pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past), \
		unlock_rwlock)						\
	X(sem_wait, sem_wait, nothing, sem_wait(&sem), nothing)		\
	X(sem_timedwait, sem_timedwait, nothing,			\
		sem_timedwait(&sem, &past), nothing)			\
	X(sem_clockwait, sem_clockwait, nothing,			\
		sem_clockwait(&sem, CLOCK_MONOTONIC, &past), nothing)	\
	X(pthread_barrier_wait, pthread_barrier_wait, nothing,		\
		pthread_barrier_wait(&barrier), nothing)		\
	X(pthread_create, pthread_create, nothing,			\
		pthread_create(&thread, NULL, thread_main, NULL), join_thread) \
	X(pthread_join, pthread_join, make_thread,			\
		pthread_join(thread, NULL), nothing)			\
	X(pthread_timedjoin_np, pthread_timedjoin_np, make_thread,	\
		pthread_timedjoin_np(thread, NULL, &past), nothing)	\
	X(pthread_clockjoin_np, pthread_clockjoin_np, make_thread,	\
		pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &past), \
		nothing)						\
	X(thrd_create, thrd_create, nothing,				\
		thrd_create(&thrd, thrd_main, NULL), nothing)		\
	X(thrd_join, thrd_join, make_thrd, thrd_join(thrd, NULL), nothing) \
	X(thrd_sleep, thrd_sleep, nothing, thrd_sleep(&moment, NULL), nothing) \
	X(futex, futex, nothing, do_futex_wait(), nothing)		\
	X(thrd_yield, thrd_yield, nothing, (thrd_yield(), 0), nothing)	\
	X(pthread_once, pthread_once, nothing,				\
		pthread_once(&once, nothing), nothing)			\
	X(call_once, call_once, nothing, (call_once(&flag, nothing), 0), \
		nothing)						\
	X(guard, __cxa_guard_acquire, nothing,				\
		__cxa_guard_acquire(&guard), release_guard)

#define PROCESS_CALLS(X)						\
	X(sleep, sleep, nothing, sleep(0), nothing)			\
	X(usleep, usleep, nothing, usleep(1), nothing)			\
	X(nanosleep, nanosleep, nothing, nanosleep(&moment, NULL), nothing) \
	X(clock_nanosleep, clock_nanosleep, nothing,			\
		clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL), nothing) \
	X(pause, pause, start_alarms, pause(), stop_alarms)		\
	X(sched_yield, sched_yield, nothing, sched_yield(), nothing)	\
	X(sigsuspend, sigsuspend, start_alarms, sigsuspend(&usr2), stop_alarms) \
	X(sigwait, sigwait, pend_usr2, sigwait(&usr2, &queue), nothing)	\
	X(sigwaitinfo, sigwaitinfo, pend_usr2, sigwaitinfo(&usr2, NULL), \
		nothing)						\
	X(sigtimedwait, sigtimedwait, pend_usr2,			\
		sigtimedwait(&usr2, NULL, &moment), nothing)		\
	X(fork, fork, nothing, do_fork(), nothing)			\
	X(system, system, nothing, system("exit 0"), nothing)		\
	X(popen, popen, nothing, (intptr_t) (command = popen("exit 0", "r")), \
		nothing)						\
	X(pclose, pclose, make_command, pclose(command), nothing)	\
	X(posix_spawn, posix_spawn, nothing, do_spawn(posix_spawn), nothing) \
	X(posix_spawnp, posix_spawnp, nothing, do_spawn(posix_spawnp), nothing) \
	X(wait, wait, make_child, wait(NULL), nothing)			\
	X(waitpid, waitpid, make_child, waitpid(child, NULL, 0), nothing) \
	X(waitid, waitid, make_child, waitid(P_PID, (id_t) child, NULL,	\
		WEXITED), nothing)					\
	X(wait3, wait3, make_child, wait3(NULL, 0, NULL), nothing)	\
	X(wait4, wait4, make_child, wait4(child, NULL, 0, NULL), nothing) \
	X(_Fork, _Fork, nothing, do__Fork(), nothing)			\
	X(vfork, vfork, nothing, do_vfork(), nothing)			\
	X(exit, exit, nothing, (exit(0), 0), unreached)			\
	X(quick_exit, quick_exit, nothing, (quick_exit(0), 0), unreached) \
	X(setuid, setuid, nothing, setuid(getuid()), nothing)		\
	X(seteuid, seteuid, nothing, seteuid(geteuid()), nothing)	\
	X(setreuid, setreuid, nothing, setreuid(-1U, -1U), nothing)	\
	X(setresuid, setresuid, nothing, setresuid(-1U, -1U, -1U), nothing) \
	X(setgid, setgid, nothing, setgid(getgid()), nothing)		\
	X(setegid, setegid, nothing, setegid(getegid()), nothing)	\
	X(setregid, setregid, nothing, setregid(-1U, -1U), nothing)	\
	X(setresgid, setresgid, nothing, setresgid(-1U, -1U, -1U), nothing) \
	X(setgroups, setgroups, nothing, setgroups(0, NULL), nothing)	\
	X(initgroups, initgroups, nothing, initgroups("root", 0), nothing)

#define FILE_CALLS(X)							\
	X(read, read, fill_pipe, read(pipe_fds[0], buffer, 2), nothing)	\
	X(read_chk, read, fill_pipe,					\
		__read_chk(pipe_fds[0], buffer, 2, 4096), nothing)	\
	X(readv, readv, fill_pipe, readv(pipe_fds[0], iov(), 1), nothing) \
	X(pread, pread, make_memory, pread(memory, buffer, 2, 0), nothing) \
	X(pread64, pread, make_memory, pread64(memory, buffer, 2, 0), nothing) \
	X(preadv, preadv, make_memory, preadv(memory, iov(), 1, 0), nothing) \
	X(preadv2, preadv2, make_memory, preadv2(memory, iov(), 1, 0, 0), \
		nothing)						\
	X(write, write, fill_pipe, write(pipe_fds[1], buffer, 2), nothing) \
	X(writev, writev, fill_pipe, writev(pipe_fds[1], iov(), 1), nothing) \
	X(pwrite, pwrite, make_memory, pwrite(memory, buffer, 2, 0), nothing) \
	X(pwrite64, pwrite, make_memory, pwrite64(memory, buffer, 2, 0), \
		nothing)						\
	X(pwritev, pwritev, make_memory, pwritev(memory, iov(), 1, 0), nothing) \
	X(pwritev2, pwritev2, make_memory, pwritev2(memory, iov(), 1, 0, 0), \
		nothing)						\
	X(nonblocking_file, write, make_nonblocking_file,		\
		write(memory, buffer, 2), nothing)			\
	X(syscall_read, read, fill_pipe,				\
		syscall(SYS_read, pipe_fds[0], buffer, 2), nothing)	\
	X(syscall_write, write, fill_pipe,				\
		syscall(SYS_write, pipe_fds[1], buffer, 2), nothing)	\
	X(sendfile, sendfile, make_files,				\
		sendfile(pipe_fds[1], memory, NULL, 2), nothing)	\
	X(sendfile64, sendfile, make_files,				\
		sendfile64(pipe_fds[1], memory, NULL, 2), nothing)	\
	X(splice, splice, make_files, splice(pipe_fds[0], NULL, memory,	\
		NULL, 2, 0), nothing)					\
	X(fsync, fsync, make_memory, fsync(memory), nothing)		\
	X(fdatasync, fdatasync, make_memory, fdatasync(memory), nothing) \
	X(syncfs, syncfs, make_memory, syncfs(memory), nothing)		\
	X(flock, flock, make_memory, flock(memory, LOCK_EX), nothing)	\
	X(lockf, lockf, make_memory, lockf(memory, F_LOCK, 0), nothing)	\
	X(fcntl, fcntl, make_memory, do_lock(F_SETLKW), nothing)	\
	X(fcntl_ofd, fcntl, make_memory, do_lock(F_OFD_SETLKW), nothing)

#define SOCKET_CALLS(X)							\
	X(recv, recv, fill_sockets, recv(sockets[0], buffer, 2, 0), nothing) \
	X(recv_chk, recv, fill_sockets,					\
		__recv_chk(sockets[0], buffer, 2, 4096, 0), nothing)	\
	X(recvfrom, recvfrom, fill_sockets, recvfrom(sockets[0], buffer, \
		2, 0, NULL, NULL), nothing)				\
	X(recvmsg, recvmsg, fill_sockets, recvmsg(sockets[0], msg(), 0), \
		nothing)						\
	X(recvmmsg, recvmmsg, fill_sockets, recvmmsg(sockets[0], mmsg(), 1, \
		0, NULL), nothing)					\
	X(send, send, fill_sockets, send(sockets[0], buffer, 2, 0), nothing) \
	X(sendto, sendto, fill_sockets, sendto(sockets[0], buffer, 2, 0, \
		NULL, 0), nothing)					\
	X(sendmsg, sendmsg, fill_sockets, sendmsg(sockets[0], msg(), 0), \
		nothing)						\
	X(sendmmsg, sendmmsg, fill_sockets, sendmmsg(sockets[0], mmsg(), 1, \
		0), nothing)						\
	X(connect, connect, make_listener, connect(client,		\
		(struct sockaddr *) &address, address_size), nothing)	\
	X(accept, accept, make_connection, accept(listener, NULL, NULL), \
		nothing)						\
	X(accept4, accept4, make_connection, accept4(listener, NULL, NULL, \
		0), nothing)						\
	X(poll, poll, fill_pipe, poll(pipe_poll(), 1, -1), nothing)	\
	X(poll_chk, poll, fill_pipe, __poll_chk(pipe_poll(), 1, -1, 8), \
		nothing)						\
	X(ppoll, ppoll, fill_pipe, ppoll(pipe_poll(), 1, NULL, NULL), nothing) \
	X(select, select, fill_pipe, do_select(), nothing)		\
	X(pselect, pselect, fill_pipe, do_pselect(), nothing)		\
	X(select_timeout, select, nothing, select(0, NULL, NULL, NULL,	\
		&tv_moment), nothing)					\
	X(epoll_wait, epoll_wait, make_epoll, epoll_wait(epoll, &event, 1, \
		-1), nothing)						\
	X(epoll_pwait, epoll_pwait, make_epoll, epoll_pwait(epoll, &event, \
		1, -1, NULL), nothing)					\
	X(epoll_pwait2, epoll_pwait2, make_epoll, epoll_pwait2(epoll,	\
		&event, 1, NULL, NULL), nothing)			\
	X(msgsnd, msgsnd, make_queue, msgsnd(queue, &(long [2]) { 1, 0 }, \
		sizeof(long), 0), remove_queue)				\
	X(msgrcv, msgrcv, fill_queue, msgrcv(queue, buffer, 8, 0, 0),	\
		remove_queue)						\
	X(semop, semop, make_semaphores, semop(semaphores, sem_op(0), 1), \
		remove_semaphores)					\
	X(semtimedop, semtimedop, make_semaphores, semtimedop(semaphores, \
		sem_op(-1), 1, &moment), remove_semaphores)		\
	X(mq_send, mq_send, make_mq, mq_send(mq, "abc", 4, 0), nothing)	\
	X(mq_timedsend, mq_timedsend, make_mq, mq_timedsend(mq, "abc", 4, 0, \
		&past), nothing)					\
	X(mq_receive, mq_receive, fill_mq, mq_receive(mq, buffer, 4096, NULL), \
		nothing)						\
	X(mq_timedreceive, mq_timedreceive, fill_mq, mq_timedreceive(mq, \
		buffer, 4096, NULL, &past), nothing)

#define STREAM_CALLS(X)							\
	X(printf, printf, mute, printf("%d\n", 1), nothing)		\
	X(fprintf, fprintf, mute, fprintf(stderr, "%d\n", 1), nothing)	\
	X(fprintf_chk, fprintf, mute, __fprintf_chk(stderr, 1, "%d\n", 1), \
		nothing)						\
	X(vprintf, vprintf, mute, with_args(vprintf, "%d\n", 1), nothing) \
	X(vfprintf, vfprintf, mute, with_args(do_vfprintf, "%d\n", 1),	\
		nothing)						\
	X(dprintf, dprintf, fill_pipe, dprintf(pipe_fds[1], "%d\n", 1), \
		nothing)						\
	X(vdprintf, vdprintf, fill_pipe, with_args(do_vdprintf, "%d\n", 1), \
		nothing)						\
	X(puts, puts, mute, puts("text"), nothing)			\
	X(fputs, fputs, mute, fputs("text", stdout), nothing)		\
	X(fputc, fputc, mute, fputc('c', stdout), nothing)		\
	X(putc, putc, mute, putc('c', stdout), nothing)			\
	X(putchar, putchar, mute, putchar('c'), nothing)		\
	X(fwrite, fwrite, mute, (intptr_t) fwrite(buffer, 1, 9, stdout), \
		nothing)						\
	X(fflush, fflush, mute, fflush(stdout), nothing)		\
	X(perror, perror, mute, (perror("text"), 0), nothing)		\
	X(fread, fread, make_stream, (intptr_t) fread(buffer, 1, 2, stream), \
		nothing)						\
	X(fgets, fgets, make_stream, (intptr_t) fgets(buffer, 9, stream), \
		nothing)						\
	X(fgets_chk, fgets, make_stream,				\
		(intptr_t) __fgets_chk(buffer, 4096, 9, stream), nothing) \
	X(fgetc, fgetc, make_stream, fgetc(stream), nothing)		\
	X(getc, getc, make_stream, getc(stream), nothing)		\
	X(getchar, getchar, make_input, getchar(), nothing)		\
	X(getline, getline, make_stream, getline(&line, &line_size, stream), \
		nothing)						\
	X(getdelim, getdelim, make_stream,				\
		getdelim(&line, &line_size, 'x', stream), nothing)	\
	X(fopen, fopen, nothing, (intptr_t) fopen("/dev/null", "r"), nothing) \
	X(fopen64, fopen, nothing, (intptr_t) fopen64("/dev/null", "r"), \
		nothing)						\
	X(fclose, fclose, make_stream, fclose(stream), nothing)		\
	X(syslog, syslog, mute, (syslog(LOG_DEBUG, "text"), 0), nothing) \
	X(vsyslog, vsyslog, mute, with_args(do_vsyslog, "text"), nothing) \
	X(openlog, openlog, mute, (openlog("violate", 0, LOG_USER), 0),	\
		nothing)						\
	X(closelog, closelog, mute, (closelog(), 0), nothing)		\
	X(freopen, freopen, make_used_stream,				\
		(intptr_t) freopen("/dev/null", "r", stream), nothing)	\
	X(fdopen, fdopen, make_memory, (intptr_t) fdopen(memory, "r"), nothing) \
	X(setvbuf, setvbuf, make_used_stream,				\
		setvbuf(stream, NULL, _IONBF, 0), nothing)		\
	X(setbuf, setbuf, make_used_stream, (setbuf(stream, NULL), 0), nothing) \
	X(setbuffer, setbuffer, make_used_stream,			\
		(setbuffer(stream, buffer, sizeof(buffer)), 0), nothing) \
	X(setlinebuf, setlinebuf, make_used_stream, (setlinebuf(stream), 0), \
		nothing)						\
	X(flockfile, flockfile, make_used_stream, (flockfile(stream), 0), \
		unlock_stream)						\
	X(ungetc, ungetc, make_used_stream, ungetc('t', stream), nothing) \
	X(fseek, fseek, make_used_stream, fseek(stream, 0, SEEK_SET), nothing) \
	X(fseeko, fseeko, make_used_stream, fseeko(stream, 0, SEEK_SET), \
		nothing)						\
	X(fseeko64, fseeko, make_used_stream,				\
		fseeko64(stream, 0, SEEK_SET), nothing)			\
	X(ftell, ftell, make_used_stream, ftell(stream), nothing)	\
	X(ftello, ftello, make_used_stream, ftello(stream), nothing)	\
	X(ftello64, ftello, make_used_stream, ftello64(stream), nothing) \
	X(rewind, rewind, make_used_stream, (rewind(stream), 0), nothing) \
	X(fgetpos, fgetpos, make_used_stream, fgetpos(stream, &position), \
		nothing)						\
	X(fsetpos, fsetpos, mark_position, fsetpos(stream, &position), nothing) \
	X(fscanf, fscanf, make_used_stream, fscanf(stream, "%9s", buffer), \
		nothing)						\
	X(vfscanf, vfscanf, make_used_stream,				\
		with_args(do_vfscanf, "%9s", buffer), nothing)		\
	X(scanf, scanf, make_input, scanf("%2s", buffer), nothing)	\
	X(vscanf, vscanf, make_input, with_args(vscanf, "%2s", buffer),	\
		nothing)						\
	X(warn, warn, mute, (warn("text"), 0), nothing)			\
	X(warnx, warnx, mute, (warnx("text"), 0), nothing)		\
	X(vwarn, vwarn, mute, with_args(do_vwarn, "text"), nothing)	\
	X(vwarnx, vwarnx, mute, with_args(do_vwarnx, "text"), nothing)	\
	X(err, err, mute, (err(0, "text"), 0), unreached)		\
	X(errx, errx, mute, (errx(0, "text"), 0), unreached)		\
	X(error, error, mute, (error(0, 0, "text"), 0), nothing)	\
	X(error_at_line, error_at_line, mute,				\
		(error_at_line(0, 0, "file", 1, "text"), 0), nothing)	\
	X(psignal, psignal, mute, (psignal(SIGHUP, "text"), 0), nothing)

#define WIDE_CALLS(X)							\
	X(wprintf, wprintf, mute, wprintf(L"%d", 1), nothing)		\
	X(fwprintf, fwprintf, mute, fwprintf(stdout, L"%d", 1), nothing) \
	X(fwprintf_chk, fwprintf, mute, __fwprintf_chk(stdout, 1, L"%d", 1), \
		nothing)						\
	X(vwprintf, vwprintf, mute, with_wide_args(vwprintf, L"%d", 1),	\
		nothing)						\
	X(vfwprintf, vfwprintf, mute,					\
		with_wide_args(do_vfwprintf, L"%d", 1), nothing)	\
	X(fputws, fputws, mute, fputws(L"text", stdout), nothing)	\
	X(fputwc, fputwc, mute, fputwc(L'c', stdout), nothing)		\
	X(putwc, putwc, mute, putwc(L'c', stdout), nothing)		\
	X(putwchar, putwchar, mute, putwchar(L'c'), nothing)		\
	X(fgetws, fgetws, make_stream,					\
		(intptr_t) fgetws((wchar_t *) buffer, 9, stream), nothing) \
	X(fgetwc, fgetwc, make_stream, fgetwc(stream), nothing)		\
	X(getwc, getwc, make_stream, getwc(stream), nothing)		\
	X(getwchar, getwchar, make_input, getwchar(), nothing)		\
	X(ungetwc, ungetwc, make_stream, ungetwc(L'c', stream), nothing)

#define CALLS(X)							\
	MEMORY_CALLS(X) THREAD_CALLS(X) PROCESS_CALLS(X) FILE_CALLS(X)	\
	SOCKET_CALLS(X) STREAM_CALLS(X) WIDE_CALLS(X)

static void unlock_mutex(void)
{
	pthread_mutex_unlock(&mutex);
}

static void unlock_mtx(void)
{
	mtx_unlock(&mtx);
}

static void unlock_rwlock(void)
{
	pthread_rwlock_unlock(&rwlock);
}

static void join_thread(void)
{
	pthread_join(thread, NULL);
}

static void release_guard(void)
{
	__cxa_guard_release(&guard);
	/* Now it says so, and nobody waits: no finding, whatever the context. */
	need(__cxa_guard_acquire(&guard) == 0, "guard");
}

static void unlock_stream(void)
{
	funlockfile(stream);
}

/* The call ends the program. */
static void unreached(void)
{
	need(0, "an end");
}

static void remove_queue(void)
{
	msgctl(queue, IPC_RMID, NULL);
}

static void remove_semaphores(void)
{
	semctl(semaphores, 0, IPC_RMID);
}

static void make_files(void)
{
	fill_pipe();
	make_memory();
}

/* O_NONBLOCK does not keep a file on disk from waiting. */
static void make_nonblocking_file(void)
{
	make_memory();
	fcntl(memory, F_SETFL, O_NONBLOCK);
}

#define X(name, reported, before, call, after)				\
static void call_##name(void)						\
{									\
	result = (intptr_t) (call);					\
}
CALLS(X)
#undef X

static const struct {
	const char *name;
	const char *reported;
	void (*before)(void);
	void (*call)(void);
	void (*after)(void);
} calls[] = {
#define X(name, reported, before, call, after)				\
	{ #name, #reported, before, call_##name, after },
	CALLS(X)
#undef X
};

#define NR_CALLS	(sizeof(calls) / sizeof(calls[0]))

/* ------------------------------------------------------------------ */
/* Contexts                                                           */

static pthread_spinlock_t spinlock;
static void (*to_call)(void);

/* Not inlined: violations.sh expects their names. */
static __attribute__((noinline)) void in_spin(void)
{
	pthread_spin_lock(&spinlock);
	to_call();
	pthread_spin_unlock(&spinlock);
}

static void on_signal(int sig)
{
	(void) sig;
	to_call();
}

static __attribute__((noinline)) void in_signal(void)
{
	need(signal(SIGUSR1, on_signal) != SIG_ERR, "signal");
	need(raise(SIGUSR1) == 0, "raise");
}

static __attribute__((noinline)) void in_section(void)
{
	urcu_rawcheck_enter();
	to_call();
	urcu_rawcheck_leave();
}

static void in_none(void)
{
	to_call();
}

/* @all: others come after it. */
static void run(size_t i, void (*context)(void), bool all)
{
	if (all && calls[i].after == unreached) {
		pid_t pid = fork();

		need(pid >= 0, "fork");
		if (pid > 0) {
			need(waitpid(pid, NULL, 0) == pid, "wait");
			return;
		}
	}
	calls[i].before();
	to_call = calls[i].call;
	context();
	calls[i].after();
}

static void set_up(void)
{
	need(pthread_barrier_init(&barrier, NULL, 1) == 0, "barrier");
	need(sem_init(&sem, 0, 100) == 0, "semaphore");
	need(mtx_init(&mtx, mtx_timed) == thrd_success, "mtx");
	need(cnd_init(&cnd) == thrd_success, "cnd");
	need(pthread_spin_init(&spinlock, 0) == 0, "spinlock");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} contexts[] = {
		{ "spin", in_spin }, { "signal", in_signal },
		{ "section", in_section }, { "none", in_none },
	};
	size_t i, j;
	bool found = false;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (i = 0; i < NR_CALLS; i++)
			printf("%s %s\n", calls[i].name, calls[i].reported);
		return 0;
	}
	need(argc == 3, "arguments");
	set_up();
	for (j = 0; j < sizeof(contexts) / sizeof(contexts[0]); j++) {
		if (strcmp(contexts[j].name, argv[2]) != 0)
			continue;
		for (i = 0; i < NR_CALLS; i++) {
			bool all = strcmp(argv[1], "all") == 0;

			if (!all && strcmp(argv[1], calls[i].name) != 0)
				continue;
			run(i, contexts[j].run, all);
			found = true;
		}
	}
	need(found, "such a call");
	return 0;
}
