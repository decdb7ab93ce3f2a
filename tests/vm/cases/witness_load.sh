# SPDX-License-Identifier: MIT
# The witness under load (witness_load.c): a thousand violations of mixed kinds, floods, and quiet minutes with a
# busy strict executor. NP_SEED repeats a run.
# seconds: 900, 1800 with NP_LONG
. "$NP_LIB"
load=$NP_BUILD/tests/vm/witness_load

t_tap "$load" fentry mixed 1000
t_tap "$load" fentry flood
t_tap "$load" tp_btf flood
t_tap "$load" fentry quiet "$([ -n "${NP_LONG:-}" ] && echo 600 || echo 60)"
t_done
