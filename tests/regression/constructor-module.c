/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * constructor-module.c - a module whose constructor calls the program
 *
 * dlopen() holds the dynamic linker's lock meanwhile.
 */

void in_constructor(void);	/* the program's */

static __attribute__((constructor)) void construct(void)
{
	in_constructor();
}
