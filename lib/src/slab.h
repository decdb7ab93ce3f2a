/* SPDX-License-Identifier: MIT */
/*
 * Rank 6: objects of some sizes in one region that grows. The region is divided into units; a
 * span is one or several of them, cut into objects of one class, or one large object. From the
 * bottom up:
 *
 *   units (slab_unit.c)  which are free, and more of them when none is;
 *   spans (slab.c)       each class's with free objects in them; an empty one goes back;
 *   caches (slab.c)      a thread's own free objects of each class: no lock, no atomic
 * operation.
 *
 * A free object's first word leads to the next one, its second is a seal that tells that it is
 * free. What was never handed out is not touched.
 */
#ifndef NP_SLAB_H
#define NP_SLAB_H

#include "slot.h"
#include "util.h"

#include <numaperf/heap.h>
#include <pthread.h>

enum {
	NP_UNIT_SHIFT = 16,
	NP_UNIT = 1 << NP_UNIT_SHIFT,
	NP_SLAB_CLASSES = 96,
	NP_SLAB_OBJECT_MAX = 1 << 18, /* of a class */
	NP_SLAB_SPAN_MAX = 128,	      /* units of a class's span: see np_unit.back */

	/* what a unit is: a class + 1, or */
	NP_UNIT_FREE = 0,
	NP_UNIT_LARGE = 255, /* the first of a large object's */
	NP_UNIT_REST = 254,
};

/* Read by every free. */
struct np_unit {
	uint8_t kind;	/* one of those above */
	uint8_t back;	/* of a class: how many units before this one its span begins */
	uint32_t fresh; /* of a class, its span's first unit: objects from here on were never
			   handed out; under the class's lock */
};

/* Of a span's first unit. Of a class: under its lock. */
struct np_span {
	void *free;    /* objects that came back */
	uint32_t live; /* handed out, those in threads' caches, too */
	uint32_t next; /* of the class's list: unit + 1, 0: none */
	uint32_t previous;
	uint32_t units;
};

struct np_slab_class {
	size_t size;
	/* n * inverse, rotated right by shift: n / size, or when there is a rest, a number that
	 * is larger than all quotients */
	uint64_t inverse;
	unsigned int shift;
	uint32_t units;	  /* of a span */
	uint32_t objects; /* of a span */
	uint32_t batch;	  /* go between caches and spans at once; 0: not cached */
	pthread_mutex_t lock np_aligned;
	uint32_t partial; /* spans with free objects: unit + 1 of the first */
	size_t live;	  /* objects, of all spans */
};

/* A thread's. Others read the count only. */
struct np_cache {
	void *head;
	size_t count;
};

struct np_slab {
	/* read by all, written at creation only */
	char *base; /* of unit 0 */
	size_t unit_max;
	struct np_unit *unit;	     /* [unit_max] */
	struct np_span *span;	     /* [unit_max] */
	struct np_cache *caches;     /* [NP_SLOTS][classes] */
	struct np_slab_class *class; /* [classes] */
	unsigned int classes;
	uintptr_t seal;
	int node;
	const char *operation; /* of an allocation, for errors */
	struct numaperf_region *region;
	size_t grow_bytes;
	bool strict;
	size_t mapped; /* bytes of unit, span and caches, in one mapping */

	/* units */
	pthread_mutex_t lock np_aligned;
	uint64_t *used; /* bits */
	uint32_t top;	/* units below it have memory */
	uint32_t hint;	/* none below it is free */
	size_t idle;	/* free ones below top */
	size_t large;	/* units of large objects */
	uint64_t grown;
	/* atomic */
	uint64_t refused np_aligned;
	uint64_t bad_frees;
};

/* ---- slab.c ---- */

/* Options into ours. 0 or an error with its record. */
int np_slab_options(struct numaperf_heap_opts *o, const struct numaperf_heap_opts *theirs,
		    const char *creation);

/* `s` is zero but for class, classes and node. The classes are np_slab_class_add()'s, before
 * the first allocation. On failure what there is, np_slab_fini() gives back. 0 or an error. */
int np_slab_init(struct np_slab *s, const struct numaperf_topology *topo,
		 const struct numaperf_heap_opts *opts, const char *operation,
		 const char *creation);
void np_slab_fini(struct np_slab *s);
/* `size` a multiple of 16, up to NP_SLAB_OBJECT_MAX. */
void np_slab_class_add(struct np_slab *s, unsigned int c, size_t size);

void *np_slab_alloc_slow(struct np_slab *s, unsigned int c);
void np_slab_free_slow(struct np_slab *s, unsigned int c, void *object);
void *np_slab_alloc_large(struct np_slab *s, size_t size);
void np_slab_free(struct np_slab *s, void *object);
/* 0: it is not one of ours. */
size_t np_slab_usable(const struct np_slab *s, const void *object);
size_t np_slab_trim(struct np_slab *s);
int np_slab_stats(struct np_slab *s, struct numaperf_heap_stats *stats);

static inline struct np_cache *np_slab_cache(const struct np_slab *s, unsigned int slot,
					     unsigned int c)
{
	return &s->caches[slot * s->classes + c];
}

static inline uintptr_t np_slab_seal(const struct np_slab *s, const void *object)
{
	return (uintptr_t)object ^ s->seal;
}

static inline void *np_slab_alloc(struct np_slab *s, unsigned int c)
{
	unsigned int slot = np_slot();

	if (np_likely(slot < NP_SLOTS)) {
		struct np_cache *cache = np_slab_cache(s, slot, c);
		uintptr_t *object = cache->head;

		if (np_likely(object)) {
			cache->head = (void *)object[0];
			__atomic_store_n(&cache->count, cache->count - 1, __ATOMIC_RELAXED);
			object[1] = 0;
			return object;
		}
	}
	return np_slab_alloc_slow(s, c);
}

/* ---- slab_unit.c ---- */

#define NP_NO_UNIT UINT32_MAX

/* How many the region has memory for. */
uint32_t np_units_below(const struct np_slab *s);

/* `n` in a row, from `s`'s region, which may grow. NP_NO_UNIT, with the record. */
uint32_t np_units_take(struct np_slab *s, uint32_t n);
void np_units_give(struct np_slab *s, uint32_t unit, uint32_t n);
/* Gives the kernel those at the end. Bytes. */
size_t np_units_trim(struct np_slab *s);

#endif
