// SPDX-License-Identifier: MIT
/* The budget as callers ask for it: of some nodes, in pages of one size. */
#include "base.h"
#include "budget.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaperf/budget.h>
#include <stdio.h>

static const char operation[] = "budget query";

static int check(const struct numaperf_nodemask *nodes, const struct numaperf_budget *budget)
{
	struct np_memory_nodes have;
	int err;

	if (!budget || budget->sz < sizeof(*budget))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "sz must be set to sizeof(struct numaperf_budget)");
	if (!nodes || numaperf_nodemask_empty(nodes))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there are no nodes");
	err = np_memory_nodes(&have);
	if (err)
		return np_fail(-ENODATA, NUMAPERF_REASON_SYSTEM, operation, "mount /sys",
			       "which nodes there are cannot be read (%s)",
			       strerrordesc_np(-err));
	NUMAPERF_NODEMASK_FOR_EACH (node, nodes)
		if (!numaperf_nodemask_test(&have.online, node))
			return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation,
				       "name a node that `numaperf topology` shows",
				       "node %d is not online", node);
	return 0;
}

static int ask_huge(const struct numaperf_nodemask *nodes, size_t size,
		    struct numaperf_budget *now)
{
	int root = np_sys->open_root(NULL), err = root < 0 ? root : 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		int64_t free = 0;
		char path[160];

		snprintf(path, sizeof(path),
			 "sys/devices/system/node/node%d/hugepages/hugepages-%zukB/"
			 "free_hugepages",
			 node, size >> 10);
		if (!err)
			err = np_read_number(root, path, &free);
		now->free += err ? 0 : (uint64_t)free * size;
	}
	if (root >= 0)
		np_sys->close(root);
	now->usable = now->free;
	if (err == -ENOENT)
		return np_fail(-EINVAL, NUMAPERF_REASON_UNSUPPORTED, operation,
			       "use a size that /sys/kernel/mm/hugepages has",
			       "this machine has no pages of %zu KiB", size >> 10);
	if (err)
		return np_fail(-ENODATA, NUMAPERF_REASON_SYSTEM, operation, "mount /sys",
			       "the nodes' huge pages cannot be read (%s)",
			       strerrordesc_np(-err));
	return 0;
}

static int ask_base(const struct numaperf_nodemask *nodes, struct numaperf_budget *now)
{
	struct np_cgroup_budget cgroup;
	struct np_budget *all;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*all), 0) < 0)
		return np_fail_memory(operation);
	all = p;
	err = np_budget_nodes(all);
	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		now->free += err ? 0 : all->node[node].free;
		now->usable += err ? 0 : all->node[node].usable;
	}
	np_free(all);
	if (!err)
		err = np_budget_cgroup(&cgroup);
	if (err == -ENOMEM)
		return np_fail_memory(operation);
	if (err)
		return np_fail(-ENODATA, NUMAPERF_REASON_SYSTEM, operation, "mount /proc",
			       "/proc/zoneinfo or the cgroup's limit cannot be read (%s)",
			       strerrordesc_np(-err));
	now->cgroup_left = cgroup.left;
	if (cgroup.left == UINT64_MAX)
		return 0;
	now->cgroup_limit = cgroup.limit;
	memcpy(now->cgroup, cgroup.path, sizeof(now->cgroup));
	return 0;
}

int numaperf_budget_query(const struct numaperf_nodemask *nodes, size_t page_size,
			  struct numaperf_budget *budget)
{
	struct numaperf_budget now = { .cgroup_left = UINT64_MAX, .cgroup_limit = UINT64_MAX };
	int err = check(nodes, budget);

	if (!err && page_size && page_size != np_page_size())
		err = ask_huge(nodes, page_size, &now);
	else if (!err)
		err = ask_base(nodes, &now);
	if (err)
		return err;
	now.fits = MIN(now.usable, now.cgroup_left);
	np_snapshot_write(budget, budget->sz, &now, sizeof(now));
	return 0;
}

int numaperf_budget_require(const struct numaperf_nodemask *nodes, size_t page_size,
			    uint64_t bytes)
{
	struct numaperf_budget now = { .sz = sizeof(now) };
	bool huge = page_size && page_size != np_page_size();
	int err = numaperf_budget_query(nodes, page_size, &now);
	char list[64];

	if (err || bytes <= now.fits)
		return err;
	numaperf_nodemask_format(nodes, list, sizeof(list));
	if (huge)
		return np_fail(-ENOMEM, NUMAPERF_REASON_HUGEPAGES, operation,
			       "reserve more (/sys/devices/system/node/nodeN/hugepages)",
			       "nodes %s have %llu free huge pages of %zu KiB, %llu are wanted",
			       list, (unsigned long long)(now.free / page_size),
			       page_size >> 10,
			       (unsigned long long)(bytes / page_size + !!(bytes % page_size)));
	if (bytes > now.usable)
		return np_fail(-ENOMEM, NUMAPERF_REASON_MEMORY, operation,
			       "free memory there (numastat -m), or ask for less",
			       "nodes %s have %llu KiB that may be used, %llu KiB are wanted",
			       list, (unsigned long long)(now.usable >> 10),
			       (unsigned long long)(bytes >> 10));
	return np_fail(-ENOMEM, NUMAPERF_REASON_MEMORY, operation,
		       "raise its memory.max, or ask for less",
		       "the cgroup %s has %llu KiB left, %llu KiB are wanted", now.cgroup,
		       (unsigned long long)(now.cgroup_left >> 10),
		       (unsigned long long)(bytes >> 10));
}
