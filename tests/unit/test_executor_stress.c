// SPDX-License-Identifier: MIT
/*
 * The executor under everything at once, with real threads that give their CPU away where it
 * hurts: eight threads submit in every way there is, tasks spawn, wait for groups and submit
 * more, somebody changes the number of workers, the process forks, and it ends in one of three
 * ways. Each task has an id: those that were accepted ran once, or were dropped once.
 *
 * For a minute, or ten when NP_LONG is set. Under the thread sanitizer until ten million tasks
 * have run; under the address sanitizer and by the other compiler for a quarter of the time.
 */
#include "steps.h"
#define NP_STEP()     steps_yield()
#define NP_DEQUE_SIZE 64u
#include "executor_inside.h"

#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

enum {
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__) || defined(NP_TSAN)
	SECONDS = 15,
#else
	SECONDS = 60,
#endif
#ifdef NP_TSAN
	/* its run time (gcc 12) forks while other threads hold its locks, which the child then
	 * waits for: seen in DenseSlabAlloc::Drain() */
	FORKS = 0,
	TASKS = 10 * 1000 * 1000,
#else
	FORKS = 1,
	TASKS = 1,
#endif
	PRODUCERS = 8,
	EACH = 400, /* submits of a producer a round */
	KIDS = 8,   /* ids that a submitted task may use for its own */
	PER_TASK = 1 + KIDS,
	IDS = PRODUCERS * EACH * PER_TASK,
};

static struct numaperf_executor *exec;
static unsigned int nodes, round_over;
static unsigned long tasks_run;
static struct one {
	uint8_t accepted, ran, dropped, depth;
	int8_t home;
	struct numaperf_group *group;
} one[IDS];
static const char *wrong;

static void complain(const char *what)
{
	__atomic_store_n(&wrong, what, __ATOMIC_RELAXED);
}

static uint32_t lots(uint32_t *lot, uint32_t n)
{
	*lot = *lot * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(*lot >> 4) * n >> 28);
}

static uint32_t lot_of(const struct one *o)
{
	return (uint32_t)(o - one) * 2654435769u;
}

/* Who accepts a task writes that later than it may run. */
static void accept(struct one *o, bool yes)
{
	__atomic_store_n(&o->accepted, yes ? 1 : 2, __ATOMIC_RELAXED);
}

static void ran(struct one *o)
{
	if (__atomic_fetch_add(&o->ran, 1, __ATOMIC_RELAXED))
		complain("a task ran twice");
}

static void child(void *arg)
{
	struct one *o = arg;

	ran(o);
	if (o->group)
		numaperf_group_done(o->group);
}

static void spawn_kids(struct one *kid, unsigned int n)
{
	struct numaperf_task t[KIDS];

	for (unsigned int i = 0; i < n; i++) {
		if (i % 3 == 2)
			numaperf_spawn_home(&t[i], child, &kid[i]);
		else
			numaperf_spawn(&t[i], child, &kid[i]);
	}
	numaperf_checkpoint();
	while (n--)
		accept(&kid[n], !numaperf_join(&t[n]));
}

static void submit_kids(struct one *kid, uint32_t *lot)
{
	for (int i = 0; i < 2; i++)
		accept(&kid[i], !numaperf_executor_submit_to_node(exec, (int)lots(lot, nodes),
								  child, &kid[i]));
	accept(&kid[2], !numaperf_executor_run(exec, (int)lots(lot, nodes), child, &kid[2]));
}

/* Its memory stays until the round is over: an immediate end may leave some that count down. */
static struct numaperf_group groups[PRODUCERS * EACH];

static void group_of_kids(struct one *o, uint32_t *lot)
{
	struct numaperf_group *g = &groups[(o - one) / PER_TASK];

	numaperf_group_init(g, exec);
	numaperf_group_add(g, 3);
	for (int i = 1; i <= 3; i++) {
		bool yes;

		o[i].group = g;
		yes = !numaperf_executor_submit_to_node(exec, (int)lots(lot, nodes), child,
							&o[i]);
		accept(&o[i], yes);
		if (!yes)
			numaperf_group_done(g);
	}
	if (!numaperf_group_wait(g))
		for (int i = 1; i <= 3; i++)
			if (__atomic_load_n(&o[i].accepted, __ATOMIC_RELAXED) == 1 &&
			    !__atomic_load_n(&o[i].ran, __ATOMIC_RELAXED) &&
			    !__atomic_load_n(&o[i].dropped, __ATOMIC_RELAXED))
				complain("a group was done before its tasks");
}

static void task(void *arg)
{
	struct one *o = arg;
	uint32_t lot = lot_of(o);
	const struct np_worker *w = np_self();

	ran(o);
	if (o->home >= 0 && (!w || w->node->id != o->home))
		complain("a hard-home task ran elsewhere");
	switch (lots(&lot, 8)) {
	case 0:
	case 1:
		spawn_kids(o + 1, 1 + lots(&lot, KIDS));
		break;
	case 2:
		submit_kids(o + 1, &lot);
		break;
	case 3:
		group_of_kids(o, &lot);
		break;
	default:
		break;
	}
}

