// SPDX-License-Identifier: MIT
/*
 * The executor when things go wrong: hard mode that is not to be had, a pin that falls short on
 * one node, each call of creation failing, fork, and tasks that end their worker.
 */
#include "../../lib/src/guarantee.h"
#include "../../lib/src/util.h"
#include "child.h"
#include "fault.h"
#include "pool.h"
#include "tree.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

static const struct tree_node crossed[] = TREE_CROSSED;
static struct numaperf_topology *topo;

static int make_topology(void **state)
{
	(void)state;
	topo = tree_topology(crossed, ARRAY_SIZE(crossed));
	/* a sanitizer's own thread comes with the first one of ours */
	numaperf_executor_destroy(
		pool_create(topo, (struct numaperf_executor_opts){ .workers_per_node = 1 }));
	return 0;
}

static int drop_topology(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

static int kernel(void **state)
{
	(void)state;
	np_sys = &np_sys_real;
	return 0;
}

/* What a refusal must give back. */
struct before {
	int fds, threads;
	size_t promised;
};

static struct before look(void)
{
	return (struct before){ fault_open_fds(), fault_threads_settled(),
				np_guarantee_count() };
}

static void assert_nothing_is_left(struct before b)
{
	assert_true(fault_threads_are(b.threads));
	assert_int_equal(fault_open_fds(), b.fds);
	assert_int_equal(np_guarantee_count(), b.promised);
}

static int create(struct numaperf_executor **exec, enum numaperf_mode mode)
{
	const struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.mode = mode,
		.workers_per_node = 2,
		.queue_capacity = 16,
		.realtime_priority = 0,
	};

	*exec = NULL;
	return numaperf_executor_create(exec, topo, &opts);
}

/* ---- hard mode ---- */

static void a_pin_that_falls_short_on_one_node_fails_it_all(void **state)
{
	struct before before = look();
	struct numaperf_executor *exec;
	const struct numaperf_error *e = numaperf_last_error();

	(void)state;
	tree_sys_start(3); /* CPU 3, which is node 3, is not granted */
	assert_int_equal(create(&exec, NUMAPERF_STRICT_UNWITNESSED), -NUMAPERF_EHARDMODE);
	assert_null(exec);
	assert_true(e->reason_id == NUMAPERF_REASON_AFFINITY ||
		    e->reason_id == NUMAPERF_REASON_CPUSET);
	assert_non_null(
		strstr(e->message, "Hard mode unavailable: affinity not fully applied"));
	assert_non_null(strstr(e->message, "asked for 3"));
	assert_non_null(strstr(e->message, "granted none"));
	assert_non_null(strstr(e->message, "(node 3)"));
	assert_nothing_is_left(before);
	/* the same machine, softly: the worker runs where it may, and says so */
	assert_int_equal(create(&exec, NUMAPERF_SOFT), 0);
	assert_int_equal(numaperf_executor_worker_count(exec), 8);
	numaperf_executor_destroy(exec);
	assert_nothing_is_left(before);
}

static struct np_sys table;

static int no_capabilities(uint64_t *effective)
{
	*effective = 0;
	return 0;
}

static int no_scheduler(int tid, int policy, int priority)
{
	(void)tid;
	(void)policy;
	(void)priority;
	return -EPERM;
}

static void no_capability_no_hard_mode(void **state)
{
	struct before before = look();
	struct numaperf_executor_opts opts = { .sz = sizeof(opts), .realtime_priority = 1 };
	struct numaperf_executor *exec;

	(void)state;
	tree_sys_start(0);
	table = *np_sys;
	table.capget = no_capabilities;
	np_sys = &table;
	assert_int_equal(create(&exec, NUMAPERF_STRICT), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_PERMISSION);
	assert_non_null(strstr(numaperf_last_error()->message, "permission denied"));
	assert_nothing_is_left(before);
	/* a real-time priority is a hard wish in any mode */
	table.set_scheduler = no_scheduler;
	assert_int_equal(numaperf_executor_create(&exec, topo, &opts), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_PERMISSION);
	assert_non_null(strstr(numaperf_last_error()->message, "permission denied"));
	assert_nothing_is_left(before);
}

/* ---- each call failing ---- */

