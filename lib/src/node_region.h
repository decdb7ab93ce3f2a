/* SPDX-License-Identifier: MIT */
/* Rank 5: memory on one node that something is to be cut from. */
#ifndef NP_NODE_REGION_H
#define NP_NODE_REGION_H

#include <numaperf/region.h>
#include <numaperf/topology.h>

/*
 * A region bound to `node`, which must be online and have memory; policy and nodes of `opts`
 * are filled in here. 0, or a negative error with its record, in the name of `operation` as far
 * as it is not the region's.
 */
int np_node_region_create(struct numaperf_region **region, const struct numaperf_topology *topo,
			  int node, size_t size, struct numaperf_region_opts opts,
			  const char *operation);

#endif
