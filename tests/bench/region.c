// SPDX-License-Identifier: MIT
/* Memory that is there: a region with parallel prefault, soft and strict, beside libnuma and
 * memset. */
#include "bench.h"

#include <numa.h>
#include <numaperf.h>
#include <string.h>

#define SIZE ((size_t)256 << 20)

static int node;

static void create(enum numaperf_mode mode)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.prefault = NUMAPERF_PREFAULT_PARALLEL,
		.nodes = numaperf_nodemask_single(node),
	};
	struct numaperf_region *region;

	if (numaperf_region_create(&region, SIZE, &opts)) {
		fprintf(stderr, "%s\n", numaperf_last_error()->message);
		exit(1);
	}
	numaperf_region_unref(region);
}

static void soft(unsigned int n)
{
	while (n--)
		create(NUMAPERF_SOFT);
}

static void strict(unsigned int n)
{
	while (n--)
		create(NUMAPERF_STRICT_UNWITNESSED);
}

static void libnuma(unsigned int n)
{
	while (n--) {
		void *p = numa_alloc_onnode(SIZE, node);

		if (!p)
			exit(1);
		memset(p, 0, SIZE);
		numa_free(p, SIZE);
	}
}

int main(void)
{
	struct numaperf_topology *topo;
	struct numaperf_nodemask nodes;

	if (numaperf_topology_discover(&topo))
		return 1;
	numaperf_topology_memory_nodes(topo, &nodes);
	node = numaperf_nodemask_first(&nodes);
	numaperf_topology_unref(topo);
	bench_pair("256 MiB bound and faulted, soft", 1, "numaperf", soft, "libnuma + memset",
		   libnuma);
	bench_pair("256 MiB bound, faulted, proved", 1, "numaperf", strict, "libnuma + memset",
		   libnuma);
	return 0;
}
