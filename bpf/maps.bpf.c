// SPDX-License-Identifier: MIT
/* The one definition of every map and variable, and the licence that the kernel asks for. */
#define NP_MAPS_HERE
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
