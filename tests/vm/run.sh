#!/bin/sh
# SPDX-License-Identifier: MIT
# Boots one guest and runs cases in it; TAP on stdout, exit 0 only if everything passed.
#
#	tests/vm/run.sh --kernel 6.1|6.12 --topology 1|2x2|4|giant [--timeout S] [--case-timeout S]
#			[--keep-log FILE] CASE...
#
# CASE names cases/CASE.sh (or, with a slash in it, a file). One boot serves all of them. A case that may take
# longer than others says so in a line of its own, "# seconds: N" or "# seconds: N, M with NP_LONG". The guest sees
# the host's files read-only through 9p; its console goes to $O/vm/log, its TAP to the second serial
# port. What was printed becomes TAP in tap.awk, which also looks for kernel splats.
set -eu

usage() { sed -n 's/^#\t/usage: /p;' "$0" | head -n 1 >&2; exit 2; }
bail() { echo "Bail out! $*"; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$here/../.." && pwd)
O=${O:-build}
kernel='' topology='' timeout='' case_timeout=150 keep=''
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) kernel=${2:?}; shift 2 ;;
	--topology) topology=${2:?}; shift 2 ;;
	--timeout) timeout=${2:?}; shift 2 ;;
	--case-timeout) case_timeout=${2:?}; shift 2 ;;
	--keep-log) keep=${2:?}; shift 2 ;;
	-*) usage ;;
	*) break ;;
	esac
