/* SPDX-License-Identifier: MIT */
/* Rank 3: which nodes have memory, and how much of it can still be had before the kernel
 * kills. */
#ifndef NP_BUDGET_H
#define NP_BUDGET_H

#include <numaperf/mask.h>
#include <stdbool.h>

/* Bytes. `usable` is what an ordinary allocation gets without digging into the reserves: free
 * pages above the high watermark and the zones' protection, and clean file cache. */
struct np_node_budget {
	uint64_t free;
	uint64_t usable;
};

struct np_budget {
	struct np_node_budget node[NUMAPERF_NODES_MAX];
};

/* From /proc/zoneinfo. 0 or -errno, without a record. */
int np_budget_nodes(struct np_budget *budget);

/* The same from its text. -EINVAL: no zone was found in it. */
int np_budget_parse_zoneinfo(const char *text, size_t page_size, struct np_budget *budget);

struct np_cgroup_budget {
	uint64_t left;	/* bytes until the tightest limit, clean file cache counted as free;
			   UINT64_MAX: no limit */
	uint64_t limit; /* of that cgroup */
	char path[192]; /* of that cgroup, as it is mounted; cut when longer */
};

/*
 * The memory limit of this process's cgroup and of all its visible ancestors (v2 memory.max, v1
 * memory.limit_in_bytes). No such controller: no limit. 0 or -errno, without a record.
 */
int np_budget_cgroup(struct np_cgroup_budget *budget);

/* Which nodes there are, which of them have memory, and which a new page of this thread may
 * come from. A kernel without NUMA: node 0 for all. */
struct np_memory_nodes {
	struct numaperf_nodemask online;
	struct numaperf_nodemask memory;
	struct numaperf_nodemask allowed; /* by the cpuset */
};

/* 0 or -errno, without a record. */
int np_memory_nodes(struct np_memory_nodes *nodes);

/* Whether the kernel lets this thread have memory of all of them: then they are online and have
 * some, since a cpuset has no other nodes (cpuset(7); kernel/cgroup/cpuset.c, guarantee of
 * effective_mems). One call, no file. */
bool np_memory_allowed(const struct numaperf_nodemask *nodes);

/* SwapFree of /proc/meminfo, bytes; 0 when it cannot be read. */
uint64_t np_budget_swap(void);

#endif
