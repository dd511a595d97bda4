#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# linked.sh - the static library, however it is linked, has its fork handlers and
# constructors: the programs of linked.c run, and a program that makes only one call of
# the library has the handlers too. Two copies in one process do not disturb each other,
# and that of a module stays when the module is closed.

set -u
. "$top_srcdir/tests/regression/functions.sh"
a=$(cd "$top_builddir" && pwd)/.libs/liburcu-kvfree.a
build=$(cd "$top_builddir" && pwd) || exit 99
top=$(cd "$top_srcdir" && pwd) || exit 99
[ -e "$a" ] || { echo "SKIP: no static library in this build"; exit 77; }
is_musl && {
	echo "SKIP: musl loads no module with thread-local storage of initial-exec"
	exit 77
}
# The sanitizers follow no thread into the child of a fork.
has_sanitizer "$a" && {
	echo "SKIP: a sanitizer is in the build"
	exit 77
}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

CC=${CC:-$(setting CC)}
compile="$CC -D_GNU_SOURCE -DHAVE_CONFIG_H -I$build -I$top/include -I$top/src \
	$(setting URCU_CFLAGS) $(setting CPPFLAGS) $(setting CFLAGS) -Wall -Wextra -Werror"
libs="-lurcu-memb -lurcu-common -pthread"

fail()
{
	echo "FAIL: $*"
	failed=1
}

# run ARCHIVE FLAGS: linked.c
run()
{
	archive=$1
	shift
	# shellcheck disable=SC2046,SC2086 # words on purpose
	$compile "$@" -o "$tmp/program" "$top/tests/regression/linked.c" \
		"$archive" $libs $(setting LDFLAGS) && "$tmp/program" ||
		fail "${archive##*/} $*"
}

# Whether the compiler can do it at all: the C library and liburcu may lack it.
can()
{
	# shellcheck disable=SC2046,SC2086 # words on purpose
	$compile "$@" -o "$tmp/program" "$tmp/probe.c" $libs >"$tmp/log" 2>&1 &&
		"$tmp/program" && return
	echo "not here: $*"
	return 1
}

# What a program that only makes one call is made of. One call of each source file.
each_call()
{
	for call in init rcu_barrier_flavor rcu_offset_flavor rcu_mightsleep_flavor \
			exit before_fork channel_create kvmalloc get_stats_flavor; do
		case $call in kv*) call=urcu_$call;; *) call=urcu_kvfree_$call;; esac
		cat >"$tmp/call.c" <<EOT
#include <urcu/kvfree.h>
void (*used)(void);
int main(void)
{
	used = (void (*)(void)) $call;
	return 0;
}
EOT
		# shellcheck disable=SC2046,SC2086 # words on purpose
		$compile -Wno-cast-function-type -Wl,--gc-sections -o "$tmp/call" \
			"$tmp/call.c" "$a" $libs $(setting LDFLAGS) &&
			nm "$tmp/call" | grep -q ' atfork_child' ||
			fail "no fork handlers with $call"
	done
}

# The library anew, in sections and for optimization at link time.
make_lto()
{
	# shellcheck disable=SC2046,SC2086 # words on purpose
	(mkdir "$tmp/lto" && cd "$tmp/lto" &&
		$compile -std=gnu11 -O1 -flto -ffat-lto-objects -ffunction-sections \
			-fdata-sections -c "$top"/src/*.c &&
		ar rcs "$tmp/lto.a" ./*.o) || fail "cannot compile for -flto"
}

# plugin FLAGS: a program and a module with a copy each.
plugin()
{
	# shellcheck disable=SC2046,SC2086 # words on purpose
	$compile -fPIC -shared -Wl,-z,defs -o "$tmp/plugin.so" \
		"$top/tests/regression/linked-plugin.c" "$tmp/pic.a" \
		$libs $(setting LDFLAGS) || fail "plugin: not linked"
	run "$a" "-DLINKED_PLUGIN=\"$tmp/plugin.so\"" -DLINKED_HOOKS "$@"
}

echo '#include <urcu.h>
int main(void) { rcu_register_thread(); return 0; }' >"$tmp/probe.c"
run "$a"
run "$a" -DLINKED_HOOKS
each_call
can -static && run "$a" -static
if can -flto -ffat-lto-objects; then
	make_lto
	run "$tmp/lto.a" -flto
	run "$tmp/lto.a" -fno-lto -Wl,--gc-sections
fi
if ls "$build"/src/.libs/liburcu_kvfree_la-*.o >/dev/null 2>&1; then
	ar rcs "$tmp/pic.a" "$build"/src/.libs/liburcu_kvfree_la-*.o
	plugin
	plugin -rdynamic
fi
exit $failed
