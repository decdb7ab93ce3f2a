// SPDX-License-Identifier: MIT
/* An executor that changes while it works: more and fewer workers, pins that go, groups. */
#include "../../lib/src/guarantee.h"
#include "../../lib/src/sys.h"
#include "../../lib/src/util.h"
#include "fault.h"
#include "pool.h"
#include "tree.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

static const struct tree_node crossed[] = TREE_CROSSED;
static struct numaperf_topology *topo;

/* Switches of a kernel that is set up before there are workers, who use it all the time. */
static struct np_sys table;
static const struct np_sys *below;
static unsigned int denied;
static char root[] = "/tmp/numaperf-elastic-XXXXXX"; /* where the CPUs that are online are */
static int tids[4];				     /* workers, of node i on CPU i */
static int wanderer;				     /* of these, may run anywhere; -1: none */

static int pin(int tid, size_t size, const void *mask)
{
	return counted(&denied) ? -EPERM : below->sched_setaffinity(tid, size, mask);
}

static int affinity(int tid, size_t size, void *mask)
{
	for (int i = 0; tid && i < 4; i++) {
		if (tid != tids[i])
			continue;
		memset(mask, 0, size);
		*(unsigned char *)mask = i == wanderer ? 0x0f : (unsigned char)(1 << i);
		return (int)size;
	}
	return below->sched_getaffinity(tid, size, mask);
}

static int open_root(const char *path)
{
	return below->open_root(path ? path : root);
}

static int make_topology(void **state)
{
	(void)state;
	tree_sys_start(0);
	below = np_sys;
	table = *below;
	table.sched_setaffinity = pin;
	table.sched_getaffinity = affinity;
	table.open_root = open_root;
	topo = tree_topology(crossed, ARRAY_SIZE(crossed));
	if (!mkdtemp(root))
		return -1;
	np_sys = &table;
	return 0;
}

static int drop_topology(void **state)
{
	char command[64];

	(void)state;
	numaperf_topology_unref(topo);
	tree_sys_stop();
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static struct numaperf_executor *one_worker_a_node(enum numaperf_mode mode)
{
	return pool_create(topo, (struct numaperf_executor_opts){
					 .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
					 .workers_per_node = 1,
					 .mode = mode,
				 });
}

static struct numaperf_executor_state state_of(struct numaperf_executor *exec)
{
	struct numaperf_executor_state s = { .sz = sizeof(s) };

	assert_int_equal(numaperf_executor_state(exec, &s), 0);
	return s;
}

/* ---- workers ---- */

/* Three tasks that wait for each other need three workers. */
static void more_workers_take_what_is_queued(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);
	struct gate gate = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(numaperf_executor_submit_to_node(exec, 2, gate_task, &gate),
				 0);
	await(&gate.inside, 1);
	assert_int_equal(numaperf_executor_resize(exec, 2, 3), 0);
	await(&gate.inside, 3);
	assert_int_equal(pool_node_stats(exec, 2).workers, 3);
	assert_int_equal(numaperf_executor_worker_count(exec), 6);
	assert_int_equal(state_of(exec).workers, 6);
	gate_open(&gate);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	numaperf_executor_destroy(exec);
}

struct opener {
	struct gate gate;
	unsigned int resized;
};

static void *open_later(void *arg)
{
	struct opener *o = arg;

	assert_int_equal(counted(&o->resized), 0);
	gate_open(&o->gate);
	return NULL;
}

/* It ends only when the ones that are too many have ended, and these finish what they run. */
static void fewer_workers_finish_and_leave(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STRICT_UNWITNESSED);
	size_t promised = np_guarantee_count();
	struct numaperf_worker_info info = { .sz = sizeof(info) };
	struct opener o = { 0 };
	pthread_t thread;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(numaperf_executor_resize(exec, 1, 4), 0);
	assert_int_equal(np_guarantee_count(), promised + 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(numaperf_executor_submit_home(exec, 1, gate_task, &o.gate), 0);
	await(&o.gate.inside, 4);
	for (int i = 0; i < 100; i++)
		assert_int_equal(numaperf_executor_submit_home(exec, 1, count_task, &n), 0);
	assert_int_equal(pthread_create(&thread, NULL, open_later, &o), 0);
	assert_int_equal(numaperf_executor_resize(exec, 1, 2), 0);
	__atomic_store_n(&o.resized, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 100); /* those that are left have run them */
	assert_int_equal(pool_node_stats(exec, 1).workers, 2);
	assert_int_equal(pool_node_stats(exec, 1).tasks_run, 104);
	assert_int_equal(np_guarantee_count(), promised + 1);
	/* their numbers stay, and so does what they did */
	assert_int_equal(numaperf_executor_worker_count(exec), 7);
	assert_int_equal(numaperf_executor_worker_info(exec, 6, &info), -ESRCH);
	assert_int_equal(state_of(exec).workers, 5);

	/* and the same ones come back */
	assert_int_equal(numaperf_executor_resize(exec, 1, 4), 0);
	assert_int_equal(numaperf_executor_worker_count(exec), 7);
	assert_int_equal(numaperf_executor_worker_info(exec, 6, &info), 0);
	assert_int_equal(info.node, 1);
	assert_int_equal(np_guarantee_count(), promised + 3);
	numaperf_executor_destroy(exec);
	assert_int_equal(np_guarantee_count(), promised - 4);
}

