/* SPDX-License-Identifier: MIT */
/*
 * The machine: nodes, CPUs, memory, distances. A topology is an immutable snapshot, shared by
 * reference: every function here that takes a const topology may be called by any number of
 * threads at once. Node and CPU ids are the kernel's: they may have holes and need not start
 * at 0, a node may have memory and no CPU, CPUs and no memory, or neither.
 *
 * What exists and what this process may use are kept apart: `online` sets describe the
 * machine, `allowed` sets what the cpuset of the process leaves of it.
 */
#ifndef NUMAPERF_TOPOLOGY_H
#define NUMAPERF_TOPOLOGY_H

#include <numaperf/base.h>
#include <numaperf/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

struct numaperf_topology;

/*
 * Reads the running machine from /sys and /proc. On success *topo has one reference, the
 * caller's. -NUMAPERF errors: -ENOMEM; -EACCES or -EIO when /sys cannot be read. A kernel
 * without NUMA gives one node 0 that has all online CPUs and all memory.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_discover(struct numaperf_topology **topo);

/*
 * The same from a saved tree: `root` is the folder that stands for / (it holds sys/ and, if
 * saved, proc/). NULL or "" is the running machine. Without proc/ everything online is allowed.
 * A tree that contradicts itself is either repaired and flagged (see _warnings) or refused with
 * -EINVAL and reason TOPOLOGY, naming the file; a root without sys/devices/system is -ENOENT.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_topology_load(struct numaperf_topology **topo,
							    const char *root);

/* One more reference; returns `topo`. */
NUMAPERF_API struct numaperf_topology *numaperf_topology_ref(struct numaperf_topology *topo);

/* Gives one reference back; the last one frees the snapshot. NULL does nothing. */
NUMAPERF_API void numaperf_topology_unref(struct numaperf_topology *topo);

/*
 * Counts up with each snapshot that a process takes: of two, the later has the larger number.
 * Whether the machine is still the one of the snapshot is the next function's answer.
 */
NUMAPERF_API uint64_t numaperf_topology_generation(const struct numaperf_topology *topo);

/* What has changed since: bits of `changes`. */
#define NUMAPERF_CHANGED_CPUS	 1u /* online CPUs, or the nodes that they are of */
#define NUMAPERF_CHANGED_NODES	 2u /* online nodes */
#define NUMAPERF_CHANGED_MEMORY	 4u /* which nodes have memory, or how much */
#define NUMAPERF_CHANGED_ALLOWED 8u /* CPUs or memory that this process may use */

/*
 * Reads the running machine anew and compares: *changes is 0 when a new snapshot would say the
 * same in these respects. A snapshot is never changed; take a new one. Free memory and free
 * huge pages change all the time and do not count. Costs as much as a discovery. For a saved
 * tree: how it differs from the running machine. -EINVAL, and as numaperf_topology_discover().
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_changed(const struct numaperf_topology *topo, unsigned int *changes);

/* What was contradictory or missing and how it was read, one line each; usually none. The texts
 * live as long as the topology; NULL beyond the last one. */
NUMAPERF_API size_t numaperf_topology_warning_count(const struct numaperf_topology *topo);
NUMAPERF_API const char *numaperf_topology_warning(const struct numaperf_topology *topo,
						   size_t i);

/* ---- nodes ---- */

/* Online nodes; never 0. They are counted 0 .. count-1 by ascending id: */
NUMAPERF_API unsigned int numaperf_topology_node_count(const struct numaperf_topology *topo);

/* the id of the nth online node, -1 when there are fewer, */
NUMAPERF_API int numaperf_topology_node_id(const struct numaperf_topology *topo,
					   unsigned int nth);

/* and back: which nth the node is, -1 when it is not online. */
NUMAPERF_API int numaperf_topology_node_index(const struct numaperf_topology *topo, int node);

/* Sets of nodes. `possible` may exceed `online`; memory and CPUs are independent. */
NUMAPERF_API void numaperf_topology_online_nodes(const struct numaperf_topology *topo,
						 struct numaperf_nodemask *nodes);
NUMAPERF_API void numaperf_topology_possible_nodes(const struct numaperf_topology *topo,
						   struct numaperf_nodemask *nodes);
/* with at least one online CPU */
NUMAPERF_API void numaperf_topology_cpu_nodes(const struct numaperf_topology *topo,
					      struct numaperf_nodemask *nodes);
/* with memory */
NUMAPERF_API void numaperf_topology_memory_nodes(const struct numaperf_topology *topo,
						 struct numaperf_nodemask *nodes);
/* whose memory the cpuset of this process allows (Mems_allowed of /proc/self/status), online;
 * a node without memory may be among them */
NUMAPERF_API void numaperf_topology_allowed_nodes(const struct numaperf_topology *topo,
						  struct numaperf_nodemask *nodes);

