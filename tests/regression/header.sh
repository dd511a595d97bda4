#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# header.sh - what the public header accepts and what it refuses
#
# Each good use compiles without a warning in C11 and C++11, with the compilers of the build
# and with every other one that is here and makes programs for this machine; each misuse does not compile, without options for
# warnings and with the header in a system directory, where the compiler keeps warnings of
# its macros to itself.

set -u
. "$top_srcdir/tests/regression/functions.sh"
dir=${TMPDIR:-/tmp}/header-$$
mkdir "$dir" || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

strict="-Wall -Wextra -Werror -I$top_srcdir/include"
system="-isystem $top_srcdir/include"
CXX=$(setting CXX)
# On some processors liburcu's own header needs more than C11.
c11="-std=c11"
# shellcheck disable=SC2086 # words on purpose
echo '#include <urcu.h>' | $CC $c11 $(setting URCU_CFLAGS) -fsyntax-only -x c - 2>/dev/null ||
	c11="$c11 -D_GNU_SOURCE"
compilers="$CC -std=gnu11:$CC $c11"
command -v "${CXX%% *}" >/dev/null 2>&1 && compilers="$compilers:$CXX -std=c++11"
for cc in "gcc -std=c11" "clang -std=c11" "g++ -std=c++11" "clang++ -std=c++11"; do
	if ! is_cross && command -v ${cc%% *} >/dev/null 2>&1; then
		compilers="$compilers:$cc"
	fi
done

# compile NAME COMPILER FLAGS: the text on stdin has been written to $dir/NAME
compile()
{
	case $2 in
	*c++*)	lang=c++ ;;
	*)	lang=c ;;
	esac
	# shellcheck disable=SC2086 # words on purpose
	$2 $3 -S -o /dev/null -x $lang "$dir/$1" >"$dir/log" 2>&1
}

# good NAME, bad NAME [PATTERN COUNT]: what is on stdin does, does not compile anywhere; the
# compiler says PATTERN in COUNT lines.
good()
{
	cat >"$dir/$1"
	IFS=:
	for cc in $compilers; do
		unset IFS
		compile "$1" "$cc" "$strict" && continue
		echo "FAIL: $1 does not compile with $cc"
		cat "$dir/log"
		failed=1
	done
	unset IFS
}

