#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# With _FORTIFY_SOURCE, the C library's headers make inline functions and other names of
# some that the tool wraps. Distributions ask for it after our own flags. The wrappers compile
# all the same, and a program that was compiled so is seen as any other.

. "$top_srcdir/tests/rawcheck/functions.sh"

# The flags of the wrappers, as make has them.
flags=$(make -s --no-print-directory -C "$top_builddir" --eval='print-flags:
	@echo $(DEFS) -I. $(tools_rawcheck_urcu_rawcheck_la_CPPFLAGS) \
		$(tools_rawcheck_urcu_rawcheck_la_CFLAGS)' print-flags | tail -n 1)
wrappers=0
for file in "$top_srcdir"/tools/rawcheck/wrap_*.c; do
	file=$(cd "${file%/*}" && pwd)/${file##*/}
	wrappers=$((wrappers + 1))
	# shellcheck disable=SC2086 # words on purpose
	(cd "$top_builddir" && $CC $flags -fPIC -O1 -U_FORTIFY_SOURCE \
		-D_FORTIFY_SOURCE=2 -c -o "$work/wrapper.o" "$file") ||
		fail "${file##*/} does not compile"
done
[ $wrappers -ge 7 ] || fail "only $wrappers wrappers"

# shellcheck disable=SC2086 # words on purpose
$CC -D_GNU_SOURCE -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fno-inline \
	-I"$top_builddir" -I"$top_srcdir/include" -I"$top_srcdir/tests/rawcheck" \
	-o "$work/scenario" "$top_srcdir/tests/rawcheck/scenario.c" || exit 99
nm -u "$work/scenario" | grep -q __longjmp_chk || {
	echo "fortify.sh: this C library does not check longjmp()"
	finish
}
expect "jump" 0 "" "$rawcheck" "$work/scenario" jump
expect "jump_inside" 99 'in a handler of SIGUSR1 (inner_jump_handler)' \
	"$rawcheck" "$work/scenario" jump_inside
finish