done
[ -n "$kernel" ] && [ -n "$topology" ] && [ $# -gt 0 ] || usage

mkdir -p "$O/vm/log"
O=$(cd "$O" && pwd)
vm=$O/vm
[ -f "$vm/$kernel/release" ] && [ -f "$vm/virtme-ng/usr/bin/virtme-run" ] ||
	bail "kernel $kernel or virtme-ng is not in $vm: run tests/vm/fetch.sh"
command -v qemu-system-x86_64 >/dev/null || bail "qemu-system-x86_64 is missing (tests/vm/packages)"

run=$(mktemp -d "$vm/log/run.XXXXXX")
trap 'rm -rf "$run"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# limit FILE: how long this case may take, in seconds
limit() {
	sed -n 's/^# seconds: //p' "$1" | awk -v long="${NP_LONG:-}" -v all="$case_timeout" '
		{ n = split($0, part, /[, ]+/); s = part[1]; if (long != "" && n > 1) s = part[2] }
		END { print (s > all ? s : all) + 0 }'
}
: >"$run/list"
limits=0
for c; do
	case $c in
	*/*) f=$(cd "$(dirname "$c")" && pwd)/$(basename "$c") ;;
	*) f=$here/cases/$c.sh ;;
	esac
	[ -r "$f" ] || bail "no such case: $f"
	seconds=$(limit "$f")
	limits=$((limits + seconds))
	echo "$(basename "$c" .sh) $f $seconds" >>"$run/list"
done
# A guest that hangs altogether is ended by this; the cases' own limits come first otherwise.
[ -n "$timeout" ] || timeout=$((240 + limits))
cat >"$run/env" <<-EOF
	NP_SRC='$src'
	NP_BUILD='$O'
	NP_KERNEL='$kernel'
	NP_TOPOLOGY='$topology'
	NP_LONG='${NP_LONG:-}'
	NP_SEED='${NP_SEED:-}'
	NP_RECORD='${NP_RECORD:-}'
EOF

# A socket a node: with a plain -smp 4, QEMU would spread one last-level cache over both nodes, which no
# machine has and of which the kernel WARNs. Linux numbers the nodes that have CPUs first, so that in
# topology 4 QEMU's node 2 (memory only) is node 3, and its node 3 (no memory) is node 2.
dist() { echo "--numa-distance src=$1,dst=$2,val=$3"; }
# initiator, target, nanoseconds, bytes a second
speed() {
	lb="-numa hmat-lb,initiator=$1,target=$2,hierarchy=memory"
	echo "$lb,data-type=access-latency,latency=$3 $lb,data-type=access-bandwidth,bandwidth=$4"
}
more='' giant=''
case $topology in
1)
	mem=512M smp='2,sockets=1,cores=2,threads=1'
	nodes='--numa 512M,cpus=0-1' ;;
2x2)
	mem=768M smp='4,sockets=2,cores=2,threads=1'
	nodes="--numa 384M,cpus=0-1 --numa 384M,cpus=2-3 $(dist 0 1 21)" ;;
giant) # two nodes, with a huge page of 1 GiB on the second, and a firmware that says how fast they are
	mem=3584M smp='2,sockets=2,cores=1,threads=1'
	nodes="--numa 1792M,cpus=0 --numa 1792M,cpus=1 $(dist 0 1 21)"
	giant='default_hugepagesz=2M hugepagesz=1G hugepages=1:1'
	more="-cpu qemu64,+pdpe1gb -machine hmat=on
		$(speed 0 0 10 10G) $(speed 0 1 20 5G) $(speed 1 0 25 4G) $(speed 1 1 15 8G)" ;;
4)
	mem=1024M smp='6,sockets=3,cores=2,threads=1'
	nodes="--numa 384M,cpus=0-1 --numa 384M,cpus=2-3 --numa 256M
		$(dist 0 1 21) $(dist 0 2 17) $(dist 1 2 28)"
	# virtme-ng knows no node without memory: QEMU's own words, and so for its distances
	more='-numa node,nodeid=3,cpus=4-5 -numa dist,src=0,dst=3,val=31
		-numa dist,src=1,dst=3,val=21 -numa dist,src=2,dst=3,val=40' ;;
*) usage ;;
esac

# What is only about time is off or far away, because an emulated CPU on a busy host may stand still for
# seconds: the TSC cannot be calibrated there (HPET, no watchdog on clocks), lock-up and RCU-stall limits
# are at their maximum. They still catch a guest that is stuck.
kopts="init=$here/guest-init np_run=$run console=ttyS0,115200 loglevel=5
	clocksource=hpet tsc=unstable no_timer_check watchdog_thresh=60 nmi_watchdog=0
	rcupdate.rcu_cpu_stall_timeout=300 rcupdate.rcu_exp_cpu_stall_timeout=300000
	panic=-1 oops=panic reboot=t
	numa_balancing=disable cgroup.memory=nokmem mitigations=off audit=0 apparmor=0 random.trust_cpu=on
	cryptomgr.notests raid=noautodetect i8042.noaux $giant"
kargs=''
for k in $kopts; do kargs="$kargs --kopt $k"; done

# One thread for all emulated CPUs: with one each, a CPU was seen to run into a breakpoint that another had
# already taken out again while it patched the kernel's code ("Oops: int3" on 6.12, once in seven boots).
# It is no slower here.
#
# virtme-run is the half of virtme-ng that boots (vng adds building kernels and shells, and its default
# init wants udev and sudo); its initramfs starts guest-init here. The interpreter is Debian's: the one
# on PATH may be another that lacks virtme-ng's modules.
boot() {
	: >"$run/console"
	: >"$run/tap"
	rc=0
	release=$(cat "$vm/$kernel/release")
	env -u PYTHONHOME PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$vm/virtme-ng/usr/lib/python3/dist-packages" \
	timeout -k 10 "$timeout" /usr/bin/python3 "$vm/virtme-ng/usr/bin/virtme-run" \
		--kimg "$vm/$kernel/boot/vmlinuz-$release" --mods auto --root / --force-initramfs --force-9p \
		--disable-kvm --disable-microvm --no-virtme-ng-init --disable-monitor --memory $mem --cpus $smp \
		$nodes $kargs --qemu-opts $more -accel tcg,thread=single,tb-size=256 -no-reboot \
		-serial "file:$run/tap" </dev/null >"$run/console" 2>"$run/stderr" || rc=$?
}

boot
if ! grep -q '^@boot' "$run/tap"; then
	# No line of ours ran, so nothing was tested: the host was too busy, or QEMU failed. Once more.
	echo "# kernel $kernel, topology $topology: the guest did not reach its init (status $rc); once more"
	sed 's/^/# /' "$run/stderr" | tail -n 5
	tail -n 5 "$run/console" | tr -cd '[:print:]\n' | sed 's/^/# /'
	boot
fi

log=$vm/log/$kernel-$topology-$(date +%H%M%S)-$$.log
cat "$run/console" "$run/stderr" >"$log"
[ -z "$keep" ] || cp "$log" "$keep"
status=0
awk -v status="$rc" -v name="$kernel/$topology" -f "$here/tap.awk" \
	"$run/list" "$run/console" "$run/tap" || status=1
[ $status = 0 ] || echo "# console: $log"
exit $status
