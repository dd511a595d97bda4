/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_metrics.c - kvcached's page of metrics is what Prometheus reads, and nothing else
 * is served there
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <urcu/kvfree.h>

static struct daemon the_daemon;
static int port;
static char reply[65536];

FIXTURE(start)
{
	static const char *const args[] = { "--metrics", "0", NULL };
	char line[256];

	daemon_start(&the_daemon, args);
	daemon_line(&the_daemon, line, sizeof(line));
	return sscanf(line, "kvcached: metrics on http://127.0.0.1:%d/metrics",
		&port) == 1 ? 0 : -1;
}

FIXTURE(stop)
{
	return daemon_stop(&the_daemon) ||
		the_daemon.queued != the_daemon.freed;
}

/* ------------------------------------------------------------------ */
/* A client                                                           */

/* The whole answer is in reply, and its body is returned. The other end closes. */
static char *fetch(const char *method, const char *path)
{
	int fd = try_connect_port(port);
	size_t len = 0;
	char *body;

	assert_true(fd >= 0);
	say(fd, method);
	say(fd, " ");
	say(fd, path);
	say(fd, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Content-Length: 0\r\n\r\n");
	while (len < sizeof(reply) - 1 && try_receive(fd, reply + len, 1))
		len++;
	close(fd);
	reply[len] = '\0';
	body = strstr(reply, "\r\n\r\n");
	assert_non_null(body);
	return body + 4;
}

static bool is_answered_by(const char *method, const char *path, int status)
{
	int got = 0;

	fetch(method, path);
	return sscanf(reply, "HTTP/1.1 %d ", &got) == 1 && got == status;
}

/* ------------------------------------------------------------------ */
/* The format                                                         */

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && !strcmp(name + len - end_len, end);
}

/* The value of one metric: HELP, TYPE and one sample, each on its line, at @cursor. */
static double parse_metric(char **cursor, char *name, char *type)
{
	char help[128], again[128], sample[128], *end;
	double value;
	int len = 0;

	assert_int_equal(sscanf(*cursor, "# HELP %127[a-zA-Z0-9_] %127[^\n]\n%n", name,
		help, &len), 2);
	assert_true(len > 0);
	*cursor += len;
	assert_int_equal(sscanf(*cursor, "# TYPE %127[a-zA-Z0-9_] %15[a-z]\n%n", again,
		type, &len), 2);
	assert_string_equal(again, name);
	*cursor += len;
	assert_int_equal(sscanf(*cursor, "%127[a-zA-Z0-9_]%n", sample, &len), 1);
	assert_string_equal(sample, name);
	assert_int_equal((*cursor)[len], ' ');
	value = strtod(*cursor + len + 1, &end);
	assert_int_equal(*end, '\n');
	*cursor = end + 1;
	return value;
}

static void names_say_what_they_are(const char *name, const char *type)
{
	if (!strcmp(type, "counter")) {
		assert_true(ends_in(name, "_total"));
	} else {
		assert_string_equal(type, "gauge");
		assert_false(ends_in(name, "_total"));
	}
	assert_null(strstr(name, "msec"));
}

/* Metrics on the page, all of which are well-formed; that of @want is in @value. */
static size_t parse_page(char *page, const char *want, double *value)
{
	char name[128], type[16];
	size_t nr = 0;

	for (*value = -1; *page; nr++) {
		double number = parse_metric(&page, name, type);

		names_say_what_they_are(name, type);
		assert_true(number >= 0);
		if (strcmp(name, want))
			continue;
		assert_true(*value == -1);	/* comes once */
		*value = number;
	}
	return nr;
}

static double metric(const char *name)
{
	double value;

	parse_page(fetch("GET", "/metrics"), name, &value);
	assert_true(value >= 0);
	return value;
}

