/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_WORKER_H
#define KVCACHED_WORKER_H

#include <pthread.h>

#include "proto.h"

/*
 * worker.h - a thread that serves connections
 *
 * Sockets come to it through a pipe, one int each. Closing the pipe tells it to
 * close its connections and end.
 */
struct worker {
	pthread_t thread;
	int pipe_in;			/* main thread: sockets go in here */
	int pipe_out;			/* worker: and come out here */
	struct service *service;
	struct event_base *base;	/* worker only */
	struct event *pipe_event;	/* read-only */
	struct cds_list_head conns;	/* worker only */
};

/* Returns 0, or -1 with errno. */
int worker_start(struct worker *worker, struct service *service);

/* Returns 0, or -1 when the worker is too busy to take it. */
int worker_give(struct worker *worker, int socket);

void worker_stop(struct worker *worker);

#endif /* KVCACHED_WORKER_H */
