/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVHOLD_H
#define KVHOLD_H

/*
 * kvhold.h - hold the first thread that gets to a place of src/hooks.h
 *
 * Tests stop the library at a chosen place with it, instead of sleeping and
 * hoping. For programs linked with the check build of the library.
 */

#include <stdbool.h>

#include "hooks.h"

/* The next thread that gets to @place waits there for kvhold_go(). */
void kvhold_at(enum kvfree_hook_place place);
/* The same; the calling thread passes. */
void kvhold_others_at(enum kvfree_hook_place place);
/* Until a thread stands there; false after a long time. */
bool kvhold_wait(void);
/* Let it go; nobody is held from here on. */
void kvhold_go(void);

/* Call @fn once, on the first thread that gets to @place. */
void kvhold_call(enum kvfree_hook_place place, void (*fn)(void));
/* Call @fn on every thread that gets to @place; not from within @fn. */
void kvhold_every(enum kvfree_hook_place place, void (*fn)(void));

/* How often any thread got to @place since the hook was set. */
void kvhold_count(enum kvfree_hook_place place);
unsigned long kvhold_counted(void);

/* Take the hook away. */
void kvhold_off(void);

#endif /* KVHOLD_H */
