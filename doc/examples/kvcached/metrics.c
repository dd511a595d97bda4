/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * metrics.c - liburcu-kvfree's counters for Prometheus
 *
 * What to watch: pending objects and bytes, which a reader that does not leave its section
 * lets grow; the age of the oldest, which grows with them; and emergency beside queued, the
 * share of raw calls that found no page.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <urcu.h>	/* a flavor first, then */
#include <urcu/kvfree.h>

#define ADDRESS		"127.0.0.1"
#define IDLE_SEC	30
#define REQUEST_MAX	8192

/* ------------------------------------------------------------------ */
/* The page                                                           */

struct metric {
	const char *name;
	const char *type;	/* a counter only grows, a gauge is as it is now */
	const char *help;
	size_t member;		/* of struct urcu_kvfree_stats */
	unsigned int per_unit;	/* Prometheus wants seconds, not milliseconds */
};

#define MEMBER(name)	offsetof(struct urcu_kvfree_stats, name), 1
#define MSEC(name)	offsetof(struct urcu_kvfree_stats, name), 1000

static const struct metric metrics[] = {
	{ "kvfree_queued_total", "counter", "Objects accepted.", MEMBER(queued) },
	{ "kvfree_freed_total", "counter", "Objects freed or recycled.", MEMBER(freed) },
	{ "kvfree_pending_objects", "gauge", "Objects queued and not freed.",
		MEMBER(pending) },
	{ "kvfree_pending_bytes", "gauge", "Size of pending objects, an estimate.",
		MEMBER(pending_bytes) },
	{ "kvfree_oldest_seconds", "gauge", "Age of the oldest pending page.",
		MSEC(oldest_msec) },
	{ "kvfree_emergency_total", "counter",
		"Objects that went to the emergency list.", MEMBER(emergency) },
	{ "kvfree_inline_freed_total", "counter",
		"Objects freed by their caller without memory for a page.",
		MEMBER(inline_freed) },
	{ "kvfree_owner_freed_total", "counter",
		"Objects freed by the thread that queued them.", MEMBER(owner_freed) },
	{ "kvfree_recycled_total", "counter",
		"Objects that urcu_kvmalloc() returned again.", MEMBER(recycled) },
	{ "kvfree_leaked_total", "counter",
		"Objects kept on purpose, after double frees and failed checks.",
		MEMBER(leaked) },
	{ "kvfree_grace_periods_total", "counter", "Grace periods run.",
		MEMBER(grace_periods) },
	{ "kvfree_helped_grace_periods_total", "counter",
		"Grace periods run by clean callers.", MEMBER(helped) },
	{ "kvfree_longest_grace_period_seconds", "gauge",
		"The longest grace period so far.", MSEC(grace_period_msec) },
	{ "kvfree_kicks_total", "counter",
		"Grace periods that raw calls asked for.", MEMBER(kicks) },
	{ "kvfree_pages", "gauge", "Pages of pointers that exist.", MEMBER(pages) },
	{ "kvfree_cached_pages", "gauge", "Empty pages in the caches of threads.",
		MEMBER(cached_pages) },
	{ "kvfree_pages_allocated_total", "counter", "Pages ever allocated.",
		MEMBER(pages_allocated) },
	{ "kvfree_refills_total", "counter", "Refills of page caches that ran.",
		MEMBER(refills) },
	{ "kvfree_refill_failures_total", "counter",
		"Refills for which there was no memory.", MEMBER(refill_failures) },
	{ "kvfree_threads", "gauge", "Thread records in use.", MEMBER(threads) },
	{ "kvfree_large_bytes", "gauge", "Memory of urcu_kvmalloc() outside malloc().",
		MEMBER(large_bytes) },
};

static void add_metric(struct evbuffer *page, const struct metric *metric,
		const struct urcu_kvfree_stats *stats)
{
	uint64_t value;

	memcpy(&value, (const char *) stats + metric->member, sizeof(value));
	evbuffer_add_printf(page, "# HELP %s %s\n# TYPE %s %s\n%s ", metric->name,
		metric->help, metric->name, metric->type, metric->name);
	if (metric->per_unit == 1)
		evbuffer_add_printf(page, "%" PRIu64 "\n", value);
	else
		evbuffer_add_printf(page, "%.3f\n", (double) value / metric->per_unit);
}

/* Prometheus's own name for it. */
static void add_resident_memory(struct evbuffer *page)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages;

	if (!file)
		return;
	if (fscanf(file, "%*u %" SCNu64, &pages) == 1)
		evbuffer_add_printf(page,
			"# HELP process_resident_memory_bytes Resident memory size.\n"
			"# TYPE process_resident_memory_bytes gauge\n"
			"process_resident_memory_bytes %" PRIu64 "\n",
			pages * sysconf(_SC_PAGESIZE));
	fclose(file);
}

/* ------------------------------------------------------------------ */
/* HTTP                                                               */

static void on_metrics(struct evhttp_request *request, void *arg)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *page = evhttp_request_get_output_buffer(request);
	struct urcu_kvfree_stats stats;

	(void) arg;
	if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) {
		evhttp_add_header(headers, "Allow", "GET");
		evhttp_send_reply(request, 405, "Method Not Allowed", NULL);
		return;
	}
	/* Members that an older library does not know are zero. */
	if (urcu_kvfree_get_stats(&stats, sizeof(stats))) {
		evhttp_send_reply(request, HTTP_INTERNAL, "Internal Server Error", NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		add_metric(page, &metrics[i], &stats);
	add_resident_memory(page);
	evhttp_add_header(headers, "Content-Type",
		"text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

static void on_other_path(struct evhttp_request *request, void *arg)
{
	(void) arg;
	evhttp_send_reply(request, HTTP_NOTFOUND, "Not Found", NULL);
}

static int announce(evutil_socket_t socket)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	if (getsockname(socket, (struct sockaddr *) &address, &len))
		return -1;
	printf("kvcached: metrics on http://" ADDRESS ":%d/metrics\n",
		ntohs(address.sin_port));
	return fflush(stdout);
}

struct evhttp *metrics_start(struct event_base *base, int port)
{
	struct evhttp *http = evhttp_new(base);
	struct evhttp_bound_socket *bound;

	if (!http) {
		fputs("kvcached: out of memory\n", stderr);
		return NULL;
	}
	evhttp_set_timeout(http, IDLE_SEC);
	evhttp_set_max_headers_size(http, REQUEST_MAX);
	evhttp_set_max_body_size(http, REQUEST_MAX);
	evhttp_set_cb(http, "/metrics", on_metrics, NULL);
	evhttp_set_gencb(http, on_other_path, NULL);
	bound = evhttp_bind_socket_with_handle(http, ADDRESS, port);
	if (bound && !announce(evhttp_bound_socket_get_fd(bound)))
		return http;
	fprintf(stderr, "kvcached: cannot serve metrics on " ADDRESS " port %d: %s\n",
		port, strerror(errno));
	evhttp_free(http);
	return NULL;
}
