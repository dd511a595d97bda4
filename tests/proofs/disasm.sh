#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Where the machine code of the raw calls can go, in the library as it is
# installed; see disasm.pl.
set -u

builddir=${top_builddir:-.}
library=$builddir/.libs/liburcu-kvfree.so
for tool in perl objdump readelf; do
	command -v "$tool" >/dev/null || {
		echo "SKIP: no $tool"
		exit 77
	}
done
test -e "$library" || {
	echo "SKIP: no shared library was built"
	exit 77
}
tls=
grep -q '^#define KVFREE_TLS_INITIAL_EXEC 1' "$builddir/config.h" ||
	tls=--tls=any
disasm=${top_srcdir:-.}/tests/proofs/disasm.pl
perl "$disasm" "$library.not-there" >/dev/null
test $? -eq 1 || {
	echo "FAIL: a library that is not there is no failure"
	exit 1
}
exec perl "$disasm" $tls "$library"
