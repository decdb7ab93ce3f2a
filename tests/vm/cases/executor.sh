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

t_match 'example: worker_pool' "$("$NP_BUILD/examples/worker_pool")" 'Completed: 100 tasks'
t_match 'example: fork_join' "$("$NP_BUILD/examples/fork_join")" 'fib\(30\) = 832040'
t_done
