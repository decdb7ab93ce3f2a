/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2), for one thing alone: that each process of a command stops when it is about to end,
 * while its memory can still be looked at. Signals pass through, group stops are kept.
 */
#ifndef RUN_TRACE_H
#define RUN_TRACE_H

#include "child.h"

/* A process is about to end; it waits until this returns. */
typedef void (*run_trace_fn)(void *ctx, int pid);

/* From now on. 0, or -errno: it is not allowed here. */
int run_trace_begin(int pid);

/* Serves what has stopped, without waiting; also when nothing is traced: then it only waits for
 * the child. True: the child has ended. */
bool run_trace_serve(struct child *c, run_trace_fn ending, void *ctx);

#endif
