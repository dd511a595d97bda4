#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# run-models.sh - verify the Promela models, and that each broken variant fails
#
# See --help.

set -u

here=$(cd "$(dirname "$0")" && pwd)
spin=${SPIN:-spin}
cc=${CC:-cc}
memory=${MODEL_MEMORY:-1900}
seconds=${MODEL_SECONDS:-600}

# Model, what is to come out, switches. "pass" searches every state; "assert"
# must violate an assertion, "stuck" must end where a process waits for ever.
table()
{
	cat <<'END'
cookie	pass
cookie	pass	NR_READERS=2 NR_SECTIONS=1
cookie	pass	NR_OBJ=3 NR_SECTIONS=1
cookie	assert	COOKIE_PLAIN_LOAD
cookie	assert	COOKIE_FIRST NR_EXTRA=1
cookie	assert	COOKIE_CURRENT
cookie	assert	COOKIE_UNLOCKED
cookie	assert	START_NO_BARRIER
cookie	assert	RELAXED_UNLOCK
cookie	assert	RELAXED_PUSH
cookie	assert	QUEUE_FIRST
cookie	assert	EMERGENCY_LATE
cookie	assert	CHAIN_COOKIE_FIRST
cookie	assert	CHAIN_ADDS
cookie	assert	CHAIN_FREED_EARLY
cookie	assert	COMPLETED_EARLY
cookie	assert	COMPLETED_RELAXED
cookie	assert	NOT_ORDERED FIRST=254
cookie	assert	WITHOUT_WAITING
emergency	pass
emergency	pass	NR_PAGES=1 NR_APPENDS=2
emergency	stuck	BLIND_LOCK
emergency	stuck	BLIND_TAKE
emergency	assert	RELAXED_UNLOCK
emergency	assert	RELAXED_PUSH
emergency	assert	PUBLISH_FIRST
emergency	assert	RACY_TAKE
emergency	assert	FREE_FIRST
request-gate	pass
request-gate	pass	NR_APPENDS=1 NR_PUSHES=1
request-gate	pass	NR_APPENDS=0 NR_PUSHES=2
request-gate	pass	NR_EARLY=2 NR_HELPS=0
request-gate	pass	LIMIT=2
request-gate	pass	NO_RECHECK NR_APPENDS=0 NR_PUSHES=2
request-gate	pass	NR_FAULTS=1 NR_APPENDS=1 NR_PUSHES=1 NR_HELPS=0
request-gate	pass	PARKED NR_APPENDS=1 NR_PUSHES=1 NR_HELPS=0
request-gate	pass	LATE_START NR_HELPS=0
request-gate	assert	SET_NO_BARRIER
request-gate	assert	SET_BEFORE_PUBLISH NR_APPENDS=1 NR_PUSHES=1
request-gate	assert	CLOSE_BY_STORE
request-gate	assert	FLAG_GATE
request-gate	assert	CLOSE_FIRST PARKED NR_APPENDS=1 NR_PUSHES=1
request-gate	assert	TICK_OPEN_LATE
request-gate	assert	KICK_OPEN_LATE NO_RECHECK NR_APPENDS=0 NR_PUSHES=2
request-gate	assert	KICK_OPEN_NO_BARRIER NO_RECHECK NR_APPENDS=0 NR_PUSHES=2
request-gate	assert	KICK_KEEPS_GATE
request-gate	assert	KICK_LOOKS_ONCE NR_APPENDS=0 NR_PUSHES=2
request-gate	assert	READ_LATE NR_EARLY=2
request-gate	assert	SKIP_NO_ARM LIMIT=2
request-gate	assert	FAIL_CLOSES_GATE NR_FAULTS=1
refill-gate	pass
refill-gate	pass	NR_SKIPS=1
refill-gate	pass	NR_FAULTS=1
refill-gate	pass	SHRINK
refill-gate	pass	SERVE
refill-gate	assert	HOLD_LOAD_EARLY
refill-gate	assert	GATE_LOAD_EARLY
refill-gate	assert	OPEN_LATE
refill-gate	assert	FAIL_FORGETS_GATE
refill-gate	assert	HOLD_NO_ARM
refill-gate	assert	HOLD_CUT_SHORT
refill-gate	assert	TWO_AT_ONCE
refill-gate	assert	FAIL_KEEPS_GATE NR_FAULTS=1
refill-gate	assert	FAIL_KEEPS_HOLD NR_FAULTS=1
barrier	pass
barrier	pass	NR_BARRIERS=2 NR_OBJ=1
barrier	pass	NR_OBJ=3 NO_LIST
barrier	assert	NO_HANDS_WAIT NR_OBJ=1
barrier	assert	HANDS_FIRST NR_OBJ=1
barrier	assert	HAND_LATE NR_OBJ=1
barrier	assert	HAND_EARLY NR_OBJ=1
barrier	assert	NO_WAIT_OWNER
barrier	assert	SAMPLE_FIRST
barrier	assert	COUNT_OUTSIDE
barrier	assert	FREED_RELAXED
barrier	assert	COOKIE_FIRST
barrier	assert	NO_CLOSE NR_OBJ=1
barrier	assert	COMPLETED_AT_CALL NR_OBJ=1
barrier	assert	LEAVE_EMERGENCY
barrier	assert	LEAVE_CHAIN
barrier	assert	CHAIN_NOT_MARKED
barrier	stuck	WAIT_FOR_RUNNER NR_OBJ=1
stopped	pass
stopped	assert	BLIND_TICK
stopped	assert	BLIND_WORKER
stopped	assert	DOMAIN_LOCK
stopped	assert	RAW_RUNS
stopped	assert	CLOSE_FIRST
stopped	assert	TICK_COUNTS
leave	pass
leave	assert	RECENT_FIRST
leave	assert	STATE_FIRST
leave	assert	CLAIM_RACY
leave	assert	REAP_OWNED
leave	assert	TICK_OWNED
END
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/kvfree-models.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# build MODEL SWITCHES: the verifier, in $tmp.
build()
{
	defs=
	for switch in $2; do
		defs="$defs -D$switch"
	done
	# shellcheck disable=SC2086 # one word per switch
	(cd "$tmp" && rm -f pan* ./*.trail && cp "$here/$1.spin" model.spin &&
		"$spin" $defs -a model.spin >log 2>&1 &&
		"$cc" -O2 -w -DSAFETY -DNOFAIR -DCOLLAPSE \
			-DMEMLIM="$memory" -o pan pan.c >>log 2>&1)
}

# search: run the verifier; sets got, states, depth, used, took.
search()
{
	(cd "$tmp" && timeout "$seconds" ./pan -n -m20000 -w20 >out 2>&1)
	status=$?
	states=$(awk '/states, stored/ { print $1; exit }' "$tmp/out")
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' "$tmp/out")
	used=$(awk '/total actual memory/ { print int($1 + 0.5); exit }' \
		"$tmp/out")
	took=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) .*/\1/p' "$tmp/out")
	if [ "$status" -eq 124 ]; then
		got=timeout
	elif grep -q 'assertion violated' "$tmp/out"; then
		got=assert
	elif grep -q 'invalid end state (' "$tmp/out"; then
		got=stuck
	elif grep -Eq 'depth too small|MEMLIM bound|out of memory' \
			"$tmp/out"; then
		got=incomplete
	elif grep -q 'errors: 0' "$tmp/out"; then
		got=pass
	else
		got=error
	fi
}

line()
{
	printf '%-12s %-56s %-7s %-10s %10s %6s %6s %7s\n' "$@"
}

usage()
{
	cat <<'END'
Usage: run-models.sh [MODEL]...		all models, or those named
       run-models.sh -t MODEL [SWITCH]...	show the schedule that fails
Verify the Promela models, and that each broken variant fails. A line per run.

Environment: SPIN, CC (programs), MODEL_MEMORY (MB a run may use),
MODEL_SECONDS (time a run may take).
Exit status: 0 every run came out as expected, 1 not, 2 bad usage, 77 no spin.
END
}

case ${1:-} in
--help) usage; exit 0 ;;
esac
for model; do
	case $model in
	-t) break ;;
	esac
	[ -f "$here/$model.spin" ] || {
		echo "run-models.sh: no model $model; try --help" >&2
		exit 2
	}
