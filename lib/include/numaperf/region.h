/* SPDX-License-Identifier: MIT */
/* Memory by policy: anonymous, private, page-aligned, zeroed; shared between threads by
 * reference. */
#ifndef NUMAPERF_REGION_H
#define NUMAPERF_REGION_H

#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <numaperf/placement.h>

#ifdef __cplusplus
extern "C" {
#endif

enum numaperf_prefault {
	NUMAPERF_PREFAULT_NONE = 0,	/* on first touch; in strict mode: TOUCH */
	NUMAPERF_PREFAULT_TOUCH = 1,	/* by the calling thread */
	NUMAPERF_PREFAULT_PARALLEL = 2, /* by threads pinned to the memory's nodes; a CPU-less
					   node is served by its nearest one with CPUs */
};

enum numaperf_thp {
	NUMAPERF_THP_DEFAULT = 0, /* as the system is set */
	NUMAPERF_THP_ON = 1,	  /* MADV_HUGEPAGE; the mapping is aligned to the huge page */
	NUMAPERF_THP_OFF = 2,	  /* MADV_NOHUGEPAGE */
};

struct numaperf_region_opts {
	size_t sz;
	enum numaperf_policy policy; /* LOCAL, BIND, PREFERRED or INTERLEAVE */
	enum numaperf_mode mode;
	enum numaperf_prefault prefault;
	enum numaperf_thp thp;
	struct numaperf_nodemask nodes; /* empty for LOCAL, not empty for the others */
};

struct numaperf_region;

/*
 * Maps `size` bytes (rounded up to whole pages; see numaperf_region_size()) under the policy.
 * NULL options: LOCAL, soft, no prefault. On success *region has one reference.
 *
 * Soft: nodes that do not exist, have no memory or are not allowed are left out as the kernel
 * leaves them out; the placement then shows requested and effective apart, and a warning is
 * logged. A refused policy call (seccomp) gives memory without policy: enforcement `none`. No
 * usable node at all is -EINVAL.
 *
 * Strict (BIND and INTERLEAVE; the others promise nothing and are -EINVAL): every page is
 * faulted in and proved to lie on `nodes`, for INTERLEAVE also evenly, before the call returns;
 * otherwise -NUMAPERF_EHARDMODE with reason PERMISSION, BALANCING, CPUSET (a node is missing,
 * without memory or not allowed), MEMORY (the nodes' budget: free memory above the watermarks,
 * the cgroup's memory.max), SECCOMP or UNSUPPORTED, and nothing is left mapped. What can be
 * known beforehand never ends in SIGKILL or SIGBUS.
 *
 * -EINVAL: size 0 or an option out of range; -E2BIG: options from a newer version; -ENOMEM.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_create(struct numaperf_region **region, size_t size,
		       const struct numaperf_region_opts *opts);

/* One more reference; returns `region`. */
NUMAPERF_API struct numaperf_region *numaperf_region_ref(struct numaperf_region *region);

/* Gives one reference back; the last one unmaps. NULL does nothing. After fork() the child has
 * copy-on-write copies of the pages and may unref them; the guarantee stays with the parent. */
NUMAPERF_API void numaperf_region_unref(struct numaperf_region *region);

/* First byte; page-aligned. Never NULL. */
NUMAPERF_API void *numaperf_region_data(const struct numaperf_region *region);

/* Bytes that are mapped and may be used: the size asked for, rounded up. */
NUMAPERF_API size_t numaperf_region_size(const struct numaperf_region *region);

/* Where its pages are now; as numaperf_placement_query(), with requested and enforcement. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_placement(const struct numaperf_region *region,
			  struct numaperf_placement *where);

/*
 * Whether the region still is where it was asked to be. 0: every present page is on its nodes
 * (strict: every page is present, too, or swapped out and back onto them). Otherwise
 * -NUMAPERF_EHARDMODE (strict) or -ESTALE (soft), reason MEMORY; the error says how many pages
 * are on which wrong node and the address of the first. -ENODATA: LOCAL or PREFERRED, which
 * promise nothing to check.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_check(const struct numaperf_region *region);

#ifdef __cplusplus
}
#endif

#endif