static void resize_inside(void *exec)
{
	assert_int_equal(numaperf_executor_resize(exec, 0, 2), -EDEADLK);
}

static void bad_sizes_are_refused(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);

	(void)state;
	assert_int_equal(numaperf_executor_resize(exec, 0, 0), -EINVAL);
	assert_int_equal(numaperf_executor_resize(exec, 0, 65), -EINVAL);
	assert_int_equal(numaperf_executor_resize(exec, 4, 1), -ENOENT);
	assert_int_equal(numaperf_executor_resize(exec, -1, 1), -ENOENT);
	assert_int_equal(numaperf_executor_run(exec, 0, resize_inside, exec), 0);
	assert_int_equal(numaperf_executor_resize(exec, 0, 1), 0); /* as it is */
	assert_int_equal(numaperf_executor_shutdown(exec), 0);
	assert_int_equal(numaperf_executor_resize(exec, 0, 2), -ECANCELED);
	assert_int_equal(state_of(exec).life, NUMAPERF_EXECUTOR_STOPPED);
	numaperf_executor_destroy(exec);
}

static void a_worker_that_cannot_be_had_changes_nothing(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_STRICT_UNWITNESSED);
	size_t promised = np_guarantee_count();
	int threads = fault_threads_settled();
	unsigned int n = 0;

	(void)state;
	__atomic_store_n(&denied, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(numaperf_executor_resize(exec, 3, 2), -EPERM);
	__atomic_store_n(&denied, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(pool_node_stats(exec, 3).workers, 1);
	assert_int_equal(np_guarantee_count(), promised);
	assert_true(fault_threads_are(threads));
	assert_int_equal(numaperf_executor_submit_home(exec, 3, count_task, &n), 0);
	assert_int_equal(numaperf_executor_wait(exec), 0);
	assert_int_equal(counted(&n), 1);
	assert_int_equal(numaperf_executor_resize(exec, 3, 2), 0);
	numaperf_executor_destroy(exec);
}

/* ---- loops over a size that changes ---- */

struct cover {
	unsigned char *seen;
	unsigned int stop;
	struct numaperf_executor *exec;
};

static void cover(void *ctx, size_t begin, size_t end)
{
	struct cover *c = ctx;

	for (size_t i = begin; i < end; i++)
		__atomic_fetch_add(&c->seen[i], 1, __ATOMIC_RELAXED);
}

static void *keep_resizing(void *arg)
{
	struct cover *c = arg;

	for (unsigned int i = 0; !counted(&c->stop); i++)
		assert_int_equal(numaperf_executor_resize(c->exec, (int)(i % 4), 1 + i / 4 % 3),
				 0);
	return NULL;
}

static void a_loop_covers_each_index_once_meanwhile(void **state)
{
	enum {
		LENGTH = 5000,
		ROUNDS = 100
	};
	struct cover c = { .seen = calloc(1, LENGTH),
			   .exec = pool_create(topo, (struct numaperf_executor_opts){
							     .workers_per_node = 2 }) };
	pthread_t thread;

	(void)state;
	assert_non_null(c.seen);
	assert_int_equal(pthread_create(&thread, NULL, keep_resizing, &c), 0);
	for (int round = 1; round <= ROUNDS; round++) {
		assert_int_equal(
			numaperf_executor_parallel_for(c.exec, 0, LENGTH, 0, cover, &c), 0);
		for (int i = 0; i < LENGTH; i++)
			if (c.seen[i] != (unsigned char)round)
				fail_msg("index %d: %d times in %d rounds", i, c.seen[i],
					 round);
	}
	count_task(&c.stop);
	pthread_join(thread, NULL);
	numaperf_executor_destroy(c.exec);
	free(c.seen);
}

/* ---- pins ---- */

static void a_lost_pin_is_told(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);
	struct numaperf_worker_info info = { .sz = sizeof(info) };
	struct numaperf_executor_state s;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(numaperf_executor_worker_info(exec, i, &info), 0);
		tids[info.node] = info.tid;
	}
	wanderer = -1;
	tree_put(root, "sys/devices/system/cpu/online", "0-3");
	s = state_of(exec);
	assert_int_equal(s.life, NUMAPERF_EXECUTOR_OPEN);
	assert_int_equal(s.workers, 4);
	assert_int_equal(s.pins_held, 4);
	wanderer = 2;
	s = state_of(exec);
	assert_int_equal(s.pins_held, 3);
	assert_int_equal(s.pins_lost, 1);
	assert_true(numaperf_nodemask_test(&s.nodes_lost, 2));
	assert_int_equal(numaperf_nodemask_count(&s.nodes_lost), 1);
	/* the last CPU of a node goes: wherever its worker is now, it is not at home */
	wanderer = -1;
	tree_put(root, "sys/devices/system/cpu/online", "0-2");
	s = state_of(exec);
	assert_int_equal(s.pins_lost, 1);
	assert_true(numaperf_nodemask_test(&s.nodes_lost, 3));
	memset(tids, 0, sizeof(tids));
	assert_string_equal(numaperf_executor_life_name(NUMAPERF_EXECUTOR_FAILED), "failed");
	assert_string_equal(numaperf_executor_life_name((enum numaperf_executor_life)9),
			    "unknown");
	numaperf_executor_destroy(exec);
}

