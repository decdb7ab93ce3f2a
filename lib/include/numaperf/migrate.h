/* SPDX-License-Identifier: MIT */
/* Moving what is there already: a region to other nodes, or back to its shares. */
#ifndef NUMAPERF_MIGRATE_H
#define NUMAPERF_MIGRATE_H

#include <numaperf/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A page that is not where it belongs after all attempts: its address (NULL: only their number
 * is known), the node it is on, and why as errno: EACCES: another process has it, too
 * (after a fork; see move_all); EBUSY: in use by the kernel at each attempt; ENOMEM: no room
 * there; EIO and others: as move_pages(2) said. Called by the calling thread.
 */
typedef void (*numaperf_unmoved_fn)(void *ctx, const void *page, int node, int error);

struct numaperf_migrate_opts {
	size_t sz;
	bool move_all; /* pages that other processes have, too (CAP_SYS_NICE) */
	numaperf_unmoved_fn unmoved;
	void *unmoved_ctx;
	numaperf_progress_fn
		progress; /* bytes looked at, of an attempt; by the calling thread */
	void *progress_ctx;
	/* Of a region with weights of its own: those for the new nodes. All zero: it keeps its
	 * own, which must then have one for each. */
	uint8_t weights[NUMAPERF_NODES_MAX];
};

/* In base pages; pages_total is the sum of all others. */
struct numaperf_migration {
	size_t sz;
	enum numaperf_placement_method method; /* NUMA_MAPS: move_pages is refused; mbind moved
						  them, sums are known and reasons are not */
	int attempts;
	size_t page_size;
	size_t pages_total;
	size_t pages_moved;
	size_t pages_already; /* were where they belong */
	size_t pages_absent;  /* were nowhere, and will come where they belong */
	size_t pages_shared;  /* not moved: EACCES */
	size_t pages_busy;    /* not moved: EBUSY */
	size_t pages_no_room; /* not moved: ENOMEM */
	size_t pages_failed;  /* not moved: anything else; see `error` */
	int error;	      /* the first errno behind pages_failed; 0: none */
	int reserved;
	uint64_t duration_ns;
};

/*
 * Moves a region to `nodes`, which from then on are its nodes: policy, pages, guarantee. NULL:
 * to where it belongs already; an interleaved one that pages were moved away from, or that was
 * given other weights, has its shares again. Pages that are right are not touched. Busy pages
 * are tried again, a few times.
 *
 * Soft: 0, or -ESTALE when pages could not be moved: *result counts them by reason (may be
 * NULL), `unmoved` is told of each, and the region belongs to its new nodes all the same.
 * Strict: 0 when every page is proved to be there; otherwise -NUMAPERF_EHARDMODE as at its
 * creation, and policy and pages are back on the nodes it had. -ECANCELED: the same.
 *
 * -EINVAL: no usable node, LOCAL (which has none), a wrong weight; -EOPNOTSUPP: a file's region
 * without policy; -EPERM: move_all without CAP_SYS_NICE; -EPERM or -ENOSYS, soft, reason
 * SECCOMP: move_pages and mbind are both refused; -ENOMEM. One thread at a time; others may use
 * the memory meanwhile.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_migrate(struct numaperf_region *region, const struct numaperf_nodemask *nodes,
			const struct numaperf_migrate_opts *opts,
			struct numaperf_migration *result);

#ifdef __cplusplus
}
#endif

#endif
