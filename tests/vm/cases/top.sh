# SPDX-License-Identifier: MIT
# numaperf-top beside programs that others wrote: what it counts against /proc/vmstat, numastat and numa_maps, and
# nobody is disturbed. And a strict worker pool that migratepages(8) and taskset(1) are used against: the violation
# is told, with cause and culprit, and is on the screen within a second.
# seconds: 900
. "$NP_LIB"
top=$NP_BUILD/bin/numaperf-top
pg=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
cd /tmp || exit 1
echo never >/sys/kernel/mm/transparent_hugepage/enabled # a page is a page to numastat, too

vmstat() { awk -v k="$1" '$1 == k { print $2 }' /proc/vmstat; }
numastat_of() { awk -v k="$2" '$1 == k { print $2 }' "/sys/devices/system/node/node$1/numastat"; }
ms() { echo $(($(date +%s%N) / 1000000)); }
near() { # name, ours, theirs: within one per cent, and not nothing
	if [ "$3" -gt 0 ] && [ $((($2 > $3 ? $2 - $3 : $3 - $2) * 100)) -le "$3" ]; then
		t_ok "$1: $2, theirs $3"
	else
		t_fail "$1" "ours $2, theirs $3" "$(tail -n 1 "/tmp/$what.jsonl" | cut -c 1-600)"
	fi
}
# sum EXPRESSION: over all updates of the last `beside`
sum() { jq -s "[.[] | $1] | add" "/tmp/$what.jsonl"; }

# beside NAME COMMAND...: runs it, and numaperf-top from before to after; with balancing=1 balancing is on meanwhile
balancing=0
beside() {
	what=$1
	shift
	$top -b --json -d 0.5 >"/tmp/$what.jsonl" 2>/tmp/top.err &
	t=$!
	until [ -s "/tmp/$what.jsonl" ]; do sleep 0.2; done
	hints=$(vmstat numa_hint_faults) hints_local=$(vmstat numa_hint_faults_local) moved=$(vmstat numa_pages_migrated)
	other=$(numastat_of 1 other_node)
	set_balancing $balancing
	t_check "$what runs as it would alone" timeout 100 "$@"
	set_balancing 0
	hints=$(($(vmstat numa_hint_faults) - hints)) moved=$(($(vmstat numa_pages_migrated) - moved))
	hints_local=$(($(vmstat numa_hint_faults_local) - hints_local))
	other=$(($(numastat_of 1 other_node) - other))
	sleep 1.2
	kill $t
	wait $t
	t_is "$what: numaperf-top says nothing, and ends when told" "$? $(cat /tmp/top.err)" '0 '
	t_is "$what: every line has all keys" "$(jq -c 'select(.time and .interval_s and .nodes and .matrix and .hooks and
		(.lost == 0) and (.processes | all(has("pid") and has("comm") and has("locality_ratio") and has("locality_basis")
		and has("run_time_ns") and has("faults_local") and has("faults_remote") and has("moves"))) | not)' \
		"/tmp/$what.jsonl" | head -c 300)" ''
}

# --- memory on the other node ---

beside dd numactl -C 0 -m 1 dd if=/dev/zero of=/dev/null bs=64M count=1
near 'dd with its buffer away: remote faults, numastat' "$(sum '.nodes[].faults_remote')" "$other"
near 'and of the process alone' "$(sum '.processes[] | select(.comm == "dd") | .faults_remote')" 16384
t_match 'its locality' "$(jq -c '.processes[] | select(.comm == "dd" and .faults_remote > 1000) | [.locality_basis,
	.locality_ratio < 0.02]' /tmp/dd.jsonl | head -n 1)" '\["fault",true\]'

# --- perf bench numa: balancing at work ---

balancing=1
for f in scan_delay_ms:10 scan_period_min_ms:50 scan_period_max_ms:100; do
	echo "${f#*:}" >"/sys/kernel/debug/sched/numa_balancing/${f%:*}"
done
beside perf perf bench numa mem -p 2 -t 1 -P 48 -s 8 -zZ0 -q
near 'perf bench numa: hinting faults, vmstat' "$(sum '.nodes[] | .hint_faults_local + .hint_faults_remote')" "$hints"
near 'local ones of them' "$(sum '.nodes[].hint_faults_local')" "$hints_local"
# few, where the kernel put most of them right at first: of those one per cent is nothing
[ "$moved" -lt 2000 ] || near 'pages that balancing moved, vmstat' "$(sum '.nodes[].pages_in')" "$moved"

# --- stress-ng, redis, PostgreSQL ---

balancing=0
beside stress-ng stress-ng --numa 2 -t 5 --temp-path /tmp
redis-server --port 7777 --save '' --daemonize yes >/dev/null 2>&1
balancing=1
beside redis redis-benchmark -p 7777 -n 10000 -q -t set,get
redis-cli -p 7777 shutdown nosave 2>/dev/null
[ "$hints" -lt 500 ] || near 'redis: hinting faults, vmstat' "$(sum '.nodes[] | .hint_faults_local + .hint_faults_remote')" "$hints"
t_isnt 'redis is seen with its run time' \
	"$(sum '.processes[] | select(.comm == "redis-server") | .run_time_ns | add')" null

