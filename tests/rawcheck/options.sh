#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Options, exit codes, processes.

. "$top_srcdir/tests/rawcheck/functions.sh"

scenario=$top_builddir/tests/rawcheck/scenario

# ---- exit codes ----

expect "exit code 0" 0 "" "$rawcheck" sh -c 'exit 0'
expect "exit code 3" 3 "" "$rawcheck" sh -c 'exit 3'
expect "exit code 3 wins over findings" 3 '^BUG: ' \
	"$rawcheck" "$scenario" once_and_exit_3
expect "_exit() hides nothing" 99 '^BUG: ' "$rawcheck" "$scenario" once_and__exit
# The shell says 128 + 9 or so, dash and bash agree.
expect "SIGKILL hides nothing" 137 '^BUG: ' "$rawcheck" "$scenario" once_and_kill
expect "a child's finding" 99 '^BUG: ' \
	"$rawcheck" sh -c "'$scenario' once; true"
expect "a grandchild's finding" 99 '^BUG: ' \
	"$rawcheck" sh -c "sh -c \"'$scenario' once_and__exit; exit 0\"; exit 0"
expect "not found" 127 'no-such-program: No such file' \
	"$rawcheck" no-such-program
expect "not found by path" 127 'No such file' "$rawcheck" ./no-such-program
: >"$work/plain"
expect "not executable" 126 'Permission denied' "$rawcheck" "$work/plain"
expect "no program" 125 'which program' "$rawcheck"
expect "unknown option" 125 'Try .urcu-rawcheck --help' "$rawcheck" --no-such true
expect "help" 0 "" "$rawcheck" --help
grep -q '^Usage: urcu-rawcheck' "$work/out" || fail "--help says nothing"
expect "version" 0 "" "$rawcheck" --version
grep -q '^urcu-rawcheck .*[0-9]' "$work/out" || fail "--version says nothing"

# A script without an ELF header is run by its interpreter, as always.
printf '#!/bin/sh\n"%s" once\n' "$scenario" >"$work/script"
chmod +x "$work/script"
expect "a script" 99 '^BUG: ' "$rawcheck" "$work/script"

# ---- what is printed ----

expect "the line" 99 "^BUG: invalid wait context: malloc() while holding \
spinlock 0x[0-9a-f]* (lock_a) taken at violate+0x" \
	"$rawcheck" "$scenario" once
grep -q '#0  allocate+0x.*scenario' "$work/err" || fail "no stack of the call"
[ "$(grep -c '#.* violate+0x' "$work/err")" = 2 ] || fail "not both stacks"
if grep -q urcu-rawcheck.so "$work/err"; then
	fail "the tool's own frames are shown"
fi
[ -s "$work/out" ] && fail "standard output is touched"

expect "three" 99 '^urcu-rawcheck: 4 findings, 3 with different stacks' \
	"$rawcheck" "$scenario" three
expect "--max-reports=1" 99 '^urcu-rawcheck: 4 findings, 3 with' \
	"$rawcheck" --max-reports=1 "$scenario" three
[ "$(grep -c '^BUG: ' "$work/err")" = 1 ] || fail "--max-reports=1: not 1"
expect "--max-reports=x" 125 'want a number$' "$rawcheck" --max-reports=x true
expect "--trace-frames=1" 99 '^BUG: .* taken at violate' \
	"$rawcheck" --trace-frames=1 "$scenario" once
expect "--trace-frames=0" 125 'want a number from 1 to 12' \
	"$rawcheck" --trace-frames=0 true

expect "--log" 99 "" "$rawcheck" --log="$work/log" "$scenario" once
grep -q '^BUG: ' "$work/log" || fail "--log: nothing in the file"
expect "--log, not writable" 125 'No such file' \
	"$rawcheck" --log="$work/none/log" true
if [ -w /dev/full ]; then
	expect "--log, disk full" 125 'No space' \
		"$rawcheck" --log=/dev/full "$scenario" once
fi

# ---- closed descriptors ----

# closed WHICH COMMAND...: with standard error, or all three, closed
closed()
{
	which=$1
	shift
	case $which in
	all) "$@" <&- >&- 2>&- ;;
	*) "$@" 2>&- ;;
	esac
}

for which in stderr all; do
	expect "$which closed" 99 "" closed $which "$rawcheck" "$scenario" once
	expect "$which closed, clean" 0 "" \
		closed $which "$rawcheck" "$scenario" clean
	expect "$which closed, not found" 127 "" \
		closed $which "$rawcheck" no-such-program
	expect "$which closed, --log" 99 "" closed $which \
		"$rawcheck" --json --log="$work/log" "$scenario" once
	[ "$(grep -c '^{"event":' "$work/log")" = 2 ] ||
		fail "$which closed, --log: not a finding and a sum in the file"
done
expect "the program finds them closed" 99 "" \
	closed all "$rawcheck" "$scenario" closed

# ---- suppression ----

for pattern in malloc violate 'viol*' scenario '*/scenario' lock_a; do
	expect "--suppress=$pattern" 0 "" \
		"$rawcheck" --suppress="$pattern" "$scenario" once
done
expect "a suppression that does not match" 99 '^BUG: ' \
	"$rawcheck" --suppress=viol --suppress=free "$scenario" once
expect "one of several" 99 '2 with different stacks, and 1 suppressed' \
	"$rawcheck" --suppress=violate "$scenario" three
