/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCHILD_H
#define KVCHILD_H

/*
 * kvchild.h - run a scenario of this program in a process of its own
 *
 * For what ends a process, what a process does only once, and what must not
 * disturb the other tests. The program runs itself anew with the
 * scenario's name as its argument; main() hands that to kvchild_main().
 */

#include <stddef.h>

struct kvchild_scenario {
	const char *name;
	int (*run)(void);	/* its result is the exit status */
};

/* What a scenario returns when it went as it should. */
#define KVCHILD_OK	0

/* Runs the scenario that argv names; -1 when there is no argument. */
int kvchild_main(int argc, char **argv,
		const struct kvchild_scenario *scenarios);

/*
 * Run scenario @name and wait for its end; its stderr goes to @err. Returns
 * the exit status, or 128 + the signal that ended it.
 */
int kvchild_run(const char *name, char *err, size_t size);
/* The same by another copy of this program, the file @path. */
int kvchild_run_file(const char *path, const char *name, char *err, size_t size);

/* Lines in @text that start with the library's name. */
unsigned int kvchild_count_lines(const char *text);

#endif /* KVCHILD_H */
