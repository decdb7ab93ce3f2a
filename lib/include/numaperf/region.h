/* SPDX-License-Identifier: MIT */
/*
 * Memory by policy: page-aligned, with a page without access on either side, shared between
 * threads by reference. Anonymous (zeroed), or a file's.
 */
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

/* What a child of fork(2) has of it. */
enum numaperf_fork {
	NUMAPERF_FORK_KEEP = 0, /* a copy on write: what parent or child writes first is copied,
				   in the parent by the region's policy */
	NUMAPERF_FORK_WIPE = 1, /* zeroes (MADV_WIPEONFORK, Linux 4.14; not for huge pages and
				   files, which is -EINVAL) */
	NUMAPERF_FORK_NONE = 2, /* nothing (MADV_DONTFORK): the parent's pages stay its own,
				   and a fork costs nothing for them */
};

/*
 * Long work says how far it is, in bytes: called now and then by one thread at a time, not
 * always the same one. Not 0: stop; what was begun is then undone and the call that did the
 * work returns -ECANCELED. It must not call the object that is being made.
 */
typedef int (*numaperf_progress_fn)(void *ctx, size_t done, size_t total);

struct numaperf_region_opts {
	size_t sz;
	enum numaperf_policy policy; /* LOCAL to WEIGHTED_INTERLEAVE */
	enum numaperf_mode mode;
	enum numaperf_prefault prefault;
	enum numaperf_thp thp;
	struct numaperf_nodemask nodes; /* empty for LOCAL, not empty for the others */

