. "$NP_LIB"
t_is 'the CPU is back' "$(cat /sys/devices/system/cpu/online)" 0-1
t_check 'the cgroup is gone' test ! -d $CG/left
t_is 'balancing is off' "$(cat /proc/sys/kernel/numa_balancing)" 0
t_done
