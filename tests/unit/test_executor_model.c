// SPDX-License-Identifier: MIT
/*
 * The whole executor in chosen interleavings. The library's own sources stand in this file,
 * with a switch of threads wherever another may come in between; its workers and those who
 * submit are fibers of one thread, the futex is a model. So a lost wake-up, a task that is lost
 * or run twice, or a shutdown that does not end is found at once, and found again with its
 * seed.
 */
#include "steps.h"
#define NP_STEP()     steps_yield()
#define NP_DEQUE_SIZE 8u
#define np_clock_ns   steps_clock_ns
#include "executor_inside.h"
#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants these before it */
#include <cmocka.h>

#ifdef NP_SANITIZE
enum {
	SEEDS = 1500
};
#else
enum {
	SEEDS = 20000
};
#endif
enum {
	OUTSIDERS = 2,
	EACH = 8,    /* submits of an outsider */
	KIDS = 2,    /* tasks that some tasks submit, spawn or run */
	TASKS = 512, /* more than can come to be */
};

static const struct tree_node crossed[] = TREE_CROSSED;
static struct numaperf_topology *topo;
static struct numaperf_executor *exec;

/* ---- threads are fibers ---- */

static struct np_sys table;

/* What the library keeps per thread. */
static struct locals {
	struct numaperf_deque *deque;
	struct np_found found[NP_FOUND];
	uint32_t nth;
} locals[STEPS_MAX + 1];

static void switched(int from, int to)
{
	struct locals *f = &locals[from + 1], *t = &locals[to + 1];

	f->deque = numaperf_deque_1;
	f->nth = nth_thread;
	memcpy(f->found, np_found, sizeof(f->found));
	numaperf_deque_1 = t->deque;
	nth_thread = t->nth;
	memcpy(np_found, t->found, sizeof(np_found));
}

struct start {
	void *(*fn)(void *arg);
	void *arg;
};

static struct start starts[STEPS_MAX];

static void begin(void *start)
{
	struct start *s = start;

	s->fn(s->arg);
}

static int fiber_create(pthread_t *thread, size_t stack_size, void *(*fn)(void *arg), void *arg)
{
	static int turn;
	struct start *s = &starts[turn++ % STEPS_MAX];
	int fiber;

	(void)stack_size;
	*s = (struct start){ fn, arg };
	fiber = steps_start(begin, s);
	memset(&locals[fiber + 1], 0, sizeof(locals[0]));
	*thread = (pthread_t)fiber;
	return 0;
}

static int fiber_join(pthread_t thread)
{
	steps_join((int)thread);
	return 0;
}

/* All are in one thread, whose affinity they would fight over: each is told what it asked for.
 */
static int make_topology(void **state)
{
	(void)state;
	tree_sys_start(0);
	topo = tree_topology(crossed, ARRAY_SIZE(crossed));
	table = *np_sys;
	table.thread_create = fiber_create;
	table.thread_join = fiber_join;
	steps_sys_start();
	table.futex_wait = np_sys->futex_wait;
	table.futex_wake = np_sys->futex_wake;
	np_sys = &table;
	steps_switched = switched;
	return 0;
}

static int drop_topology(void **state)
{
	(void)state;
	steps_switched = NULL;
	numaperf_topology_unref(topo);
	tree_sys_stop();
	return 0;
}

/* ---- tasks ---- */

enum fate {
	UNBORN,
	ACCEPTED, /* it must run, or be dropped */
	REFUSED,
};

static struct one {
	uint8_t fate, ran, dropped;
	int8_t home; /* hard: the node it must run on; -1 */
	int depth;
	struct numaperf_group *group;
} one[TASKS];
static unsigned int born;
static const char *wrong;
static struct shape {
	unsigned int capacity, budget;
	enum numaperf_steal_policy policy;
	enum numaperf_on_full on_full;
	int nodes, ending, resizes;
	unsigned int workers; /* a node, at least */
} shape;

static void task(void *arg);

static struct one *bear(int depth)
{
	struct one *o = &one[born];

