/* SPDX-License-Identifier: MIT */
/* numaperf topology: the machine, or a saved tree, as people and as programs read it. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Groups of CPUs that share something, each seen once. */
struct groups {
	const char *what;
	int (*cpus)(const struct numaperf_topology *topo, int cpu, struct numaperf_cpuset *out);
};

static int core_cpus(const struct numaperf_topology *topo, int cpu, struct numaperf_cpuset *out)
{
	return numaperf_topology_cpu_siblings(topo, cpu, out);
}

static int llc_cpus(const struct numaperf_topology *topo, int cpu, struct numaperf_cpuset *out)
{
	return numaperf_topology_llc_cpus(topo, cpu, out);
}

static int package_cpus(const struct numaperf_topology *topo, int cpu,
			struct numaperf_cpuset *out)
{
	return numaperf_topology_package_cpus(topo, cpu, out);
}

static const struct groups packages = { "package", package_cpus };
static const struct groups caches = { "LLC group", llc_cpus };
static const struct groups cores = { "core", core_cpus };

/* The next group whose smallest CPU is above `after`: that CPU, or -1. */
static int next_group(const struct numaperf_topology *topo, const struct groups *kind,
		      int after, struct numaperf_cpuset *group)
{
	struct numaperf_cpuset online;

	numaperf_topology_online_cpus(topo, &online);
	for (int cpu = numaperf_cpuset_next(&online, after); cpu >= 0;
	     cpu = numaperf_cpuset_next(&online, cpu))
		if (kind->cpus(topo, cpu, group) == 0 && numaperf_cpuset_first(group) == cpu)
			return cpu;
	return -1;
}

static size_t count_groups(const struct numaperf_topology *topo, const struct groups *kind)
{
	struct numaperf_cpuset group;
	size_t n = 0;

	for (int cpu = -1; (cpu = next_group(topo, kind, cpu, &group)) >= 0;)
		n++;
	return n;
}

static void group_nodes(const struct numaperf_topology *topo,
			const struct numaperf_cpuset *group, struct numaperf_nodemask *nodes)
{
	int err = 0;

	numaperf_nodemask_zero(nodes);
	NUMAPERF_CPUSET_FOR_EACH (cpu, group)
		err |= numaperf_nodemask_set(nodes, numaperf_topology_cpu_node(topo, cpu));
	(void)err; /* a CPU without a node adds none */
}

/* What numaperf_topology_node_*() give of the nth node. -errno: it is not there. */
struct node {
	struct numaperf_node_info info;
	struct numaperf_cpuset cpus, allowed;
};

static int read_node(const struct numaperf_topology *topo, unsigned int nth, struct node *node)
{
	int id = numaperf_topology_node_id(topo, nth), err;

	node->info = (struct numaperf_node_info){ .sz = sizeof(node->info) };
	err = numaperf_topology_node_info(topo, id, &node->info);
	if (!err)
		err = numaperf_topology_node_cpus(topo, id, &node->cpus);
	if (!err)
		err = numaperf_topology_node_allowed_cpus(topo, id, &node->allowed);
	return err;
}

static unsigned long long total_memory(const struct numaperf_topology *topo)
{
	unsigned long long sum = 0;
	struct node node;

	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++)
		if (!read_node(topo, i, &node))
			sum += node.info.memory_bytes;
	return sum;
}

/* ---- JSON ---- */

static json_t *json_distances(const struct numaperf_topology *topo, int from)
{
	json_t *out = json_object();

	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		int to = numaperf_topology_node_id(topo, i);
		int distance = numaperf_topology_distance(topo, from, to);
		char key[16];

		snprintf(key, sizeof(key), "%d", to);
		tool_put(out, key, tool_json_id(distance));
	}
	return out;
}

static json_t *json_nearest(const struct numaperf_topology *topo, int node)
{
	static int order[NUMAPERF_NODES_MAX];
	size_t n = numaperf_topology_nearest(topo, node, order, NUMAPERF_NODES_MAX);
	json_t *out = json_array();

	for (size_t i = 0; i < n && i < NUMAPERF_NODES_MAX; i++)
		tool_append(out, json_integer(order[i]));
	return out;
}

static json_t *json_huge(const struct numaperf_node_info *info)
{
	json_t *out = json_array();

	for (int i = 0; i < NUMAPERF_HUGE_SIZES_MAX && info->huge[i].page_size; i++) {
		json_t *size = json_object();

		tool_put(size, "page_size_bytes",
			 json_integer((json_int_t)info->huge[i].page_size));
		tool_put(size, "total", json_integer((json_int_t)info->huge[i].total));
		tool_put(size, "free", json_integer((json_int_t)info->huge[i].free));
		tool_put(size, "surplus", json_integer((json_int_t)info->huge[i].surplus));
		tool_append(out, size);
	}
	return out;
}

