// SPDX-License-Identifier: MIT
/*
 * Who runs whose tasks: the order of stealing, the three policies, hard-home tasks, nodes
 * without workers. On machines of our own making; workers are held by gates, so that what is
 * left to happen can happen in one way only.
 */
#include "../../lib/src/util.h"
#include "../../lib/src/victim.h"
#include "pool.h"
#include "tree.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* ---- the order, by itself ---- */

static void package_and_distance_decide_not_the_id(void **state)
{
	static const int wanted[4][3] = { { 2, 3, 1 }, { 3, 2, 0 }, { 0, 1, 3 }, { 1, 0, 2 } };
	struct numaperf_nodemask all;
	struct np_victim v[4];

	(void)state;
	numaperf_nodemask_zero(&all);
	for (int i = 0; i < 4; i++)
		numaperf_nodemask_set(&all, i);
	for (int thief = 0; thief < 4; thief++) {
		assert_int_equal(np_victim_order(tree_crossed, thief, &all, v), 3);
		for (int i = 0; i < 3; i++)
			assert_int_equal(v[i].node, wanted[thief][i]);
		assert_int_equal(v[0].tier, NP_TIER_SOCKET);
		assert_int_equal(v[1].tier, NP_TIER_REMOTE);
		assert_int_equal(v[1].distance, 21);
		assert_int_equal(v[2].distance, 31);
	}
}

static void only_nodes_of_the_set_are_victims(void **state)
{
	struct numaperf_nodemask some = numaperf_nodemask_single(1);
	struct np_victim v[2];

	(void)state;
	assert_int_equal(np_victim_order(tree_crossed, 0, &some, v), 1);
	assert_int_equal(v[0].node, 1);
	assert_int_equal(np_victim_order(tree_crossed, 1, &some, v), 0);
}

static void equals_are_taken_in_turn(void **state)
{
	static const struct tree_node flat[] = { { 0, 0, 1, "10 20 20" },
						 { 1, 1, 1, "20 10 20" },
						 { 2, 2, 1, "20 20 10" } };
	struct numaperf_topology *t = tree_topology(flat, 3);
	struct numaperf_nodemask all = numaperf_nodemask_single(0);
	struct np_victim v[3];

	(void)state;
	numaperf_nodemask_set(&all, 1);
	numaperf_nodemask_set(&all, 2);
	for (int thief = 0; thief < 3; thief++) {
		assert_int_equal(np_victim_order(t, thief, &all, v), 2);
		assert_int_equal(v[0].node, (thief + 1) % 3);
		assert_int_equal(v[1].node, (thief + 2) % 3);
	}
	numaperf_topology_unref(t);
}

/* ---- the policies, with real workers ---- */

static struct numaperf_executor *one_worker_a_node(enum numaperf_steal_policy policy)
{
	return pool_create(tree_crossed, (struct numaperf_executor_opts){
						 .steal_policy = policy,
						 .workers_per_node = 1,
					 });
}

static void hold_node(struct numaperf_executor *exec, int node, struct gate *gate)
{
	assert_int_equal(numaperf_executor_submit_home(exec, node, gate_task, gate), 0);
	await(&gate->inside, 1);
}

struct visit {
	int home;
	unsigned int *order; /* how many came before */
	unsigned int place;
	int worker;
};

static void visit(void *arg)
{
	struct visit *v = arg;

	v->worker = numaperf_executor_current_worker();
	v->place = __atomic_add_fetch(v->order, 1, __ATOMIC_SEQ_CST);
}

/* All nodes are held; one open task waits on each; one worker is let go. */
static void steals_in_order(enum numaperf_steal_policy policy, int thief, const int *wanted)
{
	struct numaperf_executor *exec = one_worker_a_node(policy);
	struct visit v[4] = { { 0 } };
	struct gate gate[4] = { { 0 } };
	unsigned int order = 0;

	for (int i = 0; i < 4; i++)
		hold_node(exec, i, &gate[i]);
	for (int i = 0; i < 4; i++) {
		v[i] = (struct visit){ .home = i, .order = &order };
		assert_int_equal(numaperf_executor_submit_to_node(exec, i, visit, &v[i]), 0);
	}
	gate_open(&gate[thief]);
	await(&order, 4);
	for (int i = 0; i < 4; i++)
		gate_open(&gate[i]);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(v[i].worker, thief);
		assert_int_equal(v[wanted[i]].place, i + 1);
	}
	assert_int_equal(pool_node_stats(exec, thief).stolen_to, 3);
	assert_int_equal(pool_node_stats(exec, thief).stolen_from, 0);
	for (int i = 0; i < 4; i++)
		if (i != thief)
			assert_int_equal(pool_node_stats(exec, i).stolen_from, 1);
	assert_int_equal(pool_stats(exec).stolen_socket, 1);
	assert_int_equal(pool_stats(exec).stolen_remote, 2);
	assert_int_equal(pool_stats(exec).tasks_run, 8);
	assert_int_equal(pool_stats(exec).tasks_home, 5);
	numaperf_executor_destroy(exec);
}

