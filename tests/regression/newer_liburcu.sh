#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# newer_liburcu.sh - no source relies on <urcu/flavor.h> to bring bool
#
# Since 0.14 that header uses bool without <stdbool.h>. Every file that includes it
# compiles with one that does so, whatever liburcu is installed; and so do programs, which
# include it before or after <urcu/kvfree.h>, or both.

set -u
. "$top_srcdir/tests/regression/functions.sh"
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/urcu"
cat >"$dir/urcu/flavor.h" <<'END'
extern bool (*newer_member)(void);
#include_next <urcu/flavor.h>
END

compile()
{
	# Several words.
	# shellcheck disable=SC2046,SC2086
	$CC -std=gnu11 -fsyntax-only -D_GNU_SOURCE -DHAVE_CONFIG_H -DKVFREE_CHECK \
		-I"$dir" -I"$top_builddir" -I"$top_srcdir/include" \
		-I"$top_srcdir/src" -I"$top_srcdir/tests/common" \
		$(setting URCU_CFLAGS) $(setting CMOCKA_CFLAGS) -x c "$1"
}

echo '#include <urcu/flavor.h>' >"$dir/bare.c"
compile "$dir/bare.c" 2>/dev/null && { echo "FAIL: the header is not used"; exit 1; }

failed=0
files=0
for file in $(grep -rl '^#include <urcu/flavor.h>' "$top_srcdir/src" \
		"$top_srcdir/tests/common" "$top_srcdir/tests/unit" \
		"$top_srcdir/tests/torture"); do
	files=$((files + 1))
	compile "$file" || { echo "FAIL: $file"; failed=1; }
done
test "$files" -ge 3 || { echo "FAIL: only $files files"; failed=1; }

# Since then the headers of the flavors bring bool, and include flavor.h.
cat >"$dir/urcu/urcu-memb.h" <<'END'
#include <stdbool.h>
#include_next <urcu/urcu-memb.h>
END

# user NAME LINE...: a program that begins with the lines.
user()
{
	name=$1
	shift
	{
		printf '%s\n' "$@"
		cat <<'END'
struct node { struct rcu_head head; };

static inline int put(struct node *node)
{
	urcu_kvfree_rcu(node, head);
	return urcu_kvfree_rcu_barrier_flavor(&urcu_memb_flavor);
}
END
	} >"$dir/$name.c"
	compile "$dir/$name.c" || { echo "FAIL: $name"; failed=1; }
}

user user '#include <urcu.h>' '#include <urcu/kvfree.h>'
user user-of-flavors '#include <urcu.h>' '#include <urcu/kvfree.h>' '#include <urcu/flavor.h>'
echo "newer_liburcu.sh: $files files"
exit $failed
