#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# doc/rawcheck.md shows what really happens: its program is built, and each line
# that begins a finding, each frame of the program itself, and the sum must come out as
# they are printed there. Addresses, numbers of processes, offsets within
# functions and the C library's frames differ between machines.

. "$top_srcdir/tests/rawcheck/functions.sh"

guide=$top_srcdir/doc/rawcheck.md

normalize()
{
	sed -n -e 's/+0x[0-9a-f]*//g' -e 's/0x[0-9a-f]*/ADDRESS/g' \
		-e '/^BUG: /p' -e '/^ *#.*(table\.c:/s/#[0-9]*//p' \
		-e '/^urcu-rawcheck: /p'
}

sed -n '/^```c$/,/^```$/p' "$guide" | sed -e 1d -e '/^```$/,$d' >"$work/table.c"
grep -q 'int main' "$work/table.c" || fail "no program in the guide"
(cd "$work" && $CC -g -O0 -o table table.c -pthread) 2>"$work/err" ||
	fail "the guide's program does not build"
expect "the guide's program" 99 '^BUG: ' "$rawcheck" "$work/table"

normalize <"$guide" >"$work/printed"
normalize <"$work/err" >"$work/real"
if ! cmp -s "$work/printed" "$work/real"; then
	diff "$work/printed" "$work/real" >"$work/err"
	fail "the guide prints something else"
fi
# Two findings and the sum, or more: an empty file compares equal to nothing.
[ "$(wc -l <"$work/printed")" -ge 7 ] || fail "the guide prints too little"

finish
