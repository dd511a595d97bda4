#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# leaks.sh - leak checkers are silent about objects that are pending at exit,
# and find nothing at all after urcu_kvfree_exit() (lessons: K13)
#
# In a build with AddressSanitizer, LeakSanitizer looks; in one without any
# sanitizer, valgrind.

set -u
pending=$top_builddir/tests/regression/pending
log=${TMPDIR:-/tmp}/leaks-$$.log
known=${TMPDIR:-/tmp}/leaks-$$.supp
trap 'rm -f "$log" "$known"' EXIT

fail()
{
	echo "leaks.sh: $1" >&2
	cat "$log" >&2
	exit 1
}

"$pending" >"$log" 2>&1 || fail "pending ended with $?"
[ -s "$log" ] && fail "pending said something"
"$pending" exit >"$log" 2>&1 || fail "pending exit ended with $?"
[ -s "$log" ] && fail "pending exit said something"

if nm "$pending" 2>/dev/null | grep -q -e __asan_report -e __tsan_func; then
	exit 0
fi
command -v valgrind >/dev/null 2>&1 || {
	echo "leaks.sh: no valgrind" >&2
	exit 77
}

# What is "possibly lost" and is not: an object on the emergency list hangs by
# an rcu_head somewhere inside it; glibc's block of a thread that runs.
cat >"$known" <<EOT
{
	emergency list, plain object
	Memcheck:Leak
	match-leak-kinds: possible
	fun:malloc
	fun:kvtest_object_new
}
{
	emergency list, late head
	Memcheck:Leak
	match-leak-kinds: possible
	fun:malloc
	fun:late_object
}
{
	a running thread
	Memcheck:Leak
	match-leak-kinds: possible
	fun:calloc
	...
	fun:allocate_dtv
	...
}
EOT

grind()
{
	valgrind -q --suppressions="$known" --leak-check=full --error-exitcode=9 \
		--errors-for-leak-kinds=definite,indirect,possible \
		--show-leak-kinds=definite,indirect,possible "$@" \
		>"$log" 2>&1 || fail "valgrind $*: $?"
	[ -s "$log" ] && fail "valgrind $*"
	return 0
}

# valgrind 3.19 gives up on the DWARF 5 of clang 14.
if valgrind -q "$pending" 2>&1 | grep -q 'debuginfo reader'; then
	echo "SKIP: this valgrind does not read this compiler's debug information"
	exit 77
fi
grind "$pending"
grind "$pending" exit
