// SPDX-License-Identifier: MIT
/*
 * Reading a tree: which CPUs and nodes there are, and which CPU is whose. Files that contradict
 * each other are settled here, each time with a warning; what cannot be settled is an error.
 */
#include "base.h"
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>

/* Where sets are named in messages: long enough for any sane one, cut otherwise. */
enum {
	SET_TEXT = 64
};

static void cpus_text(char *buf, const struct numaperf_cpuset *cpus)
{
	if (numaperf_cpuset_format(cpus, buf, SET_TEXT) >= SET_TEXT)
		memcpy(buf + SET_TEXT - 4, "...", 4);
}

static void nodes_text(char *buf, const struct numaperf_nodemask *nodes)
{
	if (numaperf_nodemask_format(nodes, buf, SET_TEXT) >= SET_TEXT)
		memcpy(buf + SET_TEXT - 4, "...", 4);
}

/* ---- which CPUs ---- */

static void collect_cpu(void *ctx, unsigned long number)
{
	if (number < NUMAPERF_CPUS_MAX)
		(void)numaperf_cpuset_set(ctx, (int)number);
}

static void collect_node(void *ctx, unsigned long number)
{
	if (number < NUMAPERF_NODES_MAX)
		(void)numaperf_nodemask_set(ctx, (int)number);
}

/*
 * Old kernels have no cpu/online: a CPU is online unless its own file says 0 (CPUs that cannot
 * be taken offline have no such file).
 */
static int online_from_folders(struct np_tree *tree, const struct numaperf_cpuset *folders,
			       struct numaperf_cpuset *online)
{
	*online = *folders;
	NUMAPERF_CPUSET_FOR_EACH (cpu, folders) {
		char path[32];
		long value = 1;
		int r;

		snprintf(path, sizeof(path), "cpu%d/online", cpu);
		r = np_tree_number(tree, &tree->cpu, path, &value);
		if (r < 0)
			return r;
		if (!value)
			(void)numaperf_cpuset_clear(online, cpu);
	}
	return 0;
}

static int read_online_cpus(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct numaperf_cpuset folders = { { 0 } };
	int listed = np_tree_cpus(tree, &tree->cpu, "online", &t->online_cpus), r;

	if (listed < 0)
		return listed;
	if (listed && !numaperf_cpuset_empty(&t->online_cpus))
		return 0;
	if (listed) {
		r = np_tree_warn(tree, "%sonline is empty; took the CPUs from the folders",
				 tree->cpu.name);
		if (r < 0)
			return r;
	}
	r = np_tree_names(tree, &tree->cpu, ".", "cpu", "", collect_cpu, &folders);
	if (r < 0)
		return r;
	return online_from_folders(tree, &folders, &t->online_cpus);
}

static int read_other_cpus(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	int r;

	r = np_tree_cpus(tree, &tree->cpu, "isolated", &t->isolated_cpus);
	if (r < 0)
		return r;
	r = np_tree_cpus(tree, &tree->cpu, "possible", &t->possible_cpus);
	if (!r)
		r = np_tree_names(tree, &tree->cpu, ".", "cpu", "", collect_cpu,
				  &t->possible_cpus);
	if (r < 0)
		return r;
	if (r && !numaperf_cpuset_subset(&t->online_cpus, &t->possible_cpus)) {
		r = np_tree_warn(tree, "%spossible lacks CPUs that are online; added them",
				 tree->cpu.name);
		if (r < 0)
			return r;
	}
	numaperf_cpuset_or(&t->possible_cpus, &t->possible_cpus, &t->online_cpus);
	return 0;
}

/* ---- which nodes ---- */

static int read_online_nodes(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct numaperf_nodemask *listed = &tree->listed_nodes, *folders = &tree->node_folders;
	struct numaperf_nodemask missing;
	char text[SET_TEXT];
	int r, known;

	r = np_tree_names(tree, &tree->node, ".", "node", "", collect_node, folders);
	if (r < 0)
		return r;
	known = np_tree_nodes(tree, &tree->node, "online", listed);
	if (known < 0)
		return known;
	if (!known || numaperf_nodemask_empty(listed)) {
		t->online_nodes = *folders;
		if (known)
			return np_tree_warn(
				tree, "%sonline is empty; took the nodes from the folders",
				tree->node.name);
		return 0;
	}
	numaperf_nodemask_andnot(&missing, listed, folders);
	numaperf_nodemask_and(&t->online_nodes, listed, folders);
	if (numaperf_nodemask_empty(&missing))
		return 0;
	nodes_text(text, &missing);
	return np_tree_warn(tree, "%sonline names nodes that have no folder: %s; left out",
			    tree->node.name, text);
}

