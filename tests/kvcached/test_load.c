/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_load.c - kvcached under clients that write at the same time, that do not
 * read, that go away, or that want all of its memory
 */
#include "daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS		8
#define ROUNDS		2000
#define MEGABYTE	(1 << 20)

/* ThreadSanitizer's shadow memory is resident as well. */
#if defined(__SANITIZE_THREAD__)
# define RSS_FACTOR	8
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define RSS_FACTOR	8
# endif
#endif
#ifndef RSS_FACTOR
# define RSS_FACTOR	1
#endif

static struct daemon the_daemon;

FIXTURE(start)
{
	static const char *const args[] = { "-c", "40", "-m", "32", NULL };

	daemon_start(&the_daemon, args);
	return 0;
}

/* Stopped in whatever state the test left it: nothing lost, nothing twice. */
FIXTURE(stop)
{
	if (daemon_stop(&the_daemon))
		return -1;
	return the_daemon.queued == the_daemon.freed ? 0 : -1;
}

/* ------------------------------------------------------------------ */
/* Writers of one key exclude each other                              */

struct client {
	pthread_t thread;
	bool (*round)(int fd);
	bool ok;
};

static bool sends_and_gets(int fd, const char *text, const char *reply)
{
	char line[64];

	return try_send(fd, text, strlen(text)) &&
		try_receive_line(fd, line, sizeof(line)) &&
		(!reply || !strcmp(line, reply));
}

static void *run_client(void *arg)
{
	struct client *client = arg;
	int fd = try_connect(&the_daemon);

	client->ok = fd >= 0;
	for (int i = 0; client->ok && i < ROUNDS; i++)
		client->ok = client->round(fd);
	close(fd);
	return NULL;
}

