#!/bin/sh
# SPDX-License-Identifier: MIT
# The library beside its peers, each pair in one run; a ratio below 1 is in our favour.
set -eu
out=${O:-build}
echo "$(nproc) CPUs, kernel $(uname -r); medians of 15 rounds in turn"
for b in topology region executor monitor; do
	"$out/tests/bench/$b"
done