	/* Shown in /proc/PID/maps as [anon:NAME] (Linux 5.17 with CONFIG_ANON_VMA_NAME; without
	 * it, nowhere) and in reports: up to 79 printable characters without any of [ ] \ ` $.
	 * Copied. NULL: none. */
	const char *name;
	enum numaperf_fork fork;
	/* Pages stay in memory (mlock(2)); with PREFAULT_NONE from their first touch on. Soft:
	 * what RLIMIT_MEMLOCK refuses is said and done without. */
	bool lock;
	/* BIND: the kernel's balancing may move pages between `nodes`, to who uses them
	 * (MPOL_F_NUMA_BALANCING, Linux 5.15). Soft: without it where there is none. */
	bool balancing;
	/* BIND and PREFERRED of several nodes: the one of them to begin with, rather than the
	 * toucher's nearest (set_mempolicy_home_node(2), Linux 5.17). Empty: none. Soft:
	 * without it where there is none. */
	struct numaperf_nodemask home;
	/*
	 * WEIGHTED_INTERLEAVE: pages by node id, 1 to 255 for each of `nodes`. All zero: the
	 * machine's (/sys/kernel/mm/mempolicy/weighted_interleave, Linux 6.9; where the kernel
	 * has none, 1 each). The machine's are placed by the kernel, in rounds; one's own need
	 * neither root nor a new kernel: the range is split into stretches of one node each,
	 * which together have each node's share to the page.
	 */
	uint8_t weights[NUMAPERF_NODES_MAX];
	/*
	 * Explicit huge pages of this size, from the nodes' reservation (hugetlbfs): 2 MiB, 1
	 * GiB, or whatever /sys/kernel/mm/hugepages has. Sizes are rounded up to it. 0: base
	 * pages. Strict: each node's free ones are looked at before anything is touched, reason
	 * HUGEPAGES. Soft: where there are none, base pages with THP_ON take their place; and
	 * without prefault BIND only prefers its nodes, because to touch a page that its node
	 * cannot give ends in SIGBUS. Needs Linux 5.14.
	 */
	size_t huge_page_size;
	/* Address space set aside: numaperf_region_resize() up to it leaves the data where it
	 * is. 0: the size. */
	size_t size_max;
	numaperf_progress_fn progress; /* of faulting in and of resizing; NULL: none */
	void *progress_ctx;
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
 * Strict (BIND, INTERLEAVE and WEIGHTED_INTERLEAVE; the others promise nothing and are
 * -EINVAL): every page is faulted in and proved to lie on `nodes`, when interleaved also by
 * their shares, before the call returns; otherwise -NUMAPERF_EHARDMODE with reason PERMISSION,
 * BALANCING, CPUSET (a node is missing, without memory or not allowed), MEMORY (the nodes'
 * budget, see numaperf_budget_query(); RLIMIT_MEMLOCK has PERMISSION), HUGEPAGES, SECCOMP or
 * UNSUPPORTED, and nothing is left mapped. What can be known beforehand never ends in SIGKILL
 * or SIGBUS. Afterwards the kernel may neither merge its pages with equal ones (KSM) nor, but
 * for THP_ON, collapse them into huge ones, which would take them off their nodes.
 *
 * -EINVAL: size 0 or an option out of range; -E2BIG: options from a newer version; -ENOMEM;
 * -ECANCELED.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_create(struct numaperf_region **region, size_t size,
		       const struct numaperf_region_opts *opts);

enum numaperf_sharing {
	NUMAPERF_PRIVATE =
		0,	     /* what is written is a copy of one's own, on its node by policy */
	NUMAPERF_SHARED = 1, /* what is written is the file's */
};

/*
 * The same over `size` bytes of the file behind `fd` from `offset`, a multiple of the page
 * size; size 0: to its end. The descriptor may be closed afterwards.
 *
 * Private: pages are the file's until they are written; prefault and strict mode write them
 * all, so that each is a copy on its node. Shared memory (tmpfs, memfd_create(2), hugetlbfs):
 * the policy is the file's, for all who map it. Other files, shared: their pages are the page
 * cache's, and the kernel ignores every policy; soft has enforcement `none` and says so, strict
 * is refused with reason UNSUPPORTED. hugetlbfs: `huge_page_size` is 0 or what the file has.
 *
 * -EINVAL also: the range is not in the file (to touch what is beyond its end is SIGBUS), not a
 * regular file, or an option that files have not: size_max, FORK_WIPE. -EACCES: the descriptor
 * does not allow it; shared needs one for reading and writing.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_map_file(struct numaperf_region **region, int fd, uint64_t offset, size_t size,
			 enum numaperf_sharing sharing,
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

/* What became of the options; of the moment. */
struct numaperf_region_info {
	size_t sz;
	size_t size;	  /* as numaperf_region_size() */
	size_t size_max;  /* up to where numaperf_region_resize() leaves the data in place */
	size_t page_size; /* of the mapping: the huge page's, or the base page's */
	size_t locked;	  /* bytes kept in memory by mlock(2) */
	bool policy;	  /* the policy is in force */
	bool balancing;	  /* with balancing inside its nodes */
	bool home;	  /* with its home node */
	bool split;	  /* its weights are kept by stretches, not by the kernel's policy */
	bool collapsible; /* the kernel may make huge pages of its small ones */
	bool file;
	bool shared;
};

/* Fills min(info->sz, known) bytes. -EINVAL: sz too small. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_region_info(const struct numaperf_region *region,
							  struct numaperf_region_info *info);

/*
 * Makes it larger or smaller, to `size` bytes rounded up. What is there keeps its content,
 * pages and placement; what is new is zero, and placed, faulted in and proved as at the
 * creation, before anything is changed. Beyond size_max the data moves (the pages do not): ask
 * numaperf_region_data() again, and let no other thread use it meanwhile. On failure, with the
 * errors of numaperf_region_create(), all is as before. -EOPNOTSUPP: it is a file's.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_region_resize(struct numaperf_region *region,
							    size_t size);

/* Where its pages are now; as numaperf_placement_query(), with requested and enforcement. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_region_placement(const struct numaperf_region *region,
			  struct numaperf_placement *where);

/*
 * Whether the region still is where it was asked to be. 0: every present page is on its nodes
 * (strict: every page is present, too, or swapped out and back onto them, and when interleaved
 * each node has its share). Otherwise
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
