#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# retire.sh - urcu/kvfree.hpp with each compiler, language and flavor
#
# retire.cc and the example run; what would go wrong does not compile, and the compiler says
# why. Under a sanitizer it is the build's compiler only.

set -u
. "$top_srcdir/tests/regression/functions.sh"

CXX=$(setting CXX)
command -v "${CXX%% *}" >/dev/null 2>&1 || { echo "SKIP: no C++ compiler"; exit 77; }
top=$(cd "$top_srcdir" && pwd) || exit 99
libs=$(cd "$top_builddir/.libs" && pwd) || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# Liburcu's headers are not ours to mend: as those of the system, wherever they are.
include="-I$top/include $(setting URCU_CFLAGS | sed 's/-I */-isystem /g')"
strict="-D_GNU_SOURCE $include -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual
	-Wold-style-cast -Wnon-virtual-dtor -Werror"
link="-L$libs -lurcu-kvfree -lurcu-memb -lurcu-mb -lurcu-qsbr -lurcu-bp -lurcu-common
	-pthread $(setting LDFLAGS)"
memb="-include urcu.h"
mb="-DURCU_API_MAP -include urcu/urcu-mb.h"
qsbr="-include urcu-qsbr.h"
bp="-include urcu-bp.h"

fail()
{
	echo "FAIL: $*"
	failed=1
}

# retire FLAVOR ANOTHER COMPILER [FLAG...]: build and run retire.cc
retire()
{
	local tests=$top/tests/regression flavor=$1 another=$2 what="$*"

	shift 2
	# Without optimization, so that the functions of both files meet in the linker.
	# shellcheck disable=SC2086 # words on purpose
	"$@" $strict $flavor -c -o "$tmp/retire.o" "$tests/retire.cc" &&
		"$@" $strict $another -c -o "$tmp/other.o" "$tests/retire-other.cc" &&
		"$@" -o "$tmp/retire" "$tmp/retire.o" "$tmp/other.o" $link || {
		fail "does not compile: $what"
		return
	}
	"$tmp/retire" || fail "retire: $what: $?"
}

# example COMPILER [FLAG...]: build and run it
example()
{
	# shellcheck disable=SC2086 # words on purpose
	"$@" $strict -o "$tmp/example" "$top/doc/examples/basic/retire.cc" $link || {
		fail "the example does not compile: $*"
		return
	}
	"$tmp/example" >/dev/null || fail "example: $*: $?"
}

# The program ends with a message.
too_far()
{
	"$tmp/retire" far 2>"$tmp/err"
	case $? in
	134) grep -q '^urcu/kvfree.hpp: a struct rcu_head lies' "$tmp/err" && return ;;
	esac
	cat "$tmp/err"
	fail "a head too far away"
}

# ----------------------------------------------------------------------
# What must not compile

