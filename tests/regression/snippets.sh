#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# snippets.sh - the pieces of C in doc/migrating.md compile without a warning
#
# A comment before each says what to do with it:
#
#	<!-- before each -->		the #include lines for pieces that have none
#	<!-- compiles -->		compiles by itself
#	<!-- compiles with HEADER -->	the same, where the system has HEADER
#
# A piece without such a comment is an error.

set -u
. "$top_srcdir/tests/regression/functions.sh"
guide=$top_srcdir/doc/migrating.md
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failed=0

# One file a piece, named for the line of the guide that it begins at; its comment beside it.
awk -v dir="$dir" '
	/^```$/ && file		{ close(file); file = "" }
	file			{ print >file }
	/^```c$/		{ file = dir "/line-" NR + 1 ".c"; print last >(file ".comment") }
				{ last = $0 }
' "$guide"

flags=$(setting URCU_CFLAGS)

# compile FILE...
compile()
{
	# shellcheck disable=SC2086 # words on purpose
	$CC -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE \
		-I"$top_srcdir/include" $flags "$@"
}

# has_header NAME
has_header()
{
	echo "#include <$1>" >"$dir/header.c"
	compile "$dir/header.c" 2>/dev/null
}

includes=$(grep -lx '<!-- before each -->' "$dir"/*.comment) || {
	echo "FAIL: no #include lines come before each"
	exit 1
}
includes=${includes%.comment}
pieces=0
for piece in "$dir"/line-*.c; do
	line=${piece##*/line-}
	line=${line%.c}
	read -r comment <"$piece.comment"
	case $comment in
	"<!-- before each -->" | "<!-- compiles -->") ;;
	"<!-- compiles with "*.h" -->")
		header=${comment#<!-- compiles with }
		header=${header% -->}
		has_header "$header" || {
			echo "snippets.sh: no $header for line $line"
			continue
		} ;;
	*)
		echo "FAIL: line $line: no comment says how it compiles"
		failed=1
		continue ;;
	esac
	{
		grep -q '^#include' "$piece" || cat "$includes"
		echo "#line $line \"migrating.md\""
		cat "$piece"
	} >"$dir/whole-$line.c"
	pieces=$((pieces + 1))
done
# All at once, which is faster; the compiler names the lines of the guide.
compile "$dir"/whole-*.c || { echo "FAIL: see above"; failed=1; }
[ $pieces -ge 15 ] || { echo "FAIL: only $pieces pieces"; failed=1; }
echo "snippets.sh: $pieces pieces"
exit $failed