mkdir -m 700 /tmp/pg
chown 65534:65534 /tmp/pg
$nobody "$pg/initdb" -D /tmp/pg -U pg -N >/tmp/pg.out 2>&1
$nobody "$pg/pg_ctl" -D /tmp/pg -o '-k /tmp -h "" -c fsync=off' -l /tmp/pg/log -w start >>/tmp/pg.out 2>&1
$nobody "$pg/pgbench" -i -s 1 -q -h /tmp -U pg postgres >>/tmp/pg.out 2>&1
beside pgbench $nobody "$pg/pgbench" -c 2 -T 6 -h /tmp -U pg postgres
[ "$hints" -lt 500 ] || near 'PostgreSQL: hinting faults, vmstat' "$(sum '.nodes[] | .hint_faults_local + .hint_faults_remote')" "$hints"
t_isnt 'its server processes are seen' \
	"$(jq -r '.processes[] | select(.comm == "postgres" and .faults_local > 0) | .pid' /tmp/pgbench.jsonl | sort -u | wc -l)" 0
$nobody "$pg/pg_ctl" -D /tmp/pg stop -m immediate >/dev/null 2>&1
[ "$(tail -n 1 /tmp/pg.out | grep -c done)" = 1 ] || t_note "$(cat /tmp/pg.out)"

# --- a strict pool, and who breaks it ---

tmux -f /dev/null new-session -d -x 160 -y 40 "$top --no-color 2>/tmp/top.err"
what=pool
$top -b --json -d 0.5 >/tmp/pool.jsonl 2>/tmp/top.err &
t=$!
"$NP_BUILD/tests/vm/top_pool" 60 >/tmp/pool &
pool=$!
until grep -q tid= /tmp/pool; do sleep 0.2; done
. /tmp/pool
mine() { jq -c ".processes[] | select(.pid == $pid)" /tmp/pool.jsonl | tail -n 1; }
i=0
until [ "$(mine | jq .promised)" = 5 ] || [ $i = 50 ]; do sleep 0.3; i=$((i + 1)); done
t_is 'its pins and its memory are found and held' "$(mine | jq .promised)" 5
sleep 5 # memory maps are read every two seconds
t_is 'the verdict' "$(tail -n 1 /tmp/pool.jsonl | jq -r .verdict)" held
# per node, in pages: numa_maps
maps=$(awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^N0=/) n += substr($i, 4) } END { print n }' /proc/$pid/numa_maps)
near 'its memory on node 0, numa_maps' "$(($(mine | jq '.resident["0"]') / 4096))" "$maps"

# on_screen WORD: until it is there; how many milliseconds that took. Not looked at all the time: the emulated CPUs share
# one of ours, and would be kept from what is waited for.
on_screen() {
	from=$(ms)
	until tmux capture-pane -p | grep -q "$1" || [ $(($(ms) - from)) -gt 5000 ]; do sleep 0.1; done
	echo $(($(ms) - from))
}
# a migration may be told in several parts
told() {
	jq -s -c "[.[].events[] | select(.pid == $pid)] | group_by([.kind, .cause, .actor, .tid])[] |
		[.[0].kind, .[0].cause, (map(.count) | add), .[0].actor, .[0].tid]" /tmp/pool.jsonl
}

tmux send-keys 7
sleep 0.5
migratepages "$pid" 0 1
late=$(on_screen 'page  .* migratepages')
if [ "$late" -le 1000 ]; then t_ok "migratepages is on the screen after $late ms"; else
	t_fail 'migratepages is on the screen within a second' "$late ms" "$(tmux capture-pane -p)"; fi
taskset -p -c 2 "$tid" >/dev/null
late=$(on_screen 'affinity  .* taskset')
if [ "$late" -le 1000 ]; then t_ok "taskset is on the screen after $late ms"; else
	t_fail 'taskset is on the screen within a second' "$late ms" "$(tmux capture-pane -p)"; fi
sleep 1.5
t_match 'the pages: how many, why, by whom' "$(told)" '\["page","migrate_pages",4096,"migratepages",0\]'
t_match 'the affinity' "$(told)" "\[\"affinity\",\"affinity\",1,\"taskset\",$tid\]"
t_match 'the move' "$(told)" "\[\"cpu\",\"affinity\",1,\"taskset\",$tid\]"
t_is 'and nothing else' "$(told | wc -l)" 3
t_is 'the verdict stays' "$(tail -n 1 /tmp/pool.jsonl | jq -r .verdict)" violated

# --- the screens, as they are here ---

for key in 1 2 5 6 7 8; do
	tmux send-keys $key
	sleep 1.2
	tmux capture-pane -p >/tmp/screen
	# its first line; a process of that name may stand further down
	t_is "screen $key is drawn" "$(head -n 1 /tmp/screen | grep -c '^numaperf-top  ') $(wc -l </tmp/screen)" '1 40'
	[ -z "${NP_SCREENS:-}" ] || t_note "$(cat /tmp/screen)"
done
tmux send-keys q
i=0
while tmux has-session 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
t_is 'q ends it' "$(tmux has-session 2>&1 | grep -c 'no server') $(cat /tmp/top.err)" '1 '
kill $t $pool
wait 2>/dev/null
t_done
