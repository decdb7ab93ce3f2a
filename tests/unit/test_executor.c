// SPDX-License-Identifier: MIT
/* The executor's contract, on this machine: options, submitting, waiting, ending, counters. */
#include "../../lib/src/guarantee.h"
#include "../../lib/src/sys.h"
#include "../../lib/src/util.h"
#include "fault.h"
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

static struct numaperf_topology *topo;
static int node; /* one with workers */

static int discover(void **state)
{
	struct numaperf_nodemask nodes;
	struct numaperf_executor *exec;

	(void)state;
	if (numaperf_topology_discover(&topo))
		return -1;
	exec = pool_create(topo, (struct numaperf_executor_opts){ 0 });
	numaperf_executor_nodes(exec, &nodes);
	node = numaperf_nodemask_first(&nodes);
	numaperf_executor_destroy(exec);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

/* One worker, if not said otherwise, so that a gate holds all there is. */
static struct numaperf_executor *small(struct numaperf_executor_opts opts)
{
	if (!opts.workers_per_node)
		opts.workers_per_node = 1;
	opts.nodes = numaperf_nodemask_single(node);
	return pool_create(topo, opts);
}

static void hold(struct numaperf_executor *exec, struct gate *gate)
{
	assert_int_equal(numaperf_executor_submit_to_node(exec, node, gate_task, gate), 0);
	await(&gate->inside, 1);
}

/* ---- options ---- */

static void names_of_policies(void **state)
{
	(void)state;
	assert_string_equal(
		numaperf_steal_policy_name(NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE),
		"LocalThenSocketThenRemote");
	assert_string_equal(numaperf_steal_policy_name(NUMAPERF_STEAL_LOCAL_ONLY), "LocalOnly");
	assert_string_equal(numaperf_steal_policy_name(NUMAPERF_STEAL_ANY), "Any");
	assert_string_equal(numaperf_steal_policy_name((enum numaperf_steal_policy)3),
			    "unknown");
}

static void defaults_are_a_worker_for_each_allowed_cpu(void **state)
{
	struct numaperf_executor *exec;
	struct numaperf_cpuset allowed;

	(void)state;
	assert_int_equal(numaperf_executor_create(&exec, topo, NULL), 0);
	numaperf_topology_allowed_cpus(topo, &allowed);
	assert_int_equal(numaperf_executor_worker_count(exec), numaperf_cpuset_count(&allowed));
	assert_int_equal(numaperf_executor_mode(exec), NUMAPERF_SOFT);
	assert_int_equal(numaperf_executor_steal_policy(exec),
			 NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE);
	numaperf_executor_destroy(exec);
	numaperf_executor_destroy(NULL);
}

static void bad_options_are_refused(void **state)
{
	static const struct numaperf_executor_opts bad[] = {
		{ .steal_policy = (enum numaperf_steal_policy)3 },
		{ .mode = (enum numaperf_mode)9 },
		{ .workers_per_node = 4097 },
		{ .queue_capacity = (1u << 24) + 1 },
		{ .on_full = (enum numaperf_on_full)3 },
		{ .realtime_priority = 100 },
		{ .realtime_priority = -1 },
		{ .stack_size = 4096 },
		{ .nodes = { { [NUMAPERF_NODES_MAX / 64 - 1] = 1 } } },
	};
	struct {
		struct numaperf_executor_opts known;
		uint64_t of_the_future;
	} longer = { .known.sz = sizeof(longer), .of_the_future = 1 };
	struct numaperf_executor *exec = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct numaperf_executor_opts opts = bad[i];

		opts.sz = sizeof(opts);
		if (numaperf_executor_create(&exec, topo, &opts) != -EINVAL)
			fail_msg("bad[%zu] was taken", i);
		assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);
	}
	assert_int_equal(numaperf_executor_create(&exec, topo, &longer.known), -E2BIG);
	assert_int_equal(numaperf_executor_create(&exec, NULL, NULL), -EINVAL);
	assert_int_equal(numaperf_executor_create(NULL, topo, NULL), -EINVAL);
	assert_null(exec);
	longer.of_the_future = 0; /* not used: as good as not there */
	assert_int_equal(numaperf_executor_create(&exec, topo, &longer.known), 0);
	numaperf_executor_destroy(exec);
}

