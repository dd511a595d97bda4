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
#include "library.h"

static struct kvfree_domain *const domain = kvfree_domains;

static void *updater(void *arg)
{
	(void) arg;
	kvfree_emergency_push(&domain->emergency, unlink_shared(),
			offsetof(struct object, head), KVFREE_CHANNEL_MALLOC);
	return NULL;
}

static void *runner(void *arg)
{
	(void) arg;
	kvfree_domain_run(domain);
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
	unsigned long number = kvfree_gp_completed(&domain->gp);
	struct kvfree_emergency *link = NULL;

	(void) arg;
	pthread_mutex_lock(&domain->lock);
	if (domain->chain.head &&
	    kvfree_gp_reached(number, domain->chain.cookie)) {
		link = domain->chain.head;
		domain->chain.head = NULL;
	}
	pthread_mutex_unlock(&domain->lock);
	if (link)
		free(kvfree_emergency_object(link));
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
