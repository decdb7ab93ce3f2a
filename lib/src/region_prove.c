// SPDX-License-Identifier: MIT
/*
 * Strict regions. BIND on a node that has run out ends in SIGKILL, so nothing is touched under
 * it: what can be known is asked first (region_require.c), pages are faulted in while the nodes
 * are only preferred, then bound with MOVE and STRICT, which answers with EIO where touching
 * would have killed, and at last every page is looked up.
 */
#include "base.h"
#include "numa_maps.h"
#include "placement.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
# define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* ---- the policy calls ---- */

int np_region_fail_policy(const struct numaperf_region *r, int err)
{
	bool filtered = np_sys->seccomp_mode() == 2;
	int code = np_region_strict(r) ? -NUMAPERF_EHARDMODE : err;

	if (err == -ENOSYS && !filtered)
		return np_fail(code, NUMAPERF_REASON_UNSUPPORTED, r->operation,
			       "run a kernel with CONFIG_NUMA",
			       "this kernel has no memory policies");
	if (err == -EPERM || err == -EACCES || err == -ENOSYS)
		return np_fail(code, NUMAPERF_REASON_SECCOMP, r->operation,
			       "allow mbind in the seccomp profile (Docker's does with "
			       "--cap-add SYS_NICE)",
			       "permission denied (mbind is refused: %s)",
			       strerrordesc_np(-err));
	return np_fail(code, NUMAPERF_REASON_SYSTEM, r->operation, NULL,
		       "the memory policy could not be set (%s)", strerrordesc_np(-err));
}

/* ---- looking ---- */

static int fail_stray(const char *what, int code, const struct np_stray *stray,
		      const struct numaperf_nodemask *home)
{
	char nodes[64];

	numaperf_nodemask_format(home, nodes, sizeof(nodes));
	return np_fail(
		code, NUMAPERF_REASON_MEMORY, what,
		"free memory on the nodes (numastat -m); find who moves pages "
		"(migratepages, cpuset.mems, KSM)",
		"memory not fully placed: %zu pages are not on nodes %s; the first is at "
		"%p on node %d",
		stray->pages, nodes, stray->first, stray->node);
}

/* Pages under way for a moment; a handful of looks is enough to see them arrive. */
#define LOOKS 8

static int look(const char *what, int code, const struct numaperf_region *r,
		struct numaperf_placement *where)
{
	struct np_stray stray;
	int err;

	for (int i = 0; i < LOOKS; i++) {
		err = np_placement_scan(r->data, r->size, &r->nodes, where, &stray);
		if (err)
			return err;
		if (stray.pages)
			return fail_stray(what, code, &stray, &r->nodes);
		if (!where->pages_busy)
			break;
	}
	if (where->pages_busy || where->pages_unknown)
		return np_fail(code, NUMAPERF_REASON_MEMORY, what, NULL,
			       "memory not fully placed: of %zu pages the kernel would not say "
			       "where they are (%s)",
			       where->pages_busy + where->pages_unknown,
			       strerrordesc_np(where->error ? where->error : EBUSY));
	return 0;
}

/* How far one node's bytes may be from its share: pages that come as one are not divided. */
static size_t grain(const struct numaperf_region *r, int node)
{
	size_t grain = r->page;

	/* a huge page is one step of interleaving, and the ends of the region may be small */
	if (r->page == np_page_size() && r->opts.thp != NUMAPERF_THP_OFF &&
	    r->size >= 2u << 20 && !r->stretches)
		grain = 2 * np_huge_page_transparent();
	/* the kernel's round may end within a node's turn */
	return r->stretches ? 0 : grain * r->weights[node];
}

