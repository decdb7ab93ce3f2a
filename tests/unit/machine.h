/* SPDX-License-Identifier: MIT */
/* For tests on this machine: its topology and a node with memory, for all tests of a group. */
#ifndef NP_TEST_MACHINE_H
#define NP_TEST_MACHINE_H

#include <numaperf/topology.h>

static struct numaperf_topology *topo;
static int node;

static int discover(void **state)
{
	struct numaperf_nodemask memory;

	(void)state;
	if (numaperf_topology_discover(&topo))
		return -1;
	numaperf_topology_memory_nodes(topo, &memory);
	node = numaperf_nodemask_first(&memory);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

#endif
