/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * gate.c - a gate: two requests and a service
 *
 * A request publishes, reads the gate, arms the timer if it is open, and closes it. The
 * service comes when the timer is armed, opens the gate and looks. When all
 * is over and the timer is not armed, nothing waits and the gate is open.
 */

#include "harness.h"
#include "gate.h"

#define NR	2

static struct kvfree_gate gate;
static int published[NR];	/* atomic */
static int armed;		/* atomic; the kernel's, so fully ordered */

/* As kvfree_timer_request(). */
static void *requester(void *arg)
{
	unsigned int seen;

	__atomic_store_n(&published[(intptr_t) arg], 1, __ATOMIC_RELAXED);
	seen = kvfree_gate_read(&gate);
	if (kvfree_gate_is_closed(seen))
		return NULL;
	__atomic_exchange_n(&armed, 1, __ATOMIC_SEQ_CST);
	kvfree_gate_close(&gate, seen);
	return NULL;
}

static void serve(void)
{
	int i;

	if (!__atomic_exchange_n(&armed, 0, __ATOMIC_SEQ_CST))
		return;
	kvfree_gate_open(&gate);
	for (i = 0; i < NR; i++)
		if (__atomic_load_n(&published[i], __ATOMIC_RELAXED))
			__atomic_store_n(&published[i], 0, __ATOMIC_RELAXED);
}

static void *server(void *arg)
{
	(void) arg;
	serve();
	return NULL;
}

int main(void)
{
	pthread_t first = thread(requester, (void *) 0);
	pthread_t second = thread(requester, (void *) 1);
	pthread_t third = thread(server, NULL);

	pthread_join(first, NULL);
	pthread_join(second, NULL);
	pthread_join(third, NULL);
	serve();
	assert(!published[0] && !published[1]);
	assert(!kvfree_gate_is_closed(gate.word));
	return 0;
}
