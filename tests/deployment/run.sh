#!/bin/bash
# SPDX-License-Identifier: MIT
# Every way of numaperf(7) to deploy hard mode, tried for real: root, file capabilities, ambient
# capabilities, a container's capabilities and seccomp profile, a user namespace, the sysctl for a run
# and for good, a cpuset; and the messages that its troubleshooting table promises.
# TAP on standard output. O is the output folder. Needs root; leaves the machine as it was.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh

if [ "$(id -u)" != 0 ]; then
	echo '1..0 # SKIP root is needed to give capabilities away'
	exit 0
fi

out=$(realpath "${O:-build}")
cache=$out/deployment
cc=${CC:-cc}
nobody=65534
sysctl=/proc/sys/kernel/numa_balancing
balancing=$(cat $sysctl 2>/dev/null)
cpuset=''

# ---- leave everything as it was, whatever ends this ----

stage=$(mktemp -d /tmp/numaperf-deploy.XXXXXX) || exit 1
restore() {
	trap - EXIT
	[ -z "$balancing" ] || echo "$balancing" >$sysctl
	[ -z "$cpuset" ] || rmdir "$cpuset" 2>/dev/null
	rm -rf "$stage"
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 755 "$stage"
o=$stage/out
seen=$stage/messages
: >"$seen"

# ---- programs: linked with the static library, so that one file is all there is to deploy ----

mkdir -p "$cache" "$stage/bin"
build() { # NAME SOURCE... -- LIBRARY...
	$cc -std=gnu11 -D_GNU_SOURCE -O1 -pthread -Ilib/include -o "$stage/bin/$1" "${@:2}" \
		2>"$o"
}
build probe tests/deployment/probe.c "$out/lib/libnumaperf.a" $(static_libs "$out") &&
	build hard_mode lib/examples/hard_mode.c "$out/lib/libnumaperf.a" $(static_libs "$out") &&
	build diagnostics lib/examples/diagnostics.c "$out/lib/libnumaperf.a" $(static_libs "$out") &&
	cp "$out/bin/numaperf" "$out/bin/numaperf-top" "$stage/bin/" &&
	build seccomp_run tests/deployment/seccomp_run.c -ljansson -lseccomp
result 'the programs to deploy are built' $? "$o"
[ "$tap_bad" = 0 ] || { tap_done; exit 1; }
PATH=$stage/bin:/usr/sbin:/sbin:$PATH
tests/deployment/profiles.sh "$cache" >"$o" 2>&1
result "Docker's and Podman's default seccomp profiles are here" $? "$o"

# ---- words for the tests below ----

# go COMMAND...: output of both kinds in $o, status in $st; what was refused is remembered
go() {
	"$@" >"$o" 2>&1 </dev/null
	st=$?
	sed -n 's/^[a-z]* refused [a-z]*: //p' "$o" >>"$seen"
}

as_nobody() {
	setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps=-all "$@"
}

# says TEXT: whether it is in the output (one line, fixed text); lacks TEXT: whether not
says() {
	grep -qF -e "$1" "$o"
}
lacks() {
	! says "$1"
}

json() {
	jq -e "$1" "$o" >"$stage/jq" 2>&1
}

all_ok() { # pin, region and executor
	[ "$st" = 0 ] && [ "$(grep -cE '^(pin|region|executor) ok' "$o")" = 3 ]
}
all_refused() { # for REASON, with TEXT
	[ "$st" = 1 ] && [ "$(grep -cE "^(pin|region|executor) refused $1: .*$2" "$o")" = 3 ]
}

# The three things that can be had in every mode without any privilege and without a filter.
everyday() { # WHERE COMMAND...
	where=$1
	shift
	go "$@" probe soft
	all_ok
	result "$where: soft mode works" $? "$o"
	go "$@" probe strict-unwitnessed
	all_ok
	result "$where: strict-unwitnessed works" $? "$o"
	screen "$where" "$@"
	demo "$where" "$@"
}

# What is seen everywhere, and what is missing is said.
screen() { # WHERE COMMAND...
	where=$1
	shift
	go "$@" numaperf-top -b -n 1 -d 0.3 --json
	[ "$st" = 0 ] && json '(.nodes | length) > 0 and (.processes | length) > 0 and
		(.sampler == false or (.notes[0] | test("sampled: .*(run as root|setcap|CAP_BPF|BPF)")))'
	st=$?
	jq -c '{sampler, notes, hooks}' "$o" >"$stage/jq" 2>&1
	result "$where: numaperf-top shows what it may, and says what is missing" $st "$stage/jq"
}

demo() { # WHERE COMMAND...
	where=$1
	shift
	go "$@" numaperf demo
	[ "$st" = 0 ] && [ "$(tail -n 1 "$o")" = 'Completed: 100 tasks' ]
	result "$where: the demo completes" $? "$o"
}

# A place where hard mode is to be had.
hard() { # WHERE COMMAND...
	where=$1
	shift
	go "$@" numaperf check --json
	[ "$st" = 0 ] && json '.hard_mode and .missing == []'
	result "$where: check says that hard mode is available" $? "$o"
	screen "$where" "$@"
	go "$@" probe strict
	all_ok && says 'enforcement strict'
	result "$where: strict pin, memory and executor" $? "$o"
	go "$@" hard_mode
	[ "$st" = 0 ] && says 'Hard mode is SUPPORTED' && says 'strictly on node' &&
		says 'Running on a pinned worker' && lacks 'Falling back' && lacks refused
	result "$where: the example runs in hard mode" $? "$o"
	demo "$where" "$@"
	says 'Mode: strict ('
	result "$where: the demo is strict" $? "$o"
	# the privilege of hard mode is that of a witness
	go "$@" diagnostics
	if [ -n "${no_bpf:-}" ]; then
		[ "$st" = 0 ] && says 'Guarantees: unverified' && says 'by a seccomp filter' &&
			says 'a seccomp profile that allows bpf(2)'
		result "$where: the profile lets nobody bear witness, and the report says so" $? "$o"
	else
		[ "$st" = 0 ] && says 'Guarantees: held' && lacks 'no program watches'
		result "$where: the kernel bears witness, and the guarantees held" $? "$o"
	fi
}

# A place where it is not, for want of MISSING (a word of the check's list).
no_hard() { # WHERE MISSING COMMAND...
	where=$1 missing=$2
	shift 2
	go "$@" numaperf check --json
	[ "$st" = 1 ] && json ".hard_mode == false and any(.missing[]; contains(\"$missing\"))"
	result "$where: check misses $missing" $? "$o"
	go "$@" numaperf check
	[ "$st" = 1 ] && says '[MISSING]' && says 'remedy: ' && says "$missing"
	result "$where: check says so to people, with the remedy" $? "$o"
	go "$@" probe strict
	all_refused permission 'permission denied'
	result "$where: strict is refused with \"permission denied\"" $? "$o"
	go "$@" hard_mode
	[ "$st" = 0 ] && says 'Hard mode is NOT supported' && says 'permission denied' &&
		says 'Falling back to soft mode...' && says 'Running on a pinned worker'
	result "$where: the example falls back to soft mode" $? "$o"
	go "$@" diagnostics
	[ "$st" = 0 ] && says 'soft mode: ' && says 'Guarantees: none' && lacks 'Guarantees: held'
	result "$where: nothing is promised, and the report says so" $? "$o"
}

[ -z "$balancing" ] || echo 0 >$sysctl

# ---- root ----

hard 'root'

# ---- nothing at all ----

no_hard 'unprivileged user' CAP_SYS_NICE as_nobody
everyday 'unprivileged user' as_nobody

# ---- file capabilities ----

# grant CAPABILITIES: copies of the programs that have them
grant() {
	rm -rf "$stage/cap"
	mkdir "$stage/cap" && cp "$stage"/bin/{probe,hard_mode,diagnostics,numaperf} "$stage/cap/" &&
		for f in "$stage"/cap/*; do setcap "$1" "$f" || return 1; done
}
granted() { # the copies in place of the programs
	PATH=$stage/cap:$PATH as_nobody "$@"
}
if grant cap_sys_nice+ep 2>"$o"; then
	grant 'cap_sys_admin,cap_sys_nice+ep'
	getcap "$stage/cap/hard_mode" >"$o"
	says cap_sys_admin,cap_sys_nice=ep
	result 'setcap: getcap shows what was granted' $? "$o"
	hard 'setcap sys_admin,sys_nice' granted
	grant 'cap_bpf,cap_perfmon,cap_sys_nice+ep'
	hard 'setcap bpf,perfmon,sys_nice' granted
	grant 'cap_sys_nice+ep'
	no_hard 'setcap sys_nice alone' CAP_SYS_ADMIN granted
	grant 'cap_sys_admin+ep'
	no_hard 'setcap sys_admin alone' CAP_SYS_NICE granted
	grant 'cap_bpf,cap_sys_nice+ep'
	no_hard 'setcap bpf without perfmon' CAP_PERFMON granted

	# why the copies above are static: the loader trusts neither of these in such a program
	mkdir "$stage/dyn" && cp -a "$out"/lib/libnumaperf.so* "$stage/dyn/" &&
		$cc -std=gnu11 -D_GNU_SOURCE -Ilib/include -o "$stage/dyn/hard_mode" \
			lib/examples/hard_mode.c -L"$stage/dyn" -lnumaperf '-Wl,-rpath,$ORIGIN' &&
		setcap 'cap_sys_admin,cap_sys_nice+ep' "$stage/dyn/hard_mode"
	go as_nobody env LD_LIBRARY_PATH="$stage/dyn" "$stage/dyn/hard_mode"
	[ "$st" = 127 ] && says libnumaperf.so
	result 'setcap: LD_LIBRARY_PATH and an $ORIGIN run path are ignored' $? "$o"
	$cc -std=gnu11 -D_GNU_SOURCE -Ilib/include -o "$stage/dyn/hard_mode" \
		lib/examples/hard_mode.c -L"$stage/dyn" -lnumaperf -Wl,-rpath,"$stage/dyn" &&
		setcap 'cap_sys_admin,cap_sys_nice+ep' "$stage/dyn/hard_mode"
	go as_nobody "$stage/dyn/hard_mode"
	[ "$st" = 0 ] && says 'Hard mode is SUPPORTED' && lacks 'Falling back'
	result 'setcap: an absolute run path works' $? "$o"
else
	skip 'file capabilities' "setcap does not work in /tmp: $(head -n 1 "$o")"
fi

# ---- ambient capabilities: what systemd gives with AmbientCapabilities= ----

ambient() { # CAPABILITY,... COMMAND...: as the unit in numaperf(7) has it
	caps=+${1//,/,+}
	shift
	setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps="-all,$caps" \
		--ambient-caps="$caps" --bounding-set="-all,$caps" --no-new-privs "$@"
}
# the unit itself, from the page: the test runs with exactly its capabilities
unit=$(page lib/man/numaperf.7 | grep -E '^ *(AmbientCapabilities|CapabilityBoundingSet|NoNewPrivileges|User|DynamicUser)=[^ ]')
unit_caps=$(sed -n 's/^ *AmbientCapabilities=//p' <<<"$unit" | head -n 1 | tr 'A-Z ' 'a-z,' | sed 's/cap_//g')
[ "$(sed -n 's/^ *CapabilityBoundingSet=//p' <<<"$unit" | head -n 1)" = \
	"$(sed -n 's/^ *AmbientCapabilities=//p' <<<"$unit" | head -n 1)" ] && [ -n "$unit_caps" ]
result "numaperf(7)'s unit grants and bounds the same capabilities ($unit_caps)" $?
hard "ambient $unit_caps (the unit's)" ambient "$unit_caps"
hard 'ambient sys_admin,sys_nice' ambient sys_admin,sys_nice
no_hard 'ambient sys_nice alone' CAP_SYS_ADMIN ambient sys_nice
everyday 'ambient sys_nice alone' ambient sys_nice

# ---- containers: the runtime's capabilities and its default seccomp profile ----

docker_caps=CHOWN,DAC_OVERRIDE,FSETID,FOWNER,MKNOD,NET_RAW,SETGID,SETUID,SETFCAP,SETPCAP
docker_caps=$docker_caps,NET_BIND_SERVICE,SYS_CHROOT,KILL,AUDIT_WRITE
podman_caps=CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,NET_BIND_SERVICE,SETFCAP,SETGID,SETPCAP
podman_caps=$podman_caps,SETUID,SYS_CHROOT

container() { # RUNTIME MORE-CAPABILITIES USER COMMAND...
	caps=${1}_caps
	more=$2 profile=$cache/$1.json user=$3
	shift 3
	seccomp_run "$profile" "${!caps}${more:+,$more}" "$user" -- "$@"
}

# refuses NAME STATE ERRNO: of a feature in check --json
refuses() {
	json ".features.$1 | .usable == false and .state == \"$2\" and .error == \"$3\""
}
works() {
	json ".features.$1.usable"
}

if [ -s "$cache/docker.json" ]; then
	for user in 0 $nobody; do
		who="docker run, user $user"
		no_hard "$who" CAP_SYS_NICE container docker '' "$user"
		go container docker '' "$user" numaperf check --json
		json .seccomp && refuses mbind seccomp EPERM && refuses set_mempolicy seccomp EPERM &&
			refuses get_mempolicy seccomp EPERM && refuses move_pages seccomp EPERM &&
			refuses migrate_pages seccomp EPERM && works sched_setaffinity
		result "$who: check names the calls that the profile refuses" $? "$stage/jq" "$o"
		go container docker '' "$user" numaperf check
		says 'seccomp (EPERM)' && says '--cap-add SYS_NICE'
		result "$who: and what to do about them" $? "$o"
		go container docker '' "$user" probe soft
		all_ok && says 'enforcement none'
		result "$who: soft mode works, and owns up: enforcement none" $? "$o"
		go container docker '' "$user" probe strict-unwitnessed
		[ "$st" = 1 ] && grep -q '^pin ok' "$o" && grep -q '^executor ok' "$o" &&
			grep -q '^region refused seccomp: ' "$o"
		result "$who: strict-unwitnessed pins, and refuses memory because of seccomp" $? "$o"
		demo "$who" container docker '' "$user"
		says 'Mode: soft'
		result "$who: the demo is soft" $? "$o"
	done

	who='docker run --cap-add SYS_NICE'
	no_hard "$who" CAP_SYS_ADMIN container docker SYS_NICE 0
	go container docker SYS_NICE 0 numaperf check --json
	works mbind && works set_mempolicy && refuses move_pages seccomp EPERM
	result "$who: memory policy works, move_pages stays refused" $? "$stage/jq" "$o"
	everyday "$who" container docker SYS_NICE 0
	says 'Mode: strict-unwitnessed' && says numa_maps
	result "$who: the demo is strict-unwitnessed, proved by numa_maps" $? "$o"

	hard 'docker run --cap-add SYS_NICE --cap-add SYS_ADMIN' \
		container docker SYS_NICE,SYS_ADMIN 0
	who='docker run --cap-add SYS_NICE --cap-add BPF --cap-add PERFMON'
	# profiles of before 2022 allow bpf(2) with SYS_ADMIN only
	jq -e 'any(.syscalls[]; (.names | index("bpf")) and (.includes.caps // [] | index("CAP_BPF")))' \
		"$cache/docker.json" >/dev/null || no_bpf=1
	hard "$who" container docker SYS_NICE,BPF,PERFMON 0
	no_bpf=''
else
	skip "a container with Docker's profile" 'the profile could not be fetched'
fi

if [ -s "$cache/podman.json" ]; then
	who='podman run'
	no_hard "$who" CAP_SYS_NICE container podman '' 0
	go container podman '' 0 numaperf check --json
	json .seccomp && works mbind && refuses move_pages seccomp EPERM
	result "$who: memory policy works without SYS_NICE, move_pages does not" $? "$stage/jq" "$o"
	everyday "$who" container podman '' 0
	hard 'podman run --cap-add SYS_NICE --cap-add SYS_ADMIN' \
		container podman SYS_NICE,SYS_ADMIN 0
else
	skip "a container with Podman's profile" 'the profile could not be fetched'
fi

# ---- a user namespace: its root is not root ----

if unshare -Ur true 2>"$o"; then
	no_hard 'user namespace' CAP_SYS_NICE unshare -Ur
	go unshare -Ur numaperf check --json
	json '.user_namespace and .strict_memory_binding == false'
	result 'user namespace: check says that its capabilities do not count' $? "$stage/jq" "$o"
	everyday 'user namespace' unshare -Ur
else
	skip 'a user namespace' "unshare -U is refused: $(head -n 1 "$o")"
fi

# ---- kernel.numa_balancing ----

if [ -n "$balancing" ] && echo 1 2>/dev/null >$sysctl && [ "$(cat $sysctl)" = 1 ]; then
	go numaperf check --json
	[ "$st" = 1 ] && json '.numa_balancing_disabled == false and .strict_cpu_affinity and
		.strict_memory_binding and (.missing | length) == 1 and
		(.missing[0] | contains("numa_balancing"))'
	result 'balancing on: check misses that alone' $? "$o"
	go numaperf check
	[ "$st" = 1 ] && says 'kernel.numa_balancing=1' && says 'sysctl -w kernel.numa_balancing=0'
	result 'balancing on: check says how to switch it off' $? "$o"
	go probe strict
	all_refused balancing 'NUMA balancing is enabled'
	result 'balancing on: strict is refused with "NUMA balancing is enabled"' $? "$o"
	go hard_mode
	[ "$st" = 0 ] && says 'NUMA balancing is enabled' && says 'Falling back to soft mode...'
	result 'balancing on: the example falls back' $? "$o"
	everyday 'balancing on'
	says 'Mode: strict-unwitnessed' && says 'NUMA balancing is enabled'
	result 'balancing on: the demo says why it is not strict' $? "$o"
	go as_nobody numaperf check --json
	[ "$st" = 1 ] && json '.missing | length == 3'
	result 'balancing on, unprivileged: check lists all three' $? "$o"

	go sysctl -w kernel.numa_balancing=0
	[ "$st" = 0 ] && probe strict >"$o" 2>&1
	result 'for a run: sysctl -w, and strict works' $? "$o"

	echo 1 >$sysctl
	# the page's file for /etc/sysctl.d, applied as the boot does it
	page lib/man/numaperf.7 |
		grep -m 1 -oE '^ *kernel\.numa_balancing *= *0$' >"$stage/90-numaperf.conf"
	go sysctl -p "$stage/90-numaperf.conf"
	[ "$st" = 0 ] && [ "$(cat $sysctl)" = 0 ] && probe strict >"$o" 2>&1
	result 'for good: the file for /etc/sysctl.d, and strict works' $? "$o"
	echo 0 >$sysctl
else
	skip 'kernel.numa_balancing' 'this kernel has no such sysctl, or it cannot be set'
fi

# ---- affinity ----

possible=$(cat /sys/devices/system/cpu/possible)
absent=$((${possible##*[-,]} + 7))
go probe strict "0,$absent"
[ "$st" = 1 ] && grep -qE "^pin refused affinity: .*affinity not fully applied.*$absent" "$o"
result 'a CPU that does not exist: "affinity not fully applied", with its number' $? "$o"
go probe soft "0,$absent"
grep -q '^pin ok' "$o"
result 'the same in soft mode: what there is of it' $? "$o"

# the hierarchy of version 1, or of version 2 where that has the controller
online=$(cat /sys/devices/system/cpu/online)
last=${online##*[-,]}
if [ -d /sys/fs/cgroup/cpuset ] && mkdir /sys/fs/cgroup/cpuset/numaperf-test.$$ 2>"$o"; then
	cpuset=/sys/fs/cgroup/cpuset/numaperf-test.$$
	cat /sys/fs/cgroup/cpuset/cpuset.mems >"$cpuset/cpuset.mems"
elif grep -qw cpuset /sys/fs/cgroup/cgroup.controllers 2>/dev/null &&
	mkdir /sys/fs/cgroup/numaperf-test.$$ 2>"$o"; then
	cpuset=/sys/fs/cgroup/numaperf-test.$$
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
fi
if [ -n "$cpuset" ] && [ "$last" != 0 ] && echo 0 2>"$o" >"$cpuset/cpuset.cpus"; then
	inside() {
		# shellcheck disable=SC2016
		sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cpuset" "$@"
	}
	go inside numaperf check --json
	json '.cpus_allowed == "0" and .cpus_online != "0"'
	result 'cpuset: check says which CPUs are left' $? "$stage/jq" "$o"
	go inside numaperf check
	says 'CPUs allowed' && says "0 of $online"
	result 'cpuset: and says so to people' $? "$o"
	go inside probe strict "0,$last"
	grep -qE '^pin refused (affinity|cpuset): .*affinity not fully applied.*cpuset' "$o"
	result 'cpuset: a strict pin beyond it is refused, and it is named' $? "$o"
	go inside probe strict 0
	grep -q '^pin ok' "$o"
	result 'cpuset: a strict pin inside it works' $? "$o"
	go inside probe strict
	grep -qE '^executor refused (affinity|cpuset): .*affinity not fully applied' "$o"
	result 'cpuset: a strict executor is refused: its node is not whole' $? "$o"
	demo 'cpuset' inside
else
	skip 'a cpuset that leaves CPUs out' "no cpuset can be made, or there is one CPU: $(head -n 1 "$o")"
fi

# ---- what numaperf(7) promises ----

# The table's headings: each was provoked above, and nothing was refused that it does not have.
page lib/man/numaperf.7 -Owidth=400 |
	sed -n 's/^ *"\(Hard mode unavailable: [^"]*\)"$/\1/p' >"$stage/headings"
[ "$(wc -l <"$stage/headings")" -ge 3 ]
result 'the troubleshooting table is found in numaperf(7)' $? "$stage/headings"
while read -r heading; do
	case $heading in
	*balancing*) [ -n "$balancing" ] || continue ;;
	esac
	grep -qF -e "$heading" "$seen"
	result "provoked word for word: $heading" $? "$seen"
done <"$stage/headings"
grep -vF -f "$stage/headings" "$seen" | sort -u >"$o"
[ ! -s "$o" ]
result 'nothing was refused with a message that the table lacks' $? "$o"
# each point of its checklist has a line in what check prints
numaperf check >"$o" 2>&1
for point in 'NUMA hardware' 'kernel NUMA support' 'NUMA balancing off' 'strict memory binding' \
	'strict CPU affinity'; do
	grep -qF -e "] $point" "$o" && page lib/man/numaperf.7 | tr -s ' \n' ' ' |
		grep -qF -e "$point"
	result "checklist: $point" $? "$o"
done

tap_done
