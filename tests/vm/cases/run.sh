# SPDX-License-Identifier: MIT
# numaperf run: a program's memory is where it was asked for, as the program and numastat see it; what is moved, and what
# cannot be, is told.
. "$NP_LIB"
run="$NP_BUILD/bin/numaperf run"
other=$(node_cpus 1)
set_balancing 0
# a huge page is one step of interleaving
thp=$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled)
echo never >/sys/kernel/mm/transparent_hugepage/enabled

# a program with 32 MiB of its own; says where they are by numa_maps, in pages
cat >/tmp/np-eater <<'E1'
#!/usr/bin/perl
use strict; use warnings;
our $x = "x" x (32 << 20);
my %on;
open(my $maps, '<', '/proc/self/numa_maps') or die;
while (<$maps>) {
	next if /file=/;
	$on{$1} += $2 while /N(\d+)=(\d+)/g;
}
print join(' ', map { "$_:$on{$_}" } sort keys %on), "\n";
system(@ARGV) if @ARGV;
E1
chmod +x /tmp/np-eater

# asked NAME JQ: of the report
is() { t_is "$1" "$(jq -r "$2" /tmp/np-report)" "$3"; }
pages() { tr ' ' '\n' </tmp/np-said | sed -n "s/^$1://p"; }

# eat NAME OPTION...
eat() {
	name=$1
	shift
	$run --json --output /tmp/np-report "$@" -- /tmp/np-eater >/tmp/np-said 2>/tmp/np-err
	t_is "$name: exit status" $? 0
}

for node in 0 1; do
	eat "bind $node" --strict --nodes $node
	is "bind $node: held" '.memory.verdict + " " + .threads.verdict' 'held held'
	t_is "bind $node: the program sees none elsewhere" "$(tr ' ' '\n' </tmp/np-said | grep -vc "^$node:")" 0
	t_check "bind $node: it has them all" test "$(pages $node)" -ge 8192
	is "bind $node: the report has them, too" ".memory.peak.private[\"$node\"] >= 33554432" true
done
eat 'interleave' --strict --nodes 0-1 --policy interleave
is 'interleave: held' .memory.verdict held
off=$(($(pages 0) - $(pages 1)))
t_check 'interleave: evenly, but for what was there before' test ${off#-} -le 200
eat 'preferred' --strict --nodes 1 --policy preferred
is 'preferred: nothing is promised of memory' .memory.verdict none
t_check 'preferred: all the same it is there' test "$(pages 1)" -ge 8192
eat 'memory on one node, threads on the other' --strict --nodes 1 --cpus "$(node_cpus 0)"
is 'memory on one node, threads on the other: held' '.memory.verdict + " " + .threads.verdict' 'held held'
t_check 'memory on one node: it is there' test "$(pages 1)" -ge 8192
case $NP_KERNEL in
6.1)
	t_refused 'weighted interleaving: refused, the kernel that has it is named' 125 'no policy weighted-interleave.*6.9' \
		$run --strict --nodes 0-1 --policy weighted-interleave -- true ;;
*)
	weights=/sys/kernel/mm/mempolicy/weighted_interleave
	echo 3 >$weights/node0
	echo 1 >$weights/node1
	eat 'weighted interleaving' --strict --nodes 0-1 --policy weighted-interleave
	is 'weighted interleaving: held' .memory.verdict held
	off=$(($(pages 0) - 3 * $(pages 1)))
	t_check 'weighted interleaving: three to one' test ${off#-} -le 400
	echo 1 >$weights/node0 ;;
esac

# --- what is done to it ---

# disturbed COMMAND...: is run with the program's number while it has its memory
cat >/tmp/np-disturb <<'E1'
#!/bin/sh
pid=$PPID
for word; do
	shift
	[ "$word" != PID ] || word=$pid
	set -- "$@" "$word"
done
"$@" >/dev/null 2>&1
sleep 1
E1
chmod +x /tmp/np-disturb
disturbed() {
	$run --json --output /tmp/np-report --nodes 1 --interval 0.1 -- /tmp/np-eater /tmp/np-disturb "$@" >/tmp/np-said 2>&1
}
disturbed migratepages PID 1 0
is 'moved by migratepages: violated' .memory.verdict violated
is 'moved by migratepages: where to' '.memory.evidence.node' 0
is 'moved by migratepages: all of it' '.memory.evidence.bytes >= 33554432' true
is 'moved by migratepages: the policy is shown' '.memory.evidence.policy' 'bind:1'
disturbed taskset -cp 0 PID
is 'moved by taskset: violated' .threads.verdict violated
t_match 'moved by taskset: which thread, where to' "$(jq -r .threads.why /tmp/np-report)" \
	'thread [0-9]+ \(np-eater\) .*(may run on CPUs 0|ran on CPU 0; it may run on 0)'
is 'moved by taskset: its memory stays' .memory.verdict held
$run --strict --output /tmp/np-report --nodes 1 -- /tmp/np-eater /tmp/np-disturb migratepages PID 1 0 >/tmp/np-said 2>&1
t_is 'violated in strict mode is status 1' $? 1
# a program with a policy of its own
$run --json --output /tmp/np-report --nodes 1 -- numactl --membind 0 /tmp/np-eater >/tmp/np-said 2>&1
is 'a program with another policy: violated, by that' '.memory.verdict + " " + .memory.evidence.policy' 'violated bind:0'

# --- what cannot be ---

cg_make one "$(node_cpus 0)" 0
t_refused 'strict, outside the cpuset: not started' 125 'node 1 is outside the cpuset: widen cpuset.mems' \
	cg_run one $run --strict --nodes 0-1 -- touch /tmp/np-started
t_refused 'outside the cpuset altogether: not started' 125 'node 1 is outside the cpuset' \
	cg_run one $run --nodes 1 -- touch /tmp/np-started
t_refused 'strict, CPUs outside the cpuset: not started' 125 "CPU $other is outside the cpuset" \
	cg_run one $run --strict --cpus "$other" -- touch /tmp/np-started
t_is 'none of them was started' "$(ls /tmp/np-started 2>/dev/null)" ''
cg_run one $run --json --output /tmp/np-report --nodes 0-1 -- /tmp/np-eater >/tmp/np-said 2>/tmp/np-err
is 'soft: with the rest, and it holds' '.asked.nodes + " " + .memory.verdict' '0 held'
t_match 'soft: and it says so' "$(cat /tmp/np-err)" 'warning: node 1 is outside the cpuset.*going on with the rest'
as_nobody '' $run --json --strict --nodes 1 -- true 2>/tmp/np-report
is 'no privilege is needed' '.verdict' held
echo "$thp" >/sys/kernel/mm/transparent_hugepage/enabled
t_done
