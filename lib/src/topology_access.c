// SPDX-License-Identifier: MIT
/* Reading a tree: how fast the nodes' memory is, where the firmware or the kernel says so. */
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <stdio.h>

/* ---- latency and bandwidth ---- */

static void add_initiator(void *ctx, unsigned long number)
{
	if (number < NUMAPERF_NODES_MAX)
		(void)numaperf_nodemask_set(ctx, (int)number);
}

static int read_figure(struct np_tree *tree, const char *folder, const char *name,
		       uint64_t *figure)
{
	char path[96];
	long value = 0;
	int r;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	r = np_tree_number(tree, &tree->node, path, &value);
	if (r > 0 && value > 0)
		*figure = (uint64_t)value;
	return r;
}

/* 1: the folder is there. */
static int read_folder(struct np_tree *tree, const char *folder, struct numaperf_node_access *a)
{
	const struct {
		const char *name;
		uint64_t *figure;
	} files[] = {
		{ "read_latency", &a->read_latency_ns },
		{ "write_latency", &a->write_latency_ns },
		{ "read_bandwidth", &a->read_mib_per_s },
		{ "write_bandwidth", &a->write_mib_per_s },
	};
	int r = np_tree_names(tree, &tree->node, folder, "node", "", add_initiator,
			      &a->initiators);

	for (size_t i = 0; r > 0 && i < ARRAY_SIZE(files); i++) {
		int err = read_figure(tree, folder, files[i].name, files[i].figure);

		if (err < 0)
			return err;
	}
	return r;
}

/* ---- tiers ---- */

struct tiers {
	struct np_tree *tree;
	int err;
};

#define TIERS "sys/devices/virtual/memory_tiering"

static void read_tier(void *ctx, unsigned long number)
{
	struct tiers *all = ctx;
	struct numaperf_topology *t = all->tree->topo;
	struct numaperf_nodemask nodes;
	char path[96];
	int r;

	if (all->err < 0 || number > 1u << 30)
		return;
	snprintf(path, sizeof(path), TIERS "/memory_tier%lu/nodelist", number);
	r = np_tree_nodes(all->tree, &all->tree->root, path, &nodes);
	if (r < 0)
		all->err = r;
	for (unsigned int i = 0; r > 0 && i < t->node_count; i++)
		if (t->nodes[i].has_memory && numaperf_nodemask_test(&nodes, t->nodes[i].id))
			t->nodes[i].tier = (int)number;
}

int np_topology_read_access(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct tiers tiers = { .tree = tree };
	int r;

	for (unsigned int i = 0; i < t->node_count; i++) {
		struct np_node *node = &t->nodes[i];
		char folder[64];

		node->tier = -1;
		snprintf(folder, sizeof(folder), "node%d/access1/initiators", node->id);
		r = read_folder(tree, folder, &node->access);
		if (!r) {
			snprintf(folder, sizeof(folder), "node%d/access0/initiators", node->id);
			r = read_folder(tree, folder, &node->access);
		}
		if (r < 0)
			return r;
	}
	r = np_tree_names(tree, &tree->root, TIERS, "memory_tier", "", read_tier, &tiers);
	return r < 0 ? r : tiers.err;
}
