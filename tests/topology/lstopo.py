#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lstopo.py XML JSON: whether hwloc (lstopo --disallowed --of xml) and `numaperf topology --json` agree.

Known ways of hwloc's, by which it does not count as different: a node without CPUs has its neighbours'
there; nodes of GPUs are hidden; nodes whose data contradict each other are made one, of which we warn; a
device is where its local CPUs are, also where numa_node, by which we go, says more.
"""
import json
import sys
import xml.etree.ElementTree as xml


def bits(text):
    value = 0
    for word in text.split(","):
        value = value << 32 | int(word or "0", 16)
    return {i for i in range(value.bit_length()) if value >> i & 1}


def ids(listing):
    out = set()
    for part in filter(None, listing.split(",")):
        a, _, b = part.partition("-")
        out |= set(range(int(a), int(b or a) + 1))
    return out


root, got = xml.parse(sys.argv[1]).getroot(), json.load(open(sys.argv[2]))
theirs = {int(o.get("os_index")): o for o in root.iter("object") if o.get("type") == "NUMANode"}
ours = {n["id"]: n for n in got["nodes"]}
online = ids(got["online_cpus"])
wrong = []


def compare(what, hwloc, have):
    if hwloc != have:
        wrong.append(f"{what}: hwloc says {hwloc}, we say {have}")


pus = {int(o.get("os_index")) for o in root.iter("object") if o.get("type") == "PU"}
compare("online CPUs", sorted(pus), sorted(online))
repaired = len(theirs) < len(ours) and any("several nodes claim" in w for w in got["warnings"])
if not repaired:
    compare("nodes", sorted(theirs), sorted(n for n in ours if n in theirs or ours[n]["has_cpus"]))
    for node, o in theirs.items():
        if node not in ours:
            continue
        mine = ours[node]
        compare(f"node {node}: memory", int(o.get("local_memory", 0)), mine["memory_bytes"])
        if mine["has_cpus"]:
            compare(f"node {node}: CPUs", sorted(bits(o.get("complete_cpuset")) & online),
                    sorted(ids(mine["cpus"])))
    for d in root.iter("distances2"):
        if d.get("name") != "NUMALatency":
            continue
        index = [int(i) for e in d.iter("indexes") for i in e.text.split()]
        value = [int(v) for e in d.iter("u64values") for v in e.text.split()]
        for i, a in enumerate(index):
            for k, b in enumerate(index):
                compare(f"distance {a} -> {b}", value[i * len(index) + k],
                        ours.get(a, {}).get("distances", {}).get(str(b)))

# devices: what hwloc hangs below one node is there, what it hangs below all is nowhere
devices = {d["name"]: d for d in got.get("devices", [])}
IO = ("Bridge", "PCIDev", "OSDev", "Misc")


def walk(o, nodes, pci):
    kind = o.get("type")
    if kind not in IO and o.get("nodeset"):
        nodes = bits(o.get("nodeset"))
    name = None
    if kind == "PCIDev":
        name = pci = o.get("pci_busid")
    elif kind == "OSDev":
        name = o.get("name")
    if name in devices and len(theirs) > 1:
        want = next(iter(nodes)) if len(nodes) == 1 else None
        if want is not None or ids(devices[name]["cpus"]) != online:
            compare(f"device {name}: node", want, devices[name]["node"])
    if name in devices:
        compare(f"device {name}: PCI function", pci, devices[name]["pci"])
        seen.add(name)
    for child in o.findall("object"):
        walk(child, nodes, pci)


seen = set()
if "devices" in got:
    for top in root.findall("object"):
        walk(top, set(), None)
    if any(e.get("type") == "PCIDev" for e in root.iter("object")) and not seen:
        wrong.append("no device of hwloc's is among ours")
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