static void signals_seen(void *arg)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	*(unsigned int *)arg = sigismember(&set, SIGTERM) && sigismember(&set, SIGUSR1);
}

static void strict_workers_are_pinned_named_and_promised(void **state)
{
	struct numaperf_worker_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset want, real;
	size_t promised = np_guarantee_count();
	unsigned int blocked = 0;
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){
		.mode = NUMAPERF_STRICT_UNWITNESSED,
		.workers_per_node = 3,
		.name = "pool",
	});
	char path[64], name[32] = "", wanted[32];
	FILE *f;

	(void)state;
	assert_int_equal(np_guarantee_count(), promised + 3);
	assert_int_equal(numaperf_topology_node_cpus(topo, node, &want), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(numaperf_executor_worker_info(exec, i, &info), 0);
		assert_int_equal(info.node, node);
		assert_true(info.pinned);
		assert_true(numaperf_cpuset_equal(&info.cpus, &want));
		/* and the kernel's own word */
		numaperf_cpuset_zero(&real);
		assert_true(np_sys_real.sched_getaffinity(info.tid, sizeof(real.bits),
							  real.bits) > 0);
		assert_true(numaperf_cpuset_equal(&real, &want));
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", info.tid);
		f = fopen(path, "r");
		assert_non_null(f);
		assert_non_null(fgets(name, sizeof(name), f));
		fclose(f);
		snprintf(wanted, sizeof(wanted), "pool/%d.%u\n", node, i);
		assert_string_equal(name, wanted);
	}
	assert_int_equal(numaperf_executor_run(exec, node, signals_seen, &blocked), 0);
	assert_int_equal(blocked, 1);
	assert_int_equal(numaperf_executor_worker_info(exec, 3, &info), -ENOENT);
	info.sz = 0;
	assert_int_equal(numaperf_executor_worker_info(exec, 0, &info), -EINVAL);
	info.sz = sizeof(info);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(np_guarantee_count(), promised);
	assert_int_equal(numaperf_executor_worker_info(exec, 0, &info), -ESRCH);
	numaperf_executor_destroy(exec);
}

static void realtime_workers_are_fifo(void **state)
{
	struct numaperf_worker_info info = { .sz = sizeof(info) };
	struct sched_param param = { .sched_priority = 1 };
	struct numaperf_executor *exec;

	(void)state;
	if (sched_setscheduler(0, SCHED_FIFO, &param)) {
		print_message("SKIP: this process may not use SCHED_FIFO\n");
		skip();
	}
	/* a creator's own class is not handed down */
	exec = small((struct numaperf_executor_opts){ 0 });
	assert_int_equal(numaperf_executor_worker_info(exec, 0, &info), 0);
	assert_int_equal(sched_getscheduler(info.tid), SCHED_OTHER);
	numaperf_executor_destroy(exec);
	param.sched_priority = 0;
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &param), 0);

	exec = small((struct numaperf_executor_opts){ .realtime_priority = 2 });
	assert_int_equal(numaperf_executor_worker_info(exec, 0, &info), 0);
	assert_int_equal(sched_getscheduler(info.tid), SCHED_FIFO);
	assert_int_equal(sched_getparam(info.tid, &param), 0);
	assert_int_equal(param.sched_priority, 2);
	numaperf_executor_destroy(exec);
}

/* ---- submitting ---- */

struct place {
	unsigned int done;
	struct numaperf_executor *exec;
	int worker;
};

static void look_round(void *arg)
{
	struct place *p = arg;

	p->exec = numaperf_executor_current();
	p->worker = numaperf_executor_current_worker();
	count_task(&p->done);
}