static void on_dropped(void *ctx, numaperf_task_fn fn, void *arg)
{
	struct one *o = arg;

	(void)ctx;
	(void)fn;
	if (__atomic_fetch_add(&o->dropped, 1, __ATOMIC_RELAXED))
		complain("a task was dropped twice");
	if (o->group)
		numaperf_group_done(o->group);
}

static void *produce(void *arg)
{
	unsigned int nth = (unsigned int)(uintptr_t)arg;
	uint32_t lot = nth * 2246822519u + 1;

	for (unsigned int i = 0; i < EACH; i++) {
		struct one *o = &one[(nth * EACH + i) * PER_TASK];
		int node = (int)lots(&lot, nodes);
		struct numaperf_work work = { task, o };
		size_t queued;

		o->home = -1;
		switch (lots(&lot, 5)) {
		case 0:
			o->home = (int8_t)node;
			accept(o, !numaperf_executor_submit_home(exec, node, task, o));
			break;
		case 1:
			accept(o, !numaperf_executor_submit(exec, task, o));
			break;
		case 2:
			if (numaperf_executor_submit_batch(exec, node, 0, &work, 1, &queued) &&
			    queued)
				complain("a batch failed of which all was queued");
			accept(o, queued);
			break;
		case 3:
			if (i % 16 == 0) {
				accept(o, !numaperf_executor_run(exec, node, task, o));
				break;
			}
			__attribute__((fallthrough));
		default:
			accept(o, !numaperf_executor_submit_to_node(exec, node, task, o));
		}
	}
	return NULL;
}

static void *resizing(void *arg)
{
	uint32_t lot = 77;

	(void)arg;
	while (!__atomic_load_n(&round_over, __ATOMIC_ACQUIRE)) {
		int err = numaperf_executor_resize(exec, (int)lots(&lot, nodes),
						   1 + lots(&lot, 3));

		if (err == -ECANCELED)
			break;
		if (err)
			complain("resizing failed");
		usleep(lots(&lot, 2000));
	}
	return NULL;
}

static void fork_once(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		bool good = numaperf_executor_submit(exec, task, &one[0]) == -EOWNERDEAD &&
			    numaperf_executor_wait(exec) == -EOWNERDEAD;

		numaperf_executor_destroy(exec);
		_exit(good ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		complain("a child did not get its answers");
}

static void play(unsigned int round)
{
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.steal_policy = (enum numaperf_steal_policy)(round % 3),
		.workers_per_node = 1 + round / 3 % 3,
		.queue_capacity = round % 2 ? 8 : 0,
		.on_full =
			round / 2 % 3 == 2 ? NUMAPERF_ON_FULL_INLINE : NUMAPERF_ON_FULL_BLOCK,
		.remote_steals_per_second = round / 4 % 4 == 3 ? 1000 : 0,
		.on_dropped = on_dropped,
	};
	pthread_t producer[PRODUCERS], resizer;

	nodes = 1 + round / 5 % 4;
	for (unsigned int i = 0; i < nodes; i++)
		numaperf_nodemask_set(&opts.nodes, (int)i);
	memset(one, 0, sizeof(one));
	round_over = 0;
	assert_int_equal(numaperf_executor_create(&exec, tree_crossed, &opts), 0);
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&producer[i], NULL, produce, (void *)i), 0);
	assert_int_equal(pthread_create(&resizer, NULL, resizing, NULL), 0);
	if (FORKS && round % 7 == 3)
		fork_once();
	if (round % 4 > 1)
		usleep(round % 11 * 500);
	if (round % 4 == 2 && numaperf_executor_shutdown(exec))
		complain("a shutdown failed");
	if (round % 4 == 3 && numaperf_executor_shutdown_now(exec, NULL))
		complain("an immediate shutdown failed");
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(producer[i], NULL);
	if (round % 4 == 0 && numaperf_executor_wait(exec))
		complain("waiting failed");
	if (round % 4 < 2)
		for (int i = 0; i < IDS && !(round % 4); i++)
			if (one[i].accepted == 1 &&
			    !__atomic_load_n(&one[i].ran, __ATOMIC_RELAXED))
				complain("waiting round_over before a task had run");
	__atomic_store_n(&round_over, 1, __ATOMIC_RELEASE);
	pthread_join(resizer, NULL);
	numaperf_executor_destroy(exec);
	for (int i = 0; i < IDS; i++) {
		if (one[i].accepted == 1 && one[i].ran + one[i].dropped != 1)
			complain("a task was lost, or ran and was dropped");
		if (one[i].accepted != 1 && one[i].ran)
			complain("a task ran that had been refused");
		tasks_run += one[i].ran;
	}
}

static void nothing_is_lost(void **state)
{
	time_t end = time(NULL) + SECONDS * (getenv("NP_LONG") ? 10 : 1);
	unsigned int round = 0;

	(void)state;
	for (; time(NULL) < end || tasks_run < TASKS; round++) {
		play(round);
		if (wrong)
			fail_msg("round %u: %s", round, wrong);
	}
	print_message("# %u rounds, %lu tasks\n", round, tasks_run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
	};

	return cmocka_run_group_tests_name("executor_stress", tests, tree_crossed_make,
					   tree_crossed_drop);
}