/* ---- groups ---- */

struct member {
	struct numaperf_group *group;
	struct gate *gate; /* waits for it, or NULL */
	unsigned int *ran;
};

static void member_task(void *arg)
{
	struct member *m = arg;

	if (m->gate)
		gate_task(m->gate);
	count_task(m->ran);
	numaperf_group_done(m->group);
}

static void a_group_is_waited_for_alone(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);
	struct gate gate = { 0 };
	unsigned int ran = 0;

	(void)state;
	/* what is not in the group does not hold it up */
	assert_int_equal(numaperf_executor_submit_home(exec, 0, gate_task, &gate), 0);
	for (int round = 0; round < 1000; round++) {
		/* its memory is gone as soon as the wait is over */
		struct numaperf_group *g = malloc(sizeof(*g));
		struct member m = { .group = g, .ran = &ran };

		assert_non_null(g);
		numaperf_group_init(g, exec);
		numaperf_group_add(g, 6);
		for (int i = 0; i < 6; i++)
			assert_int_equal(
				numaperf_executor_submit_home(exec, 1 + i % 3, member_task, &m),
				0);
		assert_int_equal(numaperf_group_wait(g), 0);
		memset(g, 0xff, sizeof(*g));
		free(g);
		assert_int_equal(counted(&ran), 6 * (round + 1));
	}
	gate_open(&gate);
	numaperf_executor_destroy(exec);
}

struct nest {
	struct numaperf_executor *exec;
	unsigned int ran;
	int depth;
	struct numaperf_group *up;
};

/* Each waits as a worker for three more, on the one worker that there is. */
static void nested(void *arg)
{
	struct nest *n = arg;

	if (n->depth) {
		struct numaperf_group g;
		struct nest child[3];

		numaperf_group_init(&g, n->exec);
		numaperf_group_add(&g, 3);
		for (int i = 0; i < 3; i++) {
			child[i] = (struct nest){ n->exec, 0, n->depth - 1, &g };
			if (numaperf_executor_submit_home(n->exec, 0, nested, &child[i]))
				abort();
		}
		if (numaperf_group_wait(&g))
			abort();
		for (int i = 0; i < 3; i++)
			n->ran += child[i].ran;
	}
	n->ran++;
	if (n->up)
		numaperf_group_done(n->up);
}

static void a_worker_helps_while_it_waits(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);
	struct nest n = { .exec = exec, .depth = 4 };

	(void)state;
	assert_int_equal(numaperf_executor_run(exec, 0, nested, &n), 0);
	assert_int_equal(n.ran, 1 + 3 + 9 + 27 + 81);
	numaperf_executor_destroy(exec);
}

static void *stop_at_once(void *exec)
{
	return numaperf_executor_shutdown_now(exec, NULL) ? exec : NULL;
}

static void an_immediate_end_ends_the_wait(void **state)
{
	struct numaperf_executor *exec = one_worker_a_node(NUMAPERF_SOFT);
	struct numaperf_group g;
	struct gate gate = { 0 };
	unsigned int ran = 0;
	struct member held = { &g, &gate, &ran }, queued = { &g, NULL, &ran };
	pthread_t thread;
	void *failed;

	(void)state;
	numaperf_group_init(&g, exec);
	numaperf_group_add(&g, 2);
	assert_int_equal(numaperf_executor_submit_home(exec, 0, member_task, &held), 0);
	await(&gate.inside, 1);
	assert_int_equal(numaperf_executor_submit_home(exec, 0, member_task, &queued), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_at_once, exec), 0);
	assert_int_equal(numaperf_group_wait(&g), -ECANCELED);
	gate_open(&gate);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(counted(&ran), 1);
	numaperf_executor_destroy(exec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_workers_take_what_is_queued),
		cmocka_unit_test(fewer_workers_finish_and_leave),
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(a_worker_that_cannot_be_had_changes_nothing),
		cmocka_unit_test(a_loop_covers_each_index_once_meanwhile),
		cmocka_unit_test(a_lost_pin_is_told),
		cmocka_unit_test(a_group_is_waited_for_alone),
		cmocka_unit_test(a_worker_helps_while_it_waits),
		cmocka_unit_test(an_immediate_end_ends_the_wait),
	};

	return cmocka_run_group_tests_name("executor_elastic", tests, make_topology,
					   drop_topology);
}
