/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef LINKED_H
#define LINKED_H

/*
 * linked.h - checks of the programs that linked.sh builds, in a child of fork() too
 */

#include <stdio.h>
#include <unistd.h>

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: not true: %s\n",	\
				__FILE__, __LINE__, #condition);	\
			_exit(1);					\
		}							\
	} while (0)

#endif /* LINKED_H */
