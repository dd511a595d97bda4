/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* retire-other.cc - the same call as in retire.cc, in a file with another flavor */

#include <urcu/kvfree.hpp>

#include "retire.h"

void other_retires(const plain *object)
{
	urcu::kvfree::retire(object);
}