static int look_shares(const char *what, const struct numaperf_region *r,
		       const struct numaperf_placement *where)
{
	if (!np_region_interleaved(r))
		return 0;
	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes) {
		size_t has = where->pages_on_node[node] * where->page_size;
		size_t share = np_region_share(r, node), may = grain(r, node);

		if (has + may >= share && has <= share + may)
			continue;
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, what,
			       "free memory on that node (numastat -m), or give the pages back "
			       "to it (numaperf_region_migrate)",
			       "memory not fully placed: interleaving is uneven, node %d has "
			       "%zu pages where %zu are its share",
			       node, where->pages_on_node[node], share / where->page_size);
	}
	return 0;
}

int np_region_prove_placed(struct numaperf_region *r)
{
	struct numaperf_placement where;

	for (int i = 0;; i++) {
		int err = look(r->operation, -NUMAPERF_EHARDMODE, r, &where);

		if (err)
			return err;
		if (!where.pages_absent)
			break;
		/* swapped out before it was proved: under BIND, and within the budget */
		if (i == 2)
			return np_fail(
				-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, r->operation,
				"free memory, or ask for less",
				"memory not fully placed: %zu pages do not stay in memory",
				where.pages_absent);
		err = np_region_fault(r);
		if (err)
			return err;
	}
	return look_shares(r->operation, r, &where);
}

static int require_extras(const struct numaperf_region *r)
{
	if (r->opts.balancing && !r->balanced)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_UNSUPPORTED, r->operation,
			       "run Linux 5.15 with CONFIG_NUMA_BALANCING, or leave the option",
			       "this kernel does not balance inside a bound range");
	if (!numaperf_nodemask_empty(&r->opts.home) && !r->homed)
		return np_fail(
			-NUMAPERF_EHARDMODE, NUMAPERF_REASON_UNSUPPORTED, r->operation,
			"run Linux 5.17 and allow set_mempolicy_home_node in the seccomp "
			"profile, or leave the option",
			"this kernel has no home nodes");
	return 0;
}

int np_region_prove(struct numaperf_region *r)
{
	int err = np_region_set_policy(r, NP_PREFER, 0), placed;

	if (err < 0)
		return np_region_fail_policy(r, err);
	err = np_region_fault(r);
	if (err)
		return err;
	err = np_region_set_policy(r, NP_ENFORCE, MPOL_MF_MOVE | MPOL_MF_STRICT);
	/* EIO: some could not be moved; the look below says which */
	if (err < 0 && err != -EIO)
		return np_region_fail_policy(r, err);
	r->policy_set = true;
	placed = require_extras(r);
	if (!placed)
		placed = np_region_prove_placed(r);
	if (placed)
		return placed;
	if (err == -EIO && !r->stretches)
		return np_fail(
			-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, r->operation,
			"free memory on the nodes (numastat -m)",
			"memory not fully placed: the kernel could not move every page to "
			"its node");
	np_region_guard(r);
	return 0;
}

/* ---- later ---- */

int np_region_recheck(const struct numaperf_region *r)
{
	static const char what[] = "region check";
	bool strict = np_region_strict(r);
	int code = strict ? -NUMAPERF_EHARDMODE : -ESTALE;
	uint64_t start = (uintptr_t)r->data, swapped = 0;
	struct numaperf_placement where;
	int err = look(what, code, r, &where);

	if (err || !strict)
		return err;
	if (!where.pages_absent)
		return look_shares(what, r, &where);
	err = np_smaps_swapped(start, start + r->size, &swapped);
	if (err || swapped < where.pages_absent * where.page_size)
		return np_fail(code, NUMAPERF_REASON_MEMORY, what,
			       "do not give pages of a strict region back (MADV_DONTNEED)",
			       "%zu pages are not present any more", where.pages_absent);
	/* they come back where there is room, which decides */
	if (np_sys->madvise(r->data, r->size, MADV_POPULATE_READ) < 0)
		for (size_t i = 0; i < r->size; i += where.page_size)
			(void)((volatile const char *)r->data)[i];
	err = look(what, code, r, &where);
	return err ? err : look_shares(what, r, &where);
}
