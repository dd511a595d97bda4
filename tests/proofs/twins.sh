#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Each proof again with a library that is broken on purpose: it must fail, and
# for the right reason. A deadlock twin hangs, and then its watchdog ends it; for no
# other twin does a hang count.
set -u

builddir=${top_builddir:-.}
srcdir=${top_srcdir:-.}
out=$(mktemp) || exit 99
trap 'rm -f "$out"' EXIT
bad=0
seen=0

row()
{
	printf '%-22s %-38s %-8s %s\n' "$@"
}

verdict()
{
	seen=$((seen + 1))
	row "$@"
	case $4 in
	NO*)	bad=1; sed 's/^/    /' "$out" ;;
	esac
}

# twin NAME FAULT fail PATTERN: exit status 1 and PATTERN in the output.
# twin NAME FAULT hang SECONDS: the watchdog had to end it.
twin()
{
	local name=$1 fault=$2 expected=$3 arg=$4 status seconds=120

	test "$expected" != hang || seconds=$arg
	# In a shell of its own, which is silent about a program that is killed.
	(
		export KVFREE_PROOF_SECONDS=$seconds KVFREE_PROOF_BOUND_MSEC=2000
		timeout -k 5 150 "$builddir/tests/proofs/$name" >"$out" 2>&1
	) 2>/dev/null
	status=$?
	case $expected,$status in
	*,77)	verdict "$name" "$fault" "$expected" "skipped" ;;
	hang,142) verdict "$name" "$fault" "$expected" "hung, as it must" ;;
	fail,1)	if grep -q -- "$arg" "$out"; then
			verdict "$name" "$fault" "$expected" "failed, as it must"
		else
			verdict "$name" "$fault" "$expected" "NO: another failure"
		fi ;;
	*)	verdict "$name" "$fault" "$expected" "NO: exit status $status" ;;
	esac
}

# code NAME FAULT PATTERN: disasm.pl finds PATTERN in the library of that name.
code()
{
	local name=$1 fault=$2 pattern=$3 status

	test -s "$builddir/tests/proofs/$name.so" || return 0
	perl "$srcdir/tests/proofs/disasm.pl" \
		"$builddir/tests/proofs/$name.so" >"$out" 2>&1
	status=$?
	if test $status -eq 77; then
		verdict "disasm $name" "$fault" fail skipped
	elif test $status -eq 1 && grep -q -- "$pattern" "$out"; then
		verdict "disasm $name" "$fault" fail "failed, as it must"
	else
		verdict "disasm $name" "$fault" fail "NO: exit status $status"
	fi
}

if nm "$builddir/tests/proofs/twin-alloc-seccomp" 2>/dev/null |
		grep -q '__asan_report\|__tsan_func\|__gcov'; then
	echo "SKIP: built with a sanitizer, which fails in ways of its own"
	exit 77
fi

row "proof" "fault" "expected" "seen"
twin twin-alloc-seccomp "page allocated in the raw path" fail \
	'a raw call made a system call'
twin twin-alloc-stall "page allocated in the raw path" hang 10
twin twin-blind-storm "record's lock waited for" hang 15
twin twin-blind-inversion "record's lock waited for" hang 3
twin twin-early-singlestep "gate closed before the timer is armed" fail \
	'is not freed'
twin twin-waits-singlestep "tick waits for a record's lock" fail \
	'is not freed'
twin twin-waits-parked "tick waits for a record's lock" fail \
	'are not freed'
twin twin-lost-gates "refill gate never opened" fail 'did not come'
twin twin-stuck-gates "gate left closed when arming failed" fail \
	'did not come'
twin twin-free-neverfree "raw call frees a ripe object" fail \
	'frees inside raw calls'
if command -v perl >/dev/null && command -v objdump >/dev/null; then
	code twin-alloc "page allocated in the raw path" \
		'posix_memalign can be reached'
	code twin-blind "record's lock waited for" 'goes to kvfree_record_lock'
	code twin-lazy "symbols bound at their first use" 'no BIND_NOW'
	code twin-tls "thread-local storage found by a call" '__tls_get_addr'
fi
test "$seen" -ge 10 || bad=1
exit $bad
