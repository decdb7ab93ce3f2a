/* SPDX-License-Identifier: MIT */
/* Rank 5: in which order a node's workers look at other nodes. */
#ifndef NP_VICTIM_H
#define NP_VICTIM_H

#include <numaperf/topology.h>

enum np_tier {
	NP_TIER_HOME = 0,
	NP_TIER_SOCKET, /* another node of the same package */
	NP_TIER_REMOTE, /* a node of another package, or of none known */
};

struct np_victim {
	int node;
	enum np_tier tier;
	int distance; /* from the thief to it; INT_MAX: not known */
};

/*
 * The other nodes of `among` as the workers of `thief` see them: nodes of the same package
 * first, then by the distance that the kernel gives from the thief to them. Equals are taken in
 * turn, beginning behind the thief, so that not all thieves meet at the same one. Writes at
 * most numaperf_nodemask_count(among) entries; returns how many.
 */
size_t np_victim_order(const struct numaperf_topology *topo, int thief,
		       const struct numaperf_nodemask *among, struct np_victim *out);

#endif
