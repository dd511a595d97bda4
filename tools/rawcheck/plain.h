/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * plain.h - the C library's functions themselves, not inline ones of its headers
 *
 * Included by the compiler's -include, before any header and after every -D and -U
 * of the command line: distributions ask for _FORTIFY_SOURCE in CPPFLAGS or CFLAGS,
 * which follow what a Makefile says for a single target.
 */

#undef _FORTIFY_SOURCE
#undef __NO_INLINE__
#define __NO_INLINE__	1
