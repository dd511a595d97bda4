# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# What the scripts share: from a fresh checkout to a built tree. To be sourced
# by bash, with $top set to the top of the source tree.
#
# Variables of the environment: BUILD_DIR (build), CC, CFLAGS, CONFIGURE_ARGS, JOBS.

BUILD_DIR=${BUILD_DIR:-$top/build}
JOBS=${JOBS:-$(nproc)}

# Where the summary of a script goes, and nothing else.
say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Make configure, unless this is a release, which has it.
bootstrap()
{
	test -e "$top/configure" || "$top/bootstrap"
}

# Configure in $BUILD_DIR, again when the settings have changed since.
configure()
{
	local settings="CC=${CC-} CFLAGS=${CFLAGS-} ${CONFIGURE_ARGS-}"

	test -e "$BUILD_DIR/config.status" &&
		test "$settings" = "$(cat "$BUILD_DIR/settings" 2>/dev/null)" &&
		return
	mkdir -p "$BUILD_DIR" || return
	(
		cd "$BUILD_DIR" || exit
		test ! -e Makefile || make -s clean
		# Several words.
		# shellcheck disable=SC2086
		"$top/configure" --quiet ${CONFIGURE_ARGS-} \
			${CC:+"CC=$CC"} ${CFLAGS:+"CFLAGS=$CFLAGS"}
	) || return
	echo "$settings" >"$BUILD_DIR/settings"
}

# build DEPS [MAKE-ARG...]
build()
{
	local deps=$1

	shift
	"$top/scripts/deps" "$deps" || die "something is missing"
	bootstrap || die "bootstrap failed"
	configure || die "configure failed"
	make -s -C "$BUILD_DIR" -j"$JOBS" "$@" || die "make failed"
}

# The tests that may come out differently in a build of its own.
build_tests()
{
	make -s -C "$BUILD_DIR" print-build-tests | tr '\n' ' '
}

# check_some TESTS PROGRAMS: make check of these tests, which need these programs.
check_some()
{
	local arg=("check_PROGRAMS=${2//$'\n'/ }" VERBOSE=1)

	make -s -C "$BUILD_DIR" -j"$JOBS" check "${arg[@]}" TESTS= >/dev/null &&
		make -s -C "$BUILD_DIR" -j"${CHECK_JOBS:-1}" check "${arg[@]}" \
			TESTS="${1//$'\n'/ }" </dev/null
}

# Automake's totals, from the log that make check writes.
count()
{
	local sum=0 name n

	for name; do
		n=$(sed -n "s/^# $name: *//p" "$BUILD_DIR/test-suite.log")
		sum=$((sum + ${n:-0}))
	done
	echo $sum
}

totals()
{
	echo "$(count PASS XFAIL) passed, $(count FAIL XPASS ERROR) failed, $(count SKIP) skipped"
}

# fedora_flags LTO-FLAG...: as redhat-rpm-config has them for x86-64, less -specs=, which
# names files of Fedora's, -march= and -mtls-dialect=.
fedora_flags()
{
	local machine=

	test "$(uname -m)" != x86_64 || machine="-m64 -mtune=generic -fcf-protection "
	echo "-O2 $* -fexceptions -g -grecord-gcc-switches -pipe -Wall -Werror=format-security" \
		"-Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3 -Wp,-D_GLIBCXX_ASSERTIONS" \
		"-fstack-protector-strong -fasynchronous-unwind-tables" \
		"$machine-fstack-clash-protection"
}
