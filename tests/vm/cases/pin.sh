# SPDX-License-Identifier: MIT
# Pins on a machine with several nodes, by what /proc says of the thread; every refusal of strict ones.
. "$NP_LIB"
facts=$NP_BUILD/tests/vm/pin_facts
fact() { printf '%s\n' "$got" | sed -n "s/^$1=//p"; }
free=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)

for node in $(sed 's/-/ /' /sys/devices/system/node/has_cpu); do
	for mode in soft strict unwitnessed; do
		got=$("$facts" "node:$node" $mode)
		t_is "$mode, node $node: its CPUs" "$(fact pinned)" "$(node_cpus "$node")"
		t_is "$mode, node $node: the thread is there" "$(fact node)" "$node"
		t_is "$mode, node $node: it holds" "$(fact check)" 0
		t_is "$mode, node $node: released it is free again" "$(fact released)" "$free"
		t_is "$mode, node $node: a thread is born there" "$(fact thread)" "$node"
	done
done
got=$("$facts" 1 strict)
t_is 'one CPU' "$(fact pinned) $(fact released)" "1 $free"

# --- refusals ---

set_balancing 1
t_refused 'balancing is on' 1 'refused balancing: Hard mode unavailable: NUMA balancing is enabled \(kernel.numa_balancing' \
	"$facts" node:0 strict
set_balancing 0
t_refused 'CAP_SYS_NICE is dropped' 1 'refused permission: .*permission denied \(CAP_SYS_NICE is missing' \
	without sys_nice "$facts" node:0 strict
got=$(without sys_nice "$facts" node:0 unwitnessed)
t_is 'unwitnessed strict mode needs it not' "$(fact pinned)" "$(node_cpus 0)"

cpu_off 1
t_refused 'a CPU is offline' 1 'refused affinity: .*affinity not fully applied.*0-1.*(1.*offline|offline.*1)' \
	"$facts" 0-1 strict
got=$("$facts" 0-1 soft)
t_match 'soft: what is there (6.12 keeps the offline one in the mask)' "$(fact pinned)" '^0(-1)?$'
cpu_on 1

cg_make pins 0 ''
t_refused 'the cpuset takes a CPU away' 1 'refused cpuset: .*affinity not fully applied .asked for 0-1, granted 0; 1 is outside the cpuset' \
	cg_run pins "$facts" 0-1 strict
got=$(cg_run pins "$facts" 0-1 soft)
t_is 'soft, in the cpuset: what is left' "$(fact pinned)" 0
if [ "$NP_TOPOLOGY" != 1 ]; then
	t_refused 'the cpuset takes the node away' 1 'refused (affinity|cpuset): .*affinity not fully applied.*cpuset' \
		cg_run pins "$facts" node:1 strict
fi
[ "$NP_TOPOLOGY" != 4 ] || t_refused 'a node without CPUs' 1 'refused .*node 3' "$facts" node:3 strict

# the affinity is changed from outside, and the check says so
mkfifo /tmp/np-hold
"$facts" 0 strict hold </tmp/np-hold >/tmp/np-held 2>&1 &
pid=$!
exec 4>/tmp/np-hold
i=0
until grep -q ready /tmp/np-held || [ $i = 100 ]; do sleep 0.2; i=$((i + 1)); done
taskset -pc 1 $pid >/dev/null
exec 4>&-
wait $pid
t_match 'a change from outside is found' "$(cat /tmp/np-held)" 'later=-4096 .*affinity'
rm -f /tmp/np-hold

# --- the tool's word for it ---

check() { "$NP_BUILD/bin/numaperf" check "$@"; }
t_check 'numaperf check: hard mode may be had' check
set_balancing 1
t_refused 'numaperf check: balancing' 1 'numa_balancing' check
set_balancing 0
t_refused 'numaperf check: CAP_SYS_NICE' 1 'CAP_SYS_NICE' without sys_nice "$NP_BUILD/bin/numaperf" check
t_match 'numaperf demo: strict' "$("$NP_BUILD/bin/numaperf" demo)" 'Mode: strict'
t_is 'numaperf demo: to the end' "$("$NP_BUILD/bin/numaperf" demo | tail -n 1)" 'Completed: 100 tasks'
set_balancing 1
got=$("$NP_BUILD/bin/numaperf" demo)
t_match 'numaperf demo: another mode, and why' "$got" 'Mode: (soft|strict-unwitnessed).*'
t_match 'numaperf demo: the reason' "$got" 'NUMA balancing is enabled'
t_is 'numaperf demo: all the same to the end' "$(printf '%s\n' "$got" | tail -n 1)" 'Completed: 100 tasks'
set_balancing 0
t_done
