/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * peers.c - what has no liburcu flavor: the floors and Concurrency Kit
 *
 * none		malloc and free at once: what deferral is added to
 * lock		pthread_spin_trylock, one store, unlock: what a raw call is measured
 *		against
 * ck_epoch	Concurrency Kit's epochs: the updater polls every ck_poll calls and
 *		frees its own, as ck's documents suggest
 */

#include <stdlib.h>
#include <urcu/urcu-memb.h>

#include "loops.h"

uint64_t bench_callbacks;

static void no_reader(struct bench_thread *t)
{
	(void) t;
}

static const struct bench_reader_ops no_reader_ops = {
	.register_thread = no_reader,
	.lock = no_reader,
	.unlock = no_reader,
	.unregister_thread = no_reader,
};

static inline void defer_none(struct bench_thread *t, void *obj)
{
	(void) t;
	free(obj);
}
BENCH_LOOPS(none, malloc, defer_none)

/* One page of pointers, as a record has it, and its lock. */
struct lock_page {
	pthread_spinlock_t lock;
	unsigned int nr;
	void *slots[512];
};

static int lock_thread_begin(struct bench_thread *t)
{
	struct lock_page *page = calloc(1, sizeof(*page));

	if (!page || pthread_spin_init(&page->lock, PTHREAD_PROCESS_PRIVATE)) {
		free(page);
		return -1;
	}
	t->floor = page;
	return 0;
}

static void lock_thread_end(struct bench_thread *t)
{
	pthread_spin_destroy(&t->floor->lock);
	free(t->floor);
}

static inline void defer_lock(struct bench_thread *t, void *obj)
{
	struct lock_page *page = t->floor;

	if (pthread_spin_trylock(&page->lock))
		abort();
	page->slots[page->nr++ % 512] = obj;
	pthread_spin_unlock(&page->lock);
}
BENCH_LOOPS(lock, malloc, defer_lock)

#ifdef HAVE_CK
static ck_epoch_t epoch = { .epoch = 1 };

static int ck_start(void)
{
	ck_epoch_init(&epoch);
	return 0;
}

/* A record can't be taken from its list again: it is reused, never freed. */
static int ck_thread_begin(struct bench_thread *t)
{
	t->ck = ck_epoch_recycle(&epoch, NULL);
	if (t->ck)
		return 0;
	if (posix_memalign((void **) &t->ck, BENCH_CACHE_LINE, sizeof(*t->ck)))
		return -1;
	ck_epoch_register(&epoch, t->ck, NULL);
	return 0;
}

static void ck_thread_barrier(struct bench_thread *t)
{
	ck_epoch_barrier(t->ck);
}

static void ck_thread_end(struct bench_thread *t)
{
	ck_epoch_barrier(t->ck);
	ck_epoch_unregister(t->ck);
}

static void ck_reader_register(struct bench_thread *t)
{
	if (ck_thread_begin(t))
		abort();
}

static void ck_reader_lock(struct bench_thread *t)
{
	ck_epoch_begin(t->ck, NULL);
}

static void ck_reader_unlock(struct bench_thread *t)
{
	ck_epoch_end(t->ck, NULL);
}

static const struct bench_reader_ops ck_reader_ops = {
	.register_thread = ck_reader_register,
	.lock = ck_reader_lock,
	.unlock = ck_reader_unlock,
	.unregister_thread = ck_thread_end,
};

static void ck_free(ck_epoch_entry_t *entry)
{
	free((char *) entry - offsetof(struct bench_obj, ck));
}

static void ck_keep(ck_epoch_entry_t *entry)
{
	(void) entry;
}

static inline void ck_call(struct bench_thread *t, void *obj,
		ck_epoch_cb_t *callback)
{
	struct bench_obj *o = obj;

	ck_epoch_call(t->ck, &o->ck, callback);
	if (++t->ck_calls >= bench_options.ck_poll) {
		t->ck_calls = 0;
		ck_epoch_poll(t->ck);
	}
}

static inline void defer_ck(struct bench_thread *t, void *obj)
{
	ck_call(t, obj, ck_free);
}
BENCH_LOOPS(ck, malloc, defer_ck)

static inline void defer_ck_keep(struct bench_thread *t, void *obj)
{
	ck_call(t, obj, ck_keep);
}
BENCH_LOOPS(ck_keep, malloc, defer_ck_keep)

#define CK_OPS								\
	.start = ck_start, .thread_begin = ck_thread_begin,		\
	.thread_end = ck_thread_end, .thread_barrier = ck_thread_barrier, \
	.reader = &ck_reader_ops
#endif /* HAVE_CK */

const struct bench_ops bench_ops_peers[] = {
	{ .name = "none", .flags = BENCH_FLOOR, .reader = &no_reader_ops,
		BENCH_LOOP_OPS(none, malloc) },
	{ .name = "lock", .flags = BENCH_FLOOR | BENCH_KEEPS_OBJECTS,
		.thread_begin = lock_thread_begin,
		.thread_end = lock_thread_end, .reader = &no_reader_ops,
		BENCH_LOOP_OPS(lock, malloc) },
#ifdef HAVE_CK
	{ .name = "ck_epoch", CK_OPS, BENCH_LOOP_OPS(ck, malloc) },
	{ .name = "ck_epoch-keep", .flags = BENCH_KEEPS_OBJECTS, CK_OPS,
		BENCH_LOOP_OPS(ck_keep, malloc) },
#endif
	{ .name = NULL },
};

static const struct {
	const char *name;
	const struct bench_ops *ops;
} flavors[] = {
	{ "memb", bench_ops_memb },
	{ "mb", bench_ops_mb },
	{ "qsbr", bench_ops_qsbr },
	{ "bp", bench_ops_bp },
};

static const struct bench_ops *find_in(const struct bench_ops *ops,
		const char *name)
{
	for (; ops->name; ops++)
		if (!strcmp(ops->name, name))
			return ops;
	return NULL;
}

const struct bench_ops *bench_find_ops(const char *reclaimer,
		const char *flavor)
{
	const struct bench_ops *ops;
	size_t i;

	for (i = 0; i < sizeof(flavors) / sizeof(flavors[0]); i++) {
		if (strcmp(flavors[i].name, flavor))
			continue;
		ops = find_in(bench_ops_peers, reclaimer);
		if (!ops)
			ops = find_in(bench_ops_two, reclaimer);
		return ops ? ops : find_in(flavors[i].ops, reclaimer);
	}
	return NULL;
}
