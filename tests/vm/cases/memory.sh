# SPDX-License-Identifier: MIT
# Pools, shards and counters, each on its node; devices of a guest that has none on a node.
. "$NP_LIB"

set_balancing 0
t_tap "$NP_BUILD/tests/vm/memory_guest"
t_match 'example: buffer_pool' "$("$NP_BUILD/examples/buffer_pool")" "Total: $(set -- /sys/devices/system/node/has_memory
	tr ',' '\n' <"$1" | awk -F- '{ n += ($2 == "" ? $1 : $2) - $1 + 1 } END { print n }') operations"
t_match 'example: device_worker' "$("$NP_BUILD/examples/device_worker" lo)" 'lo +network +node -1'
t_done
