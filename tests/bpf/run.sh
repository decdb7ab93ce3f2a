#!/bin/sh
# SPDX-License-Identifier: MIT
# The bodies of the BPF programs, run in this machine's kernel. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-$PWD/build}

st=0
out=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 300 "$O/tests/bpf/test_bodies" 2>&1 </dev/null) || st=$?
printf '%s\n' "$out" | awk -v n=0 -v name=bodies -v st=$st -f tests/tools/cmocka.awk | sed 's/^@ /1../'
exit $st