static json_t *json_access(const struct numaperf_node_access *a)
{
	const struct {
		const char *key;
		uint64_t value;
	} figures[] = {
		{ "read_latency_ns", a->read_latency_ns },
		{ "write_latency_ns", a->write_latency_ns },
		{ "read_mib_per_s", a->read_mib_per_s },
		{ "write_mib_per_s", a->write_mib_per_s },
	};
	json_t *out = json_object();

	if (numaperf_nodemask_empty(&a->initiators)) {
		json_decref(out);
		return json_null();
	}
	tool_put(out, "initiators", tool_json_nodes(&a->initiators));
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		tool_put(out, figures[i].key,
			 figures[i].value ? json_integer((json_int_t)figures[i].value)
					  : json_null());
	return out;
}

static json_t *json_node(const struct numaperf_topology *topo, const struct node *node)
{
	const struct numaperf_node_info *info = &node->info;
	json_t *out = json_object();

	tool_put(out, "id", json_integer(info->id));
	tool_put(out, "cpus", tool_json_cpus(&node->cpus));
	tool_put(out, "allowed_cpus", tool_json_cpus(&node->allowed));
	tool_put(out, "online_cpu_count", json_integer(info->online_cpus));
	tool_put(out, "has_cpus", json_boolean(info->has_cpus));
	tool_put(out, "has_memory", json_boolean(info->has_memory));
	tool_put(out, "allowed_memory", json_boolean(info->allowed_memory));
	tool_put(out, "memory_bytes", json_integer((json_int_t)info->memory_bytes));
	tool_put(out, "memory_free_bytes", json_integer((json_int_t)info->memory_free_bytes));
	tool_put(out, "package", tool_json_id(info->package));
	tool_put(out, "memory_tier", tool_json_id(info->memory_tier));
	tool_put(out, "access", json_access(&info->access));
	tool_put(out, "distances", json_distances(topo, info->id));
	tool_put(out, "nearest", json_nearest(topo, info->id));
	tool_put(out, "huge_pages", json_huge(info));
	return out;
}

static json_t *json_groups(const struct numaperf_topology *topo, const struct groups *kind)
{
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset group;
	json_t *out = json_array();

	for (int cpu = -1; (cpu = next_group(topo, kind, cpu, &group)) >= 0;) {
		struct numaperf_cpu_info info = { .sz = sizeof(info) };
		json_t *one = json_object();

		if (kind == &packages && !numaperf_topology_cpu_info(topo, cpu, &info))
			tool_put(one, "id", tool_json_id(info.package));
		group_nodes(topo, &group, &nodes);
		tool_put(one, "cpus", tool_json_cpus(&group));
		tool_put(one, "nodes", tool_json_nodes(&nodes));
		tool_append(out, one);
	}
	return out;
}

static json_t *json_cpus(const struct numaperf_topology *topo)
{
	struct numaperf_cpuset online;
	json_t *out = json_array();

	numaperf_topology_online_cpus(topo, &online);
	NUMAPERF_CPUSET_FOR_EACH (cpu, &online) {
		struct numaperf_cpu_info info = { .sz = sizeof(info) };
		json_t *one;

		if (numaperf_topology_cpu_info(topo, cpu, &info))
			continue;
		one = json_object();
		tool_put(one, "id", json_integer(cpu));
		tool_put(one, "node", tool_json_id(info.node));
		tool_put(one, "package", tool_json_id(info.package));
		tool_put(one, "die", tool_json_id(info.die));
		tool_put(one, "core", tool_json_id(info.core));
		tool_put(one, "llc", tool_json_id(info.llc));
		tool_put(one, "smt", tool_json_id(info.smt));
		tool_append(out, one);
	}
	return out;
}

static const struct {
	const char *key;
	void (*get)(const struct numaperf_topology *topo, struct numaperf_cpuset *out);
} cpu_sets[] = {
	{ "online_cpus", numaperf_topology_online_cpus },
	{ "possible_cpus", numaperf_topology_possible_cpus },
	{ "allowed_cpus", numaperf_topology_allowed_cpus },
	{ "isolated_cpus", numaperf_topology_isolated_cpus },
};

