#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# Programs that are executed and do not load the library are named at the end, in
# whichever way they are executed; those that do load it are not.

. "$top_srcdir/tests/rawcheck/functions.sh"

execute=$top_builddir/tests/rawcheck/execute

cat >"$work/arguments.c" <<END
#include <string.h>
int main(int argc, char **argv)
{
	return argc == 3 && strcmp(argv[1], "one") == 0 &&
		strcmp(argv[2], "two") == 0 ? 0 : 9;
}
END
$CC -o "$work/dynamic" "$work/arguments.c" || exit 99
$CC -static -o "$work/static" "$work/arguments.c" 2>/dev/null || {
	echo "SKIP: no static C library"
	exit 77
}

# escaped WHAT TIMES NAME COMMAND...: just these, under that name
escaped()
{
	name=$1 times=$2 who=$3
	shift 3
	expect "$name" 0 "^urcu-rawcheck: $times program.* not checked" \
		"$rawcheck" "$@"
	grep -q "^urcu-rawcheck: not checked: .*$who" "$work/err" ||
		fail "$name: not by its name"
}

for way in execve execv execvp execvpe execl execlp execle fexecve execveat vfork; do
	escaped "$way" 1 "$work/static\$" "$execute" $way "$work/static"
	expect "$way, checked" 0 "" "$rawcheck" "$execute" $way "$work/dynamic"
	expect "$way, failed" 0 "" "$rawcheck" "$execute" $way "$work/none"
done
escaped "posix_spawn" 2 "$work/static (2 times)" \
	"$execute" posix_spawn "$work/static"
expect "posix_spawn, checked" 0 "" \
	"$rawcheck" "$execute" posix_spawn "$work/dynamic"
expect "posix_spawn, failed" 0 "" "$rawcheck" "$execute" posix_spawn "$work/none"
expect "several threads" 0 "" "$rawcheck" "$execute" threads "$work/dynamic"
for way in system popen; do
	expect "$way, checked" 0 "" "$rawcheck" "$execute" $way ""
done

# The shell loses the environment between the program and its children.
cat >"$work/unset.c" <<END
#include <stdlib.h>
#include <stdio.h>
int main(void)
{
	unsetenv("LD_PRELOAD");
	return system("exit 0") || pclose(popen("exit 0", "r"));
}
END
$CC -o "$work/unset" "$work/unset.c" || exit 99
escaped "no LD_PRELOAD, system and popen" 2 '/sh (2 times)' "$work/unset"
escaped "an empty environment" 1 "$work/dynamic\$" \
	env -i "$work/dynamic" one two

escaped "a shell's children" 3 "$work/static (3 times)" sh -c \
	"'$work/static' one two; '$work/static' one two; exec '$work/static' one two"
escaped "a child in the background" 1 'static' \
	sh -c "'$work/static' one two & wait"

# Together with findings; their exit code.
expect "with findings" 99 '^urcu-rawcheck: 1 program was not checked' "$rawcheck" \
	sh -c "'$work/static' one two; '$top_builddir/tests/rawcheck/scenario' once; :"
grep -q '^urcu-rawcheck: 1 finding,' "$work/err" || fail "no sum of the findings"
expect "--json" 0 '"unchecked":1,"unchecked_more":false,"unchecked_programs":\[{' \
	"$rawcheck" --json "$execute" execv "$work/static"
grep -q '"times":1,"program":"[^"]*/static"' "$work/err" || fail "--json: no name"
expect "--json, none" 0 '"unchecked":0,.*"unchecked_programs":\[\]' \
	"$rawcheck" --json "$execute" execv "$work/dynamic"

# More than there is room for.
expect "many" 0 '^urcu-rawcheck: 1024 or more programs were not checked' \
	"$rawcheck" sh -c 'i=0; while [ $i -lt 1030 ]; do
		"$1" one two; i=$((i + 1)); done' sh "$work/static"

finish