/* The node's online CPUs (empty for a memory-only node). -ENOENT: no such online node. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_node_cpus(const struct numaperf_topology *topo, int node,
			    struct numaperf_cpuset *cpus);

/* Those of them that this process may run on. -ENOENT: no such online node. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_node_allowed_cpus(const struct numaperf_topology *topo, int node,
				    struct numaperf_cpuset *cpus);

/*
 * The kernel's distance (nodeN/distance): 10 is local, 255 unreachable. -1 when either node is
 * not online or the kernel gives none. Not always symmetric.
 */
NUMAPERF_API int numaperf_topology_distance(const struct numaperf_topology *topo, int from,
					    int to);

/*
 * The online nodes by nearness to `node`, itself first: by the package of their CPUs, then by
 * distance, then by id. Writes at most `max` ids, returns how many there are; 0 when `node`
 * is not online. Nodes that no distance is known for come last.
 */
NUMAPERF_API size_t numaperf_topology_nearest(const struct numaperf_topology *topo, int node,
					      int *nodes, size_t max);

#define NUMAPERF_HUGE_SIZES_MAX 8

struct numaperf_huge_pages {
	uint64_t page_size;	       /* bytes; 0 ends the list */
	uint64_t total, free, surplus; /* pages on this node when the snapshot was taken */
};

/*
 * What the firmware says (ACPI HMAT) of the node's memory, read and written by the nodes
 * nearest to it that have CPUs (access1 of Documentation/admin-guide/mm/numaperf.rst,
 * Linux 5.2; on kernels before 5.8 access0). 0: it does not say.
 */
struct numaperf_node_access {
	uint64_t read_latency_ns, write_latency_ns;
	uint64_t read_mib_per_s, write_mib_per_s;
	struct numaperf_nodemask initiators;
};

struct numaperf_node_info {
	size_t sz;
	int id;
	int package; /* of its first CPU; -1 when it has no CPU or none is known */
	bool has_cpus;
	bool has_memory;
	bool allowed_memory; /* the cpuset lets this process allocate here */
	uint8_t reserved[5];
	unsigned int online_cpus;
	unsigned int allowed_cpus;
	uint64_t memory_bytes;	    /* MemTotal; 0 when the node has none */
	uint64_t memory_free_bytes; /* MemFree when the snapshot was taken */
	struct numaperf_huge_pages huge[NUMAPERF_HUGE_SIZES_MAX];
	struct numaperf_node_access access;
	int memory_tier; /* /sys/devices/virtual/memory_tiering, Linux 6.1: memory of a tier
			    with a larger number is slower, and pages are demoted to it; -1: the
			    kernel names none, or the node has no memory */
	int reserved2;
};

/* Fills min(info->sz, known) bytes. -ENOENT: no such online node; -EINVAL: sz too small. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_node_info(const struct numaperf_topology *topo, int node,
			    struct numaperf_node_info *info);

/* ---- CPUs ---- */

NUMAPERF_API void numaperf_topology_online_cpus(const struct numaperf_topology *topo,
						struct numaperf_cpuset *cpus);
NUMAPERF_API void numaperf_topology_possible_cpus(const struct numaperf_topology *topo,
						  struct numaperf_cpuset *cpus);
/*
 * Cpus_allowed of this process when the snapshot was taken, online: of its main thread, and of
 * the calling thread. In a saved tree without proc/self/status, the cpuset of the process that
 * saved it, if proc/self/cgroup and its files are there.
 */
NUMAPERF_API void numaperf_topology_allowed_cpus(const struct numaperf_topology *topo,
						 struct numaperf_cpuset *cpus);
/* isolcpus= (cpu/isolated) */
NUMAPERF_API void numaperf_topology_isolated_cpus(const struct numaperf_topology *topo,
						  struct numaperf_cpuset *cpus);

/* The node of an online CPU; -1: the CPU is not online or (with a warning) in no online node.
 */
NUMAPERF_API int numaperf_topology_cpu_node(const struct numaperf_topology *topo, int cpu);

struct numaperf_cpu_info {
	size_t sz;
	int id, node;
	int package, die,
		core; /* the kernel's ids; -1: unknown. core is unique in its die only */
	int llc;      /* the smallest CPU id that shares the last-level cache; -1: unknown */
	int smt;      /* 0 for the first thread of its core, 1 for the next, ... */
	int reserved;
};

/* Fills min(info->sz, known) bytes. -ENOENT: no such online CPU; -EINVAL: sz too small. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_cpu_info(const struct numaperf_topology *topo, int cpu,
			   struct numaperf_cpu_info *info);

/* The online CPUs of the same core / sharing the last-level cache / in the same package,
 * `cpu` itself among them. -ENOENT: no such online CPU. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_cpu_siblings(const struct numaperf_topology *topo, int cpu,
			       struct numaperf_cpuset *cpus);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_llc_cpus(const struct numaperf_topology *topo, int cpu,
			   struct numaperf_cpuset *cpus);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_topology_package_cpus(const struct numaperf_topology *topo, int cpu,
			       struct numaperf_cpuset *cpus);

#ifdef __cplusplus
}
#endif

#endif
