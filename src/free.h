/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_FREE_H
#define KVFREE_FREE_H

/*
 * free.h - how the objects of a channel are freed
 *
 * Channel 0 is malloc's family, channel 1 large memory of urcu_kvmalloc(), the
 * others are made by the program.
 *
 * Locking discipline: channels.lock guards which entries are in use. A channel
 * in use is read without it: its fields do not change between create and
 * destroy, and destroy waits until nothing is queued on it.
 */

#include "lockrank.h"

#define KVFREE_CHANNEL_NAME	32

struct urcu_kvfree_channel {
	void (*free_bulk)(size_t nr, void **ptrs, void *priv);
	void *priv;
	unsigned int number;
	bool used;			/* under channels.lock */
	char name[KVFREE_CHANNEL_NAME];
};

struct kvfree_channels {
	pthread_mutex_t lock;
	struct urcu_kvfree_channel user[URCU_KVFREE_MAX_CHANNELS];
};

extern struct kvfree_channels kvfree_channels;

/* How many free functions of channels this thread is inside. */
extern KVFREE_TLS unsigned char kvfree_freeing;

/* Free @nr objects, at least one, of one channel. Clean context. */
void kvfree_free_objects(unsigned int channel, size_t nr, void **ptrs);

/* Bytes that the object @ptr of @channel occupies, or 0 if unknown. Clean context. */
size_t kvfree_free_bytes(unsigned int channel, void *ptr);

/* The object's size in malloc, or 0 if unknown. */
size_t kvfree_free_malloc_bytes(void *ptr);

#endif /* KVFREE_FREE_H */
