#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# bpftrace.sh - the scripts of tools/bpftrace know their probes and arguments, and show what a
# program does
#
# Where the kernel lets nobody probe a program they are only compiled.
set -u
. "$top_srcdir/tests/regression/functions.sh"
program=$top_builddir/tests/observe/load
library=$top_builddir/.libs/liburcu-kvfree.so
dir=$(mktemp -d) || exit 99
load=
trap '[ -z "$load" ] || kill "$load"; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

skip()
{
	echo "SKIP: $1"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	cat "$dir/output"
	failed=1
}

# Where nobody has mounted what bpftrace needs, for itself only.
run_bpftrace()
{
	if [ -e /sys/kernel/tracing/uprobe_events ]; then
		timeout 600 bpftrace "$@"
	else
		timeout 600 unshare -m sh -c \
			'mount -t tracefs tracefs /sys/kernel/tracing; exec bpftrace "$@"' sh "$@"
	fi >"$dir/output" 2>&1
}

command -v bpftrace >/dev/null || skip "no bpftrace"
[ "$(id -u)" = 0 ] || skip "bpftrace wants root"
[ -e /proc/self/maps ] || skip "there is no /proc, which bpftrace needs"
[ "$(setting build_triplet)" = "$(setting host_triplet)" ] || skip "built for another system"
! has_sanitizer "$program" || skip "the program has a sanitizer"
[ -e "$library" ] || library=$program
readelf -n "$library" | sed -n 's/^ *Name: //p' | sort -u >"$dir/probes"
[ -s "$dir/probes" ] || skip "the library was built without <sys/sdt.h>"

# ----------------------------------------------------------------------

# The probes are those that are documented.
sed -n 's/^ \*	\([a-z_]*\)([a-z, ]*).*/\1/p' "$top_srcdir/src/trace.h" | sort >"$dir/listed"
diff "$dir/probes" "$dir/listed" >"$dir/output" || fail "src/trace.h lists other probes"
sed -n 's/^| `\([a-z_]*\)([a-z, ]*)` |.*/\1/p' "$top_srcdir/doc/observing.md" | sort \
	>"$dir/listed"
diff "$dir/probes" "$dir/listed" >"$dir/output" || fail "doc/observing.md lists other probes"

"$program" &
load=$!

for script in "$top_srcdir"/tools/bpftrace/*.bt; do
	name=${script##*/}
	# bpftrace says nothing about a probe that is not there.
	sed -n 's/^usdt:\*:kvfree:\([a-z_]*\)$/\1/p' "$script" | sort -u >"$dir/used"
	: >"$dir/output"
	[ -s "$dir/used" ] || fail "$name: no probe found in it"
	comm -13 "$dir/probes" "$dir/used" >"$dir/unknown"
	[ ! -s "$dir/unknown" ] || fail "$name: no such probe: $(cat "$dir/unknown")"
	run_bpftrace -d -p $load "$script" || fail "$name: bpftrace -d: $?"
done

# shows SCRIPT PATTERN: run for a moment, and again if the machine was busy elsewhere.
shows()
{
	{ cat "$top_srcdir/tools/bpftrace/$1"; echo 'interval:ms:500 { exit(); }'; } >"$dir/script"
	for _ in 1 2 3 4 5 6 7 8; do
		run_bpftrace -p $load "$dir/script" || break
		grep -q -e "$2" "$dir/output" && return
	done
	fail "$1: no \"$2\""
}

if run_bpftrace -e "uprobe:$library:urcu_kvfree_init { } interval:ms:100 { exit(); }"; then
	shows kvfree-latency.bt '^@usecs\[load\]: $'
	shows kvfree-gp.bt '^@run_by\[load, [0-9]*\]: [0-9]'
	shows kvfree-emergency.bt '^    queue_raw+[0-9]*$'
else
	echo "The scripts were compiled, but not run: this kernel does not let bpftrace:"
	cat "$dir/output"
fi
exit $failed
