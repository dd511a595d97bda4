#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# The manual pages and the README agree with the header and the library: every
# name has a page, every prototype is the header's, every reference leads
# somewhere, every example compiles and runs, and the formatters are content.
set -u

srcdir=${top_srcdir:-.}
builddir=${top_builddir:-.}
man=$srcdir/doc/man
header=$srcdir/include/urcu/kvfree.h
compat=$srcdir/include/urcu/kvfree-compat.h
headers="$header $srcdir/include/urcu/rawcheck.h"
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

wrong()
{
	echo "check-man: $*" >&2
	: >"$tmp/wrong"
}

# A variable of the build's Makefile.
setting()
{
	sed -n "s/^$1 = *//p" "$builddir/Makefile"
}

# ----------------------------------------------------------------------
# Names

function_macros()
{
	sed -n 's/^#define \([uk][a-z_]*\)(.*/\1/p' "$header" "$compat" | sort -u
}

# What a program can call: exported functions, inline functions, macros.
callables()
{
	sed -n 's/^[[:space:]]*\(urcu_[a-z_]*\);$/\1/p' \
		"$srcdir/src/liburcu-kvfree.map"
	sed -n 's/^static inline .*[ *]\(urcu_[a-z_]*\)(.*/\1/p' $headers
	function_macros
}

constants()
{
	sed -n 's/^#define \(URCU_KVFREE_[A-Z_]*\)[[:space:]].*/\1/p' "$header"
	sed -n 's/^[[:space:]]*\(URCU_KVFREE_[A-Z_]*\) = .*/\1/p' "$header"
	sed -n 's/.*"\([A-Z_]*\)", FIELD(.*/URCU_KVFREE_\1/p' "$srcdir/src/conf.c"
}

stats_members()
{
	sed -n 's/^[[:space:]]*uint64_t \([a-z_]*\);.*/\1/p' "$header"
}

# section FILE NAME: the lines of a section.
section()
{
	awk -v want="$2" '/^\.SH / { in_it = ($0 == ".SH " want); next } in_it' \
		"$1"
}

# The names that a page says it is about.
names_of()
{
	section "$1" NAME | tr '\n' ' ' | sed 's/\\-.*//' | tr -d ' ' |
		tr ',' '\n'
	echo
}

check_names()
{
	local name page

	callables | sort -u >"$tmp/callables"
	test "$(wc -l <"$tmp/callables")" -gt 30 || wrong "found no names"
	while read -r name; do
		test -e "$man/$name.3" || wrong "$name has no page"
	done <"$tmp/callables"
	constants | sort -u >"$tmp/constants"
	test "$(wc -l <"$tmp/constants")" -gt 10 || wrong "found no constants"
	while read -r name; do
		cat "$man"/*.[37] | grep -qw "$name" ||
			wrong "$name is in no page"
	done <"$tmp/constants"
	stats_members >"$tmp/members"
	test -s "$tmp/members" || wrong "found no counters"
	while read -r name; do
		grep -qx "\.I $name" "$man/urcu_kvfree_get_stats.3" ||
			wrong "counter $name is in no page"
	done <"$tmp/members"
}

# Aliases lead to a page that is about them, and pages have all their aliases.
check_aliases()
{
	local page name target

	for page in "$man"/*.3; do
		name=$(basename "$page" .3)
		target=$(sed -n 's/^\.so man3\///p' "$page")
		test -e "$man/${target:-$name.3}" || {
			wrong "$name.3: there is no $target"
			continue
		}
		names_of "$man/${target:-$name.3}" | grep -qx "$name" ||
			wrong "${target:-$name.3} is not about $name"
		test -n "$target" || for name in $(names_of "$page"); do
			test -e "$man/$name.3" || wrong "$name.3 is missing"
		done
	done
}

# References to pages of this project.
check_references()
{
	local page name

	for page in "$man"/*.[137]; do
		sed -n 's/^\.[BI]R \(urcu[a-z_-]*\) (\([137]\)).*/\1.\2/p' "$page" |
			sort -u >"$tmp/references"
		while read -r name; do
			test -e "$man/$name" ||
				wrong "${page##*/} refers to $name"
		done <"$tmp/references"
	done
}