static int read_possible_nodes(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	int r = np_tree_nodes(tree, &tree->node, "possible", &t->possible_nodes);

	if (r < 0)
		return r;
	if (r && !numaperf_nodemask_subset(&t->online_nodes, &t->possible_nodes)) {
		r = np_tree_warn(tree, "%spossible lacks nodes that are online; added them",
				 tree->node.name);
		if (r < 0)
			return r;
	}
	numaperf_nodemask_or(&t->possible_nodes, &t->possible_nodes, &t->online_nodes);
	return 0;
}

static int make_nodes(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	unsigned int n = 0;
	void *p;

	t->node_count = numaperf_nodemask_count(&t->online_nodes);
	if (np_sys->alloc(&p, t->node_count * sizeof(*t->nodes), 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	t->nodes = p;
	memset(t->node_index, -1, sizeof(t->node_index));
	NUMAPERF_NODEMASK_FOR_EACH (node, &t->online_nodes) {
		t->nodes[n].id = node;
		t->nodes[n].package = -1;
		t->node_index[node] = (short)n++;
	}
	return 0;
}

/* ---- whose CPUs ---- */

/* The node's CPUs as its folder says: by list, by map (old kernels), by links. */
static int read_node_cpus(struct np_tree *tree, const struct np_node *node,
			  struct numaperf_cpuset *cpus)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "node%d/cpulist", node->id);
	r = np_tree_cpus(tree, &tree->node, path, cpus);
	if (r)
		return r;
	snprintf(path, sizeof(path), "node%d/cpumap", node->id);
	r = np_tree_cpu_map(tree, &tree->node, path, cpus);
	if (r)
		return r;
	snprintf(path, sizeof(path), "node%d", node->id);
	r = np_tree_names(tree, &tree->node, path, "cpu", "", collect_cpu, cpus);
	return r > 0 ? !numaperf_cpuset_empty(cpus) : r;
}

/* The online node that cpuN/nodeM names; -1: none, or more than one. */
static int node_by_link(struct np_tree *tree, int cpu, int *node)
{
	struct numaperf_nodemask linked = { { 0 } };
	char path[16];
	int r;

	snprintf(path, sizeof(path), "cpu%d", cpu);
	r = np_tree_names(tree, &tree->cpu, path, "node", "", collect_node, &linked);
	if (r < 0)
		return r;
	numaperf_nodemask_and(&linked, &linked, &tree->topo->online_nodes);
	*node = numaperf_nodemask_count(&linked) == 1 ? numaperf_nodemask_first(&linked) : -1;
	return 0;
}

static void move_cpu(struct numaperf_topology *t, int cpu, int node)
{
	for (unsigned int i = 0; i < t->node_count; i++)
		(void)numaperf_cpuset_clear(&t->nodes[i].cpus, cpu);
	(void)numaperf_cpuset_set(&t->nodes[t->node_index[node]].cpus, cpu);
}

/* CPUs that several nodes claim: their own link says whose they are, else the first node. */
static int settle_shared(struct np_tree *tree, const struct numaperf_cpuset *shared)
{
	char text[SET_TEXT];
	int r;

	NUMAPERF_CPUSET_FOR_EACH (cpu, shared) {
		int node;

		r = node_by_link(tree, cpu, &node);
		if (r < 0)
			return r;
		for (unsigned int i = 0; node < 0; i++)
			if (numaperf_cpuset_test(&tree->topo->nodes[i].cpus, cpu))
				node = tree->topo->nodes[i].id;
		move_cpu(tree->topo, cpu, node);
	}
	cpus_text(text, shared);
	return np_tree_warn(
		tree, "several nodes claim CPUs %s; went by cpuN/nodeM, else the first", text);
}

