// SPDX-License-Identifier: MIT
/* Discovery of this machine beside hwloc's. */
#include "bench.h"

#include <hwloc.h>
#include <numaperf.h>

static void ours(unsigned int n)
{
	struct numaperf_topology *topo;

	while (n--) {
		if (numaperf_topology_discover(&topo))
			exit(1);
		numaperf_topology_unref(topo);
	}
}

static void hwloc(unsigned int n)
{
	hwloc_topology_t topo;

	while (n--) {
		if (hwloc_topology_init(&topo) || hwloc_topology_load(topo))
			exit(1);
		hwloc_topology_destroy(topo);
	}
}

int main(void)
{
	bench_pair("topology discovery", 5, "numaperf", ours, "hwloc", hwloc);
	return 0;
}
