#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# What makes a context raw, and what ends it.

. "$top_srcdir/tests/rawcheck/functions.sh"
. "$top_srcdir/tests/regression/functions.sh"

scenario=$top_builddir/tests/rawcheck/scenario

silent() # SCENARIO
{
	expect "$1" 0 "" "$rawcheck" "$scenario" "$1"
}

# Reported, with the pattern, and just so often.
found() # SCENARIO TIMES PATTERN
{
	expect "$1" 99 "$3" "$rawcheck" "$scenario" "$1"
	grep -q "^urcu-rawcheck: $2 finding" "$work/err" ||
		fail "$1: not $2 findings"
}

silent permitted

found nested 1 'while holding spinlock 0x[0-9a-f]* (lock_b) taken'
grep -q lock_a "$work/err" && fail "nested: a released lock is reported"
found both 1 'while holding spinlock 0x[0-9a-f]* (lock_b) taken'
grep -q '  and while holding spinlock 0x[0-9a-f]* (lock_a) taken' "$work/err" ||
	fail "both: the outer lock is missing"
# The stack of a lock: as much of it as is sure to be still in place.
found returned 1 'taken at take_lock_a'
[ "$(grep -c '#.* main+0x' "$work/err")" = 1 ] ||
	fail "returned: the lock has a stack that is not its own"
found recursive 1 'taken at recur'
[ "$(grep -c '#.* recur+0x' "$work/err")" = 6 ] ||
	fail "recursive: not the four frames of the call and the two of the lock"
expect "one stack for each finding" 99 '^urcu-rawcheck: 1 finding,' \
	"$rawcheck" "$top_builddir/tests/rawcheck/unwinds"
expect "--trace-frames, returned" 99 'taken at take_lock_a' \
	"$rawcheck" --trace-frames=8 "$scenario" returned
[ "$(grep -c '#.* main+0x' "$work/err")" = 2 ] ||
	fail "--trace-frames: the stack of the lock was not kept"

found many 1 '  and 34 more'
silent failed_trylock
silent init_again
found disowned 1 'while holding spinlock 0x[0-9a-f]* (lock_a) taken'
grep -q 'and while' "$work/err" && fail "disowned: a lock given away is reported"
found recursion 1 '^BUG: spinlock recursion: pthread_spin_lock() while holding'
silent other_thread

found handler_in_lock 1 'in a handler of SIGUSR1 (allocating_handler) installed'
grep -q '  and while holding spinlock 0x[0-9a-f]* (lock_a) taken' "$work/err" ||
	fail "handler_in_lock: the interrupted lock is missing"
grep -q '#.*<signal handler called>' "$work/err" ||
	fail "handler_in_lock: no signal frame in the stack"
grep -q '#.*scenario_handler_in_lock' "$work/err" ||
	fail "handler_in_lock: the interrupted function is missing"
silent lock_outlives_handler
silent exit_in_handler

# Elsewhere the C library hides the target of a jump, and all handlers count as left.
if echo | $CC -E -dM -x c - | grep -q __x86_64__; then
	found jump_inside 1 'in a handler of SIGUSR1 (inner_jump_handler)'
	found jump_inside_alternate_stack 1 'in a handler of SIGUSR1'
	found jump_inside_inner 1 'in a handler of SIGUSR1 (raising_handler)'
	found jump_between_handlers 1 'in a handler of SIGUSR1 (outer_handler)'
	grep -q SIGUSR2 "$work/err" && fail "a handler that was left is reported"
else
	silent jump_inside
	silent jump_inside_alternate_stack
	silent jump_inside_inner
	silent jump_between_handlers
fi
silent jump
silent jump_from_alternate_stack
silent setcontext
found freed_lock 1 'free() while holding spinlock'
found jump_from_reported_call 2 'malloc() while holding spinlock'

silent query
found errno 1 'malloc() while holding spinlock'
expect descriptors 0 "" "$rawcheck" "$scenario" descriptors 3>&-

found children 3 '^urcu-rawcheck: finding 1 happened 3 times'
found storm 4000 '^urcu-rawcheck: finding 1 happened 4000 times'

# The guard of a C++ static waits at the first call only.
cat >"$work/guard.cc" <<END
#include <pthread.h>
#include <unistd.h>
static int first() { return getpid(); }
static int once() { static int value = first(); return value; }
int main()
{
	pthread_spinlock_t lock;
	pthread_spin_init(&lock, 0);
	pthread_spin_lock(&lock);
	int sum = once();
	sum -= once();
	pthread_spin_unlock(&lock);
	return sum;
}
END
# For another architecture they name its dynamic linker.
ldflags=$(setting LDFLAGS)
# shellcheck disable=SC2086
if $CC -o "$work/guard" "$work/guard.cc" -lstdc++ $ldflags 2>"$work/err"; then
	expect "guard" 99 '__cxa_guard_acquire() while holding' \
		"$rawcheck" "$work/guard"
	grep -q '^urcu-rawcheck: 1 finding' "$work/err" ||
		fail "guard: not 1 finding"
else
	echo "skipped: no C++ compiler"
fi

# Without the tool the same programs are not disturbed by the header.
expect "sections without the tool" 0 "" "$scenario" permitted

# Code that is not position-independent reaches the hooks as well.
cat >"$work/fixed.c" <<END
#include <stdlib.h>
#include <urcu/rawcheck.h>
void *volatile block;
int main(void)
{
	urcu_rawcheck_enter();
	block = malloc(8);
	urcu_rawcheck_leave();
	urcu_rawcheck_disown(&block);
	return 0;
}
END
for options in "-O2 -fno-pie -no-pie" "-O2 -fPIE -pie" "-O0" "-x c++ -O2"; do
	# shellcheck disable=SC2086
	if $CC $options -I "$top_srcdir/include" -o "$work/fixed" \
			"$work/fixed.c" $ldflags 2>"$work/err"; then
		expect "built with $options" 99 'inside a raw section' \
			"$rawcheck" "$work/fixed"
		expect "built with $options, alone" 0 "" "$work/fixed"
	else
		echo "skipped: $CC $options"
	fi
done

finish
