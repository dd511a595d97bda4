/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVAGAIN_H
#define KVAGAIN_H

/*
 * kvagain.h - an object that can be queued again and again
 *
 * For tests that queue without end and are about the way there, not about the
 * objects. In a program linked with --wrap=free (WRAP_FREE in Makemodule.am) the
 * library's free() of this object counts and does nothing else. Only for calls
 * that do not write into the object: urcu_kvfree_rcu_try() and
 * urcu_kvfree_rcu_mightsleep(). Not for programs that use kvarena.h.
 */

#include <stdint.h>

/* The object; the same one each time. */
void *kvagain_object(void);

/* How often it was freed. */
uint64_t kvagain_freed(void);

#endif /* KVAGAIN_H */
