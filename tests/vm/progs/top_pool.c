/* SPDX-License-Identifier: MIT */
/*
 * top_pool SECONDS: a strict worker pool on node 0 with a strict region of 16 MiB that it works
 * on: what numaperf-top must find by itself, and hold to its place. Says "pid=", "tid=" of a
 * worker, then works.
 */
#include "prog.h"

#include <sys/syscall.h>
#include <time.h>

static char *memory;
static int worker_tid;

static void work(void *arg)
{
	volatile char *p = memory + (uintptr_t)arg % 4096 * 4096;

	__atomic_store_n(&worker_tid, (int)syscall(SYS_gettid), __ATOMIC_RELAXED);
	for (int i = 0; i < 4096; i++)
		p[i] = (char)(p[i] + 1);
}

int main(int argc, char **argv)
{
	struct numaperf_executor_opts opts = { .sz = sizeof(opts),
					       .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
					       .mode = NUMAPERF_STRICT };
	struct numaperf_region_opts mem = { .sz = sizeof(mem),
					    .policy = NUMAPERF_POLICY_BIND,
					    .nodes = numaperf_nodemask_single(0),
					    .mode = NUMAPERF_STRICT };
	struct numaperf_topology *topo;
	struct numaperf_executor *exec;
	struct numaperf_region *region;
	time_t end;
	int err;

	if (argc < 2)
		return 9;
	err = numaperf_topology_discover(&topo);
	if (!err)
		err = numaperf_executor_create(&exec, topo, &opts);
	if (!err)
		err = numaperf_region_create(&region, 16 << 20, &mem);
	if (err)
		return refused(err);
	memory = numaperf_region_data(region);
	if (numaperf_executor_submit_to_node(exec, 0, work, NULL) ||
	    numaperf_executor_wait(exec))
		return 2;
	printf("pid=%d\ntid=%d\n", getpid(), worker_tid);
	fflush(stdout);
	for (end = time(NULL) + atoi(argv[1]); time(NULL) < end;) {
		for (uintptr_t i = 0; i < 64; i++)
			if (numaperf_executor_submit_to_node(exec, 0, work, (void *)i))
				return 2;
		if (numaperf_executor_wait(exec))
			return 2;
		usleep(5000);
	}
	if (numaperf_executor_shutdown(exec))
		return 2;
	numaperf_executor_destroy(exec);
	numaperf_region_unref(region);
	numaperf_topology_unref(topo);
	return 0;
}
