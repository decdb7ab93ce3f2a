#!/bin/bash
# SPDX-License-Identifier: MIT
# `make install` into a folder of its own, and a user's program against what is there. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")
MAKE=${MAKE:-make}
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-install.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
o=$work/out
dest=$work/dest
prefix=/opt/np

$MAKE --no-print-directory O="$out" DESTDIR="$dest" PREFIX=$prefix install >"$o" 2>&1
result 'make install DESTDIR= PREFIX=' $? "$o"
root=$dest$prefix
for f in bin/numaperf bin/numaperf-top share/man/man1/numaperf-top.1 share/numaperf/grafana.json \
	share/bash-completion/completions/numaperf-top share/zsh/site-functions/_numaperf-top lib/libnumaperf.so lib/libnumaperf.so.0 lib/libnumaperf.a lib/pkgconfig/numaperf.pc \
	include/numaperf.h include/numaperf/executor.h share/man/man1/numaperf.1 share/man/man7/numaperf.7; do
	[ -f "$root/$f" ]
	result "installs $f" $?
done
(cd "$root/include" && find . -name '*.h' | sort) >"$work/there"
(cd lib/include && find . -name '*.h' | sort) | diff - "$work/there" >"$o"
result 'installs every public header and no other' $? "$o"
[ "$(find "$dest" -type f -o -type l | grep -cv "^$root/")" = 0 ]
result 'installs nothing outside of PREFIX' $?

unit=$root/lib/systemd/system/numaperf-top.service
grep -q "^ExecStart=$prefix/bin/numaperf-top " "$unit"
result 'installs the unit, which starts what was installed' $? "$unit"

export PKG_CONFIG_PATH=$root/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
version=$(pkg-config --modversion numaperf)
[ "numaperf $version" = "$("$root/bin/numaperf" --version)" ]
result "numaperf.pc and the tool agree on the version ($version)" $?
readme_program >"$work/hello.c"
# shellcheck disable=SC2046 # words
cc -o "$work/hello" "$work/hello.c" $(pkg-config --cflags --libs numaperf) >"$o" 2>&1
result 'README.md: cc hello.c $(pkg-config --cflags --libs numaperf)' $? "$o"
LD_LIBRARY_PATH=$root/lib ldd "$work/hello" | grep -q "libnumaperf.so.0 => $root/lib"
result 'the program asks for libnumaperf.so.0' $?
LD_LIBRARY_PATH=$root/lib "$work/hello" >"$o" 2>&1
st=$?
{ [ $st = 0 ] && grep -q '^hello from node 0$' "$o"; } || { [ $st = 1 ] && grep -q '^Hard mode unavailable: ' "$o"; }
result 'and runs with it' $? "$o"
# shellcheck disable=SC2046
cc -o "$work/static" "$work/hello.c" $(pkg-config --cflags numaperf) "$root/lib/libnumaperf.a" \
	$(pkg-config --libs-only-other --static numaperf) $(static_libs "$out") >"$o" 2>&1
result 'the static library links, too' $? "$o"

# C++: what is inline in the headers, too
cat >"$work/fib.cc" <<'END'
#include <numaperf.h>
#include <cstdio>

struct Fib {
	int n;
	long result;
};

static void fib(void *arg)
{
	Fib *f = static_cast<Fib *>(arg);
	numaperf_task task;

	if (f->n < 2) {
		f->result = f->n;
		return;
	}
	Fib a = { f->n - 1, 0 }, b = { f->n - 2, 0 };
	numaperf_spawn(&task, fib, &a);
	fib(&b);
	if (numaperf_join(&task))
		std::puts(numaperf_last_error()->message);
	f->result = a.result + b.result;
}

int main()
{
	numaperf_topology *topo;
	numaperf_executor *exec;
	Fib f = { 25, 0 };

	if (numaperf_topology_discover(&topo) || numaperf_executor_create(&exec, topo, nullptr) ||
	    numaperf_executor_run(exec, NUMAPERF_ANY_NODE, fib, &f))
		return 1;
	std::printf("%ld\n", f.result);
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
}
END
# shellcheck disable=SC2046
g++ -std=c++11 -Wall -Wextra -Werror -o "$work/fib" "$work/fib.cc" $(pkg-config --cflags --libs numaperf) >"$o" 2>&1 &&
	[ "$(LD_LIBRARY_PATH=$root/lib "$work/fib" 2>&1)" = 75025 ]
result 'a C++ program spawns and joins' $? "$o"

$MAKE --no-print-directory O="$out" DESTDIR="$dest" PREFIX=$prefix install >"$o" 2>&1
result 'a second install is none the worse' $? "$o"
tap_done
