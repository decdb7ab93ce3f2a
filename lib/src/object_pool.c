// SPDX-License-Identifier: MIT
/* Objects of one size: slabs with one class. */
#include "base.h"
#include "slab.h"
#include "sys.h"

#include <errno.h>
#include <stdlib.h>

static const char creation[] = "object pool creation";

struct numaperf_object_pool {
	struct np_slab slab;
	struct np_slab_class class;
};

/* The size as it will be, or 0. */
static size_t rounded(size_t size, size_t align)
{
	align = align ? MAX(align, 16) : 16;
	if (!size || size > NP_SLAB_OBJECT_MAX || align > NP_UNIT || align & (align - 1))
		return 0;
	return ROUND_UP(size, align);
}

int numaperf_object_pool_create(struct numaperf_object_pool **pool,
				struct numaperf_topology *topo, int node, size_t size,
				size_t align, const struct numaperf_heap_opts *opts)
{
	struct numaperf_heap_opts o;
	struct numaperf_object_pool *p;
	void *mem;
	int err = np_slab_options(&o, opts, creation);

	if (!err && (!pool || !topo))
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, creation, NULL,
			      "no place for the result, or no topology");
	if (!err && !rounded(size, align))
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, creation,
			      "take a size of 1 to 256 KiB, and a power of two up to 64 KiB",
			      "no objects of %zu bytes aligned to %zu can be had", size, align);
	if (err)
		return err;
	if (np_sys->alloc(&mem, sizeof(*p), NP_CACHE_LINE) < 0)
		return np_fail_memory(creation);
	p = mem;
	p->slab.class = &p->class;
	p->slab.classes = 1;
	p->slab.node = node;
	err = np_slab_init(&p->slab, topo, &o, "allocation from an object pool", creation);
	if (err) {
		numaperf_object_pool_destroy(p);
		return err;
	}
	np_slab_class_add(&p->slab, 0, rounded(size, align));
	*pool = p;
	return 0;
}

void numaperf_object_pool_destroy(struct numaperf_object_pool *p)
{
	if (!p)
		return;
	np_slab_fini(&p->slab);
	np_free(p);
}

void *numaperf_object_pool_alloc(struct numaperf_object_pool *p)
{
	return np_slab_alloc(&p->slab, 0);
}

void numaperf_object_pool_free(struct numaperf_object_pool *p, void *object)
{
	np_slab_free(&p->slab, object);
}

size_t numaperf_object_pool_trim(struct numaperf_object_pool *p)
{
	return np_slab_trim(&p->slab);
}

int numaperf_object_pool_stats(struct numaperf_object_pool *p,
			       struct numaperf_heap_stats *stats)
{
	return np_slab_stats(&p->slab, stats);
}

int numaperf_object_pool_node(const struct numaperf_object_pool *p)
{
	return p->slab.node;
}

struct numaperf_region *numaperf_object_pool_region(const struct numaperf_object_pool *p)
{
	return p->slab.region;
}
