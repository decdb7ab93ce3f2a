#!/bin/sh
# SPDX-License-Identifier: MIT
# The library beside its peers, each pair in one run; a ratio below 1 is in our favour. `run.sh CASE...`: these cases
# of the pools only (fib, submit-1, wake-2ms, ...: tests/bench/pool.py).
set -eu
out=${O:-build}
echo "$(nproc) CPUs, kernel $(uname -r)"
if [ $# = 0 ]; then
	for b in topology region monitor; do
		"$out/tests/bench/$b"
	done
fi
python3 "$(dirname "$0")/pool.py" "$out/tests/bench" "$@"
