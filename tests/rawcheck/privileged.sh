#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Programs into which nothing can be preloaded, because they run with more
# privileges than their caller, are refused before they run. What the kernel says of each
# (AT_SECURE) decides what is expected; programs that are not privileged are checked.

. "$top_srcdir/tests/rawcheck/functions.sh"

cat >"$work/secure.c" <<END
#include <stdio.h>
#include <sys/auxv.h>
int main(void)
{
	printf("secure=%lu\\n", getauxval(AT_SECURE));
	return 0;
}
END
$CC -o "$work/secure" "$work/secure.c" 2>"$work/err" || {
	cat "$work/err"
	exit 99
}
chmod 755 "$work"

refused=0

# agree WHAT PROGRAM [PREFIX...]: the tool refuses what the kernel makes secure.
agree()
{
	name=$1 program=$2
	shift 2
	case $("$@" "$program" 2>/dev/null) in
	secure=1)
		refused=$((refused + 1))
		expect "$name" 125 'cannot be checked: .*, nothing can be preloaded' \
			"$@" "$rawcheck" "$program"
		[ -s "$work/out" ] && fail "$name: it was run"
		;;
	secure=0)
		expect "$name, not privileged" 0 "" "$@" "$rawcheck" "$program"
		grep -q secure=0 "$work/out" || fail "$name: it was not run"
		;;
	*)
		echo "skipped: $name: the program cannot be run"
		;;
	esac
}

# copy NAME OWNER MODE: the program, as another file. False where that is not allowed.
copy()
{
	cp "$work/secure" "$work/$1" && chown "$2" "$work/$1" 2>/dev/null &&
		chmod "$3" "$work/$1"
}

me=$(id -u)
agree "no privileges" "$work/secure"
copy own "$me" 4755 && agree "set-user-ID of the caller's own" "$work/own"
for group in $(id -G) 65534; do
	[ "$group" = "$(id -g)" ] && continue
	copy group ":$group" 2755 &&
		agree "set-group-ID of group $group" "$work/group"
	copy lock ":$group" 2745 &&
		agree "set-group-ID without execution" "$work/lock"
done
copy other 65534 4755 && agree "set-user-ID of another user" "$work/other"

printf '#!/bin/sh\necho secure=0\n' >"$work/script"
chmod 4755 "$work/script"
agree "a set-user-ID script" "$work/script"

# Others' programs, among them one that can be run and not read.
# They cannot write the files of a build that counts coverage.
mkdir -m 777 "$work/coverage"
nobody="env GCOV_PREFIX=$work/coverage setpriv --reuid=65534 --regid=65534 --clear-groups"
# shellcheck disable=SC2086
if [ "$me" = 0 ] && $nobody "$rawcheck" true 2>/dev/null; then
	agree "root's set-user-ID" "$work/own" $nobody
	copy unreadable 0 4711 &&
		agree "set-user-ID, not readable" "$work/unreadable" $nobody
	copy hidden 0 711 && agree "not readable" "$work/hidden" $nobody
	copy capable 0 755 &&
		setcap cap_net_raw+ep "$work/capable" 2>/dev/null && {
		agree "file capabilities, root" "$work/capable"
		agree "file capabilities" "$work/capable" $nobody
	}
	agree "no new privileges" "$work/own" $nobody --no-new-privs
else
	echo "skipped: no second user"
fi

# For others than root: LD_SHOW_AUXV does nothing in a privileged program.
su=$(command -v su)
if [ "$me" != 0 ] && [ -u "$su" ] &&
		! LD_SHOW_AUXV=1 "$su" --version | grep -q '^AT_'; then
	refused=$((refused + 1))
	expect "su" 125 'cannot be checked: .*, nothing can be preloaded' \
		"$rawcheck" su --version
	[ -s "$work/out" ] && fail "su was run"
fi

if [ $failures = 0 ] && [ $refused = 0 ]; then
	echo "SKIP: no program is privileged here"
	exit 77
fi
finish