printf '# a comment\n\n  scenario_both  \nviolate\n' >"$work/suppressions"
expect "--suppressions" 99 '^urcu-rawcheck: 1 finding, .* and 3 suppressed' \
	"$rawcheck" --suppressions="$work/suppressions" "$scenario" three
expect "--suppressions, no file" 125 'No such file' \
	"$rawcheck" --suppressions="$work/none" true

# ---- abort ----

expect "--abort" 134 '^BUG: ' "$rawcheck" --abort "$scenario" once_and_say
[ -s "$work/out" ] && fail "--abort: the program went on"
expect "--abort, suppressed" 0 "" \
	"$rawcheck" --abort --suppress=violate "$scenario" once_and_say
grep -q 'went on' "$work/out" || fail "--abort: a suppressed finding aborts"
expect "--abort, clean" 0 "" "$rawcheck" --abort "$scenario" clean

# ---- JSON ----

expect "--json" 99 '"event":"summary","findings":4,"distinct":3' \
	"$rawcheck" --json "$scenario" three
[ "$(grep -c '^{"event":"finding".*"call":"malloc"' "$work/err")" = 3 ] ||
	fail "--json: not 3 findings"
grep -q '"contexts":\[{"kind":"spinlock","lock":{.*"symbol":"lock_b"' \
	"$work/err" || fail "--json: no lock"
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys
for line in sys.stdin: json.loads(line)' <"$work/err" ||
		fail "--json: not JSON"
fi
expect "--json, clean" 0 '"findings":0' "$rawcheck" --json "$scenario" clean

# ---- processes ----

expect "a daemon, not waited for" 0 "" "$rawcheck" "$scenario" daemon
expect "a daemon, --wait" 99 '^BUG: ' "$rawcheck" --wait "$scenario" daemon

# A launcher that keeps the signal to itself is killed, 137.
timeout -s KILL 60 sh -c 'echo $$ >"$1/pid" && exec "$2" "$3" wait_for_term' \
	sh "$work" "$rawcheck" "$scenario" >"$work/out" 2>"$work/err" &
i=0
while [ $i -lt 300 ] && ! grep -q ready "$work/out"; do
	sleep 0.1
	i=$((i + 1))
done
kill -TERM "$(cat "$work/pid")"
wait $!
code=$?
[ $code = 143 ] || fail "SIGTERM is not passed on: $code"

# A background shell ignores SIGINT; the program, with a handler, does not.
cat >"$work/trap.py" <<END
import os, signal
signal.signal(signal.SIGINT, lambda *unused: os._exit(42))
signal.alarm(60)
os.write(1, b"ready\\n")
signal.pause()
END
if command -v python3 >/dev/null; then
	: >"$work/out"
	"$rawcheck" python3 "$work/trap.py" >"$work/out" 2>"$work/err" &
	pid=$!
	i=0
	while [ $i -lt 300 ] && ! grep -q ready "$work/out"; do
		sleep 0.1
		i=$((i + 1))
	done
	kill -INT $pid
	wait $pid
	code=$?
	case $code in
	42|99) ;;
	*) fail "SIGINT is not passed on in the background: $code" ;;
	esac
else
	echo "skipped: no python3"
fi

# ---- company ----

for library in jemalloc mimalloc tcmalloc_minimal; do
	path=$(ldconfig -p 2>/dev/null |
		sed -n "s/.*lib$library\.so.*=> //p" | head -n 1)
	[ -n "$path" ] || path=$(/sbin/ldconfig -p 2>/dev/null |
		sed -n "s/.*lib$library\.so.*=> //p" | head -n 1)
	if [ -z "$path" ]; then
		echo "skipped: $library is not here"
		continue
	fi
	expect "$library, found" 99 '^BUG: .* malloc() while holding' \
		env LD_PRELOAD="$path" "$rawcheck" "$scenario" once
	expect "$library, storm" 99 'finding 1 happened 4000 times' \
		env LD_PRELOAD="$path" "$rawcheck" "$scenario" storm
	expect "$library, clean" 0 "" \
		env LD_PRELOAD="$path" "$rawcheck" "$scenario" permitted
done

expect "the tool under itself" 99 '^BUG: ' \
	"$rawcheck" "$rawcheck" "$scenario" once

# ---- refused ----

echo 'int main(void) { return 0; }' >"$work/empty.c"
if $CC -static -o "$work/static" "$work/empty.c" 2>/dev/null; then
	expect "static" 125 'statically linked' "$rawcheck" "$work/static"
	expect "static, run by a script" 0 '^urcu-rawcheck: 1 program was not checked' \
		"$rawcheck" sh -c "'$work/static'; :"
fi
# In a namespace of its own, where this system lets one have it.
without_proc()
{
	unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$@"
}
if without_proc true 2>/dev/null; then
	expect "without /proc" 125 '/proc is not there' \
		without_proc "$rawcheck" "$scenario" once
	expect "without /proc, --help" 0 "" without_proc "$rawcheck" --help
else
	echo "skipped: /proc cannot be taken away"
fi
for sanitizer in address thread; do
	if $CC -fsanitize=$sanitizer -o "$work/sanitized" "$work/empty.c" \
			2>/dev/null; then
		expect "-fsanitize=$sanitizer" 125 'is built with .*Sanitizer' \
			"$rawcheck" "$work/sanitized"
	fi
done

finish
