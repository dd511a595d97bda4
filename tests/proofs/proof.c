/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * proof.c - what the proofs of the raw-context guarantee share
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "proof.h"
#include "tsan.h"

static const char *proof_name = "proof";
static unsigned int proof_seconds;

static void say(FILE *file, const char *verdict, const char *fmt, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), fmt, args);
	fprintf(file, "%s: %s%s\n", proof_name, verdict, line);
	fflush(file);
}

void proof_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stdout, "SKIP: ", fmt, args);
	va_end(args);
	_exit(PROOF_SKIP);
}

void proof_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stderr, "FAIL: ", fmt, args);
	va_end(args);
	_exit(1);
}

void proof_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stdout, "", fmt, args);
	va_end(args);
}

void proof_start(const char *name, unsigned int seconds)
{
	const char *value = getenv("KVFREE_PROOF_SECONDS");

	proof_name = name;
	proof_seconds = value ? (unsigned int) atoi(value) : seconds;
	/* The default action: it also ends threads that cannot run a handler. */
	signal(SIGALRM, SIG_DFL);
	alarm(proof_seconds);
}

bool proof_long(void)
{
	const char *value = getenv("KVFREE_PROOF_LONG");

	return value && *value && strcmp(value, "0") != 0;
}

void proof_skip_instrumented(void)
{
#if defined(KVTEST_ASAN) || defined(KVFREE_TSAN)
	proof_skip("built with a sanitizer");
#endif
}

static void set(int ret)
{
	proof_require(ret == 0, "a setting was refused: %s", strerror(errno));
}

void proof_init(unsigned int drain_msec, size_t batch_bytes,
		unsigned int workers, unsigned int min_cached_pages)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	proof_require(attr != NULL, "no memory");
	if (drain_msec)
		set(urcu_kvfree_attr_set_drain_msec(attr, drain_msec));
	if (batch_bytes)
		set(urcu_kvfree_attr_set_batch_bytes(attr, batch_bytes));
	if (workers)
		set(urcu_kvfree_attr_set_workers(attr, workers));
	if (min_cached_pages)
		set(urcu_kvfree_attr_set_min_cached_pages(attr,
				min_cached_pages));
	proof_require(urcu_kvfree_init(attr) == 0, "urcu_kvfree_init: %s",
		strerror(errno));
	urcu_kvfree_attr_destroy(attr);
}

void proof_child(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	alarm(proof_seconds);
}

void proof_reap(pid_t child, const char *what)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		proof_require(errno == EINTR, "waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		proof_fail("%s was killed by signal %d (%s)", what,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) == PROOF_SKIP)
		_exit(PROOF_SKIP);
	if (WEXITSTATUS(status))
		proof_fail("%s exited with %d", what, WEXITSTATUS(status));
}

pthread_t proof_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, fn, arg);

	proof_require(ret == 0, "pthread_create: %s", strerror(ret));
	return thread;
}

void proof_join(pthread_t thread)
{
	int ret = pthread_join(thread, NULL);

	proof_require(ret == 0, "pthread_join: %s", strerror(ret));
}

void *proof_shared(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	proof_require(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	return mem;
}

void proof_wait_for(const int *word, int value)
{
	while (proof_load(word) < value)
		usleep(200);
}

void proof_all_freed(const struct rcu_flavor_struct *flavor)
{
	struct urcu_kvfree_stats stats;

	proof_require(urcu_kvfree_rcu_barrier_flavor(flavor) == 0, "barrier");
	stats = kvtest_stats(flavor);
	proof_require(stats.leaked == 0, "%llu objects were leaked",
		(unsigned long long) stats.leaked);
	proof_require(stats.pending == 0,
		"%llu objects are pending after a barrier",
		(unsigned long long) stats.pending);
}

struct kvfree_record *proof_record(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain = kvfree_domain_get(flavor);

	proof_require(urcu_kvfree_register_thread_flavor(flavor) == 0,
		"register_thread: %s", strerror(errno));
	return kvfree_tls.record[kvfree_domain_index(domain)];
}
