/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * worker.c - threads, and the connections each of them serves
 *
 * Back-pressure. A connection reads no more than INPUT_HIGH ahead of what it has
 * processed, and stops processing when OUTPUT_HIGH bytes of replies wait for a
 * client that does not read; that client's own socket then fills up, and it
 * has to wait. A client that does not read its replies is closed after service->stall_sec.
 *
 * A command has to be there in time, however its bytes come: stall_sec from its
 * first byte on, and a second more for each RATE_MIN bytes of a value. Else a client could
 * hold the memory of a value by a byte now and then.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <urcu.h>	/* a flavor first, then */
#include <urcu/kvfree.h>

#include "worker.h"

#define INPUT_HIGH	(64 * 1024)
#define OUTPUT_LOW	(OUTPUT_HIGH / 2)
#define RATE_MIN	(64 * 1024)

struct conn {
	struct worker *worker;
	struct cds_list_head list;	/* in worker->conns */
	struct bufferevent *bev;
	struct event *deadline;		/* for the command at hand */
	bool awaited;			/* it is set, */
	uint64_t line;			/* in this command */
	bool closing;			/* once the replies are sent */
	struct session session;
};

/* ------------------------------------------------------------------ */
/* Connections                                                        */

static void conn_free(struct conn *conn)
{
	struct service *service = conn->worker->service;

	cds_list_del(&conn->list);
	session_fini(&conn->session);
	event_free(conn->deadline);
	/* Before the client sees the end and comes again. Relaxed: the socket orders it. */
	__atomic_sub_fetch(&service->connections, 1, __ATOMIC_RELAXED);
	bufferevent_free(conn->bev);	/* and the socket with it */
	free(conn);
}

/* What is still to come of the command at hand must come in time. */
static void await_command(struct conn *conn)
{
	const struct session *session = &conn->session;
	struct timeval time = {
		.tv_sec = conn->worker->service->stall_sec +
			session_awaits(session) / RATE_MIN,
	};

	if (conn->awaited && conn->line == session->lines)
		return;
	conn->awaited = true;
	conn->line = session->lines;
	/* From now on, however long the commands before it took. */
	event_base_update_cache_time(conn->worker->base);
	event_add(conn->deadline, &time);
}

static void await_nothing(struct conn *conn)
{
	if (conn->awaited)
		event_del(conn->deadline);
	conn->awaited = false;
}

/* Send what there is to send, then close. May free @conn. */
static void conn_close(struct conn *conn)
{
	conn->closing = true;
	await_nothing(conn);
	bufferevent_disable(conn->bev, EV_READ);
	bufferevent_setwatermark(conn->bev, EV_WRITE, 0, 0);
	if (!evbuffer_get_length(bufferevent_get_output(conn->bev)))
		conn_free(conn);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void) fd;
	(void) what;
	conn_free(arg);
}

static void conn_run(struct conn *conn)
{
	switch (session_run(&conn->session)) {
	case SESSION_WANTS_INPUT:
		if (session_is_midway(&conn->session))
			await_command(conn);
		else
			await_nothing(conn);
		bufferevent_enable(conn->bev, EV_READ);
		break;
	case SESSION_WANTS_OUTPUT:
		/* on_write() goes on from here. */
		await_nothing(conn);
		bufferevent_disable(conn->bev, EV_READ);
		break;
	case SESSION_WANTS_CLOSE:
		conn_close(conn);
		break;
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *conn = arg;

	(void) bev;
	if (!conn->closing)
		conn_run(conn);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct conn *conn = arg;

	(void) bev;
	if (conn->closing)
		conn_free(conn);
	else
		conn_run(conn);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *conn = arg;

	(void) bev;
	/* A client that has said all may still want to read its replies. */
	if (what & BEV_EVENT_EOF && !conn->closing)
		conn_close(conn);
	else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
		conn_free(conn);
}

static int conn_start(struct worker *worker, int socket)
{
	const struct timeval stall = { .tv_sec = worker->service->stall_sec };
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return -1;
	conn->worker = worker;
	conn->deadline = evtimer_new(worker->base, on_deadline, conn);
	if (conn->deadline)
		conn->bev = bufferevent_socket_new(worker->base, socket,
				BEV_OPT_CLOSE_ON_FREE);
	if (!conn->bev) {
		if (conn->deadline)
			event_free(conn->deadline);
		free(conn);
		return -1;
	}
	session_init(&conn->session, worker->service,
			bufferevent_get_input(conn->bev),
			bufferevent_get_output(conn->bev));
	cds_list_add(&conn->list, &worker->conns);
	bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, INPUT_HIGH);
	bufferevent_setwatermark(conn->bev, EV_WRITE, OUTPUT_LOW, 0);
	bufferevent_set_timeouts(conn->bev, NULL, &stall);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The thread                                                         */

static void on_pipe(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	int socket;
	ssize_t n = read(fd, &socket, sizeof(socket));

	(void) what;
	if (n == (ssize_t) sizeof(socket)) {
		if (conn_start(worker, socket)) {
			__atomic_sub_fetch(&worker->service->connections, 1,
					__ATOMIC_RELAXED);
			close(socket);
		}
	} else if (n == 0) {
		event_base_loopbreak(worker->base);
	}
}

/*
 * A thread that reads under rcu_read_lock() registers with liburcu. To register
 * with liburcu-kvfree as well is not needed; it makes the very first
 * urcu_kvfree_rcu() of the thread as quick as the others. Should there be no
 * memory for it, calls work all the same.
 */
static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct conn *conn, *next;

	rcu_register_thread();
	(void) urcu_kvfree_register_thread();
	event_base_dispatch(worker->base);
	cds_list_for_each_entry_safe(conn, next, &worker->conns, list)
		conn_free(conn);
	urcu_kvfree_unregister_thread();
	rcu_unregister_thread();
	return NULL;
}

static int worker_prepare(struct worker *worker, int pipe_fds[2])
{
	struct event *event;

	worker->pipe_out = pipe_fds[0];
	worker->pipe_in = pipe_fds[1];
	worker->base = event_base_new();
	if (!worker->base)
		return -1;
	event = event_new(worker->base, worker->pipe_out, EV_READ | EV_PERSIST,
			on_pipe, worker);
	if (event && !event_add(event, NULL)) {
		worker->pipe_event = event;
		return 0;
	}
	if (event)
		event_free(event);
	event_base_free(worker->base);
	return -1;
}

static void worker_clean(struct worker *worker)
{
	event_free(worker->pipe_event);
	event_base_free(worker->base);
	close(worker->pipe_out);
}

int worker_start(struct worker *worker, struct service *service)
{
	int pipe_fds[2];
	int err;

	worker->service = service;
	CDS_INIT_LIST_HEAD(&worker->conns);
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
		return -1;
	if (worker_prepare(worker, pipe_fds)) {
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		errno = ENOMEM;
		return -1;
	}
	err = pthread_create(&worker->thread, NULL, worker_main, worker);
	if (err) {
		worker_clean(worker);
		close(worker->pipe_in);
		errno = err;
		return -1;
	}
	return 0;
}

int worker_give(struct worker *worker, int socket)
{
	ssize_t n;

	do
		n = write(worker->pipe_in, &socket, sizeof(socket));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t) sizeof(socket) ? 0 : -1;
}

void worker_stop(struct worker *worker)
{
	close(worker->pipe_in);
	pthread_join(worker->thread, NULL);
	worker_clean(worker);
}
