#!/bin/bash
# SPDX-License-Identifier: MIT
# numaperf-top from outside: the command line, batch output, screens against golden ones, the endpoint scraped by
# a real Prometheus, the page in a real browser, capabilities, processes that come and go. TAP.
#
#	tests/screen/run.sh [--renew]		--renew: writes the golden screens anew
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tools/tap.sh
renew=${1:-}

out=$(realpath "${O:-build}")
top=$out/bin/numaperf-top
here=tests/screen
recording=$here/2x2.nptop
golden=$here/golden
work=$(mktemp -d "${TMPDIR:-/tmp}/numaperf-screen.XXXXXX") || exit 1
socket=$work/tmux
pids=
tm() { tmux -f /dev/null -S "$socket" "$@"; }
# terminal WIDTH HEIGHT COMMAND: in a server of its own; one that ends takes its time to go
terminal() {
	tm kill-server 2>/dev/null
	socket=$(mktemp -u "$work/tmux.XXXXXX")
	TERM=screen-256color tm new-session -d -x "$1" -y "$2" "$3"
}
trap 'tm kill-server 2>/dev/null; for p in $pids; do kill -9 $p; wait $p; done 2>/dev/null; rm -rf "$work"' EXIT
o=$work/out
e=$work/err
export LC_ALL=C.UTF-8 TZ=UTC
unset NO_COLOR

run() {
	timeout 60 "$top" "$@" >"$o" 2>"$e" </dev/null
	st=$?
}
python() { /usr/bin/python3 "$@"; }

# ---- the command line ----

run --help
[ $st = 0 ] && grep -q '^Usage: numaperf-top' "$o" && [ ! -s "$e" ]
result '--help' $? "$o" "$e"
run --version
[ $st = 0 ] && grep -Eq '^numaperf-top [0-9.]+$' "$o"
result '--version' $? "$o" "$e"
misuse() { # what the message must hold, then the arguments
	word=$1
	shift
	run "$@"
	[ $st = 2 ] && [ ! -s "$o" ] && grep -qF -e "$word" "$e" && grep -q '^numaperf-top: ' "$e"
	result "misuse: numaperf-top $* is status 2, and says so" $? "$o" "$e"
}
misuse "'x' is no process id" -b -p x
misuse "'0' is no process id" -b -p 0
misuse 'is no delay' -b -d 0
misuse 'is no delay' -b -d nan
misuse 'is no node' -b --node -1
misuse 'is no rung' -b --rung best
misuse 'is no number of updates' -b -n 0
misuse 'unknown option --bogus' --bogus
misuse 'needs a value' -p
misuse 'unexpected argument' -b more
misuse 'needs --replay' --html x
misuse 'goes with neither' --replay x --record y
misuse 'shows what was recorded' --replay x -b -p 1
misuse 'one of them' -b -p 1 -c /
misuse 'no terminal'
failure() { # what the message must hold, then the arguments
	word=$1
	shift
	run "$@"
	[ $st = 1 ] && grep -qF -e "$word" "$e"
	result "failure: numaperf-top $* is status 1, and says so" $? "$o" "$e"
}
failure 'No such file' --replay /nowhere/x -b
failure 'no recording' --replay README.md -b
failure 'there is no process 4194303' -b -n 1 -p 4194303
failure 'cannot listen' -b -n 1 --openmetrics 203.0.113.1:9
echo precious >"$work/file"
failure 'is no recording' -b -n 1 --record "$work/file"
[ "$(cat "$work/file")" = precious ]
result 'and the file is as it was' $?
# the options of the manual and of the completions are those of --help
run --help
grep -oE -- '--[a-z-]+' "$o" | sort -u >"$work/options"
for f in lib/man/numaperf-top.1 tools/numaperf-top.bash tools/_numaperf-top; do
	while read -r opt; do
		case $f:$opt in *.1:--help | *.1:--version) continue ;; esac
		grep -qF -e "${opt#-}" "$f" || echo "$opt"
	done <"$work/options" >"$work/missing"
	[ ! -s "$work/missing" ]
	result "$f has every option" $? "$work/missing"