bad()
{
	cat >"$dir/$1"
	IFS=:
	for cc in $compilers; do
		unset IFS
		if compile "$1" "$cc" "$system"; then
			echo "FAIL: $1 compiles with $cc"
			failed=1
		elif [ $# = 3 ] && [ "$(grep -c "$2" "$dir/log")" != "$3" ]; then
			echo "FAIL: $1 gives other errors with $cc"
			cat "$dir/log"
			failed=1
		fi
	done
	unset IFS
}

for flavor in '#include <urcu.h>' '#include <urcu-qsbr.h>' \
		'#include <urcu-bp.h>' \
		'#define URCU_API_MAP
#include <urcu/urcu-memb.h>' \
		'#define URCU_API_MAP
#include <urcu/urcu-mb.h>'; do
	good "every-call-$(echo "$flavor" | tr -cd 'a-z' | cut -c1-40)" <<EOT
$flavor
#include <urcu/kvfree.h>

struct node { int value; struct { struct rcu_head head; } in[2]; };

static void free_bulk(size_t nr, void **ptrs, void *priv)
{
	(void) nr;
	(void) ptrs;
	(void) priv;
}

int main(void)
{
	struct urcu_kvfree_attr *attr = urcu_kvfree_attr_create();
	struct urcu_kvfree_channel *channel =
		urcu_kvfree_channel_create("x", free_bulk, NULL);
	struct node *node = (struct node *) urcu_kvmalloc(sizeof(*node));
	struct urcu_kvfree_stats stats;

	urcu_kvfree_attr_set_debug(attr, URCU_KVFREE_DEBUG_ON);
	urcu_kvfree_attr_set_batch_bytes(attr, 65536);
	urcu_kvfree_attr_set_max_pending_bytes(attr, 1 << 20);
	urcu_kvfree_attr_set_recycle(attr, false);
	urcu_kvfree_attr_set_placement(attr, URCU_KVFREE_PLACEMENT_FLOAT);
	urcu_kvfree_init(attr);
	urcu_kvfree_register_thread();
	urcu_kvfree_rcu(node, in[1].head);
	urcu_kvfree_rcu(node);
	urcu_kvfree_rcu_mightsleep(node);
	urcu_kvfree_rcu_channel(node, in[0].head, channel);
	if (!urcu_kvfree_rcu_try(node))
		urcu_kvfree_rcu_reclaim(1);
	urcu_kvfree_rcu_barrier();
	urcu_kvfree_get_stats(&stats, sizeof(stats));
	urcu_kvfree_unregister_thread();
	return urcu_kvfree_channel_destroy(channel);
}
EOT
done

good without-the-map <<EOT
#include <urcu/kvfree.h>
#include <urcu/call-rcu.h>

struct node { struct rcu_head head; };

void put(struct node *node);
void put(struct node *node)
{
	urcu_kvfree_rcu_flavor(&urcu_qsbr_flavor, node, head);
	urcu_kvfree_rcu_flavor(&urcu_bp_flavor, node);
}
EOT

# A use of @1, @2 bytes from the start, as the field of the macro.
use()
{
	cat <<EOT
#include <urcu.h>
#include <urcu/kvfree.h>

struct node { char front[$2]; $1 head; };

void put(struct node *node, struct urcu_kvfree_channel *channel);
void put(struct node *node, struct urcu_kvfree_channel *channel)
{
	(void) channel;
	$3;
}
EOT
}

rcu='urcu_kvfree_rcu(node, head)'
channel='urcu_kvfree_rcu_channel(node, head, channel)'
no_head='error.*the field is not a struct rcu_head'
too_far='error.*the offset of the struct rcu_head in its object is too large'
use 'struct rcu_head' 4088 "$rcu" | good offset-4088
use 'struct rcu_head' 4096 "$rcu" | bad offset-4096 "$too_far" 1
use 'struct rcu_head' 100000 "$rcu" | bad offset-100000 "$too_far" 1
use 'struct rcu_head' 4088 "$channel" | good channel-offset-4088
use 'struct rcu_head' 4096 "$channel" | bad channel-offset-4096 "$too_far" 1
use 'struct list_head { void *a, *b; }' 8 "$rcu" | bad wrong-type "$no_head" 1
use 'int' 8 "$rcu" | bad int "$no_head" 1
use 'void *' 8 "$rcu" | bad void-pointer-member "$no_head" 1
use 'struct rcu_head *' 8 "$rcu" | bad pointer-to-a-head "$no_head" 1
use 'struct list_head { void *a, *b; } const' 8 "$rcu" | bad const-wrong-type "$no_head" 1
use 'int' 8 "$channel" | bad channel-int "$no_head" 1
use 'struct list_head { void *a, *b; }' 8 "$channel" | bad channel-wrong-type "$no_head" 1
use 'struct rcu_head' 8 'urcu_kvfree_rcu(node, tail)' | bad no-such-field
use 'struct rcu_head' 8 'urcu_kvfree_rcu()' | bad no-argument
use 'struct rcu_head' 8 'urcu_kvfree_rcu(node, head, head)' | bad three
use 'struct rcu_head' 8 'urcu_kvfree_rcu((void *) node, head)' | bad void-pointer

# late LINES BODY [LAST-LINE]: the short names mean one flavor throughout a file. With another
# one's map in force each is an error that says what to do, whether or not the header is
# included again. What names its flavor goes on working.
late()
{
	cat <<EOT
#include <urcu.h>
#include <urcu/kvfree.h>
$1
${3-#include <urcu/kvfree.h>}

struct node { int value; struct rcu_head head; };

void put(struct node *node, struct urcu_kvfree_channel *channel,
	 struct urcu_kvfree_stats *stats);
void put(struct node *node, struct urcu_kvfree_channel *channel,
	 struct urcu_kvfree_stats *stats)
{
	$2
	urcu_kvfree_rcu_flavor(&urcu_memb_flavor, node, head);
	urcu_kvfree_rcu_channel_flavor(&urcu_bp_flavor, node, head, channel);
	urcu_kvfree_get_stats_flavor(&urcu_qsbr_flavor, stats, sizeof(*stats));
}
EOT
}

short='urcu_kvfree_rcu(node, head);
	urcu_kvfree_rcu(node);
	urcu_kvfree_rcu_channel(node, head, channel);
	urcu_kvfree_rcu_mightsleep(node);
	urcu_kvfree_rcu_try(node);
	urcu_kvfree_rcu_barrier();
	urcu_kvfree_rcu_reclaim(1);
	urcu_kvfree_register_thread();
	urcu_kvfree_unregister_thread();
	urcu_kvfree_get_stats(stats, sizeof(*stats));'
advice='error.*the flavor changed after.*or use the calls that end in _flavor'
late '#include <urcu-bp.h>' "$short" | bad second-flavor "$advice" 10
late '#include <urcu-bp.h>' "$short" '' | bad second-flavor-last "$advice" 10
late '#include <urcu/urcu-bp.h>' "$short" '' | bad second-flavor-last-by-its-map "$advice" 10
late '#undef URCU_API_MAP
#include <urcu/urcu-qsbr.h>' "$short" | bad second-flavor-without-map "$advice" 10
late '#include <urcu-bp.h>' '' | good second-flavor-named
late '#include <urcu/rculist.h>' "$short" | good one-flavor

# The flavor's header after this one, which another header may have included.
good flavor-later <<EOT
#include <urcu/kvfree.h>
#include <urcu-bp.h>
#include <urcu/kvfree.h>

struct node { struct rcu_head head; };

int put(struct node *node);
int put(struct node *node)
{
	urcu_kvfree_rcu(node, head);
	return urcu_kvfree_rcu_barrier();
}
EOT

good flavor-later-kernel <<EOT
#include <urcu/kvfree-compat.h>
#include <urcu-bp.h>
#include <urcu/kvfree-compat.h>

struct node { struct rcu_head head; };

void put(struct node *node, struct node *other);
void put(struct node *node, struct node *other)
{
	kfree_rcu(node, head);
	kvfree_rcu_mightsleep(other);
	kvfree_rcu_barrier();
}
EOT

# Every call that takes an object takes each kind of pointer to it, and nothing but pointers.
# The memory is as malloc() left it, with which no compiler finds fault.
qualified()
{
	echo '#include <stdlib.h>
#include <urcu.h>
#include <urcu/kvfree.h>

struct node { char text[8]; struct rcu_head head; };'
	n=0
	for type in '' const volatile 'const volatile'; do
		for own in '' const; do
			n=$((n + 1))
			cat <<EOT
void put$n(int call, struct urcu_kvfree_channel *channel);
void put$n(int call, struct urcu_kvfree_channel *channel)
{
	$type struct node *$own p = ($type struct node *) malloc(sizeof(*p));

	switch (call) {
	case 0: urcu_kvfree_rcu(p, head); break;
	case 1: urcu_kvfree_rcu(p); break;
	case 2: urcu_kvfree_rcu_mightsleep(p); break;
	case 3: urcu_kvfree_rcu_try(p); break;
	case 4: urcu_kvfree_rcu_channel(p, head, channel); break;
	case 5: urcu_kvfree_rcu_flavor(&urcu_bp_flavor, p, head); break;
	case 6: urcu_kvfree_rcu_flavor(&urcu_bp_flavor, p); break;
	case 7: urcu_kvfree_rcu_mightsleep_flavor(&urcu_bp_flavor, p); break;
	case 8: urcu_kvfree_rcu_try_flavor(&urcu_bp_flavor, p); break;
	case 9: urcu_kvfree_rcu_channel_flavor(&urcu_bp_flavor, p, head, channel);
	}
}
EOT
		done
	done
}

# The kernel's names have one form each, and exist only where they were asked for.
kernel()
{
	use 'struct rcu_head' 8 "$1" | sed "s|urcu/kvfree.h|${2:-urcu/kvfree-compat.h}|"
}

kernel 'kfree_rcu(node, head); kvfree_rcu(node, head); kfree_rcu_mightsleep(node);
	kvfree_rcu_mightsleep(node); kvfree_rcu_barrier()' | good kernel-names
kernel 'kfree_rcu(node)' | bad kernel-one-argument
kernel 'kvfree_rcu(node)' | bad kernel-one-argument-v
kernel 'kfree_rcu_mightsleep(node, head)' | bad kernel-two-arguments
kernel 'kvfree_rcu(node, front)' | bad kernel-wrong-type "$no_head" 1
kernel 'kfree_rcu(node, head)' urcu/kvfree.h | bad kernel-names-unasked

system="-Werror -I$top_srcdir/include"
use 'struct rcu_head' 8 'urcu_kvfree_rcu(1L); urcu_kvfree_rcu_mightsleep(1L);
	urcu_kvfree_rcu_try(1L)' | bad integers 'error:' 3

strict="$strict -Wcast-qual -Wpedantic"
qualified | good qualified
# C90 with GNU's extensions, which liburcu needs too.
echo "header.sh: with $compilers"
compilers="$CC -std=gnu89"
is_cross || compilers="$compilers:gcc -std=gnu89:clang -std=gnu89"
qualified | good gnu89
late '#include <urcu/rculist.h>' "$short" | good gnu89-flavor
use 'struct heads { struct rcu_head of[2]; }' 8 \
	'urcu_kvfree_rcu(node, head.of[channel != NULL])' | good gnu89-variable-index
printf '#include <urcu.h>\n#include <urcu/kvfree-compat.h>\n#include <urcu/rawcheck.h>\n' |
	good gnu89-headers

exit $failed
