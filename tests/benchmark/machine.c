/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * machine.c - clock, memory, CPU time and context switches of this process
 *
 * Nothing here allocates: the RSS is read while a flood is under way, and while
 * the allocator is stalled on purpose.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts))
		abort();
	return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}

uint64_t bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_thread_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_process_cpu(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do {
		n = read(fd, buf, size - 1);
	} while (n < 0 && errno == EINTR);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

size_t bench_rss_kb(void)
{
	char buf[128], *resident;

	if (read_file("/proc/self/statm", buf, sizeof(buf)) <= 0)
		return 0;
	resident = strchr(buf, ' ');
	if (!resident)
		return 0;
	return strtoul(resident, NULL, 10) *
		((size_t) sysconf(_SC_PAGESIZE) / 1024);
}

static uint64_t status_field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

size_t bench_peak_rss_kb(void)
{
	char status[8192];

	if (read_file("/proc/self/status", status, sizeof(status)) <= 0)
		return 0;
	return (size_t) status_field(status, "\nVmHWM:");
}

void bench_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t) (ns / 1000000000u),
		.tv_nsec = (long) (ns % 1000000000u),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

void bench_spin_until(uint64_t ns)
{
	while (bench_now() < ns)
		;
}

int bench_cpus(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int) n : 1;
}

/* Binds the caller to the index-th CPU it may run on. */
void bench_pin(int index)
{
	cpu_set_t may, one;
	int cpu, left;

	if (sched_getaffinity(0, sizeof(may), &may))
		return;
	left = index % CPU_COUNT(&may);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && left-- == 0)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void) pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

int bench_switches(struct bench_switches *sum)
{
	char path[300], self[24], first[24], status[8192];
	struct dirent *task;
	DIR *dir;

	memset(sum, 0, sizeof(*sum));
	dir = opendir("/proc/self/task");
	if (!dir)
		return -1;
	snprintf(self, sizeof(self), "%ld", (long) syscall(SYS_gettid));
	snprintf(first, sizeof(first), "%ld", (long) getpid());
	while ((task = readdir(dir))) {
		if (task->d_name[0] == '.' ||
				!strcmp(task->d_name, self) ||
				!strcmp(task->d_name, first))
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
			task->d_name);
		if (read_file(path, status, sizeof(status)) <= 0)
			continue;
		sum->threads++;
		/* The tab keeps this from matching in the other's name. */
		sum->voluntary += status_field(status,
				"\nvoluntary_ctxt_switches:\t");
		sum->involuntary += status_field(status,
				"\nnonvoluntary_ctxt_switches:\t");
	}
	closedir(dir);
	return 0;
}

void bench_own_switches(uint64_t *voluntary, uint64_t *involuntary)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage))
		memset(&usage, 0, sizeof(usage));
	*voluntary = (uint64_t) usage.ru_nvcsw;
	*involuntary = (uint64_t) usage.ru_nivcsw;
}
