/* SPDX-License-Identifier: MIT */
/* For the executor's tests: tasks that wait, and waiting that ends when something hangs. */
#ifndef NP_TEST_POOL_H
#define NP_TEST_POOL_H

#include <numaperf/executor.h>

/* A task that runs gate_task() stays on its worker until the gate is opened. */
struct gate {
	unsigned int inside; /* tasks that have come in, ever */
	unsigned int open;
};

void gate_task(void *gate);
void gate_open(struct gate *gate);

/* Waits until *value is at least `wanted`; only if that never happens it ends the process. */
void await(const unsigned int *value, unsigned int wanted);

/* Adds one to an unsigned int, atomically. */
void count_task(void *counter);
unsigned int counted(const unsigned int *counter);

/* Creates one with these options, or ends the process saying why not. */
struct numaperf_executor *pool_create(struct numaperf_topology *topo,
				      struct numaperf_executor_opts opts);

/* Sums of all workers' counters. */
struct numaperf_worker_stats pool_stats(const struct numaperf_executor *exec);
struct numaperf_node_stats pool_node_stats(const struct numaperf_executor *exec, int node);

#endif
