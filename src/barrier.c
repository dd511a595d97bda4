/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * barrier.c - wait until all that was queued is freed
 */

#include "barrier.h"

/* Close all pages; returns the number that everything queued before the call waits for. */
static unsigned long barrier_close(struct kvfree_domain *domain)
{
	struct kvfree_record *record;
	unsigned long cookie;

	kvfree_for_each_record(record, domain) {
		kvfree_record_lock(record);
		kvfree_record_close_all(record);
		kvfree_record_unlock(record);
	}
	if (!kvfree_domain_close_emergency(domain, &cookie)) {
		/* An earlier chain is there. Free it, then close what is on its
		 * list, unless another thread has done so meanwhile. */
		kvfree_domain_wait(domain, cookie);
		kvfree_reap_chain(domain, cookie);
		kvfree_domain_close_emergency(domain, &cookie);
	}
	return kvfree_gp_cookie(&domain->gp);
}

/* Free all that waits for @cookie or less. */
static void barrier_free(struct kvfree_domain *domain, unsigned long cookie)
{
	struct kvfree_record *record;

	kvfree_domain_wait(domain, cookie);
	kvfree_for_each_record(record, domain)
		kvfree_reap_record(record, cookie);
	kvfree_reap_chain(domain, cookie);
}

void kvfree_barrier(struct kvfree_domain *domain)
{
	barrier_free(domain, barrier_close(domain));
}

void kvfree_barrier_shared(struct kvfree_domain *domain)
{
	unsigned long cookie = barrier_close(domain);

	kvfree_yield();
	barrier_free(domain, cookie);
}
