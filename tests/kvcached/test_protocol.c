/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * test_protocol.c - kvcached speaks the memcached text protocol
 *
 * memccapable.sh checks the common replies; here is what it does not ask for.
 */
#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BAD_FORMAT	"CLIENT_ERROR bad command line format\r\n"
#define BAD_CHUNK	"CLIENT_ERROR bad data chunk\r\n"
#define TOO_LARGE	"SERVER_ERROR object too large for cache\r\n"
#define NOT_A_NUMBER	"CLIENT_ERROR cannot increment or decrement " \
			"non-numeric value\r\n"

static struct daemon the_daemon;
static int fd;

static int start(void **state)
{
	(void) state;
	daemon_start(&the_daemon, NULL);
	return 0;
}

static int stop(void **state)
{
	(void) state;
	return daemon_stop(&the_daemon) ||
		the_daemon.queued != the_daemon.freed;
}

static int open_connection(void **state)
{
	(void) state;
	fd = daemon_connect(&the_daemon);
	talk(fd, "flush_all\r\n", "OK\r\n");
	return 0;
}

/* Whatever the test sent: the daemon still answers, on this connection. */
static int close_connection(void **state)
{
	char line[64];

	(void) state;
	say(fd, "version\r\n");
	if (!try_receive_line(fd, line, sizeof(line)) ||
	    strncmp(line, "VERSION ", 8)) {
		print_error("got \"%s\" for a version\n", line);
		return -1;
	}
	close(fd);
	return 0;
}

static void command_it_does_not_know_is_an_error(void **state)
{
	(void) state;
	talk(fd, "\r\n", "ERROR\r\n");
	talk(fd, "   \r\n", "ERROR\r\n");
	talk(fd, "frobnicate\r\n", "ERROR\r\n");
	talk(fd, "GET k\r\n", "ERROR\r\n");
	talk(fd, "get\n", "ERROR\r\n");
	talk(fd, "\n", "ERROR\r\n");
}

static void wrong_number_of_words_is_an_error(void **state)
{
	(void) state;
	talk(fd, "set k 0 0\r\n", "ERROR\r\n");
	talk(fd, "set k 0 0 1 2 3 4 5 6 7 8 9\r\n", "ERROR\r\n");
	talk(fd, "cas k 0 0 1\r\n", "ERROR\r\n");
	talk(fd, "incr k\r\n", "ERROR\r\n");
	talk(fd, "touch k\r\n", "ERROR\r\n");
	talk(fd, "delete\r\n", "ERROR\r\n");
	talk(fd, "delete noreply\r\n", "ERROR\r\n");
	talk(fd, "quit now\r\n", "ERROR\r\n");
}

static void length_that_is_no_length_is_refused(void **state)
{
	(void) state;
	talk(fd, "set k 0 0 -1\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 -2147483648\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 x\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 1x\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 +1\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 2147483647\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 4294967296\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 99999999999999999999999\r\n", BAD_CHUNK);
}

