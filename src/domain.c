/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * domain.c - one domain per flavor
 */

#include <urcu/flavor.h>

#include "domain.h"
#include "runtime.h"
#include "thread.h"
#include "tsan.h"

struct kvfree_domain *kvfree_domain_get(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain = kvfree_runtime.domains;
	unsigned int i;

	for (i = 0; i < KVFREE_MAX_DOMAINS; i++, domain++) {
		const struct rcu_flavor_struct *found;

		/* Acquire and release: an entry's other fields are static, so
		 * the order carries nothing yet; it is free where it matters
		 * and keeps the reader from having to prove that. */
		found = __atomic_load_n(&domain->flavor, __ATOMIC_ACQUIRE);
		if (!found && __atomic_compare_exchange_n(&domain->flavor,
				&found, flavor, false, __ATOMIC_ACQ_REL,
				__ATOMIC_ACQUIRE))
			return domain;
		if (found == flavor)
			return domain;
	}
	kvfree_die("more than %d RCU flavors in one process",
		KVFREE_MAX_DOMAINS);
}

unsigned int kvfree_domain_index(const struct kvfree_domain *domain)
{
	return (unsigned int) (domain - kvfree_runtime.domains);
}

uint64_t kvfree_domain_queued(struct kvfree_domain *domain, bool wait)
{
	struct kvfree_thread *thread;
	uint64_t nr;

	nr = __atomic_load_n(&domain->count.emergency, __ATOMIC_RELAXED) +
		__atomic_load_n(&domain->count.inline_freed, __ATOMIC_RELAXED) +
		__atomic_load_n(&domain->count.doubles, __ATOMIC_RELAXED) +
		__atomic_load_n(&domain->count.retired_queued, __ATOMIC_RELAXED);
	kvfree_for_each_thread(thread, domain) {
		if (wait)
			kvfree_thread_lock(thread);
		else if (!kvfree_thread_lock_few(thread))
			continue;
		nr += kvfree_thread_queued(thread);
		kvfree_thread_unlock(thread);
	}
	return nr;
}

uint64_t kvfree_domain_leaked(struct kvfree_domain *domain)
{
	return __atomic_load_n(&domain->count.leaked, __ATOMIC_RELAXED) +
		__atomic_load_n(&domain->count.doubles, __ATOMIC_RELAXED);
}

uint64_t kvfree_domain_owner_freed(struct kvfree_domain *domain)
{
	struct kvfree_thread *thread;
	uint64_t nr;

	nr = __atomic_load_n(&domain->count.owner_freed, __ATOMIC_RELAXED);
	/* Acquire: pairs with kvfree_thread_free_victim(); what is counted as freed
	 * is free. */
	kvfree_for_each_thread(thread, domain)
		nr += __atomic_load_n(&thread->nr_freed, __ATOMIC_ACQUIRE);
	return nr;
}

uint64_t kvfree_domain_freed(struct kvfree_domain *domain)
{
	return __atomic_load_n(&domain->count.freed, __ATOMIC_RELAXED) +
		__atomic_load_n(&domain->count.inline_freed, __ATOMIC_RELAXED) +
		kvfree_domain_owner_freed(domain);
}

void kvfree_domain_synchronize(struct kvfree_domain *domain)
{
	const struct rcu_flavor_struct *flavor = kvfree_domain_flavor(domain);

	flavor->update_synchronize_rcu();
	kvfree_tsan_acquire(flavor);
	__atomic_fetch_add(&domain->count.grace_periods, 1, __ATOMIC_RELAXED);
}

bool kvfree_domain_enter_wait(struct kvfree_domain *domain, const char *what)
{
	const struct rcu_flavor_struct *flavor = kvfree_domain_flavor(domain);

	if (!flavor->read_ongoing())
		return false;
	/* QSBR: an online thread is always "in a section", and this ends it.
	 * For the other flavors it does nothing. */
	flavor->thread_offline();
	if (flavor->read_ongoing())
		kvfree_die("%s called inside an RCU read-side critical section: it would wait for itself",
			what);
	return true;
}

void kvfree_domain_leave_wait(struct kvfree_domain *domain, bool was_online)
{
	if (was_online)
		kvfree_domain_flavor(domain)->thread_online();
}

unsigned int kvfree_enter_wait(const char *what)
{
	struct kvfree_domain *domain;
	unsigned int online = 0;

	kvfree_for_each_domain(domain)
		if (kvfree_domain_enter_wait(domain, what))
			online |= 1U << kvfree_domain_index(domain);
	return online;
}

void kvfree_leave_wait(unsigned int online)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain)
		kvfree_domain_leave_wait(domain,
				online & (1U << kvfree_domain_index(domain)));
}
