// SPDX-License-Identifier: MIT
/* Spawn and join, run, loops: results, nesting, what an end in the middle makes of them. */
#include "../../lib/src/sys.h"
#include "../../lib/src/util.h"
#include "pool.h"
#include "tree.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* ---- spawn and join ---- */

struct fib {
	int n, result, err;
};

static void fib(void *arg)
{
	struct fib *f = arg, other = { .n = f->n - 2 }, own = { .n = f->n - 1 };
	struct numaperf_task task;

	f->result = f->n;
	if (f->n < 2)
		return;
	numaperf_spawn(&task, fib, &other);
	fib(&own);
	f->err = numaperf_join(&task);
	f->err = f->err ? f->err : own.err ? own.err : other.err;
	f->result = own.result + other.result;
}

static void fib_is_right_with_any_number_of_workers(void **state)
{
	static const enum numaperf_steal_policy policies[] = {
		NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE, NUMAPERF_STEAL_LOCAL_ONLY,
		NUMAPERF_STEAL_ANY
	};

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(policies); p++) {
		for (unsigned int workers = 1; workers <= 3; workers++) {
			struct numaperf_executor *exec =
				pool_create(tree_crossed, (struct numaperf_executor_opts){
								  .steal_policy = policies[p],
								  .workers_per_node = workers,
							  });

			for (int round = 0; round < 10; round++) {
				struct fib f = { .n = 17 };

				assert_int_equal(
					numaperf_executor_run(exec, round % 4, fib, &f), 0);
				assert_int_equal(f.err, 0);
				assert_int_equal(f.result, 1597);
			}
			/* one call of fib(17) makes 2583 spawns; each ran once, and the ten
			 * roots */
			assert_int_equal(pool_stats(exec).spawned, 25830);
			assert_int_equal(pool_stats(exec).tasks_run, 25840);
			if (policies[p] == NUMAPERF_STEAL_LOCAL_ONLY)
				assert_int_equal(pool_stats(exec).tasks_home, 25840);
			numaperf_executor_destroy(exec);
		}
	}
}

static void outside_a_spawn_runs_at_once(void **state)
{
	struct fib f = { .n = 10 };
	struct numaperf_task task;

	(void)state;
	numaperf_spawn(&task, fib, &f);
	assert_int_equal(f.result, 55);
	assert_int_equal(numaperf_join(&task), 0);
}

/* More at once than the deque holds: the rest runs at once. */
enum {
	WIDE = 10000
};

struct wide {
	struct numaperf_task task[WIDE];
	unsigned int ran;
	int err;
};

static void spread(void *arg)
{
	struct wide *w = arg;

	for (int i = 0; i < WIDE; i++)
		numaperf_spawn(&w->task[i], count_task, &w->ran);
	for (int i = WIDE - 1; i >= 0; i--)
		if (numaperf_join(&w->task[i]))
			w->err++;
}

static void a_full_deque_runs_the_task_at_once(void **state)
{
	struct numaperf_executor *exec = pool_create(
		tree_crossed,
		(struct numaperf_executor_opts){ .workers_per_node = 1,
						 .nodes = numaperf_nodemask_single(1) });
	struct wide *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	assert_int_equal(numaperf_executor_run(exec, 1, spread, w), 0);
	assert_int_equal(w->ran, WIDE);
	assert_int_equal(w->err, 0);
	assert_int_equal(pool_stats(exec).inlined, WIDE - 8192);
	assert_int_equal(pool_stats(exec).spawned, WIDE);
	numaperf_executor_destroy(exec);
	free(w);
}

static void wide_spawns_are_shared(void **state)
{
	struct numaperf_executor *exec = pool_create(
		tree_crossed,
		(struct numaperf_executor_opts){ .workers_per_node = 2,
						 .steal_policy = NUMAPERF_STEAL_ANY });
	struct wide *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (unsigned int round = 1; round <= 5; round++) {
		assert_int_equal(numaperf_executor_run(exec, 1, spread, w), 0);
		assert_int_equal(w->ran, WIDE * round);
		assert_int_equal(w->err, 0);
	}
	numaperf_executor_destroy(exec);
	free(w);
}

/* A spawned task is there for others while its spawner is busy. */
struct handover {
	unsigned int ran;
	int thief, err;
};

static void taken(void *arg)
{
	struct handover *h = arg;

	h->thief = numaperf_executor_current_worker();
	count_task(&h->ran);
}

