/* SPDX-License-Identifier: MIT */
/* Rank 3: where pages are, asked without a change. */
#ifndef NP_PLACEMENT_H
#define NP_PLACEMENT_H

#include <numaperf/placement.h>

/* Of Linux 6.9 (include/uapi/linux/mempolicy.h); the headers may be older. */
#define NP_MPOL_WEIGHTED_INTERLEAVE 6

/* Pages that are on another node than the caller allows. */
struct np_stray {
	size_t pages;
	int node;	   /* of the first; -1: none */
	const void *first; /* NULL: none, or numa_maps, which has no addresses */
};

/*
 * Counts the pages of a mapped, page-aligned range into *where (whole, sz included; requested
 * left zero, enforcement by the effective policy) and, when `home` is not NULL, those outside
 * it into *stray. 0, or an error with its record.
 */
int np_placement_scan(const void *addr, size_t length, const struct numaperf_nodemask *home,
		      struct numaperf_placement *where, struct np_stray *stray);

/* The policy of the mapping at `addr`. 0 or -errno, without a record. */
int np_policy_read(const void *addr, enum numaperf_policy *policy,
		   struct numaperf_nodemask *nodes);

#endif
