/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * timer.c - the timer thread
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "conf.h"
#include "launch.h"
#include "pressure.h"
#include "timer.h"

/*
 * "At once" is a moment later: a timer that has expired when it is armed
 * interrupts the very call that arms it, which then pays for the interrupt and for
 * waking the timer thread, 20 us in a virtual machine instead of 1 to 5.
 */
#define SOON_NSEC	50000

#ifdef KVFREE_CHECK
unsigned int kvfree_check_look_msec = 10000;
# define LOOK_MSEC	kvfree_check_look_msec
#else
# define LOOK_MSEC	10000u
#endif

#define SETTLE_MSEC	10		/* see repair() */
#define TEN_YEARS	315360000	/* seconds: a time that never comes */

struct kvfree_timer kvfree_timer = { .fd = -1, .hangup = -1, .listen = -1, .pressure = -1 };
static struct kvfree_timer *const timer = &kvfree_timer;

/* ------------------------------------------------------------------ */
/* Whose descriptors                                                  */

/* The interval: another one than that of another copy of this library in the program. */
static struct timespec mark(void)
{
	return (struct timespec) {
		.tv_sec = TEN_YEARS,
		.tv_nsec = (long) ((uintptr_t) timer / 64 % 1000000000),
	};
}

static int timer_fd(void)
{
	/* Acquire: pairs with timer_make(), which has marked the timer. */
	return __atomic_load_n(&timer->fd, __ATOMIC_ACQUIRE);
}

/* Whether @fd is the library's timer; if so, *@now is its state. Raw-safe, may change errno. */
static bool timer_look(int fd, struct itimerspec *now)
{
	struct timespec ours = mark();

	return fd >= 0 && timerfd_gettime(fd, now) == 0 &&
		now->it_interval.tv_sec == ours.tv_sec && now->it_interval.tv_nsec == ours.tv_nsec;
}

static bool is_timer(int fd)
{
	struct itimerspec now;

	return timer_look(fd, &now);
}

/* Whether @fd is a file with that inode. Raw-safe, may change errno. */
static bool is_file(int fd, const struct kvfree_inode *inode)
{
	struct stat st;

	/* Relaxed: hang_up() may look while the thread makes another pipe.
	 * Whatever it then closes, the thread makes again. */
	return fd >= 0 && fstat(fd, &st) == 0 &&
		st.st_dev == __atomic_load_n(&inode->dev, __ATOMIC_RELAXED) &&
		st.st_ino == __atomic_load_n(&inode->ino, __ATOMIC_RELAXED);
}

static void note_inode(int fd, struct kvfree_inode *inode)
{
	struct stat st = { .st_ino = 0 };

	fstat(fd, &st);
	__atomic_store_n(&inode->dev, st.st_dev, __ATOMIC_RELAXED);
	__atomic_store_n(&inode->ino, st.st_ino, __ATOMIC_RELAXED);
}

/*
 * Wake the thread, whatever was done to its descriptors: if the pipe's writing end is
 * gone, the thread is awake. Raw-safe, may change errno. Not inlined:
 * tests/proofs/disasm.pl knows it by name.
 */
static __attribute__((noinline)) void hang_up(void)
{
	/* Seq_cst: only one caller gets it. Pairs with pipe_make(). kvfree_timer_stop()
	 * has stored stopping before, which the thread sees once it finds -1. */
	int fd = __atomic_exchange_n(&timer->hangup, -1, __ATOMIC_SEQ_CST);

	/* Unlike close(), this is not a cancellation point. */
	if (is_file(fd, &timer->pipe))
		syscall(SYS_close, fd);
}

/* ------------------------------------------------------------------ */
/* Requests                                                           */

/* Wake the thread in a moment, unless that was done. Raw-safe, may change errno. */
static bool wake_soon(void)
{
	const struct itimerspec soon = { .it_interval = mark(), .it_value.tv_nsec = SOON_NSEC };
	struct itimerspec now;
	int fd = timer_fd();

	/* Less than a second is left: it was armed, and has not expired yet. */
	if (caa_likely(timer_look(fd, &now)))
		return (now.it_value.tv_sec == 0 && now.it_value.tv_nsec > 0) ||
			timerfd_settime(fd, 0, &soon, NULL) == 0;
	/* The thread serves all alarms once it has made a new timer. */
	hang_up();
	return false;
}

bool kvfree_timer_arm(enum kvfree_alarm alarm, unsigned int msec)
{
	/* Seq_cst: pairs with kvfree_timer_open(). Either this load comes after it and the timer is
	 * armed, or what the start does first comes after the caller's publication and sees it. */
	if (!__atomic_load_n(&timer->open, __ATOMIC_SEQ_CST))
		return false;
	/* Seq_cst: before the timer is looked at, whose lock in the kernel orders
	 * it before the wake-up; pairs with take_asked(). */
	__atomic_store_n(&timer->asked[alarm], msec + 1, __ATOMIC_SEQ_CST);
	return wake_soon();
}

