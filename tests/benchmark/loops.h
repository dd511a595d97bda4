/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREESCALE_LOOPS_H
#define KVFREESCALE_LOOPS_H

/*
 * loops.h - the measured loops, one set for each way of freeing
 *
 * Every reclaimer gets the same loop around a direct call, as a program would
 * write it: no function pointer is between the loop and what is measured. The
 * object is touched in the same two places for all of them, or written whole.
 */

#include <string.h>
#ifdef HAVE_CK
# include <ck_epoch.h>
#endif
#include <urcu/call-rcu.h>

#include "bench.h"

/* What is deferred; alloc_size may make it longer. */
struct bench_obj {
	uint64_t value;
	union {
		struct rcu_head rcu;
#ifdef HAVE_CK
		ck_epoch_entry_t ck;
#endif
	};
};

static inline void bench_touch(void *obj, size_t size, uint64_t value,
		bool whole)
{
	if (whole)
		memset(obj, (int) value, size);
	memcpy(obj, &value, sizeof(value));
	memcpy((char *) obj + size - sizeof(value), &value, sizeof(value));
	/* The stores must be done: the compiler may not see through free(). */
	__asm__ __volatile__("" : : "r" (obj) : "memory");
}

static inline struct bench_obj *bench_obj_of(struct rcu_head *head)
{
	return (struct bench_obj *) ((char *) head -
			offsetof(struct bench_obj, rcu));
}

/* defer_fn(t, obj) is an inline function of the including file. */
#define BENCH_LOOPS(id, alloc_fn, defer_fn)				\
static void id##_defer(struct bench_thread *t, void **objs, size_t n)	\
{									\
	size_t i;							\
									\
	for (i = 0; i < n; i++)						\
		defer_fn(t, objs[i]);					\
}									\
									\
static void id##_defer_one(struct bench_thread *t, void *obj)		\
{									\
	defer_fn(t, obj);						\
}									\
									\
static size_t id##_churn(struct bench_thread *t, size_t n)		\
{									\
	bool whole = bench_options.whole;				\
	size_t size = t->size, i;					\
									\
	for (i = 0; i < n; i++) {					\
		void *obj = alloc_fn(size);				\
									\
		if (!obj)						\
			break;						\
		bench_touch(obj, size, i, whole);			\
		defer_fn(t, obj);					\
	}								\
	return i;							\
}

/* The members of struct bench_ops that BENCH_LOOPS(id, ...) made. */
#define BENCH_LOOP_OPS(id, alloc_fn)					\
	.alloc = alloc_fn, .defer = id##_defer,				\
	.defer_one = id##_defer_one, .churn = id##_churn

#endif /* KVFREESCALE_LOOPS_H */