static const struct {
	const char *key;
	void (*get)(const struct numaperf_topology *topo, struct numaperf_nodemask *out);
} node_sets[] = {
	{ "online_nodes", numaperf_topology_online_nodes },
	{ "possible_nodes", numaperf_topology_possible_nodes },
	{ "cpu_nodes", numaperf_topology_cpu_nodes },
	{ "memory_nodes", numaperf_topology_memory_nodes },
	{ "allowed_nodes", numaperf_topology_allowed_nodes },
};

static json_t *json_devices(const struct numaperf_devices *devices)
{
	json_t *out = json_array();

	for (size_t i = 0; i < numaperf_devices_count(devices); i++) {
		struct numaperf_device d = { .sz = sizeof(d) };
		json_t *one;

		if (numaperf_devices_get(devices, i, &d))
			continue;
		one = json_object();
		tool_put(one, "name", tool_json_text(d.name));
		tool_put(one, "type", tool_json_text(numaperf_device_type_name(d.type)));
		tool_put(one, "node", tool_json_id(d.node));
		tool_put(one, "cpus", tool_json_cpus(&d.cpus));
		tool_put(one, "pci", *d.pci ? tool_json_text(d.pci) : json_null());
		tool_append(out, one);
	}
	return out;
}

/* `devices`: NULL, or they are printed, too. */
static int print_json(const struct tool_command *cmd, const struct numaperf_topology *topo,
		      const struct numaperf_devices *devices, const char *root)
{
	json_t *out = json_object(), *nodes = json_array(), *warnings = json_array();
	struct numaperf_nodemask set;
	struct numaperf_cpuset cpus;
	struct node node;

	tool_put(out, "version", tool_json_text(numaperf_version()));
	tool_put(out, "root", tool_json_text(root ? root : "/"));
	tool_put(out, "node_count", json_integer(numaperf_topology_node_count(topo)));
	for (size_t i = 0; i < sizeof(cpu_sets) / sizeof(cpu_sets[0]); i++) {
		cpu_sets[i].get(topo, &cpus);
		tool_put(out, cpu_sets[i].key, tool_json_cpus(&cpus));
	}
	for (size_t i = 0; i < sizeof(node_sets) / sizeof(node_sets[0]); i++) {
		node_sets[i].get(topo, &set);
		tool_put(out, node_sets[i].key, tool_json_nodes(&set));
	}
	tool_put(out, "memory_bytes", json_integer((json_int_t)total_memory(topo)));
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++)
		if (!read_node(topo, i, &node))
			tool_append(nodes, json_node(topo, &node));
	tool_put(out, "nodes", nodes);
	tool_put(out, "packages", json_groups(topo, &packages));
	tool_put(out, "llc_groups", json_groups(topo, &caches));
	tool_put(out, "cpus", json_cpus(topo));
	if (devices)
		tool_put(out, "devices", json_devices(devices));
	for (size_t i = 0; i < numaperf_topology_warning_count(topo); i++)
		tool_append(warnings, tool_json_text(numaperf_topology_warning(topo, i)));
	tool_put(out, "warnings", warnings);
	return tool_json_print(cmd, out);
}

/* ---- text ---- */

static char *huge_text(const struct numaperf_node_info *info)
{
	char *text = strdup("");

	for (int i = 0; text && i < NUMAPERF_HUGE_SIZES_MAX && info->huge[i].page_size; i++) {
		char *size = tool_size(info->huge[i].page_size);
		char *more =
			size ? tool_printf("%s%s%s: %llu of %llu free", text, i ? ", " : "",
					   size, (unsigned long long)info->huge[i].free,
					   (unsigned long long)info->huge[i].total)
			     : NULL;

		free(size);
		free(text);
		text = more;
	}
	return text;
}

static int print_nodes(const struct tool_command *cmd, const struct numaperf_topology *topo)
{
	static const char *const head[] = { "NODE",   "PACKAGE", "CPUS",    "ALLOWED CPUS",
					    "MEMORY", "FREE",	 "ALLOWED", "HUGE PAGES" };
	enum {
		COLUMNS = sizeof(head) / sizeof(head[0])
	};
	struct tool_table table = { .columns = COLUMNS };
	struct node node;

	tool_cells(&table, head, COLUMNS);
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		const struct numaperf_node_info *info = &node.info;

		if (read_node(topo, i, &node))
			continue;
		tool_cell(&table, tool_printf("%d", info->id));
		tool_cell(&table,
			  info->package < 0 ? strdup("") : tool_printf("%d", info->package));
		tool_cell(&table, tool_cpulist(&node.cpus));
		tool_cell(&table, tool_cpulist(&node.allowed));
		tool_cell(&table,
			  info->has_memory ? tool_size(info->memory_bytes) : strdup("none"));
		tool_cell(&table,
			  info->has_memory ? tool_size(info->memory_free_bytes) : strdup(""));
		tool_cell(&table, strdup(info->allowed_memory ? "yes" : "no"));
		tool_cell(&table, huge_text(info));
	}
	return tool_table_print(cmd, &table, 2);
}

