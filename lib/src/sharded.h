/* SPDX-License-Identifier: MIT */
/* Rank 5: the inside of shards, for what is built on them. */
#ifndef NP_SHARDED_H
#define NP_SHARDED_H

#include "here.h"

#include <numaperf/region.h>
#include <numaperf/sharded.h>

struct np_shard {
	int node;
	void *data;
	struct numaperf_region *region;
};

struct numaperf_sharded {
	void **by_cpu; /* each CPU's shard */
	uint32_t cpus;
	unsigned int shards;
	size_t size;
	struct numaperf_topology *topo;
	struct numaperf_sharded_opts opts;
	struct np_shard shard[]; /* by ascending node */
};

static inline void *np_shard_here(const struct numaperf_sharded *s)
{
	return s->by_cpu[np_cpu_below(s->cpus)];
}

#endif
