// SPDX-License-Identifier: MIT
/*
 * Strict regions. BIND on a node that has run out ends in SIGKILL, so nothing is touched under
 * it: what can be known is asked first, pages are faulted in while the nodes are only
 * preferred, then bound with MOVE and STRICT, which answers with EIO where touching would have
 * killed, and at last every page is looked up.
 */
#include "base.h"
#include "budget.h"
#include "numa_maps.h"
#include "placement.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
# define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

static const char operation[] = NP_REGION_OPERATION;

/* ---- before ---- */

static int require_nodes(const struct numaperf_region *r)
{
	const struct numaperf_nodemask *asked = &r->opts.nodes;
	struct np_memory_nodes have;
	int err = np_memory_nodes(&have);

	if (err)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_SYSTEM, operation,
			       "mount /sys", "which nodes have memory cannot be read (%s)",
			       strerrordesc_np(-err));
	NUMAPERF_NODEMASK_FOR_EACH (node, asked) {
		if (!numaperf_nodemask_test(&have.online, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET, operation,
				       "name a node that `numaperf topology` shows",
				       "node %d is not online", node);
		if (!numaperf_nodemask_test(&have.memory, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET, operation,
				       "name a node with memory (numaperf topology)",
				       "node %d has no memory", node);
		if (!numaperf_nodemask_test(&have.allowed, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET, operation,
				       "add the node to cpuset.mems of the process's cgroup",
				       "node %d is outside the cpuset of this process", node);
	}
	return 0;
}

static int fail_budget(const char *where, uint64_t wanted, uint64_t have, const char *remedy)
{
	return np_fail(
		-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, operation, remedy,
		"not enough memory: %s has %llu KiB that may be used, %llu KiB are wanted",
		where, (unsigned long long)(have >> 10), (unsigned long long)(wanted >> 10));
}

static int require_node_budget(const struct numaperf_region *r)
{
	static const char remedy[] =
		"free memory there (numastat -m shows it), or ask for less";
	unsigned int nodes = numaperf_nodemask_count(&r->nodes);
	struct np_budget budget;
	uint64_t sum = 0;
	char where[96], list[64];

	/* the proof comes afterwards all the same */
	if (np_budget_nodes(&budget)) {
		np_log(NUMAPERF_LOG_WARNING,
		       "region: /proc/zoneinfo cannot be read: the nodes' free memory is not "
		       "checked beforehand");
		return 0;
	}
	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes) {
		uint64_t usable = budget.node[node].usable, share = r->size / nodes;

		if (r->opts.policy == NUMAPERF_POLICY_INTERLEAVE && usable < share) {
			snprintf(where, sizeof(where), "node %d", node);
			return fail_budget(where, share, usable, remedy);
		}
		sum += usable;
	}
	if (sum >= r->size)
		return 0;
	numaperf_nodemask_format(&r->nodes, list, sizeof(list));
	snprintf(where, sizeof(where), "node%s %s", nodes > 1 ? "s" : "", list);
	return fail_budget(where, r->size, sum, remedy);
}

static int require_cgroup_budget(const struct numaperf_region *r)
{
	struct np_cgroup_budget budget;
	char where[256];

	if (np_budget_cgroup(&budget)) {
		np_log(NUMAPERF_LOG_WARNING, "region: the cgroup's limit cannot be read: it is "
					     "not checked beforehand");
		return 0;
	}
	if (budget.left >= r->size)
		return 0;
	snprintf(where, sizeof(where), "the cgroup %s", budget.path);
	return fail_budget(where, r->size, budget.left,
			   "raise its memory.max, or ask for less");
}

int np_region_require(struct numaperf_region *r)
{
	int err = require_nodes(r);

	if (!err)
		err = require_node_budget(r);
	return err ? err : require_cgroup_budget(r);
}

/* ---- the policy calls ---- */

static int fail_policy(int err)
{
	bool filtered = np_sys->seccomp_mode() == 2;

	if (err == -ENOSYS && !filtered)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_UNSUPPORTED, operation,
			       "run a kernel with CONFIG_NUMA",
			       "this kernel has no memory policies");
	if (err == -EPERM || err == -EACCES || err == -ENOSYS)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_SECCOMP, operation,
			       "allow mbind in the seccomp profile (Docker's does with "
			       "--cap-add SYS_NICE)",
			       "permission denied (mbind is refused: %s)",
			       strerrordesc_np(-err));
	return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_SYSTEM, operation, NULL,
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

static int look_even(const struct numaperf_region *r, const struct numaperf_placement *where)
{
	size_t fewest = SIZE_MAX, most = 0, coarse = 1;
	int poor = -1;

	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes) {
		size_t n = where->pages_on_node[node];

		if (n < fewest) {
			fewest = n;
			poor = node;
		}
		most = MAX(most, n);
	}
	/* a huge page is one step of interleaving, and the ends of the region may be small */
	if (r->opts.thp != NUMAPERF_THP_OFF && r->size >= 2u << 20)
		coarse = 2 * ((2u << 20) / where->page_size);
	if (most - fewest <= coarse)
		return 0;
	return np_fail(
		-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, operation,
		"free memory on that node (numastat -m)",
		"memory not fully placed: interleaving is uneven, node %d got %zu pages and "
		"another %zu",
		poor, fewest, most);
}

int np_region_prove(struct numaperf_region *r)
{
	bool bind = r->opts.policy == NUMAPERF_POLICY_BIND;
	struct numaperf_placement where;
	int err;

	err = bind ? np_region_mbind_preferred(r, &r->nodes)
		   : np_region_mbind(r, MPOL_INTERLEAVE, &r->nodes, 0);
	if (err < 0)
		return fail_policy(err);
	err = np_region_fault(r);
	if (err)
		return err;
	err = np_region_mbind(r, bind ? MPOL_BIND : MPOL_INTERLEAVE, &r->nodes,
			      MPOL_MF_MOVE | MPOL_MF_STRICT);
	/* EIO: some could not be moved; the look below says which */
	if (err < 0 && err != -EIO)
		return fail_policy(err);
	r->policy_set = true;
	for (int i = 0;; i++) {
		int looked = look(operation, -NUMAPERF_EHARDMODE, r, &where);

		if (looked)
			return looked;
		if (!where.pages_absent)
			break;
		/* swapped out before it was proved: under BIND, and within the budget */
		if (i == 2)
			return np_fail(
				-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, operation,
				"free memory, or ask for less",
				"memory not fully placed: %zu pages do not stay in memory",
				where.pages_absent);
		looked = np_region_fault(r);
		if (looked)
			return looked;
	}
	if (err == -EIO)
		return np_fail(
			-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, operation,
			"free memory on the nodes (numastat -m)",
			"memory not fully placed: the kernel could not move every page to "
			"its node");
	return bind ? 0 : look_even(r, &where);
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

	if (err || !strict || !where.pages_absent)
		return err;
	err = np_smaps_swapped(start, start + r->size, &swapped);
	if (err || swapped < where.pages_absent * where.page_size)
		return np_fail(code, NUMAPERF_REASON_MEMORY, what,
			       "do not give pages of a strict region back (MADV_DONTNEED)",
			       "%zu pages are not present any more", where.pages_absent);
	/* they come back where there is room, which decides */
	if (np_sys->madvise(r->data, r->size, MADV_POPULATE_READ) < 0)
		for (size_t i = 0; i < r->size; i += where.page_size)
			(void)((volatile const char *)r->data)[i];
	return look(what, code, r, &where);
}
