#!/bin/sh
# SPDX-License-Identifier: MIT
# The lock-free headers under the memory model of C11; see shim.h. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-$PWD/build}
program=$O/tests/relaxed/check

mkdir -p "$O/tests/relaxed"
# C, read as C++: its conversions from void * are no errors; warnings are for the compilers of C
if ! g++ -std=c++17 -O2 -fpermissive -w -Ilib/include -Ilib/src -o "$program" tests/relaxed/check.cc \
	>"$program.log" 2>&1; then
	tail -n 20 "$program.log" | sed 's/^/# /'
	echo 'Bail out! it does not build'
	exit 1
fi
if [ -n "${NP_LONG:-}" ]; then
	set -- 10000000 3
else
	set -- 1000000 2
fi
exec "$program" lib/src "$@"
