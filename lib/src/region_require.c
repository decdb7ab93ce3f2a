// SPDX-License-Identifier: MIT
/* What can be known before a strict region is touched: its nodes, and their budget. */
#include "base.h"
#include "budget.h"
#include "region.h"
#include "util.h"

#include <stdio.h>

static int require_nodes(const struct numaperf_region *r)
{
	const struct numaperf_nodemask *asked = &r->opts.nodes;
	struct np_memory_nodes have;
	int err = np_memory_nodes(&have);

	if (err)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_SYSTEM, r->operation,
			       "mount /sys", "which nodes have memory cannot be read (%s)",
			       strerrordesc_np(-err));
	NUMAPERF_NODEMASK_FOR_EACH (node, asked) {
		if (!numaperf_nodemask_test(&have.online, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET,
				       r->operation,
				       "name a node that `numaperf topology` shows",
				       "node %d is not online", node);
		if (!numaperf_nodemask_test(&have.memory, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET,
				       r->operation,
				       "name a node with memory (numaperf topology)",
				       "node %d has no memory", node);
		if (!numaperf_nodemask_test(&have.allowed, node))
			return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_CPUSET,
				       r->operation,
				       "add the node to cpuset.mems of the process's cgroup",
				       "node %d is outside the cpuset of this process", node);
	}
	return 0;
}

static int fail_budget(const struct numaperf_region *r, const char *where, uint64_t wanted,
		       uint64_t have, const char *remedy)
{
	return np_fail(
		-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, r->operation, remedy,
		"not enough memory: %s has %llu KiB that may be used, %llu KiB are wanted",
		where, (unsigned long long)(have >> 10), (unsigned long long)(wanted >> 10));
}

static int require_node_budget(const struct numaperf_region *r, const size_t *has)
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
		uint64_t usable = budget.node[node].usable + (has ? has[node] : 0);
		uint64_t share = np_region_interleaved(r) ? np_region_share(r, node) : 0;

		if (usable < share) {
			snprintf(where, sizeof(where), "node %d", node);
			return fail_budget(r, where, share, usable, remedy);
		}
		sum += usable;
	}
	if (sum >= r->size)
		return 0;
	numaperf_nodemask_format(&r->nodes, list, sizeof(list));
	snprintf(where, sizeof(where), "node%s %s", nodes > 1 ? "s" : "", list);
	return fail_budget(r, where, r->size, sum, remedy);
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
	return fail_budget(r, where, r->size, budget.left,
			   "raise its memory.max, or ask for less");
}

int np_region_require(struct numaperf_region *r, const size_t *has)
{
	int err = require_nodes(r);

	if (err)
		return err;
	if (r->policy_ignored)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_UNSUPPORTED, r->operation,
			       "map it privately, or use tmpfs, memfd_create or hugetlbfs",
			       "the kernel ignores every policy for a shared file: its pages "
			       "are the page cache's");
	/* what of a shared file is there already takes no more memory: the proof decides */
	if (r->shared)
		return 0;
	if (r->page > np_page_size())
		return np_region_require_huge(r, has);
	err = require_node_budget(r, has);
	/* to move a page takes none of the cgroup's memory */
	return err || has ? err : require_cgroup_budget(r);
}
