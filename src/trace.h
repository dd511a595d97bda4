/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_TRACE_H
#define KVFREE_TRACE_H

/*
 * trace.h - static probes for perf, bpftrace and SystemTap
 *
 *	bpftrace -e 'usdt:/usr/lib/.../liburcu-kvfree.so:kvfree:piece_freed
 *		{ @pages = hist(arg1); }'
 *
 * A probe is one no-op instruction until somebody attaches to it; none lies on
 * the fast path. Without <sys/sdt.h> the probes compile to nothing.
 *
 *	page_opened(record, page)		a first object came into the page
 *	page_freed(record, page)		its last object is freed, or about to be
 *	emergency(flavor, object)		object went to the emergency list
 *	kick(domain)				raw call asked for a grace period
 *	refill(record, pages)			a record's cache is filled to so many
 *	refill_failed(record)			the allocator failed
 *	grace_period_begun(gp, number)		by the calling thread
 *	grace_period_over(gp, number)		the same thread
 *	piece_freed(domain, pages)		a worker freed so many pages
 */

#include "util.h"

#ifdef HAVE_SYS_SDT_H
# define SDT_USE_VARIADIC
# include <sys/sdt.h>
# define kvfree_trace(name, ...) STAP_PROBEV(kvfree, name, ##__VA_ARGS__)
#else
# define kvfree_trace(name, ...) do { } while (0)
#endif

/* The function gets a frame pointer, so that a tracer that walks those finds its caller. */
#define kvfree_trace_frame() \
	__asm__ volatile("" : : "r" (__builtin_frame_address(0)))

#endif /* KVFREE_TRACE_H */
