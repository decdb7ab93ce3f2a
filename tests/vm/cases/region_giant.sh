# SPDX-License-Identifier: MIT
# A huge page of 1 GiB, of which node 1 has one and node 0 has none.
. "$NP_LIB"
facts=$NP_BUILD/tests/vm/region_facts
folder=hugepages-1048576kB
fact() { printf '%s\n' "$got" | sed -n "s/^$1=//p"; }
free() { cat "/sys/devices/system/node/node$1/hugepages/$folder/free_hugepages"; }

set_balancing 0
t_is 'node 1 has one, node 0 has none' "$(free 0) $(free 1)" '0 1'
export NP_HUGE=1048576
got=$("$facts" bind 1 100 strict)
t_is 'strict on node 1: all of it' "$(fact pages)" 1:262144
t_is 'strict on node 1: proved, and it holds' "$(fact enforcement) $(fact check)" 'strict 0'
t_is 'strict on node 1: the kernel has one page of it there' "$(fact kernel)" 1:1
t_is 'afterwards it is there again' "$(free 1)" 1
t_refused 'strict on node 0: the error names node, size, free and wanted' 1 \
	'refused hugepages: .*node 0 .*0 .*1048576 KiB' "$facts" bind 0 100 strict
t_refused 'strict, two of them: refused' 1 'refused hugepages: .*node 1 .*1 .*1048576 KiB' "$facts" bind 1 1500000 strict
kills=$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)
got=$("$facts" bind 0 100 soft touch)
t_is 'soft on node 0: it comes from elsewhere, or base pages take its place' "$(fact absent)" 0
t_is 'nobody was killed' "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" "$kills"
t_done
