# SPDX-License-Identifier: MIT
# Executors on several nodes: where tasks run, who steals from whom, and what hard mode refuses.
. "$NP_LIB"
guest=$NP_BUILD/tests/vm/executor_guest
cpus=$(nproc --all)

t_tap "$guest" tasks

t_match 'strict: every worker is pinned' "$("$guest" create strict)" "^created $cpus workers, $cpus pinned$"
t_match 'soft: every worker is pinned, too' "$("$guest" create soft)" "^created $cpus workers, $cpus pinned$"

set_balancing 1
t_refused 'strict: not while the kernel moves pages' 1 \
	'^refused .*hard mode unavailable: .*balancing' "$guest" create strict
t_match 'soft: also while the kernel moves pages' "$("$guest" create soft)" '^created'
set_balancing 0

t_refused 'strict: not without CAP_SYS_NICE' 1 \
	'^refused .*hard mode unavailable: permission denied \(CAP_SYS_NICE' \
	without sys_nice "$guest" create strict
t_match 'soft: also without CAP_SYS_NICE' "$(without sys_nice "$guest" create soft)" '^created'
t_match 'soft: also as nobody' "$(as_nobody '' "$guest" create soft)" '^created'

# the CPU goes after the topology was read, so one worker's pin falls short
t_refused 'strict: not when a CPU of a node has gone' 1 \
	'affinity not fully applied \(asked for .*granted .*; 1 is offline' \
	"$guest" create strict /sys/devices/system/cpu/cpu1/online 0
cpu_on 1
t_match 'soft: also when a CPU has gone' \
	"$("$guest" create soft /sys/devices/system/cpu/cpu1/online 0)" '^created'
t_match 'strict: a topology that knows that it has gone' "$("$guest" create strict)" \
	"^created $((cpus - 1)) workers, $((cpus - 1)) pinned$"
cpu_on 1

cg_make one 0-1 0
t_refused 'strict: not in a cpuset without one of the nodes' 1 \
	'affinity not fully applied \(asked for 2-3, granted none; 2-3 are outside the cpuset' \
	cg_run one "$guest" create strict
t_match 'soft: in a cpuset there are workers on what it has' \
	"$(cg_run one "$guest" create soft)" '^created 2 workers, 2 pinned$'
cg_make half 0,2-3
t_refused 'strict: not in a cpuset with half a node' 1 \
	'affinity not fully applied \(asked for 0-1, granted 0; 1 is outside the cpuset' \
	cg_run half "$guest" create strict

# --- CPUs that go while it works ---

rm -f /tmp/np-in
mkfifo /tmp/np-in
"$guest" state strict </tmp/np-in >/tmp/np-state 2>&1 &
program=$!
exec 9>/tmp/np-in
state() { # asks once more: the line that comes
	n=$(wc -l </tmp/np-state)
	echo >&9
	i=0
	until [ "$(wc -l </tmp/np-state)" -gt "$n" ] || [ $i = 300 ]; do sleep 0.1; i=$((i + 1)); done
	tail -n 1 /tmp/np-state
}
t_match 'state: all pins are held' "$(state)" "^open: $cpus workers, $cpus held, 0 narrowed, 0 lost of node -1$"
cpu_off 3
t_match 'state: a CPU goes, its node has another: held inside the node' "$(state)" \
	"^open: $cpus workers, $cpus held, 0 narrowed, 0 lost of node -1$"
cpu_off 2
t_match 'state: the last CPU of a node goes: its pins are lost' "$(state)" \
	"^open: $cpus workers, $((cpus - 2)) held, 0 narrowed, 2 lost of node 1$"
cpu_on 2
cpu_on 3
exec 9>&-
wait $program

# --- probes, read by bpftrace ---

probed=$NP_BUILD/examples/worker_pool
probe() { echo "usdt:$probed:numaperf:$1 { $2 }"; }
probe_says() { sed -n "s/^@$1: //p" /tmp/np-probes; }
if readelf -n "$probed" | grep -q 'Provider: numaperf'; then
	bpftrace -q -c "$probed" -e "
		$(probe submit '@submit = sum(arg1);')
		$(probe start '@start = count();')
		$(probe end '@end = count();')
		$(probe park '@park = count();')
		$(probe wake '@wake = count();')" >/tmp/np-probes 2>&1
	for what in submit start end; do
		t_match "probes: $what tells of all 100 tasks" "$(probe_says $what)" '^100$'
	done
	t_match 'probes: park is there' "$(probe_says park)" '^[0-9]+$'
	t_is 'probes: who goes to sleep wakes again' "$(probe_says wake)" "$(probe_says park)"
	[ -n "$(probe_says park)" ] || cat /tmp/np-probes
else
	t_skip 'probes' 'sys/sdt.h (systemtap-sdt-dev) was missing when this was built'
fi

t_match 'example: worker_pool' "$("$NP_BUILD/examples/worker_pool")" 'Completed: 100 tasks'
t_match 'example: fork_join' "$("$NP_BUILD/examples/fork_join")" 'fib\(30\) = 832040'
t_done