/* Online CPUs that no node claims. */
static int settle_orphans(struct np_tree *tree, const struct numaperf_cpuset *orphans,
			  bool lists_missing)
{
	struct numaperf_topology *t = tree->topo;
	struct numaperf_cpuset left = *orphans;
	char text[SET_TEXT];
	int r, node;

	NUMAPERF_CPUSET_FOR_EACH (cpu, orphans) {
		r = node_by_link(tree, cpu, &node);
		if (r < 0)
			return r;
		if (node < 0 && t->node_count == 1 && lists_missing)
			node = t->nodes[0].id; /* there is no other that could have it */
		if (node >= 0) {
			move_cpu(t, cpu, node);
			(void)numaperf_cpuset_clear(&left, cpu);
		}
	}
	if (numaperf_cpuset_empty(&left)) {
		cpus_text(text, orphans);
		return np_tree_warn(tree, "no node's list has CPUs %s; went by cpuN/nodeM",
				    text);
	}
	cpus_text(text, &left);
	return np_tree_warn(tree, "CPUs %s are online and in no online node", text);
}

/* The lists may be all there is of the CPUs, when the tree has no cpu folder. */
static int online_from_nodes(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;

	for (unsigned int i = 0; i < t->node_count; i++)
		numaperf_cpuset_or(&t->online_cpus, &t->online_cpus, &t->nodes[i].cpus);
	if (numaperf_cpuset_empty(&t->online_cpus))
		return np_fail(-EINVAL, NUMAPERF_REASON_TOPOLOGY, NP_TOPOLOGY_OPERATION, NULL,
			       "%sonline and the nodes' cpulist name no CPU", tree->cpu.name);
	return np_tree_warn(tree, "%s has no CPUs; took those that the nodes list",
			    tree->cpu.name);
}

static int read_membership(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct numaperf_cpuset seen = { { 0 } }, shared = { { 0 } }, part;
	bool lists_missing = false;
	char text[SET_TEXT];
	int r;

	for (unsigned int i = 0; i < t->node_count; i++) {
		r = read_node_cpus(tree, &t->nodes[i], &t->nodes[i].cpus);
		if (r < 0)
			return r;
		lists_missing |= !r;
	}
	if (numaperf_cpuset_empty(&t->online_cpus)) {
		r = online_from_nodes(tree);
		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < t->node_count; i++) {
		struct numaperf_cpuset *cpus = &t->nodes[i].cpus;

		if (!numaperf_cpuset_subset(cpus, &t->online_cpus)) {
			numaperf_cpuset_andnot(&part, cpus, &t->online_cpus);
			cpus_text(text, &part);
			r = np_tree_warn(
				tree, "%snode%d lists CPUs that are not online: %s; left out",
				tree->node.name, t->nodes[i].id, text);
			if (r < 0)
				return r;
			numaperf_cpuset_and(cpus, cpus, &t->online_cpus);
		}
		numaperf_cpuset_and(&part, &seen, cpus);
		numaperf_cpuset_or(&shared, &shared, &part);
		numaperf_cpuset_or(&seen, &seen, cpus);
	}
	if (!numaperf_cpuset_empty(&shared)) {
		r = settle_shared(tree, &shared);
		if (r < 0)
			return r;
	}
	numaperf_cpuset_andnot(&part, &t->online_cpus, &seen);
	return numaperf_cpuset_empty(&part) ? 0 : settle_orphans(tree, &part, lists_missing);
}

/* ---- the whole ---- */

/* A kernel without NUMA, or a saved tree of one: one node 0 with everything. */
static int assume_one_node(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	int r;

	(void)numaperf_nodemask_set(&t->online_nodes, 0);
	r = make_nodes(tree);
	if (r < 0)
		return r;
	if (numaperf_cpuset_empty(&t->online_cpus))
		return np_fail(-EINVAL, NUMAPERF_REASON_TOPOLOGY, NP_TOPOLOGY_OPERATION, NULL,
			       "%sonline names no CPU and there is no node folder",
			       tree->cpu.name);
	t->nodes[0].cpus = t->online_cpus;
	if (!numaperf_nodemask_empty(&tree->listed_nodes))
		return np_tree_warn(tree,
				    "no node has a folder; took the machine for one node 0");
	return 0;
}

