#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# fixtures.sh - urcu-kvfree-migrate makes tests/migrate/after of tests/migrate/before, says what it
# did, and what it makes compiles
set -u
. "$top_srcdir/tests/regression/functions.sh"
fixtures=$top_srcdir/tests/migrate
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

fail()
{
	echo "FAIL: $1"
	failed=1
}

# same WANTED GOT WHAT
same()
{
	diff -ru "$1" "$2" || fail "$3"
}

command -v spatch >/dev/null || { echo "SKIP: no spatch"; exit 77; }
spatch --version | grep -q 'Python scripting support: yes' || {
	echo "SKIP: spatch has no Python"
	exit 77
}
# The built script beside the files that it uses.
mkdir "$dir/tool"
cp "$top_srcdir"/tools/migrate/*.cocci "$top_srcdir/tools/migrate/plan.py" \
	"$top_builddir/tools/migrate/urcu-kvfree-migrate" "$dir/tool"
chmod -R u+w "$dir/tool"

# migrate ARGUMENT...: in $dir/copy
migrate()
{
	(cd "$dir/copy" && "$dir/tool/urcu-kvfree-migrate" "$@")
}

fresh()
{
	rm -rf "$dir/copy"
	cp -r "$fixtures/before" "$dir/copy"
	chmod -R u+w "$dir/copy"
}

flags="-D_GNU_SOURCE -I$(cd "$top_srcdir" && pwd)/include $(setting URCU_CFLAGS)"

# compiles FOLDER [FLAG...]: without a callback that nobody uses
compiles()
{
	# shellcheck disable=SC2086 # words on purpose
	(cd "$1" && shift && $CC -std=gnu11 -fsyntax-only -Wall -Wextra -Werror $flags "$@" ./*.c)
}

# compiles_cxx FOLDER: where there is a C++ compiler
compiles_cxx()
{
	cxx=$(setting CXX)
	command -v "${cxx%% *}" >/dev/null 2>&1 || return 0
	# shellcheck disable=SC2086 # words on purpose
	(cd "$1" && $cxx -std=gnu++11 -fsyntax-only -Wall -Wextra -Werror $flags ./*.cpp)
}

# ----------------------------------------------------------------------

fresh
migrate --dry-run forms.c >"$dir/diff" 2>/dev/null || fail "--dry-run: status $?"
same "$fixtures/before" "$dir/copy" "--dry-run changes files"
patch -s -p1 -d "$dir/copy" <"$dir/diff" || fail "the diff cannot be applied"
same "$fixtures/after/forms.c" "$dir/copy/forms.c" "the diff is wrong"

# A folder, named from the root: C and C++ in it.
fresh
migrate --dry-run "$dir/copy" >"$dir/diff" 2>"$dir/said" || fail "--dry-run of a folder: status $?"
grep -q 'patch -p1 -d / ' "$dir/said" || fail "how to apply the diff is not said"
sed -n 's,^+++ [^/]*/,/,p' "$dir/diff" | while read -r name; do
	[ -f "$name" ] || echo "$name"
done >"$dir/wrong"
[ ! -s "$dir/wrong" ] || fail "the diff names $(cat "$dir/wrong")"
patch -s -p1 -d / <"$dir/diff" || fail "the diff of a folder cannot be applied"
same "$fixtures/after" "$dir/copy" "the diff of a folder is wrong"

fresh
# shellcheck disable=SC2046 # words on purpose
migrate -I . $(ls "$dir/copy") >"$dir/output" 2>"$dir/summary" || fail "status $?"
same "$fixtures/after" "$dir/copy" "the files are different"
same "$fixtures/summary" "$dir/summary" "the summary is different"
[ ! -s "$dir/output" ] || fail "something is on standard output"

compiles "$fixtures/before" || fail "the fixtures do not compile"
compiles "$dir/copy" || fail "the result does not compile"
compiles "$dir/copy" -DUSE_BP || fail "the result does not compile with bp"
compiles_cxx "$fixtures/before" || fail "the fixtures of C++ do not compile"
compiles_cxx "$dir/copy" || fail "the result does not compile as C++"

# A second time.
migrate . 2>"$dir/summary" || fail "second time: status $?"
same "$fixtures/after" "$dir/copy" "it changes files once more"
grep -q '^0 of ' "$dir/summary" || fail "it moves calls once more"

# Other functions than free().
migrate --free=destroy --dry-run stays.c 2>/dev/null |
	grep -q '^+	urcu_kvfree_rcu(object, head);$' || fail "--free=destroy has no effect"

# Mistakes.
for arguments in "--no-such-option" "" "-I"; do
	# shellcheck disable=SC2086 # words on purpose
	migrate $arguments >"$dir/output" 2>&1
	[ $? -eq 2 ] || fail "status of \"$arguments\""
done
migrate no-such-file 2>/dev/null && fail "status of a file that is not there"
migrate --help | grep -q '^Usage: urcu-kvfree-migrate ' || fail "no --help"
[ "$(migrate --version)" = "urcu-kvfree-migrate (liburcu-kvfree) $(setting VERSION)" ] ||
	fail "--version"
exit $failed
