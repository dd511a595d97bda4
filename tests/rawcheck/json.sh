#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# What --json writes is JSON in UTF-8, whatever the bytes in the names of programs,
# threads, functions and files.

. "$top_srcdir/tests/rawcheck/functions.sh"

command -v python3 >/dev/null || {
	echo "SKIP: no python3"
	exit 77
}

# Between underscores. Valid: the first and the last character of two, three and four bytes.
name='x_\302\200\337\277_\340\240\200\355\237\277\356\200\200\357\277\275'
name=$name'_\360\220\200\200\364\217\277\277'
# Latin-1, a stray byte, bytes that never occur.
name=$name'_caf\351_\200_\377\376'
# Cut off.
name=$name'_\303_\342\202_\360\237\230'
# A longer form than is needed, a surrogate, beyond the last character.
name=$name'_\300\257_\340\237\277_\355\240\200_\360\217\277\277_\364\220\200\200'
# Cut off at the end.
name=$name'_\342\202'
# shellcheck disable=SC2059
name=$(printf "$name") && [ -n "$name" ] || exit 99

cat >"$work/names.c" <<END
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
void *volatile block;
void allocate(void) __asm__("f$name");
void allocate(void)
{
	block = malloc(8);
	__asm__ volatile("");
}
int main(void)
{
	pthread_spinlock_t lock;

	prctl(PR_SET_NAME, "t$name");
	pthread_spin_init(&lock, 0);
	pthread_spin_lock(&lock);
	allocate();
	pthread_spin_unlock(&lock);
	return 0;
}
END
if ! $CC -O0 -o "$work/p$name" "$work/names.c" 2>"$work/err"; then
	echo "SKIP: the compiler or the file system refuses such names"
	exit 77
fi
expect "names" 99 "" "$rawcheck" --json --log="$work/log" "$work/p$name"

# Each byte that is no part of a character stands for itself. A thread's name has 15.
cat >"$work/check.py" <<END
import codecs, json, os, sys
codecs.register_error("each", lambda error: ("\ufffd", error.start + 1))
name = os.fsencode(sys.argv[2])
def want(prefix, length=1000):
    return (prefix + name)[:length].decode("utf-8", "each")
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
frame = lines[0]["stack"][0]
assert frame["object"].endswith(want(b"/p")), ascii(frame["object"])
assert frame["symbol"] == want(b"f"), ascii(frame["symbol"])
assert lines[0]["thread"] == want(b"t", 15), ascii(lines[0]["thread"])
assert lines[1]["event"] == "summary"
END
python3 "$work/check.py" "$work/log" "$name" 2>"$work/err" >&2 ||
	fail "not the names in UTF-8"
finish