static void each_way_to_submit_runs_once(void **state)
{
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){ 0 });
	struct numaperf_work work[3] = { { 0 } };
	unsigned int n = 0;
	struct place place = { 0 };
	size_t queued = 9;

	(void)state;
	assert_int_equal(numaperf_executor_submit(exec, count_task, &n), 0);
	assert_int_equal(numaperf_executor_submit_to_node(exec, node, count_task, &n), 0);
	assert_int_equal(
		numaperf_executor_submit_to_node(exec, NUMAPERF_ANY_NODE, count_task, &n), 0);
	assert_int_equal(numaperf_executor_submit_home(exec, node, count_task, &n), 0);
	for (int i = 0; i < 3; i++)
		work[i] = (struct numaperf_work){ count_task, &n };
	assert_int_equal(numaperf_executor_submit_batch(exec, node, NUMAPERF_SUBMIT_HOME, work,
							3, &queued),
			 0);
	assert_int_equal(queued, 3);
	assert_int_equal(
		numaperf_executor_submit_batch(exec, NUMAPERF_ANY_NODE, 0, work, 3, NULL), 0);
	assert_int_equal(numaperf_executor_submit_batch(exec, node, 0, work, 0, &queued), 0);
	assert_int_equal(queued, 0);
	assert_int_equal(numaperf_executor_run(exec, node, look_round, &place), 0);
	assert_ptr_equal(place.exec, exec);
	assert_int_equal(place.worker, 0);
	assert_null(numaperf_executor_current());
	assert_int_equal(numaperf_executor_current_worker(), -1);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 10);
	assert_int_equal(pool_stats(exec).tasks_run, 11);
	assert_int_equal(pool_node_stats(exec, node).submitted, 11);
	assert_int_equal(pool_node_stats(exec, node).hard_home, 4);
	numaperf_executor_destroy(exec);
	assert_int_equal(counted(&n), 10);
}

static void bad_submissions_are_refused(void **state)
{
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){ 0 });
	struct numaperf_work work[2] = { { count_task, NULL }, { NULL, NULL } };
	struct numaperf_node_stats node_stats = { .sz = sizeof(node_stats) };
	struct numaperf_worker_stats stats = { .sz = sizeof(stats) };
	unsigned int n = 0;
	size_t queued = 9;

	(void)state;
	work[0].arg = &n;
	assert_int_equal(numaperf_executor_submit(exec, NULL, &n), -EINVAL);
	assert_int_equal(numaperf_executor_submit_to_node(exec, 1000, count_task, &n), -ENOENT);
	assert_int_equal(numaperf_executor_submit_to_node(exec, -7, count_task, &n), -ENOENT);
	assert_int_equal(numaperf_executor_submit_home(exec, NUMAPERF_ANY_NODE, count_task, &n),
			 -EINVAL);
	assert_int_equal(numaperf_executor_submit_batch(exec, node, 64, work, 1, &queued),
			 -EINVAL);
	assert_int_equal(numaperf_executor_submit_batch(exec, node, 0, work, 2, &queued),
			 -EINVAL);
	assert_int_equal(queued, 0);
	assert_int_equal(numaperf_executor_run(exec, node, NULL, &n), -EINVAL);
	assert_int_equal(numaperf_executor_run(exec, 1000, count_task, &n), -ENOENT);
	assert_int_equal(numaperf_executor_worker_stats(exec, 1, &stats), -ENOENT);
	assert_int_equal(numaperf_executor_node_stats(exec, 1000, &node_stats), -ENOENT);
	stats.sz = node_stats.sz = 1;
	assert_int_equal(numaperf_executor_worker_stats(exec, 0, &stats), -EINVAL);
	assert_int_equal(numaperf_executor_node_stats(exec, node, &node_stats), -EINVAL);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(counted(&n), 0);
	numaperf_executor_destroy(exec);
}