done
bash -n tools/numaperf-top.bash
result 'the completion is bash' $?

# ---- batch ----

run -b -n 3 -d 0.5 --json
[ $st = 0 ] && [ "$(wc -l <"$o")" = 3 ] && python -m json.tool --json-lines "$o" >/dev/null 2>"$e"
result 'JSON: a line an update' $? "$e"
jq -e 'select((.nodes | length > 0) and (.hooks.run_time | length > 0) and .lost == 0 and (.processes | length > 0)
	and (.nodes[0].mem_total > 0) and .interval_s > 0.3) | .time' "$o" >/dev/null
result 'JSON: what there must be' $? "$o"
run -b -n 2 -d 0.3 --csv
[ $st = 0 ] && python - "$o" <<-'PY'
	import csv, sys
	rows = list(csv.DictReader(open(sys.argv[1], newline='')))
	assert rows and all(None not in r and None not in r.values() for r in rows)
	assert all(float(r['time']) > 1e9 and int(r['pid']) > 0 and int(r['node']) >= 0 for r in rows)
PY
result 'CSV: a spreadsheet reads it' $? "$o" "$e"
run -b -n 1 -d 0.3
[ $st = 0 ] && grep -q '^NODE' "$o" && grep -q 'PID COMM' "$o"
result 'text for people' $? "$o" "$e"
run -b -n 1 -d 0.3 --json --node 0
[ $st = 0 ] && jq -e '.processes | length > 0' "$o" >/dev/null
result '--node' $? "$o" "$e"
sleep 30 &
sleeper=$!
pids="$pids $sleeper"
run -b -n 1 -d 0.3 --json -p $sleeper
[ $st = 0 ] && jq -e "[.processes[].pid] == [$sleeper] and .scope == \"process $sleeper\"" "$o" >/dev/null
result '-p: this process alone' $? "$o" "$e"
"$top" -b -n 100 -d 0.1 --json 2>"$e" | head -n 1 >"$o"
[ "${PIPESTATUS[0]}" = 0 ] && [ ! -s "$e" ] && [ -s "$o" ]
result 'a reader that goes away is no error' $? "$e"
from=$(date +%s%N)
run -b -n 1 -d 0.1 --json
note "from the start to the first update of 0.1 s: $((($(date +%s%N) - from) / 1000000)) ms"

# ---- privileges ----

run -b -n 1 -d 0.3 --json --rung polling
[ $st = 0 ] && jq -e '.sampler and (.notes[0] | test("sampled")) and .hooks.faults == "absent" and
	.nodes[0].faults_remote == null' "$o" >/dev/null
