# SPDX-License-Identifier: MIT
# Each thing that a kernel does to threads and pages is done on purpose (witness_watch.c): it must be told with its
# kind, cause, count, node, address, culprit and verdict, and nothing else must be (witness.expect). On each rung:
# the exact one, tracepoints only, no programs at all. What counts is held against /proc/vmstat and numastat, and
# against bpftrace run beside it.
# seconds: 900
. "$NP_LIB"
watch=$NP_BUILD/tests/vm/witness_watch
expect=$NP_SRC/tests/vm/cases/witness.expect
all=$(sed -n 's/^	{ "\([a-z-]*\)", .*/\1/p' "$NP_SRC/tests/vm/progs/witness_provoke.h")
pages='remote-fault huge-fault file-fault page-move foreign-move foreign-move-pages mbind-move move-and-back collapse ksm'

# Pages that other processes of the guest may have put on another node meanwhile. Node 2 of topology 4 has CPUs and no
# memory: whatever runs there takes the pages of another node.
most=32
[ "$NP_TOPOLOGY" = 4 ] && most=1000000

# provoke RUNG AWAY PROVOCATION...
provoke() {
	rung=$1 away=$2
	shift 2
	NP_AWAY=$away "$watch" "$rung" "$@" >/tmp/np-w 2>&1
	t_tap awk -v rung="$rung" -v away="$away" -v most=$most -v all="$*" \
		-f "$NP_SRC/tests/vm/expect.awk" "$expect" /tmp/np-w
	grep -q '^died=' /tmp/np-w && t_note "$(tail -n 60 /tmp/np-w)"
	return 0
}

for rung in fentry tp_btf polling; do
	# shellcheck disable=SC2086 # one word a provocation
	provoke $rung 1 $all
done
# node 3 of this topology is memory alone
if [ "$NP_TOPOLOGY" = 4 ]; then
	# shellcheck disable=SC2086
	provoke fentry 3 $pages
fi

# --- the rungs are those that were asked for ---

t_is 'tp_btf by force: nothing stands higher' \
	"$("$watch" tp_btf none | grep -c '^hook\..*=fentry')" 0
t_is 'no programs by force: nothing is watched in the kernel' \
	"$("$watch" polling none | grep -Ec '^hook\..*=(fentry|tp_btf)')" 0

# --- bpftrace beside it ---

# beside PROVOCATION SCRIPT: both count the same deed; leaves their words for w and b. OURS: the one who does it, from
# one reading of our figures to the other (its name says so): hints that were left take more pages along afterwards.
beside() {
	rm -f /tmp/np-in /tmp/np-bt
	mkfifo /tmp/np-in
	NP_BESIDE=1 "$watch" fentry "$1" </tmp/np-in >/tmp/np-w 2>&1 &
	program=$!
	exec 9>/tmp/np-in
	wait_for_lines 1 ready /tmp/np-w
	script=$(echo "$2" | sed "s/OURS/pid == $program \&\& @on/g")
	# it ends by itself: of a SIGINT that comes while it does not wait for events, 0.17 takes no notice
	bpftrace -q -e "BEGIN { @on = 0; printf(\"begun\\n\"); }
		tracepoint:task:task_rename /pid == $program && args->newcomm == \"np-counted\"/ { @on = 1; }
		tracepoint:task:task_rename /pid == $program && args->newcomm == \"np-witness\" && @on/ { exit(); }
		$script" >/tmp/np-bt 2>&1 &
	tracer=$!
	wait_for_lines 1 begun /tmp/np-bt
	echo >&9
	wait_for_lines 2 ready /tmp/np-w
	wait $tracer
	echo >&9
	exec 9>&-
	wait $program
	grep -q '^end=all' /tmp/np-w || t_note "$(cat /tmp/np-w)"
}
wait_for_lines() { # count, word, file
	i=0
	until [ "$(grep -c "^$2\$" "$3" 2>/dev/null)" -ge "$1" ] || [ $i = 600 ]; do sleep 0.1; i=$((i + 1)); done
}
# sums of our keys that match, and of bpftrace's
w() { grep -E "^$1=" /tmp/np-w | awk -F= '{ n += $2 } END { print n + 0 }'; }
b() { sed -n "s/^@$1: *//p" /tmp/np-bt | awk '{ n += $1 } END { print n + 0 }'; }
# name, ours, bpftrace's: within one per cent, and not nothing. With a fourth: ours of a window that holds bpftrace's,
# which holds that of the second. A page with a hint moves when it is touched, and taking a reading touches some.
near() {
	outer=${4:-$2}
	slack=$(($3 > 100 ? $3 : 100)) # one per cent, or one
	if [ "$3" -gt 0 ] && [ $((($2 - $3) * 100)) -le $slack ] && [ $((($3 - outer) * 100)) -le $slack ]; then
		t_ok "$1: $2${4:+ to $4}, bpftrace $3"
	else
		t_fail "$1" "ours $2${4:+ to $4}, bpftrace $3" "$(cat /tmp/np-bt)"
	fi
}

new_anon=folio_add_new_anon_rmap
grep -q " $new_anon\$" /proc/kallsyms || new_anon=page_add_new_anon_rmap

beside foreign-move-pages 'tracepoint:migrate:mm_migrate_pages /comm == "np-culprit"/ { @pages = sum(args->succeeded); }'
near 'pages that somebody else moves' "$(w 'flow\.[0-9]\.[0-9]\.pages\.move_pages')" "$(b pages)"

# Pages as they arrive in the address space: mm_migrate_pages counts all of a file's large folio, however little of it is
# mapped.
beside hinting "kprobe:task_numa_fault /OURS/ { @faults = count(); }
	tracepoint:migrate:mm_migrate_pages_start /OURS && args->reason == 5/ { @balancing[tid] = 1; }
	tracepoint:migrate:mm_migrate_pages /@balancing[tid]/ { delete(@balancing[tid]); }
	tracepoint:migrate:remove_migration_pte /@balancing[tid]/ { @moved = sum(1); }
	tracepoint:thp:remove_migration_pmd /@balancing[tid]/ { @moved = sum(512); }"
near 'hinting faults' "$(w 'cell\.[0-9]\.[0-9]\.hinting')" "$(b faults)" \
	"$(w 'outer\.cell\.[0-9]\.[0-9]\.hinting')"
near 'pages that balancing moves' "$(w 'flow\.[0-9]\.[0-9]\.pages\.NUMA-balancing')" "$(b moved)" \
	"$(w 'outer\.flow\.[0-9]\.[0-9]\.pages\.NUMA-balancing')"

beside many-faults "kprobe:$new_anon /OURS/ { @faults = count(); }"
near 'faults' "$(w 'thread\.faults_(local|remote)')" "$(b faults)"
near 'remote faults' "$(w 'thread\.faults_remote')" "$(b faults)"

beside load-balance \
	'tracepoint:sched:sched_migrate_task /@on && args->comm == "np-spin" && args->orig_cpu != args->dest_cpu/ { @moves = count(); }'
near "threads' moves" "$(w 'spin\.moves')" "$(b moves)" "$(w 'outer\.spin\.moves')"
t_done