# All pages are installed, and nothing else is said to be.
check_list()
{
	(cd "$man" && ls ./*.[137]) | sed 's/^\./doc\/man/' | sort \
		>"$tmp/pages"
	tr ' \t' '\n\n' <"$man/Makemodule.am" |
		grep '^doc/man/.*\.[137]$' | sort >"$tmp/listed"
	diff "$tmp/pages" "$tmp/listed" >"$tmp/diff" || {
		cat "$tmp/diff" >&2
		wrong "doc/man/Makemodule.am lists other pages"
	}
}

# ----------------------------------------------------------------------
# Compiling

compile_flags()
{
	echo "-D_GNU_SOURCE -I$srcdir/include $(setting URCU_CFLAGS)" \
		"$(setting CPPFLAGS) $(setting CFLAGS)"
}

# The prototypes of a synopsis, as C.
prototypes()
{
	section "$1" SYNOPSIS | awk '
	function unquote(text,  out, n) {
		while (text != "") {
			sub(/^ +/, "", text)
			n = match(text, /^"[^"]*"/) ? RLENGTH : 0
			if (n) {
				out = out substr(text, 2, n - 2)
			} else {
				n = match(text, / /) ? RSTART - 1 : length(text)
				out = out substr(text, 1, n)
			}
			text = substr(text, n + 1)
		}
		return out
	}
	/^\.B #include/ { next }
	/^\.BI / { print unquote(substr($0, 5)) }
	/^\.B / { print substr($0, 4) }' | sed 's/\\-/-/g'
}

# Declared again as the pages have it, which must be as the header has it.
check_prototypes()
{
	local page name all=

	all=$(function_macros | tr '\n' '|')
	for page in $(grep -L '^\.so' "$man"/*.3); do
		prototypes "$page" >"$tmp/synopsis"
		for name in $(names_of "$page"); do
			grep -q "[ *]$name(" "$tmp/synopsis" ||
				wrong "${page##*/}: no prototype of $name"
		done
		{
			sed -n 's/^\.B #include/#include/p' "$page"
			grep '^#' "$tmp/synopsis"
			# Macros have no types to compare.
			grep -v '^#' "$tmp/synopsis" | tr '\n' ' ' | sed 's/; */;\n/g' |
				grep -Ev "[ *](${all%|})\("
		} >"$tmp/synopsis.c"
		# shellcheck disable=SC2046 -- several arguments
		$CC $(compile_flags) -Wall -Werror -fsyntax-only \
			"$tmp/synopsis.c" ||
			wrong "${page##*/}: the synopsis is not as the header"
	done
}

# The programs among the examples of a page, as NAME-1.c, NAME-2.c ...
examples()
{
	awk -v base="$2" '
	/^\.EX$/ { text = ""; in_it = 1; next }
	/^\.EE$/ {
		in_it = 0
		if (text ~ /int main\(/)
			printf "%s", text >(base "-" ++n ".c")
		next
	}
	in_it {
		gsub(/\\\(aq/, "\047"); gsub(/\\\(ha/, "^")
		gsub(/\\\(ti/, "~"); gsub(/\\\(ga/, "`")
		gsub(/\\-/, "-"); gsub(/\\e/, "\\")
		text = text $0 "\n"
	}' "$1"
}

# build_and_run TAG COMPILER FILE
build_and_run()
{
	local program=${3%.*} status

	# shellcheck disable=SC2046 -- several arguments
	"$builddir/libtool" --silent --tag="$1" --mode=link $2 \
		$(compile_flags) -Wall -Wextra -Werror -no-install -o "$program" \
		"$3" "$builddir/liburcu-kvfree.la" $(setting LDFLAGS) \
		-lurcu-memb -lurcu-common -pthread || {
		wrong "${3##*/} does not compile"
		return
	}
	# ThreadSanitizer cannot see grace periods in a program without hints.
	case $(compile_flags) in
	*-fsanitize=thread*) return;;
	# The child may hang in its first malloc(): AddressSanitizer does not unlock
	# its allocator there if a thread that began just then was in it.
	*-fsanitize=*address*) ! grep -q '[^a-z_]fork()' "$3" || return;;
	esac
	timeout 120 "$program" >"$tmp/output" 2>&1
	status=$?
	test "$status" -eq 0 || {
		cat "$tmp/output" >&2
		wrong "${3##*/} ended with $status"
	}
}

check_examples()
{
	local page file

	for page in $(grep -L '^\.so' "$man"/*.[37]); do
		examples "$page" "$tmp/$(basename "$page")"
	done
	sed -n '/^```c$/,/^```$/{/^```/!p}' "$srcdir/README.md" \
		>"$tmp/readme.c"
	cp "$tmp/readme.c" "$tmp/readme.cc"
	test "$(ls "$tmp"/*-1.c | wc -l)" -gt 12 || wrong "found no examples"
	for file in "$tmp"/*-[0-9].c "$tmp/readme.c"; do
		build_and_run CC "$CC" "$file"
	done
	test -z "$(setting CXX)" || ! command -v "$(setting CXX)" >/dev/null ||
		build_and_run CXX "$(setting CXX)" "$tmp/readme.cc"
}

# ----------------------------------------------------------------------
# Formatting

# Macros of two fonts put their arguments together without blanks: behind the name and its
# comma the text goes on in a line of its own.
check_blanks()
{
	local page

	for page in "$man"/*.[137]; do
		sed 's/"[^"]*"/""/g' "$page" | grep -nE -e '^\.[BIR][BIR] .*[),.;:] +[A-Za-z]' \
			-e '^\.[BIR][BIR] (.* )?[A-Za-z]+ +[A-Za-z]+( |$)' >"$tmp/blanks" && {
			cat "$tmp/blanks" >&2
			wrong "${page##*/}: these lines are shown without blanks"
		}
	done
}

check_format()
{
	local page

	# An alias is all right where its target is, which mandoc looks for
	# below the directory where it runs.
	for page in $(grep -L '^\.so' "$man"/*.[137]); do
		! command -v mandoc >/dev/null ||
			mandoc -Tlint -Wall "$page" || wrong "mandoc: $page"
		command -v man >/dev/null && command -v troff >/dev/null ||
			continue
		LC_ALL=C MANWIDTH=80 man --warnings -l "$page" 2>"$tmp/warnings" \
			>/dev/null || wrong "man: $page"
		test ! -s "$tmp/warnings" || {
			cat "$tmp/warnings" >&2
			wrong "man: $page"
		}
	done
}

CC=${CC:-$(setting CC)}
check_names
check_aliases
check_references
check_list
check_prototypes
check_examples
check_blanks
check_format
test ! -e "$tmp/wrong"
