/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#include "mixed.h"
#include <urcu/kvfree.h>

namespace {

class List {
public:
	void drop(struct item *item)
	{
		call_rcu(&item->head, item_free);
	}
};

void replace(struct item *item)
{
	urcu_kvfree_rcu(item, head);
}

}

void use(struct item *item)
{
	List list;

	list.drop(item);
	replace(item);
}