# Each wrong use, and what the compiler says. # stands for a number of its own, so that
# each use has its own types.
wrong_uses()
{
	cat <<'END'
retire(null<named<#>>());|free() does not run this type's destructor
retire(null<named<#>>(), &named<#>::head);|free() does not run this type's destructor
retire(null<abstract<#>>());|may begin elsewhere or have a destructor
retire(null<abstract<#>>(), &abstract<#>::head);|may begin elsewhere or have a destructor
retire(null<wide<#>>());|for memory of aligned_alloc()
retire(null<void>());|needs a pointer to an object of a known type
retire(wrong#);|needs a pointer to an object of a known type
retire(null<incomplete>());|incomplete
retire(#L);|no matching function
retire(null<named<#>>(), &named<#>::text);|no matching function
retire(null<abstract<#>>(), &abstract<#>::head, c);|this channel is for objects of another type
retire(null<derived<#>>(), &named<#>::head, c);|this channel is for objects of another type
channel<abstract<#>> of("abstract");|needs a virtual destructor, or has to be final
make_unique<abstract<#>>();|needs a virtual destructor, or has to be final
unique<named<#>> p = make_unique<derived<#>>();|conversion
deleter<named<#>[]> d;|how many there are is not known
allocator<wide<#>> a;|urcu_kvmalloc() does not align memory as this type needs
make_unique<wide<#>>();|urcu_kvmalloc() does not align memory as this type needs
channel<named<#>, void (*)(named<#> *)> of("function");|must be without state
channel<const named<#>> of("const");|name the type without const
END
}

wrong_program()
{
	local n=0 statement message

	cat <<'END'
#include <string>
#include <urcu.h>
#include <urcu/kvfree.hpp>

using namespace urcu::kvfree;
template <int> struct named { std::string text; struct rcu_head head; };
template <int n> struct derived : named<n> { int more; };
template <int> struct abstract { virtual void f() {} struct rcu_head head; };
template <int> struct alignas(64) wide { char bytes[64]; };
struct incomplete;
template <class T> T *null() { return nullptr; }
template <class T> using unique = std::unique_ptr<T, deleter<T>>;
END
	while IFS='|' read -r statement message; do
		n=$((n + 1))
		echo "void wrong$n(channel<named<0>> &c) { (void) c; $statement }" |
			sed "s/#/$n/g"
	done
}

# With the header in a system directory, whose warnings the compiler keeps to itself.
# must_not_compile COMPILER
must_not_compile()
{
	local n message all_errors=

	case $1 in
	clang*) all_errors=-ferror-limit=0 ;;
	esac
	wrong_uses | wrong_program >"$tmp/wrong.cc"
	# shellcheck disable=SC2046 # words on purpose
	$1 -std=c++11 -isystem "$top/include" $(setting URCU_CFLAGS) $all_errors \
		-fsyntax-only "$tmp/wrong.cc" 2>"$tmp/log"
	grep 'error: ' "$tmp/log" >"$tmp/errors"
	wrong_uses | cut -d'|' -f2 | sort | uniq -c >"$tmp/expected"
	while read -r n message; do
		[ "$(grep -Fc "$message" "$tmp/errors")" -ge "$n" ] && continue
		cat "$tmp/errors"
		fail "$1 does not say $n times: $message"
	done <"$tmp/expected"
}

# Two flavors: what is included last decides nothing silently.
two_flavors()
{
	local advice='the flavor changed between two includes'

	cat >"$tmp/two.cc" <<'END'
#include <urcu.h>
#include <urcu/kvfree.hpp>
#include <urcu-bp.h>
#include <urcu/kvfree.hpp>
END
	# shellcheck disable=SC2086 # words on purpose
	$1 -std=c++11 $include -fsyntax-only "$tmp/two.cc" 2>"$tmp/log" &&
		fail "$1 compiles two flavors"
	grep -q "error: .*$advice" "$tmp/log" || fail "$1 gives no advice on flavors"
	cat >"$tmp/later.cc" <<'END'
#include <urcu/kvfree.hpp>
#include <urcu-qsbr.h>
#include <urcu/kvfree.hpp>
void put(int *p);
void put(int *p)
{
	urcu::kvfree::retire_flavor(&urcu_mb_flavor, p);
	urcu::kvfree::retire(p);
}
END
	# shellcheck disable=SC2086 # words on purpose
	$1 -std=c++11 $strict -fsyntax-only "$tmp/later.cc" ||
		fail "$1 does not find a flavor that comes later"
}

# ----------------------------------------------------------------------

sanitizer=
for lib in "$libs"/liburcu-kvfree.a "$libs"/liburcu-kvfree.so; do
	has_sanitizer "$lib" || continue
	sanitizer=$(setting CFLAGS | tr ' ' '\n' | grep sanitize)
done
if [ "$sanitizer" ]; then
	# shellcheck disable=SC2086 # words on purpose
	retire "$memb" "$bp" $CXX -std=c++17 -g $sanitizer
	# shellcheck disable=SC2086 # words on purpose
	example $CXX -std=c++17 -g $sanitizer
	exit $failed
fi

# Each flavor, language and compiler, and the lack of exceptions and of types at run time.
gxx=g++
is_cross && gxx=$CXX
if command -v "${gxx%% *}" >/dev/null 2>&1; then
	# shellcheck disable=SC2086 # words on purpose
	retire "$memb" "$bp" $gxx -std=c++11
	too_far
	# shellcheck disable=SC2086 # words on purpose
	retire "$qsbr" "$memb" $gxx -std=c++20
fi
if ! is_cross && command -v clang++ >/dev/null 2>&1; then
	retire "$bp" "$mb" clang++ -std=c++11 -fno-exceptions -fno-rtti
	retire "$mb" "$qsbr" clang++ -std=c++17
fi
compilers=0
for cxx in "$gxx" clang++; do
	[ "$cxx" = clang++ ] && is_cross && continue
	command -v "${cxx%% *}" >/dev/null 2>&1 || continue
	compilers=$((compilers + 1))
	for language in c++11 c++17 c++20; do
		# shellcheck disable=SC2086 # words on purpose
		example $cxx -std=$language
	done
	must_not_compile "$cxx"
	two_flavors "$cxx"
done
[ $compilers -gt 0 ] || { echo "SKIP: neither g++ nor clang++"; exit 77; }
exit $failed
