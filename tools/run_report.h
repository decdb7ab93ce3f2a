/* SPDX-License-Identifier: MIT */
/* What `numaperf run` has seen, held against what was asked for. */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include "child.h"
#include "run_sample.h"

#include <stdio.h>

struct run_report {
	const struct tool_command *cmd;
	const struct place *place;
	const struct run_sample *sample;
	const struct child *child;
	double seconds;
	double unseen;	   /* seconds between the last look at the command and its end */
	const char *trace; /* why its end could not be seen; NULL: it could */
};

/* Of both, memory and threads. */
enum numaperf_verdict run_report_verdict(const struct run_report *r);

/* TOOL_OK or TOOL_FAILED after an error. */
int run_report_print(const struct run_report *r, FILE *to);
int run_report_json(const struct run_report *r, FILE *to);

#endif
