// SPDX-License-Identifier: MIT
/*
 * The ranges of all guarantees as the one table that the programs search: sorted, without
 * overlaps. Where two guarantees share pages the older one gets them (in the programs' eyes;
 * the looks see to both).
 */
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>

/* A range as it was promised; `order`: which is older. */
struct promised {
	uint32_t tgid, order;
	uint64_t start, end;
	const struct np_guard *guard;
};

static int by_place(const void *left, const void *right)
{
	const struct promised *a = left, *b = right;

	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static size_t collect(const struct numaperf_monitor *mon, struct promised *all)
{
	size_t n = 0;

	for (size_t i = 0; i < mon->guards; i++) {
		const struct np_guard *g = mon->guard[i];

		if (g->seen.kind != NUMAPERF_GUARANTEE_PAGES || g->quiet || !np_guard_live(g) ||
		    g->watch == NP_NO_WATCH)
			continue;
		all[n] = (struct promised){
			.tgid = (uint32_t)(g->seen.pid ? g->seen.pid : mon->self),
			.order = (uint32_t)n,
			.start = g->seen.address,
			.end = g->seen.address + g->seen.length,
			.guard = g,
		};
		n++;
	}
	return n;
}

/* The oldest of those that cover `at`, and in *until where that may change. */
static const struct promised *oldest(const struct promised *in, size_t n, uint64_t at,
				     uint64_t *until)
{
	const struct promised *best = NULL;

	*until = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		if (in[i].start > at)
			*until = MIN(*until, in[i].start);
		if (in[i].start > at || in[i].end <= at)
			continue;
		*until = MIN(*until, in[i].end);
		if (!best || in[i].order < best->order)
			best = &in[i];
	}
	return best;
}

/* A group of ranges that hang together. 0 or -ENOSPC. */
static int cut(struct numaperf_monitor *mon, const struct promised *in, size_t n, uint64_t end,
	       size_t *count)
{
	for (uint64_t at = in[0].start, until; at < end; at = until) {
		const struct promised *p = oldest(in, n, at, &until);
		struct np_range *last = *count ? &mon->range[*count - 1] : NULL;

		if (last && last->tgid == p->tgid && last->end == at &&
		    last->watch == p->guard->watch) {
			last->end = until;
			continue;
		}
		if (*count == 2 * (size_t)mon->ranges_max)
			return -ENOSPC;
		mon->range[*count] = (struct np_range){
			.tgid = p->tgid,
			.watch = p->guard->watch,
			.start = at,
			.end = until,
		};
		memcpy(mon->range[*count].nodes, p->guard->seen.nodes.bits,
		       sizeof(mon->range->nodes));
		(*count)++;
	}
	return 0;
}

int np_monitor_set_ranges(struct numaperf_monitor *mon)
{
	struct promised *all;
	size_t n, count = 0;
	int err = 0;
	void *p;

	if (!mon->hooks)
		return 0;
	err = np_sys->alloc(&p, MAX(mon->guards, 1) * sizeof(*all), 0);
	if (err < 0)
		return err;
	all = p;
	n = collect(mon, all);
	qsort(all, n, sizeof(*all), by_place);
	for (size_t i = 0, next; i < n && !err; i = next) {
		uint64_t end = all[i].end;

		for (next = i + 1;
		     next < n && all[next].tgid == all[i].tgid && all[next].start < end; next++)
			end = MAX(end, all[next].end);
		err = cut(mon, &all[i], next - i, end, &count);
	}
	np_free(all);
	return err ? err : np_hooks_set_ranges(mon->hooks, mon->range, count);
}