static void thieves_go_to_the_nearest_first(void **state)
{
	static const int of0[] = { 0, 2, 3, 1 }, of3[] = { 3, 1, 0, 2 };

	(void)state;
	steals_in_order(NUMAPERF_STEAL_ANY, 0, of0);
	steals_in_order(NUMAPERF_STEAL_ANY, 3, of3);
	steals_in_order(NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE, 0, of0);
	steals_in_order(NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE, 3, of3);
}

static void local_only_stays_at_home_under_skew(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STEAL_LOCAL_ONLY);
	struct visit v[50];
	struct gate gate = { 0 };
	unsigned int order = 0, others = 0;

	(void)state;
	hold_node(exec, 1, &gate);
	for (int i = 0; i < 50; i++) {
		v[i] = (struct visit){ .home = 1, .order = &order };
		assert_int_equal(numaperf_executor_submit_to_node(exec, 1, visit, &v[i]), 0);
	}
	/* the others are awake, look round, and run what is theirs */
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 4; i++)
			if (i != 1)
				assert_int_equal(
					numaperf_executor_run(exec, i, count_task, &others), 0);
	assert_int_equal(counted(&others), 60);
	assert_int_equal(counted(&order), 0);
	assert_int_equal(pool_node_stats(exec, 1).queued, 50);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(v[i].worker, 1);
	assert_int_equal(pool_stats(exec).stolen_socket + pool_stats(exec).stolen_remote, 0);
	assert_int_equal(pool_node_stats(exec, 1).tasks_home, 51);
	numaperf_executor_destroy(exec);
}

static void hard_home_tasks_are_never_stolen(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STEAL_ANY);
	struct visit hard[20], soft[20];
	struct gate gate = { 0 };
	unsigned int order = 0, hard_order = 0;

	(void)state;
	hold_node(exec, 2, &gate);
	for (int i = 0; i < 20; i++) {
		hard[i] = (struct visit){ .home = 2, .order = &hard_order };
		soft[i] = (struct visit){ .home = 2, .order = &order };
		assert_int_equal(numaperf_executor_submit_home(exec, 2, visit, &hard[i]), 0);
		assert_int_equal(numaperf_executor_submit_to_node(exec, 2, visit, &soft[i]), 0);
	}
	await(&order, 20); /* all of the others were taken by thieves ... */
	assert_int_equal(counted(&hard_order), 0); /* ... and none of these */
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(hard[i].worker, 2);
		assert_int_not_equal(soft[i].worker, 2);
	}
	assert_int_equal(pool_node_stats(exec, 2).hard_home, 21);
	assert_int_equal(pool_node_stats(exec, 2).submitted, 41);
	assert_int_equal(pool_node_stats(exec, 2).stolen_from, 20);
	numaperf_executor_destroy(exec);
}

static void each_node_has_its_own_worker(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STEAL_LOCAL_ONLY);
	struct numaperf_worker_info info = { .sz = sizeof(info) };

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(numaperf_executor_worker_info(exec, (unsigned int)i, &info),
				 0);
		assert_int_equal(info.node, i);
		assert_int_equal(numaperf_cpuset_first(&info.cpus), i);
		assert_int_equal(numaperf_cpuset_count(&info.cpus), 1);
	}
	numaperf_executor_destroy(exec);
}

/* ---- a budget for remote steals ---- */

static void remote_steals_stay_within_the_budget(void **state)
{
	struct numaperf_executor *exec =
		pool_create(tree_crossed,
			    (struct numaperf_executor_opts){ .steal_policy = NUMAPERF_STEAL_ANY,
							     .workers_per_node = 1,
							     .remote_steals_per_second = 20 });
	struct gate gate = { 0 };
	struct timespec a, b;
	unsigned int n = 0;
	double seconds;

	(void)state;
	/* 0 and 2 are one package: all of its workers are held, its tasks are remote to others
	 */
	hold_node(exec, 0, &gate);
	assert_int_equal(numaperf_executor_submit_home(exec, 2, gate_task, &gate), 0);
	await(&gate.inside, 2);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(numaperf_executor_submit_to_node(exec, 0, count_task, &n), 0);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
	/* two nodes steal, each 20 a second and a tenth of that at once */
	assert_true(counted(&n) <= 2 * (20 * seconds + 2) + 1);
	assert_true(counted(&n) >= 2);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 300);
	numaperf_executor_destroy(exec);
}

/* ---- who is woken ---- */

/* All who may take a task are busy: submitting wakes nobody. Those who sleep elsewhere may not
 * take it, and sleep on. */
static void a_submit_to_a_busy_node_wakes_nobody(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STEAL_LOCAL_ONLY);
	struct numaperf_worker_stats before;
	struct gate gate = { 0 };
	unsigned int n = 0;

	(void)state;
	hold_node(exec, 0, &gate);
	do { /* the three others have gone to sleep, once at least */
		sched_yield();
		before = pool_stats(exec);
	} while (before.parks < before.wakes + 3);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(numaperf_executor_submit_to_node(exec, 0, count_task, &n), 0);
	assert_int_equal(pool_stats(exec).wakes, before.wakes);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 1000);
	numaperf_executor_destroy(exec);
}