static bool says_access(const struct node *node)
{
	return node->info.memory_tier >= 0 ||
	       !numaperf_nodemask_empty(&node->info.access.initiators);
}

static char *figure(uint64_t value, const char *unit)
{
	return value ? tool_printf("%llu %s", (unsigned long long)value, unit) : strdup("");
}

/* Only where the firmware or the kernel says anything. */
static int print_access(const struct tool_command *cmd, const struct numaperf_topology *topo)
{
	static const char *const head[] = { "NODE", "TIER", "NEAREST TO", "LATENCY",
					    "BANDWIDTH" };
	enum {
		COLUMNS = sizeof(head) / sizeof(head[0])
	};
	struct tool_table table = { .columns = COLUMNS };
	struct node node;

	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++) {
		const struct numaperf_node_info *info = &node.info;

		if (read_node(topo, i, &node) || !says_access(&node))
			continue;
		if (!table.cells) {
			puts("\nMemory, as read from the nodes nearest to it");
			tool_cells(&table, head, COLUMNS);
		}
		tool_cell(&table, tool_printf("%d", info->id));
		tool_cell(&table, info->memory_tier < 0 ? strdup("")
							: tool_printf("%d", info->memory_tier));
		tool_cell(&table, tool_nodelist(&info->access.initiators));
		tool_cell(&table, figure(info->access.read_latency_ns, "ns"));
		tool_cell(&table, figure(info->access.read_mib_per_s, "MiB/s"));
	}
	return tool_table_print(cmd, &table, 2);
}

static int print_distances(const struct tool_command *cmd, const struct numaperf_topology *topo)
{
	unsigned int n = numaperf_topology_node_count(topo);
	struct tool_table table = { .columns = n + 1 };

	printf("\nDistances (from row to column; 10 is local)\n");
	tool_cell(&table, strdup("NODE"));
	for (unsigned int i = 0; i < n; i++)
		tool_cell(&table, tool_printf("%3d", numaperf_topology_node_id(topo, i)));
	for (unsigned int i = 0; i < n; i++) {
		int from = numaperf_topology_node_id(topo, i);

		tool_cell(&table, tool_printf("%d", from));
		for (unsigned int j = 0; j < n; j++) {
			int distance = numaperf_topology_distance(
				topo, from, numaperf_topology_node_id(topo, j));

			tool_cell(&table,
				  distance < 0 ? strdup("  -") : tool_printf("%3d", distance));
		}
	}
	return tool_table_print(cmd, &table, 2);
}

static int print_groups(const struct tool_command *cmd, const struct numaperf_topology *topo,
			const struct groups *kind)
{
	struct tool_table table = { .columns = 3 };
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset group;
	size_t n = 0;

	for (int cpu = -1; (cpu = next_group(topo, kind, cpu, &group)) >= 0; n++) {
		char *list = tool_cpulist(&group), *on;

		group_nodes(topo, &group, &nodes);
		on = tool_nodelist(&nodes);
		tool_cell(&table, tool_printf("%s %zu", kind->what, n));
		tool_cell(&table, list ? tool_printf("CPUs %s", list) : NULL);
		tool_cell(&table, on ? tool_printf("node %s", *on ? on : "unknown") : NULL);
		free(list);
		free(on);
	}
	return tool_table_print(cmd, &table, 2);
}

static int print_devices(const struct tool_command *cmd, const struct numaperf_devices *devices)
{
	static const char *const head[] = { "DEVICE", "TYPE", "NODE", "CPUS NEAR IT", "PCI" };
	enum {
		COLUMNS = sizeof(head) / sizeof(head[0])
	};
	struct tool_table table = { .columns = COLUMNS };

	puts("");
	tool_cells(&table, head, COLUMNS);
	for (size_t i = 0; i < numaperf_devices_count(devices); i++) {
		struct numaperf_device d = { .sz = sizeof(d) };

		if (numaperf_devices_get(devices, i, &d))
			continue;
		tool_cell(&table, strdup(tool_clean(d.name)));
		tool_cell(&table, strdup(numaperf_device_type_name(d.type)));
		tool_cell(&table, d.node < 0 ? strdup("none") : tool_printf("%d", d.node));
		tool_cell(&table, tool_cpulist(&d.cpus));
		tool_cell(&table, strdup(d.pci));
	}
	return tool_table_print(cmd, &table, 2);
}

