/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */


/*
 * channel.c - how the objects of a page are freed
 */

#include <string.h>

#include "reclaim.h"
#include "runtime.h"
#include "thread.h"

/* How many objects ahead of the free a line is fetched. */
#define PREFETCH_AHEAD	8

static void free_malloced(size_t nr, void **ptrs)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		/* The allocator's header lies in front of the object. */
		if (i + PREFETCH_AHEAD < nr)
			__builtin_prefetch((char *) ptrs[i + PREFETCH_AHEAD] -
					sizeof(size_t), 1);
		free(ptrs[i]);
	}
}

void kvfree_channel_free(unsigned int channel, size_t nr, void **ptrs)
{
	struct urcu_kvfree_channel *user;
	size_t i;

	if (caa_unlikely(kvfree_setting(debug)))
		kvfree_debug_free(&kvfree_runtime.debug, channel, nr, ptrs,
			kvfree_setting(debug) == URCU_KVFREE_DEBUG_STRICT);
	switch (channel) {
	case KVFREE_CHANNEL_MALLOC:
		free_malloced(nr, ptrs);
		return;
	case KVFREE_CHANNEL_LARGE:
		for (i = 0; i < nr; i++)
			kvfree_area_free(&kvfree_runtime.area, ptrs[i]);
		return;
	}
	user = &kvfree_runtime.channels.user[channel - KVFREE_CHANNEL_USER];
	kvfree_tls.freeing++;
	user->free_bulk(nr, ptrs, user->priv);
	kvfree_tls.freeing--;
}

struct urcu_kvfree_channel *urcu_kvfree_channel_create(const char *name,
		void (*free_bulk)(size_t nr, void **ptrs, void *priv),
		void *priv)
{
	struct kvfree_channels *channels = &kvfree_runtime.channels;
	struct urcu_kvfree_channel *channel = NULL;
	unsigned int i;

	if (!free_bulk) {
		errno = EINVAL;
		return NULL;
	}
	pthread_mutex_lock(&channels->lock);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS && !channel; i++) {
		if (channels->user[i].used)
			continue;
		channel = &channels->user[i];
		channel->used = true;
		channel->number = KVFREE_CHANNEL_USER + i;
		channel->free_bulk = free_bulk;
		channel->priv = priv;
		memset(channel->name, 0, sizeof(channel->name));
		strncpy(channel->name, name ? name : "",
			sizeof(channel->name) - 1);
	}
	pthread_mutex_unlock(&channels->lock);
	if (!channel)
		errno = ENOSPC;
	return channel;
}

int urcu_kvfree_channel_destroy(struct urcu_kvfree_channel *channel)
{
	struct kvfree_channels *channels = &kvfree_runtime.channels;
	struct kvfree_domain *domain;
	unsigned int online;

	if (!channel)
		return 0;
	if (kvfree_tls.freeing) {
		errno = EDEADLK;
		return -1;
	}
	online = kvfree_enter_wait("urcu_kvfree_channel_destroy()");
	kvfree_for_each_domain(domain)
		kvfree_barrier(domain, 0);
	kvfree_leave_wait(online);
	pthread_mutex_lock(&channels->lock);
	channel->used = false;
	pthread_mutex_unlock(&channels->lock);
	return 0;
}
