/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * kvtest.c - what the tests share
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kvtest.h"
#include "tsan.h"

const struct kvtest_flavor kvtest_flavors[] = {
	{ "memb", &urcu_memb_flavor },
	{ "mb", &urcu_mb_flavor },
	{ "qsbr", &urcu_qsbr_flavor },
	{ "bp", &urcu_bp_flavor },
	{ NULL, NULL },
};

const struct rcu_flavor_struct *kvtest_flavor(const char *name)
{
	const struct kvtest_flavor *f;

	for (f = kvtest_flavors; f->name; f++)
		if (!strcmp(f->name, name))
			return f->rcu;
	return NULL;
}

void kvtest_read_lock(const struct rcu_flavor_struct *rcu)
{
	rcu->read_lock();
}

void kvtest_read_unlock(const struct rcu_flavor_struct *rcu)
{
	kvfree_tsan_release(rcu);
	rcu->read_unlock();
	rcu->read_quiescent_state();
}

struct kvtest_object *kvtest_object_new(uint64_t value)
{
	struct kvtest_object *object = malloc(sizeof(*object));

	if (!object)
		abort();
	object->value = value;
	object->canary = KVTEST_ALIVE;
	return object;
}

bool kvtest_object_alive(const struct kvtest_object *object)
{
	return object->canary == KVTEST_ALIVE;
}

uint64_t kvtest_msec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

void kvtest_sleep_msec(unsigned int msec)
{
	struct timespec ts = {
		.tv_sec = msec / 1000,
		.tv_nsec = (long) (msec % 1000) * 1000000,
	};

	while (nanosleep(&ts, &ts))
		;
}

bool kvtest_wait(bool (*done)(void *arg), void *arg, unsigned int msec)
{
	uint64_t end = kvtest_msec() + msec;

	while (!done(arg)) {
		if (kvtest_msec() >= end)
			return done(arg);
		kvtest_sleep_msec(1);
	}
	return true;
}

pthread_t kvtest_thread(void *(*fn)(void *), void *arg)
{
	pthread_t tid;

	if (pthread_create(&tid, NULL, fn, arg))
		abort();
	return tid;
}

void *kvtest_join(pthread_t tid)
{
	void *ret;

	if (pthread_join(tid, &ret))
		abort();
	return ret;
}

void *kvtest_on_thread(void *(*fn)(void *), void *arg)
{
	return kvtest_join(kvtest_thread(fn, arg));
}

static void *reader_thread(void *arg)
{
	struct kvtest_reader *reader = arg;

	reader->rcu->register_thread();
	kvtest_read_lock(reader->rcu);
	sem_post(&reader->inside);
	while (sem_wait(&reader->leave))
		;
	kvtest_read_unlock(reader->rcu);
	reader->rcu->unregister_thread();
	return NULL;
}

void kvtest_reader_enter(struct kvtest_reader *reader,
		const struct rcu_flavor_struct *rcu)
{
	reader->rcu = rcu;
	sem_init(&reader->inside, 0, 0);
	sem_init(&reader->leave, 0, 0);
	reader->tid = kvtest_thread(reader_thread, reader);
	while (sem_wait(&reader->inside))
		;
}

void kvtest_reader_leave(struct kvtest_reader *reader)
{
	sem_post(&reader->leave);
	kvtest_join(reader->tid);
	sem_destroy(&reader->inside);
	sem_destroy(&reader->leave);
}

void kvtest_start(unsigned int drain_msec, unsigned int workers)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();

	if (!attr || urcu_kvfree_attr_set_drain_msec(attr, drain_msec) ||
	    urcu_kvfree_attr_set_workers(attr, workers) ||
	    urcu_kvfree_init(attr))
		abort();
	urcu_kvfree_attr_destroy(attr);
}

struct urcu_kvfree_stats kvtest_stats(const struct rcu_flavor_struct *rcu)
{
	struct urcu_kvfree_stats stats;

	if (urcu_kvfree_get_stats_flavor(rcu, &stats, sizeof(stats)))
		abort();
	return stats;
}

bool kvtest_has_proc(void)
{
	return access("/proc/self/task", X_OK) == 0;
}

const char *kvtest_program(void)
{
	return (const char *) getauxval(AT_EXECFN);
}

static bool thread_matches(const char *tid, const char *prefix)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	file = fopen(path, "r");
	if (!file)
		return false;	/* it ended */
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strncmp(name, prefix, strlen(prefix));
}

unsigned int kvtest_count_threads(const char *prefix)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int nr = 0;

	if (!dir)
		abort();
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && thread_matches(entry->d_name, prefix))
			nr++;
	closedir(dir);
	return nr;
}

bool kvtest_threads_are(const char *prefix, unsigned int nr)
{
	return !kvtest_has_proc() || kvtest_count_threads(prefix) == nr;
}

bool kvtest_threads_become(const char *prefix, unsigned int nr)
{
	uint64_t end = kvtest_msec() + KVTEST_LONG;

	while (!kvtest_threads_are(prefix, nr)) {
		if (kvtest_msec() >= end)
			return false;
		kvtest_sleep_msec(1);
	}
	return true;
}

int kvtest_tid(void)
{
	return (int) syscall(SYS_gettid);
}

/* The letter in the stat file of a thread, which comes after its name. */
static char state_of(int tid)
{
	char path[64], text[256], *end;
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "r");
	if (!file)
		return '\0';	/* it ended */
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

bool kvtest_sleeps(int tid)
{
	unsigned int looks;

	for (looks = 0; looks < 10; looks++) {
		if (state_of(tid) != 'S')
			return false;
		kvtest_sleep_msec(1);
	}
	return true;
}

/* One by one, since /proc may not be there. None of the tests has more. */
#define MOST_FDS	4096

unsigned int kvtest_count_fds(void)
{
	unsigned int nr = 0;
	int fd;

	for (fd = 0; fd < MOST_FDS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			nr++;
	return nr;
}

unsigned long long kvtest_status(int tid, const char *key, int base)
{
	unsigned long long value = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		abort();
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	fclose(file);
	return value;
}

bool kvtest_is_emulated(void)
{
	sigset_t all, saved;
	bool emulated;

	if (!kvtest_has_proc())
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	emulated = !(kvtest_status(kvtest_tid(), "SigBlk:", 16) &
		1ULL << (SIGSEGV - 1));
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return emulated;
}
