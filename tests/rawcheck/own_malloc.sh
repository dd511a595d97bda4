#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# A malloc() that the program defines is not seen: the report says so, and does not
# where the program has none, or where it only takes the address of malloc().

. "$top_srcdir/tests/rawcheck/functions.sh"

cat >"$work/program.c" <<END
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifdef OWN
static char pool[1 << 20] __attribute__((aligned(16)));
static size_t used;
void *malloc(size_t size)
{
	used += (size + 31) & ~(size_t) 15;
	return used <= sizeof(pool) ? pool + used - ((size + 15) & ~(size_t) 15) : NULL;
}
void free(void *ptr) { (void) ptr; }
void *calloc(size_t nr, size_t size) { return malloc(nr * size); }
void *realloc(void *old, size_t size)
{
	char *copy = malloc(size);
	return old && copy ? memmove(copy, old, size) : copy;
}
#endif
void *volatile block;
void *(*volatile take)(size_t);
int main(int argc, char **argv)
{
	pthread_spinlock_t lock;
	(void) argv;
	pthread_spin_init(&lock, 0);
	if (argc > 1)
		pthread_spin_lock(&lock);
	take = malloc;
	block = take(8);
	block = malloc(8);
	if (argc > 1)
		pthread_spin_unlock(&lock);
	return 0;
}
END

own='^urcu-rawcheck: malloc() and its kin not checked: .*/own has its own$'
$CC -O1 -DOWN -fno-builtin -o "$work/own" "$work/program.c" -pthread || exit 99
expect "own malloc" 0 "$own" "$rawcheck" "$work/own"
expect "own malloc, with a call that is not seen" 0 "$own" "$rawcheck" "$work/own" lock
expect "twice" 0 "$own" "$rawcheck" sh -c '"$1"; "$1"; :' sh "$work/own"
[ "$(grep -c 'has its own' "$work/err")" = 1 ] || fail "twice: not one line"
expect "--json" 0 '"own_malloc":\["[^"]*/own"\]' "$rawcheck" --json "$work/own"
for options in "-fPIE -pie" "-fno-pie -no-pie"; do
	# shellcheck disable=SC2086
	if ! $CC -O1 -fno-builtin $options -o "$work/plain" "$work/program.c" \
			-pthread 2>"$work/err"; then
		echo "skipped: $CC $options"
		continue
	fi
	expect "$options" 0 "" "$rawcheck" "$work/plain"
	expect "$options, a finding" 99 '^BUG: .* malloc() while holding' \
		"$rawcheck" "$work/plain" lock
	grep -q 'has its own' "$work/err" && fail "$options: said to have its own"
	expect "$options, --json" 0 '"own_malloc":\[\]' \
		"$rawcheck" --json "$work/plain"
done
finish
