# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# What several of the scripts here ask of the build; to be sourced.

# A variable of the build's Makefile.
setting()
{
	sed -n "s/^$1 = *//p" "$top_builddir/Makefile"
}

# Whether the build is for another kind of machine: only its own compilers will do then.
is_cross()
{
	[ "$(setting host_triplet)" != "$(setting build_triplet)" ]
}

# Whether the build is for musl: valgrind's libraries are for glibc.
is_musl()
{
	setting CC | grep -q musl
}

# Of the README $1 the first program, the commands that follow it, and those that build and
# install the library.
readme_program()
{
	awk '/^```$/ && on { exit } on { print } /^```c$/ { on = 1 }' "$1"
}

readme_commands()
{
	awk '/^```c$/ { c = 1 } /^```$/ && on { exit } on { print } /^```sh$/ && c { on = 1 }' "$1"
}

readme_installation()
{
	awk '/^```$/ && on { exit } on { print } /^## / { there = 0 } /^## Build and install/ { there = 1 }
		/^```sh$/ && there { on = 1 }' "$1"
}

# Whether a sanitizer is in the program or library $1.
has_sanitizer()
{
	nm "$1" 2>/dev/null | grep -q -e __asan_report -e __tsan_func
}
