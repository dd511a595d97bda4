/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* A program of several files, whose callbacks are in other ones than the calls. */

#ifndef SEVERAL_H
#define SEVERAL_H

#ifdef USE_BP
#include <urcu-bp.h>
#else
#include <urcu.h>
#endif
#include <urcu/kvfree.h>
#include <stdlib.h>

struct object {
	int value;
	struct rcu_head head;
};

struct object *object_new(void);
struct object *object_of(int value);
void object_free_too(struct rcu_head *);

static inline void object_retire(struct object *object)
{
	urcu_kvfree_rcu(object, head);
}

#endif /* SEVERAL_H */
