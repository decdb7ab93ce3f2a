// SPDX-License-Identifier: MIT
/*
 * A machine of 64 nodes, eight packages of eight, of our own making: whom its workers look at,
 * what is counted, and that looking at 63 idle nodes costs no more than looking at 3.
 */
#include "../../lib/src/util.h"
#include "../../lib/src/victim.h"
#include "../../lib/src/worker.h"
#include "pool.h"
#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants these before it */
#include <cmocka.h>

enum {
	NODES = 64,
	PACKAGE = 8, /* nodes of one */
};

static struct tree_node wide[NODES];
static char distances[NODES][NODES * 4];
static struct numaperf_topology *topo;

static int distance(int a, int b)
{
	if (a == b)
		return 10;
	if (a / PACKAGE == b / PACKAGE)
		return 12;
	return 20 + abs(a / PACKAGE - b / PACKAGE);
}

static int make_topology(void **state)
{
	(void)state;
	for (int a = 0; a < NODES; a++) {
		size_t n = 0;

		for (int b = 0; b < NODES; b++)
			n += (size_t)snprintf(distances[a] + n, sizeof(distances[a]) - n,
					      "%s%d", b ? " " : "", distance(a, b));
		wide[a] = (struct tree_node){ a / PACKAGE, a, 1, distances[a] };
	}
	tree_sys_start(0);
	topo = tree_topology(wide, NODES);
	return 0;
}

static int drop_topology(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	tree_sys_stop();
	return 0;
}

static struct numaperf_executor *pool(enum numaperf_steal_policy policy, int nodes)
{
	struct numaperf_executor_opts opts = {
		.steal_policy = policy,
		.workers_per_node = 1,
		.queue_capacity = 64,
	};

	for (int i = 0; i < nodes; i++)
		numaperf_nodemask_set(&opts.nodes, i);
	return pool_create(topo, opts);
}

static void every_thief_goes_by_package_and_distance(void **state)
{
	struct numaperf_nodemask all;
	struct np_victim v[NODES];

	(void)state;
	numaperf_nodemask_zero(&all);
	for (int i = 0; i < NODES; i++)
		numaperf_nodemask_set(&all, i);
	for (int thief = 0; thief < NODES; thief++) {
		struct numaperf_nodemask seen = numaperf_nodemask_single(thief);

		assert_int_equal(np_victim_order(topo, thief, &all, v), NODES - 1);
		for (int i = 0; i < NODES - 1; i++) {
			assert_false(numaperf_nodemask_test(&seen, v[i].node));
			numaperf_nodemask_set(&seen, v[i].node);
			assert_int_equal(v[i].tier,
					 i < PACKAGE - 1 ? NP_TIER_SOCKET : NP_TIER_REMOTE);
			assert_int_equal(v[i].distance, distance(thief, v[i].node));
			if (i)
				assert_true(v[i].distance >= v[i - 1].distance);
		}
		/* equals in turn, so that not all meet at the same one */
		assert_int_equal(v[0].node / PACKAGE, thief / PACKAGE);
		assert_int_equal(v[0].node % PACKAGE, (thief + 1) % PACKAGE);
	}
}

static void each_node_counts_its_own(void **state)
{
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_LOCAL_ONLY, NODES);
	unsigned int n = 0;

	(void)state;
	for (int node = 0; node < NODES; node++)
		for (int i = 0; i <= node; i++)
			assert_int_equal(
				numaperf_executor_submit_to_node(exec, node, count_task, &n),
				0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), NODES * (NODES + 1) / 2);
	for (int node = 0; node < NODES; node++) {
		struct numaperf_node_stats s = pool_node_stats(exec, node);

		assert_int_equal(s.submitted, node + 1);
		assert_int_equal(s.tasks_home, node + 1);
		assert_int_equal(s.tasks_run, node + 1);
		assert_int_equal(s.stolen_to, 0);
		assert_int_equal(s.queued, 0);
	}
	numaperf_executor_destroy(exec);
}

/* All of the load is on one node, whose worker is held. */
static void load_on_one_node_is_taken_by_distance(void **state)
{
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_ANY, NODES);
	struct gate gate = { 0 };
	struct numaperf_worker_stats sum;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(numaperf_executor_submit_home(exec, 42, gate_task, &gate), 0);
	await(&gate.inside, 1);
	for (int i = 0; i < 500; i++)
		assert_int_equal(numaperf_executor_submit_to_node(exec, 42, count_task, &n), 0);
	await(&n, 500);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	sum = pool_stats(exec);
	assert_int_equal(sum.tasks_run, 501);
	assert_int_equal(sum.tasks_home, 1);
	assert_int_equal(sum.stolen_socket + sum.stolen_remote, 500);
	assert_int_equal(pool_node_stats(exec, 42).stolen_from, 500);
	assert_true(sum.stolen_socket > 0); /* its neighbours are woken first */
	numaperf_executor_destroy(exec);
}

/* ---- what an idle sweep costs ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct sweep {
	double ns[501];
};

/* A worker that has nothing to find looks everywhere that it may. */
static void sweep(void *arg)
{
	struct np_worker *w = np_self();
	struct sweep *s = arg;
	unsigned int before = w->fruitless;
	struct np_item it;

	for (size_t i = 0; i < ARRAY_SIZE(s->ns); i++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int k = 0; k < 20; k++)
			if (np_find(w, &it, false))
				abort();
		clock_gettime(CLOCK_MONOTONIC, &b);
		s->ns[i] = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
			    (double)(b.tv_nsec - a.tv_nsec)) /
			   20;
	}
	w->fruitless = before;
	qsort(s->ns, ARRAY_SIZE(s->ns), sizeof(s->ns[0]), compare);
}

static double sweep_of(int nodes)
{
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_ANY, nodes);
	struct sweep s;
	double best;

	for (int i = 0; i < nodes; i++) /* each has been awake, and has said that it is idle */
		assert_int_equal(
			numaperf_executor_run(exec, i, gate_task, &(struct gate){ .open = 1 }),
			0);
	assert_int_equal(numaperf_executor_run(exec, 0, sweep, &s), 0);
	best = s.ns[ARRAY_SIZE(s.ns) / 4];
	numaperf_executor_destroy(exec);
	return best;
}

static void an_idle_sweep_costs_the_same(void **state)
{
	double few = sweep_of(4), many = sweep_of(NODES);

	(void)state;
	print_message("# an idle sweep: %.0f ns with 4 nodes, %.0f ns with %d\n", few, many,
		      NODES);
#ifndef NP_SANITIZE
	/* with a look at each node's worker and lanes 64 took 5,158 ns */
	assert_true(many < few * 4 + 100);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_thief_goes_by_package_and_distance),
		cmocka_unit_test(each_node_counts_its_own),
		cmocka_unit_test(load_on_one_node_is_taken_by_distance),
		cmocka_unit_test(an_idle_sweep_costs_the_same),
	};

	return cmocka_run_group_tests_name("executor_wide", tests, make_topology,
					   drop_topology);
}
