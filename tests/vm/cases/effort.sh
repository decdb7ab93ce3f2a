# SPDX-License-Identifier: MIT
# What the programs cost this kernel's verifier (tests/bpf/effort.sh). The lines for the record are shown, too.
. "$NP_LIB"
t_tap "$NP_SRC/tests/bpf/effort.sh"
[ -z "${NP_RECORD:-}" ] || t_note "$("$NP_SRC/tests/bpf/effort.sh" --record)"
t_done
