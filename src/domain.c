/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * domain.c - one domain per flavor
 */

#include <stdbool.h>
#include <string.h>
#include <urcu/flavor.h>

#include "debug.h"
#include "domain.h"

#define DOMAIN_INIT {							\
	.gp = { .lock = PTHREAD_MUTEX_INITIALIZER,			\
		.cond = PTHREAD_COND_INITIALIZER },			\
	.hands = { .lock = PTHREAD_MUTEX_INITIALIZER,			\
		.cond = PTHREAD_COND_INITIALIZER },			\
	.lock = PTHREAD_MUTEX_INITIALIZER,				\
	.gp_thread = KVFREE_WORKQUEUE_INIT(KVFREE_RANK_GP_THREAD),	\
}

struct kvfree_domain kvfree_domains[KVFREE_MAX_DOMAINS] = {
	[0 ... KVFREE_MAX_DOMAINS - 1] = DOMAIN_INIT,
};

struct kvfree_domain *kvfree_domain_get(const struct rcu_flavor_struct *flavor)
{
	struct kvfree_domain *domain;

	kvfree_for_each_slot(domain) {
		const struct rcu_flavor_struct *found;

		/* Acquire and release are stronger than needed, since an entry's
		 * other fields are static; but they cost nothing on the way
		 * that matters, and nobody has to prove that less is enough. */
		found = __atomic_load_n(&domain->flavor, __ATOMIC_ACQUIRE);
		if (!found && __atomic_compare_exchange_n(&domain->flavor,
				&found, flavor, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return domain;
		if (found == flavor)
			return domain;
	}
	kvfree_die("more than %d RCU flavors in one process", KVFREE_MAX_DOMAINS);
}

/* ------------------------------------------------------------------ */
/* Grace periods                                                      */

/* Close list @list, unless an earlier chain of it is there. Caller holds the lock. */
static bool close_list(struct kvfree_domain *domain, unsigned int list)
{
	struct kvfree_chain *chain = &domain->chain[list];
	bool closed = !chain->head && !chain->taken;

	if (closed) {
		chain->head = kvfree_emergency_take(&domain->emergency[list]);
		/* After the taking: see gp.h. */
		chain->cookie = kvfree_gp_cookie(&domain->gp);
		if (chain->head)
			kvfree_domain_note_reap(domain);
	}
	chain->missed = !closed;
	return closed;
}

bool kvfree_domain_close_emergency(struct kvfree_domain *domain, unsigned long *cookie)
{
	bool closed = true;
	unsigned int list;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	*cookie = kvfree_gp_completed(&domain->gp);
	for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++) {
		if (close_list(domain, list))
			continue;
		closed = false;
		if (!kvfree_gp_reached(*cookie, domain->chain[list].cookie))
			*cookie = domain->chain[list].cookie;
	}
	kvfree_mutex_unlock(&domain->lock);
	return closed;
}

/* Whether there is a chain of list @list. Caller holds the lock. */
static bool has_chain(const struct kvfree_domain *domain, unsigned int list)
{
	return domain->chain[list].head || domain->chain[list].taken;
}

/* Whether list @list holds anything. */
static bool has_list(const struct kvfree_domain *domain, unsigned int list)
{
	/* Acquire: pairs with nothing; only whether there is a list is asked. */
	return __atomic_load_n(&domain->emergency[list], __ATOMIC_ACQUIRE);
}

bool kvfree_domain_emergency_missed(struct kvfree_domain *domain)
{
	bool missed = false;
	unsigned int list;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++)
		if (domain->chain[list].missed && !has_chain(domain, list) &&
		    has_list(domain, list))
			missed = true;
	kvfree_mutex_unlock(&domain->lock);
	return missed;
}

bool kvfree_domain_has_emergency(struct kvfree_domain *domain)
{
	bool has = false;
	unsigned int list;

	kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	for (list = 0; list < KVFREE_EMERGENCY_LISTS; list++)
		if (has_chain(domain, list) || has_list(domain, list))
			has = true;
	kvfree_mutex_unlock(&domain->lock);
	return has;
}

/* The runner's part. */
static void run(struct kvfree_domain *domain)
{
	unsigned long cookie;

	kvfree_gate_open(&domain->kick_gate);
	/* Acquire: pairs with kvfree_domain_closed(). All that is taken off
	 * here waits for the number that begins next, or an earlier one. */
	__atomic_exchange_n(&domain->uncovered, 0, __ATOMIC_ACQUIRE);
	kvfree_domain_close_emergency(domain, &cookie);
	kvfree_gp_run(&domain->gp, kvfree_domain_flavor(domain));
}

bool kvfree_domain_run(struct kvfree_domain *domain)
{
	if (!kvfree_gp_begin(&domain->gp))
		return false;
	run(domain);
	return true;
}