static int print_text(const struct tool_command *cmd, const struct numaperf_topology *topo,
		      const struct numaperf_devices *devices)
{
	unsigned int n = numaperf_topology_node_count(topo);
	char *memory = tool_size(total_memory(topo));
	struct numaperf_cpuset cpus, allowed, online;
	struct numaperf_nodemask nodes;
	int status;

	numaperf_topology_online_cpus(topo, &online);
	numaperf_topology_allowed_cpus(topo, &allowed);
	printf("%u node%s, %zu package%s, %zu core%s, %u CPU%s online, %s of memory\n\n", n,
	       n == 1 ? "" : "s", count_groups(topo, &packages),
	       count_groups(topo, &packages) == 1 ? "" : "s", count_groups(topo, &cores),
	       count_groups(topo, &cores) == 1 ? "" : "s", numaperf_cpuset_count(&online),
	       numaperf_cpuset_count(&online) == 1 ? "" : "s", memory ? memory : "?");
	free(memory);

	status = print_nodes(cmd, topo);
	if (!status)
		status = print_distances(cmd, topo);
	if (!status)
		status = print_access(cmd, topo);
	if (!status) {
		printf("\nShared by CPUs\n");
		status = print_groups(cmd, topo, &packages);
	}
	if (!status)
		status = print_groups(cmd, topo, &caches);
	if (!status && devices)
		status = print_devices(cmd, devices);

	printf("\nSets\n");
	for (size_t i = 0; i < sizeof(cpu_sets) / sizeof(cpu_sets[0]); i++) {
		char *text;

		cpu_sets[i].get(topo, &cpus);
		text = tool_cpulist(&cpus);
		printf("  %-15s %s\n", cpu_sets[i].key, text && *text ? text : "-");
		free(text);
	}
	for (size_t i = 0; i < sizeof(node_sets) / sizeof(node_sets[0]); i++) {
		char *text;

		node_sets[i].get(topo, &nodes);
		text = tool_nodelist(&nodes);
		printf("  %-15s %s\n", node_sets[i].key, text && *text ? text : "-");
		free(text);
	}
	if (!numaperf_cpuset_subset(&online, &allowed))
		printf("\nThe cpuset or affinity of this process leaves %u of %u CPUs.\n",
		       numaperf_cpuset_count(&allowed), numaperf_cpuset_count(&online));

	for (size_t i = 0; i < numaperf_topology_warning_count(topo); i++) {
		char *text = strdup(numaperf_topology_warning(topo, i));

		printf("%swarning: %s\n", i ? "" : "\n", text ? tool_clean(text) : "?");
		free(text);
	}
	return status;
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "devices", no_argument, NULL, 'd' },
		{ "sysfs", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct numaperf_devices *devices = NULL;
	struct numaperf_topology *topo;
	bool json = false, want_devices = false;
	const char *root = NULL;
	int opt, status;

	while ((opt = getopt_long(argc, argv, ":jds:h", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'd':
			want_devices = true;
			break;
		case 's':
			root = optarg;
			break;
		case 'h':
			tool_help(cmd);
			return TOOL_OK;
		default:
			return tool_bad_option(cmd, opt, argv);
		}
	}
	status = tool_no_operands(cmd, argc, argv);
	if (status)
		return status;
	if (root && !*root) {
		tool_error(cmd, "--sysfs needs the folder that stands for / (it holds sys/), "
				"not an empty name");
		return TOOL_MISUSE;
	}
	if (numaperf_topology_load(&topo, root))
		return tool_library_error(cmd);
	if (want_devices && numaperf_devices_load(&devices, topo, root))
		status = tool_library_error(cmd);
	else
		status = json ? print_json(cmd, topo, devices, root)
			      : print_text(cmd, topo, devices);
	numaperf_devices_destroy(devices);
	numaperf_topology_unref(topo);
	return status;
}

const struct tool_command cmd_topology = {
	.name = "topology",
	.summary = "nodes, CPUs, memory, distances: of this machine or of a saved tree",
	.arguments = "[--json] [--devices] [--sysfs DIR]",
	.help = "  -j, --json       print JSON\n"
		"  -d, --devices    also devices and the nodes that they hang off\n"
		"  -s, --sysfs DIR  read a saved tree: DIR stands for / and holds sys/ and, "
		"if\n"
		"                   saved, proc/\n"
		"  -h, --help       this text\n\n"
		"What is contradictory in the tree is repaired and listed under warnings, or\n"
		"refused with exit status 1 and the name of the file.\n",
	.run = run,
};
