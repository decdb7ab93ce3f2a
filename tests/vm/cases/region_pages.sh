# SPDX-License-Identifier: MIT
# Every policy page by page, growing, migrating, files, samples and budgets; a node that has no room left.
. "$NP_LIB"
pages=$NP_BUILD/tests/vm/region_pages

set_balancing 0
t_tap "$pages"
kills=$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)
fill_node 1 24576
t_tap "$pages" exhausted 1
unfill_node 1
t_is 'nobody was killed' "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" "$kills"
t_done