static void full_is_an_error_or_a_wait(void **state)
{
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){
		.queue_capacity = 3, /* rounded up to 4 */
		.on_full = NUMAPERF_ON_FULL_FAIL,
	});
	struct numaperf_work work[10];
	struct gate gate = { 0 };
	unsigned int n = 0;
	size_t queued = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		work[i] = (struct numaperf_work){ count_task, &n };
	hold(exec, &gate);
	assert_int_equal(numaperf_executor_submit_batch(exec, node, 0, work, 10, &queued),
			 -EAGAIN);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_FULL);
	assert_int_equal(queued, 4);
	assert_int_equal(numaperf_executor_submit(exec, count_task, &n), -EAGAIN);
	assert_int_equal(pool_node_stats(exec, node).queued, 4);
	/* hard-home tasks have room of their own */
	assert_int_equal(numaperf_executor_submit_home(exec, node, count_task, &n), 0);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 5);
	numaperf_executor_destroy(exec);

	exec = small((struct numaperf_executor_opts){ .queue_capacity = 4 });
	gate = (struct gate){ 0 };
	hold(exec, &gate);
	assert_int_equal(numaperf_executor_submit_batch(exec, node, NUMAPERF_SUBMIT_NOWAIT,
							work, 10, &queued),
			 -EAGAIN);
	assert_int_equal(queued, 4);
	gate_open(&gate);
	numaperf_executor_destroy(exec);
	assert_int_equal(counted(&n), 9);
}

struct producer {
	struct numaperf_executor *exec;
	unsigned int *counter;
	unsigned int submitted;
	int result;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	while (p->submitted < 200 && !p->result) {
		p->result =
			numaperf_executor_submit_to_node(p->exec, node, count_task, p->counter);
		if (!p->result)
			count_task(&p->submitted);
	}
	return NULL;
}

static void producers_wait_for_room(void **state)
{
	struct numaperf_executor *exec =
		small((struct numaperf_executor_opts){ .queue_capacity = 4 });
	unsigned int n = 0;
	struct producer p[3];
	struct gate gate = { 0 };
	pthread_t thread[3];

	(void)state;
	hold(exec, &gate);
	for (int i = 0; i < 3; i++) {
		p[i] = (struct producer){ .exec = exec, .counter = &n };
		assert_int_equal(pthread_create(&thread[i], NULL, produce, &p[i]), 0);
	}
	while (counted(&p[0].submitted) + counted(&p[1].submitted) + counted(&p[2].submitted) <
	       4)
		sched_yield();
	assert_int_equal(counted(&n), 0);
	gate_open(&gate);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(p[i].result, 0);
	}
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(counted(&n), 600);
	numaperf_executor_destroy(exec);
}

static void an_immediate_end_sends_waiting_producers_home(void **state)
{
	struct numaperf_executor *exec =
		small((struct numaperf_executor_opts){ .queue_capacity = 4 });
	unsigned int n = 0;
	struct producer p = { .exec = exec, .counter = &n };
	struct gate gate = { 0 };
	pthread_t thread;
	size_t dropped = 0;

	(void)state;
	hold(exec, &gate);
	assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
	await(&p.submitted, 4);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_shutdown_now(exec, &dropped), 0);
	pthread_join(thread, NULL);
	assert_true(p.result == -ECANCELED || p.submitted == 200);
	assert_int_equal(counted(&n) + dropped, p.submitted);
	numaperf_executor_destroy(exec);
}

/* A worker that finds its own queue full runs what is in it. */
struct flood {
	unsigned int n;
	int result;
};

static void flood(void *arg)
{
	struct flood *f = arg;

	for (int i = 0; i < 500 && !f->result; i++)
		f->result = numaperf_executor_submit_to_node(numaperf_executor_current(), node,
							     count_task, &f->n);
}

static void a_worker_helps_when_its_queue_is_full(void **state)
{
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){
		.queue_capacity = 2, .on_full = NUMAPERF_ON_FULL_FAIL });
	struct flood f = { 0 };

	(void)state;
	assert_int_equal(numaperf_executor_run(exec, node, flood, &f), 0);
	assert_int_equal(f.result, 0);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(counted(&f.n), 500);
	numaperf_executor_destroy(exec);
}

/* ---- ending ---- */

struct chain {
	struct numaperf_executor *exec;
	unsigned int left, ran;
	int result;
};

static void next_link(void *arg)
{
	struct chain *c = arg;

	count_task(&c->ran);
	if (c->left && --c->left) {
		int err = numaperf_executor_submit(c->exec, next_link, c);

		/* the next one may already be running: it is `c`'s owner now */
		if (err)
			__atomic_store_n(&c->result, err, __ATOMIC_SEQ_CST);
	}
}

