/* SPDX-License-Identifier: MIT */
/*
 * Rank 2: the inside of a topology, shared by the files that read one (topology_*.c) and the
 * one that answers questions (topology.c). Nobody else includes this.
 */
#ifndef NP_TOPOLOGY_H
#define NP_TOPOLOGY_H

#include <numaperf/topology.h>

#define NP_TOPOLOGY_OPERATION "topology discovery"

struct np_node {
	int id, package;
	bool has_memory;
	unsigned int online_cpus, allowed_cpus;
	uint64_t memory_bytes, memory_free_bytes;
	struct numaperf_huge_pages huge[NUMAPERF_HUGE_SIZES_MAX];
	struct numaperf_cpuset cpus; /* online ones; no CPU is in two nodes */
	struct numaperf_node_access access;
	int tier; /* -1: none */
};

/* Groups are named by their smallest online CPU, so that "the same" is one comparison. */
struct np_cpu {
	int package, die, core;	       /* the kernel's ids, -1: unknown */
	short node;		       /* index into nodes, -1: none */
	short smt;		       /* rank among the online threads of its core */
	short llc, siblings, packaged; /* -1: unknown */
};

enum {
	NP_WARNING_SIZE = 256,
	NP_WARNINGS_MAX = 64
};

struct numaperf_topology {
	uint64_t generation;
	unsigned int refs; /* atomic; all the rest never changes once it is handed out */
	unsigned int node_count;
	int cpu_limit; /* largest online CPU + 1 */
	struct np_node *nodes;
	struct np_cpu *cpus; /* by id, cpu_limit of them */
	short *distance;     /* node_count rows of node_count, by index; -1: unknown */
	short node_index[NUMAPERF_NODES_MAX];
	struct numaperf_cpuset online_cpus, possible_cpus, allowed_cpus, isolated_cpus;
	struct numaperf_nodemask online_nodes, possible_nodes, allowed_nodes, cpu_nodes,
		memory_nodes;
	unsigned int warning_count, warning_room;
	char (*warnings)[NP_WARNING_SIZE];
};

/* A folder that files are read from, and how messages call it ("sys/devices/system/cpu/"). */
struct np_folder {
	int fd; /* -1: it does not exist */
	const char *name;
};

/* A topology while it is being read. */
struct np_tree {
	struct numaperf_topology *topo;
	bool live; /* the running machine, not a saved tree */
	struct np_folder root, cpu, node;
	/* what files said before contradictions were settled */
	struct numaperf_nodemask listed_nodes; /* node/online */
	struct numaperf_nodemask node_folders;
	char text[64 << 10]; /* the file read last: larger than any file that makes sense */
};

/* ---- topology_file.c: one file at a time ---- */

/*
 * All of these: 1 when the file was there and understood; 0 when there is nothing to be had
 * from it (absent, or a warning was noted); or a negative error with the record filled. Errors
 * are for what says nothing about the tree: no memory, no descriptors, input/output.
 */
int np_tree_text(struct np_tree *tree, const struct np_folder *in, const char *path);
int np_tree_number(struct np_tree *tree, const struct np_folder *in, const char *path,
		   long *value);
int np_tree_cpus(struct np_tree *tree, const struct np_folder *in, const char *path,
		 struct numaperf_cpuset *cpus);
int np_tree_cpu_map(struct np_tree *tree, const struct np_folder *in, const char *path,
		    struct numaperf_cpuset *cpus);
int np_tree_nodes(struct np_tree *tree, const struct np_folder *in, const char *path,
		  struct numaperf_nodemask *nodes);

/* Names "<prefix><number><suffix>" in a folder, each number with fn. 1, 0 or an error. */
typedef void (*np_tree_name_fn)(void *ctx, unsigned long number);
int np_tree_names(struct np_tree *tree, const struct np_folder *in, const char *path,
		  const char *prefix, const char *suffix, np_tree_name_fn fn, void *ctx);

/* Notes a line for numaperf_topology_warning(). 0 or -ENOMEM, with the record filled. */
int np_tree_warn(struct np_tree *tree, const char *fmt, ...) NUMAPERF_PRINTF(2, 3);

/* The number behind `key` in a text of "key: 123 kB" lines, in bytes; false: not there. */
bool np_text_kilobytes(const char *text, const char *key, uint64_t *bytes);

/* ---- the rest of reading, each part 0 or an error ---- */

int np_topology_read(struct numaperf_topology *topo, const char *root); /* topology_read.c */
int np_topology_read_cpus(struct np_tree *tree);			/* topology_cpu.c */
int np_topology_read_memory(struct np_tree *tree);			/* topology_memory.c */
int np_topology_read_distances(struct np_tree *tree);			/* topology_memory.c */
int np_topology_read_access(struct np_tree *tree);			/* topology_access.c */
int np_topology_read_allowed(struct np_tree *tree);			/* topology_allowed.c */

#endif
