// SPDX-License-Identifier: MIT
/*
 * Units: the lowest that fit, so that what is free gathers at the end, where it can be given
 * back. When none are, the region grows in place.
 */
#include "base.h"
#include "region.h"
#include "slab.h"
#include "sys.h"

#include <errno.h>
#include <sys/mman.h>

static bool is_used(const struct np_slab *s, uint32_t unit)
{
	return s->used[unit / 64] >> unit % 64 & 1;
}

/* The next free one below top, or top. */
static uint32_t next_free(const struct np_slab *s, uint32_t unit)
{
	while (unit < s->top) {
		uint64_t free = ~s->used[unit / 64] >> unit % 64;

		if (free)
			return MIN(unit + (uint32_t)__builtin_ctzll(free), s->top);
		unit = (unit / 64 + 1) * 64;
	}
	return s->top;
}

/* Where `n` may begin: those at the end count even where there are too few of them. */
static uint32_t find(const struct np_slab *s, uint32_t n)
{
	uint32_t unit = next_free(s, s->hint);

	while (unit < s->top) {
		uint32_t end = unit;

		while (end < s->top && end - unit < n && !is_used(s, end))
			end++;
		if (end - unit == n || end == s->top)
			return unit;
		unit = next_free(s, end);
	}
	return s->top;
}

static void mark(struct np_slab *s, uint32_t unit, uint32_t n, bool used)
{
	for (uint32_t i = unit; i < unit + n; i++) {
		uint64_t bit = (uint64_t)1 << i % 64;

		if (used)
			s->used[i / 64] |= bit;
		else
			s->used[i / 64] &= ~bit;
	}
}

uint32_t np_units_below(const struct np_slab *s)
{
	const char *end =
		(const char *)numaperf_region_data(s->region) + numaperf_region_size(s->region);

	return (uint32_t)MIN((size_t)(end - s->base) / NP_UNIT, s->unit_max);
}

/* What could not grow, in the name of the allocation that wanted it. */
static int fail_growth(const struct np_slab *s)
{
	struct numaperf_error why;

	np_error_save(&why);
	return np_fail(why.code, why.reason_id, s->operation, why.remedy,
		       "the region on node %d cannot grow: %s", s->node, why.reason);
}

/* So that at least `end` units have memory. */
static int grow(struct np_slab *s, uint32_t end)
{
	const struct numaperf_region *r = s->region;
	size_t lead = (size_t)(s->base - (char *)r->data);
	size_t least = lead + (size_t)end * NP_UNIT;
	size_t size = MIN(MAX(least, r->size + s->grow_bytes), r->room / r->page * r->page);
	int err;

	/* never elsewhere: that would move what was handed out */
	if (end > s->unit_max || least > r->room)
		return np_fail(-ENOMEM, NUMAPERF_REASON_MEMORY, s->operation,
			       "free some of it, or raise size_max",
			       "it has grown to its size_max of %zu KiB", r->room >> 10);
	err = numaperf_region_resize(s->region, size);
	if (err && least < size)
		err = numaperf_region_resize(s->region, least);
	if (err)
		return fail_growth(s);
	s->grown++;
	s->idle += np_units_below(s) - s->top;
	s->top = np_units_below(s);
	return 0;
}

uint32_t np_units_take(struct np_slab *s, uint32_t n)
{
	uint32_t unit;

	pthread_mutex_lock(&s->lock);
	unit = find(s, n);
	if (unit + (uint64_t)n > s->top && grow(s, unit + n)) {
		unit = NP_NO_UNIT;
	} else {
		mark(s, unit, n, true);
		s->idle -= n;
		if (unit == s->hint)
			s->hint = unit + n;
	}
	pthread_mutex_unlock(&s->lock);
	return unit;
}

void np_units_give(struct np_slab *s, uint32_t unit, uint32_t n)
{
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = unit; i < unit + n; i++)
		__atomic_store_n(&s->unit[i].kind, NP_UNIT_FREE, __ATOMIC_RELAXED);
	mark(s, unit, n, false);
	s->idle += n;
	s->hint = MIN(s->hint, unit);
	pthread_mutex_unlock(&s->lock);
}

/* Pages of what is free in the middle; a strict region's pages were promised to stay. */
static size_t discard(struct np_slab *s)
{
	size_t gone = 0;

	if (s->strict || np_region_huge(s->region))
		return 0;
	for (uint32_t unit = next_free(s, s->hint), end; unit < s->top;
	     unit = next_free(s, end)) {
		size_t length;

		for (end = unit; end < s->top && !is_used(s, end);)
			end++;
		length = (size_t)(end - unit) * NP_UNIT;
		if (np_sys->madvise(s->base + (size_t)unit * NP_UNIT, length, MADV_DONTNEED) >=
		    0)
			gone += length;
	}
	return gone;
}

size_t np_units_trim(struct np_slab *s)
{
	const struct numaperf_region *r = s->region;
	uint32_t end;
	size_t before, gone;

	pthread_mutex_lock(&s->lock);
	before = r->size;
	for (end = s->top; end > 1 && !is_used(s, end - 1);)
		end--;
	if (end < s->top &&
	    !numaperf_region_resize(s->region, (size_t)(s->base - (char *)r->data) +
						       (size_t)end * NP_UNIT)) {
		s->idle -= s->top - np_units_below(s);
		s->top = np_units_below(s);
	}
	gone = before - r->size + discard(s);
	pthread_mutex_unlock(&s->lock);
	return gone;
}
