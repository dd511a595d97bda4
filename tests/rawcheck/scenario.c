/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * scenario - one situation per run, for contexts.sh and options.sh
 *
 * What must not be reported is asserted by the script, by silence. What the
 * program can see for itself (errno, handlers as queried) is checked here.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <urcu/rawcheck.h>

#include "check.h"

#define NR_MANY		40
#define NR_THREADS	4
#define NR_ROUNDS	1000

static pthread_spinlock_t lock_a, lock_b;
static void *volatile block;

static __attribute__((noinline)) void allocate(void)
{
	block = malloc(8);
}

static __attribute__((noinline)) void violate(void)
{
	pthread_spin_lock(&lock_a);
	allocate();
	pthread_spin_unlock(&lock_a);
}

/* ------------------------------------------------------------------ */
/* What may be done in raw context                                    */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static int quiet_fds[2], sockets[2], event, timer, epoll, file;
static uint32_t word;

static void permitted_locks(void)
{
	CHECK(pthread_mutex_trylock(&mutex) == 0);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	CHECK(pthread_rwlock_tryrdlock(&rwlock) == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_rwlock_trywrlock(&rwlock) == 0);
	CHECK(pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(pthread_cond_signal(&cond) == 0);
	CHECK(pthread_cond_broadcast(&cond) == 0);
	CHECK(sem_post(&sem) == 0);
	CHECK(sem_trywait(&sem) == 0);
	CHECK(pthread_spin_trylock(&lock_b) == 0);
	CHECK(pthread_spin_unlock(&lock_b) == 0);
	CHECK(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) ==
			0);
}

static void permitted_io(void)
{
	struct itimerspec soon = { .it_value = { .tv_nsec = 1 } };
	struct timeval zero = { 0, 0 };
	struct epoll_event got;
	uint64_t one = 1;
	char c = 'c';

	CHECK(write(quiet_fds[1], &c, 1) == 1);
	CHECK(read(quiet_fds[0], &c, 1) == 1);
	CHECK(read(quiet_fds[0], &c, 1) == -1 && errno == EAGAIN);
	CHECK(syscall(SYS_write, quiet_fds[1], &c, 1) == 1);
	CHECK(syscall(SYS_read, quiet_fds[0], &c, 1) == 1);
	CHECK(read(-1, &c, 1) == -1 && errno == EBADF);
	CHECK(send(sockets[0], &c, 1, MSG_DONTWAIT) == 1);
	CHECK(recv(sockets[1], &c, 1, MSG_DONTWAIT) == 1);
	CHECK(write(event, &one, sizeof(one)) == sizeof(one));
	CHECK(timerfd_settime(timer, 0, &soon, NULL) == 0);
	CHECK(poll(NULL, 0, 0) == 0);
	CHECK(select(0, NULL, NULL, NULL, &zero) == 0);
	CHECK(epoll_wait(epoll, &got, 1, 0) == 0);
	CHECK(flock(file, LOCK_EX | LOCK_NB) == 0);
	CHECK(flock(file, LOCK_UN) == 0);
	CHECK(fcntl(file, F_GETFD) >= 0);
}

