#!/bin/bash
# SPDX-License-Identifier: MIT
# Topologies against two oracles that are not ours: the files of the tree (tests/tools/tree.py) and hwloc.
# All of tests/sysfs, every archive or folder in NUMAPERF_SYSFS_DIR, and this machine. TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")
tool=$out/bin/numaperf
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-topology.XXXXXX") || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
o=$work/out
py=/usr/bin/python3

tree() { # NAME FOLDER
	"$tool" topology --json --devices --sysfs "$2" >"$work/json" 2>"$o"
	result "$1: is read" $? "$o"
	$py tests/tools/tree.py "$2" "$work/json" >"$o" 2>&1
	result "$1: as its files say" $? "$o"
	HWLOC_THISSYSTEM=0 lstopo-no-graphics --if fsroot -i "$2" --disallowed --whole-io --of xml >"$work/xml" 2>"$o" &&
		$py tests/topology/lstopo.py "$work/xml" "$work/json" >"$o" 2>&1
	result "$1: as hwloc says" $? "$o"
}

for archive in tests/sysfs/*.tar.bz2 "${NUMAPERF_SYSFS_DIR:-/nonexistent}"/*.tar.bz2; do
	[ -f "$archive" ] || continue
	rm -rf "$work/tree" && mkdir "$work/tree" && tar -C "$work/tree" -xjf "$archive"
	folder=$(echo "$work"/tree/*)
	[ -d "$folder" ] || folder=$work/tree
	tree "$(basename "$archive" .tar.bz2)" "$folder"
done
for folder in "${NUMAPERF_SYSFS_DIR:-/nonexistent}"/*/; do
	[ ! -d "$folder/sys" ] || tree "$(basename "$folder")" "$folder"
done

# ---- this machine ----

"$tool" topology --json --devices >"$work/json" 2>"$o"
result 'this machine: is read' $? "$o"
$py tests/tools/tree.py / "$work/json" >"$o" 2>&1
result 'this machine: as its files say' $? "$o"
lstopo-no-graphics --disallowed --whole-io --of xml >"$work/xml" 2>"$o" &&
	$py tests/topology/lstopo.py "$work/xml" "$work/json" >"$o" 2>&1
result 'this machine: as hwloc says' $? "$o"

# ---- trees that lie: broken at random, but the same each time; an answer or an error, never a signal ----

trees=${NP_LONG:+2000}
trees=${trees:-200}
$py - "$work" "$trees" <<'END'
import os, random, shutil, sys
work = sys.argv[1]
rng = random.Random(20261126)
junk = [b"", b"\0", b"-1", b"99999999999999999999", b"0-", b"3-1", b"0-4294967295", b"0,,1", b"x" * 5000,
        b"10 10", b"0x10", b"ffffffff,ffffffff", b"Node 0 MemTotal: -5 kB", b"10 -3 99999999999", b"\xff\xfe"]
def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
def plain(root):
    s = root + "/sys/devices/system"
    for f, t in (("cpu/online", "0-3"), ("cpu/possible", "0-7"), ("cpu/present", "0-3"), ("node/online", "0-1"),
                 ("node/possible", "0-1"), ("node/has_cpu", "0-1"), ("node/has_memory", "0-1")):
        write(f"{s}/{f}", t.encode() + b"\n")
    for n in (0, 1):
        write(f"{s}/node/node{n}/cpulist", b"%d-%d\n" % (2 * n, 2 * n + 1))
        write(f"{s}/node/node{n}/cpumap", b"%x\n" % (3 << 2 * n))
        write(f"{s}/node/node{n}/distance", b"10 21\n" if n == 0 else b"21 10\n")
        write(f"{s}/node/node{n}/meminfo", b"Node %d MemTotal: 4096 kB\nNode %d MemFree: 1024 kB\n" % (n, n))
    for c in range(4):
        t = f"{s}/cpu/cpu{c}"
        write(f"{t}/topology/physical_package_id", b"%d\n" % (c // 2))
        write(f"{t}/topology/core_id", b"%d\n" % c)
        write(f"{t}/topology/thread_siblings_list", b"%d\n" % c)
        write(f"{t}/cache/index3/level", b"3\n")
        write(f"{t}/cache/index3/type", b"Unified\n")
        write(f"{t}/cache/index3/shared_cpu_list", b"%d-%d\n" % (c // 2 * 2, c // 2 * 2 + 1))
for i in range(int(sys.argv[2])):
    root = f"{work}/lies/{i}"
    plain(root)
    files = sorted(os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs)
    for path in rng.sample(files, rng.randint(1, 6)):
        what = rng.randrange(5)
        if not os.path.isfile(path):  # its folder has gone
            continue
        if what == 0:
            os.remove(path)
        elif what == 1:
            data = bytearray(open(path, "rb").read())
            data[rng.randrange(len(data))] = rng.randrange(256)
            write(path, bytes(data))
        elif what == 2:
            os.remove(path)
            os.mkdir(path)
        elif what == 3:
            folder = os.path.dirname(path)
            if folder.startswith(root + "/sys/devices/system/") and folder.count("/") > root.count("/") + 4:
                shutil.rmtree(folder, ignore_errors=True)
                os.makedirs(os.path.dirname(folder), exist_ok=True)
                write(path, rng.choice(junk))
        else:
            write(path, rng.choice(junk))
END
result "$trees broken trees are made" $?
bad=0
answers=0
for folder in "$work"/lies/*; do
	timeout 20 "$tool" topology --json --sysfs "$folder" >"$work/json" 2>"$work/err"
	st=$?
	if [ $st = 0 ] && jq -e '.nodes | length > 0' "$work/json" >/dev/null 2>&1; then
		answers=$((answers + 1))
	elif [ $st -gt 2 ] || ! grep -q '^numaperf' "$work/err"; then
		bad=$((bad + 1))
		{ echo "$folder: status $st"; head -n 3 "$work/err"; } >>"$work/lies.bad"
	fi
done
[ $bad = 0 ]
result "$trees broken trees: an answer or an error" $? "$work/lies.bad"
[ $answers -ge 20 ]
result "some of them still have an answer ($answers)" $?
tap_done
