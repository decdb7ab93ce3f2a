#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit tests as one TAP stream: `run.sh` in the default build, `run.sh asan` under the address and
# undefined-behaviour sanitizers, `run.sh tsan` under the thread sanitizer; `clang`, `clang-asan` and
# `clang-tsan` the same by the other compiler.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-$PWD/build}
MAKE=${MAKE:-make}

flavour=${1:-}
flags='' out=$O wrap='' limit=240
[ -z "$flavour" ] || out=$O/flavour/$flavour
[ -z "${NP_LONG:-}" ] || limit=900
case $flavour in
clang*) flags='CC=clang' ;;
esac
case ${flavour#clang} in
'') ;;
asan | -asan) flags="$flags SAN=address,undefined" ;;
tsan | -tsan)
	flags="$flags SAN=thread"
	# its shadow memory has fixed places that a well-shuffled address space may already use
	setarch -R true 2>/dev/null && wrap='setarch -R'
	;;
*) echo "usage: $0 [[clang-]asan|[clang-]tsan|clang]" >&2; exit 2 ;;
esac
if ! $MAKE --no-print-directory "-j$(nproc)" O="$out" $flags tests >"$O/unit-build.log" 2>&1; then
	tail -n 20 "$O/unit-build.log" | sed 's/^/# /'
	echo 'Bail out! the tests do not build'
	exit 1
fi

n=0 bad=0
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
for source in tests/unit/test_*.c; do
	name=$(basename "$source" .c)
	st=0
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$limit" $wrap "$out/tests/unit/$name" >"$tmp" 2>&1 </dev/null || st=$?
	awk -v n="$n" -v name="$name" -v st="$st" -f tests/tools/cmocka.awk "$tmp" >"$tmp.out"
	n=$(sed -n 's/^@ //p' "$tmp.out")
	grep -v '^@ ' "$tmp.out"
	! grep -q '^not ok' "$tmp.out" || bad=1
	rm -f "$tmp.out"
done
echo "1..$n"
exit $bad
