// SPDX-License-Identifier: MIT
/*
 * A heap: size classes over slabs. Up to 128 bytes they are 16 apart, then eight to each
 * doubling, so that no more than an eighth is lost; larger objects are units in a row.
 */
#include "base.h"
#include "slab.h"
#include "sys.h"

#include <errno.h>

static const char creation[] = "heap creation";

enum {
	SMALL = 128, /* classes up to it: its sixteenths */
	SMALL_LOG = 7,
	SMALL_COUNT = SMALL / 16,
	STEPS_LOG = 3, /* classes a doubling above it */
};

struct numaperf_heap {
	struct np_slab slab;
	struct np_slab_class class[NP_SLAB_CLASSES];
};

static inline unsigned int class_of(size_t size)
{
	unsigned int log;

	if (size <= SMALL)
		return (unsigned int)((size + !size - 1) / 16);
	log = 63 - (unsigned int)__builtin_clzll(size - 1);
	return SMALL_COUNT + ((log - SMALL_LOG) << STEPS_LOG) +
	       (unsigned int)((size - 1) >> (log - STEPS_LOG) & ((1 << STEPS_LOG) - 1));
}

static size_t size_of(unsigned int c)
{
	unsigned int step, log;

	if (c < SMALL_COUNT)
		return ((size_t)c + 1) * 16;
	step = (c - SMALL_COUNT) & ((1 << STEPS_LOG) - 1);
	log = (c - SMALL_COUNT) >> STEPS_LOG;
	return ((size_t)SMALL << log) + ((size_t)(step + 1) * 16 << log);
}

int numaperf_heap_create(struct numaperf_heap **heap, struct numaperf_topology *topo, int node,
			 const struct numaperf_heap_opts *opts)
{
	struct numaperf_heap_opts o;
	struct numaperf_heap *h;
	void *mem;
	int err = np_slab_options(&o, opts, creation);

	if (!err && (!heap || !topo))
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, creation, NULL,
			      "no place for the result, or no topology");
	if (err)
		return err;
	if (np_sys->alloc(&mem, sizeof(*h), NP_CACHE_LINE) < 0)
		return np_fail_memory(creation);
	h = mem;
	h->slab.class = h->class;
	h->slab.classes = NP_SLAB_CLASSES;
	h->slab.node = node;
	err = np_slab_init(&h->slab, topo, &o, "allocation from a heap", creation);
	if (err) {
		np_slab_fini(&h->slab);
		np_free(h);
		return err;
	}
	for (unsigned int c = 0; c < NP_SLAB_CLASSES; c++)
		np_slab_class_add(&h->slab, c, size_of(c));
	*heap = h;
	return 0;
}

void numaperf_heap_destroy(struct numaperf_heap *h)
{
	if (!h)
		return;
	np_slab_fini(&h->slab);
	np_free(h);
}

void *numaperf_heap_alloc(struct numaperf_heap *h, size_t size)
{
	if (np_likely(size <= NP_SLAB_OBJECT_MAX))
		return np_slab_alloc(&h->slab, class_of(size));
	return np_slab_alloc_large(&h->slab, size);
}

void *numaperf_heap_alloc_aligned(struct numaperf_heap *h, size_t size, size_t align)
{
	unsigned int c;

	if (!align || align & (align - 1) || align > NP_UNIT) {
		np_fail(-EINVAL, NUMAPERF_REASON_INVALID, h->slab.operation, NULL,
			"an alignment of %zu is no power of two up to 64 KiB", align);
		return NULL;
	}
	if (align <= 16 || size > NP_SLAB_OBJECT_MAX)
		return numaperf_heap_alloc(h, size);
	/* spans are aligned to units, so a multiple of it is aligned; powers of two are
	 * classes: there is one */
	for (c = class_of(MAX(size, align)); size_of(c) % align; c++)
		continue;
	return np_slab_alloc(&h->slab, c);
}

void *numaperf_heap_realloc(struct numaperf_heap *h, void *object, size_t size)
{
	size_t usable = object ? np_slab_usable(&h->slab, object) : 0;
	void *moved;

	if (object && !usable) {
		np_fail(-EINVAL, NUMAPERF_REASON_INVALID, h->slab.operation, NULL,
			"%p was not allocated here", object);
		return NULL;
	}
	/* where it is, as long as no more than half of it is unused */
	if (object && size <= usable && (size >= usable / 2 || usable <= 16))
		return object;
	moved = numaperf_heap_alloc(h, size);
	if (!moved || !object)
		return moved;
	memcpy(moved, object, MIN(usable, size));
	np_slab_free(&h->slab, object);
	return moved;
}

void numaperf_heap_free(struct numaperf_heap *h, void *object)
{
	np_slab_free(&h->slab, object);
}

size_t numaperf_heap_usable_size(const struct numaperf_heap *h, const void *object)
{
	return np_slab_usable(&h->slab, object);
}

size_t numaperf_heap_trim(struct numaperf_heap *h)
{
	return np_slab_trim(&h->slab);
}

int numaperf_heap_stats(struct numaperf_heap *h, struct numaperf_heap_stats *stats)
{
	return np_slab_stats(&h->slab, stats);
}

int numaperf_heap_node(const struct numaperf_heap *h)
{
	return h->slab.node;
}

struct numaperf_region *numaperf_heap_region(const struct numaperf_heap *h)
{
	return h->slab.region;
}
