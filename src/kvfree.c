/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */
#include <urcu/kvfree.h>
typedef int kvfree_placeholder;
