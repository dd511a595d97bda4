#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# gdb.sh - the gdb commands find each object of queued.c where it is, in the live process and
# in its core file, and say so when they cannot look
set -u
. "$top_srcdir/tests/regression/functions.sh"
program=$top_builddir/tests/observe/queued
library=$top_builddir/.libs/liburcu-kvfree.so
script=$top_srcdir/tools/gdb/urcu-kvfree-gdb.py
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

skip()
{
	echo "SKIP: $1"
	exit 77
}

# One arena makes the core file small. Nothing is asked of the network.
export MALLOC_ARENA_MAX=1 DEBUGINFOD_URLS=

# gdb without the user's settings: run_gdb ARGUMENT... >OUTPUT
run_gdb()
{
	timeout 600 gdb -nx -batch -iex 'set auto-load off' \
		-iex 'set disable-randomization off' "$@" 2>&1
}

command -v gdb >/dev/null || skip "no gdb"
run_gdb -ex 'python print("has python")' | grep -q 'has python' || skip "gdb has no Python"
[ "$(setting build_triplet)" = "$(setting host_triplet)" ] || skip "built for another system"
! has_sanitizer "$program" || skip "the program has a sanitizer"
[ -e "$library" ] || library=$program
readelf -S "$library" | grep -q '\.debug_info' || skip "the library was built without -g"

# What gdb writes, a line for each command that it was given, named by "echo".
cat >"$dir/commands" <<'END'
echo STATUS\n
kvfree status
echo CURRENT\n
kvfree find in_current
echo CLOSED\n
kvfree find in_closed
echo EMERGENCY\n
kvfree find in_emergency
echo CHAIN\n
kvfree find in_chain
echo LARGE\n
kvfree find in_large
echo CHANNEL\n
kvfree find in_channel
echo LEFT\n
kvfree find in_left
echo STASH\n
kvfree find in_stash
echo NEVER\n
kvfree find never_queued
echo INSIDE\n
kvfree find (char *) in_closed + 24
echo END\n
END

# expect PART PATTERN...: what gdb wrote about PART has each of these, in any order.
expect()
{
	sed -n "/^$1\$/,/^[A-Z][A-Z]*\$/p" "$dir/output" >"$dir/part"
	part=$1
	shift
	for pattern; do
		grep -qE -e "$pattern" "$dir/part" && continue
		echo "FAIL: $run, $part: no \"$pattern\" in"
		sed 's/^/    /' "$dir/part"
		failed=1
	done
}

# Everything that can be said about both.
expect_all()
{
	expect CURRENT '^0x[0-9a-f]+: kvgp_flavor, record .* of thread [0-9]+ \(1 in gdb' \
		'^  current page .*, slot 0 of 1, channel malloc$' 'waits for no grace period yet'
	expect CLOSED '^0x[0-9a-f]+: kvgp_flavor, record .* of thread [0-9]+ \(1 in gdb' \
		'^  closed page .*, slot 0 of [0-9]+, channel malloc$' \
		'waits for grace period 2, which has not begun'
	expect EMERGENCY '^0x[0-9a-f]+: kvgp_flavor$' \
		'^  emergency list, rcu_head at offset 40, channel malloc$'
	expect CHAIN '^0x[0-9a-f]+: kvgp_flavor$' \
		'^  emergency chain, rcu_head at offset 40, channel malloc$' \
		'waits for grace period 1, which runs'
	expect LARGE '^0x[0-9a-f]+: urcu_memb_flavor, record .* of thread [0-9]+ \([2-9] in' \
		'^  current page .*, slot 0 of 1, channel large$'
	expect CHANNEL '^0x[0-9a-f]+: urcu_memb_flavor$' \
		'^  emergency list of channels, rcu_head at offset 40, channel pool$'
	expect LEFT '^0x[0-9a-f]+: urcu_memb_flavor, record .* of no thread, left by thread' \
		'^  current page '
	expect STASH '^0x[0-9a-f]+: urcu_memb_flavor, record .* of thread [0-9]+ \(1 in gdb' \
		'urcu_kvmalloc\(\) keeps it'
	expect NEVER '^0x[0-9a-f]+ is not queued\.$'
	expect INSIDE ' is not queued\.$' 'begins 24 bytes before' '^  closed page .*, slot 0 of'
	expect STATUS 'liburcu-kvfree in .*: 1 worker$' \
		'^kvgp_flavor: [0-9]+ objects pending, about [0-9]+ bytes in pages; 1 record$' \
		'^  grace period 1 runs, (for [0-9.]+ s|since [0-9.]+ s on the monotonic clock)$' \
		'^  oldest page: 0 ticks \(0 ms\), of thread [0-9]+ ' \
		'^  emergency list: 1 object, not closed yet$' \
		'^  emergency chain: [0-9]+ objects, waits for grace period 1, which runs$' \
		': 1 object in current pages, [0-9]+ in 1 closed page$' \
		'^urcu_memb_flavor: .* 3 records$' '^  no grace period runs$' \
		'^  emergency list of channels: 1 object, not closed yet$'
}