static void permitted_rest(void)
{
	struct sigaction action;
	struct timespec time, zero = { 0, 0 };
	sigset_t set;
	char text[32];

	free(NULL);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
	CHECK(snprintf(text, sizeof(text), "%d %s", 12, "x") == 4);
	CHECK(sigaction(SIGUSR2, NULL, &action) == 0);
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(sigtimedwait(&set, NULL, &zero) == -1 && errno == EAGAIN);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK(kill(getpid(), 0) == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	CHECK(syscall(SYS_gettid) > 0);
}

static void permitted(void)
{
	permitted_locks();
	permitted_io();
	permitted_rest();
}

static void permitted_handler(int sig)
{
	(void) sig;
	permitted();
}

static int scenario_permitted(void)
{
	CHECK(sem_init(&sem, 0, 0) == 0);
	CHECK(pipe2(quiet_fds, O_NONBLOCK) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	event = eventfd(0, EFD_NONBLOCK);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	epoll = epoll_create1(0);
	file = fileno(tmpfile());
	CHECK(event >= 0 && timer >= 0 && epoll >= 0 && file >= 0);
	pthread_spin_lock(&lock_a);
	permitted();
	pthread_spin_unlock(&lock_a);
	urcu_rawcheck_enter();
	permitted();
	urcu_rawcheck_leave();
	CHECK(signal(SIGUSR1, permitted_handler) == SIG_DFL);
	CHECK(raise(SIGUSR1) == 0);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Spinlocks                                                          */

/* Released in the order they were taken: the second is held a while longer. */
static int scenario_nested(void)
{
	pthread_spin_lock(&lock_a);
	pthread_spin_lock(&lock_b);
	pthread_spin_unlock(&lock_a);
	allocate();
	pthread_spin_unlock(&lock_b);
	allocate();
	return 0;
}

static int scenario_both(void)
{
	pthread_spin_lock(&lock_a);
	CHECK(pthread_spin_trylock(&lock_b) == 0);
	allocate();
	pthread_spin_unlock(&lock_b);
	pthread_spin_unlock(&lock_a);
	return 0;
}

static void take_lock_a(void)
{
	pthread_spin_lock(&lock_a);
}

/* The function that took the lock is not on the stack any more. */
static int scenario_returned(void)
{
	take_lock_a();
	allocate();
	pthread_spin_unlock(&lock_a);
	return 0;
}

/* The lock is taken by one activation, the call made by one further inside. Each is to
 * be an activation of this very function. */
static __attribute__((noinline)) void recur(int levels)
{
	if (levels == 2)
		pthread_spin_lock(&lock_a);
	if (levels == 0)
		allocate();
	else
		recur(levels - 1);
	if (levels == 2)
		pthread_spin_unlock(&lock_a);
}

static int scenario_recursive(void)
{
	volatile int levels = 3;	/* no copy of recur() for 3 alone */

	recur(levels);
	return 0;
}

static int scenario_many(void)
{
	static pthread_spinlock_t locks[NR_MANY];
	int i;

	for (i = 0; i < NR_MANY; i++) {
		pthread_spin_init(&locks[i], 0);
		pthread_spin_lock(&locks[i]);
	}
	allocate();
	for (i = 0; i < NR_MANY; i++)
		pthread_spin_unlock(&locks[i]);
	allocate();
	return 0;
}

static int scenario_failed_trylock(void)
{
	pthread_spin_lock(&lock_a);
	CHECK(pthread_spin_trylock(&lock_a) == EBUSY);
	pthread_spin_unlock(&lock_a);
	allocate();
	return 0;
}

/* As a fork child does with a lock that another thread held. */
static int scenario_init_again(void)
{
	pthread_spin_lock(&lock_a);
	pthread_spin_init(&lock_a, 0);
	allocate();
	pthread_spin_lock(&lock_a);
	pthread_spin_destroy(&lock_a);
	allocate();
	return 0;
}

/* Nothing counts against a thread that gave its lock away, taken anew it does. */
static int scenario_disowned(void)
{
	pthread_spin_lock(&lock_a);
	urcu_rawcheck_disown(&lock_a);
	allocate();
	pthread_spin_unlock(&lock_a);
	allocate();
	pthread_spin_lock(&lock_b);
	pthread_spin_lock(&lock_a);
	urcu_rawcheck_disown(&lock_b);
	allocate();
	pthread_spin_unlock(&lock_b);
	pthread_spin_unlock(&lock_a);
	return 0;
}

static void end(int sig)
{
	(void) sig;
	_exit(0);
}

static int scenario_recursion(void)
{
	signal(SIGALRM, end);
	alarm(1);
	pthread_spin_lock(&lock_a);
	pthread_spin_lock(&lock_a);
	return 1;
}

static void *allocate_main(void *unused)
{
	allocate();
	return unused;
}

/* Allocates while the other thread holds its lock. */
static void *bystander_main(void *go)
{
	int *fds = go;
	char c;

	CHECK(read(fds[0], &c, 1) == 1);
	allocate();
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int scenario_other_thread(void)
{
	pthread_t thread;
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK(pthread_create(&thread, NULL, bystander_main, fds) == 0);
	pthread_spin_lock(&lock_a);
	CHECK(write(fds[1], "c", 1) == 1);
	while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
		;
	pthread_spin_unlock(&lock_a);
	CHECK(pthread_join(thread, NULL) == 0);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Handlers                                                           */

static sigjmp_buf jump;
static volatile int depth;

static void allocating_handler(int sig)
{
	(void) sig;
	allocate();
}

static int scenario_handler_in_lock(void)
{
	signal(SIGUSR1, allocating_handler);
	pthread_spin_lock(&lock_a);
	raise(SIGUSR1);
	pthread_spin_unlock(&lock_a);
	allocate();
	return 0;
}

/* Deeper in the stack than the handler was. */
static __attribute__((noinline)) void allocate_deep(int levels)
{
	char room[256];

	memset(room, levels, sizeof(room));
	__asm__ volatile("" : : "r" (room) : "memory");
	if (levels)
		allocate_deep(levels - 1);
	else
		allocate();
	__asm__ volatile("" : : "r" (room) : "memory");
}

static ucontext_t outside;

static void context_handler(int sig)
{
	(void) sig;
	setcontext(&outside);
}

static int scenario_setcontext(void)
{
	volatile int left = 0;

	signal(SIGUSR1, context_handler);
	getcontext(&outside);
	if (!left) {
		left = 1;
		raise(SIGUSR1);
	}
	allocate_deep(100);
	return 0;
}

/* The lock goes away with its memory: one finding, free() under a lock. */
static int scenario_freed_lock(void)
{
	pthread_spinlock_t *lock = malloc(64);

	pthread_spin_init(lock, 0);
	pthread_spin_lock(lock);
	free((void *) lock);
	allocate();
	return 0;
}

static void jumping_handler(int sig)
{
	(void) sig;
	siglongjmp(jump, 1);
}

static int scenario_jump(void)
{
	signal(SIGUSR1, jumping_handler);
	if (sigsetjmp(jump, 1) == 0)
		raise(SIGUSR1);
	allocate_deep(100);
	return 0;
}

#define STACK_SIZE	65536

static void use_alternate_stack(int sig, void (*handler)(int), void *room)
{
	stack_t stack = { .ss_sp = room, .ss_size = STACK_SIZE };
	struct sigaction action = {
		.sa_handler = handler, .sa_flags = SA_ONSTACK,
	};

	CHECK(sigaltstack(&stack, NULL) == 0);
	CHECK(sigaction(sig, &action, NULL) == 0);
}

static void *jump_main(void *room)
{
	use_alternate_stack(SIGUSR1, jumping_handler, room);
	if (sigsetjmp(jump, 1) == 0)
		raise(SIGUSR1);
	allocate_deep(100);
	return NULL;
}

/* Once with the alternate stack below the thread's own, once above. */
static int scenario_jump_from_alternate_stack(void)
{
	const size_t bytes = 1 << 20;
	pthread_attr_t attr;
	pthread_t thread;
	char *both;

	jump_main(malloc(STACK_SIZE));
	CHECK(posix_memalign((void **) &both, 1 << 16, bytes + STACK_SIZE) == 0);
	CHECK(pthread_attr_init(&attr) == 0);
	CHECK(pthread_attr_setstack(&attr, both, bytes) == 0);
	CHECK(pthread_create(&thread, &attr, jump_main, both + bytes) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return 0;
}

/* The jump stays inside the handler, which goes on to allocate. */
static void inner_jump_only_handler(int sig)
{
	sigjmp_buf inner;

	(void) sig;
	if (sigsetjmp(inner, 1) == 0)
		siglongjmp(inner, 1);
}

static void inner_jump_handler(int sig)
{
	inner_jump_only_handler(sig);
	allocate();
}

static int scenario_jump_inside(void)
{
	signal(SIGUSR1, inner_jump_handler);
	raise(SIGUSR1);
	return 0;
}

static int scenario_jump_inside_alternate_stack(void)
{
	use_alternate_stack(SIGUSR1, inner_jump_handler, malloc(STACK_SIZE));
	raise(SIGUSR1);
	return 0;
}

/* SIGUSR2's handler, on the alternate stack, is left to the inside of SIGUSR1's. */
static void outer_handler(int sig)
{
	(void) sig;
	if (sigsetjmp(jump, 1) == 0)
		raise(SIGUSR2);
	allocate();
}

static int scenario_jump_between_handlers(void)
{
	signal(SIGUSR1, outer_handler);
	use_alternate_stack(SIGUSR2, jumping_handler, malloc(STACK_SIZE));
	raise(SIGUSR1);
	allocate();
	return 0;
}

static void raising_handler(int sig)
{
	(void) sig;
	raise(SIGUSR2);
	allocate();
}

static void *jump_inside_inner_main(void *room)
{
	signal(SIGUSR1, raising_handler);
	use_alternate_stack(SIGUSR2, inner_jump_only_handler, room);
	raise(SIGUSR1);
	return NULL;
}

/*
 * SIGUSR2's handler, on an alternate stack above that of SIGUSR1's, jumps
 * within itself: SIGUSR1's goes on.
 */
static int scenario_jump_inside_inner(void)
{
	char high[STACK_SIZE];
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, jump_inside_inner_main, high) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	return 0;
}

/* A jump out of a call that was reported: later calls are reported too. */
static void jump_from_alarm(int sig)
{
	(void) sig;
	siglongjmp(jump, 1);
}

static int scenario_jump_from_reported_call(void)
{
	struct timespec long_time = { .tv_sec = 5 };
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };

	signal(SIGALRM, jump_from_alarm);
	pthread_spin_lock(&lock_a);
	if (sigsetjmp(jump, 1) == 0) {
		setitimer(ITIMER_REAL, &soon, NULL);
		nanosleep(&long_time, NULL);
	}
	allocate();
	pthread_spin_unlock(&lock_a);
	allocate();
	return 0;
}

/* A handler takes a lock and leaves it to the code that it interrupted. */
static void locking_handler(int sig)
{
	(void) sig;
	pthread_spin_lock(&lock_a);
}

static int scenario_lock_outlives_handler(void)
{
	signal(SIGUSR1, locking_handler);
	raise(SIGUSR1);
	pthread_spin_unlock(&lock_a);
	allocate();
	return 0;
}

static void *exiting_main(void *unused)
{
	raise(SIGUSR1);
	return unused;
}

static void exiting_handler(int sig)
{
	(void) sig;
	pthread_exit(NULL);
}

/* A thread ends inside a handler; the next one on its stack begins clean. */
static int scenario_exit_in_handler(void)
{
	pthread_t thread;
	int i;

	signal(SIGUSR1, exiting_handler);
	for (i = 0; i < 10; i++) {
		CHECK(pthread_create(&thread, NULL, exiting_main, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
		CHECK(pthread_create(&thread, NULL, allocate_main, NULL) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* Transparency                                                       */

static void info_handler(int sig, siginfo_t *info, void *context)
{
	CHECK(sig == SIGUSR2 && info->si_signo == SIGUSR2 && context);
	CHECK(info->si_value.sival_int == 42);
	depth++;
}

static void plain_handler(int sig)
{
	CHECK(sig == SIGUSR1);
	depth++;
}

static void query_sigaction(void)
{
	struct sigaction action = {
		.sa_sigaction = info_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	}, old;

	CHECK(sigaction(SIGUSR2, &action, &old) == 0);
	CHECK(old.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGUSR2, NULL, &old) == 0);
	CHECK(old.sa_sigaction == info_handler);
	CHECK((old.sa_flags & (SA_SIGINFO | SA_NODEFER)) ==
			(SA_SIGINFO | SA_NODEFER));
	CHECK(sigqueue(getpid(), SIGUSR2, (union sigval) { 42 }) == 0);
	CHECK(depth == 1);
	/* What was given back can be given again. */
	CHECK(sigaction(SIGUSR2, &old, NULL) == 0);
	CHECK(sigqueue(getpid(), SIGUSR2, (union sigval) { 42 }) == 0);
	CHECK(depth == 2);
}

static void query_signal(void)
{
	struct sigaction action;

	CHECK(signal(SIGUSR1, plain_handler) == SIG_DFL);
	CHECK(raise(SIGUSR1) == 0 && depth == 3);
	CHECK(sigaction(SIGUSR1, NULL, &action) == 0);
	CHECK(action.sa_handler == plain_handler);
	CHECK(!(action.sa_flags & SA_SIGINFO));
	CHECK(action.sa_flags & SA_RESTART);
	CHECK(signal(SIGUSR1, SIG_IGN) == plain_handler);
	CHECK(raise(SIGUSR1) == 0 && depth == 3);
	CHECK(signal(SIGUSR1, plain_handler) == SIG_IGN);
}

static void query_reset(void)
{
	struct sigaction action = {
		.sa_handler = plain_handler, .sa_flags = SA_RESETHAND,
	};

	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(raise(SIGUSR1) == 0 && depth == 4);
	CHECK(sigaction(SIGUSR1, NULL, &action) == 0);
	CHECK(action.sa_handler == SIG_DFL);
	errno = 0;
	CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
	CHECK(sigaction(0, NULL, &action) == -1 && errno == EINVAL);
	CHECK(sigaction(1000, NULL, &action) == -1 && errno == EINVAL);
	CHECK(signal(1000, plain_handler) == SIG_ERR && errno == EINVAL);
}

static int scenario_query(void)
{
	query_sigaction();
	query_signal();
	query_reset();
	return 0;
}

static int scenario_errno(void)
{
	errno = 12345;
	violate();
	CHECK(errno == 12345);
	return 0;
}

static int scenario_descriptors(void)
{
	CHECK(dup(0) == 3);
	return 0;
}

/* The standard descriptors are closed: nothing of the tool's stands there. */
static int scenario_closed(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	violate();
	return 0;
}

/* ------------------------------------------------------------------ */
/* Ends                                                               */

static int scenario_once(void)
{
	violate();
	return 0;
}

static int scenario_once_and_exit_3(void)
{
	violate();
	return 3;
}

static int scenario_once_and__exit(void)
{
	violate();
	_exit(0);
}

static int scenario_once_and_kill(void)
{
	violate();
	raise(SIGKILL);
	return 0;
}

static int scenario_once_and_say(void)
{
	violate();
	dprintf(1, "went on\n");
	return 0;
}

/* Three different stacks, the last twice. */
static int scenario_three(void)
{
	volatile int i;		/* not to be unrolled: one place, two calls */

	violate();
	scenario_nested();
	for (i = 0; i < 2; i++)
		scenario_both();
	return 0;
}

static int scenario_children(void)
{
	int i, status;

	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			violate();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	return 0;
}

/* A descendant that outlives the program it comes from. */
static int scenario_daemon(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return 0;
	setsid();
	usleep(3000000);
	violate();
	_exit(0);
}

static void section_handler(int sig)
{
	(void) sig;
	urcu_rawcheck_enter();
	pthread_spin_lock(&lock_b);
	pthread_spin_unlock(&lock_b);
	urcu_rawcheck_leave();
}

static void *violate_main(void *unused)
{
	void *mine;
	int i;

	for (i = 0; i < NR_ROUNDS; i++) {
		urcu_rawcheck_enter();
		mine = malloc(8);
		urcu_rawcheck_leave();
		free(mine);
	}
	return unused;
}

/* Signals interrupt the tracking itself; not one finding is lost or made up. */
static int scenario_storm(void)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	pthread_t threads[NR_THREADS];
	int i;

	signal(SIGPROF, section_handler);
	setitimer(ITIMER_PROF, &often, NULL);
	for (i = 0; i < NR_THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, violate_main,
				NULL) == 0);
	for (i = 0; i < NR_THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	setitimer(ITIMER_PROF, &never, NULL);
	return 0;
}

static int scenario_clean(void)
{
	allocate();
	free(block);
	return 0;
}

static double now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* What a spinlock costs; doc/rawcheck.md shows the figures. */
static int scenario_spin_cost(void)
{
	double begin, least = 1e9, cost;
	int round, i;

	for (round = 0; round < 50; round++) {
		begin = now_nsec();
		for (i = 0; i < 10000; i++) {
			pthread_spin_lock(&lock_a);
			pthread_spin_unlock(&lock_a);
		}
		cost = (now_nsec() - begin) / 10000;
		least = cost < least ? cost : least;
	}
	printf("spin lock and unlock: %.0f ns\n", least);
	return 0;
}

static __attribute__((noreturn)) int scenario_wait_for_term(void)
{
	alarm(20);	/* never to stay behind */
	dprintf(1, "ready\n");
	for (;;)
		pause();
}

#define SCENARIOS(X)							\
	X(permitted) X(nested) X(both) X(returned) X(recursive) X(setcontext) X(freed_lock)	\
	X(many) X(failed_trylock)					\
	X(init_again) X(disowned) X(recursion) X(other_thread)		\
	X(handler_in_lock) X(lock_outlives_handler) X(exit_in_handler)	\
	X(jump) X(jump_from_alternate_stack) X(jump_inside)		\
	X(jump_inside_alternate_stack) X(jump_inside_inner)		\
	X(jump_between_handlers) X(jump_from_reported_call)		\
	X(query) X(errno) X(descriptors) X(closed) X(once)		\
	X(once_and_exit_3) X(once_and__exit) X(once_and_kill)		\
	X(once_and_say) X(three) X(children) X(daemon) X(storm)		\
	X(clean) X(spin_cost) X(wait_for_term)

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} scenarios[] = {
#define X(name) { #name, scenario_##name },
		SCENARIOS(X)
#undef X
	};
	size_t i;

	pthread_spin_init(&lock_a, 0);
	pthread_spin_init(&lock_b, 0);
	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (argc == 2 && strcmp(argv[1], scenarios[i].name) == 0)
			return scenarios[i].run();
	fprintf(stderr, "scenario: no such scenario\n");
	return 2;
}
