/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * channel.c - free functions of the program
 */

#include <string.h>

#include "barrier.h"

struct urcu_kvfree_channel *urcu_kvfree_channel_create(const char *name,
		void (*free_bulk)(size_t nr, void **ptrs, void *priv),
		void *priv)
{
	struct kvfree_channels *channels = &kvfree_channels;
	struct urcu_kvfree_channel *channel = NULL;
	unsigned int i;

	if (!free_bulk) {
		errno = EINVAL;
		return NULL;
	}
	kvfree_mutex_lock(&channels->lock, KVFREE_RANK_CHANNELS);
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
	kvfree_mutex_unlock(&channels->lock);
	if (!channel)
		errno = ENOSPC;
	return channel;
}

int urcu_kvfree_channel_destroy(struct urcu_kvfree_channel *channel)
{
	struct kvfree_channels *channels = &kvfree_channels;
	struct kvfree_domain *domain;
	unsigned int online;

	if (!channel)
		return 0;
	if (kvfree_freeing) {
		errno = EDEADLK;
		return -1;
	}
	online = kvfree_enter_wait("urcu_kvfree_channel_destroy()");
	kvfree_for_each_domain(domain)
		kvfree_barrier(domain);
	kvfree_leave_wait(online);
	kvfree_mutex_lock(&channels->lock, KVFREE_RANK_CHANNELS);
	channel->used = false;
	kvfree_mutex_unlock(&channels->lock);
	return 0;
}
