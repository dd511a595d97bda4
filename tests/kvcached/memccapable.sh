#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# kvcached passes all text-protocol tests of libmemcached's memccapable, and
# stops with everything freed.
set -u

capable=$(command -v memccapable || command -v memcapable) || {
	echo "SKIP: no memccapable (Debian: libmemcached-tools)"
	exit 77
}
TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}suppressions=${top_srcdir:-.}/tests/kvcached/tsan.supp
export TSAN_OPTIONS
daemon=${top_builddir:-.}/doc/examples/kvcached/kvcached
out=$(mktemp) || exit 99
pid=
trap 'test -z "$pid" || kill -KILL "$pid" 2>/dev/null; rm -f "$out" "$out.said"' EXIT
trap 'exit 99' HUP INT TERM

"$daemon" -p 0 >"$out" &
pid=$!
port=
for _ in $(seq 100); do
	port=$(sed -n 's/^kvcached: listening on .* port //p' "$out")
	test -z "$port" || break
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
test -n "$port" || {
	echo "FAIL: kvcached did not start"
	exit 1
}

# Patience for a machine that stands still for a moment: 2 s by default.
"$capable" -h 127.0.0.1 -p "$port" -a -v -t 60 >"$out.said" 2>&1
capable_status=$?
cat "$out.said"

kill -TERM "$pid"
wait "$pid"
daemon_status=$?
pid=
cat "$out"
grep -q 'Network is unreachable' "$out.said" && {
	echo "SKIP: there is no loopback network"
	exit 77
}
echo "memccapable: exit status $capable_status, kvcached: $daemon_status"
test "$capable_status" -eq 0 && test "$daemon_status" -eq 0
