# SPDX-License-Identifier: MIT
# Explicit huge pages: each node's reservation, what is refused, what takes their place.
. "$NP_LIB"

set_balancing 0
kills=$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)
t_tap "$NP_BUILD/tests/vm/region_huge"
t_is 'nobody was killed' "$(awk '$1 == "oom_kill" { print $2 }' /proc/vmstat)" "$kills"
t_done
