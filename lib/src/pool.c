// SPDX-License-Identifier: MIT
/* A pool: a region on one node, and how much of it has been taken. */
#include <numaperf/pool.h>

#include "base.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

static const char operation[] = "pool creation";

struct numaperf_pool {
	char *data;
	size_t size;
	struct numaperf_region *region;
	int node;
	/* May pass `size`: who finds that it has done so takes nothing and leaves it there. To
	 * take it back would be to hand out twice what somebody else took meanwhile. */
	size_t used np_aligned;
};

/* ---- life ---- */

static int read_options(struct numaperf_pool_opts *o, const struct numaperf_pool_opts *theirs)
{
	int err;

	*o = (struct numaperf_pool_opts){ .sz = sizeof(*o) };
	if (theirs && theirs->sz < sizeof(theirs->sz))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "set sz to the struct's size", "sz is %zu", theirs->sz);
	err = np_opts_take(o, sizeof(*o), theirs, operation);
	if (err)
		return err;
	if (o->reserved)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "an option is out of range");
	return 0;
}

static int check_node(const struct numaperf_topology *topo, int node)
{
	struct numaperf_nodemask nodes;

	numaperf_topology_online_nodes(topo, &nodes);
	if (node < 0 || !numaperf_nodemask_test(&nodes, node))
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "node %d is not online", node);
	numaperf_topology_memory_nodes(topo, &nodes);
	if (!numaperf_nodemask_test(&nodes, node))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "take one of numaperf_topology_memory_nodes()",
			       "node %d has no memory", node);
	return 0;
}

int numaperf_pool_create(struct numaperf_pool **pool, struct numaperf_topology *topo, int node,
			 size_t size, const struct numaperf_pool_opts *opts)
{
	struct numaperf_pool_opts o;
	struct numaperf_pool *p;
	void *mem;
	int err = read_options(&o, opts);

	if (!err && (!pool || !topo))
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			      "no place for the result, or no topology");
	if (!err)
		err = check_node(topo, node);
	if (err)
		return err;
	if (np_sys->alloc(&mem, sizeof(*p), NP_CACHE_LINE) < 0)
		return np_fail_memory(operation);
	p = mem;
	err = numaperf_region_create(
		&p->region, size,
		&(struct numaperf_region_opts){ .sz = sizeof(struct numaperf_region_opts),
						.policy = NUMAPERF_POLICY_BIND,
						.mode = o.mode,
						.prefault = o.prefault,
						.thp = o.thp,
						.nodes = numaperf_nodemask_single(node) });
	if (err) {
		np_free(p);
		return err;
	}
	p->data = numaperf_region_data(p->region);
	p->size = numaperf_region_size(p->region);
	p->node = node;
	*pool = p;
	return 0;
}

void numaperf_pool_destroy(struct numaperf_pool *p)
{
	if (!p)
		return;
	numaperf_region_unref(p->region);
	np_free(p);
}

/* ---- taking ---- */

static __attribute__((noinline, cold)) void *fail_size(const struct numaperf_pool *p,
						       size_t size)
{
	np_fail(-ENOMEM, NUMAPERF_REASON_MEMORY, "allocation from a pool",
		"make the pool larger, or reset it",
		"%zu bytes are asked for, %zu of %zu are left", size,
		numaperf_pool_remaining(p), p->size);
	return NULL;
}

/* `need`: what it costs, alignment included; 0: more than any pool has. */
static inline size_t take(struct numaperf_pool *p, size_t need)
{
	size_t at = __atomic_load_n(&p->used, __ATOMIC_RELAXED);

	/* looked at first: who asks for too much shall not cost the others what is left */
	if (np_unlikely(at > p->size || need > p->size - at))
		return SIZE_MAX;
	/* relaxed: a piece's bytes are nobody else's; who resets has ordered that himself */
	at = __atomic_fetch_add(&p->used, need, __ATOMIC_RELAXED);
	return np_likely(at <= p->size && need <= p->size - at) ? at : SIZE_MAX;
}

void *numaperf_pool_alloc(struct numaperf_pool *p, size_t size)
{
	size_t at;

	/* more than that overflows below, and is in no pool */
	if (np_unlikely(size > SIZE_MAX / 2))
		return fail_size(p, size);
	at = take(p, ROUND_UP(size + !size, NUMAPERF_POOL_ALIGN));
	return np_likely(at != SIZE_MAX) ? p->data + at : fail_size(p, size);
}

void *numaperf_pool_alloc_aligned(struct numaperf_pool *p, size_t size, size_t align)
{
	size_t at;

	if (!align || align & (align - 1) || align > np_page_size()) {
		np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "allocation from a pool", NULL,
			"an alignment of %zu is no power of two up to the page size", align);
		return NULL;
	}
	if (align <= NUMAPERF_POOL_ALIGN)
		return numaperf_pool_alloc(p, size);
	if (size > SIZE_MAX / 2)
		return fail_size(p, size);
	at = take(p, ROUND_UP(size + !size, NUMAPERF_POOL_ALIGN) + align - NUMAPERF_POOL_ALIGN);
	return at != SIZE_MAX ? p->data + ROUND_UP(at, align) : fail_size(p, size);
}

void numaperf_pool_reset(struct numaperf_pool *p)
{
	__atomic_store_n(&p->used, 0, __ATOMIC_RELAXED);
}

/* ---- answers ---- */

size_t numaperf_pool_used(const struct numaperf_pool *p)
{
	return MIN(__atomic_load_n(&p->used, __ATOMIC_RELAXED), p->size);
}

size_t numaperf_pool_remaining(const struct numaperf_pool *p)
{
	return p->size - numaperf_pool_used(p);
}

size_t numaperf_pool_size(const struct numaperf_pool *p)
{
	return p->size;
}

int numaperf_pool_node(const struct numaperf_pool *p)
{
	return p->node;
}

struct numaperf_region *numaperf_pool_region(const struct numaperf_pool *p)
{
	return p->region;
}
