/* SPDX-License-Identifier: MIT */
/*
 * Where a command's memory is and where its threads run, looked at now and then: the command,
 * and every process that it has started. Memory is counted in three kinds: private, which the
 * policy places; shared (tmpfs, memfd, System V), which whoever touched it first has placed, by
 * his; and files, whose pages the page cache may have had before.
 */
#ifndef RUN_SAMPLE_H
#define RUN_SAMPLE_H

#include "run_place.h"

#include <sys/types.h>

enum run_kind {
	RUN_PRIVATE,
	RUN_SHARED,
	RUN_FILE,
	RUN_KINDS,
};

/* Bytes by node. */
struct run_bytes {
	uint64_t on[RUN_KINDS][NUMAPERF_NODES_MAX];
};

struct run_process {
	int pid;
	char comm[16];
	bool root, gone;
	bool seen;	      /* its memory could be read at least once */
	bool last;	      /* and when it ended */
	struct run_bytes now; /* at the last look */
};

/* The worst that was seen. */
struct run_stray {
	uint64_t bytes; /* of one process, outside the nodes, at one look; 0: none */
	int pid;
	char comm[16];
	/* of the mapping that has most of them */
	uint64_t address, mapping_bytes;
	int node;
	char what[128], policy[64];
};

struct run_thread {
	int tid, cpu; /* cpu -1: it was not outside, but may go there */
	char comm[16];
	char allowed[128];
};

struct run_sample {
	const struct place *place;
	const struct numaperf_topology *topo;
	struct run_process *process;
	size_t processes, room, ever;
	size_t looks;
	int refused; /* errno: the memory of one of them may not be read */

	struct run_bytes peak; /* of all of them at one look, by node */
	struct run_bytes last;
	struct run_stray stray;

	size_t thread_looks, outside; /* threads looked at; found on other CPUs */
	uint64_t thread_on[NUMAPERF_NODES_MAX];
	size_t widened;		    /* found with an affinity beyond the CPUs */
	struct run_thread evidence; /* the first of either kind */
};

/* Starts with the command itself. 0 or -ENOMEM. */
int run_sample_begin(struct run_sample *s, int pid);

/* Looks at all, and finds new ones. 0 or -ENOMEM. */
int run_sample_look(struct run_sample *s);

/* Looks at the one process that is about to end, for the last time. 0 or -ENOMEM. */
int run_sample_last(struct run_sample *s, int pid);

/* The command; and what of it is known at its end. */
const struct run_process *run_sample_root(const struct run_sample *s);

void run_sample_free(struct run_sample *s);

#endif
