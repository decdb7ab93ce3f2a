/* SPDX-License-Identifier: MIT */
/* One line of /proc/PID/numa_maps, numa(7): "ADDRESS POLICY WORD...", N<id>=<pages> among them.
 */
#ifndef NUMA_LINE_H
#define NUMA_LINE_H

#include <numaperf.h>

struct numa_line {
	uint64_t start, page_size;
	char policy[64];
	const char *file; /* "file=...", its text, escaped as the kernel does; NULL */
	const char *mark; /* "heap", "stack"; NULL */
	size_t count;
	struct {
		int node;
		uint64_t bytes;
	} on[NUMAPERF_NODES_MAX];
};

/* Writes into the line, which `out` then points into. False: it is none. */
bool numa_line_parse(char *line, struct numa_line *out);

#endif
