/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * channel.c - free functions of the program
 */

#include <stdio.h>

#include "barrier.h"

struct urcu_kvfree_channel *urcu_kvfree_channel_create(const char *name,
		void (*free_bulk)(size_t nr, void **ptrs, void *priv), void *priv)
{
	struct urcu_kvfree_channel *channel = NULL;
	unsigned int i;

	if (!free_bulk) {
		errno = EINVAL;
		return NULL;
	}
	kvfree_mutex_lock(&kvfree_channels.lock, KVFREE_RANK_CHANNELS);
	for (i = 0; i < URCU_KVFREE_MAX_CHANNELS && !channel; i++) {
		if (kvfree_channels.user[i].used)
			continue;
		channel = &kvfree_channels.user[i];
		channel->used = true;
		channel->number = KVFREE_CHANNEL_USER + i;
		channel->free_bulk = free_bulk;
		channel->priv = priv;
		snprintf(channel->name, sizeof(channel->name), "%s", name ? name : "");
	}
	kvfree_mutex_unlock(&kvfree_channels.lock);
	if (!channel)
		errno = ENOSPC;
	return channel;
}

int urcu_kvfree_channel_destroy(struct urcu_kvfree_channel *channel)
{
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
	kvfree_mutex_lock(&kvfree_channels.lock, KVFREE_RANK_CHANNELS);
	channel->used = false;
	kvfree_mutex_unlock(&kvfree_channels.lock);
	return 0;
}
