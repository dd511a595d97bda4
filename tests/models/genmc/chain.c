/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * chain.c - the emergency list is closed, waits for its cookie, and is freed
 *
 * The updater unlinks the object and pushes it. A reader may be inside its section. A
 * runner closes the list and runs a grace period. A barrier closes the list too,
 * at any moment. A worker frees the chain if its cookie is over.
 */

#include "harness.h"

#include <string.h>

#include "library.h"
#include "reap.c"

void kvfree_free_objects(unsigned int channel, size_t nr, void **ptrs)
{
	size_t i;

	(void) channel;
	for (i = 0; i < nr; i++)
		free(ptrs[i]);
}

static void *updater(void *arg)
{
	(void) arg;
	kvfree_emergency_push(&domain->emergency[KVFREE_EMERGENCY_BUILTIN],
			unlink_shared(), offsetof(struct object, head),
			KVFREE_CHANNEL_MALLOC);
	return NULL;
}

static void *barrier(void *arg)
{
	unsigned long cookie;

	(void) arg;
	kvfree_domain_close_emergency(domain, &cookie);
	return NULL;
}

static void *worker(void *arg)
{
	(void) arg;
	chain_piece(domain, KVFREE_EMERGENCY_BUILTIN,
			kvfree_gp_completed(&domain->gp), 1);
	return NULL;
}

int main(void)
{
	domain->flavor = &flavor;
	shared = object_make();
	thread(reader, NULL);
	thread(updater, NULL);
	thread(runner, NULL);
	thread(barrier, NULL);
	thread(worker, NULL);
	return 0;
}