static void graceful_runs_all_that_tasks_still_submit(void **state)
{
	struct numaperf_executor *exec =
		small((struct numaperf_executor_opts){ .workers_per_node = 2 });
	struct chain c = { .exec = exec, .left = 300 };

	(void)state;
	assert_int_equal(numaperf_executor_submit(exec, next_link, &c), 0);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(c.ran, 300);
	assert_int_equal(c.result, 0);
	assert_int_equal(numaperf_executor_submit(exec, next_link, &c), -ECANCELED);
	assert_int_equal(numaperf_executor_run(exec, node, next_link, &c), -ECANCELED);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(numaperf_executor_shutdown_now(exec, NULL), 0);
	assert_int_equal(c.ran, 300);
	numaperf_executor_destroy(exec);
}

struct drops {
	struct gate *gate;
	unsigned int n, wrong, arg;
};

static void on_dropped(void *ctx, numaperf_task_fn fn, void *arg)
{
	struct drops *d = ctx;

	if (fn != count_task || arg != &d->arg)
		d->wrong++;
	count_task(&d->n);
	if (counted(&d->n) == 10)
		gate_open(d->gate);
}

struct runner {
	struct numaperf_executor *exec;
	unsigned int arg;
	int result;
};

static void *run_and_wait(void *arg)
{
	struct runner *r = arg;

	r->result = numaperf_executor_run(r->exec, node, count_task, &r->arg);
	return NULL;
}

static void immediate_drops_what_is_queued(void **state)
{
	struct gate gate = { 0 };
	struct drops drops = { .gate = &gate };
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){
		.on_dropped = on_dropped,
		.on_dropped_ctx = &drops,
	});
	struct runner runner = { .exec = exec };
	pthread_t thread;
	size_t dropped = 0;

	(void)state;
	hold(exec, &gate);
	assert_int_equal(pthread_create(&thread, NULL, run_and_wait, &runner), 0);
	while (pool_node_stats(exec, node).queued < 1)
		sched_yield();
	for (int i = 0; i < 10; i++)
		assert_int_equal(numaperf_executor_submit(exec, count_task, &drops.arg), 0);
	/* the task that runs finishes: on_dropped opens its gate */
	assert_int_equal(numaperf_executor_shutdown_now(exec, &dropped), 0);
	pthread_join(thread, NULL);
	assert_int_equal(dropped, 11);
	assert_int_equal(drops.n, 10); /* the eleventh is known to its runner */
	assert_int_equal(drops.wrong, 0);
	assert_int_equal(counted(&drops.arg), 0);
	assert_int_equal(runner.result, -ECANCELED);
	assert_int_equal(counted(&runner.arg), 0);
	assert_int_equal(numaperf_executor_wait(exec), -ECANCELED);
	assert_int_equal(pool_node_stats(exec, node).dropped, 11);
	assert_int_equal(pool_stats(exec).tasks_run, 1);
	numaperf_executor_destroy(exec);
}

static void *shut_down(void *arg)
{
	struct runner *r = arg;

	r->result = numaperf_executor_shutdown(r->exec);
	return NULL;
}

static void immediate_cuts_a_graceful_one_short(void **state)
{
	struct gate gate = { 0 };
	struct drops drops = { .gate = &gate };
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){
		.on_dropped = on_dropped,
		.on_dropped_ctx = &drops,
	});
	struct runner runner = { .exec = exec, .result = 1 };
	pthread_t thread;
	size_t dropped = 0;

	(void)state;
	hold(exec, &gate);
	for (int i = 0; i < 10; i++)
		assert_int_equal(numaperf_executor_submit(exec, count_task, &drops.arg), 0);
	assert_int_equal(pthread_create(&thread, NULL, shut_down, &runner), 0);
	/* a graceful one is under way when nothing is taken any more */
	while (numaperf_executor_submit_batch(exec, node,
					      NUMAPERF_SUBMIT_HOME | NUMAPERF_SUBMIT_NOWAIT,
					      &(struct numaperf_work){ count_task, &drops.arg },
					      1, NULL) != -ECANCELED)
		sched_yield();
	assert_int_equal(numaperf_executor_shutdown_now(exec, &dropped), 0);
	pthread_join(thread, NULL);
	assert_int_equal(runner.result, 0);
	assert_int_equal(dropped, drops.n);
	assert_in_range(dropped, 10, 1000000);
	assert_int_equal(counted(&drops.arg), 0);
	numaperf_executor_destroy(exec);
}

