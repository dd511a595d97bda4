/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "mixed.h"
#include <urcu/kvfree.h>

void item_retire(struct item *item);

void item_retire(struct item *item)
{
	urcu_kvfree_rcu(item, head);
}
