// SPDX-License-Identifier: MIT
/* The order of stealing, from packages and distances; ids decide nothing but turns. */
#include "victim.h"
#include "util.h"

#include <limits.h>

static int package_of(const struct numaperf_topology *topo, int node)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };

	return numaperf_topology_node_info(topo, node, &info) ? -1 : info.package;
}

static bool before(const struct np_victim *a, const struct np_victim *b)
{
	if (a->tier != b->tier)
		return a->tier < b->tier;
	return a->distance < b->distance;
}

size_t np_victim_order(const struct numaperf_topology *topo, int thief,
		       const struct numaperf_nodemask *among, struct np_victim *out)
{
	int package = package_of(topo, thief), first = numaperf_nodemask_next(among, thief);
	int node = first >= 0 ? first : numaperf_nodemask_first(among);
	unsigned int count = numaperf_nodemask_count(among);
	size_t n = 0;

	/* once round the set, beginning behind the thief; an insertion sort keeps the turn of
	 * equals, and this happens once a node at creation */
	for (unsigned int i = 0; i < count; i++) {
		struct np_victim v = { .node = node };
		size_t at = n;

		if (node != thief) {
			int distance = numaperf_topology_distance(topo, thief, node);

			v.distance = distance < 0 ? INT_MAX : distance;
			v.tier = package >= 0 && package_of(topo, node) == package
					 ? NP_TIER_SOCKET
					 : NP_TIER_REMOTE;
			for (; at && before(&v, &out[at - 1]); at--)
				out[at] = out[at - 1];
			out[at] = v;
			n++;
		}
		node = numaperf_nodemask_next(among, node);
		if (node < 0)
			node = numaperf_nodemask_first(among);
	}
	return n;
}
