/* SPDX-License-Identifier: MIT */
/* Where `numaperf run` puts a command: what is asked for, what of it may be, what the kernel
 * has recorded. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#include "tool.h"

struct place_request {
	const char *nodes, *cpus, *policy; /* as on the command line; NULL: not given */
	bool strict;
};

struct place {
	const struct tool_command *cmd;
	bool strict;
	bool has_policy, has_cpus;
	enum numaperf_policy policy;
	struct numaperf_nodemask asked; /* nodes of the policy */
	struct numaperf_nodemask nodes; /* those of them that may be used */
	struct numaperf_cpuset cpus;

	/* What the kernel says after it was done, by the child that becomes the command: the
	 * two have it in common. */
	struct place_done {
		bool policy, cpus;
	} * done;
};

/* TOOL_OK; TOOL_MISUSE or TOOL_FAILED after an error: nothing may be started. */
int place_resolve(struct place *p, const struct tool_command *cmd,
		  const struct numaperf_topology *topo, const struct place_request *request);

/* In the child (child_prepare_fn). 0, or TOOL_FAILED when it is strict and not so. */
int place_apply(void *place, char *why, size_t size);

void place_free(struct place *p);

#endif