static void spawn_and_wait_for_a_thief(void *arg)
{
	struct handover *h = arg;
	struct numaperf_task task, more[2];
	unsigned int n = 0;

	numaperf_spawn(&task, taken, h);
	/* publishing happens when the owner comes by the deque */
	while (!counted(&h->ran)) {
		numaperf_spawn(&more[0], count_task, &n);
		h->err |= numaperf_join(&more[0]);
		sched_yield();
	}
	h->err |= numaperf_join(&task);
}

static void a_spawned_task_is_stolen_from_a_busy_worker(void **state)
{
	struct numaperf_executor *exec = pool_create(
		tree_crossed,
		(struct numaperf_executor_opts){ .workers_per_node = 1,
						 .steal_policy = NUMAPERF_STEAL_ANY });
	struct handover h = { 0 };

	(void)state;
	assert_int_equal(numaperf_executor_submit_home(exec, 1, spawn_and_wait_for_a_thief, &h),
			 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(h.err, 0);
	assert_int_not_equal(h.thief, 1);
	assert_true(pool_node_stats(exec, 1).stolen_from >= 1);
	numaperf_executor_destroy(exec);
}

/* What is hidden behind a long task comes out when that one says so. */
static void spawn_and_work_on(void *arg)
{
	struct handover *h = arg;
	struct numaperf_task task;

	numaperf_spawn(&task, taken, h);
	while (!counted(&h->ran)) {
		if (!numaperf_checkpoint())
			h->err = -1;
		sched_yield();
	}
	h->err |= numaperf_join(&task);
}

static void a_checkpoint_shows_what_is_hidden(void **state)
{
	struct numaperf_executor *exec = pool_create(
		tree_crossed,
		(struct numaperf_executor_opts){ .workers_per_node = 2,
						 .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY });
	struct handover h = { 0 };

	(void)state;
	assert_true(numaperf_checkpoint()); /* outside it says nothing */
	assert_int_equal(numaperf_executor_run(exec, 1, spawn_and_work_on, &h), 0);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.ran, 1);
	numaperf_executor_destroy(exec);
}

/* The functions behind the inline code: what a program that looks them up by name gets. */
static void by_name(void *arg)
{
	unsigned int *n = arg;
	struct numaperf_task t;

	(numaperf_spawn)(&t, count_task, n);
	if ((numaperf_join)(&t))
		abort();
	numaperf_spawn(&t, count_task, n);
	if ((numaperf_join)(&t))
		abort();
	(numaperf_spawn)(&t, count_task, n);
	if (numaperf_join(&t))
		abort();
}

static void the_functions_do_the_same(void **state)
{
	struct numaperf_executor *exec = pool_create(
		tree_crossed, (struct numaperf_executor_opts){ .workers_per_node = 1 });
	unsigned int n = 0;

	(void)state;
	by_name(&n); /* outside, too */
	assert_int_equal(n, 3);
	assert_int_equal(numaperf_executor_run(exec, 0, by_name, &n), 0);
	assert_int_equal(n, 6);
	assert_int_equal(pool_stats(exec).spawned, 3);
	assert_int_equal(pool_stats(exec).tasks_run, 4);
	numaperf_executor_destroy(exec);
}

/* ---- run ---- */

struct hop {
	struct numaperf_executor *exec;
	int left, node, err;
	unsigned int *wrong;
};

static void hop(void *arg)
{
	struct hop *h = arg, next = { h->exec, h->left - 1, (h->node + 1) % 4, 0, h->wrong };
	struct numaperf_worker_info info = { .sz = sizeof(info) };

	if (numaperf_executor_worker_info(
		    h->exec, (unsigned int)numaperf_executor_current_worker(), &info) ||
	    info.node != h->node)
		count_task(h->wrong);
	if (h->left)
		h->err = numaperf_executor_run(h->exec, next.node, hop, &next);
	if (!h->err)
		h->err = next.err;
}

