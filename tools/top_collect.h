/* SPDX-License-Identifier: MIT */
/* Frames of this machine: a monitor's counters, joined with what /proc and /sys say. */
#ifndef TOP_COLLECT_H
#define TOP_COLLECT_H

#include "top_source.h"

struct top_collect_opts {
	int pid;	    /* watch this process and its children; 0: by `cgroup` or all */
	const char *cgroup; /* watch this cgroup; NULL */
	double interval;    /* seconds between frames, as far as is planned */
	bool stacks;	    /* user stacks of remote faults */
	bool drop_all;	    /* CAP_SYS_PTRACE too, which others' memory maps need */
	enum numaperf_rung rung_max; /* ABSENT: no limit */
	const char *root;	     /* of /proc and /sys in a test; NULL: "/" */
};

/*
 * Opens the monitor (a sampler where there is no privilege) and drops all capabilities but
 * CAP_SYS_PTRACE. 0, or -errno with a text in `error`: what, why and what to do.
 */
int top_collect_open(struct top_source **source, const struct top_collect_opts *opts,
		     char *error, size_t size);

#endif
