#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# leaks.sh - leak checkers are silent about objects that are pending at exit,
# and find nothing at all after urcu_kvfree_exit() (lessons: K13)
#
# In a build with AddressSanitizer, LeakSanitizer looks; in one without any
# sanitizer, valgrind. LeakSanitizer also looks into large memory, in both.

set -u
[ -e /proc/self/maps ] || {
	echo "SKIP: there is no /proc, which leak checkers need"
	exit 77
}
. "$top_srcdir/tests/regression/functions.sh"
pending=$top_builddir/tests/regression/pending
log=${TMPDIR:-/tmp}/leaks-$$.log
known=${TMPDIR:-/tmp}/leaks-$$.supp
dir=${TMPDIR:-/tmp}/leaks-$$.dir
mkdir "$dir" || exit 1
trap 'rm -rf "$log" "$known" "$dir"' EXIT

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

# large_pointer WORD: run the program of that name, with the LeakSanitizer that the
# compiler has; it works with a library that knows nothing of it.
large_pointer()
{
	LSAN_OPTIONS=exitcode=23 ASAN_OPTIONS=detect_leaks=1:exitcode=23 \
		"$dir/large_pointer" "$1" >"$log" 2>&1
}

look_into_large_memory()
{
	library=$top_builddir/.libs/liburcu-kvfree.a
	[ -e "$library" ] || library=$top_builddir/.libs/liburcu-kvfree.so
	# shellcheck disable=SC2086 # words on purpose
	${CC:-cc} -g -fsanitize="$1" -I"$top_srcdir/include" -o "$dir/large_pointer" \
		"$top_srcdir/tests/regression/large_pointer.c" "$library" \
		-Wl,-rpath,"$top_builddir/.libs" -lurcu-memb -lurcu-common -pthread \
		>"$log" 2>&1 || return 0
	# It needs leave to trace its own process, say; without, it ends with that status too.
	large_pointer lost
	grep -q 'detected memory leaks' "$log" || return 0
	large_pointer freed
	[ $? = 23 ] || fail "what only freed large memory pointed to is not reported"
	large_pointer kept || fail "what large memory points to is reported as lost"
	leak_sanitizer=yes
}

leak_sanitizer=no
if nm "$pending" 2>/dev/null | grep -q __tsan_func; then
	exit 0
elif nm "$pending" 2>/dev/null | grep -q __asan_report; then
	look_into_large_memory address
	exit 0
fi
look_into_large_memory leak
[ $leak_sanitizer = yes ] || echo "leaks.sh: no LeakSanitizer here"
if is_cross || is_musl || ! command -v valgrind >/dev/null 2>&1; then
	echo "SKIP: no valgrind for these programs"
	exit 77
fi

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