result 'without programs: sampled, n/a is null, and it says so' $? "$o" "$e"
if [ "$(id -u)" = 0 ]; then
	cp "$top" "$work/top" && chmod 755 "$work" "$work/top"
	timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all \
		"$work/top" -b -n 1 -d 0.3 --json >"$o" 2>"$e"
	[ $? = 0 ] && jq -e '.sampler and (.notes | join(" ") | test("setcap|run as root"))' "$o" >/dev/null
	result 'nobody gets what nobody may have, and the command for the rest' $? "$o" "$e"
	# as the unit does it
	timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,+bpf,+perfmon,+sys_ptrace \
		--ambient-caps=-all,+bpf,+perfmon,+sys_ptrace --bounding-set=-all,+bpf,+perfmon,+sys_ptrace \
		"$work/top" -b -n 1 -d 0.3 --json >"$o" 2>"$e"
	[ $? = 0 ] && jq -e '.sampler == false and .hooks.run_time != "polling"' "$o" >/dev/null
	result 'the capabilities of the unit are enough' $? "$o" "$e"
	for drop in '' --drop-all; do
		"$top" -b -d 0.2 $drop >/dev/null 2>"$e" &
		p=$!
		pids="$pids $p"
		sleep 2
		caps=$(cat /proc/$p/task/*/status | awk '/^CapEff/ { print $2 }' | sort -u)
		kill $p
		wait $p
		st=$?
		[ "$caps" = "$([ -n "$drop" ] && echo 0000000000000000 || echo 0000000000080000)" ] && [ $st = 0 ]
		result "capabilities that are left ${drop:-}: all but CAP_SYS_PTRACE${drop:+, and that} are dropped" $?
		note "$caps"
	done
fi

# ---- recordings ----

run -b -n 3 -d 0.3 --json --record "$work/r"
cp "$o" "$work/live"
run --replay "$work/r" --json
[ $st = 0 ] && cmp -s "$o" "$work/live"
result 'a recording replayed is what was live, byte for byte' $? "$e"
zstdcat "$work/r" 2>"$e" | jq -e . >/dev/null
result 'zstdcat | jq reads it' $? "$e"
head -c 9000 "$work/r" >"$work/half"
run --replay "$work/half" --json
[ $st = 0 ] || grep -q "$work/half" "$e"
result 'half of one: what there is, or why not' $? "$e"

# ---- screens ----

# shot FILE SIZE KEYS... [-- OPTION...]: the screen after these keys, in a terminal of that size
shot() {
	file=$1 size=$2
	shift 2
	keys=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do keys="$keys $1" && shift; done
	[ $# = 0 ] || shift
	terminal "${size%x*}" "${size#*x}" \
		"'$top' --replay '$recording' --at 24 $* 2>'$e'; sleep 60"
	settle
	for k in $keys; do
		tm send-keys "$k"
		settle
	done
	tm capture-pane -p -N >"$file" 2>/dev/null
}
# until the screen stands still
settle() {
	was=
	for _ in $(seq 100); do
		sleep 0.1
		is=$(tm capture-pane -p 2>/dev/null | cksum)
		[ "$is" = "$was" ] && tm capture-pane -p | grep -q 'numaperf-top  ' && return
		was=$is
	done
}
gold() { # name, size, keys and options
	name=$1-$2
	shot "$o" "$2" "${@:3}"
	[ "$renew" != --renew ] || { mkdir -p $golden && sed 's/ *$//' "$o" >"$golden/$name"; }
	sed 's/ *$//' "$o" | diff "$golden/$name" - >"$work/diff" 2>&1
	result "screen $name" $? "$work/diff"
}
for size in 80x24 200x60; do
	gold overview $size 1
	gold processes $size 2
	gold tree $size 2 t K
	gold threads $size 2 / t o p _ p o o l Enter Enter
	gold regions $size 2 / t o p _ p o o l Enter r
	gold cgroups $size 5
	gold where $size 6
	gold events $size 7
	gold help $size h
done
gold filter 80x24 2 '\' p y t h Enter
gold sorted 80x24 2 '>' R
gold why 80x24 2 i
gold ascii 80x24 2 t -- --ascii
gold node 80x24 2 N 1 Enter
gold stepped 80x24 '[' 7
shot "$o" 80x24 2 t K -- --ascii
! LC_ALL=C grep -q '[^ -~]' "$o"
result '--ascii: nothing beyond ASCII' $? "$o"
# a terminal that is made smaller shows what a small one does
shot "$o" 200x60 2
tm resize-window -x 80 -y 24
settle
tm capture-pane -p | sed 's/ *$//' | diff "$golden/processes-80x24" - >"$work/diff"
result 'made smaller: no garbage' $? "$work/diff"
shot "$o" 40x10 1
result 'far too small: it stays' "$(grep -c 'numaperf-top' "$o" | sed 's/^1$/0/')" "$o"
# 39 and 49 are the terminal's own
colours() { tm capture-pane -p -e | sed 's|\x1b\[[34]9m||g' | grep -cE $'\033\\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])'; }
shot "$o" 80x24 1
[ "$(colours)" -gt 0 ]
result 'there are colours' $?
export NO_COLOR=1
shot "$o" 80x24 1
unset NO_COLOR
[ "$(colours)" = 0 ]
result 'NO_COLOR: there are none' $?
# 8 colours, and true ones: what a terminal cannot show is not asked of it
for term in linux xterm-256color xterm-direct; do
	terminal 80 24 "TERM=$term '$top' --replay '$recording' --at 24 2>'$e'; sleep 60"
	settle
	tm send-keys 1
	settle
	tm capture-pane -p -e >"$o"
	case $term in
	linux) grep -qE $'\033\\[([0-9]+;)*4[0-7]m' "$o" && ! grep -q '[34]8;[25]' "$o" ;;
	xterm-256color) grep -q '48;5;166' "$o" ;;
	*) grep -q '48;2;215;95;0' "$o" || grep -q '48:2' "$o" ;;
	esac
	result "colours of $term" $? "$o" "$e"
done
# the wheel and clicks, as a terminal sends them: \e[M, button, column, line
mouse() { # BUTTON COLUMN LINE
	tm send-keys -l "$(printf '\033[M')$(python -c 'import sys; print("".join(chr(int(n)) for n in sys.argv[1:]))' \
		$((32 + $1)) $((33 + $2)) $((33 + $3)))"
}
click() { # COLUMN LINE
	mouse 0 "$@"
	mouse 3 "$@"
	settle
}
shot "$o" 80x24 1
click 14 1
tm capture-pane -p | sed 's/ *$//' | diff "$golden/processes-80x24" - >"$work/diff"
result 'a click on a tab opens the screen' $? "$work/diff"
click 14 3
tm capture-pane -p >"$o"
tm send-keys i
settle
tm capture-pane -p | tail -n 1 | grep -q '^CPU%'
result 'a click on a title sorts by it' $? "$o"
shot "$o" 80x24 2
mouse 65 5 10
mouse 65 5 10
settle
tm send-keys Enter
settle
tm capture-pane -p | sed -n 5p >"$o"
! grep -q ' 203 ' "$o"
result 'the wheel moves' $? "$o"
shot "$o" 80x24 1
tm send-keys q
sleep 0.5
tm capture-pane -p >"$o"
! grep -q 'numaperf-top  ' "$o" && [ ! -s "$e" ]
result 'q gives the terminal back' $? "$o" "$e"
terminal 80 24 "TERM=nonsense '$top' --replay '$recording' 2>'$e'; sleep 5"
sleep 1
tm kill-server 2>/dev/null
grep -q "terminal 'nonsense' is not known" "$e"
result 'a terminal that is not known: says what to do' $? "$e"

# ---- the endpoint ----

port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$top" --openmetrics "127.0.0.1:$port" -d 0.5 >"$o" 2>"$e" </dev/null &
p=$!
pids="$pids $p"
for _ in $(seq 50); do
	curl -sf "http://127.0.0.1:$port/metrics" >"$work/metrics" && break
	sleep 0.2
done
promtool check metrics <"$work/metrics" >"$o" 2>&1
result 'promtool check metrics' $? "$o"
grep -q '^numaperf_hook_rung' "$work/metrics" && ! grep -qE 'pid=|comm=' "$work/metrics"
result 'no labels of processes' $? "$work/metrics"
cat >"$work/prometheus.yml" <<-YML
	global: { scrape_interval: 1s }
	scrape_configs:
	  - job_name: numaperf
	    static_configs: [ { targets: [ "127.0.0.1:$port" ] } ]
YML
prom=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
	--web.listen-address="127.0.0.1:$prom" >"$work/prom.log" 2>&1 &
pids="$pids $!"
query() { curl -s --retry 5 "http://127.0.0.1:$prom/api/v1/query" --data-urlencode "query=$1"; }
for _ in $(seq 60); do
	query 'count(numaperf_node_run_seconds_total)' | jq -e '.data.result[0].value[1] == "1"' >/dev/null 2>&1 && break
	sleep 0.5
done
query 'up{job="numaperf"}' | jq -e '.data.result[0].value[1] == "1"' >/dev/null
result 'Prometheus scrapes it' $? "$work/prom.log"
jq -r '.panels[].targets[].expr' tools/grafana.json | sed 's/\$instance/127.0.0.1:'"$port"'/g' |
	while read -r expr; do
		for _ in 1 2 3 4 5; do # it says "Service Unavailable" now and then
			answer=$(query "$expr")
			[ "${answer#"{"}" = "$answer" ] || break
			sleep 1
		done
		echo "$answer" | jq -e '.status == "success"' >/dev/null 2>&1 || echo "$expr: $answer"
	done >"$o"
[ ! -s "$o" ]
result 'every expression of the dashboard is one' $? "$o"
kill $p
wait $p
result 'and ends when told' $? "$e"
systemd-analyze security --offline=yes --threshold=20 tools/numaperf-top.service >"$o" 2>&1
result "the unit: $(tail -n 1 "$o" | grep -oE 'level for .*: [0-9.]+')" $? "$o"

# ---- pictures ----

browser() { # FILE OPTION...
	page=$1
	shift
	timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--user-data-dir="$work/chromium" "$@" "file://$page" 2>"$e"
}
# is it a PNG of this size, with so many colours at least?
drawn() { # FILE WIDTH HEIGHT COLOURS
	python - "$@" <<-'PY'
		import struct, sys, zlib
		data = open(sys.argv[1], 'rb').read()
		width, height = struct.unpack('>II', data[16:24])
		pixels, at = b'', 8
		while at < len(data):
		    length, kind = struct.unpack('>I4s', data[at:at + 8])
		    pixels += data[at + 8:at + 8 + length] if kind == b'IDAT' else b''
		    at += 12 + length
		assert (width, height) == (int(sys.argv[2]), int(sys.argv[3])), (width, height)
		raw = zlib.decompress(pixels)
		found = len(set(raw[i:i + 3] for i in range(0, len(raw) - 3, 997)))
		assert found >= int(sys.argv[4]), found
	PY
}
pictures=$out/results/screens
mkdir -p "$pictures"
picture() { # NAME KEYS...
	shot "$o" 110x30 "${@:2}"
	tm capture-pane -p -e | perl -p $here/plain.pl | aha --black --title "$1" |
		sed 's,<pre>,<pre style="margin:6px;font:15px/19px monospace;width:110ch;overflow:hidden">,' >"$work/$1.html"
	browser "$work/$1.html" --screenshot="$pictures/$1.png" --window-size=1010,584 >/dev/null &&
		drawn "$pictures/$1.png" 1010 584 8
	result "picture of screen $1" $? "$e"
	[ "$renew" != --renew ] || cp "$pictures/$1.png" tools/screens/
}
picture overview 1
picture processes 2
picture where 6
picture events 7

# ---- the page ----

run --replay $recording --html "$work/page.html"
[ $st = 0 ] && grep -q '</html>' "$work/page.html" && ! grep -q 'http' "$work/page.html"
result 'a page, with nothing from elsewhere' $? "$e"
browser "$work/page.html" --dump-dom >"$o"
[ "$(grep -o '<svg class="lines"' "$o" | wc -l)" = 6 ] && grep -q '<svg class="flame"' "$o" && grep -q 'id="heat"' "$o"
result 'a browser shows heat map, lines and flame graph' $? "$e"
browser "$work/page.html" --screenshot="$out/results/page.png" --window-size=1100,2400 >/dev/null &&
	drawn "$out/results/page.png" 1100 2400 20
result 'and draws it' $? "$e"

# ---- processes that come and go ----

"$top" -b -d 0.5 --json >"$work/churn" 2>"$e" </dev/null &
p=$!
pids="$pids $p"
sleep 2
# those that ended since the last update are shown: what that takes is had by now
for _ in $(seq 3000); do /bin/true; done
before=$(awk '/VmRSS/ { print $2 }' /proc/$p/status)
for _ in $(seq $([ -n "${NP_LONG:-}" ] && echo 20000 || echo 4000)); do /bin/true; done
sleep 30 &
sleep 0.7
kill -9 $!
wait $! 2>/dev/null
sleep 1.5
after=$(awk '/VmRSS/ { print $2 }' /proc/$p/status)
kill $p
wait $p
st=$?
[ $st = 0 ] && [ $((after - before)) -lt 2048 ] && jq -e -s '(map(.lost) | add) == 0 and length > 3' "$work/churn" >/dev/null
result "thousands of processes later: VmRSS $before kB, then $after kB" $? "$e"

tap_done
