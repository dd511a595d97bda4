#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# smoke.sh - each scenario of kvfreescale runs and loses nothing
#
# A few milliseconds each; no time is asserted. kvfreescale itself compares
# what was deferred with what was freed.

bench="${top_builddir:-.}/tests/benchmark/kvfreescale"
stall="${top_builddir:-.}/tests/benchmark/.libs/libkvfreestall.so"
failed=0

# A benchmark says nothing there, its stalled allocator is in the way of theirs,
# and liburcu-bp's inline reader is misaligned in UBSan's eyes.
if nm "$bench" 2>/dev/null | grep -qE '__(asan_report|tsan_func|ubsan_handle)'; then
	echo "SKIP: built with a sanitizer"
	exit 77
fi

expect() {
	want=$1
	shift
	timeout 600 "$bench" --quiet --warmup_ms=2 --settle_ms=20 "$@" \
		2>smoke.err.$$
	got=$?
	if [ "$got" -ne "$want" ]; then
		echo "FAIL: kvfreescale $*: exit status $got, not $want"
		cat smoke.err.$$
		failed=1
	fi
}
trap 'rm -f smoke.err.$$ smoke.csv.$$' EXIT

for flavor in memb mb qsbr bp; do
	for reclaimer in kvfree kvfree-raw kvfree-kvmalloc kvfree-unlink \
			call_rcu defer_rcu batch; do
		expect 0 --flavor=$flavor --reclaimer=$reclaimer \
			--kfree_nthreads=2 --nreaders=1 --kfree_loops=3
	done
done
expect 0 --reclaimer=none --kfree_loops=3
expect 0 --reclaimer=sync --kfree_loops=1 --kfree_alloc_num=100
expect 0 --reclaimer=kvfree-two --kfree_nthreads=2 --nreaders=1 --kfree_loops=3
expect 0 --busy=2 --kfree_loops=3
expect 0 --whole --kfree_alloc_size=4096 --kfree_alloc_num=100 --kfree_loops=3
expect 0 --kfree_by_call_rcu --kfree_loops=1
expect 0 --scenario=flood --duration_ms=30 --nreaders=1
expect 0 --scenario=call --reclaimer=kvfree-raw --kfree_loops=3
expect 0 --scenario=call --reclaimer=kvfree-channel --kfree_loops=3
expect 0 --scenario=call --reclaimer=lock --kfree_loops=3
expect 0 --scenario=latency --reclaimer=kvfree-raw --kfree_loops=2
expect 0 --scenario=steady --reclaimer=kvfree-raw --interval_ns=1000 \
	--duration_ms=20
expect 0 --scenario=barrier --kfree_loops=3
for reclaimer in kvfree call_rcu; do
	expect 0 --scenario=barriers --reclaimer=$reclaimer \
		--kfree_nthreads=8 --kfree_loops=2
done
for reclaimer in kvfree kvfree-raw defer_rcu; do
	expect 0 --scenario=first --reclaimer=$reclaimer \
		--kfree_nthreads=20 --kfree_loops=3
done
expect 0 --scenario=table --reclaimer=kvfree-raw --kfree_alloc_num=1000
expect 0 --scenario=line --reclaimer=none
expect 0 --scenario=footprint --reclaimer=kvfree-channel --kfree_nthreads=5 \
	--kfree_alloc_num=10
expect 0 --scenario=turnover --kfree_loops=4 --kfree_alloc_num=600
expect 0 --scenario=burst --kfree_loops=2
if [ -f "$stall" ]; then
	LD_PRELOAD=$stall
	export LD_PRELOAD
	expect 0 --scenario=latency --reclaimer=kvfree-raw --kfree_loops=2 \
		--interval_ns=1000 --stall_ms=10
	unset LD_PRELOAD
fi

# says PATTERN: the last run did.
says()
{
	grep -q -e "$1" smoke.err.$$ || {
		echo "FAIL: it does not say $1, but:"
		cat smoke.err.$$
		failed=1
	}
}

# What it must refuse.
expect 2 --scenario=nonsense
expect 2 --reclaimer=nonsense
expect 2 --flavor=nonsense --reclaimer=none
expect 2 --scenario=table --reclaimer=call_rcu
expect 2 --scenario=table --kfree_alloc_size=24
expect 2 --scenario=footprint
says --reclaimer=kvfree-channel
expect 2 extra
says "'extra'"
expect 2 --busy=many
expect 2 --kfree_loops=0
expect 2 --kfree_loops=many
expect 2 --scenario=latency --stall_ms=10 --interval_ns=1000
expect 3 --csv=/nonexistent/directory/file --kfree_loops=1

expect 0 --kfree_loops=1 --label=smoke --round=7 --csv=smoke.csv.$$
if ! grep -q '^smoke,7,scale,kvfree,memb,.*,mops,[0-9]' smoke.csv.$$; then
	echo "FAIL: no result in the CSV file"
	failed=1
fi
for default in scale kvfree memb; do
	"$bench" --help | grep -q "(default $default)" || {
		echo "FAIL: --help does not say that $default is a default"
		failed=1
	}
done
exit $failed
