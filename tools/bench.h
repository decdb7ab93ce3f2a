/* SPDX-License-Identifier: MIT */
/* What `numaperf bench` measures: figures, and beside some of them what others take for the
 * same.
 */
#ifndef BENCH_H
#define BENCH_H

#include "tool.h"

struct bench_figure {
	const char *category, *name, *unit;
	/* The figure; NAN: there is nothing to measure here; below 0: the library's error, or
	 * that a peer is not installed. */
	double (*measure)(void);
	bool pool; /* with bench_executor */
	bool peer; /* somebody else's, measured in turn with the one of ours before it */
};

extern struct numaperf_topology *bench_topology;
/* Of figures with `pool`. */
extern struct numaperf_executor *bench_executor;

extern const struct bench_figure bench_memory[];
extern const size_t bench_memory_count;

double bench_now_ns(void);

#endif
