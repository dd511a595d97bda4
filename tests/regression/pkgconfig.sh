#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# pkgconfig.sh - the first program of the README builds by the README's command, against
# the library in the build tree, and so does a program that asks for static flags

set -u
. "$top_srcdir/tests/regression/functions.sh"
command -v pkg-config >/dev/null 2>&1 || { echo "SKIP: no pkg-config"; exit 77; }
dir=${TMPDIR:-/tmp}/pkgconfig-$$
mkdir "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
libs=$(cd "$top_builddir/.libs" && pwd) || exit 1
include=$(cd "$top_srcdir/include" && pwd) || exit 1
for lib in "$libs"/liburcu-kvfree.a "$libs"/liburcu-kvfree.so; do
	has_sanitizer "$lib" && {
		echo "SKIP: a sanitizer is in the build, whose runtime must come first"
		exit 77
	}
done

readme_program "$top_srcdir/README.md" >"$dir/config.c"
readme_commands "$top_srcdir/README.md" >"$dir/commands"

flags()
{
	PKG_CONFIG_PATH=$libs/..${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
	pkg-config --define-variable=libdir="$libs" \
		--define-variable=includedir="$include" "$@"
}

[ "$(flags --modversion liburcu-kvfree)" = "$(setting PACKAGE_VERSION)" ] || {
	echo "FAIL: version"
	exit 1
}
failed=0
CXX=$(setting CXX)
LDFLAGS=$(setting LDFLAGS)
for build in "$CC config.c" "$CXX -x c++ config.c -x none"; do
	command -v "${build%% *}" >/dev/null 2>&1 || continue
	# shellcheck disable=SC2046,SC2086 # words on purpose
	(cd "$dir" && $build -o x $(flags --cflags --libs liburcu-kvfree \
		liburcu-memb) $(flags --static --libs liburcu-kvfree) \
		$LDFLAGS &&
		LD_LIBRARY_PATH=$libs ./x) || {
		echo "FAIL: $build"
		failed=1
	}
done

# The README's own words, where cc and pkg-config are those of this build.
tool()
{
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\nexec %s\n' "$2" >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
tool cc "$CC \"\$@\" $(setting LDFLAGS)"
tool pkg-config "env PKG_CONFIG_PATH='$libs/..${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}' \
	$(command -v pkg-config) --define-variable=libdir='$libs' \
	--define-variable=includedir='$include' \"\$@\""
grep -q '^cc .*config\.c' "$dir/commands" || {
	echo "FAIL: no command in the README compiles its program"
	failed=1
}
(cd "$dir" && PATH=$dir/bin:$PATH LD_LIBRARY_PATH=$libs sh -e ./commands) || {
	echo "FAIL: the README's commands"
	failed=1
}
exit $failed
