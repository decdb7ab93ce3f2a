/* SPDX-License-Identifier: MIT */
/*
 * Memory on a node that is given back piece by piece: objects of one size, and a heap for all
 * sizes. Both stand in one region of that node, which grows; so whatever they hand out is where
 * it should be, whoever allocates it and whoever frees it. Each thread keeps some free objects
 * of its own and takes no lock for most calls; what a thread frees that another has allocated
 * serves itself first, and comes back to all others in batches.
 */
#ifndef NUMAPERF_HEAP_H
#define NUMAPERF_HEAP_H

#include <numaperf/region.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

struct numaperf_heap_opts {
	size_t sz;
	enum numaperf_mode mode; /* strict: whatever it grows by is proved before any of it is
				    handed out, and promised to stay */
	enum numaperf_prefault prefault;
	enum numaperf_thp thp;
	int reserved;
	size_t huge_page_size; /* explicit huge pages, as for a region; 0: none */
	size_t size;	       /* to begin with, bytes; 0: grow_bytes */
	size_t size_max;       /* it never grows beyond (address space); 0: twice the memory
				  that the node has now */
	size_t grow_bytes;     /* at least so much at once; 0: 4 MiB, or a huge page */
	const char *name;      /* of its region; copied; NULL: none */
};

/* Bytes, of a moment. */
struct numaperf_heap_stats {
	size_t sz;
	size_t size;	  /* of the region */
	size_t size_max;  /* that it may have */
	size_t in_use;	  /* handed out, as usable size */
	size_t cached;	  /* free, and kept by threads */
	size_t idle;	  /* free for any size; the rest is free for the sizes it was cut for */
	uint64_t grown;	  /* times */
	uint64_t refused; /* allocations that failed */
	uint64_t bad_frees; /* of what was not allocated here, or was free already */
};

/* ---- a heap ---- */

struct numaperf_heap;

/*
 * On `node`. NULL options: soft, pages come when they are touched. On success *heap is the
 * caller's. -ENOENT: the node is not online; -EINVAL: it has no memory, or an option is out of
 * range; else as numaperf_region_create().
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_heap_create(struct numaperf_heap **heap, struct numaperf_topology *topo, int node,
		     const struct numaperf_heap_opts *opts);

/* All that was allocated from it is gone. No thread may be using it. NULL does nothing. */
NUMAPERF_API void numaperf_heap_destroy(struct numaperf_heap *heap);

/*
 * `size` bytes aligned to 16, content undefined; a size of 0 is 1. Up to 256 KiB sizes are
 * rounded up by at most an eighth (to 16 bytes below 128), above to 64 KiB. NULL, with the
 * error in numaperf_last_error(): -ENOMEM, it would grow beyond size_max; or why its region
 * could not grow, in strict mode -NUMAPERF_EHARDMODE. Any number of threads at once; a few ns
 * when the thread has a free one of the size, else a lock.
 */
NUMAPERF_API void *numaperf_heap_alloc(struct numaperf_heap *heap, size_t size);

/* Aligned to `align`, a power of two up to 64 KiB; else NULL and -EINVAL. */
NUMAPERF_API void *numaperf_heap_alloc_aligned(struct numaperf_heap *heap, size_t size,
					       size_t align);

/* As realloc(3): NULL allocates; on failure NULL, and the object is as it was. Alignment beyond
 * 16 is not kept when it moves. */
NUMAPERF_API void *numaperf_heap_realloc(struct numaperf_heap *heap, void *object, size_t size);

/*
 * From any thread. NULL does nothing. What was not allocated here or is free already is counted
 * (bad_frees), logged and left alone; of what is freed twice, though, that is certain only as
 * long as nobody has written to it meanwhile.
 */
NUMAPERF_API void numaperf_heap_free(struct numaperf_heap *heap, void *object);

/* What may be used of it, at least what was asked for; 0: it is not of this heap. */
NUMAPERF_API size_t numaperf_heap_usable_size(const struct numaperf_heap *heap,
					      const void *object);

/*
 * Gives the kernel what is free at the region's end; what is free elsewhere keeps its place,
 * and in soft mode not its pages. Bytes that went. What threads keep stays theirs.
 */
NUMAPERF_API size_t numaperf_heap_trim(struct numaperf_heap *heap);

/* Of all threads' caches, too: some ten microseconds. -EINVAL: sz is too small. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_heap_stats(struct numaperf_heap *heap,
							 struct numaperf_heap_stats *stats);

NUMAPERF_API int numaperf_heap_node(const struct numaperf_heap *heap);

/* The memory it stands in, for numaperf_region_placement() and _check() (while no other thread
 * makes it grow); the heap's own. */
NUMAPERF_API struct numaperf_region *numaperf_heap_region(const struct numaperf_heap *heap);

/* ---- objects of one size ---- */

struct numaperf_object_pool;

/*
 * The same for objects of `size` bytes, each aligned to `align` (0: 16; a power of two up to 64
 * KiB): rounded up to that, and no more is lost. -EINVAL, too: size 0 or above 256 KiB, or the
 * alignment.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_object_pool_create(struct numaperf_object_pool **pool, struct numaperf_topology *topo,
			    int node, size_t size, size_t align,
			    const struct numaperf_heap_opts *opts);
NUMAPERF_API void numaperf_object_pool_destroy(struct numaperf_object_pool *pool);

/* As numaperf_heap_alloc(). */
NUMAPERF_API void *numaperf_object_pool_alloc(struct numaperf_object_pool *pool);

/* As numaperf_heap_free(). */
NUMAPERF_API void numaperf_object_pool_free(struct numaperf_object_pool *pool, void *object);

NUMAPERF_API size_t numaperf_object_pool_trim(struct numaperf_object_pool *pool);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_object_pool_stats(struct numaperf_object_pool *pool,
			   struct numaperf_heap_stats *stats);
NUMAPERF_API int numaperf_object_pool_node(const struct numaperf_object_pool *pool);
NUMAPERF_API struct numaperf_region *
numaperf_object_pool_region(const struct numaperf_object_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
