# SPDX-License-Identifier: MIT
# Memory by policy, page by page, against numa_maps; strict regions and every refusal of theirs.
. "$NP_LIB"
facts=$NP_BUILD/tests/vm/region_facts

fact() { printf '%s\n' "$got" | sed -n "s/^$1=//p"; }
sum() { fact "$1" | tr ',' '\n' | awk -F: '{ s += $2 } END { print s + 0 }'; }

# region NAME POLICY NODES KIB MODE ...: creates it; what the library and the kernel count is the same
region() {
	name=$1
	shift
	if ! got=$("$facts" "$@"); then
		t_fail "$name: is created" "$got"
		return
	fi
	t_is "$name: the library counts as numa_maps does" "$(fact pages)" "$(fact kernel)"
	t_is "$name: asking has faulted nothing in" "$(fact faulted)" 0
}
node_of() { fact pages; }

case $NP_TOPOLOGY in
1) all=0 second='' ;;
2x2) all=0-1 second=1 ;;
4) all=0-1,3 second=1 ;;
esac

region 'local, untouched' local - 4096 soft none
t_is 'local, untouched: all absent' "$(fact absent)" 1024
t_is 'local, untouched: best effort' "$(fact enforcement)" best-effort
region 'local' local - 4096 soft touch
t_is 'local: all there' "$(fact absent)" 0
for node in $(echo $all | sed 's/0-1/0 1/; s/,/ /g'); do
	region "bind $node" bind "$node" 4096 soft touch
	t_is "bind $node: where it was asked for" "$(node_of)" "$node:1024"
	region "preferred $node" preferred "$node" 4096 soft parallel
	t_is "preferred $node: where it was asked for" "$(node_of)" "$node:1024"
	for mode in strict unwitnessed; do
		region "$mode $node" bind "$node" 16384 "$mode" parallel
		t_is "$mode $node: every page" "$(node_of)" "$node:4096"
		t_is "$mode $node: proved" "$(fact enforcement)" strict
		t_is "$mode $node: it holds" "$(fact check)" 0
	done
	region "huge $node" bind "$node" 8192 strict touch on
	t_is "huge $node: every page" "$(node_of | cut -d: -f1)" "$node"
done
region 'interleave' interleave "$all" 6144 strict touch off
t_is 'interleave: all there' "$(sum pages)" 1536
t_is 'interleave: on every node' "$(fact actual)" "$all"
most=$(fact pages | tr ',' '\n' | cut -d: -f2 | sort -n | tail -n 1)
least=$(fact pages | tr ',' '\n' | cut -d: -f2 | sort -n | head -n 1)
t_check 'interleave: evenly' test $((most - least)) -le 1
region 'bind to all' bind "$all" 32768 strict parallel
t_is 'bind to all: all there' "$(sum pages)" 8192

# --- refusals ---

t_refused 'a node that is not there' 1 'refused cpuset: Hard mode unavailable: node 9 is not online' \
	"$facts" bind 9 64 strict
t_refused 'soft: no node that could serve' 2 'failed cpuset: .*no node of 9 has memory' "$facts" bind 9 64 soft
t_refused 'strict local promises nothing' 2 'failed invalid: .*local promises nothing' "$facts" local - 64 strict

set_balancing 1
t_refused 'balancing is on' 1 'refused balancing: Hard mode unavailable: NUMA balancing is enabled.*numa_balancing' \
	"$facts" bind 0 64 strict
set_balancing 0
t_refused 'CAP_SYS_NICE is dropped' 1 'refused permission: .*permission denied.*CAP_SYS_NICE' \
	without sys_nice "$facts" bind 0 64 strict
t_refused 'no capability at all' 1 'refused permission: .*permission denied' as_nobody '' "$facts" bind 0 64 strict
got=$(as_nobody '' "$facts" bind 0 4096 unwitnessed)
t_is 'unwitnessed strict mode needs none' "$(fact enforcement) $(fact pages)" 'strict 0:1024'

cg_make small '' ''
echo 8M >$CG/small/memory.max
t_refused 'memory.max is too small' 1 'refused memory: .*not enough memory: the cgroup .*small.*memory.max' \
	cg_run small "$facts" bind 0 65536 strict
cg_run small "$facts" bind 0 1024 strict >/tmp/np-small 2>&1
t_is 'what fits is granted there' "$(sed -n 's/^pages=//p' /tmp/np-small)" 0:256

if [ -n "$second" ]; then
	cg_make one '' 0
	t_refused 'the cpuset takes the node away' 1 'refused cpuset: .*node 1 is outside the cpuset.*cpuset.mems' \
		cg_run one "$facts" bind 1 64 strict
	got=$(cg_run one "$facts" bind 0-1 4096 soft touch)
	t_is 'soft: what is left serves' "$(fact pages)" 0:1024
	t_match 'soft: and it says so' "$(fact warning)" 'nodes 1 have no memory that this process may use'
	t_is 'soft: requested and effective are two things' "$(fact requested) $(fact effective)" '0-1 0'

	kills=$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)
	fill_node 1 24576
	t_refused 'the node is used up' 1 'refused memory: .*not enough memory: node 1 has .*KiB' \
		"$facts" bind 1 131072 strict
	t_refused 'the node is used up, in parallel' 1 'refused memory: .*not enough memory: node 1' \
		"$facts" bind 1 131072 strict parallel
	got=$("$facts" bind 1 65536 soft touch)
	t_is 'soft: elsewhere, and it is seen' "$(fact enforcement) $(sum pages)" 'best-effort 16384'
	t_isnt 'soft: the check sees it' "$(fact check)" 0
	unfill_node 1
	t_is 'nobody was killed' "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" "$kills"

	# held COMMAND...: a strict region of 8 MiB on node 1, to which the command is done, after its pid, while it stands
	held() {
		cg_make hold '' 0-1
		mkfifo /tmp/np-hold
		# not by cg_run: the number is to be the program's
		sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $CG/hold \
			"$facts" bind 1 8192 strict touch off hold </tmp/np-hold >/tmp/np-held 2>&1 &
		pid=$!
		exec 4>/tmp/np-hold
		i=0
		until grep -q ready /tmp/np-held || [ $i = 100 ]; do sleep 0.2; i=$((i + 1)); done
		"$1" $pid
		exec 4>&-
		wait $pid
		rm -f /tmp/np-hold
		cg_drop hold
	}
	moved='later=-4096 .*2048 pages are not on nodes 1; the first is at 0x[0-9a-f]+ on node 0'
	away() { migratepages "$1" 1 0; }
	held away
	t_match 'pages moved away are found' "$(cat /tmp/np-held)" "$moved"
	# the kernel moves them along, by a worker
	shrink() {
		echo 0 >$CG/hold/cpuset.mems
		i=0
		until ! grep -q 'N1=2048' "/proc/$1/numa_maps" || [ $i = 100 ]; do sleep 0.2; i=$((i + 1)); done
	}
	held shrink
	t_match 'cpuset.mems shrinks: it is found' "$(cat /tmp/np-held)" "$moved"
fi
if [ "$NP_TOPOLOGY" = 4 ]; then
	t_refused 'a memoryless node' 1 'refused cpuset: .*node 2 has no memory' "$facts" bind 2 64 strict
fi

for e in hard_mode memory_placement; do
	t_check "the example $e runs" "$NP_BUILD/examples/$e"
done
t_match 'hard mode is had here' "$("$NP_BUILD/examples/hard_mode")" 'Allocated 1048576 bytes strictly on node 0'
t_done
