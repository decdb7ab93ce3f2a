// SPDX-License-Identifier: MIT
#include "node_region.h"

#include "base.h"

#include <errno.h>

static int check_node(const struct numaperf_topology *topo, int node, const char *operation)
{
	struct numaperf_nodemask nodes;

	numaperf_topology_online_nodes(topo, &nodes);
	if (node < 0 || !numaperf_nodemask_test(&nodes, node))
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "node %d is not online", node);
	numaperf_topology_memory_nodes(topo, &nodes);
	if (!numaperf_nodemask_test(&nodes, node))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "take one of numaperf_topology_memory_nodes()",
			       "node %d has no memory", node);
	return 0;
}

int np_node_region_create(struct numaperf_region **region, const struct numaperf_topology *topo,
			  int node, size_t size, struct numaperf_region_opts opts,
			  const char *operation)
{
	int err = check_node(topo, node, operation);

	if (err)
		return err;
	opts.sz = sizeof(opts);
	opts.policy = NUMAPERF_POLICY_BIND;
	opts.nodes = numaperf_nodemask_single(node);
	return numaperf_region_create(region, size, &opts);
}
