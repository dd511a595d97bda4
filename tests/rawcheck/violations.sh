#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Each call that may sleep is found in each raw context, in a process of its own:
# exit code 99, one finding, the expected line. The same calls in a clean context
# are not reported.

. "$top_srcdir/tests/rawcheck/functions.sh"

violate=$top_builddir/tests/rawcheck/violate

check_one() # NAME REPORTED CONTEXT PATTERN
{
	"$rawcheck" --no-sources "$violate" "$1" "$3" 2>"$work/err" >/dev/null
	code=$?
	if [ $code = 77 ]; then
		echo "skipped: $1, $(tail -n 1 "$work/err")"
		return
	fi
	cases=$((cases + 1))
	if [ $code != 99 ]; then
		fail "$1 in $3: exit code $code"
	elif ! grep -q "^BUG: invalid wait context: $2() $4" "$work/err"; then
		fail "$1 in $3: not reported as $2()"
	elif ! grep -q '^urcu-rawcheck: 1 finding, 1 with' "$work/err"; then
		fail "$1 in $3: $(grep 'urcu-rawcheck: .* finding' "$work/err")"
	fi
}

cases=0
"$violate" list >"$work/list" || fail "violate list"
while read -r name reported; do
	check_one "$name" "$reported" spin \
		'while holding spinlock 0x[0-9a-f]* (spinlock) taken at in_spin'
	check_one "$name" "$reported" signal \
		'in a handler of SIGUSR1 (on_signal) installed at in_signal'
	check_one "$name" "$reported" section \
		'inside a raw section entered at in_section'
done <"$work/list"

# Many, so that a broken loop above cannot pass.
[ $cases -ge 600 ] || fail "only $cases violations were tried"

expect "every call in a clean context" 0 "" "$rawcheck" "$violate" all none

finish
