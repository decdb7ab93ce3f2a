# SPDX-License-Identifier: MIT
# The guest is the machine that was asked for, by the kernel's own files.
. "$NP_LIB"
S=/sys/devices/system

case $NP_TOPOLOGY in
1) nodes=0 cpus='0:0-1' mem='0' dist='0:10' kb='0:524288' ;;
2x2) nodes=0-1 cpus='0:0-1 1:2-3' mem='0-1' dist='0:10,21 1:21,10' kb='0:393216 1:393216' ;;
4) nodes=0-3 cpus='0:0-1 1:2-3 2:4-5 3:' mem='0-1,3'
	dist='0:10,21,31,17 1:21,10,21,28 2:31,21,10,40 3:17,28,40,10'
	kb='0:393216 1:393216 2:0 3:262144' ;;
esac

t_match 'the kernel is the one asked for' "$(uname -r)" "^$(echo "$NP_KERNEL" | sed 's/\./\\./')\."
t_is 'nodes online' "$(nodes_online)" "$nodes"
t_is 'nodes with memory' "$(cat $S/node/has_memory)" "$mem"
for p in $cpus; do
	t_is "CPUs of node ${p%%:*}" "$(node_cpus "${p%%:*}")" "${p#*:}"
done
for p in $dist; do
	t_is "distances of node ${p%%:*}" "$(tr ' ' , <$S/node/node"${p%%:*}"/distance)" "${p#*:}"
done
# The kernel keeps some of each node's memory for itself, less than 128 MiB here.
for p in $kb; do
	have=$(node_kb "${p%%:*}" MemTotal) want=${p#*:}
	t_check "memory of node ${p%%:*}" test "$have" -le "$want" -a "$have" -ge $((want - 131072))
done

across=''
for c in $S/cpu/cpu[0-9]*; do
	for i in "$c"/cache/index*; do
		[ "$(cat "$i/level" 2>/dev/null)" = 3 ] || continue
		n=$(basename "$(echo "$c"/node*)")
		[ "$(cat "$i/shared_cpu_list")" = "$(cat "$S/node/$n/cpulist")" ] ||
			across="$across $(basename "$c"):$(cat "$i/shared_cpu_list")"
	done
done
t_check 'there is an L3' test -e $S/cpu/cpu0/cache/index3
t_is 'an L3 is a node, no more and no less' "$across" ''

t_is 'NUMA balancing is off' "$(cat /proc/sys/kernel/numa_balancing)" 0
t_match 'cgroup v2 with cpuset and memory' "$(cat $CG/cgroup.subtree_control)" 'cpuset.*memory'
t_check 'a cpuset takes CPUs and nodes' cg_make base 0 0
t_is 'and its processes run there' "$(cg_run base nproc)" 1
for m in /sys/kernel/debug/sched /sys/kernel/tracing/events /sys/fs/bpf /sys/kernel/btf/vmlinux; do
	t_check "$m is there" test -e $m
done
t_check 'scratch is writable' touch /tmp/x
t_check 'the root is not' sh -c '! touch /np-x 2>/dev/null'
t_done
