/* SPDX-License-Identifier: MIT */
/*
 * One of something a node: shards, each in the memory of its node, found from the CPU that asks
 * without a lock; and counters that cost the same from any number of threads.
 */
#ifndef NUMAPERF_SHARDED_H
#define NUMAPERF_SHARDED_H

#include <numaperf/base.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What two threads write stands this far apart: two lines, since x86 fetches them in pairs.
 *
 *	struct NUMAPERF_PADDED mine { uint64_t n; };
 */
#define NUMAPERF_CACHE_LINE 128
#define NUMAPERF_PADDED	    __attribute__((aligned(NUMAPERF_CACHE_LINE)))

/* ---- shards ---- */

struct numaperf_sharded_opts {
	size_t sz;
	enum numaperf_mode mode; /* strict: each shard is proved to be on its node, and promised
				    to stay there; else creation fails */
	int reserved;
	/*
	 * For each shard at creation (its memory is zero) and at destruction, on the calling
	 * thread, in order of nodes; NULL: nothing to do. `init` may fail: shards that were
	 * made are finished and creation returns what it returned.
	 */
	int (*init)(void *ctx, int node, void *shard);
	void (*fini)(void *ctx, int node, void *shard);
	void *ctx;
};

struct numaperf_sharded;

/*
 * A shard of `size` bytes for each online node that has CPUs; page-aligned, so that none shares
 * a line or a page with another. A node without memory has its shard on the nearest node that
 * has some. NULL options: soft. On success *sharded is the caller's. -EINVAL: size 0; -ENOMEM;
 * as numaperf_region_create() where memory cannot be had.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_sharded_create(struct numaperf_sharded **sharded, struct numaperf_topology *topo,
			size_t size, const struct numaperf_sharded_opts *opts);

/* No thread may be using it. NULL does nothing. */
NUMAPERF_API void numaperf_sharded_destroy(struct numaperf_sharded *sharded);

/*
 * The shard of the node that the caller runs on just now: it may be elsewhere when this
 * returns, so what several threads write in a shard still needs atomics. Never NULL, any
 * thread, 1-2 ns. A CPU that came after creation has the first shard.
 */
NUMAPERF_API void *numaperf_sharded_local(const struct numaperf_sharded *sharded);

/* How many there are, and the nth with its node (may be NULL); NULL: there are fewer. */
NUMAPERF_API unsigned int numaperf_sharded_count(const struct numaperf_sharded *sharded);
NUMAPERF_API void *numaperf_sharded_at(const struct numaperf_sharded *sharded, unsigned int nth,
				       int *node);

/* The node's shard; NULL: it has none. */
NUMAPERF_API void *numaperf_sharded_node(const struct numaperf_sharded *sharded, int node);

/* ---- counters ---- */

struct numaperf_counter;

/*
 * A sum that many threads add to: each in a line of its own, in the memory of the node that it
 * runs on. Up to 512 threads that live at the same time add without an atomic operation; all
 * others share a line a node. Some 64 KiB of addresses a node, and a page of memory for every
 * 32 threads that add there. Errors as numaperf_sharded_create().
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_counter_create(struct numaperf_counter **counter,
							     struct numaperf_topology *topo);

/* No thread may be using it. NULL does nothing. */
NUMAPERF_API void numaperf_counter_destroy(struct numaperf_counter *counter);

/* Any thread; never blocks, never fails. */
NUMAPERF_API void numaperf_counter_add(struct numaperf_counter *counter, int64_t n);

/* All that was added before (by whatever orders the adding threads before this call), and of
 * what is being added now some or all. Wraps at 64 bits. */
NUMAPERF_API int64_t numaperf_counter_sum(const struct numaperf_counter *counter);

/* What of it was added on CPUs of this node; 0 for a node without CPUs. */
NUMAPERF_API int64_t numaperf_counter_node_sum(const struct numaperf_counter *counter,
					       int node);

#ifdef __cplusplus
}
#endif

#endif
