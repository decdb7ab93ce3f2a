# SPDX-License-Identifier: MIT
# What may move a strict region's pages is prevented, or found by the next look: KSM, a collapse, balancing, fork; and
# what becomes of regions when mbind and move_pages are filtered.
# seconds: 400
. "$NP_LIB"

set_balancing 0
t_tap "$NP_BUILD/tests/vm/region_disturb"
t_done
