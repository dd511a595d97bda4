/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM		"doc/examples/kvcached/kvcached"
#define ARGS_MAX	16
#define PATIENCE_SEC	300

/* ------------------------------------------------------------------ */
/* The process                                                        */

static void add_option(const char *variable, const char *option,
		const char *value)
{
	const char *old = getenv(variable);
	char options[4096];

	snprintf(options, sizeof(options), "%s%s%s=%s", old ? old : "",
		old ? ":" : "", option, value);
	setenv(variable, options, 1);
}

static void set_sanitizer_options(void)
{
	const char *top = getenv("top_srcdir");
	char path[2048];

	/* Else it keeps hundreds of megabytes of what was freed. */
	add_option("ASAN_OPTIONS", "quarantine_size_mb", "4");
	snprintf(path, sizeof(path), "%s/tests/kvcached/tsan.supp",
		top ? top : ".");
	add_option("TSAN_OPTIONS", "suppressions", path);
}

static void exec_daemon(const char *const *args)
{
	const char *top = getenv("top_builddir");
	const char *argv[ARGS_MAX + 2] = { "kvcached" };
	char path[4096];
	int argc = 1;

	/* The test may be killed; the daemon must not outlive it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_sanitizer_options();
	while (args && *args && argc <= ARGS_MAX)
		argv[argc++] = *args++;
	snprintf(path, sizeof(path), "%s/%s", top ? top : ".", PROGRAM);
	execv(path, (char *const *) argv);
	perror(path);
	_exit(126);
}

static pid_t spawn(const char *const *args, int *out)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		exec_daemon(args);
	}
	close(fds[1]);
	*out = fds[0];
	return pid;
}

/* All that comes until @ends_at, or until the end of the stream. */
static void read_text(int fd, char *text, size_t size, int ends_at)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n = read(fd, text + len, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || text[len++] == ends_at)
			break;
	}
	text[len] = '\0';
}

static int wait_for_exit(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void daemon_start(struct daemon *daemon, const char *const *args)
{
	const char *argv[ARGS_MAX] = { "-p", "0" };
	char line[256];
	int argc = 2;

	while (args && *args && argc < ARGS_MAX - 1)
		argv[argc++] = *args++;
	daemon->pid = spawn(argv, &daemon->out);
	read_text(daemon->out, line, sizeof(line), '\n');
	if (sscanf(line, "kvcached: listening on %*s port %d", &daemon->port) != 1)
		fail_msg("kvcached did not start: it said \"%s\"", line);
}

void daemon_line(const struct daemon *daemon, char *line, size_t size)
{
	read_text(daemon->out, line, size, '\n');
}

int daemon_stop(struct daemon *daemon)
{
	char text[512];

	assert_int_equal(kill(daemon->pid, SIGTERM), 0);
	read_text(daemon->out, text, sizeof(text), EOF);
	close(daemon->out);
	if (sscanf(text, "kvcached: queued %" SCNu64 " freed %" SCNu64,
			&daemon->queued, &daemon->freed) != 2)
		print_error("kvcached's last words: \"%s\"\n", text);
	return wait_for_exit(daemon->pid);
}

int daemon_exit_status(const char *const *args)
{
	char text[4096];
	int out;
	pid_t pid = spawn(args, &out);

	read_text(out, text, sizeof(text), EOF);
	close(out);
	return wait_for_exit(pid);
}

size_t daemon_rss(const struct daemon *daemon)
{
	char path[64];
	size_t pages;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int) daemon->pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* ------------------------------------------------------------------ */
/* Connections                                                        */

int try_connect_port(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct timeval patience = { .tv_sec = PATIENCE_SEC };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			sizeof(patience)) ||
	    connect(fd, (struct sockaddr *) &address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

bool try_send(int fd, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		len -= n;
	}
	return true;
}

bool try_receive(int fd, void *bytes, size_t len)
{
	char *to = bytes;

	while (len) {
		ssize_t n = recv(fd, to, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		len -= n;
	}
	return true;
}

bool try_receive_line(int fd, char *line, size_t size)
{
	size_t len = 0;

	while (len < size && try_receive(fd, line + len, 1)) {
		if (line[len++] != '\n')
			continue;
		line[len - 1] = '\0';
		if (len > 1 && line[len - 2] == '\r')
			line[len - 2] = '\0';
		return true;
	}
	return false;
}

int try_connect(const struct daemon *daemon)
{
	return try_connect_port(daemon->port);
}

bool daemon_can_be_reached(void)
{
	int fd = try_connect_port(1);

	if (fd < 0 && errno == ENETUNREACH) {
		puts("SKIP: there is no loopback network");
		return false;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

int daemon_connect(const struct daemon *daemon)
{
	int fd = try_connect(daemon);

	if (fd < 0)
		fail_msg("cannot connect: %s", strerror(errno));
	return fd;
}

void say(int fd, const char *text)
{
	assert_true(try_send(fd, text, strlen(text)));
}

void expect(int fd, const char *reply)
{
	char text[1024] = "";
	size_t got = 0;

	assert_true(strlen(reply) < sizeof(text));
	/* Byte by byte, so that a shorter reply is shown and not waited for. */
	while (reply[got] && try_receive(fd, &text[got], 1) &&
	       text[got] == reply[got])
		got++;
	assert_string_equal(text, reply);
}

void talk(int fd, const char *text, const char *reply)
{
	say(fd, text);
	expect(fd, reply);
}

void expect_end(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

uint64_t daemon_stat(const struct daemon *daemon, const char *name)
{
	int fd = daemon_connect(daemon);
	uint64_t number, value = 0;
	char line[256], word[64];
	bool found = false;

	/* To the end, when the daemon has done with the connection: the next one
	 * may be the last that it takes. */
	say(fd, "stats\r\nquit\r\n");
	while (try_receive_line(fd, line, sizeof(line))) {
		if (sscanf(line, "STAT %63s %" SCNu64, word, &number) == 2 &&
		    !strcmp(word, name)) {
			found = true;
			value = number;
		}
	}
	close(fd);
	if (!found)
		fail_msg("no statistic %s", name);
	return value;
}
