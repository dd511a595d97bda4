#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# The small examples build with their own Makefile, as a user would build them,
# and run. In place of the installed library they get the one of this tree.
set -u

top=$(cd "${top_srcdir:-.}" && pwd) || exit 99
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# A variable of the build's Makefile.
setting()
{
	sed -n "s/^$1 = *//p" "$build/Makefile"
}

cp "$top"/doc/examples/basic/*.c "$top"/doc/examples/basic/*.cc \
	"$top/doc/examples/basic/Makefile" "$tmp" || exit 99
CXX=$(setting CXX)
chmod -R u+w "$tmp"
command -v "${CXX##* }" >/dev/null 2>&1 || for source in "$tmp"/*.cc; do
	name=$(basename "$source" .cc)
	sed -i "/^PROGRAMS/,/[^\\\\]$/s/\\<$name\\>//" "$tmp/Makefile"
	rm "$source"
done

# pkg-config, once the library is installed; liburcu's flavors are.
cat >"$tmp/pkg-config" <<END
#!/bin/sh
echo "-I$top/include $(setting URCU_CFLAGS) -L$build/.libs"
echo "-lurcu-kvfree -lurcu-memb -lurcu-qsbr -lurcu-bp -lurcu-common"
END
chmod +x "$tmp/pkg-config"

LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

make_examples()
{
	timeout 300 make -s -C "$tmp" CC="${CC:-$(setting CC)}" \
		CXX="$CXX" CFLAGS="$(setting CFLAGS) -Wall -Wextra -Werror" \
		CXXFLAGS="$(setting CFLAGS) -Wall -Wextra -Werror" \
		CPPFLAGS="-D_GNU_SOURCE $(setting CPPFLAGS)" \
		LDFLAGS="$(setting LDFLAGS)" PKG_CONFIG="$tmp/pkg-config" "$@"
}

make_examples all || exit 1

# None may be missing from the Makefile.
for source in "$tmp"/*.c*; do
	test -x "${source%.*}" || {
		echo "${source##*/} is not built" >&2
		exit 1
	}
done

programs=$(cd "$tmp" && for source in *.c*; do echo "${source%.*}"; done)
case $(setting CFLAGS) in
# ThreadSanitizer cannot see grace periods in a program without hints, as
# kvcached has them.
*-fsanitize=thread*) exit 0;;
# The child of a fork() has the locks of AddressSanitizer's allocator as other threads
# of the parent held them.
*-fsanitize=address*) programs=$(echo "$programs" | grep -vx fork);;
esac
make_examples check PROGRAMS="$(echo "$programs" | tr '\n' ' ')"
