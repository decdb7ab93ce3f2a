/* SPDX-License-Identifier: MIT */
/* Rank 4: the metrics, and what each is worth without BPF. */
#ifndef NP_HOOK_TABLE_H
#define NP_HOOK_TABLE_H

#include <numaperf/monitor.h>

/* How the monitor polls a metric ("/proc/PID/task/TID/stat"); NULL: it cannot. */
const char *np_hook_polled(enum numaperf_metric metric);

/* Makes *hook (whole, sz included) say: polled or absent, because of `error` and `reason`. */
void np_hook_fallback(struct numaperf_hook *hook, enum numaperf_metric metric, int error,
		      const char *reason, const char *remedy);

#endif
