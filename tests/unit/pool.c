// SPDX-License-Identifier: MIT
/* Tasks that wait, and waiting that ends. See pool.h. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HANG_SECONDS 100

void await(const unsigned int *value, unsigned int wanted)
{
	const struct timespec nap = { .tv_nsec = 100000 };
	struct timespec now, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (counted(value) < wanted) {
		nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > HANG_SECONDS) {
			fprintf(stderr, "hang: waited for %u, there are %u\n", wanted,
				counted(value));
			abort();
		}
	}
}

void gate_task(void *arg)
{
	struct gate *gate = arg;

	__atomic_fetch_add(&gate->inside, 1, __ATOMIC_SEQ_CST);
	await(&gate->open, 1);
}

void gate_open(struct gate *gate)
{
	__atomic_store_n(&gate->open, 1, __ATOMIC_SEQ_CST);
}

void count_task(void *counter)
{
	__atomic_fetch_add((unsigned int *)counter, 1, __ATOMIC_SEQ_CST);
}

unsigned int counted(const unsigned int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

struct numaperf_executor *pool_create(struct numaperf_topology *topo,
				      struct numaperf_executor_opts opts)
{
	struct numaperf_executor *exec;

	opts.sz = sizeof(opts);
	if (numaperf_executor_create(&exec, topo, &opts)) {
		fprintf(stderr, "pool: %s\n", numaperf_last_error()->message);
		abort();
	}
	return exec;
}

struct numaperf_worker_stats pool_stats(const struct numaperf_executor *exec)
{
	struct numaperf_worker_stats sum = { .sz = sizeof(sum) }, one = { .sz = sizeof(one) };

	for (unsigned int i = 0; i < numaperf_executor_worker_count(exec); i++) {
		if (numaperf_executor_worker_stats(exec, i, &one))
			abort();
		sum.tasks_run += one.tasks_run;
		sum.tasks_home += one.tasks_home;
		sum.stolen_local += one.stolen_local;
		sum.stolen_socket += one.stolen_socket;
		sum.stolen_remote += one.stolen_remote;
		sum.spawned += one.spawned;
		sum.inlined += one.inlined;
		sum.parks += one.parks;
		sum.wakes += one.wakes;
	}
	return sum;
}

struct numaperf_node_stats pool_node_stats(const struct numaperf_executor *exec, int node)
{
	struct numaperf_node_stats s = { .sz = sizeof(s) };

	if (numaperf_executor_node_stats(exec, node, &s))
		abort();
	return s;
}
