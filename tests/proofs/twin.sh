#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# twin.sh "COMPILER AND FLAGS" FAULT.patch OUTPUT.o [FILE.c...]
#
# An object of the library with a fault: the patch is applied to a copy of src/,
# and the files of src/ that it names, or FILE.c..., are compiled there.
# A program that names the object before the library's archive takes it
# instead of the sound one. A patch of a header comes with the files that show
# its fault. Headers of the copy come before those of src/.
set -eu

compiler=$1 patch=$2 output=$3
shift 3
src=$(dirname "$0")/../../src
test $# -gt 0 ||
	set -- $(sed -n 's,^+++ b/src/\([^[:space:]]*\.c\).*,\1,p' "$patch")
test $# -gt 0 || { echo "$patch names no file to compile" >&2; exit 1; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/src"
cp "$src"/*.[ch] "$dir/src"
chmod -R u+w "$dir/src"
patch -s -p1 -d "$dir" <"$patch"
mkdir -p "$(dirname "$output")"
if test $# -eq 1; then
	$compiler -c "$dir/src/$1" -o "$output"
	exit
fi
for file in "$@"; do
	$compiler -c "$dir/src/$file" -o "$dir/$file.o"
done
# clang warns of flags that a link has no use for, which may be an error.
$compiler -Wno-unused-command-line-argument -r -nostdlib -o "$output" "$dir"/*.o
