#!/bin/bash
# SPDX-License-Identifier: MIT
# The numaperf tool from outside: exit statuses, JSON, misuse, trees, broken outputs, man pages.
# TAP on standard output. O is the output folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

out=$(realpath "${O:-build}")
tool=$out/bin/numaperf
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-tools.XXXXXX") || exit 1
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
o=$work/out
e=$work/err
nobody=65534

# run ARG...: the tool with its output in $o and $e, its status in $st
run() {
	"$tool" "$@" >"$o" 2>"$e" </dev/null
	st=$?
}

# json EXPRESSION: whether it holds for what is in $o
json() {
	jq -e "$1" "$o" >"$work/jq" 2>&1
}

# ---- verbs, help, misuse ----

run --help
for verb in topology check demo run verify probe bench; do
	[ "$st" = 0 ] && grep -q "^  $verb " "$o" && [ ! -s "$e" ]
	result "--help lists $verb" $? "$o" "$e"
done
version=$(awk '/define NUMAPERF_VERSION_(MAJOR|MINOR|PATCH)/ { v = v s $3; s = "." }
	END { print v }' lib/include/numaperf/base.h)
run --version
[ "$st" = 0 ] && [ "$(cat "$o")" = "numaperf $version" ]
result "--version is the header's $version" $? "$o" "$e"
for verb in topology check demo run verify probe bench; do
	run help "$verb"
	cp "$o" "$work/help"
	run "$verb" --help
	[ "$st" = 0 ] && cmp -s "$o" "$work/help" && grep -q "^Usage: numaperf $verb" "$o"
	result "help $verb and $verb --help agree" $? "$o" "$e"
done

misuse() { # what the message must hold, then the arguments
	word=$1
	shift
	run "$@"
	[ "$st" = 2 ] && [ ! -s "$o" ] && head -n 1 "$e" | grep -q '^numaperf' &&
		grep -qF -e "$word" "$e"
	result "misuse: numaperf $(printf '%q ' "$@")is status 2, and says so" $? "$o" "$e"
}
misuse 'no verb'
misuse "'bogus' is not a verb" bogus
misuse "'bogus' is not a verb" help bogus
misuse 'one verb' help check demo
misuse 'stands alone' --version check
misuse 'unknown option --bogus' topology --bogus
misuse 'unknown option -z' topology -z
misuse 'unknown option -z' check -jz
misuse 'option --json takes no value' topology --json=1
misuse 'option --sysfs needs a value' topology --sysfs
misuse 'option --devices takes no value' topology --devices=1
misuse 'option -s needs a value' topology -s
misuse "unexpected argument 'more'" topology more
misuse "unexpected argument 'more'" check more
misuse "unexpected argument 'more'" demo -- more
misuse 'not an empty name' topology --sysfs ''
misuse "no mode 'hard'" demo --mode hard
misuse "no steal policy 'Some'" demo --policy Some
misuse 'no command' run
misuse 'no command' run --strict --
misuse 'bind, interleave' run --policy best -- true
misuse 'it needs --nodes' run --policy interleave -- true
misuse 'a list such as' run --nodes 0- -- true
misuse 'a list such as' run --cpus x -- true
misuse '0.001 to 86400 seconds' run --interval 0 -- true
misuse 'unknown option --bogus' run --bogus -- true
misuse 'nothing to watch' verify
misuse 'nothing to watch' verify --
misuse 'not both' verify -p 1 -- true
misuse 'a process id is wanted' verify -p one
misuse 'a process id is wanted' verify -p 0
misuse 'a process id is wanted' verify -p 12x
misuse 'seconds above 0' verify -p 1 --duration 0
misuse 'seconds above 0' verify -p 1 -d nan
misuse '10 to 3600000 milliseconds' verify -p 1 --interval 5
misuse 'polling, tp_btf or fentry' verify -p 1 --rung absent
misuse 'a list such as' verify -p 1 --cpus a-b
misuse 'a list such as' verify -p 1 --nodes ''
misuse 'option -p needs a value' verify -p
misuse 'unknown option --bogus' verify --bogus -- true
misuse "unexpected argument 'more'" probe more
misuse "no such category: 'nix'" bench nix
misuse "unexpected argument 'more'" bench topology more
misuse 'is not a verb' "$(printf 'a\033[31mb')"
! LC_ALL=C grep -q "$(printf '\033')" "$e"
result 'what is repeated in an error cannot steer the terminal' $? "$e"

# ---- topology of this machine ----

run topology --json
[ "$st" = 0 ] && python3 -m json.tool <"$o" >/dev/null 2>"$e"
result 'topology --json is JSON' $? "$o" "$e"
json '.node_count == (.nodes | length) and (.warnings | type) == "array"
	and (.nodes | all(has("id") and has("cpus") and has("memory_bytes") and has("distances")
	and has("has_cpus") and has("has_memory")))'
result 'topology --json has the keys' $? "$work/jq" "$o"
json ".online_cpus == \"$(cat /sys/devices/system/cpu/online)\""
result 'online_cpus is what the kernel says' $? "$work/jq"
if [ -d /sys/devices/system/node ]; then
	for dir in /sys/devices/system/node/node[0-9]*; do
		id=${dir##*/node}
		kb=$(awk '$3 == "MemTotal:" { print $4 }' "$dir/meminfo")
		json "[.nodes[] | select(.id == $id)] | length == 1 and .[0].cpus == \"$(cat \
			"$dir/cpulist")\" and .[0].memory_bytes == $((kb * 1024))
			and .[0].distances[\"$id\"] == 10"
		result "node $id: CPUs, memory, own distance" $? "$work/jq"
	done
else
	json '.nodes | length == 1 and .[0].id == 0'
	result 'a kernel without NUMA is one node 0' $? "$work/jq"
fi
run topology
[ "$st" = 0 ] && grep -q '^  NODE' "$o" && grep -q '^Distances' "$o" && [ ! -s "$e" ]
result 'topology as text' $? "$o" "$e"
run topology --devices --json
there=$(ls /sys/class/net /sys/class/block /sys/bus/pci/devices 2>/dev/null | grep -cv -e ':$' -e '^$' -e '^bonding_masters$')
[ "$st" = 0 ] && json "[.devices[] | select(.type == \"network\" or .type == \"block\" or .type == \"pci\")] | length == $there" &&
	json '.devices | all(has("name") and has("node") and has("cpus") and has("pci")) and
		(any(.name == "lo" and .node == null) or length == 0)'
result "topology --devices lists the kernel's $there, and lo has no node" $? "$work/jq" "$e"
run topology --devices
[ "$st" = 0 ] && grep -q '^  DEVICE  *TYPE  *NODE' "$o" && [ ! -s "$e" ]
result 'topology --devices as text' $? "$o" "$e"
first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
taskset -c "$first" "$tool" topology --json >"$o" 2>"$e" &&
	json ".allowed_cpus == \"$first\" and .online_cpus == \"$(cat \
		/sys/devices/system/cpu/online)\" and ([.nodes[].allowed_cpus] | add) == \"$first\""
result 'allowed and online CPUs are kept apart' $? "$o" "$e"

# ---- saved and made-up trees ----

# put TREE FILE TEXT
put() {
	mkdir -p "$(dirname "$1/sys/devices/system/$2")" &&
		printf '%s\n' "$3" >"$1/sys/devices/system/$2"
}

# tree NAME NODES: a plain machine of that many nodes, two CPUs and (id + 1) GiB each
tree() {
	t=$work/$1
	last=$(($2 - 1))
	put "$t" cpu/online "0-$(($2 * 2 - 1))"
	put "$t" cpu/possible "0-$(($2 * 2 - 1))"
	put "$t" node/online "0-$last"
	put "$t" node/possible "0-$last"
	for id in $(seq 0 "$last"); do
		put "$t" "node/node$id/cpulist" "$((id * 2))-$((id * 2 + 1))"
		put "$t" "node/node$id/meminfo" "Node $id MemTotal: $(((id + 1) << 20)) kB"
		put "$t" "node/node$id/distance" "$(for to in $(seq 0 "$last"); do
			[ "$to" = "$id" ] && printf '10 ' || printf '%d ' $((20 + id + to))
		done)"
	done
}

for archive in tests/sysfs/*.tar.bz2; do
	name=$(basename "$archive" .tar.bz2)
	mkdir -p "$work/saved" && tar -xjf "$archive" -C "$work/saved" 2>"$e"
	# the folder in the archive need not have the archive's name
	dir=$(tar -tjf "$archive" 2>/dev/null | head -n 1 | cut -d/ -f1)
	run topology --json --sysfs "$work/saved/$dir"
	[ "$st" = 0 ] && python3 tests/tools/tree.py "$work/saved/$dir" "$o" >"$e" 2>&1
	result "tree $name: as its files say" $? "$e"
	run topology -s "$work/saved/$dir"
	[ "$st" = 0 ] && grep -q '^  NODE' "$o"
	result "tree $name: as text" $? "$e"
done

tree plain 3
run topology --json --sysfs "$work/plain"
[ "$st" = 0 ] && python3 tests/tools/tree.py "$work/plain" "$o" >"$e" 2>&1 &&
	json '.nodes[2].memory_bytes == 3221225472 and .nodes[1].distances["2"] == 23
		and .warnings == []'
result 'a made-up tree of three nodes' $? "$e" "$o"

rm -rf "$work/flat" && put "$work/flat" cpu/online 0-2,5 && put "$work/flat" cpu/possible 0-7
run topology --json --sysfs "$work/flat"
[ "$st" = 0 ] && json '.node_count == 1 and .nodes[0].id == 0 and .nodes[0].cpus == "0-2,5"'
result 'a tree without node folders is one node 0 with all online CPUs' $? "$e" "$o"

# broken NAME FILE TEXT: one contradiction in a plain tree: an error that names a file of the
# tree, or a result with a warning; never anything else
broken() {
	tree "broken-$1" 2
	put "$work/broken-$1" "$2" "$3"
	run topology --json --sysfs "$work/broken-$1"
	if [ "$st" = 0 ]; then
		json '.warnings | length > 0'
	else
		[ "$st" = 1 ] && [ ! -s "$o" ] && grep -q "$(basename "$2")" "$e"
	fi
	result "contradiction ($1): an error or a warning" $? "$o" "$e"
}
broken overlap node/node1/cpulist 0-3
broken beyond node/node1/cpulist 2-900
broken words node/node1/cpulist 'two and three'
broken reversed node/node1/cpulist 3-2
broken huge node/node1/cpulist 2-99999999999999999999
broken distance node/node0/distance '10 twenty'
broken short node/node0/distance 10
broken self node/node0/distance '20 10'
broken memory node/node0/meminfo 'Node 0 MemTotal: much kB'
broken online node/online 0-5
broken cpus cpu/online 'none at all'
broken bytes node/node1/cpulist "$(printf '2-3\001\033[31m')"

run topology --sysfs "$work/nowhere"
[ "$st" = 1 ] && [ ! -s "$o" ] && grep -q nowhere "$e"
result 'a tree that is not there: status 1, named' $? "$o" "$e"
mkdir "$work/empty"
run topology --sysfs "$work/empty"
[ "$st" = 1 ] && [ ! -s "$o" ] && [ -s "$e" ]
result 'a folder without sys/: status 1' $? "$o" "$e"

# ---- check ----

run check --json
python3 -m json.tool <"$o" >/dev/null 2>"$e"
result 'check --json is JSON' $? "$o" "$e"
json '[has("node_count", "strict_memory_binding", "strict_cpu_affinity", "memory_locking",
	"numa_balancing_disabled", "hard_mode", "missing", "features", "cpus_allowed",
	"nodes_allowed", "cpus_isolated")] | all'
result 'check --json has the keys' $? "$work/jq" "$o"
json "(.hard_mode and (.missing | length) == 0 and $st == 0) or
	((.hard_mode | not) and (.missing | length) > 0 and $st == 1)"
result 'status, hard_mode and missing agree' $? "$work/jq" "$o"
json '.features | length >= 15 and all(.[]; has("usable") and has("errno"))
	and all(.[]; if .usable then .errno == null else true end)'
result 'every feature says whether it can be used, and the errno' $? "$work/jq" "$o"
balancing=$(cat /proc/sys/kernel/numa_balancing 2>/dev/null || echo 0)
json ".numa_balancing_disabled == ($balancing == 0)"
result 'numa_balancing_disabled is what the sysctl says' $? "$work/jq"
if [ "$(id -u)" = 0 ]; then
	mkdir -m 755 "$work/bin" && chmod 755 "$work"
	# the library beside it, where the user nobody can read both
	cp "$tool" "$work/bin/" && cp -a "$out"/lib/libnumaperf.so* "$work/bin/"
	as_nobody() {
		setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps=-all \
			--bounding-set=-all env LD_LIBRARY_PATH="$work/bin" \
			"$work/bin/numaperf" "$@" >"$o" 2>"$e" </dev/null
		st=$?
	}
	as_nobody check --json
	[ "$st" = 1 ] && json '.hard_mode == false and .strict_memory_binding == false and
		.strict_cpu_affinity == false and ([.missing[] | select(contains("CAP_SYS_NICE"))]
		| length) > 0'
	result 'without privilege: status 1, and what is missing' $? "$o" "$e"
	as_nobody check
	[ "$st" = 1 ] && grep -q '^\[MISSING\]' "$o" && grep -q 'remedy: ' "$o" &&
		grep -q '^Hard mode is not available' "$o"
	result 'the same as text, with remedies' $? "$o" "$e"
	as_nobody demo
	[ "$st" = 0 ] && [ "$(tail -n 1 "$o")" = 'Completed: 100 tasks' ] &&
		grep -q '  strict refused: ' "$o"
	result 'without privilege: the demo completes and says why it is not strict' $? "$o" "$e"
	as_nobody demo --mode strict
	[ "$st" = 1 ] && ! grep -q Completed "$o" && grep -q 'permission denied' "$e"
	result 'without privilege: the strict demo is refused' $? "$o" "$e"
else
	skip 'what an unprivileged user gets' 'root is needed to become one'
fi

# ---- bench ----

run bench --json
[ "$st" = 0 ] && json '.workers > 0 and ([.figures[].category] | unique) == ["executor", "memory", "topology"] and
	all(.figures[]; .median == null or
		(.min <= .median and .median <= .max and .max > 0 and (.unit | length) > 0)) and
	([.figures[] | select(.beside and .ratio > 0)] | length) >= 10 and all(.figures[]; .median or .beside)'
result 'bench --json: figures with their spread' $? "$work/jq" "$o" "$e"
run bench topology
[ "$st" = 0 ] && [ "$(wc -l <"$o")" = 2 ] && grep -q '^topology  *discovery  *[0-9.]*  *[0-9.]*  *[0-9.]*  *ms  *-$' "$o"
result 'bench of one category as text' $? "$o" "$e"

# ---- probe ----

run probe --json
probe_st=$st
json '.kernel != null and (.hooks | length) >= 12 and (.hooks | all(.[]; has("rung") and has("hook")
	and has("error") and has("errno_name") and has("reason") and has("remedy")))'
result 'probe --json has the keys' $? "$work/jq" "$o" "$e"
json "(.witness and $st == 0) or ((.witness | not) and $st == 1)"
result 'probe: status and witness agree' $? "$o"
json '.hooks | all(.[]; if .error then .reason != null else true end)'
result 'probe: what is not on its best rung says why' $? "$o"
cp "$o" "$work/probe"
bpf=$(jq -r '[.hooks[].reason // ""] | any(contains("built without BPF")) | not' "$o")
run probe
[ "$st" = "$probe_st" ] && grep -q '^  METRIC  *RUNG  *HOOK' "$o" && grep -q '^  run_time ' "$o"
result 'probe as text' $? "$o" "$e"
run check --json
json ".witness == $(jq '[.hooks.run_time.rung, .hooks.page_moves.rung] |
	min_by({ absent: 0, polling: 1, tp_btf: 2, fentry: 3 }[.])' "$work/probe")"
result 'check names the rung of the witness' $? "$o"
if [ "$(id -u)" != 0 ]; then
	skip 'as root the witness is on tp_btf at least' 'root is needed'
elif [ "$bpf" = false ]; then
	skip 'as root the witness is on tp_btf at least' 'built with BPF=0'
else
	[ "$probe_st" = 0 ] && jq -e '.hooks.run_time.rung | . == "tp_btf" or . == "fentry"' \
		"$work/probe" >"$work/jq"
	result 'as root the witness is on tp_btf at least' $? "$work/probe"
fi

# ---- run ----

memory=$("$tool" topology --json | jq -r '[.nodes[] | select(.memory_bytes > 0) | .id][0] // 0')
run run --nodes 4095 -- true
[ "$st" = 2 ]
result 'run: a node that cannot be: status 2' $? "$o" "$e"
run run --nodes 1023 -- true
[ "$st" = 125 ] && [ ! -s "$o" ] && grep -q 'no memory on node 1023; nodes with memory are' "$e"
result 'run: a node that is not there: status 125, and those that are' $? "$o" "$e"
run run --cpus 8191 -- true
[ "$st" = 125 ] && grep -q 'not all of them are online' "$e"
result 'run: a CPU that is not there: status 125' $? "$o" "$e"
run run --output /no/such/place -- touch "$work/started"
[ "$st" = 125 ] && [ ! -e "$work/started" ]
result 'run: a report that could not be written: nothing is started' $? "$o" "$e"
run run -- no-such-command-here
[ "$st" = 127 ] && grep -q "no such command in PATH" "$e"
result 'run: a command that is not there: status 127' $? "$o" "$e"
run run -- /etc/passwd
[ "$st" = 126 ] && grep -q "cannot run '/etc/passwd'" "$e"
result 'run: a command that cannot be run: status 126' $? "$o" "$e"
run run -- sh -c 'echo said; echo complained >&2; exit 7'
[ "$st" = 7 ] && [ "$(cat "$o")" = said ] && grep -q '^complained$' "$e" && grep -q 'exit status 7' "$e"
result 'run: the command has its outputs and its status' $? "$o" "$e"
run run --output "$work/report" --json -- sh -c 'kill -TERM $$'
cp "$work/report" "$o"
[ "$st" = 143 ] && [ ! -s "$e" ] && json '.signal == 15 and .exit_status == null'
result 'run: a signal is 128 and its number' $? "$o" "$e"
"$tool" run --output "$work/report" -- sh -c 'trap "exit 9" USR1 TERM; echo ready; while :; do sleep 0.05; done' \
	>"$o" 2>"$e" </dev/null &
child=$!
i=0
until grep -q ready "$o" || [ $i = 100 ]; do sleep 0.05; i=$((i + 1)); done
kill -TERM $child
wait $child
st=$?
child=
[ "$st" = 9 ]
result 'run: a signal to the tool goes to the command' $? "$work/report" "$e"
# a process that stops itself is continued from outside, and traced it stays
"$tool" run --output "$work/report" -- sh -c 'echo $$ >"$0"; kill -STOP $$; exit 5' "$work/stopped" 2>"$e" &
child=$!
i=0
until [ -s "$work/stopped" ] || [ $i = 100 ]; do sleep 0.05; i=$((i + 1)); done
sleep 0.3
kill -0 $child 2>/dev/null && kill -CONT "$(cat "$work/stopped")"
wait $child
st=$?
child=
[ "$st" = 5 ]
result 'run: a command that stops itself goes on when it is continued' $? "$work/report" "$e"

run run --json --output "$work/report" -- sh -c 'perl -e "our \$x = q(x) x 3e7; exit 0"; true'
cp "$work/report" "$o"
if json '.end_seen'; then
	json '.processes >= 2 and ([.memory.peak.private[]] | add) > 29000000'
	result 'run: what its children had is in the peak, however short they lived' $? "$o" "$e"
else
	skip 'run: its children at their end' "$(jq -r .end_unseen_why "$o")"
fi
run run --no-ptrace --json --output "$work/report" --interval 0.05 -- sleep 0.5
cp "$work/report" "$o"
[ "$st" = 0 ] && json '(.end_seen | not) and .end_unseen_why == "--no-ptrace" and .looks >= 5 and .verdict == "none"'
result 'run: without ptrace it says that its end was not seen; nothing asked, nothing promised' $? "$o" "$e"
run run --no-ptrace --strict --json --output "$work/report" --cpus "$(taskset -cp $$ | sed 's/.*: //')" -- true
cp "$work/report" "$o"
[ "$st" = 3 ] && json '.verdict == "unverified" and (.threads.why | length) > 0'
result 'run: strict, and not seen: status 3, why' $? "$o" "$e"
first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
if [ "$(nproc)" -gt 1 ]; then
	run run --json --output "$work/report" --cpus "$first" -- taskset -c "$(taskset -cp $$ | sed 's/.*[-,]//')" sleep 0.1
	cp "$work/report" "$o"
	[ "$st" = 0 ] && json '.verdict == "violated" and .threads.outside > 0 and (.threads.why | test("ran on CPU"))'
	result 'run: a command that moves its threads away: violated, by which thread' $? "$o" "$e"
	run run --strict --output "$work/report" --cpus "$first" -- taskset -c "$(taskset -cp $$ | sed 's/.*[-,]//')" sleep 0.1
	[ "$st" = 1 ] && grep -q 'Threads: violated' "$work/report"
	result 'run: the same in strict mode: status 1' $? "$work/report" "$e"
	if taskset -c "$first" true 2>/dev/null; then
		taskset -c "$first" "$tool" run --strict --cpus "$(taskset -cp $$ | sed 's/.*[-,]//')" -- \
			touch "$work/started" >"$o" 2>"$e"
		st=$?
		[ "$st" = 125 ] && [ ! -e "$work/started" ] && grep -q 'outside the cpuset or the affinity' "$e"
		result 'run: strict beyond the affinity that it was started with: not started' $? "$o" "$e"
	fi
else
	skip 'run: threads elsewhere' 'one CPU only'
fi
if numactl -m "$memory" true 2>/dev/null; then
	for policy in bind interleave preferred local; do
		run run --strict --nodes "$memory" --policy $policy --output "$work/report" -- \
			sh -c 'numactl --show'
		[ "$st" = 0 ] && case $policy in
		bind) grep -q '^policy: bind' "$o" && grep -q "^membind: $memory" "$o" ;;
		interleave) grep -q '^policy: interleave' "$o" && grep -q "^interleavemask: $memory" "$o" ;;
		preferred) grep -q '^policy: preferred' "$o" ;;
		local) grep -Eq '^policy: (local|default|preferred)' "$o" ;;
		esac
		result "run: numactl sees the policy $policy" $? "$o" "$e" "$work/report"
	done
	run run --strict --nodes "$memory" --output "$work/report" -- sh -c 'sleep 0.1'
	[ "$st" = 0 ] && grep -q 'Memory:  held' "$work/report" && grep -q 'Threads: held' "$work/report"
	result 'run: bound: held' $? "$o" "$e" "$work/report"
else
	skip 'run: memory policies' 'numactl cannot bind here'
fi

# ---- verify ----

# busy CPU...: a child that runs on these CPUs; its id in $child
busy() {
	taskset -c "$1" sh -c 'while :; do :; done' &
	child=$!
	until taskset -cp "$child" 2>/dev/null | grep -q ": $1\$" && [ "$(cat \
		"/proc/$child/comm")" = sh ]; do
		sleep 0.02
	done
}

run verify -p 4194304 -d 0.1
[ "$st" = 1 ] && [ ! -s "$o" ] && grep -q 'there is no process 4194304' "$e"
result 'verify: a process that is not there: status 1, named' $? "$o" "$e"
run verify -- no-such-command-here
[ "$st" = 1 ] && [ ! -s "$o" ] && grep -q "cannot run 'no-such-command-here'" "$e"
result 'verify: a command that is not there: status 1, named' $? "$o" "$e"
run verify -- /etc/passwd
[ "$st" = 1 ] && grep -q "cannot run '/etc/passwd': Permission denied" "$e"
result 'verify: a command that cannot be run: status 1, why' $? "$o" "$e"
run verify --json -- sh -c 'exit 7'
[ "$st" = 3 ] && json '.verdict == "none" and .target.exit_status == 7 and .target.signal == null
	and .target.ended and (.verdict_reason | startswith("nothing is promised"))'
result 'verify: nothing promised is status 3, and says so; the command has its own status' $? "$o" "$e"
run verify --json -- sh -c 'kill -KILL $$'
json '.target.signal == 9 and .target.exit_status == null'
result 'verify: a command that was killed' $? "$o" "$e"
run verify -- sh -c 'kill -KILL $$'
grep -q '^Command:  sh (process [0-9]*), killed by SIGKILL' "$o"
result 'verify: the same as text' $? "$o" "$e"

# one CPU more is needed than a pin takes, or nothing is pinned
if [ "$(nproc)" -lt 2 ]; then
	skip 'verify: pinned threads' 'one CPU only'
else
	second=$(taskset -cp $$ | sed 's/.*: //; s/.*[-,]//')
	busy "$first"
	run verify -p "$child" --duration 1 --json
	[ "$st" = 0 ] || [ "$st" = 3 ]
	result 'verify: a pinned child: held, or unverified' $? "$o" "$e"
	json '.promises.threads == 1 and .promises.said_by == "kernel" and (.target.ended | not)'
	result 'verify: its affinity was taken for a promise' $? "$o" "$e"
	json "if $st == 0 then .verdict == \"held\" else .verdict == \"unverified\" and
		([.guarantees[].reason] | all(length > 0)) end"
	result 'verify: the verdict fits the status, and unverified has its reason' $? "$o"
	if [ "$(id -u)" = 0 ] && [ "$bpf" = true ]; then
		[ "$st" = 0 ] && json '.sampler | not'
		result 'verify as root is no sampler, and held' $? "$o" "$e"
	else
		json '.sampler and .verdict == "unverified"'
		result 'verify without BPF is a sampler, and unverified' $? "$o" "$e"
	fi
	run verify -p "$child" --duration 0.5 --rung polling
	[ "$st" = 3 ] && grep -q '^Sampler: ' "$o"
	result 'verify kept below BPF: status 3, says sampler' $? "$o" "$e"

	"$tool" verify -p "$child" --json >"$o" 2>"$e" </dev/null &
	watcher=$!
	sleep 1
	taskset -cp "$second" "$child" >/dev/null
	sleep 1
	kill -TERM "$watcher"
	wait "$watcher"
	st=$?
	[ "$st" = 1 ] && json '.verdict == "violated"'
	result 'verify: pinned elsewhere from outside: status 1' $? "$o" "$e"
	grep -q '^numaperf verify: violated: ' "$e"
	result 'verify: the violation is printed when it comes' $? "$e"
	if [ "$(id -u)" = 0 ] && [ "$bpf" = true ]; then
		json '[.guarantees[].reason // ""] | any(test("taskset"))'
		result 'verify: the evidence names who did it' $? "$o" "$e"
	fi
	run verify -p "$child" -d 0.3 --cpus "$first" -q --json
	[ "$st" = 1 ] && [ ! -s "$e" ] && json '.promises.said_by == "options"'
	result 'verify: --cpus that do not hold from the start; -q is silent' $? "$o" "$e"
	run verify -p "$child" -d 0.3 --json
	json '.promises.threads == 1 and .verdict != "violated"'
	result 'verify: the new place is the promise of a new watch' $? "$o" "$e"
	(sleep 0.5 && kill -KILL "$child") &
	run verify -p "$child" --json
	json '.target.ended and .promises.threads == 1'
	result 'verify: a process that ends has its report' $? "$o" "$e"
	wait

	# pins of a command, made after its start
	run verify --json -- taskset -c "$first" sh -c 'sleep 0.6; exit 4'
	[ "$st" != 1 ] && json '.promises.threads >= 1 and .target.exit_status == 4'
	result 'verify -- COMMAND: a pin that it makes is held' $? "$o" "$e"
	run verify -d 0.3 --json -- sh -c 'echo $$ >"$0"; exec sleep 2' "$work/pid"
	json '.target.ended | not' && kill "$(cat "$work/pid")"
	result 'verify -- COMMAND: left running when the time is up' $? "$o" "$e"

	if [ "$(id -u)" = 0 ]; then
		as_nobody verify --json -- taskset -c "$first" sleep 0.6
		[ "$st" = 3 ] && json '.sampler and .verdict == "unverified"'
		result 'verify without privilege: status 3, a sampler' $? "$o" "$e"
		as_nobody verify -- taskset -c "$first" sleep 0.6
		[ "$st" = 3 ] && grep -q '^Sampler:  no BPF program is attached' "$o"
		result 'verify without privilege: the text says so' $? "$o" "$e"
		as_nobody verify -p $$ -d 0.2
		[ "$st" = 1 ] && grep -q 'may not be read.*CAP_SYS_PTRACE' "$e"
		result "verify without privilege: another user's process: status 1, the remedy" $? \
			"$o" "$e"
	fi
fi
if numactl -m 0 true 2>/dev/null; then
	run verify --json -- numactl -m 0 sleep 0.6
	[ "$st" != 1 ] && json '.promises.ranges >= 1'
	result 'verify: memory that is bound is held' $? "$o" "$e"
	run verify --json -- sleep 0.6
	json '.promises.ranges == 0'
	result 'verify: memory that is not bound promises nothing' $? "$o" "$e"
else
	skip 'verify: bound memory' 'numactl cannot bind here'
fi

# ---- demo ----

run demo
[ "$st" = 0 ] && [ "$(tail -n 1 "$o")" = 'Completed: 100 tasks' ] && [ ! -s "$e" ] &&
	grep -q '^Mode: ' "$o"
result 'the demo ends with "Completed: 100 tasks"' $? "$o" "$e"
[ "$(awk '/^Executor/ { t = 1; getline; next } t && NF == 0 { exit } t { n += $4 } END { print n }' \
	"$o")" = 100 ]
result 'the tasks of its table are 100' $? "$o"
for policy in LocalOnly LocalThenSocketThenRemote Any; do
	run demo --policy "$policy" --mode soft
	[ "$st" = 0 ] && grep -q "steal policy $policy$" "$o" && grep -q '^Mode: soft' "$o" &&
		[ "$(tail -n 1 "$o")" = 'Completed: 100 tasks' ]
	result "the demo with $policy in soft mode" $? "$o" "$e"
	[ "$policy" = LocalOnly ] || continue
	grep -q 'task ratio: 100 of 100' "$o"
	result 'LocalOnly: every task ran at home' $? "$o"
done

# ---- outputs that do not work ----

for verb in 'topology --json' topology check demo 'probe --json' 'verify -- true' --help --version; do
	# shellcheck disable=SC2086
	"$tool" $verb >&- 2>"$e" </dev/null
	[ $? = 1 ] && grep -q 'cannot write to standard output' "$e"
	result "$verb, standard output closed: status 1, said" $? "$e"
	# shellcheck disable=SC2086
	"$tool" $verb >/dev/full 2>"$e" </dev/null
	[ $? = 1 ] && grep -q 'No space left' "$e"
	result "$verb, disk full: status 1, said" $? "$e"
done
"$tool" topology <&- >"$o" 2>&- && [ -s "$o" ]
result 'standard input and error closed: works' $? "$o"
python3 - "$tool" <<'PY' >"$o" 2>&1
import os, signal, subprocess, sys
# a reader that is gone: with SIGPIPE ignored an error, with the default its signal
for ignore, want in ((True, 1), (False, -signal.SIGPIPE)):
    r, w = os.pipe()
    os.close(r)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignore else signal.SIG_DFL)
    p = subprocess.run([sys.argv[1], "topology", "--json"], stdout=w, stderr=subprocess.PIPE,
                       restore_signals=False)
    os.close(w)
    print(ignore, p.returncode, p.stderr)
    if p.returncode != want or (ignore and b"Broken pipe" not in p.stderr):
        sys.exit(1)
PY
result 'a reader that is gone: an error, or SIGPIPE' $? "$o"

# ---- man pages ----

for page in lib/man/*.[0-9]; do
	mandoc -Tlint -Wwarning "$page" >"$o" 2>&1 && [ ! -s "$o" ]
	result "$(basename "$page"): mandoc has no complaint" $? "$o"
done
run --help
for verb in $(awk '/^Verbs:/ { v = 1; next } v && NF == 0 { exit } v { print $1 }' "$o"); do
	"$tool" "$verb" --help | grep -oE -e '--[a-z]+' | sort -u | while read -r option; do
		page lib/man/numaperf.1 | grep -qF -e "$option" || echo "$option"
	done >"$work/undocumented"
	page lib/man/numaperf.1 | grep -q "numaperf $verb" &&
		[ ! -s "$work/undocumented" ]
	result "numaperf(1) has $verb and its options" $? "$work/undocumented"
done
sed -n 's/^\t\(numaperf_[a-z0-9_]*\);$/\1/p' lib/libnumaperf.map | while read -r symbol; do
	cat lib/man/*.3 | grep -qw -e "$symbol" || echo "$symbol"
done >"$work/undocumented"
[ -s lib/libnumaperf.map ] && [ ! -s "$work/undocumented" ]
result 'every exported function is in a page of section 3' $? "$work/undocumented"

tap_done