TEST(page_is_prometheus_text)
{
	bool has_proc = access("/proc/self/statm", R_OK) == 0;
	double rss;
	size_t nr = parse_page(fetch("GET", "/metrics"),
		"process_resident_memory_bytes", &rss);

	assert_memory_equal(reply, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(reply,
		"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	/* Every counter of the library and, where there is /proc, that one. */
	assert_int_equal(nr, sizeof(struct urcu_kvfree_stats) / sizeof(uint64_t) +
		has_proc);
	if (has_proc)
		assert_in_range((size_t) rss, 100000, SIZE_MAX);
}

/* ------------------------------------------------------------------ */

TEST(counters_follow_what_clients_delete)
{
	int fd = daemon_connect(&the_daemon);
	double queued = metric("kvfree_queued_total");
	double freed = metric("kvfree_freed_total"), periods;

	periods = metric("kvfree_grace_periods_total");
	for (int i = 0; i < 1000; i++)
		talk(fd, "set k 0 0 1\r\na\r\ndelete k\r\n", "STORED\r\nDELETED\r\n");
	assert_true(metric("kvfree_queued_total") >= queued + 1000);
	/* Within a few ticks of the library. */
	for (int tries = 0; metric("kvfree_freed_total") < freed + 1000; tries++) {
		assert_true(tries < 3000);
		usleep(10 * 1000);
	}
	assert_true(metric("kvfree_grace_periods_total") > periods);
	assert_true(metric("kvfree_pending_objects") <= metric("kvfree_queued_total"));
	/* What the daemon says in its own protocol. */
	assert_true((double) daemon_stat(&the_daemon, "kvfree_queued") ==
		metric("kvfree_queued_total"));
	close(fd);
}

TEST(other_paths_are_not_found)
{
	assert_true(is_answered_by("GET", "/", 404));
	assert_true(is_answered_by("GET", "/metrics/", 404));
	assert_true(is_answered_by("GET", "/metricsx", 404));
	assert_true(is_answered_by("GET", "/%2e%2e/etc/passwd", 404));
	assert_true(is_answered_by("GET", "/metrics?name=kvfree", 200));
}

TEST(other_methods_are_refused)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "HEAD" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_true(is_answered_by(methods[i], "/metrics", 405));
		assert_non_null(strstr(reply, "\r\nAllow: GET\r\n"));
		assert_null(strstr(reply, "kvfree_"));
	}
	/* Those that libevent does not let through. */
	assert_true(is_answered_by("OPTIONS", "/metrics", 501));
}

TEST(client_that_says_nothing_holds_up_nobody)
{
	int silent = try_connect_port(port), garbage = try_connect_port(port);

	assert_true(silent >= 0 && garbage >= 0);
	say(garbage, "set k 0 0 1\r\na\r\n\r\n");
	assert_true(is_answered_by("GET", "/metrics", 200));
	close(garbage);
	close(silent);
}

/* ------------------------------------------------------------------ */
/* Start                                                              */

/* What the daemon writes to stderr as it fails to start, in reply. */
static int status_and_complaint(const char *const *args)
{
	int stderr_fd = dup(STDERR_FILENO), fds[2], status;
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	status = daemon_exit_status(args);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(fds[1]);
	len = read(fds[0], reply, sizeof(reply) - 1);
	close(fds[0]);
	assert_true(len >= 0);
	reply[len] = '\0';
	return status;
}

TEST(port_in_use_is_an_error_that_says_so)
{
	char number[16], complaint[128];
	const char *const taken[] = { "-p", "0", "--metrics", number, NULL };

	snprintf(number, sizeof(number), "%d", port);
	snprintf(complaint, sizeof(complaint), "kvcached: cannot serve metrics on "
		"127.0.0.1 port %d: Address already in use\n", port);
	assert_int_equal(status_and_complaint(taken), 1);
	assert_non_null(strstr(reply, complaint));
}

TEST(bad_port_is_bad_usage)
{
	static const char *const bad[] = { "65536", "-1", "x", "" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const args[] = { "--metrics", bad[i], NULL };

		assert_int_equal(status_and_complaint(args), 2);
		assert_memory_equal(reply, "kvcached: bad value of --metrics: ", 34);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_is_prometheus_text),
		cmocka_unit_test(counters_follow_what_clients_delete),
		cmocka_unit_test(other_paths_are_not_found),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(client_that_says_nothing_holds_up_nobody),
		cmocka_unit_test(port_in_use_is_an_error_that_says_so),
		cmocka_unit_test(bad_port_is_bad_usage),
	};

	if (!daemon_can_be_reached())
		return 77;
	alarm(HANGS_AFTER_SEC);
	return cmocka_run_group_tests(tests, start, stop);
}