done
command -v "$spin" >/dev/null 2>&1 || {
	echo "SKIP: no spin here (Debian: spin); models not checked" >&2
	exit 77
}

if [ "${1:-}" = -t ]; then
	[ $# -ge 2 ] || { echo "usage: run-models.sh -t MODEL [SWITCH...]" >&2; exit 2; }
	model=$2
	shift 2
	build "$model" "$*" || { cat "$tmp/log" >&2; exit 1; }
	search
	echo "$model $*: $got"
	[ -f "$tmp/model.spin.trail" ] || exit 0
	# shellcheck disable=SC2086 # one word per switch
	(cd "$tmp" && "$spin" $defs -t -p -g -l model.spin)
	exit 0
fi

line model switches expect got states depth MB seconds
runs=0
surprises=0
total=0
broken=0
table >"$tmp/table"
while IFS='	' read -r model expect switches; do
	[ $# -eq 0 ] || case " $* " in *" $model "*) ;; *) continue ;; esac
	runs=$((runs + 1))
	states=- depth=- used=- took=- got=build
	build "$model" "$switches" && search
	if [ "$got" != "$expect" ]; then
		surprises=$((surprises + 1))
		got="$got !"
		tail -n 20 "$tmp/log" "$tmp/out" 2>/dev/null | sed 's/^/    /'
	elif [ "$expect" = pass ]; then
		total=$((total + states))
	else
		broken=$((broken + 1))
	fi
	line "$model" "${switches:--}" "$expect" "$got" "${states:--}" \
		"${depth:--}" "${used:--}" "${took:-0}"
done <"$tmp/table"

echo
echo "$runs runs, $total states verified, $broken broken variants caught, $surprises surprises"
[ "$runs" -gt 0 ] && [ "$surprises" -eq 0 ]
