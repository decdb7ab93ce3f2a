/* SPDX-License-Identifier: MIT */
/* Rank 2: /proc/self/numa_maps, for where move_pages is refused; and what is swapped out. */
#ifndef NP_NUMA_MAPS_H
#define NP_NUMA_MAPS_H

#include <numaperf/placement.h>

struct np_numa_maps {
	enum numaperf_policy policy;	/* of the first mapping */
	struct numaperf_nodemask nodes; /* of that policy */
	size_t pages;			/* on nodes, in base pages */
	size_t pages_on_node[NUMAPERF_NODES_MAX];
};

/*
 * The mappings of [start, end) of this process, summed. 0 or -errno, without a record:
 * -EOPNOTSUPP when a mapping reaches beyond the range (it counts whole mappings only), -EFAULT
 * when there is a hole in it, -EIO when the two files contradict each other.
 */
int np_numa_maps_read(uint64_t start, uint64_t end, struct np_numa_maps *out);

/* The same from the texts of /proc/PID/maps (which knows the ends) and numa_maps. */
int np_numa_maps_parse(const char *maps, const char *numa_maps, uint64_t start, uint64_t end,
		       size_t page_size, struct np_numa_maps *out);

/* Bytes of exactly the mapping [start, end) that are swapped out, by /proc/self/smaps. 0 or
 * -errno, without a record; -EIO: there is no such mapping. And the same from the text. */
int np_smaps_swapped(uint64_t start, uint64_t end, uint64_t *bytes);
int np_smaps_parse_swapped(const char *smaps, uint64_t start, uint64_t end, uint64_t *bytes);

#endif