static void creation_survives_each_failure(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM, -EAGAIN };
	static const enum numaperf_mode modes[] = { NUMAPERF_SOFT,
						    NUMAPERF_STRICT_UNWITNESSED };
	struct numaperf_executor *exec;
	struct fault_plan plan;
	int failures = 0;

	(void)state;
	tree_sys_start(0);
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		struct before before = look();

		FAULT_SWEEP(plan, errors)
		{
			unsigned int n = 0;
			int err;

			fault_start(&plan);
			err = create(&exec, modes[m]);
			if (!err) {
				assert_int_equal(numaperf_executor_run(exec, 2, count_task, &n),
						 0);
				assert_int_equal(counted(&n), 1);
				numaperf_executor_destroy(exec);
			} else {
				failures++;
				assert_null(exec);
				assert_int_equal(numaperf_last_error()->code, err);
			}
			fault_stop(); /* no sooner: workers read np_sys */
			assert_nothing_is_left(before);
		}
	}
	assert_true(failures > 60); /* 8 threads and as many blocks, thrice each mode */
}

/* ---- fork ---- */

struct forked {
	struct numaperf_executor *exec;
	unsigned int n;
};

static void nothing(void *ctx, size_t begin, size_t end)
{
	(void)ctx;
	(void)begin;
	(void)end;
}

static void in_the_child(void *arg)
{
	struct forked *f = arg;
	struct numaperf_worker_info info = { .sz = sizeof(info) };

	CHECK(numaperf_executor_submit(f->exec, count_task, &f->n) == -EOWNERDEAD);
	CHECK(numaperf_executor_submit_home(f->exec, 1, count_task, &f->n) == -EOWNERDEAD);
	CHECK(numaperf_executor_run(f->exec, 1, count_task, &f->n) == -EOWNERDEAD);
	CHECK(numaperf_executor_parallel_for(f->exec, 0, 9, 0, nothing, NULL) == -EOWNERDEAD);
	CHECK(numaperf_executor_wait(f->exec) == -EOWNERDEAD);
	CHECK(numaperf_executor_shutdown(f->exec) == -EOWNERDEAD);
	CHECK(numaperf_executor_shutdown_now(f->exec, NULL) == -EOWNERDEAD);
	CHECK(numaperf_executor_worker_info(f->exec, 0, &info) == -ESRCH);
	CHECK(!numaperf_executor_current() && numaperf_executor_current_worker() == -1);
	CHECK(!f->n);
	numaperf_executor_destroy(f->exec);
}

static void fork_in_a_task(void *arg)
{
	struct forked *f = arg;
	struct numaperf_task task;
	unsigned int ran = 0;

	numaperf_spawn(&task, count_task, &ran);
	if (child_run(in_the_child, f))
		f->n = 1000;
	if (numaperf_join(&task) || ran != 1)
		f->n = 2000;
}

static void a_forked_child_has_no_workers(void **state)
{
	struct forked f = { 0 };

	(void)state;
	tree_sys_start(0);
	assert_int_equal(create(&f.exec, NUMAPERF_SOFT), 0);
	assert_int_equal(child_run(in_the_child, &f), 0);
	/* also one that is forked off by a worker; the parent is as it was */
	assert_int_equal(numaperf_executor_run(f.exec, 3, fork_in_a_task, &f), 0);
	assert_int_equal(f.n, 0);
	assert_int_equal(numaperf_executor_run(f.exec, 1, count_task, &f.n), 0);
	assert_int_equal(f.n, 1);
	numaperf_executor_destroy(f.exec);
}

/* ---- a task that ends its worker ---- */

static void end_worker(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static void a_dead_worker_fails_the_executor(void **state)
{
	struct before before = look();
	struct numaperf_executor *exec;
	struct gate gate = { 0 };
	unsigned int n = 0;

	(void)state;
	tree_sys_start(0);
	assert_int_equal(create(&exec, NUMAPERF_STRICT_UNWITNESSED), 0);
	/* another worker is busy meanwhile, and finishes */
	assert_int_equal(numaperf_executor_submit_home(exec, 2, gate_task, &gate), 0);
	await(&gate.inside, 1);
	assert_int_equal(numaperf_executor_run(exec, 1, end_worker, NULL), -EOWNERDEAD);
	assert_int_equal(numaperf_executor_wait(exec), -EOWNERDEAD);
	assert_int_equal(numaperf_executor_submit(exec, count_task, &n), -EOWNERDEAD);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_shutdown(exec), -EOWNERDEAD);
	assert_int_equal(counted(&n), 0);
	numaperf_executor_destroy(exec);
	assert_nothing_is_left(before);
}

