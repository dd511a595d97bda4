#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# The test programs, torture among them, and through them the daemon of
# doc/examples under load, run under urcu-rawcheck: not one finding.
# KVFREE_PROOF_LONG=1 adds those that take minutes under it.
#
# K17: no path may take a sleeping lock under the record's.
set -u

builddir=${top_builddir:-.}
rawcheck=$builddir/tools/rawcheck/urcu-rawcheck
list=$builddir/tests/proofs/suite.list
# It makes a thousand processes.
slow=tests/faults/kvfaults
# It counts the instructions of a call, and would count the tool's.
never=tests/proofs/singlestep
# Its own malloc() is not the one that the tool sees.
own_malloc=tests/regression/test_own_malloc
unset URCU_RAWCHECK_SHARED URCU_RAWCHECK_LIBRARY LD_PRELOAD
# The watchdogs of the proofs: everything is slower here.
export KVFREE_PROOF_SECONDS=250

# The doubles of a stopped thread, in parked.c and kvhold.c.
suppress='-s stand_with_the_lock -s stand'
# fork() with the hooks takes the locks of all records, and may wait for one while
# it has others: see fork.c.
suppress="$suppress -s kvfree_records_prefork"

# One program with its options: a line of the table, and the log if it is of
# interest.
if test "${1-}" = --one; then
	program=$2
	log=$3/$(echo "$program" | tr '/ ' __)
	# Several words.
	# shellcheck disable=SC2086
	timeout -k 5 300 "$rawcheck" --wait --log="$log" $suppress \
		"$builddir"/$program >"$log.out" 2>&1
	status=$?
	findings=$(grep -c '^BUG' "$log")
	case $status,$findings in
	0,0)	echo "$program: no findings" ;;
	77,0)	echo "$program: skipped" ;;
	*)	{
			echo "$program: FAIL: exit status $status, $findings findings"
			head -n 40 "$log"
			tail -n 5 "$log.out"
		} | cut -c 1-160 ;;
	esac
	exit 0
fi

test -x "$rawcheck" && test -s "$list" || {
	echo "SKIP: no urcu-rawcheck"
	exit 77
}
test -e /proc/self/fd || {
	echo "SKIP: there is no /proc, which the tool needs"
	exit 77
}
if nm "$builddir/tests/proofs/storm" | grep -q '__asan_report\|__tsan_func\|__gcov'; then
	echo "SKIP: built with a sanitizer or coverage counters, which allocate themselves"
	exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/rawcheck-suite.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM

# The proofs in their short variant, whichever this is.
all=${KVFREE_PROOF_LONG-}
unset KVFREE_PROOF_LONG

# What to run, one a line.
programs()
{
	local program name flavor

	for program in $(cat "$list"); do
		test "$program" != "$never" && test "$program" != "$own_malloc" ||
			continue
		if test "$program" = "$slow" && test -z "$all"; then
			echo "$program: left to make torture-proofs" >&2
			continue
		fi
		echo "$program"
	done
	# Its delays inside the library are waits in raw contexts.
	for name in kvfreetorture kvfreetorture-pages3; do
		for flavor in memb mb qsbr bp; do
			echo "tests/torture/$name --no-delays --duration=2 --flavor=$flavor"
		done
	done
}

programs | xargs -P 2 -I '{}' "${BASH:-bash}" "$0" --one '{}' "$work" |
	tee "$work/table"

# A tool that finds nothing anywhere would do no good.
# It hangs when it has been caught; in a shell of its own, which is silent.
(
	export KVFREE_PROOF_SECONDS=30
	timeout -k 5 60 "$rawcheck" --log="$work/twin" \
		"$builddir/tests/proofs/twin-alloc-stall" >/dev/null 2>&1
) 2>/dev/null
grep -q 'kvfree_page_alloc' "$work/twin" || {
	echo "FAIL: no finding in the twin that allocates in the raw path"
	exit 1
}
test "$(grep -c 'no findings' "$work/table")" -ge 5 || {
	echo "FAIL: hardly anything was run"
	exit 1
}
! grep -q FAIL "$work/table"
