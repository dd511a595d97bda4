/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_GENMC_LIBRARY_H
#define KVFREE_GENMC_LIBRARY_H

/*
 * library.h - the sources of records, domains and grace periods, and the rest of
 * the library as far as they name it
 */

#include "lockrank.c"
#include "gp.c"
#include "domain.c"
#include "record.c"

struct kvfree_conf kvfree_conf = { .batch_bytes = 1 << 20 };
struct kvfree_workqueue kvfree_pool;
struct kvfree_timer kvfree_timer;
struct kvfree_channels kvfree_channels;
KVFREE_TLS unsigned char kvfree_freeing;
const char kvfree_fork_linked;

/* A harness that frees says how. */
size_t kvfree_free_bytes(unsigned int channel, void *ptr)
{
	(void) channel;
	(void) ptr;
	return 0;
}

size_t kvfree_free_malloc_bytes(void *ptr)
{
	(void) ptr;
	return 0;
}

void kvfree_cache_recycle(struct kvfree_page_list *spent)
{
	(void) spent;
}

void kvfree_cache_recycle_try(struct kvfree_page_list *spent)
{
	spent->head = NULL;
}

void kvfree_cache_recycle_owner(struct kvfree_page *page)
{
	(void) page;
}

bool kvfree_placement_follow(int cpu, pid_t owner)
{
	(void) cpu;
	(void) owner;
	return false;
}

void kvfree_placement_release(void)
{
}

/* Nobody serves a tick in a harness that does not say so. */
void kvfree_tick_arm(void)
{
}

bool kvfree_timer_arm(enum kvfree_alarm alarm, unsigned int msec)
{
	(void) alarm;
	(void) msec;
	return false;
}

static struct kvfree_domain *const domain = kvfree_domains;

/* One grace period of the domain. */
static void *runner(void *arg)
{
	(void) arg;
	kvfree_domain_run(domain);
	return NULL;
}

#endif /* KVFREE_GENMC_LIBRARY_H */
