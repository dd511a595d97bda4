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

FIXTURE(start)
{
	daemon_start(&the_daemon, NULL);
	return 0;
}

FIXTURE(stop)
{
	return daemon_stop(&the_daemon) ||
		the_daemon.queued != the_daemon.freed;
}

FIXTURE(open_connection)
{
	fd = daemon_connect(&the_daemon);
	talk(fd, "flush_all\r\n", "OK\r\n");
	return 0;
}

/* Whatever the test sent: the daemon still answers, on this connection. */
FIXTURE(close_connection)
{
	char line[64];

	say(fd, "version\r\n");
	if (!try_receive_line(fd, line, sizeof(line)) ||
	    strncmp(line, "VERSION ", 8)) {
		print_error("got \"%s\" for a version\n", line);
		return -1;
	}
	close(fd);
	return 0;
}

TEST(command_it_does_not_know_is_an_error)
{
	talk(fd, "\r\n", "ERROR\r\n");
	talk(fd, "   \r\n", "ERROR\r\n");
	talk(fd, "frobnicate\r\n", "ERROR\r\n");
	talk(fd, "GET k\r\n", "ERROR\r\n");
	talk(fd, "get\n", "ERROR\r\n");
	talk(fd, "\n", "ERROR\r\n");
}

TEST(wrong_number_of_words_is_an_error)
{
	talk(fd, "set k 0 0\r\n", "ERROR\r\n");
	talk(fd, "set k 0 0 1 2 3 4 5 6 7 8 9\r\n", "ERROR\r\n");
	talk(fd, "cas k 0 0 1\r\n", "ERROR\r\n");
	talk(fd, "incr k\r\n", "ERROR\r\n");
	talk(fd, "touch k\r\n", "ERROR\r\n");
	talk(fd, "delete\r\n", "ERROR\r\n");
	talk(fd, "delete noreply\r\n", "ERROR\r\n");
	talk(fd, "quit now\r\n", "ERROR\r\n");
}

TEST(length_that_is_no_length_is_refused)
{
	talk(fd, "set k 0 0 -1\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 -2147483648\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 x\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 1x\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 +1\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 2147483647\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 4294967296\r\n", BAD_CHUNK);
	talk(fd, "set k 0 0 99999999999999999999999\r\n", BAD_CHUNK);
}

TEST(number_that_is_no_number_is_refused_with_its_value)
{
	talk(fd, "set k -1 0 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "set k 4294967296 0 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "set k 0 soon 1\r\na\r\n", BAD_FORMAT);
	talk(fd, "cas k 0 0 1 x\r\na\r\n", BAD_FORMAT);
	talk(fd, "touch k soon\r\n", "CLIENT_ERROR invalid exptime argument\r\n");
	talk(fd, "flush_all -1\r\n", BAD_FORMAT);
	talk(fd, "get k\r\n", "END\r\n");
}

