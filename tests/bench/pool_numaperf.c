// SPDX-License-Identifier: MIT
#define POOL_FORK_JOIN
#define POOL_STORM
#include "pool.h"

#include <errno.h>
#include <numaperf.h>

#define FJ_SCOPE(n)	     struct numaperf_task fj_task[n]
#define FJ_SPAWN(i, fn, arg) numaperf_spawn(&fj_task[i], fn, arg)
#define FJ_WAIT(n)                         \
 for (int fj_i = (n)-1; fj_i >= 0; fj_i--) \
  if (numaperf_join(&fj_task[fj_i]))       \
 pool_wrong(numaperf_last_error()->message)
#include "pool_fj.h"

static struct numaperf_topology *topo;
static struct numaperf_executor *exec;

static void must(int err)
{
	if (err)
		pool_wrong(numaperf_last_error()->message);
}

static void start(int workers)
{
	struct numaperf_executor_opts opts = { .sz = sizeof(opts) };
	struct numaperf_nodemask nodes;

	must(numaperf_topology_discover(&topo));
	must(numaperf_executor_create(&exec, topo, &opts));
	numaperf_executor_nodes(exec, &nodes);
	numaperf_executor_destroy(exec);
	opts.workers_per_node = ((unsigned int)workers + numaperf_nodemask_count(&nodes) - 1) /
				numaperf_nodemask_count(&nodes);
	must(numaperf_executor_create(&exec, topo, &opts));
}

static void stop(void)
{
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
}

static void produce(long n, pool_fn fn, void *arg)
{
	while (n--)
		must(numaperf_executor_submit(exec, fn, arg));
}

static void produce_batch(long n, pool_fn fn, void *arg)
{
	struct numaperf_work work[64];

	for (int i = 0; i < 64; i++)
		work[i] = (struct numaperf_work){ fn, arg };
	for (; n > 0; n -= 64)
		must(numaperf_executor_submit_batch(exec, NUMAPERF_ANY_NODE, 0, work,
						    n < 64 ? (size_t)n : 64, NULL));
}

static void run(pool_fn fn, void *arg)
{
	must(numaperf_executor_run(exec, NUMAPERF_ANY_NODE, fn, arg));
}

static void loop(size_t n, pool_body body, void *ctx, int skewed)
{
	(void)skewed;
	must(numaperf_executor_parallel_for(exec, 0, n, 0, body, ctx));
}

/* Four submit until they are told that it is over; each accepted task has run then. */
static long accepted;

static void *storm(void *arg)
{
	long n = 0;

	(void)arg;
	while (!numaperf_executor_submit(exec, pool_empty, NULL))
		n++;
	__atomic_fetch_add(&accepted, n, __ATOMIC_SEQ_CST);
	return NULL;
}

void pool_storm(void)
{
	pthread_t thread[4];
	double begin;

	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, storm, NULL);
	pool_sleep(50e6);
	begin = pool_now();
	must(numaperf_executor_shutdown(exec));
	printf("ms %.3f\n", (pool_now() - begin) / 1e6);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	if (accepted != pool_count_all())
		pool_wrong("a task that was accepted has not run");
}

const struct pool_peer peer = { start, stop, produce, produce_batch, run, loop };

int main(int argc, char **argv)
{
	return pool_main(argc, argv);
}
