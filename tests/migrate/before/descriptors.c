// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The liburcu-kvfree authors
//
// A program that counts its file descriptors, which a library must not add to in between.
#include <dirent.h>
#include <stdio.h>

#define OWN_DESCRIPTORS "/proc/self/fd"

static int count_descriptors(void)
{
	DIR *dir = opendir(OWN_DESCRIPTORS);
	int count = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int before, after;

	(void) argv;
	before = count_descriptors();
	if (argc > 1)
		puts("no arguments");
	after = count_descriptors();
	return before != after;
}
