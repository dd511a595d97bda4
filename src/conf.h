/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_CONF_H
#define KVFREE_CONF_H

/*
 * conf.h - settings: defaults, attributes, environment
 */

#include "common.h"

struct kvfree_conf {
	unsigned int min_cached_pages;
	unsigned int refill_backoff_msec;
	unsigned int drain_msec;
	unsigned int kick_pages;
	unsigned int workers;
	unsigned int debug;		/* enum urcu_kvfree_debug */
	size_t large_threshold;
};

/*
 * What a start uses: @attr's settings or the defaults, with the environment
 * on top. A bad environment value is ignored, and reported once per process.
 * Returns -1 with errno EINVAL for an @attr that urcu_kvfree_attr_create() did
 * not make. Caller holds start_lock.
 */
int kvfree_conf_resolve(struct kvfree_conf *conf,
		const struct urcu_kvfree_attr *attr);

/* Copy @from to @to, which other threads read: see kvfree_setting(). */
void kvfree_conf_publish(struct kvfree_conf *to, const struct kvfree_conf *from);

#endif /* KVFREE_CONF_H */
