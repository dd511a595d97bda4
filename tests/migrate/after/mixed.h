/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* A header for C and C++. */

#ifndef MIXED_H
#define MIXED_H

#include <stdlib.h>
#include <urcu.h>

struct item {
	int value;
	struct rcu_head head;
};

static inline void item_free(struct rcu_head *head)
{
	free(caa_container_of(head, struct item, head));
}

#endif
