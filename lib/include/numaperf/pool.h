/* SPDX-License-Identifier: MIT */
/*
 * Buffers on a node: memory that is taken piece by piece and given back all at once. For what
 * lives as long as a request, a batch or a phase.
 */
#ifndef NUMAPERF_POOL_H
#define NUMAPERF_POOL_H

#include <numaperf/base.h>
#include <numaperf/region.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMAPERF_POOL_ALIGN 64 /* of what numaperf_pool_alloc() gives: a cache line */

struct numaperf_pool_opts {
	size_t sz;
	enum numaperf_mode mode; /* as for a region: strict is proved, and promised to stay */
	enum numaperf_prefault prefault;
	enum numaperf_thp thp;
	int reserved;
};

struct numaperf_pool;

/*
 * `size` bytes (rounded up to whole pages) bound to `node`. NULL options: soft, pages come when
 * they are touched. On success *pool is the caller's. -ENOENT: the node is not online; -EINVAL:
 * it has no memory, or size is 0; else as numaperf_region_create().
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_pool_create(struct numaperf_pool **pool, struct numaperf_topology *topo, int node,
		     size_t size, const struct numaperf_pool_opts *opts);

/* All that was taken from it is gone. NULL does nothing. */
NUMAPERF_API void numaperf_pool_destroy(struct numaperf_pool *pool);

/*
 * `size` bytes, aligned to NUMAPERF_POOL_ALIGN; a size of 0 gives a piece of its own, too. The
 * content is zero, or after a reset what was there. Any number of threads at once, 1-2 ns: from
 * 512 KiB on, up to 512 threads each take 1/1024 of the pool at a time (at most 16 KiB) and
 * deal pieces from that; larger pieces, smaller pools and further threads cost an atomic
 * addition. Between threads up to an eighth of the pool is lost that way, to a single one
 * nothing. NULL: there is not so much left (-ENOMEM, reason MEMORY); what is left may still
 * serve smaller ones, or other threads.
 */
NUMAPERF_API void *numaperf_pool_alloc(struct numaperf_pool *pool, size_t size);

/* Aligned to `align`, a power of two up to the page size; else NULL and -EINVAL. */
NUMAPERF_API void *numaperf_pool_alloc_aligned(struct numaperf_pool *pool, size_t size,
					       size_t align);

/* Everything is there to be taken again. The caller sees to it that nobody takes meanwhile and
 * that nobody uses what was taken before. The pages stay. */
NUMAPERF_API void numaperf_pool_reset(struct numaperf_pool *pool);

/* Bytes that may still be taken (some by a certain thread only), those that were, and all. Of a
 * moment. */
NUMAPERF_API size_t numaperf_pool_remaining(const struct numaperf_pool *pool);
NUMAPERF_API size_t numaperf_pool_used(const struct numaperf_pool *pool);
NUMAPERF_API size_t numaperf_pool_size(const struct numaperf_pool *pool);

NUMAPERF_API int numaperf_pool_node(const struct numaperf_pool *pool);

/* The memory it takes from, for numaperf_region_placement() and _check(); the pool's own. */
NUMAPERF_API struct numaperf_region *numaperf_pool_region(const struct numaperf_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
