/* SPDX-License-Identifier: MIT */
/*
 * Where pages really are: asked of the kernel, without ever faulting a page in. Requested,
 * effective and actual placement are three things, kept apart: what the caller said, what
 * policy the kernel has recorded, where the pages lie.
 */
#ifndef NUMAPERF_PLACEMENT_H
#define NUMAPERF_PLACEMENT_H

#include <numaperf/base.h>
#include <numaperf/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

enum numaperf_policy {
	NUMAPERF_POLICY_LOCAL = 0,		 /* the node of the CPU that touches first */
	NUMAPERF_POLICY_BIND = 1,		 /* `nodes` and no other */
	NUMAPERF_POLICY_PREFERRED = 2,		 /* `nodes` first, then anywhere */
	NUMAPERF_POLICY_INTERLEAVE = 3,		 /* page by page round `nodes` */
	NUMAPERF_POLICY_WEIGHTED_INTERLEAVE = 4, /* by weight round `nodes` */
	/* Only ever reported: set by something else than this library. */
	NUMAPERF_POLICY_DEFAULT = 16,
	NUMAPERF_POLICY_OTHER = 17,
};

/* "local", "bind", "preferred", "interleave", "weighted-interleave", "default", "other"; static
 * storage. */
NUMAPERF_API const char *numaperf_policy_name(enum numaperf_policy policy);

enum numaperf_enforcement {
	NUMAPERF_ENFORCEMENT_NONE = 0,	      /* no policy is in force on the mapping itself:
						 none was set, or the call was refused */
	NUMAPERF_ENFORCEMENT_BEST_EFFORT = 1, /* the mapping has a policy (LOCAL is one, too),
						 and the kernel tries */
	NUMAPERF_ENFORCEMENT_STRICT = 2,      /* proved page by page when it was created */
};

/* "none", "best-effort", "strict"; static storage. */
NUMAPERF_API const char *numaperf_enforcement_name(enum numaperf_enforcement enforcement);

enum numaperf_placement_method {
	NUMAPERF_PLACEMENT_NONE = 0,
	NUMAPERF_PLACEMENT_MOVE_PAGES = 1, /* move_pages(2) with no target: page by page */
	NUMAPERF_PLACEMENT_NUMA_MAPS = 2,  /* /proc/self/numa_maps: sums of whole mappings */
};

/* "none", "move_pages", "numa_maps"; static storage. */
NUMAPERF_API const char *numaperf_placement_method_name(enum numaperf_placement_method method);

struct numaperf_placement {
	size_t sz;

	enum numaperf_enforcement enforcement;
	enum numaperf_placement_method method;
	size_t page_size;     /* bytes of one page counted here: always the base page; a huge
				 page counts as the base pages it consists of */
	size_t pages_total;   /* in the range; = on nodes + absent + busy + unknown */
	size_t pages_absent;  /* not faulted in, swapped out, or the shared zero page; on Linux
				 6.1 to 6.4 also what balancing has marked just now, unless
				 the range is a number of whole mappings, as a region is: then
				 numa_maps is asked as well */
	size_t pages_busy;    /* -EBUSY from move_pages; a page in the middle of a move usually
				 reads as absent */
	size_t pages_unknown; /* the kernel would not say: see `error` */
	int error;	      /* first errno behind pages_unknown; 0: none */
	int reserved;
	uint64_t time_ns; /* CLOCK_MONOTONIC when the query ended */

	enum numaperf_policy
		requested_policy; /* as the region was created; DEFAULT for a range */
	enum numaperf_policy effective_policy; /* as the kernel reports it for the first page;
						  OTHER: it would not say */
	struct numaperf_nodemask requested;    /* nodes asked for */
	struct numaperf_nodemask effective;    /* nodes the kernel has recorded */
	struct numaperf_nodemask actual;       /* nodes that hold at least one page */

	size_t pages_on_node[NUMAPERF_NODES_MAX]; /* by node id */
};

/*
 * The placement of any mapped range of this process: `addr` is rounded down and the end up to
 * whole pages. Fills min(where->sz, known) bytes. Falls back from move_pages to numa_maps when
 * the former is refused (seccomp), and says so in `method`; numa_maps counts whole mappings, so
 * a range that is not exactly a number of mappings is then -EOPNOTSUPP (regions of this library
 * always are one). -EINVAL: sz too small or an empty range; -EFAULT: part of the range is not
 * mapped. Exact at the time it was asked: the kernel may move pages during the query. Takes
 * some 0.1 microseconds a page and a few KiB of stack beside the result.
 *
 * Never faults a page in: get_mempolicy(MPOL_F_NODE | MPOL_F_ADDR) would.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_placement_query(const void *addr, size_t length,
							      struct numaperf_placement *where);

/* The same by samples, for ranges whose every page takes too long to ask (some 0.1 s a GiB). */
struct numaperf_estimate {
	size_t sz;
	enum numaperf_placement_method method; /* NUMA_MAPS: move_pages is refused, all were
						  counted */
	int error;			       /* first errno behind sampled_unknown; 0: none */
	size_t page_size;
	size_t pages_total;   /* in the range */
	size_t pages_sampled; /* = pages_total: all were looked at, and nothing is estimated */
	size_t sampled_absent;
	size_t sampled_busy;
	size_t sampled_unknown;
	uint64_t seed;	  /* the same range and seed look at the same pages */
	uint64_t time_ns; /* CLOCK_MONOTONIC when it ended */
	size_t sampled_on_node[NUMAPERF_NODES_MAX];
};

/*
 * Looks at `samples` pages at random, one of each of as many equal parts of the range; 1000
 * take some 0.2 ms and give shares to 3 in 100, 10000 to 1 in 100. Otherwise as
 * numaperf_placement_query(), which it becomes when there are no more pages than samples.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_placement_sample(const void *addr, size_t length, size_t samples,
			  struct numaperf_estimate *estimate);

/* A share of the range, 0 to 1, and between what it is in 95 of 100 cases (Wilson's interval).
 */
struct numaperf_share {
	double share;
	double low, high;
};

/* Of the pages on `node`; -1: of those that are absent. -EINVAL: no such node, no samples. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_estimate_share(const struct numaperf_estimate *estimate, int node,
			struct numaperf_share *share);

#ifdef __cplusplus
}
#endif

#endif