TEST(key_of_250_bytes_is_the_longest)
{
	char key[252], text[600];

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

TEST(value_of_the_wrong_length_is_dropped_up_to_its_line_end)
{
	talk(fd, "set k 0 0 3\r\nabcdef\r\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 6\r\nabc\r\nxyz\r\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 3\r\nabcd\nget k\r\n", BAD_CHUNK "END\r\n");
	talk(fd, "set k 0 0 3 noreply\r\nabcdef\r\nget k\r\n", "END\r\n");
}

TEST(value_that_is_too_large_is_swallowed_and_the_old_one_gone)
{
	size_t len = (1 << 20) + 1;
	char *value = test_malloc(len);

	memset(value, '\n', len);
	talk(fd, "set big 0 0 3\r\nold\r\n", "STORED\r\n");
	say(fd, "set big 0 0 1048577\r\n");
	assert_true(try_send(fd, value, len));
	talk(fd, "\r\nget big\r\n", TOO_LARGE "END\r\n");
	test_free(value);
}

TEST(value_may_not_grow_too_large_by_append)
{
	size_t len = 1 << 20;
	char *value = test_malloc(len);

	memset(value, 'v', len);
	say(fd, "set big 7 0 1048576\r\n");
	assert_true(try_send(fd, value, len));
	talk(fd, "\r\n", "STORED\r\n");
	talk(fd, "append big 0 0 1\r\nx\r\n", TOO_LARGE);
	talk(fd, "prepend big 0 0 1\r\nx\r\n", TOO_LARGE);
	talk(fd, "delete big\r\n", "DELETED\r\n");
	test_free(value);
}

TEST(value_may_hold_any_byte)
{
	static const char text[] = "set k 5 0 6\r\n\0\r\nget\r\n";
	static const char reply[] = "STORED\r\nVALUE k 5 6\r\n\0\r\nget\r\nEND\r\n";
	char got[sizeof(reply)] = "";

	assert_true(try_send(fd, text, sizeof(text) - 1));
	say(fd, "get k\r\n");
	assert_true(try_receive(fd, got, sizeof(reply) - 1));
	assert_memory_equal(got, reply, sizeof(reply) - 1);
	talk(fd, "set empty 0 0 0\r\n\r\nget empty\r\n",
		"STORED\r\nVALUE empty 0 0\r\n\r\nEND\r\n");
}

TEST(line_may_not_hold_a_nul)
{
	assert_true(try_send(fd, "get a\0b\r\n", 9));
	expect(fd, BAD_FORMAT);
}

TEST(line_without_end_is_refused_once)
{
	size_t len = 1 << 20;
	char *line = test_malloc(len);

	memset(line, 'x', len);
	assert_true(try_send(fd, line, len));
	talk(fd, "\r\nget k\r\n", "CLIENT_ERROR line too long\r\nEND\r\n");
	test_free(line);
}

TEST(multi_get_answers_in_order)
{
	talk(fd, "set a 1 0 1\r\nA\r\n", "STORED\r\n");
	talk(fd, "set b 2 0 2\r\nBB\r\n", "STORED\r\n");
	talk(fd, "get b  none a b \r\n", "VALUE b 2 2\r\nBB\r\n"
		"VALUE a 1 1\r\nA\r\nVALUE b 2 2\r\nBB\r\nEND\r\n");
}

TEST(incr_wraps_and_decr_stops_at_zero)
{
	talk(fd, "set n 3 0 20\r\n18446744073709551615\r\n", "STORED\r\n");
	talk(fd, "incr n 2\r\n", "1\r\n");
	talk(fd, "decr n 18446744073709551615\r\n", "0\r\n");
	talk(fd, "incr n 100\r\n", "100\r\n");
	talk(fd, "decr n 1\r\n", "99\r\n");
	talk(fd, "get n\r\n", "VALUE n 3 2\r\n99\r\nEND\r\n");
}

TEST(incr_wants_numbers)
{
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

TEST(append_keeps_the_old_flags)
{
	talk(fd, "set k 7 0 1\r\nb\r\n", "STORED\r\n");
	talk(fd, "append k 9 0 1\r\nc\r\n", "STORED\r\n");
	talk(fd, "prepend k 9 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "get k\r\n", "VALUE k 7 3\r\nabc\r\nEND\r\n");
}

TEST(cas_of_a_key_that_is_not_there_is_not_found)
{
	talk(fd, "cas none 0 0 1 1\r\na\r\n", "NOT_FOUND\r\n");
	talk(fd, "set k 0 0 1\r\na\r\n", "STORED\r\n");
	talk(fd, "cas k 0 0 1 18446744073709551615\r\nb\r\n", "EXISTS\r\n");
}

TEST(items_expire)
{
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

TEST(flush_all_may_wait)
{
	uint64_t began = msec();
	char line[64];
	int looks;

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

TEST(noreply_is_silent)
{
	talk(fd, "set k 0 0 1 noreply\r\n1\r\n"
		"incr k 1 noreply\r\n"
		"append k 0 0 1 noreply\r\n3\r\n"
		"touch k 10 noreply\r\n"
		"verbosity 1 noreply\r\n"
		"cas k 0 0 1 1 noreply\r\nx\r\n"
		"delete none noreply\r\n"
		"get k\r\n", "VALUE k 0 2\r\n23\r\nEND\r\n");
}

TEST(stats_show_the_librarys_counters)
{
	uint64_t queued = daemon_stat(&the_daemon, "kvfree_queued");

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

TEST(quit_closes_after_the_replies)
{
	int other = daemon_connect(&the_daemon);

	talk(other, "get a\r\nget b\r\nquit\r\nget c\r\n", "END\r\nEND\r\n");
	expect_end(other);
	close(other);
}

TEST(client_that_only_shuts_its_writing_end_gets_its_replies)
{
	int other = daemon_connect(&the_daemon);

	say(other, "get a\r\nget b\r\nget unfinished");
	assert_int_equal(shutdown(other, SHUT_WR), 0);
	expect(other, "END\r\nEND\r\n");
	expect_end(other);
	close(other);
}

#define ENTRY(name)							\
	cmocka_unit_test_setup_teardown(name, open_connection, close_connection)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENTRY(command_it_does_not_know_is_an_error),
		ENTRY(wrong_number_of_words_is_an_error),
		ENTRY(length_that_is_no_length_is_refused),
		ENTRY(number_that_is_no_number_is_refused_with_its_value),
		ENTRY(key_of_250_bytes_is_the_longest),
		ENTRY(value_of_the_wrong_length_is_dropped_up_to_its_line_end),
		ENTRY(value_that_is_too_large_is_swallowed_and_the_old_one_gone),
		ENTRY(value_may_not_grow_too_large_by_append),
		ENTRY(value_may_hold_any_byte),
		ENTRY(line_may_not_hold_a_nul),
		ENTRY(line_without_end_is_refused_once),
		ENTRY(multi_get_answers_in_order),
		ENTRY(incr_wraps_and_decr_stops_at_zero),
		ENTRY(incr_wants_numbers),
		ENTRY(append_keeps_the_old_flags),
		ENTRY(cas_of_a_key_that_is_not_there_is_not_found),
		ENTRY(items_expire),
		ENTRY(flush_all_may_wait),
		ENTRY(noreply_is_silent),
		ENTRY(stats_show_the_librarys_counters),
		ENTRY(quit_closes_after_the_replies),
		ENTRY(client_that_only_shuts_its_writing_end_gets_its_replies),
	};

	if (!daemon_can_be_reached())
		return 77;
	alarm(HANGS_AFTER_SEC);
	return cmocka_run_group_tests(tests, start, stop);
}
