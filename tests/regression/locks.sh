#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# locks.sh - valgrind's helgrind and drd find no misuse of a lock in the library:
# no order that could deadlock, no unlock by another thread, none destroyed while
# held, none still held at the end
#
# Their race reports are left out: both take an atomic access for a plain one.
# Races are ThreadSanitizer's to find. Nor do they follow a fork: the child's new
# library has new locks at the old addresses.

set -u
. "$top_srcdir/tests/regression/functions.sh"
torture=$top_builddir/tests/torture/kvfreetorture
misuse=$top_builddir/tests/regression/lock_misuse
logs=$(mktemp -d) || exit 99
races=$logs/suppressions
trap 'rm -rf "$logs"' EXIT

fail()
{
	echo "locks.sh: $1" >&2
	cat "$log" >&2
	exit 1
}

skip()
{
	echo "SKIP: $1"
	exit 77
}

if has_sanitizer "$torture"; then
	skip "a build with a sanitizer does not run in valgrind"
fi
command -v valgrind >/dev/null 2>&1 || skip "no valgrind"
[ -e /proc/self/maps ] || skip "there is no /proc, which valgrind needs"
is_cross && skip "valgrind is for the programs of this machine"
is_musl && skip "valgrind's own libraries need glibc"
# valgrind 3.19 gives up on the DWARF 5 of clang 14.
if valgrind -q "$torture" --help 2>&1 | grep -q 'debuginfo reader'; then
	skip "this valgrind does not read this compiler's debug information"
fi

cat >"$races" <<EOT
{
	an atomic access is taken for a plain one
	Helgrind:Race
	obj:*
}
{
	an atomic access is taken for a plain one
	drd:ConflictingAccess
	obj:*
}
EOT

# grind PROGRAM [ARG...]
grind()
{
	valgrind -q --tool="$tool" --fair-sched=try --suppressions="$races" \
		--error-exitcode=9 "$@" >"$log" 2>&1
}

# inspect TOOL [OPTION...]: see that it works, then what it finds in the library.
inspect()
{
	tool=$1
	shift
	log=$logs/$tool
	grind "$misuse"
	[ $? -eq 9 ] || fail "$tool does not see the misuse that is there"
	grep -q -i 'unlock\|not locked' "$log" || fail "$tool sees no bad unlock"
	for flavor in memb mb qsbr bp; do
		# On a busy machine valgrind lets a thread wait for a minute.
		grind "$torture" --flavor=$flavor --duration=1 --threads=8 \
			--patience=600 --no-forks "$@" ||
			fail "$tool, $flavor"
		grep -q '^==' "$log" && fail "$tool says something, $flavor"
		echo "$tool, $flavor: $(sed -n 's/^objects  *//p' "$log")"
	done
}

# A valgrind runs one thread at a time: two of them keep two processors busy.
inspect helgrind &
helgrind=$!
# A handler's trylock may meet the lock of the call that it interrupted. drd takes that
# for a deadlock.
inspect drd --no-signals &
drd=$!
wait $helgrind
status=$?
wait $drd || status=1
exit $status
