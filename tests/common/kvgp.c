/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * kvgp.c - a flavor whose grace periods the test begins and ends
 */

#include <pthread.h>

#include "kvgp.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool held;		/* under lock */
	uint64_t begun;		/* under lock */
	uint64_t may_end;	/* under lock: permits, while held */
	uint64_t last_ended;	/* under lock */
} gp = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.cond = PTHREAD_COND_INITIALIZER,
};

static __thread bool in_section;

static void synchronize(void)
{
	uint64_t n;

	pthread_mutex_lock(&gp.lock);
	n = ++gp.begun;
	while (gp.held && !gp.may_end)
		pthread_cond_wait(&gp.cond, &gp.lock);
	if (gp.held)
		gp.may_end--;
	if (n > gp.last_ended)
		gp.last_ended = n;
	pthread_mutex_unlock(&gp.lock);
}

static int read_ongoing(void)
{
	return in_section;
}

static void nothing(void)
{
}

static void enter(void)
{
	in_section = true;
}

static void leave(void)
{
	in_section = false;
}

const struct rcu_flavor_struct kvgp_flavor = {
	.read_lock = enter,
	.read_unlock = leave,
	.read_ongoing = read_ongoing,
	.read_quiescent_state = nothing,
	.update_synchronize_rcu = synchronize,
	.thread_offline = nothing,
	.thread_online = nothing,
	.register_thread = nothing,
	.unregister_thread = nothing,
	.barrier = nothing,
};

void kvgp_hold(void)
{
	pthread_mutex_lock(&gp.lock);
	gp.held = true;
	gp.may_end = 0;
	pthread_mutex_unlock(&gp.lock);
}

void kvgp_end_one(void)
{
	pthread_mutex_lock(&gp.lock);
	gp.may_end++;
	pthread_cond_broadcast(&gp.cond);
	pthread_mutex_unlock(&gp.lock);
}

void kvgp_let_go(void)
{
	pthread_mutex_lock(&gp.lock);
	gp.held = false;
	gp.may_end = 0;
	pthread_cond_broadcast(&gp.cond);
	pthread_mutex_unlock(&gp.lock);
}

uint64_t kvgp_begun(void)
{
	uint64_t n;

	pthread_mutex_lock(&gp.lock);
	n = gp.begun;
	pthread_mutex_unlock(&gp.lock);
	return n;
}

uint64_t kvgp_last_ended(void)
{
	uint64_t n;

	pthread_mutex_lock(&gp.lock);
	n = gp.last_ended;
	pthread_mutex_unlock(&gp.lock);
	return n;
}

static bool has_begun(void *arg)
{
	return kvgp_begun() >= *(uint64_t *) arg;
}

static bool has_ended(void *arg)
{
	return kvgp_last_ended() >= *(uint64_t *) arg;
}

bool kvgp_wait_begun(uint64_t n)
{
	return kvtest_wait(has_begun, &n, KVTEST_LONG);
}

bool kvgp_wait_ended(uint64_t n)
{
	return kvtest_wait(has_ended, &n, KVTEST_LONG);
}

void kvgp_set_in_section(bool in)
{
	in_section = in;
}
