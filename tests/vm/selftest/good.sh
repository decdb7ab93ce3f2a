. "$NP_LIB"
cpu_off 1
t_is 'CPU 1 goes off' "$(cat /sys/devices/system/cpu/online)" 0
cpu_on 1
t_is 'and comes back' "$(cat /sys/devices/system/cpu/online)" 0-1
t_is 'nobody has the capability given, no other' \
	"$(as_nobody +sys_nice sh -c 'id -u; grep CapEff /proc/self/status' | tr -s '\n\t ' ' ')" \
	'65534 CapEff: 0000000000800000 '
t_is 'root without one capability' \
	"$(without sys_nice sh -c 'grep CapEff /proc/self/status' | grep -c '7fffff$')" 1
fill_node 0 65536
free=$(node_kb 0 MemFree)
t_check 'a node can be filled' test "$free" -lt 98304 -a "$free" -gt 16384
unfill_node 0
t_check 'and emptied' test "$(node_kb 0 MemFree)" -gt 131072
cpu_off 1
cg_make left 0 0
cg_run left sleep 1000 >/dev/null 2>&1 &
set_balancing 1
t_done
