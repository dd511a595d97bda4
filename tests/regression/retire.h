/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef REGRESSION_RETIRE_H
#define REGRESSION_RETIRE_H

#include <urcu/call-rcu.h>

/* An object that both files of the program retire, each with its own flavor. */
struct plain {
	int number;
	struct rcu_head head;
};

/* As retire(), in retire-other.cc. */
void other_retires(const plain *object);

#endif /* REGRESSION_RETIRE_H */
