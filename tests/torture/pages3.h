/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * pages3.h - a library whose pages hold three pointers
 *
 * Full pages, empty caches, kicks and refills then come all the time. Included in
 * front of each source file, in place of config.h.
 */

#include "config.h"

#undef KVFREE_BULK_RECORDS_OVERRIDE
#define KVFREE_BULK_RECORDS_OVERRIDE	3