/* Each worker waits for the next, round and round: those that wait run what waits for them. */
static void workers_wait_for_each_other_in_rings(void **state)
{
	struct numaperf_executor *exec =
		pool_create(tree_crossed, (struct numaperf_executor_opts){
						  .workers_per_node = 1,
						  .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
					  });
	unsigned int wrong = 0;
	struct hop start[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		start[i] = (struct hop){ exec, 100, i, 0, &wrong };
		assert_int_equal(numaperf_executor_submit_to_node(exec, i, hop, &start[i]), 0);
	}
	assert_int_equal(numaperf_executor_wait(exec), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(start[i].err, 0);
	assert_int_equal(counted(&wrong), 0);
	assert_int_equal(pool_stats(exec).tasks_run, 4 * 101);
	numaperf_executor_destroy(exec);
}

/* ---- loops ---- */

struct loop {
	struct numaperf_executor *exec;
	unsigned char *hit;
	size_t begin, end, grain;
	unsigned int wrong;
	int err;
};

static void mark(void *ctx, size_t begin, size_t end)
{
	struct loop *l = ctx;

	if (begin >= end || begin < l->begin || end > l->end ||
	    (l->grain && end - begin > l->grain))
		count_task(&l->wrong);
	for (size_t i = begin; i < end; i++)
		__atomic_fetch_add(&l->hit[i], 1, __ATOMIC_RELAXED);
}

static void loop_inside(void *arg)
{
	struct loop *l = arg;

	l->err = numaperf_executor_parallel_for(l->exec, l->begin, l->end, l->grain, mark, l);
}

static void a_loop_covers_each_index_once(void **state)
{
	static const size_t range[][3] = {
		{ 0, 1, 0 },	{ 0, 3, 1 },	   { 5, 5000, 0 },
		{ 7, 1000, 1 }, { 100, 4099, 64 }, { 0, 5000, 9999 }
	};
	struct numaperf_executor *exec = pool_create(
		tree_crossed, (struct numaperf_executor_opts){ .workers_per_node = 2 });
	unsigned char *hit = malloc(5000);

	(void)state;
	assert_non_null(hit);
	for (size_t r = 0; r < ARRAY_SIZE(range); r++) {
		for (int inside = 0; inside < 2; inside++) {
			struct loop l = { .exec = exec,
					  .hit = hit,
					  .begin = range[r][0],
					  .end = range[r][1],
					  .grain = range[r][2] };

			memset(hit, 0, 5000);
			if (inside)
				assert_int_equal(
					numaperf_executor_run(exec, 3, loop_inside, &l), 0);
			else
				loop_inside(&l);
			assert_int_equal(l.err, 0);
			assert_int_equal(l.wrong, 0);
			for (size_t i = 0; i < 5000; i++)
				if (hit[i] != (i >= l.begin && i < l.end))
					fail_msg("range %zu: index %zu was hit %d times", r, i,
						 hit[i]);
		}
	}
	assert_int_equal(numaperf_executor_parallel_for(exec, 3, 3, 0, mark, NULL), 0);
	assert_int_equal(numaperf_executor_parallel_for(exec, 4, 3, 0, mark, NULL), -EINVAL);
	assert_int_equal(numaperf_executor_parallel_for(exec, 3, 4, 0, NULL, NULL), -EINVAL);
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(numaperf_executor_parallel_for(exec, 3, 4, 0, mark, NULL), -ECANCELED);
	numaperf_executor_destroy(exec);
	free(hit);
}

struct owners {
	int8_t of[4000];
};

static void note_owner(void *ctx, size_t begin, size_t end)
{
	struct owners *o = ctx;

	for (size_t i = begin; i < end; i++)
		o->of[i] = (int8_t)numaperf_executor_current_worker();
}

static void a_loop_comes_back_to_the_same_nodes(void **state)
{
	struct numaperf_executor *exec =
		pool_create(tree_crossed, (struct numaperf_executor_opts){
						  .workers_per_node = 1,
						  .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
					  });
	struct owners first, second;

	(void)state;
	assert_int_equal(numaperf_executor_parallel_for(exec, 0, 4000, 0, note_owner, &first),
			 0);
	assert_int_equal(numaperf_executor_parallel_for(exec, 0, 4000, 7, note_owner, &second),
			 0);
	assert_memory_equal(&first, &second, sizeof(first));
	for (int i = 0; i < 4000; i++)
		assert_int_equal(first.of[i], i / 1000);
	numaperf_executor_destroy(exec);
}

/* ---- an end in the middle ---- */

struct cut_off {
	struct gate gate;
	unsigned int ran;
	int join, run, loop;
	struct numaperf_executor *exec;
};

static void nothing(void *ctx, size_t begin, size_t end)
{
	(void)begin;
	(void)end;
	count_task(ctx);
}

static void spawn_and_be_cut_off(void *arg)
{
	struct cut_off *c = arg;
	struct numaperf_task task;

	numaperf_spawn(&task, count_task, &c->ran);
	gate_task(&c->gate);
	c->join = numaperf_join(&task);
	c->run = numaperf_executor_run(c->exec, NUMAPERF_ANY_NODE, count_task, &c->ran);
	c->loop = numaperf_executor_parallel_for(c->exec, 0, 9, 0, nothing, &c->ran);
}

static void open_at_drop(void *ctx, numaperf_task_fn fn, void *arg)
{
	(void)fn;
	(void)arg;
	gate_open(ctx);
}

static void an_immediate_end_cancels_what_has_not_begun(void **state)
{
	struct cut_off c = { .run = 1 };
	unsigned int n = 0;

	(void)state;
	c.exec = pool_create(tree_crossed, (struct numaperf_executor_opts){
						   .workers_per_node = 1,
						   .nodes = numaperf_nodemask_single(2),
						   .on_dropped = open_at_drop,
						   .on_dropped_ctx = &c.gate });
	assert_int_equal(numaperf_executor_submit(c.exec, spawn_and_be_cut_off, &c), 0);
	await(&c.gate.inside, 1);
	assert_int_equal(numaperf_executor_submit(c.exec, count_task, &n), 0);
	assert_int_equal(numaperf_executor_shutdown_now(c.exec, NULL), 0);
	assert_int_equal(c.join, -ECANCELED);
	assert_int_equal(c.run, -ECANCELED);
	assert_int_equal(c.loop, -ECANCELED);
	assert_int_equal(counted(&c.ran), 0);
	assert_int_equal(counted(&n), 0);
	numaperf_executor_destroy(c.exec);
}

/* ---- without memory ---- */

static struct np_sys counting;
static const struct np_sys *uncounted;
static unsigned int counts, allocations;

static void count_one(void)
{
	if (__atomic_load_n(&counts, __ATOMIC_RELAXED))
		__atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

static int count_alloc(void **out, size_t size, size_t align)
{
	count_one();
	return uncounted->alloc(out, size, align);
}

static int count_map(void **out, size_t length)
{
	count_one();
	return uncounted->map(out, length);
}

static void spawn_some(void *arg)
{
	struct fib f = { .n = 15 };

	fib(&f);
	if (f.err || f.result != 610)
		abort();
	count_task(arg);
}

/* All that the library allocates comes through the seam (tests/lint): so this sees all. */
static void submitting_and_spawning_allocate_nothing(void **state)
{
	struct numaperf_executor *exec;
	struct numaperf_work work[8];
	unsigned int n = 0;

	(void)state;
	uncounted = np_sys;
	counting = *np_sys;
	counting.alloc = count_alloc;
	counting.map = count_map;
	np_sys = &counting;
	exec = pool_create(tree_crossed,
			   (struct numaperf_executor_opts){ .workers_per_node = 2 });
	for (int i = 0; i < 8; i++)
		work[i] = (struct numaperf_work){ spawn_some, &n };
	/* a thread's first submit may make its record */
	assert_int_equal(numaperf_executor_run(exec, 0, count_task, &n), 0);
	__atomic_store_n(&counts, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(numaperf_executor_submit(exec, spawn_some, &n), 0);
		assert_int_equal(numaperf_executor_submit_home(exec, i % 4, spawn_some, &n), 0);
		assert_int_equal(numaperf_executor_submit_batch(exec, i % 4, 0, work, 8, NULL),
				 0);
		assert_int_equal(numaperf_executor_run(exec, i % 4, spawn_some, &n), 0);
	}
	assert_int_equal(numaperf_executor_wait(exec), 0);
	__atomic_store_n(&counts, 0, __ATOMIC_RELAXED);
	numaperf_executor_destroy(exec);
	np_sys = uncounted;
	assert_int_equal(n, 1 + 200 * 11);
	assert_int_equal(allocations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fib_is_right_with_any_number_of_workers),
		cmocka_unit_test(outside_a_spawn_runs_at_once),
		cmocka_unit_test(a_full_deque_runs_the_task_at_once),
		cmocka_unit_test(wide_spawns_are_shared),
		cmocka_unit_test(a_spawned_task_is_stolen_from_a_busy_worker),
		cmocka_unit_test(a_checkpoint_shows_what_is_hidden),
		cmocka_unit_test(the_functions_do_the_same),
		cmocka_unit_test(workers_wait_for_each_other_in_rings),
		cmocka_unit_test(a_loop_covers_each_index_once),
		cmocka_unit_test(a_loop_comes_back_to_the_same_nodes),
		cmocka_unit_test(an_immediate_end_cancels_what_has_not_begun),
		cmocka_unit_test(submitting_and_spawning_allocate_nothing),
	};

	return cmocka_run_group_tests_name("executor_fork_join", tests, tree_crossed_make,
					   tree_crossed_drop);
}
