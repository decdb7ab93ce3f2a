#!/bin/sh
# SPDX-License-Identifier: MIT
# Does the harness see what it must? TAP. First the reading of recorded streams, without a guest; then
# one guest with cases that fail each in its own way (`--no-guest` leaves that out).
set -u

here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0

report() { # 0 or 1, name
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=$((bad + 1)); fi
}

# parse NAME WANTED-STATUS WANTED-LINE: with $list, $console and $stream
parse() {
	printf "$list" >"$tmp/list"
	printf "$console" >"$tmp/console"
	printf "$stream" >"$tmp/tap"
	rc=0
	awk -v status="${vmrc:-0}" -v name=k/t -f "$here/tap.awk" "$tmp/list" "$tmp/console" "$tmp/tap" \
		>"$tmp/out" || rc=$?
	if [ $rc = "$2" ] && grep -Eq -- "$3" "$tmp/out"; then
		report 0 "$1"
	else
		report 1 "$1"
		echo "# status $rc, want $2; no line '$3' in:"
		sed 's/^/#   /' "$tmp/out"
	fi
}

list='a f\n' console='np-case: a\nnp-case: shutdown\n'
boot='@boot 6\n@case a\n' off='@off\n'
stream="${boot}ok - x\n@done 1\n@end a 0\n$off"
parse 'what passes passes' 0 '^ok 2 - a: x$'
parse 'and has a plan' 0 '^1\.\.3$'
stream="${boot}ok - x\r\n@done 1\r\n@end a 0\r\n$off"
parse 'a carriage return is no matter' 0 '^ok 2 - a: x$'
stream="${boot}ok - x # SKIP no reason\n@done 1\n@end a 0\n$off"
parse 'a skip stays a skip' 0 '^ok 2 - a: x # SKIP no reason$'
stream="${boot}not ok - x\n@done 1\n@end a 0\n$off"
parse 'a failure fails' 1 '^not ok 2 - a: x$'
stream="${boot}@done 0\n@end a 0\n$off"
parse 'no tests fails' 1 '^not ok .* a: has tests'
stream="${boot}ok - x\n@done 2\n@end a 0\n$off"
parse 'a lost line fails' 1 '^not ok .* a: every result arrives'
stream="${boot}ok - x\n@end a 0\n$off"
parse 'leaving early fails' 1 '^not ok .* a: reaches its end'
stream="${boot}ok - x\n@done 1\n@end a 3\n$off"
parse 'a status fails' 1 '^not ok .* a: reaches its end'
stream="${boot}ok - x\n@end a 124\n$off"
parse 'too late fails' 1 '^not ok .* a: ends in time'
vmrc=124 stream="${boot}ok - x\n"
parse 'a guest that stops inside fails' 1 '^not ok .* a: reaches its end'
parse 'and says that time was up' 1 'time is up'
vmrc=0 list='a f\nb g\n' stream="${boot}ok - x\n@done 1\n@end a 0\n"
parse 'a case never begun fails' 1 '^not ok .* b: runs'
parse 'a guest that does not end fails' 1 '^not ok .* the guest ends by itself'
list='a f\n' stream=''
parse 'no boot fails' 1 '^not ok 1 - k/t: the guest boots'
console=''
parse 'no boot and no console fails too' 1 '^not ok 1 - k/t: the guest boots'

stream="${boot}ok - x\n@done 1\n@end a 0\n$off"
for s in 'WARNING: CPU: 1 PID: 2 at kernel/x.c' 'BUG: kernel NULL pointer dereference' \
	'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks' 'INFO: task x:1 blocked for more than 120 seconds.' \
	'watchdog: BUG: soft lockup - CPU#0 stuck for 22s!' 'Kernel panic - not syncing: x' \
	'general protection fault, 0000' 'BUG: KASAN: use-after-free in x'; do
	console="np-case: a\n[ 1.0] $s\nnp-case: shutdown\n"
	parse "a splat fails: ${s%% *}" 1 '^not ok .* a: no kernel splat'
done
console='[ 1.0] WARNING: x\nnp-case: a\n'
parse 'a splat at boot is the boot'"'"'s' 1 '^not ok 1 - boot: no kernel splat'
console='np-case: a\nclocksource: timekeeping watchdog on CPU1: Marking clocksource tsc unstable\n'
parse 'a slow clock is no splat' 0 '^ok .* a: no kernel splat'

if [ "${1:-}" != --no-guest ]; then
	cases=''
	for c in good after slow fails silent dies leaves hangs splats panics unreached; do
		[ -f "$here/selftest/$c.sh" ] || echo '. "$NP_LIB"; t_ok x; t_done' >"$tmp/$c.sh"
		f=$here/selftest/$c.sh
		[ -f "$f" ] || f=$tmp/$c.sh
		cases="$cases $f"
	done
	"$here/run.sh" --kernel "${NP_KERNEL:-6.12}" --topology 1 --case-timeout 15 --timeout 200 $cases >"$tmp/out"
	report $((! $?)) 'the run as a whole fails'
	seen() { # name, expression
		rc=0
		grep -Eq -- "$2" "$tmp/out" || rc=1
		report $rc "$1"
	}
	seen 'a test that fails' '^not ok .* fails: this does not$'
	seen 'a command killed where a refusal was wanted' '^not ok .* fails: a command that is killed'
	seen 'its other test passes' '^ok .* fails: this holds$'
	seen 'a case without tests' '^not ok .* silent: has tests$'
	seen 'a case that dies' '^not ok .* dies: reaches its end$'
	seen 'a case that leaves early' '^not ok .* leaves: reaches its end$'
	seen 'a case that hangs' '^not ok .* hangs: ends in time$'
	seen 'one that may take longer' '^ok .* slow: slow$'
	seen 'a kernel splat' '^not ok .* splats: no kernel splat$'
	seen 'only in its own case' '^ok .* hangs: no kernel splat$'
	seen 'a panic' '^not ok .* panics: no kernel splat$'
	seen 'a panic ends the case' '^not ok .* panics: reaches its end$'
	seen 'a case after the panic' '^not ok .* unreached: runs$'
	seen 'a good case ran' '^ok .* good: a node can be filled$'
	seen 'and the next found a clean machine' '^ok .* after: the CPU is back$'
	rc=0
	! grep -E '^not ok .* (good|after|slow|boot):' "$tmp/out" || rc=1
	report $rc 'the good ones are good'
	[ $bad = 0 ] || sed 's/^/# /' "$tmp/out"
fi
echo "1..$n"
[ $bad = 0 ]