	if (born + 1 < TASKS)
		born++;
	else
		wrong = "more tasks than this test has room for";
	*o = (struct one){ .home = -1, .depth = depth };
	return o;
}

static void submit(int depth)
{
	struct one *o = bear(depth), *p;
	struct numaperf_work work[2];
	int node = (int)steps_dice((unsigned int)shape.nodes), err;
	size_t queued;

	switch (steps_dice(4)) {
	case 0:
		o->home = (int8_t)node;
		err = numaperf_executor_submit_home(exec, node, task, o);
		break;
	case 1:
		err = numaperf_executor_submit(exec, task, o);
		break;
	case 2:
		p = bear(depth);
		work[0] = (struct numaperf_work){ task, o };
		work[1] = (struct numaperf_work){ task, p };
		err = numaperf_executor_submit_batch(exec, node, 0, work, 2, &queued);
		o->fate = queued > 0 ? ACCEPTED : REFUSED;
		p->fate = queued > 1 ? ACCEPTED : REFUSED;
		if (err && queued == 2)
			wrong = "a batch failed of which all was queued";
		return;
	default:
		err = numaperf_executor_submit_to_node(exec, node, task, o);
	}
	o->fate = err ? REFUSED : ACCEPTED;
	if (err && err != -ECANCELED && !(err == -EAGAIN && shape.on_full))
		wrong = "a submit failed in another way";
}

static void spawned(void *arg)
{
	struct one *o = arg;

	if (o->ran++)
		wrong = "a spawned task ran twice";
	steps_yield();
}

static void spawn_and_join(void)
{
	struct numaperf_task t[KIDS];
	struct one *o[KIDS];

	for (int i = 0; i < KIDS; i++) {
		o[i] = bear(0);
		numaperf_spawn(&t[i], spawned, o[i]);
		steps_yield();
		numaperf_checkpoint();
	}
	for (int i = KIDS - 1; i >= 0; i--) {
		int err = numaperf_join(&t[i]);

		o[i]->fate = err ? REFUSED : ACCEPTED;
		if (err && err != -ECANCELED)
			wrong = "a join failed in another way";
	}
}

static void run_elsewhere(void)
{
	struct one *o = bear(0);
	int err = numaperf_executor_run(exec, (int)steps_dice((unsigned int)shape.nodes), task,
					o);

	o->fate = err ? REFUSED : ACCEPTED;
	if (!err && !o->ran)
		wrong = "a run came back before its task had run";
	if (err && err != -ECANCELED && !(err == -EAGAIN && shape.on_full))
		wrong = "a run failed in another way";
}

/*
 * Two tasks of which one waits for the other, so that each needs a worker of its own: they run
 * only if nobody sleeps while there is work that he may take. One such pair at a time.
 */
static struct one *waiter, *opener;
static uint32_t opened;

static bool pair_may_be(void)
{
	return !waiter && (shape.workers > 1 || (shape.nodes > 1 && !shape.budget &&
						 shape.policy != NUMAPERF_STEAL_LOCAL_ONLY));
}

static void open_gate(void)
{
	__atomic_store_n(&opened, 1, __ATOMIC_SEQ_CST);
	np_sys->futex_wake(&opened, 1);
}

static void opening(void *arg)
{
	struct one *o = arg;

	if (o->ran++)
		wrong = "an opening task ran twice";
	open_gate();
}

static void waiting(void *arg)
{
	struct one *o = arg;

	if (o->ran++)
		wrong = "a waiting task ran twice";
	while (!__atomic_load_n(&opened, __ATOMIC_SEQ_CST))
		np_sys->futex_wait(&opened, 0, -1);
	waiter = opener = NULL;
}

