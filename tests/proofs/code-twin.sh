#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# code-twin.sh "COMPILER AND FLAGS" OUTPUT.so LINKER_FLAG [FAULT.patch ROOM...]
#
# The library's position-independent objects, but those of each ROOM compiled with
# the fault, linked with LINKER_FLAG. OUTPUT is empty if there are no such objects.
set -u

compiler=$1 output=$2 linker_flag=$3
shift 3
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
if test $# -gt 0; then
	fault=$1
	shift
	for room in "$@"; do
		"$(dirname "$0")/twin.sh" "$compiler -fPIC -DPIC" "$fault" \
			"$dir/liburcu_kvfree_la-$room.o" "$room.c" || exit 1
	done
fi
$compiler -shared -fPIC "$linker_flag" -o "$output" "$dir"/*.o