struct from_inside {
	struct numaperf_executor *exec;
	int wait, shutdown, shutdown_now;
};

static void try_to_end(void *arg)
{
	struct from_inside *f = arg;

	f->wait = numaperf_executor_wait(f->exec);
	f->shutdown = numaperf_executor_shutdown(f->exec);
	f->shutdown_now = numaperf_executor_shutdown_now(f->exec, NULL);
	numaperf_executor_destroy(f->exec); /* nothing happens */
}

static void a_worker_cannot_end_its_executor(void **state)
{
	struct numaperf_executor *exec = small((struct numaperf_executor_opts){ 0 });
	struct from_inside f = { .exec = exec };
	unsigned int n = 0;

	(void)state;
	assert_int_equal(numaperf_executor_run(exec, node, try_to_end, &f), 0);
	assert_int_equal(f.wait, -EDEADLK);
	assert_int_equal(f.shutdown, -EDEADLK);
	assert_int_equal(f.shutdown_now, -EDEADLK);
	assert_int_equal(numaperf_executor_run(exec, node, count_task, &n), 0);
	assert_int_equal(counted(&n), 1);
	numaperf_executor_destroy(exec);
}

static void wait_waits_for_all(void **state)
{
	struct numaperf_executor *exec =
		small((struct numaperf_executor_opts){ .workers_per_node = 4 });
	unsigned int n = 0;

	(void)state;
	for (unsigned int round = 1; round <= 200; round++) {
		for (int i = 0; i < 20; i++)
			assert_int_equal(numaperf_executor_submit(exec, count_task, &n), 0);
		assert_int_equal(numaperf_executor_wait(exec), 0);
		assert_int_equal(counted(&n), round * 20);
	}
	numaperf_executor_destroy(exec);
}

static void idle_workers_sleep(void **state)
{
	struct numaperf_executor *exec =
		small((struct numaperf_executor_opts){ .workers_per_node = 2 });
	struct numaperf_worker_stats stats = pool_stats(exec);
	unsigned int n = 0;

	(void)state;
	/* each one goes to sleep, and one that is woken goes to sleep again */
	while (stats.parks < 2) {
		sched_yield();
		stats = pool_stats(exec);
	}
	assert_int_equal(numaperf_executor_run(exec, node, count_task, &n), 0);
	while (pool_stats(exec).parks <= stats.parks)
		sched_yield();
	assert_true(pool_stats(exec).wakes >= 1);
	numaperf_executor_destroy(exec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_policies),
		cmocka_unit_test(defaults_are_a_worker_for_each_allowed_cpu),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(strict_workers_are_pinned_named_and_promised),
		cmocka_unit_test(realtime_workers_are_fifo),
		cmocka_unit_test(each_way_to_submit_runs_once),
		cmocka_unit_test(bad_submissions_are_refused),
		cmocka_unit_test(full_is_an_error_or_a_wait),
		cmocka_unit_test(producers_wait_for_room),
		cmocka_unit_test(an_immediate_end_sends_waiting_producers_home),
		cmocka_unit_test(a_worker_helps_when_its_queue_is_full),
		cmocka_unit_test(graceful_runs_all_that_tasks_still_submit),
		cmocka_unit_test(immediate_drops_what_is_queued),
		cmocka_unit_test(immediate_cuts_a_graceful_one_short),
		cmocka_unit_test(a_worker_cannot_end_its_executor),
		cmocka_unit_test(wait_waits_for_all),
		cmocka_unit_test(idle_workers_sleep),
	};

	return cmocka_run_group_tests_name("executor", tests, discover, forget);
}