static void sum_up(struct numaperf_topology *t)
{
	for (unsigned int i = 0; i < t->node_count; i++) {
		struct np_node *node = &t->nodes[i];
		struct numaperf_cpuset allowed;
		int first = numaperf_cpuset_first(&node->cpus);

		numaperf_cpuset_and(&allowed, &node->cpus, &t->allowed_cpus);
		node->online_cpus = numaperf_cpuset_count(&node->cpus);
		node->allowed_cpus = numaperf_cpuset_count(&allowed);
		if (first >= 0) {
			node->package = t->cpus[first].package;
			(void)numaperf_nodemask_set(&t->cpu_nodes, node->id);
		}
		if (node->has_memory)
			(void)numaperf_nodemask_set(&t->memory_nodes, node->id);
	}
}

static int read_tree(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	int r;

	if ((r = read_online_cpus(tree)) < 0 || (r = read_online_nodes(tree)) < 0)
		return r;
	if (numaperf_nodemask_empty(&t->online_nodes))
		r = assume_one_node(tree);
	else if ((r = make_nodes(tree)) == 0)
		r = read_membership(tree);
	if (r < 0 || (r = read_other_cpus(tree)) < 0 || (r = read_possible_nodes(tree)) < 0)
		return r;
	if ((r = np_topology_read_memory(tree)) < 0 ||
	    (r = np_topology_read_access(tree)) < 0 ||
	    (r = np_topology_read_distances(tree)) < 0)
		return r;
	if ((r = np_topology_read_cpus(tree)) < 0 || (r = np_topology_read_allowed(tree)) < 0)
		return r;
	sum_up(t);
	return 0;
}

/* A folder below the root. -1 in `fd` and 0 when it is not there. */
static int open_folder(struct np_tree *tree, struct np_folder *folder, const char *path)
{
	folder->fd = np_sys->open_at(tree->root.fd, path);
	if (folder->fd >= 0)
		return 0;
	if (folder->fd == -ENOENT || folder->fd == -ENOTDIR) {
		folder->fd = -1;
		return 0;
	}
	return np_fail(folder->fd, NUMAPERF_REASON_SYSTEM, NP_TOPOLOGY_OPERATION,
		       "make /sys readable for this process", "%s cannot be opened", path);
}

static int open_and_read(struct np_tree *tree, const char *root)
{
	int r;

	tree->root.fd = np_sys->open_root(root);
	if (tree->root.fd < 0)
		return np_fail(tree->root.fd, NUMAPERF_REASON_SYSTEM, NP_TOPOLOGY_OPERATION,
			       NULL, "the root \"%s\" cannot be opened", root);
	r = open_folder(tree, &tree->cpu, "sys/devices/system/cpu");
	if (r == 0)
		r = open_folder(tree, &tree->node, "sys/devices/system/node");
	if (r < 0)
		return r;
	if (tree->cpu.fd < 0 && tree->node.fd < 0)
		return np_fail(
			-ENOENT, NUMAPERF_REASON_TOPOLOGY, NP_TOPOLOGY_OPERATION,
			"name the folder that holds sys/, or mount /sys",
			"no sys/devices/system/cpu and no sys/devices/system/node below \"%s\"",
			root);
	return read_tree(tree);
}

int np_topology_read(struct numaperf_topology *topo, const char *root)
{
	struct np_tree *tree;
	void *p;
	int r;

	if (np_sys->alloc(&p, sizeof(*tree), 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	tree = p;
	tree->topo = topo;
	tree->live = !root || !*root;
	tree->root = (struct np_folder){ -1, "" };
	tree->cpu = (struct np_folder){ -1, "sys/devices/system/cpu/" };
	tree->node = (struct np_folder){ -1, "sys/devices/system/node/" };
	r = open_and_read(tree, tree->live ? "/" : root);
	if (tree->node.fd >= 0)
		np_sys->close(tree->node.fd);
	if (tree->cpu.fd >= 0)
		np_sys->close(tree->cpu.fd);
	if (tree->root.fd >= 0)
		np_sys->close(tree->root.fd);
	np_free(tree);
	return r;
}
