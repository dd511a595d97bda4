#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Calls and includes of the library go down the table of rooms in doc/design.md. Reads
# the table, the objects' symbol tables and the #include lines; prints each
# reference that goes up or sideways. A file that the table does not name fails too. So
# does an exception that nothing needs: kvfree_fork_linked, which is not used but named.
set -u

srcdir=${top_srcdir:-.}
builddir=${top_builddir:-.}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

command -v nm >/dev/null || { echo "SKIP: no nm"; exit 77; }

# rooms FILE: "room row" for each room of the table, row 1 on top.
rooms()
{
	awk -F'|' '/^\| room \(/ { inside = 1; next }
		!inside { next }
		!/^\|/ { exit }
		/^\|---/ { next }
		{ row++; gsub(/[` ]/, "", $2); n = split($2, name, ",")
		  for (i = 1; i <= n; i++) print name[i], row }' "$1"
}

# Where each symbol is defined, and who uses it: "user definer symbol".
calls()
{
	for object in "$builddir"/src/libkvfree_check_a-*.o \
			"$builddir"/src/tests_libkvfree_check_a-*.o; do
		test -f "$object" || continue
		room=$(basename "$object" .o)
		room=${room##*-}
		nm -P "$object" | awk -v room="$room" '
			$2 ~ /^[TDBRVWCtdbr]$/ && $2 !~ /^[a-z]$/ {
				print room, $1 >DEF }
			$2 == "U" || $2 == "w" { print room, $1 >USE }' \
			DEF="$tmp/def.$room" USE="$tmp/use.$room"
	done
	cat "$tmp"/def.* 2>/dev/null >"$tmp/def"
	cat "$tmp"/use.* 2>/dev/null >"$tmp/use"
	awk 'NR == FNR { where[$2] = $1; next }
		$2 in where && where[$2] != $1 { print $1, where[$2], $2 }' \
		"$tmp/def" "$tmp/use"
}

includes()
{
	for file in "$srcdir"/src/*.[ch]; do
		room=$(basename "$file")
		room=${room%.*}
		sed -n 's/^# *include "\([a-z]*\)\.h".*/\1/p' "$file" |
			awk -v room="$room" '$1 != room && $1 != "config" {
				print room, $1, "#include" }'
	done
}

rooms "$srcdir/doc/design.md" >"$tmp/rooms"
test "$(wc -l <"$tmp/rooms")" -ge 20 || {
	echo "doc/design.md has no table of rooms"
	exit 1
}
calls >"$tmp/calls"
test "$(wc -l <"$tmp/calls")" -ge 100 || {
	echo "SKIP: no objects of the check build with symbols"
	exit 77
}
includes >"$tmp/includes"
awk 'NR == FNR { row[$1] = $2; next }
	!($1 in row) { print $1 " is not in the table"; bad = 1; next }
	!($2 in row) { print $2 " is not in the table"; bad = 1; next }
	$3 == "kvfree_fork_linked" { excepted++; next }
	row[$1] >= row[$2] {
		print $1 " -> " $2 " goes up or sideways: " $3; bad = 1 }
	END { exit bad || excepted != 1 }' "$tmp/rooms" "$tmp/calls" "$tmp/includes" || exit 1
for file in "$srcdir"/src/*.[ch]; do
	room=$(basename "$file")
	grep -q "^${room%.*} " "$tmp/rooms" || {
		echo "$room is not in the table"
		exit 1
	}
done
echo "$(wc -l <"$tmp/rooms") rooms, $(wc -l <"$tmp/calls") references, $(wc -l <"$tmp/includes") includes: all go down"
