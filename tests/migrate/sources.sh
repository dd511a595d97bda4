#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# sources.sh [SOURCE...] - urcu-kvfree-migrate on programs of others, as Debian has them
#
# apt-get fetches the sources of Debian 12 into tests/migrate/sources of the build tree, once. How
# many calls move there is known, and no file that changes has an error that it did not have before:
# without the configure scripts of these programs, some have. How many compile at least is known too.
# What the archive does not have at the moment is skipped; if it has none, all of this is.
set -u
. "$top_srcdir/tests/regression/functions.sh"
top_srcdir=$(cd "$top_srcdir" && pwd)
top_builddir=$(cd "$top_builddir" && pwd)
sources=$top_builddir/tests/migrate/sources
# The last two are what the configure scripts find.
flags="-D_GNU_SOURCE -I$top_srcdir/include $(setting URCU_CFLAGS) -DHAVE_GETTID -DHAVE_RAND_R"
tool=$sources/tool
failed=0
tried=0

fail()
{
	echo "FAIL: $1"
	failed=1
}

# source | folders and files | options | "MOVED of CALLS" | changed files that compile, at least |
# folders with its headers. With gcc 12 there are a few more that compile, 8 and 17.
programs()
{
	cat <<'END'
ltt-control|src tests||21 of 45|6|include src
liburcu|tests doc/examples||22 of 32|12|include src tests/common tests/utils
netsniff-ng|.|--free=xfree|2 of 3|1|.
END
}

# Lists of Debian's sources, for this script only, where the system has none.
find_sources()
{
	apt-get source --print-uris liburcu >/dev/null 2>&1 && return
	mkdir -p "$sources/apt/lists/partial" "$sources/apt/cache"
	export APT_CONFIG="$sources/apt/apt.conf"
	cat >"$APT_CONFIG" <<END
Dir::Etc::SourceList "$sources/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$sources/apt/lists";
Dir::Cache "$sources/apt/cache";
END
	echo "deb-src http://deb.debian.org/debian bookworm main" >"$sources/apt/sources.list"
	apt-get update >"$sources/apt.log" 2>&1
}

# fetch SOURCE: leaves its folder in $tree, as Debian has it
fetch()
{
	cd "$sources" || return
	[ -d "$1.before" ] || {
		rm -rf "$1"
		apt-get source --download-only "$1" >"$1.log" 2>&1 || { tail -n 3 "$1.log"; return 1; }
		dpkg-source --no-check -x "$1"_*.dsc "$1" >>"$1.log" 2>&1 || return
		mv "$1" "$1.before"
	}
	rm -rf "$1"
	cp -r "$1.before" "$1"
	tree=$sources/$1
}

# errors TREE FILE INCLUDES: what the compiler does not like, without the places
errors()
{
	# shellcheck disable=SC2046,SC2086 # words on purpose
	(cd "$1" && LC_ALL=C $CC -std=gnu11 -fsyntax-only -Wall -Werror=implicit-function-declaration \
		-Werror=unused-function $flags $(for dir in $3; do echo "-I$dir"; done) "$2") 2>&1 |
		sed -n 's/.* error: //p' | sort -u
}

# try SOURCE WHAT OPTIONS WANTED LEAST INCLUDES
try()
{
	fetch "$1" || { echo "SKIP: $1 is not to be had"; return; }
	tried=$((tried + 1))
	cd "$tree" || return
	# shellcheck disable=SC2086 # words on purpose
	"$tool/urcu-kvfree-migrate" $3 $2 2>"../$1.summary" || fail "$1: status $?"
	grep -q "^$4 calls " "../$1.summary" ||
		fail "$1: $(head -n 1 "../$1.summary"), not $4"
	compiled=0
	for file in $(diff -rq . "../$1.before" | sed -n 's/^Files \(.*\.c\) and .*/\1/p'); do
		errors "../$1.before" "$file" "$6" >../errors.before
		errors . "$file" "$6" >../errors
		new=$(comm -13 ../errors.before ../errors)
		[ -z "$new" ] || fail "$1: $file does not compile any more: $new"
		if [ -s ../errors.before ]; then
			echo "$1: $file did not compile: $(head -n 1 ../errors.before)"
		else
			compiled=$((compiled + 1))
		fi
	done
	echo "$1: $(head -n 1 "../$1.summary") $compiled changed files compile."
	[ $compiled -ge "$5" ] || fail "$1: $compiled changed files compile, not $5 or more"
}

for source; do
	programs | grep -q "^$source|" || { echo "sources.sh: no source $source" >&2; exit 2; }
done
mkdir -p "$tool" || exit 1
cp "$top_srcdir"/tools/migrate/*.cocci "$top_srcdir/tools/migrate/plan.py" \
	"$top_builddir/tools/migrate/urcu-kvfree-migrate" "$tool"
find_sources
while IFS='|' read -r source what options wanted least includes; do
	case " ${*:-$source} " in
	*" $source "*) try "$source" "$what" "$options" "$wanted" "$least" "$includes" </dev/null ;;
	esac
done <<END
$(programs)
END
[ $tried -gt 0 ] || { echo "SKIP: none of the sources is to be had"; exit 77; }
exit $failed
