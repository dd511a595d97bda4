/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_CHECK_H
#define RAWCHECK_CHECK_H

/* check.h - what the programs that run under urcu-rawcheck demand of themselves */

#include <stdio.h>
#include <unistd.h>

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			dprintf(2, "%s:%d: not so: %s\n", __FILE__,	\
					__LINE__, #condition);		\
			_exit(1);					\
		}							\
	} while (0)

#endif /* RAWCHECK_CHECK_H */
