// SPDX-License-Identifier: MIT
/*
 * A pool: a region on one node, and how much of it has been taken. Threads take chunks of it
 * and deal small pieces from their own, which costs no atomic operation.
 */
#include <numaperf/pool.h>

#include "base.h"
#include "node_region.h"
#include "slot.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

static const char operation[] = "pool creation";

enum {
	/* of the pool's size, what a thread takes at once; and at most */
	CHUNK_SHARE = 1024,
	CHUNK_MAX = 16384,
	/* of a chunk, the largest piece: that and less is lost when the next one is begun */
	PIECE_SHARE = 8,
};

/* A thread's own part of what has been taken. Written by that thread only. */
struct chunk {
	size_t at, end;
	size_t epoch; /* of another one: it was before the last reset */
} np_aligned;

struct numaperf_pool {
	char *data;
	size_t size;
	size_t chunk;	      /* bytes; 0: the pool is too small to be dealt out */
	struct chunk *chunks; /* [NP_SLOTS] */
	size_t epoch;	      /* counts resets */
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
	err = np_opts_take(o, sizeof(*o), theirs, operation);
	if (!err && o->reserved)
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			      "an option is out of range");
	return err;
}

static int create_region(struct numaperf_pool *p, const struct numaperf_topology *topo,
			 size_t size, const struct numaperf_pool_opts *o)
{
	struct numaperf_region_opts opts = {
		.mode = o->mode,
		.prefault = o->prefault,
		.thp = o->thp,
	};
	int err = np_node_region_create(&p->region, topo, p->node, size, opts, operation);

	if (err)
		return err;
	p->data = numaperf_region_data(p->region);
	p->size = numaperf_region_size(p->region);
	return 0;
}

/* Mapped, so that only those that are used cost memory. */
static int create_chunks(struct numaperf_pool *p)
{
	size_t chunk = MIN(p->size / CHUNK_SHARE, CHUNK_MAX) / NUMAPERF_POOL_ALIGN *
		       NUMAPERF_POOL_ALIGN;
	void *mem;

	if (chunk < PIECE_SHARE * NUMAPERF_POOL_ALIGN)
		return 0;
	if (np_sys->map(&mem, NP_SLOTS * sizeof(*p->chunks)) < 0)
		return np_fail_memory(operation);
	p->chunks = mem;
	p->chunk = chunk;
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
	if (err)
		return err;
	if (np_sys->alloc(&mem, sizeof(*p), NP_CACHE_LINE) < 0)
		return np_fail_memory(operation);
	p = mem;
	p->node = node;
	p->epoch = 1;
	err = create_region(p, topo, size, &o);
	if (!err)
		err = create_chunks(p);
	if (err) {
		numaperf_pool_destroy(p);
		return err;
	}
	*pool = p;
	return 0;
}

void numaperf_pool_destroy(struct numaperf_pool *p)
{
	if (!p)
		return;
	if (p->chunks)
		(void)np_sys->unmap(p->chunks, NP_SLOTS * sizeof(*p->chunks));
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

/* `need`: what it costs, alignment included. */
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

/* Nobody reads it but its owner and who asks how much is left. */
static inline void set(size_t *field, size_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

/* A chunk for the caller, or what is needed of the one that follows his: when nobody took
 * meanwhile they are one. Compared and exchanged, so that it never passes the end. */
static bool refill(struct numaperf_pool *p, struct chunk *own)
{
	size_t at = __atomic_load_n(&p->used, __ATOMIC_RELAXED);

	do {
		if (at > p->size || p->chunk > p->size - at)
			return false;
	} while (!__atomic_compare_exchange_n(&p->used, &at, at + p->chunk, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	if (own->epoch != p->epoch || own->end != at)
		set(&own->at, at);
	set(&own->end, at + p->chunk);
	set(&own->epoch, p->epoch);
	return true;
}

static inline bool in_chunk(const struct numaperf_pool *p, const struct chunk *own, size_t need)
{
	return own->epoch == p->epoch && need <= own->end - own->at;
}

static inline void *deal(struct numaperf_pool *p, struct chunk *own, size_t need)
{
	char *piece = p->data + own->at;

	set(&own->at, own->at + need);
	return piece;
}

/* Large, or the chunk is used up, or the thread has none. */
static __attribute__((noinline)) void *alloc_slow(struct numaperf_pool *p, size_t size)
{
	size_t need = ROUND_UP(size + !size, NUMAPERF_POOL_ALIGN), at;
	unsigned int slot = np_slot_take();

	/* more than that overflows above, and is in no pool */
	if (size > SIZE_MAX / 2)
		return fail_size(p, size);
	/* the thread's first: whoever had the number before may have left it something */
	if (need <= p->chunk / PIECE_SHARE && slot < NP_SLOTS &&
	    (in_chunk(p, &p->chunks[slot], need) || refill(p, &p->chunks[slot])))
		return deal(p, &p->chunks[slot], need);
	at = take(p, need);
	return np_likely(at != SIZE_MAX) ? p->data + at : fail_size(p, size);
}

void *numaperf_pool_alloc(struct numaperf_pool *p, size_t size)
{
	unsigned int slot = np_slot();

	/* a size of 0 goes the slow way, as does all of a pool without chunks */
	if (np_likely(size - 1 < p->chunk && slot < NP_SLOTS)) {
		size_t need = ROUND_UP(size, NUMAPERF_POOL_ALIGN);
		struct chunk *own = &p->chunks[slot];

		if (np_likely(in_chunk(p, own, need)))
			return deal(p, own, need);
	}
	return alloc_slow(p, size);
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
	p->epoch++;
	set(&p->used, 0);
}

/* ---- answers ---- */

/* What is left in a chunk: at most that, when its owner deals from it meanwhile. */
static size_t left_in(const struct numaperf_pool *p, const struct chunk *c)
{
	size_t end = __atomic_load_n(&c->end, __ATOMIC_RELAXED);
	size_t at = __atomic_load_n(&c->at, __ATOMIC_RELAXED);

	if (__atomic_load_n(&c->epoch, __ATOMIC_RELAXED) != p->epoch || at > end)
		return 0;
	return end - at;
}

size_t numaperf_pool_used(const struct numaperf_pool *p)
{
	size_t used = MIN(__atomic_load_n(&p->used, __ATOMIC_RELAXED), p->size), left = 0;

	for (unsigned int i = 0; p->chunk && i < NP_SLOTS; i++)
		left += left_in(p, &p->chunks[i]);
	return used > left ? used - left : 0;
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
