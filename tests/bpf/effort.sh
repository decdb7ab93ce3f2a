#!/bin/sh
# SPDX-License-Identifier: MIT
# What the programs cost the verifier of the running kernel, against the record of that kernel (effort.known):
# a test a program, which fails when size, instructions or states have grown by more than a tenth, when the
# verifier refuses it, and when it is not recorded or recorded and missing. TAP.
#
#	tests/bpf/effort.sh [--record]		--record: prints this kernel's lines for the record instead
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
kernel=$(uname -r | sed -E 's/^([0-9]+\.[0-9]+).*/\1/')
tmp=$(mktemp) || exit 1
trap 'rm -f "$tmp"' EXIT

if ! "$O/tests/bpf/effort" >"$tmp"; then
	echo 'not ok 1 - effort: the programs are loaded'
	echo 1..1
	exit 1
fi
if [ "${1:-}" = --record ]; then
	grep -v '^#' "$tmp" | sed "s/^/$kernel /"
	exit
fi
awk -v kernel="$kernel" -f tests/bpf/effort.awk tests/bpf/effort.known "$tmp"