bool kvfree_timer_request(enum kvfree_alarm alarm, unsigned int msec, struct kvfree_gate *gate)
{
	unsigned int seen = kvfree_gate_read(gate);

	if (kvfree_gate_is_closed(seen) || !kvfree_timer_arm(alarm, msec))
		return false;
	kvfree_gate_close(gate, seen);
	return true;
}

void kvfree_tick_arm(void)
{
	kvfree_timer_request(KVFREE_ALARM_TICK, kvfree_setting(drain_msec), &timer->tick_gate);
}

/* ------------------------------------------------------------------ */
/* Making descriptors                                                 */

static void close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* Not below 3, where the program expects its own; errno is kept. */
static int above_stderr(int fd)
{
	int low = fd;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close_keeping_errno(low);
	return fd;
}

static int timer_make(void)
{
	const struct itimerspec never = { .it_interval = mark(), .it_value = mark() };
	int fd = above_stderr(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));

	if (fd < 0)
		return -1;
	if (timerfd_settime(fd, 0, &never, NULL)) {
		close_keeping_errno(fd);
		return -1;
	}
	/* Release: pairs with timer_fd(). */
	__atomic_store_n(&timer->fd, fd, __ATOMIC_RELEASE);
	return 0;
}

static void close_file(int *fd, const struct kvfree_inode *inode)
{
	if (is_file(*fd, inode))
		close(*fd);
	*fd = -1;
}

static bool has_pipe(void)
{
	/* Seq_cst: pairs with hang_up(). */
	return is_file(timer->listen, &timer->pipe) &&
		is_file(__atomic_load_n(&timer->hangup, __ATOMIC_SEQ_CST), &timer->pipe);
}

