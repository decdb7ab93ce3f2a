/* SPDX-License-Identifier: MIT */
/*
 * What /proc and /sys say of processes and nodes. What costs (memory maps take the kernel a
 * walk over all pages) is read again the later the more it cost.
 */
#ifndef TOP_PROC_H
#define TOP_PROC_H

#include "top_frame.h"

/* A process, while it lives under its number. */
struct top_proc {
	int pid, ppid, uid;
	unsigned long long born; /* start time: tells it from a later one of the same number */
	uint64_t life;		 /* another number for each program that it runs */
	unsigned int threads;	 /* when it was checked */
	char comm[16];
	char *command, *cgroup;	      /* cleaned; NULL */
	bool kernel;		      /* a thread of the kernel */
	bool gone, seen;	      /* seen: in this round */
	uint64_t *resident;	      /* bytes by position; NULL: not read, or not to be had */
	uint64_t resident_ns, due_ns; /* when it was read; when it may be again */
	uint64_t checked_ns;	      /* when `born` was looked at */
	unsigned int checks;
	struct top_counts ended; /* of its threads that have ended */
	uint64_t *ended_ns_on;	 /* their run time, by position */
	uint64_t violations;
	bool denied;	       /* its memory map may not be read */
	bool candidate;	       /* it has pins or bound memory: it is to be held to them */
	struct top_proc *next; /* of the same hash */
};

struct top_procs {
	const char *root; /* "" or a folder in whose proc and sys to look */
	size_t nodes;
	const int *node_id; /* by position */
	struct top_proc *hash[1024];
	size_t count;
	size_t denied; /* processes whose memory maps may not be read */
	uint64_t lives;
};

void top_procs_free(struct top_procs *procs);

struct top_proc *top_procs_find(const struct top_procs *procs, int pid);

/* Finds or enters a process and takes it as seen; NULL: it has ended, or no memory. */
struct top_proc *top_procs_see(struct top_procs *procs, int pid, uint64_t now_ns);

/* One that had ended before /proc was asked: its threads are known, and no more. NULL: no
 * memory. */
struct top_proc *top_procs_see_ended(struct top_procs *procs, int pid, const char *comm);

/* All processes of /proc are seen. 0 or -errno. */
int top_procs_see_all(struct top_procs *procs, uint64_t now_ns);

/* Forgets who was not seen since the last call; 0 bytes grow. */
void top_procs_forget(struct top_procs *procs);

/*
 * Reads memory maps that are due, for at most `budget_ns`; `first` (0: none) before all others.
 */
void top_procs_read_memory(struct top_procs *procs, int first, uint64_t now_ns,
			   uint64_t budget_ns);

/* The mappings of a process, into the frame: region or regions_error. 0 or -ENOMEM. */
int top_proc_regions(const struct top_procs *procs, int pid, struct top_frame *frame);

/* Gauges and ticks of all nodes, into the frame; what cannot be read stays TOP_NONE. */
void top_read_nodes(const struct top_procs *procs, const struct numaperf_topology *topo,
		    struct top_frame *frame);

/* The short id of a container that a cgroup's path names, on the heap; NULL: none. */
char *top_container_of(const char *cgroup);

#endif