/* Both to one node in one go: who takes the first has the second as well. */
static void submit_pair(void)
{
	unsigned int flags = shape.workers > 1 && !steps_dice(3) ? NUMAPERF_SUBMIT_HOME : 0;
	struct numaperf_work work[2];
	struct one *first = bear(0), *second = bear(0);
	size_t queued;

	opened = 0;
	waiter = first;
	opener = second;
	work[0] = (struct numaperf_work){ waiting, first };
	work[1] = (struct numaperf_work){ opening, second };
	if (numaperf_executor_submit_batch(exec, (int)steps_dice((unsigned int)shape.nodes),
					   flags, work, 2, &queued))
		steps_yield();
	first->fate = queued > 0 ? ACCEPTED : REFUSED;
	second->fate = queued > 1 ? ACCEPTED : REFUSED;
	if (queued == 1)
		open_gate();
	if (!queued)
		waiter = opener = NULL;
}

/* A spawned task that a thief must come for, while its spawner is busy. */
static void spawn_for_a_thief(void)
{
	struct numaperf_task t;
	struct one *o = bear(0);
	int err;

	opened = 0;
	waiter = opener = o;
	numaperf_spawn(&t, opening, o);
	for (int i = 0; !__atomic_load_n(&opened, __ATOMIC_SEQ_CST); i++) {
		steps_yield();
		if (!numaperf_checkpoint())
			break;
		if (i > 20000) {
			wrong = "no thief came";
			break;
		}
	}
	err = numaperf_join(&t);
	o->fate = err ? REFUSED : ACCEPTED;
	if (err && err != -ECANCELED)
		wrong = "the join of a stolen task failed in another way";
	waiter = opener = NULL;
}

/* Groups stay until the end: an immediate shutdown may leave tasks that still count down. */
static struct numaperf_group groups[TASKS];

static void grouped(void *arg)
{
	struct one *o = arg;

	if (o->ran++)
		wrong = "a task of a group ran twice";
	steps_yield();
	numaperf_group_done(o->group);
}

static void wait_for_group(void)
{
	struct one *o[3];
	struct numaperf_group *g = &groups[born];
	int err;

	numaperf_group_init(g, exec);
	numaperf_group_add(g, 3);
	for (int i = 0; i < 3; i++) {
		o[i] = bear(0);
		o[i]->group = g;
		err = numaperf_executor_submit_to_node(
			exec, (int)steps_dice((unsigned int)shape.nodes), grouped, o[i]);
		o[i]->fate = err ? REFUSED : ACCEPTED;
		if (err)
			numaperf_group_done(g);
	}
	err = numaperf_group_wait(g);
	for (int i = 0; i < 3 && !err; i++)
		if (o[i]->fate == ACCEPTED && !o[i]->ran && !o[i]->dropped)
			wrong = "a group was done before its task";
	if (err && err != -ECANCELED)
		wrong = "a group failed in another way";
}

static void task(void *arg)
{
	struct one *o = arg;
	const struct np_worker *w = np_self();

	if (o->ran++)
		wrong = "a task ran twice";
	if (o->home >= 0 && (!w || w->node->id != o->home))
		wrong = "a hard-home task ran elsewhere";
	if (!o->depth)
		return;
	switch (steps_dice(7)) {
	case 4:
		wait_for_group();
		break;
	case 0:
		if (pair_may_be())
			spawn_for_a_thief();
		break;
	case 3:
		submit(o->depth - 1);
		break;
	case 1:
		spawn_and_join();
		break;
	case 2:
		run_elsewhere();
		break;
	default:
		steps_yield();
	}
}

static void dropped(void *ctx, numaperf_task_fn fn, void *arg)
{
	struct one *o = arg;

	(void)ctx;
	(void)fn;
	if (o->dropped++ || o->ran)
		wrong = "a task was dropped that had run or been dropped";
	if (o == opener)
		open_gate();
	if (o == waiter)
		waiter = NULL;
	if (o->group)
		numaperf_group_done(o->group);
}

/* ---- the run ---- */

static void outsider(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++) {
		if (!steps_dice(6))
			run_elsewhere();
		else if (!steps_dice(6))
			wait_for_group();
		else if (!steps_dice(3) && pair_may_be())
			submit_pair();
		else
			submit(1);
		steps_yield();
	}
}

static void all_ran(const char *when)
{
	for (unsigned int i = 0; i < born; i++)
		if (one[i].fate == ACCEPTED && !one[i].ran)
			wrong = when;
}

