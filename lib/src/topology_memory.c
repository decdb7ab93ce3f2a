// SPDX-License-Identifier: MIT
/* Reading a tree: memory and huge pages of the nodes, and the distances between them. */
#include "base.h"
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- memory ---- */

/* 1: `meminfo` was understood. */
static int read_meminfo(struct np_tree *tree, const struct np_folder *in, const char *path,
			struct np_node *node)
{
	int r = np_tree_text(tree, in, path);

	if (r <= 0)
		return r;
	if (!np_text_kilobytes(tree->text, "MemTotal:", &node->memory_bytes))
		return np_tree_warn(tree, "%s%s has no MemTotal; left out", in->name, path);
	if (!np_text_kilobytes(tree->text, "MemFree:", &node->memory_free_bytes))
		node->memory_free_bytes = 0;
	node->has_memory = node->memory_bytes > 0;
	return 1;
}

/* Without meminfo, the kernel's list of nodes with memory still tells whether there is any. */
static int has_memory_at_least(struct np_tree *tree, struct np_node *node)
{
	struct numaperf_nodemask nodes;
	int r = np_tree_nodes(tree, &tree->node, "has_memory", &nodes);

	if (r < 0)
		return r;
	/* older kernels have only this one */
	if (!r && (r = np_tree_nodes(tree, &tree->node, "has_normal_memory", &nodes)) < 0)
		return r;
	node->has_memory = r && numaperf_nodemask_test(&nodes, node->id);
	return np_tree_warn(tree, "how much memory node %d has is not known", node->id);
}

struct sizes {
	unsigned long kb[NUMAPERF_HUGE_SIZES_MAX];
	unsigned int n, more;
};

static void add_size(void *ctx, unsigned long kb)
{
	struct sizes *sizes = ctx;
	unsigned int at = sizes->n;

	if (sizes->n == ARRAY_SIZE(sizes->kb) || !kb || kb > UINT64_MAX / 1024) {
		sizes->more++;
		return;
	}
	/* the folder's order is arbitrary; ours is ascending */
	for (; at > 0 && sizes->kb[at - 1] > kb; at--)
		sizes->kb[at] = sizes->kb[at - 1];
	sizes->kb[at] = kb;
	sizes->n++;
}

static int read_pages(struct np_tree *tree, const struct np_folder *in, const char *folder,
		      unsigned long kb, const char *name, uint64_t *pages)
{
	char path[96];
	long value = 0;
	int r;

	snprintf(path, sizeof(path), "%s/hugepages-%lukB/%s", folder, kb, name);
	r = np_tree_number(tree, in, path, &value);
	if (r > 0 && value > 0)
		*pages = (uint64_t)value;
	return r;
}

static int read_huge_pages(struct np_tree *tree, const struct np_folder *in, const char *folder,
			   struct np_node *node)
{
	struct sizes sizes = { .n = 0 };
	int r = np_tree_names(tree, in, folder, "hugepages-", "kB", add_size, &sizes);

	if (r <= 0)
		return r;
	for (unsigned int i = 0; i < sizes.n; i++) {
		struct numaperf_huge_pages *huge = &node->huge[i];

		huge->page_size = sizes.kb[i] * 1024ull;
		if ((r = read_pages(tree, in, folder, sizes.kb[i], "nr_hugepages",
				    &huge->total)) < 0 ||
		    (r = read_pages(tree, in, folder, sizes.kb[i], "free_hugepages",
				    &huge->free)) < 0 ||
		    (r = read_pages(tree, in, folder, sizes.kb[i], "surplus_hugepages",
				    &huge->surplus)) < 0)
			return r;
	}
	if (sizes.more)
		return np_tree_warn(tree, "%s%s: %u page sizes more than fit; left out",
				    in->name, folder, sizes.more);
	return 0;
}

