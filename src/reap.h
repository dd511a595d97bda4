/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_REAP_H
#define KVFREE_REAP_H

/*
 * reap.h - who frees what is ripe
 *
 * The owner frees objects of malloc in its clean calls. Workers free the rest, a piece at a time:
 * what an owner has left for a whole tick, all that belongs to an owner that makes no clean calls
 * or has left, and all objects of other channels. Of the workers of a domain, only one at a time is
 * in free functions of the program.
 *
 * Hands. Whoever takes pages or a part of an emergency chain to free them opens a *hand* first and
 * closes it after the frees. Hands are numbered as they open, so that a barrier can wait for all
 * that were open when it looked: what had been taken by then is freed. Between the hooks of a fork
 * no hand is open.
 *
 * Locking discipline: hands.lock guards the list of open hands, for a few instructions.
 */

#include "cache.h"

/* On the stack of the thread that opens it. */
struct kvfree_hand {
	struct kvfree_hand *next;	/* under hands.lock */
	unsigned long number;		/* read-only while open */
};

void kvfree_hand_open(struct kvfree_domain *domain, struct kvfree_hand *hand);
void kvfree_hand_close(struct kvfree_domain *domain, struct kvfree_hand *hand);
/* Wait until all hands that are open now are closed. */
void kvfree_hands_wait(struct kvfree_domain *domain);
/* Let no hand open, and wait until none is; let them open again. */
void kvfree_hands_hold(struct kvfree_domain *domain);
void kvfree_hands_release(struct kvfree_domain *domain);

/* One walk over the records, to fill a piece. */
struct kvfree_walk {
	unsigned int first, end;	/* the lists that it takes from, up to end */
	bool left;			/* it left something */
	bool unripe;			/* it saw what is for workers and not ripe yet */
	struct kvfree_record *next;	/* where the next one begins; NULL: anywhere */
};

/* What a worker takes at once. */
struct kvfree_piece {
	struct kvfree_hand hand;
	struct kvfree_page_list pages[KVFREE_CLOSED_LISTS];
	struct kvfree_page_list spent;	/* emptied pages, of one record */
	unsigned int nr;		/* pages in all */
	bool user;			/* it may have pages of the program's channels */
	unsigned long completed;	/* the number that is over */
	unsigned long for_tick;		/* the number that has been over for a tick */
	int cpu;			/* of the owners whose pages it has */
	struct kvfree_walk walk;	/* of two, since each must come to all that it is for */
};

/*
 * Take a piece of what workers are to free; free what is of malloc and large; free what is of
 * the program's channels, which may take long: nothing else is to wait for it. Each is called
 * once for a piece, and returns whether it knows of more. Clean context.
 */
bool kvfree_piece_take(struct kvfree_domain *domain, struct kvfree_piece *piece);
bool kvfree_piece_free(struct kvfree_domain *domain, struct kvfree_piece *piece);
bool kvfree_piece_finish(struct kvfree_domain *domain, struct kvfree_piece *piece);

/* For a barrier, once grace period @cookie is over: free all closed pages of @record that waited
 * for it or an earlier one, and wait for what its owner has in hand. */
void kvfree_reap_record(struct kvfree_record *record, unsigned long cookie);
/* The same for the emergency chains whose cookie is not above @cookie. */
void kvfree_reap_chain(struct kvfree_domain *domain, unsigned long cookie);

/* Learn the size of @record's objects from @ptr, which is malloc's. Clean context. */
void kvfree_reap_note_bytes(struct kvfree_record *record, void *ptr);
/* The same from an object that its owner is about to queue, if no size is known. */
void kvfree_reap_note_first(struct kvfree_record *record, unsigned int channel, void *ptr);

/* Free up to @max of the calling thread's own ripe objects; returns how many. Clean context. */
size_t kvfree_reap_own(struct kvfree_record *record, size_t max);

#endif /* KVFREE_REAP_H */
