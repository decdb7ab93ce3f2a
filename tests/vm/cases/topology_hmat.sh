# SPDX-License-Identifier: MIT
# What the firmware says of memory's speed (HMAT), and the memory tiers the kernel makes of it: as sysfs has it.
. "$NP_LIB"
"$NP_BUILD/bin/numaperf" topology --json >/tmp/np-topology
node() { jq -r ".nodes[] | select(.id == $1) | $2" /tmp/np-topology; }
given() { cat "/sys/devices/system/node/node$1/access1/initiators/$2"; }

for n in 0 1; do
	for key in read_latency write_latency; do
		t_is "node $n: $key" "$(node $n ".access.${key}_ns")" "$(given $n $key)"
	done
	for key in read_bandwidth write_bandwidth; do
		t_is "node $n: $key" "$(node $n ".access.${key%_bandwidth}_mib_per_s")" "$(given $n $key)"
	done
	t_check "node $n: the kernel has a figure" test "$(given $n read_latency)" -gt 0
	tier=$(for t in /sys/devices/virtual/memory_tiering/memory_tier*; do
		grep -Eq "(^|,)($n|[0-9]+-[0-9]+)" "$t/nodelist" && basename "$t" | tr -dc 0-9 && break
	done)
	t_is "node $n: its tier" "$(node $n .memory_tier)" "$tier"
done
t_isnt 'the two are not the same' "$(node 0 .access.read_latency_ns)" "$(node 1 .access.read_latency_ns)"
t_done
