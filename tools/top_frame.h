/* SPDX-License-Identifier: MIT */
/*
 * A frame: all that is known of the machine at one moment, whoever made it (the collector, or a
 * recording). Counters count since watching began; gauges are of the moment. What shows,
 * exports and plots takes a frame that top_frame_delta() has made of two: the same shape, its
 * counters what was counted between them.
 *
 * Texts that come from other processes (names, command lines, paths) are clean when they enter
 * a frame: UTF-8 without control characters, C1 and bidirectional marks (top_clean.h).
 */
#ifndef TOP_FRAME_H
#define TOP_FRAME_H

#include <numaperf.h>

/* A gauge that could not be read: shown as n/a, written as null. */
#define TOP_NONE UINT64_MAX

/* What is counted of threads, and summed over those of a process or cgroup. */
struct top_counts {
	uint64_t run_ns;
	uint64_t moves[NUMAPERF_MOVE_CAUSES]; /* between CPUs */
	uint64_t node_moves;		      /* of them: to another node */
	uint64_t faults_local, faults_remote; /* base pages, anonymous and huge */
	uint64_t hinting_local, hinting_remote;
};

struct top_node {
	int id;
	unsigned int cpus;		/* online */
	uint64_t cpu_busy, cpu_all;	/* counters, ticks of all its CPUs; TOP_NONE */
	uint64_t mem_total, mem_free;	/* gauges, bytes; TOP_NONE */
	uint64_t mem_file, mem_anon;	/* page cache, and mapped anonymous memory */
	uint64_t huge_total, huge_free; /* reserved huge pages of all sizes, bytes */
	/* counters, of the watched scope: struct numaperf_node_activity */
	uint64_t run_ns, faults_local, faults_remote, hinting_local, hinting_remote, moves_in,
		moves_out, pages_in, pages_out;
};

/* Counters. By position: cell[cpu node * nodes + memory node]. */
struct top_cell {
	uint64_t pages[NUMAPERF_PAGE_KINDS], hinting;
};

/* Counters. flow[from * nodes + to]. */
struct top_flow {
	uint64_t threads[NUMAPERF_MOVE_CAUSES], pages[NUMAPERF_PAGE_CAUSES];
};

struct top_thread {
	int pid, tid;
	char comm[16];
	bool exited;
	struct top_counts counts;
	uint64_t *run_ns_on; /* counters, by position of the node */
	char *cpus;	     /* its affinity, "0-3"; NULL: not read */
};

struct top_process {
	int pid, ppid, uid; /* ppid, uid -1: not read */
	char comm[16];
	bool exited, kernel;	  /* kernel: a thread of the kernel's own */
	unsigned int threads;	  /* live ones; 0: not known */
	int cgroup;		  /* place in `cgroup`; -1: not read */
	char *command;		  /* arguments and all; NULL: none, or not read */
	struct top_counts counts; /* threads that have ended included */
	uint64_t *run_ns_on;	  /* counters, by position */
	uint64_t *resident;	  /* gauges, bytes by position; NULL: not read (yet) */
	uint64_t resident_age_ns;
	unsigned int promised; /* threads and ranges of it that are held to their place */
	uint64_t violations;   /* counter: against them */
};

struct top_cgroup {
	char *path;	 /* below the mount: "/system.slice/x.service" */
	char *container; /* the short id where the path holds one, else NULL */
};

/* A mapping of the one process that is looked into. */
struct top_region {
	uint64_t start, end;
	char *name;	    /* file, "[heap]", "[stack]", or "" */
	char *policy;	    /* as numa_maps has it: "bind:0" */
	uint64_t page_size; /* bytes */
	uint64_t *resident; /* bytes by position */
};

/* Where in a program pages come from another node. Counter. */
struct top_stack {
	int pid;
	char comm[16];
	uint64_t pages;
	unsigned int depth;
	char **symbol; /* innermost first: "function+0x12 (libfoo.so)"; "0x7f..." unknown */
};

/* A violation, with what it was told of. */
struct top_event {
	uint64_t time_ns; /* CLOCK_REALTIME */
	enum numaperf_violation_kind kind;
	enum numaperf_rung rung;
	enum numaperf_move_cause move_cause;
	enum numaperf_page_cause page_cause;
	uint64_t count, address; /* address 0: none */
	int pid, tid, from_cpu, to_cpu, from_node, to_node;
	int actor_pid, actor_tid;
	char actor[16];
	char *label, *message;
};

