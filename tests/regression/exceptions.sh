#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# exceptions.sh - a free function that an exception or the end of its thread leaves ends
# the program, with a message that names the channel

set -u
. "$top_srcdir/tests/regression/functions.sh"

CXX=$(setting CXX)
command -v "${CXX%% *}" >/dev/null 2>&1 || { echo "SKIP: no C++ compiler"; exit 77; }
libs=$(cd "$top_builddir/.libs" && pwd) || exit 1
for lib in "$libs"/liburcu-kvfree.a "$libs"/liburcu-kvfree.so; do
	has_sanitizer "$lib" && {
		echo "SKIP: the sanitizers' runtime has its own word on exceptions"
		exit 77
	}
done
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
failed=0

# shellcheck disable=SC2046,SC2086 # words on purpose
$CXX -I"$top_srcdir/include" $(setting URCU_CFLAGS) -Wall -Wextra -o "$tmp/program" \
	"$top_srcdir/tests/regression/exceptions.cc" -L"$libs" -lurcu-kvfree \
	-lurcu-memb -lurcu-common -pthread $(setting LDFLAGS) || exit 1
LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

for way in throw exit; do
	"$tmp/program" $way 2>"$tmp/err"
	status=$?
	grep -q '^liburcu-kvfree: a free function of channel "unwinds" did not return' \
		"$tmp/err" && [ $status = 134 ] && continue
	cat "$tmp/err"
	echo "FAIL: $way ended with $status"
	failed=1
done
exit $failed
