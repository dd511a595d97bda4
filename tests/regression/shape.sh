#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# The library's sources keep to what CONTRIBUTING.md says of their shape: no function has more than
# 40 lines between its braces, no line more than 100 columns. A message stays in one piece, however
# long it is.
set -u

srcdir=${top_srcdir:-.}
most=${1:-40}

# Prints what is too long, and how many functions there are.
look()
{
	expand "$1" | LC_ALL=C awk -v most="$most" -v file="${1##*/}" '
		length > 100 && !/^ *"|kvfree_(die|report|warn)\("/ { print file ":" FNR ": " length " columns" }
		/^\{$/ { begin = FNR }
		/^\}$/ && begin {
			nr++
			if (FNR - begin - 1 > most)
				print file ":" begin ": a function of " FNR - begin - 1 " lines"
			begin = 0
		}
		END { print nr + 0 " functions" }'
}

found=$(for file in "$srcdir"/src/*.[ch]; do look "$file"; done)
wrong=$(echo "$found" | grep -v ' functions$')
nr=$(echo "$found" | awk '/ functions$/ { nr += $1 } END { print nr + 0 }')
if [ "$nr" -lt 100 ]; then
	echo "FAIL: only $nr functions in $srcdir/src"
	exit 1
fi
if [ -n "$wrong" ]; then
	echo "$wrong"
	echo "FAIL: longer than $most lines, or 100 columns"
	exit 1
fi
echo "$nr functions of at most $most lines"
