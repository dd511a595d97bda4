# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# functions.sh - what the tests of urcu-rawcheck share; sourced by them

: "${top_srcdir:=.}" "${top_builddir:=.}" "${CC:=cc}"
rawcheck=$top_builddir/tools/rawcheck/urcu-rawcheck
failures=0
unset URCU_RAWCHECK_SHARED URCU_RAWCHECK_LIBRARY LD_PRELOAD

if [ ! -e "$top_builddir/tools/rawcheck/.libs/urcu-rawcheck.so" ]; then
	echo "SKIP: this is a build without shared libraries"
	exit 77
fi
if grep -q '__[a-z]*san_' "$top_builddir/tests/rawcheck/scenario"; then
	echo "SKIP: this is a build with a sanitizer"
	exit 77
fi

if [ ! -e /proc/self/fd ]; then
	echo "SKIP: there is no /proc, which the tool needs"
	exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/rawcheck.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM

fail()
{
	echo "FAIL: $*"
	if [ -s "$work/err" ]; then
		sed 's/^/    /' "$work/err" | cut -c 1-160 | head -n 20
	fi
	failures=$((failures + 1))
}

# expect WHAT CODE PATTERN COMMAND...: the command's exit code, and a basic regular
# expression that must match in its standard error; "" means that must be empty.
expect()
{
	what=$1 want=$2 pattern=$3
	shift 3
	"$@" >"$work/out" 2>"$work/err"
	code=$?
	if [ $code != "$want" ]; then
		fail "$what: exit code $code, not $want"
	elif [ -z "$pattern" ] && [ -s "$work/err" ]; then
		fail "$what: not silent"
	elif ! grep -q -e "$pattern" "$work/err" && [ -n "$pattern" ]; then
		fail "$what: no '$pattern'"
	fi
}

finish()
{
	if [ $failures != 0 ]; then
		echo "$failures failures"
		exit 1
	fi
	exit 0
}