void kvfree_domain_wait(struct kvfree_domain *domain, unsigned long cookie)
{
	while (!kvfree_gp_wait(&domain->gp, cookie, true))
		if (kvfree_gp_begin_for(&domain->gp, cookie))
			run(domain);
}

bool kvfree_domain_try_wait(struct kvfree_domain *domain, unsigned long cookie)
{
	while (!kvfree_gp_wait(&domain->gp, cookie, false)) {
		if (kvfree_gp_begin_for(&domain->gp, cookie))
			run(domain);
		else if (kvfree_gp_is_held(&domain->gp))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------ */
/* Waiting in a thread that may be a reader                           */

/* NULL in a program that is not linked with it. */
#pragma weak urcu_qsbr_flavor

/* The bit of QSBR where no domain is in use for it. */
#define QSBR_BIT	(1U << KVFREE_MAX_DOMAINS)

/* Take this thread offline. False: it is inside a section. */
static bool go_offline(const struct rcu_flavor_struct *flavor,
		unsigned int bit, unsigned int *online)
{
	if (!flavor->read_ongoing())
		return true;
	/* QSBR: an online thread is always "in a section", and this ends it.
	 * For the other flavors it does nothing. */
	flavor->thread_offline();
	if (flavor->read_ongoing())
		return false;
	*online |= bit;
	return true;
}

bool kvfree_enter_wait_try(unsigned int *online)
{
	struct kvfree_domain *domain;

	*online = 0;
	/* QSBR comes first: its domain, if there is one, then finds the thread offline. */
	if (&urcu_qsbr_flavor)
		go_offline(&urcu_qsbr_flavor, QSBR_BIT, online);
	kvfree_for_each_domain(domain) {
		if (go_offline(kvfree_domain_flavor(domain),
				1U << kvfree_domain_index(domain), online))
			continue;
		kvfree_leave_wait(*online);
		*online = 0;
		return false;
	}
	return true;
}

unsigned int kvfree_enter_wait(const char *what)
{
	unsigned int online;

	if (kvfree_enter_wait_try(&online))
		return online;
	kvfree_debug_section(what, __builtin_return_address(0));
	kvfree_die("%s called inside an RCU read-side critical section: it would wait for itself",
		what);
}

void kvfree_leave_wait(unsigned int online)
{
	struct kvfree_domain *domain;

	kvfree_for_each_domain(domain)
		if (online & (1U << kvfree_domain_index(domain)))
			kvfree_domain_flavor(domain)->thread_online();
	if (online & QSBR_BIT)
		urcu_qsbr_flavor.thread_online();
}

/* ------------------------------------------------------------------ */
/* Fork                                                               */

/* Rank by rank, over all domains: see lockrank.h. */
void kvfree_domains_prefork(void)
{
	struct kvfree_domain *domain;

	kvfree_for_each_slot(domain)
		kvfree_gp_prefork(&domain->gp);
	kvfree_for_each_slot(domain)
		kvfree_mutex_lock(&domain->hands.lock, KVFREE_RANK_HANDS);
	kvfree_for_each_slot(domain)
		kvfree_mutex_lock(&domain->lock, KVFREE_RANK_DOMAIN);
	kvfree_workqueue_prefork(&kvfree_pool);
	kvfree_for_each_slot(domain)
		kvfree_workqueue_prefork(&domain->gp_thread);
}

void kvfree_domains_postfork(void)
{
	struct kvfree_domain *domain;

	kvfree_workqueue_postfork(&kvfree_pool);
	kvfree_for_each_slot(domain) {
		kvfree_workqueue_postfork(&domain->gp_thread);
		kvfree_mutex_unlock(&domain->lock);
		kvfree_mutex_unlock(&domain->hands.lock);
		kvfree_gp_postfork(&domain->gp);
	}
}

static void forget_records(struct kvfree_domain *domain)
{
	domain->records = NULL;
	memset(domain->blank, 0, sizeof(domain->blank));
	domain->left = NULL;
	domain->reap_at = domain->reap_user_at = NULL;
	memset(domain->emergency, 0, sizeof(domain->emergency));
	memset(domain->chain, 0, sizeof(domain->chain));
	domain->uncovered = 0;
	domain->pending_bytes = 0;
	memset(&domain->count, 0, sizeof(domain->count));
}

void kvfree_domains_fork_reset(bool forget)
{
	struct kvfree_domain *domain;

	kvfree_for_each_slot(domain) {
		kvfree_gp_fork_reset(&domain->gp, forget);
		pthread_mutex_init(&domain->hands.lock, NULL);
		pthread_cond_init(&domain->hands.cond, NULL);
		domain->hands.open = NULL;
		domain->hands.held = false;
		pthread_mutex_init(&domain->lock, NULL);
		kvfree_workqueue_fork_reset(&domain->gp_thread);
		domain->kick_gate.word = 0;
		domain->user_taken = false;
		domain->blank_gate.word = 0;
		if (forget)
			forget_records(domain);
	}
}