/* ---- spawned tasks that stay ---- */

struct stay {
	int spawner, worker[8];
};

static void note_worker(void *arg)
{
	*(int *)arg = numaperf_executor_current_worker();
}

static void spawn_to_stay(void *arg)
{
	struct stay *s = arg;
	struct numaperf_task t[8];

	note_worker(&s->spawner); /* itself it may have been stolen */
	for (int i = 0; i < 8; i++)
		numaperf_spawn_home(&t[i], note_worker, &s->worker[i]);
	/* time enough for thieves, who have been asking */
	for (int i = 0; i < 50; i++) {
		if (!numaperf_checkpoint())
			abort();
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	for (int i = 7; i >= 0; i--)
		if (numaperf_join(&t[i]))
			abort();
}

static void what_was_spawned_to_stay_stays(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STEAL_ANY);
	struct stay s = { .spawner = -1 };

	(void)state;
	assert_int_equal(numaperf_executor_run(exec, 3, spawn_to_stay, &s), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(s.worker[i], s.spawner);
	assert_int_equal(pool_node_stats(exec, 3).stolen_from, s.spawner != 3);
	numaperf_executor_destroy(exec);
}

/* ---- a node without workers ---- */

static const struct tree_node with_memory_only[] = { { 0, 0, 2, "10 20 30" },
						     { 1, 2, 2, "20 10 15" },
						     { 1, 0, 0, "30 15 10" } };

static void tasks_for_a_node_without_workers_go_to_the_nearest(void **state)
{
	struct numaperf_topology *t = tree_topology(with_memory_only, 3);
	struct numaperf_executor *exec =
		pool_create(t, (struct numaperf_executor_opts){
				       .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
			       });
	struct numaperf_nodemask nodes;
	unsigned int order = 0;
	struct visit v = { .order = &order };

	(void)state;
	numaperf_executor_nodes(exec, &nodes);
	assert_int_equal(numaperf_nodemask_count(&nodes), 2);
	assert_false(numaperf_nodemask_test(&nodes, 2));
	assert_int_equal(numaperf_executor_worker_count(exec), 4);
	assert_int_equal(numaperf_executor_submit_to_node(exec, 2, visit, &v), 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_in_range(v.worker, 2, 3); /* of node 1 */
	assert_int_equal(pool_node_stats(exec, 2).redirected, 1);
	assert_int_equal(pool_node_stats(exec, 1).submitted, 1);
	/* hard-home: never */
	assert_int_equal(numaperf_executor_submit_home(exec, 2, visit, &v),
			 -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_NO_WORKERS);
	numaperf_executor_destroy(exec);

	exec = pool_create(t, (struct numaperf_executor_opts){
				      .mode = NUMAPERF_STRICT_UNWITNESSED,
			      });
	assert_int_equal(numaperf_executor_submit_to_node(exec, 2, visit, &v),
			 -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_NO_WORKERS);
	assert_int_equal(counted(&order), 1);
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(t);
}

static void workers_only_where_they_were_asked_for(void **state)
{
	struct numaperf_executor *exec =
		pool_create(tree_crossed, (struct numaperf_executor_opts){
						  .workers_per_node = 3,
						  .nodes = numaperf_nodemask_single(3),
					  });
	struct numaperf_nodemask nodes;

	(void)state;
	numaperf_executor_nodes(exec, &nodes);
	assert_int_equal(numaperf_nodemask_count(&nodes), 1);
	assert_true(numaperf_nodemask_test(&nodes, 3));
	assert_int_equal(numaperf_executor_worker_count(exec), 3);
	assert_int_equal(pool_node_stats(exec, 3).workers, 3);
	assert_int_equal(pool_node_stats(exec, 0).workers, 0);
	numaperf_executor_destroy(exec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(package_and_distance_decide_not_the_id),
		cmocka_unit_test(only_nodes_of_the_set_are_victims),
		cmocka_unit_test(equals_are_taken_in_turn),
		cmocka_unit_test(thieves_go_to_the_nearest_first),
		cmocka_unit_test(local_only_stays_at_home_under_skew),
		cmocka_unit_test(hard_home_tasks_are_never_stolen),
		cmocka_unit_test(each_node_has_its_own_worker),
		cmocka_unit_test(remote_steals_stay_within_the_budget),
		cmocka_unit_test(a_submit_to_a_busy_node_wakes_nobody),
		cmocka_unit_test(what_was_spawned_to_stay_stays),
		cmocka_unit_test(tasks_for_a_node_without_workers_go_to_the_nearest),
		cmocka_unit_test(workers_only_where_they_were_asked_for),
	};

	return cmocka_run_group_tests_name("executor_steal", tests, tree_crossed_make,
					   tree_crossed_drop);
}
