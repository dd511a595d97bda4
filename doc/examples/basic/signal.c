/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * signal.c - a signal handler that replaces an object
 *
 * The handler may interrupt anything, malloc() and this library included. It takes an
 * object that was made ahead, publishes it, and queues the old one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <urcu.h>
#include <urcu/kvfree.h>

struct state {
	int ticks;
	struct rcu_head head;
};

static struct state *state, *spare;

static void on_tick(int signo)
{
	struct state *fresh = rcu_xchg_pointer(&spare, (struct state *) NULL);

	(void) signo;
	if (!fresh)
		return;		/* none was made since the last tick */
	fresh->ticks = state->ticks + 1;
	urcu_kvfree_rcu(rcu_xchg_pointer(&state, fresh), head);
}

int main(void)
{
	const struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	struct sigaction action = { .sa_handler = on_tick };
	struct state *fresh;
	int ticks;

	/* Before the first signal: the library must not start in a handler. */
	state = calloc(1, sizeof(*state));
	if (!state || urcu_kvfree_init(NULL))
		return EXIT_FAILURE;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	rcu_register_thread();
	do {
		fresh = malloc(sizeof(*fresh));
		free(rcu_xchg_pointer(&spare, fresh));
		rcu_read_lock();
		ticks = rcu_dereference(state)->ticks;
		rcu_read_unlock();
	} while (ticks < 200);
	rcu_unregister_thread();
	printf("%d ticks\n", ticks);
	return EXIT_SUCCESS;
}
