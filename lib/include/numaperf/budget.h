/* SPDX-License-Identifier: MIT */
/* How much memory nodes can still give, before it is asked of them. */
#ifndef NUMAPERF_BUDGET_H
#define NUMAPERF_BUDGET_H

#include <numaperf/base.h>
#include <numaperf/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes, of a moment: others allocate, too. */
struct numaperf_budget {
	size_t sz;
	uint64_t free;	 /* free pages of the nodes */
	uint64_t usable; /* what an ordinary allocation gets of them: free pages above the high
			    watermarks and the zones' protection, and clean file cache
			    (/proc/zoneinfo) */
	uint64_t cgroup_left;  /* until the tightest memory limit of this process's cgroup and
				  its ancestors; UINT64_MAX: none */
	uint64_t cgroup_limit; /* that limit; UINT64_MAX: none */
	uint64_t fits;	       /* the smaller of usable and cgroup_left: up to that a strict
				  region on these nodes, bound, is not refused for want of memory */
	char cgroup[192];      /* whose limit it is; empty: none */
};

/*
 * For all of `nodes` together, in pages of `page_size`: 0 or the base page's size, or that of
 * explicit huge pages, of which only the reserved and free ones count, and no cgroup limit of
 * memory.max applies to them. -ENOENT: a node is not online; -EINVAL: no nodes, sz too small,
 * no such page size; -ENODATA: /proc or /sys cannot be read. Reads a few small files.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_budget_query(const struct numaperf_nodemask *nodes, size_t page_size,
		      struct numaperf_budget *budget);

/* Whether `bytes` fit there now. 0; -ENOMEM, reason MEMORY or HUGEPAGES: they do not, and the
 * error says what there is; else as numaperf_budget_query(). */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_budget_require(const struct numaperf_nodemask *nodes, size_t page_size,
			uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
