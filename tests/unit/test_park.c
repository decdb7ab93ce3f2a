// SPDX-License-Identifier: MIT
/*
 * The crowd's lane, and sleeping beside it, in chosen interleavings: nothing is lost, nothing
 * comes out twice, and nobody sleeps while there is work. The futex is a model, so a lost
 * wake-up is seen at once: everybody that is left sleeps.
 */
#include "steps.h"
#define NP_STEP() steps_yield()
#include "../../lib/src/mpmc.h"
#include "../../lib/src/park.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants these before it */
#include <cmocka.h>

#ifdef NP_SANITIZE
enum {
	SEEDS = 3000
};
#else
enum {
	SEEDS = 30000
};
#endif
enum {
	PRODUCERS = 2,
	WORKERS = 3,
	EACH = 6,
	TASKS = PRODUCERS * EACH,
	SHIFT = 2
};

static struct np_mpmc_slot ring[1 << SHIFT];
static struct np_mpmc lane;
static struct np_event room, end;
static struct np_idle idle;
static struct np_parker parker[WORKERS];
static uint32_t total, finished;
static unsigned char out[TASKS + 1]; /* how often each task came out; 0 is none */
static uintptr_t long_task;	     /* its id */
static uintptr_t newest[WORKERS][PRODUCERS];
static const char *wrong;

static void reset(void)
{
	memset(ring, 0, sizeof(ring));
	np_mpmc_init(&lane, ring, SHIFT);
	memset(&room, 0, sizeof(room));
	memset(&end, 0, sizeof(end));
	memset(&idle, 0, sizeof(idle));
	memset(parker, 0, sizeof(parker));
	memset(out, 0, sizeof(out));
	memset(newest, 0, sizeof(newest));
	idle.total = &total;
	idle.words = 1;
	total = finished = 0;
	wrong = NULL;
}

/* As np_wake() does it for one node. */
static void wake(void)
{
	int i;

	np_fence();
	if (!__atomic_load_n(&total, __ATOMIC_SEQ_CST))
		return;
	i = np_idle_wake(&idle);
	if (i >= 0)
		np_unpark(&parker[i]);
}

static void produce(int nth)
{
	for (int i = 1; i <= EACH; i++) {
		void *task = (void *)(uintptr_t)(nth * EACH + i);
		uint32_t key;

		while (!np_mpmc_push(&lane, NULL, task)) {
			np_event_enter(&room);
			while (key = np_event_key(&room), !np_mpmc_has_room(&lane))
				np_event_wait(&room, key);
			np_event_leave(&room);
		}
		wake();
	}
}

static bool all_finished(void)
{
	return __atomic_load_n(&finished, __ATOMIC_SEQ_CST) == TASKS;
}

static void consumed(int worker, uintptr_t id)
{
	uintptr_t producer = (id - 1) / EACH;

	if (!id || id > TASKS || out[id]++)
		wrong = "a task came out twice, or a thing that is no task";
	else if (newest[worker][producer] >= id)
		wrong = "one producer's tasks came out in another order";
	else
		newest[worker][producer] = id;
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) == TASKS) {
		np_event_signal(&end);
		for (int i = 0; i < WORKERS; i++)
			np_unpark(&parker[i]);
	}
	/* One task keeps its worker until all others have run: another must have been woken for
	 * those, it is not enough that this one would come back for them. */
	if (id == long_task) {
		uint32_t key;

		np_event_enter(&end);
		while (key = np_event_key(&end), !all_finished())
			np_event_wait(&end, key);
		np_event_leave(&end);
	}
}

/* The worker's loop, in small. */
static void work(int worker)
{
	bool searching = false;
	void (*fn)(void *);
	void *task;

	while (!all_finished()) {
		if (np_mpmc_pop(&lane, &fn, &task)) {
			np_event_signal(&room);
			if (searching && np_search_end(&idle)) {
				np_fence();
				if (np_mpmc_ready(&lane))
					wake();
			}
			searching = false;
			consumed(worker, (uintptr_t)task);
		} else if (!searching) {
			np_search_begin(&idle);
			searching = true;
		} else {
			np_idle_enter(&idle, (unsigned int)worker);
			searching = false;
			if ((all_finished() || np_mpmc_ready(&lane)) &&
			    np_idle_cancel(&idle, (unsigned int)worker)) {
				np_search_begin(&idle);
				searching = true;
				continue;
			}
			np_park(&parker[worker]);
			searching = !np_idle_cancel(&idle, (unsigned int)worker);
		}
	}
	if (searching)
		np_search_end(&idle);
}

static void play(void *role)
{
	int nth = (int)(uintptr_t)role;

	if (nth < PRODUCERS)
		produce(nth);
	else
		work(nth - PRODUCERS);
}

static void nobody_sleeps_while_there_is_work(void **state)
{
	void *role[PRODUCERS + WORKERS];

	(void)state;
	for (uintptr_t i = 0; i < PRODUCERS + WORKERS; i++)
		role[i] = (void *)i;
	steps_sys_start();
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		reset();
		long_task = 1 + seed % TASKS;
		if (!steps_run(seed, PRODUCERS + WORKERS, play, role))
			wrong = "all that are left sleep";
		for (int i = 1; i <= TASKS && !wrong; i++)
			if (out[i] != 1)
				wrong = "a task was lost";
		if (!wrong && (idle.searching || total || idle.bits[0]))
			wrong = "the count of sleepers or searchers is off";
		if (wrong) {
			steps_sys_stop();
			fail_msg("seed %u: %s", seed, wrong);
		}
	}
	steps_sys_stop();
}

static void the_lane_is_bounded_and_first_in_first_out(void **state)
{
	void (*fn)(void *) = NULL;
	void *got;

	(void)state;
	reset();
	for (uintptr_t lap = 0; lap < 10; lap++) {
		for (uintptr_t i = 0; i < 1 << SHIFT; i++) {
			assert_true(np_mpmc_has_room(&lane));
			assert_true(np_mpmc_push(&lane, NULL, (void *)(lap * 10 + i)));
		}
		assert_false(np_mpmc_has_room(&lane));
		assert_false(np_mpmc_push(&lane, NULL, NULL));
		assert_int_equal(np_mpmc_length(&lane), 1 << SHIFT);
		for (uintptr_t i = 0; i < 1 << SHIFT; i++) {
			assert_true(np_mpmc_ready(&lane));
			assert_true(np_mpmc_pop(&lane, &fn, &got));
			assert_int_equal((uintptr_t)got, lap * 10 + i);
		}
		assert_false(np_mpmc_ready(&lane));
		assert_false(np_mpmc_pop(&lane, &fn, &got));
		assert_int_equal(np_mpmc_pushed(&lane), (lap + 1) << SHIFT);
	}
}

static void a_token_is_never_too_early(void **state)
{
	struct np_parker p = { 0 };

	(void)state;
	np_unpark(&p);
	np_unpark(&p);
	np_park(&p); /* does not sleep; and takes both */
	assert_int_equal(p.token, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lane_is_bounded_and_first_in_first_out),
		cmocka_unit_test(a_token_is_never_too_early),
		cmocka_unit_test(nobody_sleeps_while_there_is_work),
	};

	return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
