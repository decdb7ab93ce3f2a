/* SPDX-License-Identifier: MIT */
/* Rank 4: the inside of a region, shared by region.c (its life), region_prove.c (strict ones)
 * and region_fault.c (who touches the pages). */
#ifndef NP_REGION_H
#define NP_REGION_H

#include <numaperf/region.h>

#define NP_REGION_OPERATION "region creation"

struct numaperf_region {
	uint32_t refs;
	struct numaperf_region_opts opts; /* as asked for */
	struct numaperf_nodemask nodes;	  /* those of opts.nodes that may be used */
	void *data;
	size_t size;
	/* The mapping has a page without access on either side, so that the kernel never makes
	 * one mapping of ours and a neighbour: numa_maps counts whole mappings. */
	void *base;
	size_t length;
	bool policy_set; /* false: the kernel refused it (soft) */
	uint64_t guarantee;
};

static inline bool np_region_strict(const struct numaperf_region *r)
{
	return r->opts.mode != NUMAPERF_SOFT;
}

/* mbind(2) over the whole region by the kernel's mode. 0 or -errno. */
int np_region_mbind(struct numaperf_region *r, int mode, const struct numaperf_nodemask *nodes,
		    unsigned int flags);

/* PREFERRED of several nodes, or of the first where the kernel is too old. 0 or -errno. */
int np_region_mbind_preferred(struct numaperf_region *r, const struct numaperf_nodemask *nodes);

/* ---- region_fault.c ---- */

/* Faults every page in, by opts.prefault, under whatever policy the mapping has. 0 or an error
 * with its record. */
int np_region_fault(struct numaperf_region *r);

/* ---- region_prove.c ---- */

/* Before anything is touched: nodes, policy call, budget. 0 or an error with its record. */
int np_region_require(struct numaperf_region *r);

/* Faults in, binds and looks every page up. 0 or an error with its record. */
int np_region_prove(struct numaperf_region *r);

/* numaperf_region_check(), for regions with nodes to check against. */
int np_region_recheck(const struct numaperf_region *r);

#endif
