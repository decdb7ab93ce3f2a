#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tree.py TREE JSON: whether `numaperf topology --json` says what the tree's own files say.

An oracle of its own: it knows nothing of the library. Where a tree contradicts itself (a warning
is then demanded), only what the files agree on is compared.
"""
import json
import os
import re
import sys


def text(path):
    try:
        with open(path, "rb") as f:
            return f.read().replace(b"\0", b"").decode("ascii", "replace").strip()
    except OSError:
        return None


def ids(listing):
    out = set()
    for part in filter(None, (listing or "").split(",")):
        a, _, b = part.partition("-")
        out |= set(range(int(a), int(b or a) + 1))
    return out


def from_map(words):
    value = int((words or "0").replace(",", ""), 16)
    return {i for i in range(value.bit_length()) if value >> i & 1}


tree, got = sys.argv[1], json.load(open(sys.argv[2]))
system = os.path.join(tree, "sys/devices/system")
wrong = []


def compare(what, want, have):
    if want != have:
        wrong.append(f"{what}: files say {want}, JSON says {have}")


online = text(f"{system}/cpu/online")
if online is not None:
    online = ids(online)
else:  # old kernels: one folder a CPU, with a file `online` where it can be switched off
    online = {int(n[3:]) for n in os.listdir(f"{system}/cpu") if re.fullmatch(r"cpu\d+", n)
              and text(f"{system}/cpu/{n}/online") in (None, "1")}
compare("online CPUs", sorted(online), sorted(ids(got["online_cpus"])))

folder = f"{system}/node"
names = os.listdir(folder) if os.path.isdir(folder) else []
present = {int(m[1]) for n in names if (m := re.fullmatch(r"node(\d+)", n))}
listed = text(f"{folder}/online")
nodes = present if listed is None else present & ids(listed)
if not nodes:
    nodes = {0}
    compare("CPUs of the only node", sorted(online), sorted(ids(got["nodes"][0]["cpus"])))
by_id = {n["id"]: n for n in got["nodes"]}
compare("nodes", sorted(nodes), sorted(by_id))
compare("node_count", len(nodes), got["node_count"])

cpus = {}
for node in sorted(nodes & present & set(by_id)):
    where = f"{folder}/node{node}"
    listing = text(f"{where}/cpulist")
    cpus[node] = online & (
        ids(listing) if listing is not None else from_map(text(f"{where}/cpumap")))
claims = [c for own in cpus.values() for c in own]
twice = {c for c in claims if claims.count(c) > 1}
if twice and not got["warnings"]:
    wrong.append(f"CPUs {sorted(twice)} are on several nodes, and nothing warns of it")

for node, own in cpus.items():
    have = ids(by_id[node]["cpus"])
    compare(f"node {node}: CPUs", sorted(own - twice), sorted(have - twice))
    compare(f"node {node}: has_cpus", bool(have), by_id[node]["has_cpus"])
    for access in ("access1", "access0"):  # by the nearest CPUs; by whatever is nearest
        initiators = f"{folder}/node{node}/{access}/initiators"
        if os.path.isdir(initiators):
            break
    who = sorted(int(m[1]) for n in (os.listdir(initiators) if os.path.isdir(initiators) else [])
                 if (m := re.fullmatch(r"node(\d+)", n)))
    have = by_id[node]["access"]
    compare(f"node {node}: initiators", who, sorted(ids(have["initiators"])) if have else [])
    for file, key in (("read_latency", "read_latency_ns"), ("write_latency", "write_latency_ns"),
                      ("read_bandwidth", "read_mib_per_s"), ("write_bandwidth", "write_mib_per_s")):
        if have:
            compare(f"node {node}: {file}", int(text(f"{initiators}/{file}") or 0) or None, have[key])
    tiers = os.path.join(tree, "sys/devices/virtual/memory_tiering")
    tier = [int(m[1]) for n in (os.listdir(tiers) if os.path.isdir(tiers) else [])
            if (m := re.fullmatch(r"memory_tier(\d+)", n)) and node in ids(text(f"{tiers}/{n}/nodelist"))]
    if by_id[node]["has_memory"]:
        compare(f"node {node}: tier", (tier or [None])[0], by_id[node]["memory_tier"])
    total = re.search(r"MemTotal:\s*(\d+) kB", text(f"{folder}/node{node}/meminfo") or "")
    if total:
        compare(f"node {node}: memory", int(total[1]) * 1024, by_id[node]["memory_bytes"])
        compare(f"node {node}: has_memory", int(total[1]) > 0, by_id[node]["has_memory"])
    row = (text(f"{folder}/node{node}/distance") or "").split()
    if len(row) == len(nodes):
        want = {str(to): int(d) for to, d in zip(sorted(nodes), row)}
        compare(f"node {node}: distances", want, by_id[node]["distances"])

print("\n".join(wrong))
sys.exit(1 if wrong else 0)
