#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples: compiled as a user would, by two compilers without a warning, and run on this host.
# TAP. O is the output folder, built.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-examples.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
o=$work/out

for source in lib/examples/*.c; do
	name=$(basename "$source" .c)
	for cc in gcc clang; do
		$cc -Wall -Wextra -Wshadow -Werror -pthread -Ilib/include -o "$work/$name-$cc" "$source" \
			"$out/lib/libnumaperf.a" $(static_libs "$out") >"$o" 2>&1
		result "$name compiles unchanged with $cc" $? "$o"
		timeout 120 "$work/$name-$cc" >"$o" 2>&1
		st=$?
		[ "$st" = 0 ]
		result "$name runs, compiled with $cc (status $st)" $? "$o"
	done
	cp "$o" "$work/$name.out"
done

says() { # example, expression
	grep -Eq -- "$2" "$work/$1.out"
	result "$1 says: $2" $? "$work/$1.out"
}
says worker_pool 'Completed: 100 tasks'
says hard_mode 'Hard mode is (SUPPORTED|NOT supported)'
says buffer_pool 'Node [0-9]+: allocated 1024 bytes, 1047552 remaining'
says device_worker 'lo +network +node -1'

# README.md's program and command line
readme_program >"$work/readme.c"
gcc -Wall -Wextra -Wshadow -Werror -pthread -Ilib/include -o "$work/readme" "$work/readme.c" \
	"$out/lib/libnumaperf.a" $(static_libs "$out") >"$o" 2>&1
result 'the example of README.md compiles' $? "$o"
"$work/readme" >"$o" 2>&1
st=$?
if "$out/bin/numaperf" check >"$work/check" 2>&1; then
	[ "$st" = 0 ] && grep -q '^hello from node 0$' "$o"
	result 'the example of README.md runs where hard mode may be had' $? "$o" "$work/check"
else
	[ "$st" = 1 ] && grep -q '^Hard mode unavailable: ' "$o"
	result 'the example of README.md says why it cannot run' $? "$o" "$work/check"
fi
tap_done