int np_topology_read_memory(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	char path[32];
	int r;

	for (unsigned int i = 0; i < t->node_count; i++) {
		struct np_node *node = &t->nodes[i];

		snprintf(path, sizeof(path), "node%d/meminfo", node->id);
		r = read_meminfo(tree, &tree->node, path, node);
		/* the only node has the machine's memory; and there is no machine without any
		 */
		if (!r && t->node_count == 1) {
			r = read_meminfo(tree, &tree->root, "proc/meminfo", node);
			node->has_memory |= !r;
		}
		if (!r && !node->has_memory)
			r = has_memory_at_least(tree, node);
		else if (!r)
			r = np_tree_warn(tree, "how much memory node %d has is not known",
					 node->id);
		if (r < 0)
			return r;
		snprintf(path, sizeof(path), "node%d/hugepages", node->id);
		r = read_huge_pages(tree, &tree->node, path, node);
		if (r == 0 && !node->huge[0].page_size && t->node_count == 1)
			r = read_huge_pages(tree, &tree->root, "sys/kernel/mm/hugepages", node);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- distances ---- */

/* The row's numbers; -1: it holds something else, or numbers that are no distance. */
static int parse_row(const char *text, short *row, int max)
{
	int n = 0;

	for (;;) {
		char *end;
		long v;

		while (*text == ' ' || *text == '\t' || *text == '\n')
			text++;
		if (!*text)
			return n;
		v = strtol(text, &end, 10);
		if (end == text || v < 0 || v > INT16_MAX || n == max)
			return -1;
		row[n++] = (short)v;
		text = end;
	}
}

/* Whether the row, read as distances to `nodes` in order, has its minimum at `self`. */
static bool row_fits(const short *row, const struct numaperf_nodemask *nodes, int self)
{
	int at = 0, i = 0, smallest = 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		if (node == self)
			at = i;
		if (row[i] < row[smallest])
			smallest = i;
		i++;
	}
	return row[at] == row[smallest];
}

/*
 * Which nodes a row is about: the online ones. A tree that was saved or emulated badly may hold
 * rows about all folders or all possible nodes: taken if the count and the diagonal fit.
 */
static int row_nodes(struct np_tree *tree, const short *row, int n, int self,
		     const struct numaperf_nodemask **nodes)
{
	const struct numaperf_topology *t = tree->topo;
	const struct numaperf_nodemask *candidates[] = { &t->online_nodes, &tree->listed_nodes,
							 &tree->node_folders,
							 &t->possible_nodes };

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		if ((int)numaperf_nodemask_count(candidates[i]) != n ||
		    !numaperf_nodemask_test(candidates[i], self))
			continue;
		if (i > 0 && !row_fits(row, candidates[i], self))
			continue;
		*nodes = candidates[i];
		if (i == 0)
			return row_fits(row, nodes[0], self)
				       ? 0
				       : np_tree_warn(
						 tree,
						 "%snode%d/distance has another node nearer "
						 "than the node itself; taken as it is",
						 tree->node.name, self);
		return np_tree_warn(
			tree,
			"%snode%d/distance has %d numbers for %u online nodes; took them "
			"for the %s nodes",
			tree->node.name, self, n, t->node_count,
			i == 3 ? "possible" : "listed");
	}
	*nodes = NULL;
	return np_tree_warn(tree,
			    "%snode%d/distance has %d numbers for %u online nodes; left out",
			    tree->node.name, self, n, t->node_count);
}

/* 1: the row is known. */
static int read_row(struct np_tree *tree, unsigned int index)
{
	struct numaperf_topology *t = tree->topo;
	const struct numaperf_nodemask *nodes;
	short row[NUMAPERF_NODES_MAX];
	int self = t->nodes[index].id, n, r, i = 0;
	char path[32];

	snprintf(path, sizeof(path), "node%d/distance", self);
	r = np_tree_text(tree, &tree->node, path);
	if (r <= 0)
		return r;
	n = parse_row(tree->text, row, ARRAY_SIZE(row));
	if (n <= 0)
		return np_tree_warn(tree, "%s%s holds no distances; left out", tree->node.name,
				    path);
	r = row_nodes(tree, row, n, self, &nodes);
	if (r < 0 || !nodes)
		return r;
	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		if (t->node_index[node] >= 0)
			t->distance[index * t->node_count + (unsigned int)t->node_index[node]] =
				row[i];
		i++;
	}
	return 1;
}

int np_topology_read_distances(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	size_t size = (size_t)t->node_count * t->node_count * sizeof(*t->distance);
	unsigned int missing = 0;
	void *p;
	int r;

	if (np_sys->alloc(&p, size, 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	t->distance = p;
	memset(t->distance, -1, size);
	for (unsigned int i = 0; i < t->node_count; i++) {
		r = read_row(tree, i);
		if (r < 0)
			return r;
		missing += !r;
	}
	if (missing && t->node_count > 1)
		return np_tree_warn(tree, "the distances from %u of %u nodes are not known",
				    missing, t->node_count);
	return 0;
}