static int pipe_make(void)
{
	int fd[2], end;

	hang_up();
	close_file(&timer->listen, &timer->pipe);
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -1;
	note_inode(fd[0], &timer->pipe);
	/* It gets the lower number of the two: code that puts files over both then
	 * takes this one first. */
	end = above_stderr(fd[1]);
	timer->listen = fcntl(fd[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close_keeping_errno(fd[0]);
	/* Seq_cst: pairs with hang_up(), which finds the inode noted. */
	__atomic_store_n(&timer->hangup, end, __ATOMIC_SEQ_CST);
	return timer->listen < 0 || end < 0 ? -1 : 0;
}

/* Optional: a system without it only goes without the reports. */
static void pressure_make(void)
{
	timer->pressure = above_stderr(kvfree_pressure_open());
	if (timer->pressure >= 0)
		note_inode(timer->pressure, &timer->pressure_file);
}

static bool is_whole(void)
{
	return is_timer(timer_fd()) && has_pipe() &&
		(timer->pressure < 0 || is_file(timer->pressure, &timer->pressure_file));
}

/* Make what is not there; 0, or -1 with errno. */
static int fds_make(void)
{
	/* The pipe first, to have the lowest numbers: code that takes some takes these. */
	if (!has_pipe() && pipe_make())
		return -1;
	return is_timer(timer_fd()) ? 0 : timer_make();
}

/* Close what is ours; errno is kept. Async-signal-safe. */
static void fds_close(void)
{
	int saved = errno, fd;

	hang_up();
	close_file(&timer->listen, &timer->pipe);
	close_file(&timer->pressure, &timer->pressure_file);
	/* Seq_cst: raw calls stop using it before it is closed. */
	fd = __atomic_exchange_n(&timer->fd, -1, __ATOMIC_SEQ_CST);
	if (is_timer(fd))
		close(fd);
	errno = saved;
}

/* ------------------------------------------------------------------ */
/* The thread                                                         */

/* From here on the time of @alarm is the thread's. */
static void take_asked(enum kvfree_alarm alarm, uint64_t now)
{
	unsigned int asked = __atomic_load_n(&timer->asked[alarm], __ATOMIC_RELAXED);

	/* Relaxed: tests look at it. Seq_cst: pairs with kvfree_timer_arm(). What
	 * is not seen here was stored before the timer expires once more. */
	do {
		if (!asked)
			return;
		__atomic_store_n(&timer->due[alarm], now + asked - 1, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&timer->asked[alarm], &asked, 0,
			false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

/* Serve what is due; returns how long the rest may wait, in milliseconds. */
static unsigned int serve(void)
{
	uint64_t now = kvfree_now_msec(), due;
	unsigned int wait = LOOK_MSEC, i;

	for (i = 0; i < KVFREE_ALARMS; i++) {
		take_asked(i, now);
		due = timer->due[i];
		if (due > now && due - now < wait)
			wait = (unsigned int) (due - now);
		if (!due || due > now)
			continue;
		__atomic_store_n(&timer->due[i], 0, __ATOMIC_RELAXED);
		kvfree_hook(KVFREE_HOOK_TIMER);
		timer->on_alarm(i);
	}
	return wait;
}

/* What the thread waits for. */
enum { TIMER, LISTEN, PRESSURE, EVENTS };

/* For where poll() fails with EINVAL because RLIMIT_NOFILE is below the number of
 * descriptors to wait for. */
static int select_instead(struct pollfd *fds, unsigned int msec)
{
	struct timeval timeout = { .tv_sec = msec / 1000, .tv_usec = msec % 1000 * 1000 };
	fd_set in, pri, *set[EVENTS] = { [TIMER] = &in, [LISTEN] = &in, [PRESSURE] = &pri };
	int i, n;

	FD_ZERO(&in);
	FD_ZERO(&pri);
	for (i = 0; i < EVENTS; i++) {
		if (fds[i].fd >= FD_SETSIZE)
			return -1;	/* for want of room, too: errno stays EINVAL */
		if (fds[i].fd >= 0)
			FD_SET(fds[i].fd, set[i]);
	}
	n = select(FD_SETSIZE, &in, NULL, &pri, &timeout);
	for (i = 0; n > 0 && i < EVENTS; i++)
		if (fds[i].fd >= 0 && FD_ISSET(fds[i].fd, set[i]))
			fds[i].revents = fds[i].events;
	return n;
}

static void wait_for(unsigned int msec)
{
	struct pollfd fds[EVENTS] = {
		[TIMER] = { timer_fd(), POLLIN, 0 },
		[LISTEN] = { timer->listen, POLLIN, 0 },
		[PRESSURE] = { timer->pressure, POLLPRI, 0 },
	};
	int n = poll(fds, EVENTS, (int) msec);
	uint64_t expirations;

	if (n < 0 && errno == EINVAL)
		n = select_instead(fds, msec);
	/* EBADF: from select(), for a descriptor that is gone; repair() makes a new one. */
	if (n < 0 && errno != EINTR && errno != EAGAIN && errno != EBADF)
		kvfree_die("poll on the timer: errno %d", errno);
	if (n <= 0)
		return;
	/* The result does not matter: a timer that was armed again meanwhile (EAGAIN) or expired
	 * twice asks for the same. */
	if (fds[TIMER].revents && is_timer(fds[TIMER].fd) &&
	    read(fds[TIMER].fd, &expirations, sizeof(expirations)) < 0)
		expirations = 0;
	if (fds[PRESSURE].revents & POLLPRI)
		timer->on_pressure();
	/* For example, its cgroup was removed: it would signal without end, with
	 * POLLPRI beside the error. */
	if (fds[PRESSURE].revents & (POLLERR | POLLHUP))
		close_file(&timer->pressure, &timer->pressure_file);
}

/* The program took descriptors away. It is likely to take several, one after the other. A moment
 * later it is done, and takes no number between the check and the close() here. */
static void repair(void)
{
	static bool told;	/* the timer thread's */
	unsigned int i;

	poll(NULL, 0, SETTLE_MSEC);
	if (fds_make())
		kvfree_die("the library's descriptors were closed or replaced, by closefrom(), close_range() or dup2() after urcu_kvfree_init(), and it cannot make new ones: errno %d",
			errno);
	if (timer->pressure >= 0 && !is_file(timer->pressure, &timer->pressure_file))
		pressure_make();
	if (!told)
		told = kvfree_report("the library's descriptors were closed or replaced, by closefrom(), close_range() or dup2() after urcu_kvfree_init(); it made new ones");
	/* A request may have found no timer. */
	for (i = 0; i < KVFREE_ALARMS; i++)
		timer->on_alarm(i);
}

static void *timer_thread(void *arg)
{
	(void) arg;
	kvfree_launched("kvfree-timer");
	for (;;) {
		/* Check right before the wait: what happens in between goes unnoticed. */
		unsigned int msec = serve();
		bool whole = is_whole();

		/* Seq_cst, and after the check: the stop hangs up, too. */
		if (__atomic_load_n(&timer->stopping, __ATOMIC_SEQ_CST))
			return NULL;
		if (whole)
			wait_for(msec);
		else
			repair();
	}
}

/* ------------------------------------------------------------------ */
/* Start and stop                                                     */

int kvfree_timer_start(void (*on_alarm)(enum kvfree_alarm alarm), void (*on_pressure)(void))
{
	timer->stopping = false;
	timer->on_alarm = on_alarm;
	timer->on_pressure = on_pressure;
	memset(timer->asked, 0, sizeof(timer->asked));
	memset(timer->due, 0, sizeof(timer->due));
	if (fds_make() == 0) {
		pressure_make();
		if (kvfree_launch(&timer->thread, timer_thread, timer) == 0)
			return 0;
	}
	fds_close();
	return -1;
}

void kvfree_timer_open(void)
{
	/* Seq_cst: pairs with kvfree_timer_arm(). */
	__atomic_store_n(&timer->open, true, __ATOMIC_SEQ_CST);
}

void kvfree_timer_stop(void)
{
	__atomic_store_n(&timer->open, false, __ATOMIC_SEQ_CST);
	/* Seq_cst: pairs with the thread, as hang_up() says. */
	__atomic_store_n(&timer->stopping, true, __ATOMIC_SEQ_CST);
	hang_up();
	pthread_join(timer->thread, NULL);
	fds_close();
}

void kvfree_timer_fork_reset(void)
{
	timer->open = false;
	fds_close();
	timer->tick_gate.word = 0;
}
