# SPDX-License-Identifier: MIT
# Makes the recording that the golden screens are made of, in a guest; then the screens anew:
#	tests/vm/run.sh --kernel 6.12 --topology 2x2 tests/screen/record.sh |
#		sed -n 's/^#   nptop: //p' | base64 -d >tests/screen/2x2.nptop
#	tests/screen/run.sh --renew
# A container whose memory is bound to the other node, another beside it, a program that faults there with its
# symbols, and a strict pool that migratepages(8) and taskset(1) are used against.
. "$NP_LIB"
docker=docker-3f2a9c0de41b$(printf '7%.0s' $(seq 52)).scope
pod=libpod-c07fee5ad9e1$(printf 'b%.0s' $(seq 52)).scope
screen() { tmux -f /dev/null "$@"; }

mkdir -p $CG/system.slice $CG/machine.slice
cg_make system.slice/$docker
cg_make machine.slice/$pod
cat >/tmp/cache.py <<-PY
	import mmap, time
	page = bytes(4 << 20)
	while True:
	    with mmap.mmap(-1, len(page), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as cache:
	        cache.write(page)
	    time.sleep(0.2)
PY
cg_run system.slice/$docker numactl -C 0-1 -m 1 python3 /tmp/cache.py &
cg_run machine.slice/$pod nice stress-ng -q --vm 1 --vm-bytes 8M --vm-method zero-one --taskset 2,3 --temp-path /tmp &
"$NP_BUILD/tests/vm/top_pool" 90 >/tmp/pool &
until grep -q tid= /tmp/pool; do sleep 0.2; done
. /tmp/pool
screen new-session -d -x 200 -y 50 "$NP_BUILD/bin/numaperf-top --record /tmp/nptop 2>/tmp/top.err"
seen() { # a word on the screen, within half a minute
	i=0
	until screen capture-pane -p | grep -q "$1" || [ $i = 20 ]; do sleep 0.5; i=$((i + 1)); done
}
# seconds: 300
seen 'numaperf-top  '
sleep 4
screen send-keys 2 '\' "$pid" Enter r '\' BSpace BSpace BSpace BSpace BSpace Enter
seen 'bind:0'
sleep 3
migratepages "$pid" 0 1
sleep 2
taskset -p -c 2 "$tid" >/dev/null
sleep 6
screen capture-pane -p >/tmp/screen
screen send-keys q
while screen has-session 2>/dev/null; do sleep 0.1; done
t_is 'it said nothing' "$(cat /tmp/top.err)" ''
t_check 'it is a recording' "$NP_BUILD/bin/numaperf-top" --replay /tmp/nptop -b
t_note "$(cat /tmp/screen)"
t_note "$(base64 -w 100 /tmp/nptop | sed 's/^/nptop: /')"
t_done
