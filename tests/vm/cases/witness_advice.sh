# SPDX-License-Identifier: MIT
# Recommendations, taken at their word (witness_advice.c): the command of each finding is run as the report has
# it, and the finding must go, and nothing else with it.
#
# Findings without a command, because an option or the program's own code ends them: remote-faults, remote-tasks,
# no-witness, threads-lost, events-lost, and pages-moved where migratepages(8) would take away what belongs there.
# Not to be had here: pages-demoted (QEMU's nodes are all of one memory tier).
. "$NP_LIB"
huge=/sys/kernel/mm/transparent_hugepage/enabled
was=$(sed 's/.*\[\(.*\)\].*/\1/' $huge)

t_tap "$NP_BUILD/tests/vm/witness_advice" fentry
t_tap "$NP_BUILD/tests/vm/witness_advice" polling

# the next case finds the machine as it was
echo "$was" >$huge
echo 1 >/sys/kernel/mm/ksm/merge_across_nodes
t_done
