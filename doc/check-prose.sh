#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# check-prose.sh - the lines of the documentation have 100 columns at most
#
# Not those of tables, of fenced code, and those that are one link. doc/benchmark/report.md
# is written by a script.

set -u
srcdir=${top_srcdir:-.}
failed=0
pages=0

# too_long PAGE: the bytes that go on with a character are left out, since not every awk knows
# of characters.
too_long()
{
	expand "$1" | LC_ALL=C tr -d '\200-\277' | LC_ALL=C awk -v page="$1" '
	/^ *```/ { code = !code; next }
	code || /^ *\|/ { next }
	/^ *([-*] )?(<[^<> ]*>|\[[^][]*\](\([^() ]*\)|: [^ ]*)|https?:[^ ]*)[.,;:]?$/ { next }
	length($0) > 100 {
		print "FAIL: " page ": line " FNR " has " length($0) " columns"
		status = 1
	}
	END { exit status }'
}

for page in "$srcdir"/*.md "$srcdir"/doc/*.md "$srcdir"/doc/*/*.md "$srcdir"/tests/*.md \
		"$srcdir"/tests/*/*.md; do
	test "$page" != "$srcdir/doc/benchmark/report.md" || continue
	pages=$((pages + 1))
	too_long "$page" || failed=1
done
test $pages -ge 12 || { echo "FAIL: only $pages pages"; failed=1; }
echo "check-prose.sh: $pages pages"
exit $failed
