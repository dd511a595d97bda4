/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVFREE_CONF_H
#define KVFREE_CONF_H

/*
 * conf.h - settings: defaults, attributes, environment
 */

#include "util.h"

/* All are size_t, for the table in conf.c. */
struct kvfree_conf {
	size_t min_cached_pages;
	size_t refill_backoff_msec;
	size_t drain_msec;
	size_t workers;
	size_t debug;			/* enum urcu_kvfree_debug */
	size_t recycle;			/* 0 or 1 */
	size_t placement;		/* enum urcu_kvfree_placement */
	size_t large_threshold;
	size_t batch_bytes;
	size_t max_pending_bytes;	/* 0: no cap; else at least batch_bytes */
};

/*
 * What a start uses: @attr's settings or the defaults, with the environment on top. A bad
 * environment value is ignored, and reported once per process. Returns -1 with errno EINVAL for an
 * @attr that urcu_kvfree_attr_create() did not make. Needs no lock.
 */
int kvfree_conf_resolve(struct kvfree_conf *conf, const struct urcu_kvfree_attr *attr);

/* Make @conf what kvfree_setting() reads. Caller holds start_lock. */
void kvfree_conf_publish(const struct kvfree_conf *conf);

extern struct kvfree_conf kvfree_conf;	/* atomic, each setting by itself */

/* A setting; before the first start 0, but for large_threshold. Relaxed: calls that do not need a
 * start may run beside one, and either value serves them. */
#define kvfree_setting(name)						\
	__atomic_load_n(&kvfree_conf.name, __ATOMIC_RELAXED)

#endif /* KVFREE_CONF_H */