static void run_clients(bool (*round)(int fd))
{
	struct client clients[CLIENTS];

	for (int i = 0; i < CLIENTS; i++) {
		clients[i].round = round;
		assert_int_equal(pthread_create(&clients[i].thread, NULL,
			run_client, &clients[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_true(clients[i].ok);
}

static bool increment(int fd)
{
	return sends_and_gets(fd, "incr n 1\r\n", NULL);
}

TEST(incr_loses_no_count_to_another_client)
{
	int fd = daemon_connect(&the_daemon);

	talk(fd, "set n 0 0 1\r\n0\r\n", "STORED\r\n");
	run_clients(increment);
	talk(fd, "get n\r\n", "VALUE n 0 5\r\n16000\r\nEND\r\n");
	close(fd);
}

/* gets, add one, cas, until the cas succeeds. */
static bool increment_by_cas(int fd)
{
	unsigned long number, cas;
	char line[128], digits[32];

	for (;;) {
		if (!try_send(fd, "gets c\r\n", 8) ||
		    !try_receive_line(fd, line, sizeof(line)) ||
		    sscanf(line, "VALUE c 0 %*u %lu", &cas) != 1 ||
		    !try_receive_line(fd, line, sizeof(line)))
			return false;
		number = strtoul(line, NULL, 10) + 1;
		if (!try_receive_line(fd, line, sizeof(line)))
			return false;
		snprintf(digits, sizeof(digits), "%lu", number);
		snprintf(line, sizeof(line), "cas c 0 0 %zu %lu\r\n%s\r\n",
			strlen(digits), cas, digits);
		if (!try_send(fd, line, strlen(line)) ||
		    !try_receive_line(fd, line, sizeof(line)))
			return false;
		if (!strcmp(line, "STORED"))
			return true;
		if (strcmp(line, "EXISTS"))
			return false;
	}
}

TEST(cas_loses_no_count_to_another_client)
{
	int fd = daemon_connect(&the_daemon);

	talk(fd, "set c 0 0 1\r\n0\r\n", "STORED\r\n");
	run_clients(increment_by_cas);
	talk(fd, "get c\r\n", "VALUE c 0 5\r\n16000\r\nEND\r\n");
	close(fd);
}

static bool append_one(int fd)
{
	return sends_and_gets(fd, "append a 0 0 1\r\nx\r\n", "STORED");
}

TEST(append_loses_no_byte_to_another_client)
{
	int fd = daemon_connect(&the_daemon);
	char line[64];

	talk(fd, "set a 0 0 0\r\n\r\n", "STORED\r\n");
	run_clients(append_one);
	say(fd, "get a\r\n");
	assert_true(try_receive_line(fd, line, sizeof(line)));
	assert_string_equal(line, "VALUE a 0 16000");
	close(fd);
}

/* Exactly one of the clients gets to add, each time the key is deleted. */
static bool add_or_delete(int fd)
{
	char line[64];

	if (!try_send(fd, "add x 0 0 1\r\n1\r\n", 16) ||
	    !try_receive_line(fd, line, sizeof(line)))
		return false;
	if (!strcmp(line, "NOT_STORED"))
		return true;
	return !strcmp(line, "STORED") &&
		sends_and_gets(fd, "delete x\r\n", "DELETED");
}

TEST(add_lets_one_client_win)
{
	run_clients(add_or_delete);
}

/* ------------------------------------------------------------------ */
/* Clients that ask for much and read little                          */

/* Skips a test that looks at the daemon's memory, where that cannot be seen. */
static void needs_rss(void)
{
	if (access("/proc/self/statm", R_OK))
		kvtest_skip("there is no /proc");
}

static void set_value(int fd, const char *key, size_t len)
{
	char *value = test_malloc(len);
	char line[128];

	memset(value, 'v', len);
	snprintf(line, sizeof(line), "set %s 0 0 %zu\r\n", key, len);
	say(fd, line);
	assert_true(try_send(fd, value, len));
	talk(fd, "\r\n", "STORED\r\n");
	test_free(value);
}

TEST(client_that_does_not_read_is_made_to_wait)
{
	int greedy = daemon_connect(&the_daemon);
	int other = daemon_connect(&the_daemon);
	size_t rss;
	char get[4096] = "get";

	needs_rss();
	set_value(greedy, "big", MEGABYTE);
	for (int i = 0; i < 1000; i++)
		strcat(get, " big");
	strcat(get, "\r\n");
	rss = daemon_rss(&the_daemon);
	say(greedy, get);	/* a gigabyte in one line */
	usleep(300 * 1000);
	talk(other, "get none\r\n", "END\r\n");
	assert_in_range(daemon_rss(&the_daemon), 0,
		rss + 8 * MEGABYTE * RSS_FACTOR);
	close(greedy);
	close(other);
}

TEST(reply_larger_than_all_buffers_arrives_whole)
{
	static const char header[] = "VALUE big 0 1048576\r\n";
	int fd = daemon_connect(&the_daemon);
	char *value = test_malloc(MEGABYTE + 2);

	set_value(fd, "big", MEGABYTE);
	say(fd, "get big big big big big big big big big big big big\r\n");
	usleep(100 * 1000);
	for (int i = 0; i < 12; i++) {
		expect(fd, header);
		assert_true(try_receive(fd, value, MEGABYTE + 2));
		assert_memory_equal(value + MEGABYTE - 1, "v\r\n", 3);
	}
	talk(fd, "get none\r\n", "END\r\nEND\r\n");
	test_free(value);
	close(fd);
}

static void *send_many_gets(void *arg)
{
	static bool sent;
	int fd = *(int *) arg;

	sent = true;
	for (int i = 0; i < 100000 && sent; i++)
		sent = try_send(fd, "get k\r\n", 7);
	return &sent;
}

TEST(pipelined_commands_are_answered_one_by_one)
{
	int fd = daemon_connect(&the_daemon);
	pthread_t sender;
	void *sent;

	talk(fd, "set k 0 0 1\r\na\r\n", "STORED\r\n");
	assert_int_equal(pthread_create(&sender, NULL, send_many_gets, &fd), 0);
	usleep(200 * 1000);
	for (int i = 0; i < 100000; i++) {
		char reply[21];

		assert_true(try_receive(fd, reply, sizeof(reply)));
		assert_memory_equal(reply, "VALUE k 0 1\r\na\r\nEND\r\n", 21);
	}
	assert_int_equal(pthread_join(sender, &sent), 0);
	assert_true(*(bool *) sent);
	close(fd);
}

/* Twenty bytes of input make a megabyte of garbage each. ThreadSanitizer takes some 30 ms
 * for each on a busy machine. */
TEST(garbage_of_large_items_is_bounded)
{
	enum { APPENDS = 400 };
	int fd = daemon_connect(&the_daemon);
	size_t rss;

	needs_rss();
	set_value(fd, "big", MEGABYTE - 1000);
	rss = daemon_rss(&the_daemon);
	for (int i = 1; i < APPENDS; i++)
		say(fd, "append big 0 0 1 noreply\r\nx\r\n");
	talk(fd, "append big 0 0 1\r\nx\r\n", "STORED\r\n");
	assert_in_range(daemon_rss(&the_daemon), 0,
		rss + 64 * MEGABYTE * RSS_FACTOR);
	close(fd);
}

TEST(memory_limit_evicts_the_oldest)
{
	int fd = daemon_connect(&the_daemon);
	char key[32];

	needs_rss();
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		set_value(fd, key, MEGABYTE / 2);
	}
	assert_in_range(daemon_stat(&the_daemon, "bytes"), 24 * MEGABYTE,
		32 * MEGABYTE);
	assert_in_range(daemon_stat(&the_daemon, "evictions"), 120, 180);
	assert_in_range(daemon_rss(&the_daemon), 0,
		128 * MEGABYTE * RSS_FACTOR);
	close(fd);
}

/* How many of @nr connections have been told so since the last time. */
static int count_refused(const int *fds, int nr)
{
	char reply[64];
	int refused = 0;

	for (int i = 0; i < nr; i++) {
		ssize_t n = recv(fds[i], reply, sizeof(reply) - 1, MSG_DONTWAIT);

		if (n <= 0)
			continue;
		reply[n] = '\0';
		assert_string_equal(reply,
			"SERVER_ERROR out of memory storing object\r\n");
		refused++;
	}
	return refused;
}

static bool holds(uint64_t bytes)
{
	for (int tries = 0; tries < 600; tries++) {
		if (daemon_stat(&the_daemon, "bytes") >= bytes)
			return true;
		usleep(50 * 1000);
	}
	return false;
}

/* Values of a megabyte, of which as many as fit, and four more, are nearly there. */
TEST(values_under_way_cannot_take_more_than_all_memory)
{
	enum { FIT = 32, ALL = 36, SENT = 1040000 };
	char *value = test_malloc(SENT);
	int fds[ALL], refused = 0;

	memset(value, 'v', SENT);
	for (int i = 0; i < ALL; i++) {
		fds[i] = daemon_connect(&the_daemon);
		say(fds[i], "set k 0 0 1048576\r\n");
		assert_true(try_send(fds[i], value, SENT));
		assert_true(holds((uint64_t) SENT * (i < FIT ? i + 1 : FIT)));
	}
	for (int tries = 0; tries < 600 && refused < ALL - FIT; tries++) {
		usleep(50 * 1000);
		refused += count_refused(fds, ALL);
	}
	usleep(200 * 1000);
	refused += count_refused(fds, ALL);
	assert_int_equal(refused, ALL - FIT);
	for (int i = 0; i < ALL; i++)
		close(fds[i]);
	test_free(value);
}

/* O20 */
TEST(announced_values_evict_nothing)
{
	int fd = daemon_connect(&the_daemon), fds[36];

	talk(fd, "set kept 0 0 4\r\nhere\r\n", "STORED\r\n");
	for (int i = 0; i < 36; i++) {
		fds[i] = daemon_connect(&the_daemon);
		say(fds[i], "set k 0 0 1048576\r\nunfinished");
	}
	assert_true(holds(36 * strlen("unfinished")));
	assert_int_equal(daemon_stat(&the_daemon, "evictions"), 0);
	assert_in_range(daemon_stat(&the_daemon, "bytes"), 0, 36 * 1024);
	talk(fd, "get kept\r\n", "VALUE kept 0 4\r\nhere\r\nEND\r\n");
	for (int i = 0; i < 36; i++)
		close(fds[i]);
	close(fd);
}

/* ------------------------------------------------------------------ */
/* Clients that are slow                                              */

FIXTURE(start_impatient)
{
	static const char *const args[] = { "-T", "1", NULL };

	daemon_start(&the_daemon, args);
	return 0;
}

/* A byte now and then, which would take 100 s in all. */
static bool is_closed_while_it_sends(int fd)
{
	char byte;

	for (int i = 0; i < 600; i++) {
		if (!try_send(fd, "v", 1) || recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
			return true;
		usleep(50 * 1000);
	}
	return false;
}

TEST(client_that_sends_too_slowly_is_closed)
{
	int idle = daemon_connect(&the_daemon);
	int line = daemon_connect(&the_daemon);
	int value = daemon_connect(&the_daemon);

	talk(idle, "get none\r\n", "END\r\n");
	say(line, "get unfinished");
	say(value, "set k 0 0 2000\r\n");
	assert_true(is_closed_while_it_sends(value));
	expect_end(line);
	/* Between commands there is all the time in the world. */
	talk(idle, "set k 0 0 1\r\na\r\nget k\r\n",
		"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n");
	close(idle);
	close(line);
	close(value);
}

/* ------------------------------------------------------------------ */
/* Clients that go away                                               */

/* The daemon sees a closed connection when it gets to it. */
static bool becomes(const char *stat, uint64_t value)
{
	for (int tries = 0; tries < 200; tries++) {
		if (daemon_stat(&the_daemon, stat) == value)
			return true;
		usleep(50 * 1000);
	}
	return false;
}

TEST(client_that_leaves_midway_leaves_nothing)
{
	int fd;

	/* Fewer than the limit, all of which may be there at once. */
	for (int i = 0; i < 30; i++) {
		fd = daemon_connect(&the_daemon);
		say(fd, "set k 0 0 100000\r\nunfinished");
		close(fd);
	}
	assert_true(becomes("bytes", 0));
	assert_true(becomes("curr_connections", 1));
}

TEST(client_that_resets_its_connection_harms_nobody)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = daemon_connect(&the_daemon);

	set_value(fd, "big", MEGABYTE);
	for (int i = 0; i < 30; i++) {
		int other = daemon_connect(&the_daemon);

		say(other, "get big big big big big big big big\r\n");
		assert_int_equal(setsockopt(other, SOL_SOCKET, SO_LINGER,
			&reset, sizeof(reset)), 0);
		close(other);
	}
	talk(fd, "get none\r\n", "END\r\n");
	close(fd);
}

TEST(one_connection_too_many_is_told_so)
{
	int fds[41];

	for (int i = 0; i < 40; i++) {
		fds[i] = daemon_connect(&the_daemon);
		talk(fds[i], "get none\r\n", "END\r\n");
	}
	fds[40] = daemon_connect(&the_daemon);
	expect(fds[40], "SERVER_ERROR too many open connections\r\n");
	expect_end(fds[40]);
	for (int i = 0; i < 41; i++)
		close(fds[i]);
}

TEST(it_stops_while_clients_are_midway)
{
	for (int i = 0; i < 20; i++) {
		int fd = daemon_connect(&the_daemon);

		set_value(fd, "big", MEGABYTE);
		say(fd, i % 2 ? "set k 0 0 1000\r\nunfinished" :
			"get big big big big big big big big big big\r\n");
		/* Left open: the daemon stops with them. */
	}
}

/* ------------------------------------------------------------------ */
/* Start                                                              */

TEST(exit_status_tells_what_was_wrong)
{
	char port[16];
	const char *const help[] = { "--help", NULL };
	const char *const unknown[] = { "-Z", NULL };
	const char *const bad_number[] = { "-t", "0", NULL };
	const char *const bad_port[] = { "-p", "65536", NULL };
	const char *const no_room[] = { "-m", "1", "-I", "1m", NULL };
	const char *const word[] = { "word", NULL };
	const char *const bad_address[] = { "-p", "0", "-l", "192.0.2.1", NULL };
	const char *const taken[] = { "-p", port, NULL };

	snprintf(port, sizeof(port), "%d", the_daemon.port);
	assert_int_equal(daemon_exit_status(help), 0);
	assert_int_equal(daemon_exit_status(unknown), 2);
	assert_int_equal(daemon_exit_status(bad_number), 2);
	assert_int_equal(daemon_exit_status(bad_port), 2);
	assert_int_equal(daemon_exit_status(no_room), 2);
	assert_int_equal(daemon_exit_status(word), 2);
	assert_int_equal(daemon_exit_status(bad_address), 1);
	assert_int_equal(daemon_exit_status(taken), 1);
}

#define ENTRY(name)	cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENTRY(incr_loses_no_count_to_another_client),
		ENTRY(cas_loses_no_count_to_another_client),
		ENTRY(append_loses_no_byte_to_another_client),
		ENTRY(add_lets_one_client_win),
		ENTRY(client_that_does_not_read_is_made_to_wait),
		ENTRY(reply_larger_than_all_buffers_arrives_whole),
		ENTRY(pipelined_commands_are_answered_one_by_one),
		ENTRY(garbage_of_large_items_is_bounded),
		ENTRY(memory_limit_evicts_the_oldest),
		ENTRY(values_under_way_cannot_take_more_than_all_memory),
		ENTRY(announced_values_evict_nothing),
		cmocka_unit_test_setup_teardown(
			client_that_sends_too_slowly_is_closed, start_impatient, stop),
		ENTRY(client_that_leaves_midway_leaves_nothing),
		ENTRY(client_that_resets_its_connection_harms_nobody),
		ENTRY(one_connection_too_many_is_told_so),
		ENTRY(it_stops_while_clients_are_midway),
		ENTRY(exit_status_tells_what_was_wrong),
	};

	if (!daemon_can_be_reached())
		return 77;
	alarm(HANGS_AFTER_SEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
