// SPDX-License-Identifier: MIT
/*
 * What the tp_btf rung only suspects: pages at an address of some process moved somewhere, or
 * a huge page was made of some. Where the pages are now makes violations of it; what is in
 * place again, or was all the time, stays open, and the verdict says so.
 */
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

#define CHUNK 512 /* pages a call */

/* Where the pages of a suspicion are now: how many are off their nodes, and of the first of
 * them its address and node; or -errno. */
static int confirm(const struct np_guard *g, const struct np_event *e, struct np_event *found)
{
	size_t page = np_page_size();
	uint64_t left = (g->seen.address + g->seen.length - e->address) / page, done = 0;
	int off = 0;

	left = MIN(left, MAX(e->pages, 1));
	while (done < left) {
		size_t n = MIN(left - done, (uint64_t)CHUNK);
		void *pages[CHUNK];
		int status[CHUNK], err;

		for (size_t i = 0; i < n; i++) {
			pages[i] = (void *)(uintptr_t)(e->address + (done + i) * page);
			status[i] = -EIO;
		}
		err = np_sys->move_pages(g->seen.pid, n, pages, NULL, status, 0);
		if (err < 0)
			return err;
		for (size_t i = 0; i < n; i++) {
			if (status[i] < 0 || numaperf_nodemask_test(&g->seen.nodes, status[i]))
				continue;
			if (off++)
				continue;
			found->address = (uintptr_t)pages[i];
			found->to_node = status[i];
		}
		done += n;
	}
	return off;
}

void np_monitor_suspect(struct numaperf_monitor *mon, struct np_guard *g,
			const struct np_event *e)
{
	uint64_t pages = MAX(e->pages, 1), off;
	struct np_event found = *e;
	int n;

	g->suspected += pages;
	if (e->tgid && !np_guard_owner_is(mon, g, e->tgid)) {
		mon->refuted += pages;
		return;
	}
	if (e->address < g->seen.address || e->address >= g->seen.address + g->seen.length)
		return;
	if (e->to_node >= 0 && numaperf_nodemask_test(&g->seen.nodes, e->to_node)) {
		mon->refuted += pages;
		return;
	}
	n = e->tgid && e->to_node >= 0 ? (int)pages : confirm(g, e, &found);
	off = n > 0 ? (uint64_t)n : 0;
	g->seen.suspects_open += pages - MIN(off, pages);
	if (!off)
		return;
	found.pages = off;
	mon->confirmed += off;
	np_monitor_tell(mon, g, NUMAPERF_VIOLATION_PAGE, NUMAPERF_RUNG_TP_BTF, &found);
}

/* Some page of a process became part of another: which, a look must tell. */
void np_monitor_collapse(struct numaperf_monitor *mon, const struct np_event *e)
{
	for (size_t i = 0; i < mon->guards; i++) {
		struct np_guard *g = mon->guard[i];

		if (g->seen.kind != NUMAPERF_GUARANTEE_PAGES || g->quiet || !np_guard_live(g) ||
		    !np_guard_owner_is(mon, g, e->tgid))
			continue;
		g->sweep.at = 0;
		np_guard_look(mon, g, SIZE_MAX);
		np_guard_settle(mon, g, e);
	}
}