/* Short or long, each as likely. */
static void wait_a_while(void)
{
	for (unsigned int n = steps_dice(1u << steps_dice(8)); n; n--)
		steps_yield();
}

static void play(void *arg)
{
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.steal_policy = shape.policy,
		.workers_per_node = shape.workers,
		.queue_capacity = shape.capacity,
		.on_full = shape.on_full,
		.remote_steals_per_second = shape.budget,
		.stack_size = 1u << 19,
		.on_dropped = dropped,
	};
	int fiber[OUTSIDERS];

	(void)arg;
	for (int i = 0; i < shape.nodes; i++)
		numaperf_nodemask_set(&opts.nodes, i);
	if (numaperf_executor_create(&exec, topo, &opts)) {
		wrong = numaperf_last_error()->message;
		return;
	}
	for (int i = 0; i < OUTSIDERS; i++) {
		fiber[i] = steps_start(outsider, NULL);
		memset(&locals[fiber[i] + 1], 0, sizeof(locals[0]));
	}
	for (int i = 0; i < shape.resizes; i++) {
		wait_a_while();
		if (numaperf_executor_resize(exec, (int)steps_dice((unsigned int)shape.nodes),
					     shape.workers + steps_dice(3)))
			wrong = "resizing failed";
	}
	switch (shape.ending) {
	case 0: /* all is submitted, and waited for */
		for (int i = 0; i < OUTSIDERS; i++)
			steps_join(fiber[i]);
		if (numaperf_executor_wait(exec))
			wrong = "waiting failed";
		all_ran("waiting ended before a task had run");
		break;
	case 1: /* a graceful end in the middle */
		wait_a_while();
		if (numaperf_executor_shutdown(exec))
			wrong = "the shutdown failed";
		all_ran("the shutdown ended before a task had run");
		break;
	default: /* at once */
		wait_a_while();
		if (numaperf_executor_shutdown_now(exec, NULL))
			wrong = "the immediate shutdown failed";
	}
	for (int i = 0; i < OUTSIDERS; i++)
		steps_join(fiber[i]);
	if (numaperf_executor_shutdown(exec))
		wrong = "the last shutdown failed";
	for (unsigned int i = 0; i < exec->workers; i++)
		if (np_deque_private(&exec->worker[i]->deque))
			wrong = "something is left in a deque";
	numaperf_executor_destroy(exec);
}

static const char *judge(void)
{
	for (unsigned int i = 0; i < born; i++) {
		const struct one *o = &one[i];

		if (o->fate == ACCEPTED && o->ran + o->dropped != 1)
			return o->ran + o->dropped ? "a task came out twice"
						   : "a task was lost";
		if (o->fate == REFUSED && o->ran)
			return "a task ran that had been refused";
	}
	return wrong;
}

static const unsigned int shifts[] = { 0, 1, 4 };

static void every_interleaving_ends_well(void **state)
{
	void *arg = NULL;

	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		bool ended;

		memset(one, 0, sizeof(one));
		memset(locals, 0, sizeof(locals));
		born = 0;
		wrong = NULL;
		waiter = opener = NULL;
		shape = (struct shape){
			.capacity = 2u << shifts[seed % 3],
			.budget = seed / 3 % 4 == 3,
			.policy = (enum numaperf_steal_policy)(seed % 5 % 3),
			.on_full = (enum numaperf_on_full)(seed / 5 % 3),
			.nodes = 1 + (int)(seed / 7 % 2),
			.workers = 1 + seed / 14 % 2,
			.resizes = seed / 28 % 2 ? 4 : 0,
			.ending = (int)(seed % 4 % 3),
		};
		ended = steps_run(seed, 1, play, &arg);
		if (!ended)
			fail_msg("seed %u: somebody sleeps for ever", seed);
		if (judge())
			fail_msg("seed %u: %s", seed, judge());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_interleaving_ends_well),
	};

	return cmocka_run_group_tests_name("executor_model", tests, make_topology,
					   drop_topology);
}
