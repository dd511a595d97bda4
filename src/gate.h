/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_GATE_H
#define KVFREE_GATE_H

/*
 * gate.h - one request at a time, and none lost
 *
 * A gate keeps every call but the first from making a system call. It is a counter: even while it
 * is open, odd while it is closed, which says that a timer was armed and that its service is still
 * to come.
 *
 *	request: publish the state		service: open the gate
 *		 seen = read the gate			 look at the state
 *		 if open: arm the timer, close
 *
 * - Reading is a read-modify-write of the word that opening writes. One of the two comes first in
 *   the order of that word: either the request finds the gate open and arms the timer, or the
 *   service comes after the publication and sees the state. A plain load would lose a wake-up.
 * - Closing comes last, so that a thread that is stopped anywhere in between leaves the gate open:
 *   others arm the timer themselves. If closing came first, one preempted thread would keep
 *   everybody's objects from being freed.
 * - A service that comes before the closing changes the number, even if the gate is open, and the
 *   closing fails; a plain flag would stay closed for good.
 * - A request that could not arm the timer leaves the gate as it was, so that the next request
 *   tries.
 */

#include "util.h"

struct kvfree_gate {
	unsigned int word;	/* atomic */
};

/* The gate's word, for kvfree_gate_is_closed() and kvfree_gate_close(). */
static inline unsigned int kvfree_gate_read(struct kvfree_gate *gate)
{
	/* Seq_cst read-modify-write: pairs with kvfree_gate_open(), see above. */
	return __atomic_fetch_add(&gate->word, 0, __ATOMIC_SEQ_CST);
}

static inline bool kvfree_gate_is_closed(unsigned int seen)
{
	return seen & 1;
}

/* Close the gate, which was open when its word was @seen, unless it was served or closed since. */
static inline void kvfree_gate_close(struct kvfree_gate *gate, unsigned int seen)
{
	/* Seq_cst: after the timer is armed; pairs with kvfree_gate_open(). */
	__atomic_compare_exchange_n(&gate->word, &seen, seen | 1, false,
			__ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Open the gate; the service does this before it looks at the state. */
static inline void kvfree_gate_open(struct kvfree_gate *gate)
{
	unsigned int seen = __atomic_load_n(&gate->word, __ATOMIC_RELAXED);

	/* Seq_cst: pairs with kvfree_gate_read(). */
	while (!__atomic_compare_exchange_n(&gate->word, &seen, (seen | 1) + 1,
			false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

#endif /* KVFREE_GATE_H */
