#!/bin/bash
# SPDX-License-Identifier: MIT
# The build without BPF: neither clang, bpftool nor libbpf, a monitor that samples, and says so. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")/flavour/nobpf
MAKE=${MAKE:-make}
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-nobpf.XXXXXX") || exit 1
trap 'rm -rf "$work"; [ -z "${child:-}" ] || kill "$child" 2>/dev/null' EXIT
o=$work/out

# Whoever asks for one of these fails.
mkdir "$work/bin"
for tool in clang bpftool; do
	printf '#!/bin/sh\necho "%s was called" >&2\nexit 1\n' $tool >"$work/bin/$tool"
done
chmod +x "$work/bin"/*
PATH=$work/bin:$PATH $MAKE --no-print-directory "-j$(nproc)" BPF=0 BPFTOOL="$work/bin/bpftool" O="$out" \
	WERROR="${WERROR:-0}" all >"$o" 2>&1
result 'make BPF=0 builds without clang and bpftool' $? "$o"
! ls "$out"/obj/bpf/*.o >/dev/null 2>&1
result 'no program was compiled' $?
readelf -d "$out"/lib/libnumaperf.so.0 "$out"/bin/numaperf* >"$o" 2>&1
! grep -qE 'NEEDED.*lib(bpf|elf)\.' "$o"
result 'neither the library nor the tools ask for libbpf or libelf' $? "$o"
! grep -qE -- '-l(bpf|elf)' "$out/lib/numaperf.pc"
result 'nor does numaperf.pc' $? "$out/lib/numaperf.pc"

np=$out/bin/numaperf
"$np" probe --json >"$o" 2>&1
st=$?
[ $st = 1 ] && [ "$(jq -r '[.hooks[] | .rung] | unique - ["polling", "absent"] | length' "$o")" = 0 ] &&
	[ "$(jq -r '.hooks.run_time.reason' "$o")" = 'built without BPF (make BPF=0)' ]
result 'probe: nothing stands above polling, and why' $? "$o"

taskset -c 0 sh -c 'while :; do :; done' &
child=$!
sleep 0.5
"$np" verify -p $child --duration 1 --json >"$o" 2>&1
st=$?
[ $st = 3 ] && [ "$(jq -r '.verdict' "$o")" = unverified ] && jq -e '.sampler' "$o" >/dev/null
result 'verify: a pin that holds is unverified, status 3' $? "$o"
if [ "$(nproc)" -gt 1 ]; then
	(sleep 0.7; taskset -cp 1 $child >/dev/null) &
	"$np" verify -p $child --duration 2 --json >"$o" 2>/dev/null
	st=$?
	[ $st = 1 ] && [ "$(jq -r '.verdict' "$o")" = violated ]
	result 'verify: one that was taken away is found by looking, status 1' $? "$o"
fi
kill $child
child=''

"$out/bin/numaperf-top" -b -n 1 -d 0.3 --json >"$o" 2>&1
st=$?
[ $st = 0 ] && jq -e '.sampler and (.notes[0] | test("built without BPF"))' "$o" >/dev/null
result 'numaperf-top samples, and says why' $? "$o"

"$out/examples/diagnostics" >"$o" 2>&1 && grep -qE '^Guarantees: (unverified|none)$' "$o"
result 'the example diagnostics runs and claims no more than a sampler can know' $? "$o"
tap_done
