/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVGP_H
#define KVGP_H

/*
 * kvgp.h - a flavor whose grace periods the test begins and ends
 *
 * The library knows a flavor by its struct rcu_flavor_struct alone. The one here
 * numbers its grace periods from 1 and, while held, ends them one by one at the
 * test's word. An object that was queued when kvgp_begun() said n must not be
 * freed before a grace period numbered above n is over: kvgp_last_ended().
 */

#include <stdbool.h>
#include <urcu/flavor.h>

#include "kvtest.h"

extern const struct rcu_flavor_struct kvgp_flavor;

/* Grace periods wait from now on; one of them may end; all end. */
void kvgp_hold(void);
void kvgp_end_one(void);
void kvgp_let_go(void);

/* Grace periods that have begun; the highest number that ended. */
uint64_t kvgp_begun(void);
uint64_t kvgp_last_ended(void);

/* Until one of number @n has begun, has ended; false after a long time. */
bool kvgp_wait_begun(uint64_t n);
bool kvgp_wait_ended(uint64_t n);

/* A read-side section of the calling thread, for read_ongoing() alone. */
void kvgp_set_in_section(bool in);

#endif /* KVGP_H */