# ----------------------------------------------------------------------

# The live process. As many are pending as the library's own counters say. At the end
# something writes over a link of the emergency list.
run="live process"
run_gdb -x "$script" -ex 'echo HELP\n' -ex 'help kvfree status' -ex 'help kvfree find' \
	-ex 'echo BEFORE\n' -ex 'kvfree status' -ex 'echo END\n' \
	-ex 'break all_queued' -ex run -x "$dir/commands" \
	-ex "generate-core-file $dir/core" \
	-ex 'echo COUNTED\n' -ex 'print kvtest_stats(&kvgp_flavor).pending' \
	-ex 'echo BROKEN\n' -ex 'set var in_emergency->head.next.next = (void *) 8' \
	-ex 'kvfree status' -ex 'kvfree find never_queued' -ex 'echo END\n' \
	-ex kill "$program" >"$dir/output"
if ! grep -q 'hit Breakpoint 1, all_queued' "$dir/output"; then
	"$program" || exit 1
	cat "$dir/output"
	skip "gdb cannot run a program here"
fi
expect HELP 'Usage: kvfree status' 'Usage: kvfree find ADDR'
expect BEFORE '^There is no process'
expect_all
expect STATUS '^  grace period 1 runs, for '
counted=$(sed -n '/^COUNTED$/{n;s/.* = //p}' "$dir/output")
expect STATUS "^kvgp_flavor: ${counted:-?} objects pending"
expect BROKEN '^  emergency list: BROKEN after ' '^A list of kvgp_flavor is broken' \
	'is not queued\.$'

run="core file"
run_gdb -x "$script" -x "$dir/commands" "$program" "$dir/core" >"$dir/output"
expect_all
expect STATUS '^  grace period 1 runs, since .* on the monotonic clock$'

# A copy of it without debug information.
run="no debug information"
strip -g -o "$dir/queued" "$program"
if [ "$library" != "$program" ]; then
	strip -g -o "$dir/liburcu-kvfree.so.0" "$library"
fi
run_gdb -ex "set environment LD_LIBRARY_PATH $dir" -x "$script" -ex 'break all_queued' \
	-ex run -ex 'echo STATUS\n' -ex 'kvfree status' -ex 'echo END\n' "$dir/queued" \
	>"$dir/output"
expect STATUS '^The debug information of liburcu-kvfree is missing'

run="another program"
run_gdb -x "$script" -ex 'starti' -ex 'echo STATUS\n' -ex 'kvfree status' \
	-ex 'echo END\n' "$(command -v cat)" >"$dir/output"
expect STATUS '^Nothing here uses liburcu-kvfree'

# ----------------------------------------------------------------------

# Installed under the name that gdb derives from the library's: put there for the library of
# this build it is loaded.
auto_load()
{
	real=$(readlink -f "$library")
	# One refers to the other.
	eval "prefix=$(setting prefix)"
	eval "exec_prefix=$(setting exec_prefix) datarootdir=$(setting datarootdir)"
	eval "datadir=$(setting datadir) libdir=$(setting libdir)"
	make -s -C "$top_builddir" install-gdb DESTDIR="$dir/install" || return
	mkdir -p "$dir/auto-load${real%/*}"
	cp "$dir/install$datadir/gdb/auto-load$libdir/${real##*/}-gdb.py" \
		"$dir/auto-load${real%/*}" || return
	timeout 600 gdb -nx -batch -iex "set auto-load safe-path $dir" \
		-iex "set auto-load scripts-directory $dir/auto-load" \
		-iex 'set disable-randomization off' -ex 'break all_queued' -ex run \
		-ex 'kvfree find in_closed' "$program" >"$dir/output" 2>&1
	grep -q '^  closed page' "$dir/output"
}

if [ "$library" != "$program" ] && ! auto_load; then
	echo "FAIL: gdb does not load the installed script by itself:"
	ls -R "$dir/install"
	cat "$dir/output"
	failed=1
fi
exit $failed
