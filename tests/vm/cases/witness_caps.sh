# SPDX-License-Identifier: MIT
# Privileges: with CAP_BPF, CAP_PERFMON and CAP_SYS_NICE an unprivileged user has all that root has, on the same
# rungs; without them a sampler, which says why and what to do, and that does it; with every capability dropped
# the programs go on counting; and sysctls that are about others change nothing. (The deployment suite gives
# capabilities in every way there is, on this machine's kernel; here it is fentry.)
. "$NP_LIB"
all=+bpf,+perfmon,+sys_nice

# run CAPS keep|drop: as nobody; leaves its words for v
run() {
	what="nobody ${1:-without capabilities}, $2"
	as_nobody "$1" "$NP_BUILD/tests/vm/witness_caps" "$2" >/tmp/np-w 2>&1
	ran
}
ran() {
	t_is "$what: to its end" "$? $(tail -n 1 /tmp/np-w)" '0 end'
	[ "$(tail -n 1 /tmp/np-w)" = end ] || t_note "$(cat /tmp/np-w)"
}
v() { sed -n "s,^$1=,,p" /tmp/np-w; }
# is NAME KEY VALUE...
is() {
	name=$1 got='' want=''
	shift
	while [ $# -gt 1 ]; do
		got="$got $1=$(v "$1")" want="$want $1=$2"
		shift 2
	done
	t_is "$what: $name" "$got" "$want"
}
# what a witness sees of what the program does: both deeds, exactly, and who
witnessed() {
	is 'the programs watch' sampler 0 hook.run_time tp_btf hook.affinity fentry hook.page_moves fentry quiet "${1:-held}"
	is 'pages, all of them' page_count 64 page_cause move_pages page_from 0 page_to 1 page_rung fentry
	is 'the pin' affinity_count 1 affinity_rung fentry
	is 'the verdict' broken violated
}
sampled() {
	is 'it opens as a sampler' sampler 1 hook.run_time polling hook.affinity polling hook.page_moves polling
	t_match "$what: why" "$(v why.run_time)" 'not permitted'
	t_match "$what: what to do" "$(v remedy.run_time)" 'setcap cap_bpf,cap_perfmon,cap_sys_nice\+ep'
	is 'what lasts is found all the same' page_count 64 page_rung polling broken violated
}

# --- all three ---

run $all drop
is 'strict pin and executor' pin ok executor ok
is 'there were capabilities' before.np-caps 000000c000800000
is 'none is left' after.np-caps 0000000000000000 after.numaperf/mon 0000000000000000
witnessed

t_match 'nobody +bpf,+perfmon,+sys_nice: numaperf check' \
	"$(as_nobody $all "$NP_BUILD/bin/numaperf" check --json | jq -c '[.hard_mode, .missing]')" '^\[true,\[\]\]$'

# --- none, and what the remedy says ---

run '' keep
t_match "$what: no strict pin" "$(v pin)" '^refused permission: .*CAP_SYS_NICE'
t_match "$what: no strict executor" "$(v executor)" '^refused permission: .*CAP_SYS_NICE'
sampled
is 'it vouches for nothing' quiet unverified

program=/tmp/np-witness-caps
cp "$NP_BUILD/tests/vm/witness_caps" $program
remedy=$(v remedy.run_time | grep -oE 'setcap [^ ]+ PROGRAM')
t_check "the remedy is done: $remedy" sh -c "$(printf '%s' "$remedy" | sed "s,PROGRAM,$program,")"
what='nobody, after the remedy'
# not as_nobody: what is in no bounding set no file can give
setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all $program keep >/tmp/np-w 2>&1
ran
is 'strict pin and executor' pin ok executor ok
is 'capabilities stay where nobody asks for them to be dropped' after.np-caps 000000c000800000 \
	after.numaperf/mon 000000c000800000
witnessed
rm -f $program

# --- some ---

run +bpf,+perfmon keep
t_match "$what: no strict pin" "$(v pin)" '^refused permission: .*CAP_SYS_NICE'
witnessed
run +perfmon,+sys_nice keep
t_match "$what: no strict executor" "$(v executor)" '^refused permission: .*CAP_BPF'
sampled

# --- the tool, which drops what it has ---

child() { # of a shell in the background; waits for it
	i=0
	until pgrep -P "$1" || [ $i = 100 ]; do sleep 0.2; i=$((i + 1)); done
}
as_nobody '' taskset -c 0 sleep 60 &
watched=$(child $!)
verify() { as_nobody $all "$NP_BUILD/bin/numaperf" verify -p "$watched" --duration "$1" --json >/tmp/np-v 2>/tmp/np-e; }
until grep -q '^Cpus_allowed_list:.0$' "/proc/$watched/status"; do sleep 0.1; done
verify 2
t_is 'verify as nobody: held, witnessed' \
	"$? $(jq -c '[.verdict, .sampler, .hooks.affinity.rung]' /tmp/np-v) $(cat /tmp/np-e)" \
	'0 ["held",false,"fentry"] '
verify 60 &
shell=$!
tool=$(child $shell)
# its second thread is the monitor's, which has attached by then
until [ "$(ls "/proc/$tool/task" | wc -l)" = 2 ] || ! [ -d "/proc/$tool" ]; do sleep 0.2; done
sleep 2
t_is 'verify as nobody: no thread of it has a capability' \
	"$(sed -n 's/^CapEff:\t//p' /proc/"$tool"/task/*/status | sort | uniq -c | tr -s ' ')" ' 2 0000000000000000'
taskset -cp 1 "$watched" >/dev/null
kill -TERM "$tool"
wait $shell
t_is 'verify as nobody: violated, by whom' \
	"$? $(jq -c .verdict /tmp/np-v) $(grep -c 'by taskset (process' /tmp/np-e)" '1 "violated" 1'
kill "$watched"

# --- sysctls ---

rungs() { as_nobody "$1" "$NP_BUILD/bin/numaperf" probe --json | jq -c '.hooks | map_values(.rung)'; }
root=$("$NP_BUILD/bin/numaperf" probe --json | jq -c '.hooks | map_values(.rung)')
none=$(rungs '')
t_match 'probe as root: fentry' "$root" '"page_moves":"fentry"'
t_is 'probe as nobody without capabilities: nothing above polling' "$(printf '%s' "$none" | grep -cE 'fentry|tp_btf')" 0
t_is 'probe as nobody with them: as root' "$(rungs $all)" "$root"
sysctl -qw kernel.unprivileged_bpf_disabled=0
t_is 'unprivileged_bpf_disabled=0 gives nobody nothing' "$(rungs '')" "$none"
was=$(sysctl kernel.perf_event_paranoid kernel.kptr_restrict net.core.bpf_jit_harden | sed 's/ = /=/')
# 1 cannot be taken back before the guest ends
for set in kernel.unprivileged_bpf_disabled=2 kernel.perf_event_paranoid=3 kernel.kptr_restrict=2 \
	net.core.bpf_jit_harden=2 kernel.unprivileged_bpf_disabled=1; do
	t_check "$set" sysctl -w $set
done
t_is 'perf_event_paranoid=3, unprivileged_bpf_disabled=1 and hardening: as root with the three' "$(rungs $all)" "$root"
t_is 'and without them as before' "$(rungs '')" "$none"
run $all drop
witnessed
# the next case finds the machine as it was; hardening makes programs twice as large
# shellcheck disable=SC2086 # one word a setting
t_check 'the settings are as before' sysctl -qw $was
t_done