static void number_that_is_no_number_is_refused_with_its_value(void **state)
{
	(void) state;
	talk(fd, "set k -1 0 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "set k 4294967296 0 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "set k 0 soon 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "cas k 0 0 1 x\r\na\r\n", BAD_FORMAT);
	talk(fd, "touch k soon\r\n", "CLIENT_ERROR invalid exptime argument\r\n");
	talk(fd, "flush_all -1\r\n", BAD_FORMAT);
	talk(fd, "get k\r\n", "END\r\n");
}

static void key_of_250_bytes_is_the_longest(void **state)
{
	char key[252], text[600];

	(void) state;
	memset(key, 'k', sizeof(key));
	key[250] = '\0';
	snprintf(text, sizeof(text), "set %s 0 0 1\r\na\r\n", key);
	talk(fd, text, "STORED\r\n");
	snprintf(text, sizeof(text), "delete %s\r\n", key);
	talk(fd, text, "DELETED\r\n");

	memset(key, 'k', sizeof(key));
	key[251] = '\0';
	snprintf(text, sizeof(text), "set %s 0 0 1\r\na\r\n", key);
	talk(fd, text, BAD_FORMAT);
	snprintf(text, sizeof(text), "get ok %s\r\n", key);
	talk(fd, text, BAD_FORMAT);
	snprintf(text, sizeof(text), "incr %s 1\r\n", key);
	talk(fd, text, BAD_FORMAT);
}

static void value_of_the_wrong_length_is_dropped_up_to_its_line_end(void **state)
{
	(void) state;
	talk(fd, "set k 0 0 3\r\nabcdef\r\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 6\r\nabc\r\nxyz\r\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 3\r\nabcd\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 3 noreply\r\nabcdef\r\nget k\r\n", "END\r\n");
}

static void value_that_is_too_large_is_swallowed_and_the_old_one_gone(void **state)
{
	size_t len = (1 << 20) + 1;
	char *value = test_malloc(len);

	(void) state;
	memset(value, '\n', len);
	talk(fd, "set big 0 0 3\r\nold\r\n", "STORED\r\n");
	say(fd, "set big 0 0 1048577\r\n");
	assert_true(try_send(fd, value, len));
	talk(fd, "\r\nget big\r\n", TOO_LARGE "END\r\n");
	test_free(value);
}

static void value_may_not_grow_too_large_by_append(void **state)
{
	size_t len = 1 << 20;
	char *value = test_malloc(len);

	(void) state;
	memset(value, 'v', len);
	say(fd, "set big 7 0 1048576\r\n");
	assert_true(try_send(fd, value, len));
	talk(fd, "\r\n", "STORED\r\n");
	talk(fd, "append big 0 0 1\r\nx\r\n", TOO_LARGE);
	talk(fd, "prepend big 0 0 1\r\nx\r\n", TOO_LARGE);
	talk(fd, "delete big\r\n", "DELETED\r\n");
	test_free(value);
}

static void value_may_hold_any_byte(void **state)
{
	static const char text[] = "set k 5 0 6\r\n\0\r\nget\r\n";
	static const char reply[] = "STORED\r\nVALUE k 5 6\r\n\0\r\nget\r\nEND\r\n";
	char got[sizeof(reply)] = "";

	(void) state;
	assert_true(try_send(fd, text, sizeof(text) - 1));
	say(fd, "get k\r\n");
	assert_true(try_receive(fd, got, sizeof(reply) - 1));
	assert_memory_equal(got, reply, sizeof(reply) - 1);
	talk(fd, "set empty 0 0 0\r\n\r\nget empty\r\n",
		"STORED\r\nVALUE empty 0 0\r\n\r\nEND\r\n");
}

static void line_may_not_hold_a_nul(void **state)
{
	(void) state;
	assert_true(try_send(fd, "get a\0b\r\n", 9));
	expect(fd, BAD_FORMAT);
}

static void line_without_end_is_refused_once(void **state)
{
	size_t len = 1 << 20;
	char *line = test_malloc(len);

	(void) state;
	memset(line, 'x', len);
	assert_true(try_send(fd, line, len));
	talk(fd, "\r\nget k\r\n", "CLIENT_ERROR line too long\r\nEND\r\n");
	test_free(line);
}

static void multi_get_answers_in_order(void **state)
{
	(void) state;
	talk(fd, "set a 1 0 1\r\nA\r\n", "STORED\r\n");
	talk(fd, "set b 2 0 2\r\nBB\r\n", "STORED\r\n");
	talk(fd, "get b  none a b \r\n", "VALUE b 2 2\r\nBB\r\n"
		"VALUE a 1 1\r\nA\r\nVALUE b 2 2\r\nBB\r\nEND\r\n");
}

static void incr_wraps_and_decr_stops_at_zero(void **state)
{
	(void) state;
	talk(fd, "set n 3 0 20\r\n18446744073709551615\r\n", "STORED\r\n");
	talk(fd, "incr n 2\r\n", "1\r\n");
	talk(fd, "decr n 18446744073709551615\r\n", "0\r\n");
	talk(fd, "incr n 100\r\n", "100\r\n");
	talk(fd, "decr n 1\r\n", "99\r\n");
	talk(fd, "get n\r\n", "VALUE n 3 2\r\n99\r\nEND\r\n");
}

static void incr_wants_numbers(void **state)
{
	(void) state;
	talk(fd, "incr none 1\r\n", "NOT_FOUND\r\n");
	talk(fd, "set n 0 0 1\r\n1\r\n", "STORED\r\n");
	talk(fd, "incr n -1\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n");
	talk(fd, "incr n x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n");
	talk(fd, "incr n 18446744073709551616\r\n",
		"CLIENT_ERROR invalid numeric delta argument\r\n");
	talk(fd, "set n 0 0 2\r\n1x\r\n", "STORED\r\n");
	talk(fd, "incr n 1\r\n", NOT_A_NUMBER);
	talk(fd, "set n 0 0 20\r\n18446744073709551616\r\n", "STORED\r\n");
	talk(fd, "decr n 1\r\n", NOT_A_NUMBER);
	talk(fd, "set n 0 0 0\r\n\r\n", "STORED\r\n");
	talk(fd, "decr n 1\r\n", NOT_A_NUMBER);
}

static void append_keeps_the_old_flags(void **state)
{
	(void) state;
	talk(fd, "set k 7 0 1\r\nb\r\n", "STORED\r\n");
	talk(fd, "append k 9 0 1\r\nc\r\n", "STORED\r\n");
	talk(fd, "prepend k 9 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "get k\r\n", "VALUE k 7 3\r\nabc\r\nEND\r\n");
}

static void cas_of_a_key_that_is_not_there_is_not_found(void **state)
{
	(void) state;
	talk(fd, "cas none 0 0 1 1\r\na\r\n", "NOT_FOUND\r\n");
	talk(fd, "set k 0 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "cas k 0 0 1 18446744073709551615\r\nb\r\n", "EXISTS\r\n");
}

static void items_expire(void **state)
{
	(void) state;
	talk(fd, "set past 0 -1 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set y1970 0 2592001 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set second 0 2 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set long 0 100 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set century 0 9223372036854775807 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set touched 0 2 1\r\na\r\n", "STORED\r\n");
	talk(fd, "touch touched 100\r\n", "TOUCHED\r\n");
	talk(fd, "touch none 100\r\n", "NOT_FOUND\r\n");
	talk(fd, "get second past y1970\r\n", "VALUE second 0 1\r\na\r\nEND\r\n");
	usleep(2100 * 1000);
	talk(fd, "get second long century touched\r\n",
		"VALUE long 0 1\r\na\r\nVALUE century 0 1\r\na\r\n"
		"VALUE touched 0 1\r\na\r\nEND\r\n");
	talk(fd, "add second 0 0 1\r\nb\r\n", "STORED\r\n");
}

static uint64_t msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void flush_all_may_wait(void **state)
{
	uint64_t began = msec();
	char line[64];
	int looks;

	(void) state;
	talk(fd, "set k 0 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "flush_all 1\r\n", "OK\r\n");
	/* Looks and not time: a moment without a processor takes one look. */
	for (looks = 0; looks < 50; looks++) {
		say(fd, "get k\r\n");
		assert_true(try_receive_line(fd, line, sizeof(line)));
		if (!strcmp(line, "END"))
			break;
		expect(fd, "a\r\nEND\r\n");
		usleep(100 * 1000);
	}
	assert_true(looks < 50);
	/* The daemon's clock counts whole seconds. */
	assert_true(msec() - began >= 500);
	talk(fd, "set k 0 0 1\r\na\r\nget k\r\n",
		"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n");
}

static void noreply_is_silent(void **state)
{
	(void) state;
	talk(fd, "set k 0 0 1 noreply\r\n1\r\n"
		"incr k 1 noreply\r\n"
		"append k 0 0 1 noreply\r\n3\r\n"
		"touch k 10 noreply\r\n"
		"verbosity 1 noreply\r\n"
		"cas k 0 0 1 1 noreply\r\nx\r\n"
		"delete none noreply\r\n"
		"get k\r\n", "VALUE k 0 2\r\n23\r\nEND\r\n");
}

static void stats_show_the_librarys_counters(void **state)
{
	uint64_t queued = daemon_stat(&the_daemon, "kvfree_queued");

	(void) state;
	talk(fd, "set counted 0 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "set counted 0 0 1\r\nb\r\n", "STORED\r\n");
	talk(fd, "delete counted\r\n", "DELETED\r\n");
	/* At least: the daemon removes what was flushed whenever it likes. */
	assert_true(daemon_stat(&the_daemon, "kvfree_queued") >= queued + 2);
	assert_true(daemon_stat(&the_daemon, "kvfree_freed") <=
		daemon_stat(&the_daemon, "kvfree_queued"));
	daemon_stat(&the_daemon, "kvfree_pending");
	daemon_stat(&the_daemon, "kvfree_pages");
	daemon_stat(&the_daemon, "kvfree_emergency");
}

static void quit_closes_after_the_replies(void **state)
{
	int other = daemon_connect(&the_daemon);

	(void) state;
	talk(other, "get a\r\nget b\r\nquit\r\nget c\r\n", "END\r\nEND\r\n");
	expect_end(other);
	close(other);
}

static void client_that_only_shuts_its_writing_end_gets_its_replies(void **state)
{
	int other = daemon_connect(&the_daemon);

	(void) state;
	say(other, "get a\r\nget b\r\nget unfinished");
	assert_int_equal(shutdown(other, SHUT_WR), 0);
	expect(other, "END\r\nEND\r\n");
	expect_end(other);
	close(other);
}

#define TEST(name)							\
	cmocka_unit_test_setup_teardown(name, open_connection, close_connection)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(command_it_does_not_know_is_an_error),
		TEST(wrong_number_of_words_is_an_error),
		TEST(length_that_is_no_length_is_refused),
		TEST(number_that_is_no_number_is_refused_with_its_value),
		TEST(key_of_250_bytes_is_the_longest),
		TEST(value_of_the_wrong_length_is_dropped_up_to_its_line_end),
		TEST(value_that_is_too_large_is_swallowed_and_the_old_one_gone),
		TEST(value_may_not_grow_too_large_by_append),
		TEST(value_may_hold_any_byte),
		TEST(line_may_not_hold_a_nul),
		TEST(line_without_end_is_refused_once),
		TEST(multi_get_answers_in_order),
		TEST(incr_wraps_and_decr_stops_at_zero),
		TEST(incr_wants_numbers),
		TEST(append_keeps_the_old_flags),
		TEST(cas_of_a_key_that_is_not_there_is_not_found),
		TEST(items_expire),
		TEST(flush_all_may_wait),
		TEST(noreply_is_silent),
		TEST(stats_show_the_librarys_counters),
		TEST(quit_closes_after_the_replies),
		TEST(client_that_only_shuts_its_writing_end_gets_its_replies),
	};

	alarm(HANGS_AFTER_SEC);
	return cmocka_run_group_tests(tests, start, stop);
}
