/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "mixed.h"

void item_retire(struct item *item);

void item_retire(struct item *item)
{
	call_rcu(&item->head, item_free);
}
