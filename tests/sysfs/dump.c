// SPDX-License-Identifier: MIT
/*
 * Everything the public topology functions say of a tree, as JSON, for topology-oracle.py:
 * dump [ROOT]. Exit 1 with the error's message when the tree is refused.
 */
#include <numaperf/base.h>
#include <numaperf/topology.h>
#include <stdio.h>

static char text[64 << 10];

static void put_cpus(const char *key, const struct numaperf_cpuset *cpus, const char *end)
{
	numaperf_cpuset_format(cpus, text, sizeof(text));
	printf("\"%s\": \"%s\"%s", key, text, end);
}

static void put_nodes(const char *key, const struct numaperf_nodemask *nodes)
{
	numaperf_nodemask_format(nodes, text, sizeof(text));
	printf("\"%s\": \"%s\",\n", key, text);
}

static int put_node(const struct numaperf_topology *topo, int id)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset cpus, allowed;
	int nearest[NUMAPERF_NODES_MAX];
	size_t n;

	if (numaperf_topology_node_info(topo, id, &info) ||
	    numaperf_topology_node_cpus(topo, id, &cpus) ||
	    numaperf_topology_node_allowed_cpus(topo, id, &allowed))
		return 1;
	printf("{\"id\": %d, \"package\": %d, \"memory\": %llu, \"free\": %llu, ", info.id,
	       info.package, (unsigned long long)info.memory_bytes,
	       (unsigned long long)info.memory_free_bytes);
	printf("\"online_cpus\": %u, \"allowed_cpus\": %u, \"allowed_memory\": %d, "
	       "\"has_memory\": %d, ",
	       info.online_cpus, info.allowed_cpus, info.allowed_memory, info.has_memory);
	put_cpus("cpus", &cpus, ", ");
	put_cpus("allowed", &allowed, ", \"huge\": [");
	for (int i = 0; i < NUMAPERF_HUGE_SIZES_MAX && info.huge[i].page_size; i++)
		printf("%s[%llu, %llu, %llu, %llu]", i ? ", " : "",
		       (unsigned long long)info.huge[i].page_size,
		       (unsigned long long)info.huge[i].total,
		       (unsigned long long)info.huge[i].free,
		       (unsigned long long)info.huge[i].surplus);
	printf("], \"distances\": {");
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		int to = numaperf_topology_node_id(topo, i);

		printf("%s\"%d\": %d", i ? ", " : "", to,
		       numaperf_topology_distance(topo, id, to));
	}
	n = numaperf_topology_nearest(topo, id, nearest, NUMAPERF_NODES_MAX);
	printf("}, \"nearest\": [");
	for (size_t i = 0; i < n; i++)
		printf("%s%d", i ? ", " : "", nearest[i]);
	printf("]}");
	return 0;
}

static int put_cpu(const struct numaperf_topology *topo, int id)
{
	struct numaperf_cpu_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset siblings, llc, package;

	if (numaperf_topology_cpu_info(topo, id, &info) ||
	    numaperf_topology_cpu_siblings(topo, id, &siblings) ||
	    numaperf_topology_llc_cpus(topo, id, &llc) ||
	    numaperf_topology_package_cpus(topo, id, &package))
		return 1;
	printf("{\"id\": %d, \"node\": %d, \"package\": %d, \"die\": %d, \"core\": %d, "
	       "\"llc\": %d, "
	       "\"smt\": %d, ",
	       info.id, info.node, info.package, info.die, info.core, info.llc, info.smt);
	put_cpus("siblings", &siblings, ", ");
	put_cpus("llc_cpus", &llc, ", ");
	put_cpus("package_cpus", &package, "}");
	return 0;
}

int main(int argc, char **argv)
{
	struct numaperf_topology *topo;
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset cpus;
	int bad = 0;

	if (numaperf_topology_load(&topo, argc > 1 ? argv[1] : NULL)) {
		fprintf(stderr, "%s\n", numaperf_last_error()->message);
		return 1;
	}
	printf("{");
	numaperf_topology_online_cpus(topo, &cpus);
	put_cpus("online_cpus", &cpus, ",\n");
	numaperf_topology_possible_cpus(topo, &cpus);
	put_cpus("possible_cpus", &cpus, ",\n");
	numaperf_topology_isolated_cpus(topo, &cpus);
	put_cpus("isolated_cpus", &cpus, ",\n");
	numaperf_topology_allowed_cpus(topo, &cpus);
	put_cpus("allowed_cpus", &cpus, ",\n");
	numaperf_topology_online_nodes(topo, &nodes);
	put_nodes("online_nodes", &nodes);
	numaperf_topology_possible_nodes(topo, &nodes);
	put_nodes("possible_nodes", &nodes);
	numaperf_topology_cpu_nodes(topo, &nodes);
	put_nodes("cpu_nodes", &nodes);
	numaperf_topology_memory_nodes(topo, &nodes);
	put_nodes("memory_nodes", &nodes);
	numaperf_topology_allowed_nodes(topo, &nodes);
	put_nodes("allowed_nodes", &nodes);
	printf("\"nodes\": [\n");
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		printf("%s", i ? ",\n" : "");
		bad |= put_node(topo, numaperf_topology_node_id(topo, i));
	}
	printf("],\n\"cpus\": [\n");
	numaperf_topology_online_cpus(topo, &cpus);
	for (int cpu = numaperf_cpuset_first(&cpus), n = 0; cpu >= 0;
	     cpu = numaperf_cpuset_next(&cpus, cpu), n++) {
		printf("%s", n ? ",\n" : "");
		bad |= put_cpu(topo, cpu);
	}
	printf("],\n\"warnings\": [");
	for (size_t i = 0; i < numaperf_topology_warning_count(topo); i++) {
		printf("%s\"", i ? ",\n" : "");
		for (const char *p = numaperf_topology_warning(topo, i); *p; p++)
			printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
		printf("\"");
	}
	printf("]}\n");
	numaperf_topology_unref(topo);
	return bad;
}
