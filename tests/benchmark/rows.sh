#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# rows.sh - scripts/bench measures the rows that ROWS names, and refuses what it does not know
#
# The benchmark is one that only notes how it was called.

set -u
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$dir/tests/benchmark/.libs" "$dir/bench" || exit 99
: >"$dir/tests/benchmark/.libs/libkvfreestall.so"
cat >"$dir/tests/benchmark/kvfreescale" <<END
#!/bin/sh
echo "\$*" >>'$dir/calls'
END
# Nor are there plots of nothing.
printf '#!/bin/sh\n' >"$dir/gnuplot"
chmod +x "$dir/tests/benchmark/kvfreescale" "$dir/gnuplot"
PATH=$dir:$PATH
unset ALLOC BENCH
failed=0

fail()
{
	echo "FAIL: $1"
	cat "$dir/said"
	failed=1
}

bench()
{
	: >"$dir/calls"
	echo old >"$dir/bench/report.md"
	BENCH=${BENCH:-quick} "$top_srcdir/scripts/bench" "$@" >"$dir/said" 2>&1
}

# measures ROWS "LABEL UPDATERS"...: each of them, and no other with updaters
measures()
{
	ROWS=$1
	export ROWS
	bench "$dir" || fail "ROWS='$1': status $?"
	sed -n 's/.*--label=\([^ ]*\) .*--kfree_nthreads=\([0-9]*\).*/\1 \2/p' "$dir/calls" |
		sort -u >"$dir/got"
	what=$1
	shift
	printf '%s\n' "$@" | sort -u >"$dir/wanted"
	cmp -s "$dir/wanted" "$dir/got" ||
		fail "ROWS='$what' measures $(tr '\n' ',' <"$dir/got") not $(tr '\n' ',' <"$dir/wanted")"
	for row in $what; do
		grep -q "^- $row: " "$dir/bench/report.md" || fail "ROWS='$what': no $row in the report"
	done
	[ "$(grep -c '^- [A-Z][0-9a-z]*: ' "$dir/bench/report.md")" -eq "$(echo "$what" | wc -w)" ] ||
		fail "ROWS='$what': other rows in the report"
}

# refuses STATUS MESSAGE ARGUMENT...
refuses()
{
	status=$1 message=$2
	shift 2
	bench "$@"
	got=$?
	[ $got -eq "$status" ] || fail "scripts/bench $*, ROWS='${ROWS-}': status $got, not $status"
	grep -q -e "$message" "$dir/said" || fail "scripts/bench $*, ROWS='${ROWS-}' says nothing of it"
	[ ! -s "$dir/calls" ] || fail "scripts/bench $*, ROWS='${ROWS-}' measures"
	[ "$(cat "$dir/bench/report.md")" = old ] || fail "the old report is gone"
}

cpus=$("$top_srcdir/scripts/bench-machine" cpus)
measures E1 "E1 1"
measures E2 "T 1"
measures "E2 E4" "T 1" "T $cpus"
measures "E12 E12b" "T 2" "T 64"
measures " E12b
	E1 " "E1 1" "T 64"
grep -q ' 3 rounds (1 of E10, ' "$dir/bench/report.md" || fail "its numbers of rounds are missing"
BENCH=full ROWS=E10
export BENCH
bench "$dir" || fail "BENCH=full: status $?"
unset BENCH
grep -q ' 7 rounds, ' "$dir/bench/report.md" || fail "one number of rounds is said twice"

ROWS='E2 E99'
refuses 2 E99 "$dir"
ROWS=' '
refuses 2 ROWS "$dir"
unset ROWS
refuses 2 '--bogus? Try --help' --bogus
refuses 2 'more? Try --help' "$dir" more
bench --help || fail "--help: status $?"
grep -q '^Usage: scripts/bench ' "$dir/said" || fail "no --help"
exit $failed
