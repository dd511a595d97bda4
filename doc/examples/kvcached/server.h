/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_SERVER_H
#define KVCACHED_SERVER_H

/*
 * server.h - sockets and threads
 *
 * The main thread accepts. Each worker thread has an event loop of its own
 * and serves the connections that the main thread gave it, to their end.
 */

#include "proto.h"

struct server_config {
	const char *address;
	const char *port;
	unsigned int threads;
	unsigned int max_connections;
	unsigned int stall_sec;		/* how slow a client may be */
	int metrics_port;		/* -1 for no metrics */
};

struct server;

/*
 * Binds the socket and starts the workers; says on stdout where it listens.
 * Returns NULL after a message on stderr.
 */
struct server *server_start(const struct server_config *config,
		struct store *store);

/* Serves until SIGTERM or SIGINT. Returns 0, or -1 after a message. */
int server_run(struct server *server);

/* Closes all connections and joins the workers. */
void server_stop(struct server *server);

#endif /* KVCACHED_SERVER_H */
