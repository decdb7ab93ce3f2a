// SPDX-License-Identifier: MIT
/* What the library found, one fact a line in the kernel's own words, for a case to compare. */
#include "prog.h"

static void list(const char *what, const struct numaperf_cpuset *cpus)
{
	char text[256];

	numaperf_cpuset_format(cpus, text, sizeof(text));
	printf("%s=%s\n", what, text);
}

static void nodes(const char *what, const struct numaperf_nodemask *mask)
{
	char text[256];

	numaperf_nodemask_format(mask, text, sizeof(text));
	printf("%s=%s\n", what, text);
}

int main(void)
{
	struct numaperf_topology *topo;
	struct numaperf_nodemask mask;
	struct numaperf_cpuset cpus;
	char what[64];
	int err = numaperf_topology_discover(&topo);

	if (err)
		return refused(err);
	for (size_t i = 0; i < numaperf_topology_warning_count(topo); i++)
		printf("warning=%s\n", numaperf_topology_warning(topo, i));
	numaperf_topology_online_nodes(topo, &mask);
	nodes("online", &mask);
	numaperf_topology_possible_nodes(topo, &mask);
	nodes("possible", &mask);
	numaperf_topology_cpu_nodes(topo, &mask);
	nodes("has_cpu", &mask);
	numaperf_topology_memory_nodes(topo, &mask);
	nodes("has_memory", &mask);
	numaperf_topology_allowed_nodes(topo, &mask);
	nodes("mems_allowed", &mask);
	numaperf_topology_online_cpus(topo, &cpus);
	list("cpus_online", &cpus);
	numaperf_topology_allowed_cpus(topo, &cpus);
	list("cpus_allowed", &cpus);

	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		struct numaperf_node_info info = { .sz = sizeof(info) };
		int near[64], n = numaperf_topology_node_id(topo, i);
		size_t count = numaperf_topology_nearest(topo, n, near, 64);

		if (numaperf_topology_node_info(topo, n, &info) ||
		    numaperf_topology_node_cpus(topo, n, &cpus))
			return refused(-1);
		snprintf(what, sizeof(what), "node%d.cpus", n);
		list(what, &cpus);
		printf("node%d.kb=%llu\n", n, (unsigned long long)info.memory_bytes / 1024);
		printf("node%d.distance=", n);
		for (unsigned int j = 0; j < numaperf_topology_node_count(topo); j++)
			printf("%s%d", j ? " " : "",
			       numaperf_topology_distance(topo, n,
							  numaperf_topology_node_id(topo, j)));
		printf("\nnode%d.nearest=", n);
		for (size_t j = 0; j < count; j++)
			printf("%s%d", j ? " " : "", near[j]);
		puts("");
	}
	numaperf_topology_online_cpus(topo, &cpus);
	for (int c = 0; c < 64; c++) {
		struct numaperf_cpuset llc;

		if (!numaperf_cpuset_test(&cpus, c))
			continue;
		if (numaperf_topology_llc_cpus(topo, c, &llc))
			return refused(-1);
		snprintf(what, sizeof(what), "cpu%d.llc", c);
		list(what, &llc);
		printf("cpu%d.node=%d\n", c, numaperf_topology_cpu_node(topo, c));
	}
	numaperf_topology_unref(topo);
	return 0;
}
