#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# release.sh - all files name one version, and scripts/release finds each that does not

set -u
[ -e "$top_srcdir/scripts/release" ] || {
	echo "SKIP: release archives do not have scripts/release"
	exit 77
}
command -v bash >/dev/null || { echo "SKIP: no bash"; exit 77; }
"$top_srcdir/scripts/release" --versions || exit 1
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
files="configure.ac include/urcu/kvfree.h NEWS debian/changelog liburcu-kvfree.spec
	doc/man/urcu_kvfree.3 doc/man/urcu_kvfree.7"
# shellcheck disable=SC2086 # words on purpose
(cd "$top_srcdir" && tar -cf - $files scripts/release scripts/common.sh) | tar -xf - -C "$dir"
"$dir/scripts/release" --versions || exit 1

failed=0
# other FILE SED-SCRIPT: the script puts another version into FILE.
other()
{
	cp "$dir/$1" "$dir/kept"
	sed -i "$2" "$dir/$1"
	cmp -s "$dir/$1" "$dir/kept" && { echo "FAIL: $1 has no such line: $2"; failed=1; }
	"$dir/scripts/release" --versions >"$dir/said" 2>&1 && {
		echo "FAIL: another version in $1 is not seen: $2"
		failed=1
	}
	grep -q "$1" "$dir/said" || { echo "FAIL: $1 is not named:"; cat "$dir/said"; failed=1; }
	cp "$dir/kept" "$dir/$1"
}

version=$(sed -n 's/^VERSION = //p' "$top_builddir/Makefile")
other configure.ac "/^AC_INIT/s/$version/7.7.7/"
for part in MAJOR MINOR PATCH; do
	other include/urcu/kvfree.h "/define URCU_KVFREE_VERSION_$part/s/[0-9]*$/777/"
done
other NEWS "s/in version $version/in version 7.7.7/"
other debian/changelog "1s/$version-/7.7.7-/"
other liburcu-kvfree.spec "s/^Version:.*/Version: 7.7.7/"
other liburcu-kvfree.spec "/^\\* .*$version-/s/$version-/7.7.7-/"
other doc/man/urcu_kvfree.7 "/^\\.TH/s/$version/7.7.7/"
other NEWS "/in version/d"
exit $failed
