#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# code-twin.sh "COMPILER AND FLAGS" OUTPUT.so FLAG LINKER_FLAG FILE.c...
#
# The library's position-independent objects, but each FILE compiled with FLAG,
# linked with LINKER_FLAG. OUTPUT is empty if there are no such objects.
set -u

compiler=$1 output=$2 flag=$3 linker_flag=$4
shift 4
objects=$(ls src/.libs/liburcu_kvfree_la-*.o 2>/dev/null)
if test -z "$objects"; then
	: >"$output"
	exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for object in $objects; do
	cp "$object" "$dir" || exit 1
done
for file in "$@"; do
	$compiler -fPIC -DPIC "$flag" -c "$file" \
		-o "$dir/liburcu_kvfree_la-$(basename "$file" .c).o" || exit 1
done
$compiler -shared -fPIC "$linker_flag" -o "$output" "$dir"/*.o
