#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# run-genmc.sh - run the library's own C under GenMC, and broken copies of it
#
# See --help.

set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
genmc=${GENMC:-genmc}
seconds=${MODEL_SECONDS:-600}

# Harness, what is to come out, name of the variant, file of src/, sed script
# that breaks a copy of it. "pass" explores every execution that RC11 allows;
# "caught" must end with an error.
table()
{
	cat <<'END'
emergency	pass	as-built
emergency	caught	relaxed-push	emergency.h	s/__ATOMIC_RELEASE, __ATOMIC_RELAXED/__ATOMIC_RELAXED, __ATOMIC_RELAXED/
emergency	caught	relaxed-take	emergency.h	s/NULL, __ATOMIC_ACQUIRE/NULL, __ATOMIC_RELAXED/
emergency	caught	take-by-store	emergency.h	s/return __atomic_exchange_n(list, NULL, __ATOMIC_ACQUIRE);/struct kvfree_emergency *all = __atomic_load_n(list, __ATOMIC_ACQUIRE); __atomic_store_n(list, NULL, __ATOMIC_RELAXED); return all;/
gate	pass	as-built
gate	caught	plain-read	gate.h	s/__atomic_fetch_add(&gate->word, 0, /__atomic_load_n(\&gate->word, /
gate	caught	relaxed-read	gate.h	s/&gate->word, 0, __ATOMIC_SEQ_CST/\&gate->word, 0, __ATOMIC_RELAXED/
gate	caught	relaxed-open	gate.h	/^static inline void kvfree_gate_open/,/^}/s/__ATOMIC_SEQ_CST/__ATOMIC_RELAXED/
gate	caught	close-by-store	gate.h	/^static inline void kvfree_gate_close/,/^}/{s/__atomic_compare_exchange_n(&gate->word, &seen, seen | 1, false,/__atomic_store_n(\&gate->word, seen | 1,/;s/__ATOMIC_SEQ_CST, __ATOMIC_RELAXED/__ATOMIC_SEQ_CST/;}
gate	caught	flag	gate.h	s/(seen | 1) + 1/seen \& ~1u/
cookie	pass	as-built
cookie	caught	plain-load	gp.h	s/__atomic_fetch_add(&gp->started, 0, __ATOMIC_ACQ_REL)/__atomic_load_n(\&gp->started, __ATOMIC_ACQUIRE)/
cookie	caught	relaxed-cookie	gp.h	s/&gp->started, 0, __ATOMIC_ACQ_REL/\&gp->started, 0, __ATOMIC_RELAXED/
cookie	caught	current-number	gp.h	s/__ATOMIC_ACQ_REL) + 1;/__ATOMIC_ACQ_REL);/
cookie	caught	start-late	gp.c	/number = __atomic_add_fetch/d;s/kvfree_gp_synchronize(flavor);/& number = __atomic_add_fetch(\&gp->started, 1, __ATOMIC_ACQ_REL);/
cookie	caught	completed-early	gp.c	s/kvfree_gp_synchronize(flavor);/__atomic_store_n(\&gp->completed, number, __ATOMIC_RELEASE); &/
cookie	caught	relaxed-completed	gp.c	s/number, __ATOMIC_RELEASE/number, __ATOMIC_RELAXED/
cookie	caught	relaxed-look	gp.h	s/&gp->completed, __ATOMIC_ACQUIRE/\&gp->completed, __ATOMIC_RELAXED/
close	pass	as-built
close	caught	plain-load	gp.h	s/__atomic_fetch_add(&gp->started, 0, __ATOMIC_ACQ_REL)/__atomic_load_n(\&gp->started, __ATOMIC_ACQUIRE)/
close	caught	take-unripe	record.c	s/kvfree_gp_reached(number, closed->head->cookie)/number + 1/
close	caught	uncovered-first	record.c	/kvfree_domain_closed(domain, page->bytes/d;s/page->cookie = kvfree_gp_cookie/kvfree_domain_closed(domain, page->bytes, page->bytes); &/
chain	pass	as-built
chain	caught	relaxed-push	emergency.h	s/__ATOMIC_RELEASE, __ATOMIC_RELAXED/__ATOMIC_RELAXED, __ATOMIC_RELAXED/
chain	caught	cookie-first	domain.c	/chain->cookie = kvfree_gp_cookie/d;s/chain->head = kvfree_emergency_take/chain->cookie = kvfree_gp_cookie(\&domain->gp); &/
chain	caught	chain-grows	domain.c	s/closed = !chain->head \&\& !chain->taken;/closed = !chain->taken;/;s/chain->cookie = kvfree_gp_cookie(&domain->gp);/if (!chain->cookie) &/
walks	pass	as-built
walks	caught	relaxed-lock	record.h	/^static inline bool kvfree_record_trylock/,/^}/s/__ATOMIC_ACQUIRE/__ATOMIC_RELAXED/
walks	caught	relaxed-unlock	record.h	/^static inline void kvfree_record_unlock/,/^}/s/__ATOMIC_RELEASE/__ATOMIC_RELAXED/
walks	caught	no-hands-wait	reap.c	/^void kvfree_reap_chain/,/^}/s/kvfree_hands_wait(domain);//
walks	caught	hand-late	reap.c	/^bool kvfree_piece_take/,/^}/{/kvfree_hand_open/d;s/return more;/kvfree_hand_open(domain, \&piece->hand); &/;}
walks	caught	no-owner-wait	reap.c	/^void kvfree_reap_record/,/^}/s/kvfree_record_wait_owner(record);//
walks	caught	relaxed-freed	record.h	/^static inline void kvfree_record_freed/,/^}/s/__ATOMIC_RELEASE/__ATOMIC_RELAXED/
walks	caught	relaxed-wait	record.c	/^void kvfree_record_wait_owner/,/^}/s/__ATOMIC_ACQUIRE/__ATOMIC_RELAXED/
END
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/kvfree-genmc.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# build FILE SED: a copy of src/ in $tmp, with FILE broken.
build()
{
	rm -rf "$tmp/src"
	mkdir "$tmp/src" && cp "$top"/src/*.[ch] "$tmp/src" || return 1
	[ -n "$1" ] || return 0
	sed "$2" "$top/src/$1" >"$tmp/src/$1" &&
		! cmp -s "$top/src/$1" "$tmp/src/$1"
}

# The library's names for what GenMC's pthread.h lacks; a harness's threads
# use no thread-local storage. Inlining confuses GenMC about the life of
# variables on the stack.
explore()
{
	timeout "$seconds" "$genmc" --rc11 --disable-estimation \
		--disable-warn-on-unfreed-memory --disable-function-inliner -- \
		-w -D_GNU_SOURCE -D__thread= -Dpthread_cond_t=int \
		-Dpthread_key_t=int \
		-I"$tmp/src" -I"$top/include" -I"$here/genmc" \
		"$here/genmc/$1.c" >"$tmp/out" 2>&1
	status=$?
	executions=$(sed -n 's/^Number of complete executions explored: //p' \
		"$tmp/out")
	blocked=$(sed -n 's/^Number of blocked executions seen: //p' "$tmp/out")
	took=$(sed -n 's/^Total wall-clock time: \(.*\)s$/\1/p' "$tmp/out")
	what=$(sed -n 's/^Error: //p' "$tmp/out" | head -n 1)
	if [ "$status" -eq 124 ]; then
		got=timeout
	elif grep -q '^No errors were detected' "$tmp/out"; then
		got=pass
		# None was complete: nothing was shown.
		[ "$executions" != 0 ] || got=empty
	elif grep -q '^\*\*\* Verification unsuccessful' "$tmp/out"; then
		got=caught
	else
		got=error
	fi
}

line()
{
	printf '%-10s %-19s %-7s %-9s %10s %8s %7s  %s\n' "$@"
}

usage()
{
	cat <<'END'
Usage: run-genmc.sh [HARNESS]...		all harnesses, or those named
       run-genmc.sh -t HARNESS VARIANT	show the execution that fails
Run the library's own C under GenMC, and broken copies of it. A line per run.

Environment: GENMC (program), MODEL_SECONDS (time a run may take).
Exit status: 0 every run came out as expected, 1 not, 2 bad usage, 77 no genmc.
END
}

case ${1:-} in
--help) usage; exit 0 ;;
esac
for harness; do
	case $harness in
	-t) break ;;
	esac
	[ -f "$here/genmc/$harness.c" ] || {
		echo "run-genmc.sh: no harness $harness; try --help" >&2
		exit 2
	}
done
command -v "$genmc" >/dev/null 2>&1 || {
	echo "SKIP: no genmc here (github.com/MPI-SWS/genmc)" >&2
	exit 77
}
only=
if [ "${1:-}" = -t ]; then
	[ $# -eq 3 ] || { usage >&2; exit 2; }
	only=$3
	set -- "$2"
fi

[ -n "$only" ] || line harness variant expect got executions blocked seconds error
runs=0
surprises=0
total=0
broken=0
table >"$tmp/table"
while IFS='	' read -r harness expect variant file script; do
	[ $# -eq 0 ] || case " $* " in *" $harness "*) ;; *) continue ;; esac
	[ -z "$only" ] || [ "$only" = "$variant" ] || continue
	runs=$((runs + 1))
	executions=- blocked=- took=- what='' got=stale
	build "$file" "$script" && explore "$harness"
	if [ -n "$only" ]; then
		cat "$tmp/out"
		continue
	fi
	if [ "$got" != "$expect" ]; then
		surprises=$((surprises + 1))
		got="$got !"
		tail -n 20 "$tmp/out" 2>/dev/null | sed 's/^/    /'
	elif [ "$expect" = pass ]; then
		total=$((total + executions))
	else
		broken=$((broken + 1))
	fi
	line "$harness" "$variant" "$expect" "$got" "${executions:--}" \
		"${blocked:-0}" "${took:-0}" "${what:-}"
done <"$tmp/table"
[ -z "$only" ] || exit 0

echo
"$genmc" --version 2>&1 | sed -n 's/^ *\(GenMC v[0-9.]*\).*/\1/p'
echo "$runs runs, $total executions explored, $broken broken variants caught, $surprises surprises"
[ "$runs" -gt 0 ] && [ "$surprises" -eq 0 ]
