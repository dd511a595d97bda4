/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * close.c - a page is closed, waits for its cookie, and is taken
 *
 * The updater unlinks the object, appends it to its record and closes the page. A reader
 * may be inside its section. A runner runs a grace period. A worker takes what is ripe
 * and frees it. In the end, if the runner took the page's bytes off the budget, the
 * grace period that it ran is the page's or a later one.
 */

#include "harness.h"
#include "library.h"

static struct kvfree_record record;
static struct kvfree_page *page;

static void *updater(void *arg)
{
	struct object *object = unlink_shared();

	(void) arg;
	__VERIFIER_assume(kvfree_record_trylock(&record));
	kvfree_record_open(&record, KVFREE_CHANNEL_MALLOC, page, object);
	kvfree_record_close(&record, KVFREE_CHANNEL_MALLOC);
	kvfree_record_unlock(&record);
	return NULL;
}

static void *worker(void *arg)
{
	struct kvfree_page_list pages = { NULL, NULL, 0 };

	(void) arg;
	__VERIFIER_assume(kvfree_record_trylock(&record));
	kvfree_record_take_pages(&record, KVFREE_CLOSED_OWNER,
			kvfree_gp_completed(&domain->gp), 1, &pages);
	kvfree_record_unlock(&record);
	if (pages.head)
		free(pages.head->ptrs[0]);
	return NULL;
}

int main(void)
{
	pthread_t first, second;

	domain->flavor = &flavor;
	record.domain = domain;
	shared = object_make();
	page = malloc(sizeof(*page) + sizeof(page->ptrs[0]));
	thread(reader, NULL);
	first = thread(updater, NULL);
	second = thread(runner, NULL);
	thread(worker, NULL);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	assert(domain->uncovered || kvfree_gp_reached(domain->gp.started,
			page->cookie));
	return 0;
}
