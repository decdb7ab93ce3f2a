# SPDX-License-Identifier: MIT
# For the cases: `. "$NP_LIB"` first, `t_done` last. One line a test: "ok - NAME" or "not ok - NAME";
# tap.awk numbers them and puts the case's name before.

t_count=0
CG=/sys/fs/cgroup

t_ok() { t_count=$((t_count + 1)); echo "ok - $1"; }
t_fail() { # name, detail...
	t_count=$((t_count + 1))
	echo "not ok - $1"
	shift
	[ $# = 0 ] || printf '%s\n' "$*"
}
t_skip() { t_count=$((t_count + 1)); echo "ok - $1 # SKIP ${2:?a skip needs its reason}"; }
t_note() { printf '%s\n' "$*"; }
t_done() { echo "@done $t_count"; exit 0; }

# t_check NAME COMMAND...: passes if the command does; its output is shown if not.
t_check() {
	t_name=$1
	shift
	if t_out=$("$@" 2>&1); then t_ok "$t_name"; else t_fail "$t_name" "status $?: $*" "$t_out"; fi
}

# t_refused NAME STATUS PATTERN COMMAND...: it must end with STATUS (never by a signal), saying PATTERN.
t_refused() {
	t_name=$1 t_want=$2 t_pat=$3
	shift 3
	t_rc=0
	t_out=$("$@" 2>&1) || t_rc=$?
	if [ $t_rc = "$t_want" ] && printf '%s\n' "$t_out" | grep -Eqi -- "$t_pat"; then
		t_ok "$t_name"
	else
		t_fail "$t_name" "status $t_rc, want $t_want, saying '$t_pat': $*" "$t_out"
	fi
}

t_is() { # name, got, wanted
	if [ "$2" = "$3" ]; then t_ok "$1"; else t_fail "$1" "got '$2', want '$3'"; fi
}
t_isnt() {
	if [ "$2" != "$3" ]; then t_ok "$1"; else t_fail "$1" "got '$2'"; fi
}
t_match() { # name, got, extended expression
	if printf '%s\n' "$2" | grep -Eqi -- "$3"; then t_ok "$1"; else t_fail "$1" "'$3' is not in: $2"; fi
}

# t_tap COMMAND...: a program that prints TAP itself; its tests become ours. Prefixing is tap.awk's.
t_tap() {
	"$@" >/tmp/np-tap 2>&1
	t_rc=$?
	sed -E 's/^(not )?ok( [0-9]+)?( -)? /\1ok - /; /^1\.\.[0-9]/d; /^TAP version/d' /tmp/np-tap
	t_n=$(grep -Ec '^(not )?ok ' /tmp/np-tap)
	t_count=$((t_count + t_n))
	if [ "$t_n" = 0 ] || { [ $t_rc != 0 ] && ! grep -q '^not ok' /tmp/np-tap; }; then
		t_fail "$(basename "$1") runs to its end" "status $t_rc, $t_n tests"
	fi
}

# --- the machine ---

set_balancing() { echo "${1:?}" >/proc/sys/kernel/numa_balancing; }
nodes_online() { cat /sys/devices/system/node/online; }
node_cpus() { cat "/sys/devices/system/node/node$1/cpulist"; }
node_kb() { awk -v f="$2:" '$3 == f { print $4 }' "/sys/devices/system/node/node$1/meminfo"; }
cpu_off() { echo 0 >"/sys/devices/system/cpu/cpu$1/online"; }
cpu_on() { echo 1 >"/sys/devices/system/cpu/cpu$1/online"; }

# cg_make NAME [CPUS [MEMS]]: a cgroup below the root; an empty string leaves the file alone.
cg_make() {
	mkdir -p "$CG/$1" || return
	[ -z "${2:-}" ] || echo "$2" >"$CG/$1/cpuset.cpus" || return
	[ -z "${3:-}" ] || echo "$3" >"$CG/$1/cpuset.mems"
}
# cg_run NAME COMMAND...
cg_run() {
	cg=$1
	shift
	sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CG/$cg" "$@"
}
cg_drop() {
	[ -d "$CG/$1" ] || return 0
	echo 1 >"$CG/$1/cgroup.kill" 2>/dev/null
	i=0
	until rmdir "$CG/$1" 2>/dev/null || [ $i = 50 ]; do sleep 0.1; i=$((i + 1)); done
}

# as_nobody CAPS COMMAND...: as uid 65534 with just these capabilities ('' for none; "+sys_nice,+bpf"),
# ambient, as a systemd unit would give them.
as_nobody() {
	caps=$1
	shift
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps "-all${caps:+,$caps}" \
		--ambient-caps "-all${caps:+,$caps}" --bounding-set "-all${caps:+,$caps}" "$@"
}
# without CAP COMMAND...: root, but for one capability ("sys_nice").
without() {
	cap=$1
	shift
	setpriv --bounding-set "-$cap" --inh-caps "-$cap" "$@"
}

# fill_node NODE LEAVE_KB: uses up a node's free memory but for LEAVE_KB, by a file in a tmpfs bound
# to it (which cannot be reclaimed without swap); unfill_node NODE gives it back.
fill_node() {
	mkdir -p "/run/fill$1"
	mount -t tmpfs -o "size=100%,mpol=bind:$1" fill "/run/fill$1" || return
	sync
	echo 3 >/proc/sys/vm/drop_caches
	fill_kb=$(($(node_kb "$1" MemFree) - $2))
	[ $fill_kb -le 0 ] || fallocate -l "${fill_kb}K" "/run/fill$1/x"
}
unfill_node() { umount "/run/fill$1" && rmdir "/run/fill$1"; }

# After every case, whatever it left: the next one starts on the same machine.
t_reset() {
	for d in "$CG"/*/; do cg_drop "$(basename "$d")"; done
	for c in /sys/devices/system/cpu/cpu[0-9]*/online; do echo 1 >"$c"; done
	for m in /run/fill*; do [ ! -d "$m" ] || unfill_node "${m#/run/fill}"; done
	set_balancing 0
}
