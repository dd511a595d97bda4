#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# pkgconfig.sh - the ten lines of the README build with pkg-config's flags,
# against the library in the build tree

set -u
. "$top_srcdir/tests/regression/functions.sh"
command -v pkg-config >/dev/null 2>&1 || exit 77
dir=${TMPDIR:-/tmp}/pkgconfig-$$
mkdir "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
libs=$(cd "$top_builddir/.libs" && pwd) || exit 1
include=$(cd "$top_srcdir/include" && pwd) || exit 1
# The sanitizers' runtime must come first; they are tested elsewhere.
for lib in "$libs"/liburcu-kvfree.a "$libs"/liburcu-kvfree.so; do
	has_sanitizer "$lib" && exit 77
done

cat >"$dir/x.c" <<EOT
#include <urcu.h>
#include <urcu/kvfree.h>
#include <stdlib.h>

struct node { int value; struct rcu_head head; };

int main(void)
{
	struct node *old = (struct node *) malloc(sizeof(*old));

	urcu_kvfree_rcu(old, head);
	return urcu_kvfree_rcu_barrier();
}
EOT

flags()
{
	PKG_CONFIG_PATH=$libs/..${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
	pkg-config --define-variable=libdir="$libs" \
		--define-variable=includedir="$include" "$@"
}

[ "$(flags --modversion liburcu-kvfree)" = 0.1.0 ] || {
	echo "FAIL: version"
	exit 1
}
failed=0
for build in "${CC:-cc} x.c" "c++ -x c++ x.c -x none"; do
	case $build in
	c++*)	command -v c++ >/dev/null 2>&1 || continue ;;
	esac
	# shellcheck disable=SC2046,SC2086 # words on purpose
	(cd "$dir" && $build -o x $(flags --cflags --libs liburcu-kvfree \
		liburcu-memb) $(flags --static --libs liburcu-kvfree) &&
		LD_LIBRARY_PATH=$libs ./x) || {
		echo "FAIL: $build"
		failed=1
	}
done
exit $failed
