#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# The library under its own checker (row K17): the test programs, the proofs and
# the example daemon under its protocol's tests, without a finding. A library
# that allocates under its lock, on purpose, is found.
#
# Left out are programs that take a record's lock themselves and then allocate or
# sleep, to see what others do meanwhile: gates, parked, singlestep. And
# test_load, which is test_protocol's daemon for longer.

. "$top_srcdir/tests/rawcheck/functions.sh"

ran=0
for program in "$top_builddir"/tests/unit/test_* \
		"$top_builddir"/tests/regression/test_* \
		"$top_builddir"/tests/kvcached/test_protocol \
		"$top_builddir"/tests/proofs/inversion \
		"$top_builddir"/tests/proofs/neverfree \
		"$top_builddir"/tests/proofs/seccomp \
		"$top_builddir"/tests/proofs/stall \
		"$top_builddir"/tests/proofs/storm; do
	[ -f "$program" ] && [ -x "$program" ] || continue
	case ${program##*/} in *.*) continue;; esac
	timeout 120 "$rawcheck" --log="$work/err" "$program" >"$work/out" 2>&1
	code=$?
	case $code in
	0)	ran=$((ran + 1));;
	77)	echo "skipped: $program";;
	*)	tail -n 5 "$work/out"
		fail "$program: exit code $code";;
	esac
done
[ $ran -ge 5 ] || fail "only $ran programs were run"

twin=$top_builddir/tests/rawcheck/alloc_in_raw
if [ -x "$twin" ]; then
	timeout 120 "$rawcheck" --no-sources --log="$work/err" "$twin" \
		>"$work/out" 2>&1
	code=$?
	[ $code = 99 ] || fail "the twin that allocates: exit code $code"
	grep -q '^BUG: .*: posix_memalign() while holding spinlock' "$work/err" ||
		fail "the twin that allocates is not found"
fi

finish
