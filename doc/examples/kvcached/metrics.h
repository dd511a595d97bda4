/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_METRICS_H
#define KVCACHED_METRICS_H

/*
 * metrics.h - liburcu-kvfree's counters for Prometheus
 *
 * http://127.0.0.1:PORT/metrics, in the text format 0.0.4. It knows nothing of the rest
 * of kvcached and can be copied into any program with a libevent loop.
 */

struct event_base;
struct evhttp;

/*
 * Listens at @port of the loopback address, or at one that is free if that is 0; says on
 * stdout where. Returns what evhttp_free() takes, or NULL after a message on stderr.
 */
struct evhttp *metrics_start(struct event_base *base, int port);

#endif /* KVCACHED_METRICS_H */