struct top_hook {
	enum numaperf_rung rung;
	int error;
	char hook[64], reason[192], remedy[192]; /* of struct numaperf_hook */
};

struct top_frame {
	uint64_t time_ns;     /* CLOCK_REALTIME */
	uint64_t mono_ns;     /* CLOCK_MONOTONIC */
	uint64_t interval_ns; /* of a delta: what it spans; else 0 */
	char host[65], kernel[65];
	char *scope; /* "system", "process 42", "cgroup /a" */
	bool sampler;
	bool truncated; /* a delta across a gap: threads may have come and gone unseen */

	size_t nodes; /* online ones, in ascending order of ids; the length of all vectors */
	struct top_node *node;
	unsigned int *distance; /* from * nodes + to; 0: not known */
	struct top_cell *cell;
	struct top_flow *flow;

	size_t processes, threads, cgroups, regions, stacks, events, notes;
	struct top_process *process; /* ascending pid */
	struct top_thread *thread;   /* ascending (pid, tid) */
	struct top_cgroup *cgroup;
	int regions_pid;	   /* whose `region` are; 0: nobody's */
	char *regions_error;	   /* why there are none; NULL */
	struct top_region *region; /* ascending start */
	struct top_stack *stack;
	char *stacks_error;	 /* why there are none; NULL */
	struct top_event *event; /* since the frame before, oldest first */

	/* what was promised: all processes' that are held */
	enum numaperf_verdict verdict;
	unsigned int held, violated, unverified;

	struct top_hook hook[NUMAPERF_METRIC_COUNT];
	uint64_t events_lost, notices_lost, threads_lost, violations; /* counters */
	char **note; /* what cannot be seen, why, and the command that gives it; a line each */
};

/* An empty one with vectors for `nodes` nodes, all zero, gauges TOP_NONE; NULL: no memory. */
struct top_frame *top_frame_new(size_t nodes);
void top_frame_free(struct top_frame *frame);
/* A deep copy; NULL: no memory. */
struct top_frame *top_frame_copy(const struct top_frame *frame);

/*
 * What was counted from `before` to `now`: a new frame with the gauges, texts and events of
 * `now`. Threads and processes are matched by number (and a counter that is smaller than before
 * began anew); what is only in `now` counts from 0. `before` NULL: all zero, interval 0. Frames
 * of different nodes: as if there were no `before`, and `truncated`. NULL: no memory.
 */
struct top_frame *top_frame_delta(const struct top_frame *before, const struct top_frame *now);

/*
 * Adding; NULL or -ENOMEM: no memory. What is added is zero but for its vectors; the pointer is
 * good until the next of its kind is added. The caller adds in the order that is said above.
 */
struct top_process *top_frame_add_process(struct top_frame *frame, bool resident);
struct top_thread *top_frame_add_thread(struct top_frame *frame);
struct top_region *top_frame_add_region(struct top_frame *frame);
struct top_cgroup *top_frame_add_cgroup(struct top_frame *frame);
struct top_stack *top_frame_add_stack(struct top_frame *frame, unsigned int depth);
struct top_event *top_frame_add_event(struct top_frame *frame);
/* All events of `from`, behind those of `to`; 0, or -ENOMEM with both as they were. */
int top_frame_move_events(struct top_frame *to, struct top_frame *from);
int top_frame_add_note(struct top_frame *frame, const char *text);

/* By number; NULL: none. */
const struct top_process *top_frame_process(const struct top_frame *frame, int pid);
const struct top_thread *top_frame_thread(const struct top_frame *frame, int pid, int tid);

/* The place of a node id; -1: no such node. */
int top_frame_node(const struct top_frame *frame, int id);

/* ---- meanings that every view shares ---- */

/* Whether what is counted by a metric means something: n/a, if not. */
bool top_has(const struct top_frame *frame, enum numaperf_metric metric);

/* Local share of faults, 0 .. 1; below 0: nothing was observed, or faults are not seen. */
double top_fault_ratio(const struct top_frame *frame, uint64_t local, uint64_t remote);

/*
 * The share of accesses that are local, estimated: share of run time a node x share of resident
 * pages a node (`exposure` of the report). Below 0: one of the two is not known or nothing.
 */
double top_exposure_ratio(const struct top_frame *frame, const uint64_t *run_ns_on,
			  const uint64_t *resident);

/* The ratio of a process, faults if any were observed, else exposure, and on what it stands:
 * "fault", "exposure", NULL (then below 0). Of a delta. */
double top_process_ratio(const struct top_frame *frame, const struct top_process *process,
			 const char **basis);

#endif