/* It dies while others work on what it has spawned, which lives on its stack. */
struct orphan {
	unsigned int *running, *open;
	uint64_t on_stack;
};

static void work_on_the_stack_of_another(void *arg)
{
	struct orphan *o = arg;

	count_task(o->running);
	await(o->open, 1);
	o->on_stack++;
}

static unsigned int running, may_go, thieves_seen;

static void spawn_and_die(void *arg)
{
	struct orphan orphan[4];
	struct numaperf_task task[4], more;
	unsigned int ran = 0;

	(void)arg;
	for (int i = 0; i < 4; i++) {
		orphan[i] = (struct orphan){ .running = &running, .open = &may_go };
		numaperf_spawn(&task[i], work_on_the_stack_of_another, &orphan[i]);
	}
	while (!counted(&running)) { /* until a thief has begun */
		numaperf_spawn(&more, count_task, &ran);
		if (numaperf_join(&more))
			break;
		sched_yield();
	}
	count_task(&thieves_seen);
	pthread_exit(NULL);
}

static void a_dying_worker_waits_for_its_thieves(void **state)
{
	struct before before = look();
	struct numaperf_executor *exec;
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.workers_per_node = 1,
		.steal_policy = NUMAPERF_STEAL_ANY,
	};
	struct numaperf_worker_info info = { .sz = sizeof(info) };

	(void)state;
	tree_sys_start(0);
	for (int round = 0; round < 20; round++) {
		running = may_go = thieves_seen = 0;
		assert_int_equal(numaperf_executor_create(&exec, topo, &opts), 0);
		assert_int_equal(numaperf_executor_submit_home(exec, 0, spawn_and_die, NULL),
				 0);
		await(&thieves_seen, 1);
		assert_int_equal(numaperf_executor_wait(exec), -EOWNERDEAD);
		usleep(2000); /* time enough to end, if it were to */
		assert_int_equal(numaperf_executor_worker_info(exec, 0, &info), 0);
		__atomic_store_n(&may_go, 1, __ATOMIC_SEQ_CST);
		numaperf_executor_destroy(exec);
		assert_nothing_is_left(before);
	}
}

/* A worker waits for a task that sits in the lane of the worker that dies. */
struct waiter {
	struct numaperf_executor *exec;
	struct gate *gate;
	unsigned int ran;
	int result;
};

static void wait_for_the_dead(void *arg)
{
	struct waiter *w = arg;

	gate_open(w->gate);
	w->result = numaperf_executor_run(w->exec, 1, count_task, &w->ran);
}

static void hold_then_die(void *arg)
{
	gate_task(arg);
	usleep(2000); /* the other one's task has most likely arrived; right in any case */
	pthread_exit(NULL);
}

static void who_waits_for_a_dead_worker_is_told(void **state)
{
	struct gate gate = { 0 };
	struct waiter w = { .gate = &gate };
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.workers_per_node = 1,
		.steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
	};

	(void)state;
	tree_sys_start(0);
	assert_int_equal(numaperf_executor_create(&w.exec, topo, &opts), 0);
	assert_int_equal(numaperf_executor_submit_home(w.exec, 1, hold_then_die, &gate), 0);
	await(&gate.inside, 1);
	assert_int_equal(numaperf_executor_submit_home(w.exec, 2, wait_for_the_dead, &w), 0);
	numaperf_executor_destroy(w.exec);
	assert_true(w.result == -ECANCELED || w.result == -EOWNERDEAD);
	assert_int_equal(w.ran, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_pin_that_falls_short_on_one_node_fails_it_all,
					  kernel),
		cmocka_unit_test_teardown(no_capability_no_hard_mode, kernel),
		cmocka_unit_test_teardown(creation_survives_each_failure, kernel),
		cmocka_unit_test_teardown(a_forked_child_has_no_workers, kernel),
		cmocka_unit_test_teardown(a_dead_worker_fails_the_executor, kernel),
		cmocka_unit_test_teardown(a_dying_worker_waits_for_its_thieves, kernel),
		cmocka_unit_test_teardown(who_waits_for_a_dead_worker_is_told, kernel),
	};

	return cmocka_run_group_tests_name("executor_faults", tests, make_topology,
					   drop_topology);
}
