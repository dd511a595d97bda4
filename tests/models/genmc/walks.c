/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * walks.c - the walks of a barrier, against an owner and a worker that free
 *
 * A record has two ripe pages of one object each. Its owner frees one object, a worker
 * takes a piece, and a barrier is called. When it returns both objects are
 * free, and what the free function wrote is visible.
 */

#include "harness.h"

#include <string.h>

static void free_entry(void *ptr);
#define free(ptr)	free_entry(ptr)
/* GenMC does not do it. What is cleared here is static, so it is zero. */
#define memset(ptr, value, size)	(ptr)

#include "library.h"
#include "reap.c"
#include "barrier.c"

#define NR	2

static struct kvfree_record record;
static int freed[NR];		/* not atomic */

/* What the harness queues is the address of its entry in freed. */
static void free_entry(void *ptr)
{
	int *entry = ptr;

	assert(!*entry);
	*entry = 1;
}

void kvfree_free_objects(unsigned int channel, size_t nr, void **ptrs)
{
	size_t i;

	(void) channel;
	for (i = 0; i < nr; i++)
		free_entry(ptrs[i]);
}

static void queue(int *entry)
{
	struct kvfree_page *page = malloc(sizeof(*page) + sizeof(entry));

	kvfree_record_open(&record, KVFREE_CHANNEL_MALLOC, page, entry);
	kvfree_record_close(&record, KVFREE_CHANNEL_MALLOC);
}

static void *owner(void *arg)
{
	(void) arg;
	own_piece(&record, 1);
	return NULL;
}

static void *worker(void *arg)
{
	static struct kvfree_piece piece;

	(void) arg;
	kvfree_piece_take(domain, &piece);
	kvfree_piece_free(domain, &piece);
	kvfree_piece_finish(domain, &piece);
	return NULL;
}

int main(void)
{
	int i;

	domain->flavor = &flavor;
	domain->records = &record;
	record.domain = domain;
	record.state = KVFREE_RECORD_OWNED;
	record.next_limit = 1;
	for (i = 0; i < NR; i++)
		queue(&freed[i]);
	domain->gp.started = domain->gp.completed = 1;
	domain->ripe_for_tick = 1;
	thread(owner, NULL);
	thread(worker, NULL);
	kvfree_barrier(domain);
	for (i = 0; i < NR; i++)
		assert(freed[i]);
	return 0;
}
