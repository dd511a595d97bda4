/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef FAULTS_SCENARIOS_H
#define FAULTS_SCENARIOS_H

/*
 * scenarios.h - what the library does while its calls fail
 */

#include <stdbool.h>

#include "inject.h"

struct scenario {
	const char *name;
	const char *what;
	void (*run)(void);
	const char *settings;	/* "NAME=VALUE NAME=VALUE", without the
				 * URCU_KVFREE_ of the environment; or NULL */
	bool abandons;		/* not all memory comes back: no balance */
};

/* Ends with one that has no name. */
extern const struct scenario scenarios[];

/* Run @scenario in this process, clear the fault, and check that all is well
 * and goes on; returns the number of errors. */
unsigned int scenario_check(const struct scenario *scenario);

#endif /* FAULTS_SCENARIOS_H */
