# SPDX-License-Identifier: MIT
# The library's topology is the kernel's, also with a CPU off and inside a cpuset.
. "$NP_LIB"
S=/sys/devices/system
facts=$NP_BUILD/tests/vm/topology_facts

fact() { printf '%s\n' "$got" | sed -n "s/^$1=//p"; }
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }

# The kernel leaves a CPU that went off in its siblings' lists; the library's hold online CPUs.
online_of() {
	if [ "$(cat $S/cpu/cpu1/online)" = 0 ]; then sed 's/^0-1$/0/' "$1"; else cat "$1"; fi
}

compare() { # what: prefix of the names
	got=$("$facts") || { t_fail "$1: the topology is discovered" "$got"; return; }
	t_is "$1: no warning" "$(fact warning)" ''
	t_is "$1: nodes online" "$(fact online)" "$(cat $S/node/online)"
	t_is "$1: nodes possible" "$(fact possible)" "$(cat $S/node/possible)"
	t_is "$1: nodes with CPUs" "$(fact has_cpu)" "$(cat $S/node/has_cpu)"
	t_is "$1: nodes with memory" "$(fact has_memory)" "$(cat $S/node/has_memory)"
	t_is "$1: CPUs online" "$(fact cpus_online)" "$(cat $S/cpu/online)"
	for n in $S/node/node[0-9]*; do
		n=${n##*/node}
		t_is "$1: CPUs of node $n" "$(fact "node$n.cpus")" "$(cat $S/node/node$n/cpulist)"
		t_is "$1: memory of node $n" "$(fact "node$n.kb")" "$(node_kb $n MemTotal)"
		t_is "$1: distances of node $n" "$(fact "node$n.distance")" "$(cat $S/node/node$n/distance)"
		for c in $S/node/node$n/cpu[0-9]*; do
			[ -d "$c/cache" ] || continue
			c=${c##*/cpu}
			t_is "$1: the node of CPU $c" "$(fact "cpu$c.node")" "$n"
			t_is "$1: the LLC of CPU $c" "$(fact "cpu$c.llc")" \
				"$(online_of "$S/cpu/cpu$c/cache/index3/shared_cpu_list")"
		done
	done
}

compare plain
t_is 'plain: CPUs allowed' "$(fact cpus_allowed)" "$(status Cpus_allowed_list)"
if [ "$NP_TOPOLOGY" = 4 ]; then
	t_is 'a memory-only node has no CPUs' "$(fact node3.cpus)" ''
	t_is 'a memoryless node has no memory' "$(fact node2.kb)" 0
	t_is 'nearest to node 0, by distance' "$(fact node0.nearest)" '0 3 1 2'
	t_is 'nearest to node 2, by distance' "$(fact node2.nearest)" '2 1 0 3'
fi

cpu_off 1
compare 'CPU 1 off'
cpu_on 1

cg_make topo 1 0
got=$(cg_run topo "$facts")
t_is 'in a cpuset: CPUs allowed' "$(fact cpus_allowed)" 1
t_is 'in a cpuset: nodes allowed' "$(fact mems_allowed)" 0
t_is 'in a cpuset: CPUs online are all the same' "$(fact cpus_online)" "$(cat $S/cpu/online)"
t_is 'in a cpuset: nodes online too' "$(fact online)" "$(cat $S/node/online)"
t_done
