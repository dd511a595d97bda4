/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * server.c - the listening socket, and the main thread's event loop
 */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "metrics.h"
#include "worker.h"

struct server {
	struct service service;
	unsigned int max_connections;
	struct event_base *base;
	struct evconnlistener *listener;
	struct evhttp *metrics;		/* NULL for none */
	struct event *sigterm, *sigint, *tick;
	unsigned int next_worker;
	unsigned int nr_workers;
	struct worker workers[];
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t socket,
		struct sockaddr *address, int len, void *arg)
{
	static const char busy[] = "SERVER_ERROR too many open connections\r\n";
	struct server *server = arg;
	struct service *service = &server->service;
	unsigned int worker = server->next_worker++ % server->nr_workers;

	(void) listener;
	(void) address;
	(void) len;
	/* Relaxed: this thread alone adds, and nothing else hangs on them. */
	__atomic_add_fetch(&service->accepted, 1, __ATOMIC_RELAXED);
	if (__atomic_add_fetch(&service->connections, 1, __ATOMIC_RELAXED) <=
	    server->max_connections &&
	    !worker_give(&server->workers[worker], socket))
		return;
	__atomic_sub_fetch(&service->connections, 1, __ATOMIC_RELAXED);
	send(socket, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(socket);
}

/* Out of descriptors, most likely: rest until the next tick. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	(void) arg;
	evconnlistener_disable(listener);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void) fd;
	(void) what;
	store_tick(server->service.store);
	evconnlistener_enable(server->listener);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	event_base_loopbreak(arg);
}

/* ------------------------------------------------------------------ */

static struct evconnlistener *listen_at(struct server *server,
		const struct addrinfo *where)
{
	struct evconnlistener *listener = evconnlistener_new_bind(server->base,
			on_accept, server, LEV_OPT_CLOSE_ON_FREE |
			LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1,
			where->ai_addr, where->ai_addrlen);

	if (listener)
		evconnlistener_set_error_cb(listener, on_accept_error);
	return listener;
}

static int server_listen(struct server *server,
		const struct server_config *config)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list, *where;
	int err = getaddrinfo(config->address, config->port, &hints, &list);

	if (err) {
		fprintf(stderr, "kvcached: %s port %s: %s\n", config->address,
			config->port, gai_strerror(err));
		return -1;
	}
	for (where = list; where && !server->listener; where = where->ai_next)
		server->listener = listen_at(server, where);
	err = errno;
	freeaddrinfo(list);
	if (server->listener)
		return 0;
	fprintf(stderr, "kvcached: cannot listen on %s port %s: %s\n",
		config->address, config->port, strerror(err));
	return -1;
}

static int server_announce(struct server *server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(evconnlistener_get_fd(server->listener),
			(struct sockaddr *) &address, &len) ||
	    getnameinfo((struct sockaddr *) &address, len, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return -1;
	printf("kvcached: listening on %s port %s\n", host, port);
	return fflush(stdout);
}

static int server_events(struct server *server)
{
	static const struct timeval second = { .tv_sec = 1 };

	server->sigterm = evsignal_new(server->base, SIGTERM, on_signal,
			server->base);
	server->sigint = evsignal_new(server->base, SIGINT, on_signal,
			server->base);
	server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
	if (!server->sigterm || !server->sigint || !server->tick ||
	    event_add(server->sigterm, NULL) ||
	    event_add(server->sigint, NULL) ||
	    event_add(server->tick, &second)) {
		fputs("kvcached: cannot set up the event loop\n", stderr);
		return -1;
	}
	return 0;
}

static int server_start_workers(struct server *server, unsigned int threads)
{
	while (server->nr_workers < threads) {
		struct worker *worker = &server->workers[server->nr_workers];

		if (worker_start(worker, &server->service)) {
			fprintf(stderr, "kvcached: cannot start a thread: %s\n",
				strerror(errno));
			return -1;
		}
		server->nr_workers++;
	}
	return 0;
}

static int server_metrics(struct server *server, int port)
{
	if (port < 0)
		return 0;
	server->metrics = metrics_start(server->base, port);
	return server->metrics ? 0 : -1;
}

struct server *server_start(const struct server_config *config,
		struct store *store)
{
	struct server *server = calloc(1, sizeof(*server) +
			config->threads * sizeof(server->workers[0]));

	if (!server) {
		fputs("kvcached: out of memory\n", stderr);
		return NULL;
	}
	server->service.store = store;
	server->service.threads = config->threads;
	server->service.stall_sec = config->stall_sec;
	server->service.started = time(NULL);
	server->max_connections = config->max_connections;
	server->base = event_base_new();
	if (server->base && !server_events(server) &&
	    !server_listen(server, config) &&
	    !server_start_workers(server, config->threads) &&
	    !server_announce(server) &&
	    !server_metrics(server, config->metrics_port))
		return server;
	server_stop(server);
	return NULL;
}

int server_run(struct server *server)
{
	if (event_base_dispatch(server->base) < 0) {
		fputs("kvcached: the event loop failed\n", stderr);
		return -1;
	}
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void server_stop(struct server *server)
{
	if (server->listener)
		evconnlistener_free(server->listener);
	if (server->metrics)
		evhttp_free(server->metrics);
	while (server->nr_workers)
		worker_stop(&server->workers[--server->nr_workers]);
	free_event(server->tick);
	free_event(server->sigint);
	free_event(server->sigterm);
	if (server->base)
		event_base_free(server->base);
	free(server);
}
