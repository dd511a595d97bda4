#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# symbols.sh - libraries, version script, header and Debian's list of symbols agree
#
# The shared library exports what the header declares and nothing else, under its version node,
# calls its own functions directly, and is linked with immediate binding and read-only
# relocations.

set -u
so=$top_builddir/.libs/liburcu-kvfree.so
a=$top_builddir/.libs/liburcu-kvfree.a
dir=${TMPDIR:-/tmp}/symbols-$$
mkdir "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

fail()
{
	echo "FAIL: $1"
	failed=1
}

same()
{
	diff "$dir/$1" "$dir/$2" || fail "$1 and $2 differ"
}

# Functions that the header declares, as the preprocessor leaves them: a name
# before an opening bracket.
echo '#include <urcu/kvfree.h>' |
	${CC:-cc} -E -P -I"$top_srcdir/include" -x c - |
	grep -o 'urcu_kv[a-z_]*(' | tr -d '(' | sort -u >"$dir/header"
sed -n '/global:/,/local:/p' "$top_srcdir/src/liburcu-kvfree.map" |
	grep -o 'urcu_[a-z_]*' | sort -u >"$dir/map"
[ -s "$dir/header" ] || fail "no function found in the header"
same header map

# A release archive has no debian/.
symbols=$top_srcdir/debian/liburcu-kvfree0.symbols
if [ -e "$symbols" ]; then
	grep -o '^ urcu_[a-z_]*@LIBURCU_KVFREE_0\.1 ' "$symbols" |
		tr -d ' ' | sed 's/@.*//' | sort -u >"$dir/debian"
	same header debian
fi

if [ -e "$a" ]; then
	nm -g --defined-only "$a" | grep -o ' T urcu_[a-z_]*$' |
		sed 's/ T //' | sort -u >"$dir/static"
	same header static
fi

if [ ! -e "$so" ]; then
	echo "SKIP: no shared library in this build"
	[ $failed = 0 ] && exit 77
	exit 1
fi

nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' |
	sed 's/@.*//' | sort -u >"$dir/shared"
same header shared
nm -D --defined-only "$so" | awk '$2 == "T" { print $3 }' |
	grep -v '@@LIBURCU_KVFREE_0\.1$' && fail "symbols without a version"

# No program takes the place of a function that the library calls itself.
readelf -rW "$so" | grep ' urcu_kv' && fail "own functions are found at run time"
readelf -d "$so" | grep -q -e BIND_NOW -e 'FLAGS_1.*NOW' ||
	fail "not linked with -z now"
readelf -lW "$so" | grep -q GNU_RELRO || fail "not linked with -z relro"
readelf -d "$so" | grep -q 'FLAGS_1.*NODELETE' ||
	fail "not linked with -z nodelete"
readelf -d "$so" | grep 'NEEDED.*liburcu-\(memb\|mb\|qsbr\|bp\)' &&
	fail "linked with a flavor of liburcu"
readelf -lW "$so" | grep 'GNU_STACK.*E ' && fail "executable stack"
exit $failed
