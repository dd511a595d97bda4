/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef TESTS_KVCACHED_DAEMON_H
#define TESTS_KVCACHED_DAEMON_H

/*
 * daemon.h - start kvcached, talk to it, stop it
 *
 * Everything here fails the running test by itself, and must therefore be
 * called from the main thread; the functions that begin with try_ may be
 * called from any thread and tell of a failure.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "cmocka-all.h"

/* A test program that takes so long hangs. */
#define HANGS_AFTER_SEC	600

struct daemon {
	pid_t pid;
	int port;
	int out;		/* its stdout */
	uint64_t queued, freed;	/* its last words, after daemon_stop() */
};

/* @args: extra options, ended by NULL, or NULL for none. */
void daemon_start(struct daemon *daemon, const char *const *args);
/* The next line that it writes to its stdout. */
void daemon_line(const struct daemon *daemon, char *line, size_t size);
/* SIGTERM; returns its exit status. */
int daemon_stop(struct daemon *daemon);
/* Runs it with @args alone and returns its exit status. */
int daemon_exit_status(const char *const *args);
/* Resident memory, in bytes. */
size_t daemon_rss(const struct daemon *daemon);

/* Whether a daemon can be reached; says so if not: a builder may have no network at all. */
bool daemon_can_be_reached(void);
/* A connection, or -1. All reads on it give up after some seconds. */
int try_connect(const struct daemon *daemon);
int try_connect_port(int port);
bool try_send(int fd, const void *bytes, size_t len);
/* Reads exactly @len bytes. */
bool try_receive(int fd, void *bytes, size_t len);
/* Reads one line, at most @size - 1 bytes, without its "\r\n". */
bool try_receive_line(int fd, char *line, size_t size);

int daemon_connect(const struct daemon *daemon);
void say(int fd, const char *text);
void expect(int fd, const char *reply);
/* say(), then expect(). */
void talk(int fd, const char *text, const char *reply);
/* The other end is closed, and no byte is left to read. */
void expect_end(int fd);
/* The value of one of its statistics. */
uint64_t daemon_stat(const struct daemon *daemon, const char *name);

#endif /* TESTS_KVCACHED_DAEMON_H */
