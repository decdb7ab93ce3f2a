/* SPDX-License-Identifier: MIT */
/* Deltas as text for programs: a line of JSON, rows of CSV, and OpenMetrics. */
#ifndef TOP_EXPORT_H
#define TOP_EXPORT_H

#include "top_frame.h"

#include <stdio.h>

/* What is left out of batch output. */
struct top_pick {
	int node;	  /* only processes that ran or have memory on it; -1: all */
	size_t processes; /* at most so many, those with the most remote faults and time first
			   */
};

/* One JSON object and a newline. Of a delta. 0, -ENOMEM, -EIO. */
int top_export_json(FILE *to, const struct top_frame *delta, const struct top_pick *pick);

/* RFC 4180: a row a process and node, with the titles before the first. */
int top_export_csv(FILE *to, const struct top_frame *delta, const struct top_pick *pick,
		   bool titles);

/* Plain lines for people: `numaperf-top -b` without --json or --csv. */
int top_export_text(FILE *to, const struct top_frame *delta, const struct top_pick *pick);

/* The exposition of a frame (counters, no delta): OpenMetrics 1.0, ended by "# EOF", or the
 * text format of Prometheus before it. On the heap; NULL: no memory. No label holds a pid or a
 * name of a process. */
char *top_export_metrics(const struct top_frame *frame, bool openmetrics, size_t *length);

#endif
