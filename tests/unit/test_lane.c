// SPDX-License-Identifier: MIT
/*
 * Lanes, trays and the queue of lanes, in chosen interleavings and with real threads: each task
 * comes out exactly once, in its producer's order where that is promised, and none is hidden
 * from who looks whether there is something.
 */
#include "steps.h"
#define NP_STEP() steps_yield()
#include "../../lib/src/queue.h"
#include "../../lib/src/tray.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

#ifdef NP_SANITIZE
enum {
	SEEDS = 3000
};
#else
enum {
	SEEDS = 20000
};
#endif
enum {
	LANES = 2,
	CAPACITY = 4,
	EACH = 12,
	TASKS = LANES * EACH,
	CONSUMERS = 3
};

static struct numaperf_work ring[LANES][CAPACITY];
static struct np_mpmc_slot crowd_ring[CAPACITY];
static struct np_lane lane[LANES];
static struct np_queue queue;
static struct np_tray tray[CONSUMERS];
static unsigned char out[TASKS + 1], retracted[TASKS + 1];
static unsigned int producing, consuming;
static const char *wrong;

static void reset(void)
{
	memset(lane, 0, sizeof(lane));
	memset(crowd_ring, 0, sizeof(crowd_ring));
	memset(&queue, 0, sizeof(queue));
	memset(tray, 0, sizeof(tray));
	memset(out, 0, sizeof(out));
	memset(retracted, 0, sizeof(retracted));
	for (int i = 0; i < LANES; i++)
		np_lane_init(&lane[i], ring[i], CAPACITY);
	np_mpmc_init(&queue.crowd, crowd_ring, 2);
	queue.lane = lane;
	producing = LANES;
	consuming = CONSUMERS;
	wrong = NULL;
}

static struct numaperf_work task(uintptr_t id)
{
	return (struct numaperf_work){ NULL, (void *)id };
}

static uintptr_t id_of(const struct numaperf_work *work)
{
	return (uintptr_t)work->arg;
}

static void came_out(const struct numaperf_work *work)
{
	uintptr_t id = id_of(work);

	if (id < 1 || id > TASKS)
		wrong = "a thing that is no task came out";
	else if (out[id]++)
		wrong = "a task came out twice";
}

/* ---- by hand ---- */

static void first_in_first_out_and_full_is_full(void **state)
{
	struct numaperf_work work[CAPACITY + 1], got[CAPACITY + 1];

	(void)state;
	reset();
	lane[0].tail = lane[0].head = lane[0].head_seen = UINT64_MAX - 1; /* and they wrap */
	for (uintptr_t i = 0; i <= CAPACITY; i++)
		work[i] = task(i + 1);
	assert_int_equal(np_lane_push(&lane[0], work, CAPACITY + 1), CAPACITY);
	assert_false(np_lane_push_one(&lane[0], work[0]));
	assert_int_equal(np_lane_length(&lane[0]), CAPACITY);
	assert_true(np_lane_lock(&lane[0]));
	assert_false(np_lane_lock(&lane[0]));
	assert_int_equal(np_lane_take(&lane[0], got, 3), 3);
	assert_true(np_lane_push_one(&lane[0], work[CAPACITY]));
	assert_int_equal(np_lane_take(&lane[0], got + 3, CAPACITY), 2);
	np_lane_unlock(&lane[0]);
	for (uintptr_t i = 0; i <= CAPACITY; i++)
		assert_int_equal(id_of(&got[i]), i + 1);
}

static void what_is_taken_back_is_gone(void **state)
{
	struct numaperf_work work[3] = { task(1), task(2), task(3) }, got[3];

	(void)state;
	reset();
	assert_int_equal(np_lane_push(&lane[0], work, 3), 3);
	assert_true(np_lane_lock(&lane[0]));
	assert_int_equal(np_lane_take(&lane[0], got, 2), 2);
	np_lane_unlock(&lane[0]);
	assert_int_equal(np_lane_retract(&lane[0], 2),
			 1); /* of two that it wants, one is gone */
	assert_int_equal(np_lane_length(&lane[0]), 0);
	assert_int_equal(np_lane_pushed(&lane[0]), 2);
	assert_true(np_lane_push_one(&lane[0], work[0]));
	assert_int_equal(np_lane_length(&lane[0]), 1);
}

static void a_tray_gives_half_and_the_oldest_first(void **state)
{
	struct numaperf_work work[7], got[NP_TRAY];
	uint32_t from = 0;

	(void)state;
	reset();
	for (uintptr_t i = 0; i < 7; i++)
		work[i] = task(i + 1);
	tray[0].word = (uint64_t)(UINT32_MAX - 2) << 32 | (UINT32_MAX - 2); /* wraps */
	np_tray_fill(&tray[0], 5, work, 7);
	assert_int_equal(np_tray_length(&tray[0]), 7);
	assert_int_equal(np_tray_take(&tray[0], got, 1, &from), 1);
	assert_int_equal(id_of(&got[0]), 1);
	assert_int_equal(from, 5);
	assert_int_equal(np_tray_take(&tray[0], got, NP_TRAY, &from), 3);
	assert_int_equal(id_of(&got[0]), 2);
	assert_int_equal(id_of(&got[2]), 4);
	assert_int_equal(np_tray_take(&tray[0], got, 1, &from), 1);
	assert_int_equal(np_tray_take(&tray[0], got, NP_TRAY, &from), 1);
	assert_int_equal(np_tray_take(&tray[0], got, NP_TRAY, &from), 1);
	assert_int_equal(id_of(&got[0]), 7);
	assert_int_equal(np_tray_take(&tray[0], got, NP_TRAY, &from), 0);
}

static void bits_tell_of_lanes_and_are_tidied(void **state)
{
	struct numaperf_work got[4];
	unsigned int last = 0;

	(void)state;
	reset();
	assert_false(np_queue_ready(&queue));
	assert_true(np_lane_push_one(&lane[1], task(1)));
	np_queue_pushed_into(&queue, 1);
	assert_int_equal(queue.active, 2);
	np_queue_tidy(&queue);
	assert_int_equal(queue.active, 2); /* there is something */
	assert_true(np_queue_ready(&queue));
	assert_int_equal(np_queue_take(&queue, got, 4, &last), 1);
	assert_int_equal(last, 1);
	assert_int_equal(queue.active, 2); /* kept: more may come at once */
	np_queue_tidy(&queue);
	assert_int_equal(queue.active, 0);
	assert_int_equal(np_queue_pushed(&queue, LANES), 1);
}

static void lanes_are_taken_from_in_turn(void **state)
{
	struct numaperf_work got[4];
	unsigned int last = 1;

	(void)state;
	reset();
	for (int i = 0; i < 2; i++) {
		for (unsigned int l = 0; l < LANES; l++) {
			assert_true(np_lane_push_one(&lane[l], task(1 + l)));
			np_queue_pushed_into(&queue, l);
		}
	}
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(np_queue_take(&queue, got, 1, &last), 1);
		assert_int_equal(last, i % 2);
		assert_int_equal(id_of(&got[0]), 1 + i % 2);
	}
}

/* ---- interleavings ---- */

/* Now and then it takes back what it has just pushed. */
static void produce(unsigned int nth)
{
	for (uintptr_t i = 1; i <= EACH;) {
		struct numaperf_work work[3];
		size_t n = 1 + steps_dice(3), pushed, back = 0;

		n = MIN(n, EACH + 1 - i);
		for (size_t k = 0; k < n; k++)
			work[k] = task(nth * EACH + i + k);
		pushed = np_lane_push(&lane[nth], work, n);
		if (pushed)
			np_queue_pushed_into(&queue, nth);
		if (pushed && !steps_dice(4))
			back = np_lane_retract(&lane[nth], pushed);
		if (back > pushed)
			wrong = "more was taken back than had been pushed";
		for (size_t k = pushed - back; k < pushed; k++)
			retracted[id_of(&work[k])] = 1;
		i += pushed;
		steps_yield();
	}
	producing--;
}

static bool visible(void)
{
	if (np_queue_ready(&queue))
		return true;
	for (int i = 0; i < CONSUMERS; i++)
		if (np_tray_length(&tray[i]))
			return true;
	return false;
}

static void consume(unsigned int nth)
{
	uintptr_t newest[LANES] = { 0 };
	struct numaperf_work got[NP_TRAY];
	unsigned int last = nth;
	uint32_t from;
	size_t n;

	for (;;) {
		bool over = !producing;

		if (np_tray_take(&tray[nth], got, 1, &from)) {
			came_out(got);
			continue;
		}
		n = np_queue_take(&queue, got, 1 + steps_dice(CAPACITY), &last);
		if (n) {
			/* under its lock each lane gives in order; so what one takes grows */
			for (size_t i = 0; i < n; i++) {
				unsigned int l = (unsigned int)(id_of(&got[i]) - 1) / EACH;

				if (l >= LANES || id_of(&got[i]) <= newest[l])
					wrong = "a lane gave an older task after a newer one";
				else
					newest[l] = id_of(&got[i]);
			}
			came_out(got);
			if (n > 1)
				np_tray_fill(&tray[nth], 0, got + 1, (uint32_t)n - 1);
			continue;
		}
		for (unsigned int i = 0; i < CONSUMERS && !n; i++) {
			if (i == nth)
				continue;
			n = np_tray_take(&tray[i], got, NP_TRAY, &from);
			if (n > 1)
				np_tray_fill(&tray[nth], 0, got + 1, (uint32_t)n - 1);
			if (n)
				came_out(got);
		}
		if (n)
			continue;
		if (!steps_dice(3))
			np_queue_tidy(&queue);
		/* whoever is on the way with a batch makes it visible, and takes from it itself
		 */
		if (over && !visible())
			break;
		steps_yield();
	}
	consuming--;
}

static void play(void *role)
{
	unsigned int nth = (unsigned int)((uintptr_t)role - 1);

	if (nth < LANES)
		produce(nth);
	else
		consume(nth - LANES);
}

static void every_interleaving_gives_each_task_once(void **state)
{
	void *role[LANES + CONSUMERS];

	(void)state;
	for (uintptr_t i = 0; i < LANES + CONSUMERS; i++)
		role[i] = (void *)(i + 1);
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		reset();
		if (!steps_run(seed, LANES + CONSUMERS, play, role))
			wrong = "somebody did not end";
		for (int i = 1; i <= TASKS && !wrong; i++)
			if (out[i] + retracted[i] != 1)
				wrong = out[i] ? "a task that was taken back came out"
					       : "a task was lost";
		if (!wrong && (producing || consuming))
			wrong = "somebody has not ended";
		if (wrong)
			fail_msg("seed %u: %s", seed, wrong);
	}
}

/* ---- real threads ---- */

enum {
	MANY = 100000
};
static unsigned char seen[LANES * MANY];
static unsigned int left;

static void note(const struct numaperf_work *work)
{
	uintptr_t *value = work->arg;

	__atomic_fetch_add(&seen[*value], 1,
			   __ATOMIC_RELAXED); /* written before it was pushed */
	*value = UINTPTR_MAX;
	__atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST);
}

static uintptr_t *values;

static void *produce_many(void *arg)
{
	unsigned int nth = (unsigned int)(uintptr_t)arg;

	for (uintptr_t i = 0; i < MANY;) {
		uintptr_t *value = &values[nth * MANY + i];

		*value = nth * MANY + i;
		if (np_lane_push_one(&lane[nth], (struct numaperf_work){ NULL, value })) {
			np_queue_pushed_into(&queue, nth);
			i++;
		} else {
			steps_yield();
		}
	}
	return NULL;
}

static void *consume_many(void *arg)
{
	struct np_tray *own = arg;
	struct numaperf_work got[NP_TRAY];
	unsigned int last = 0;
	uint32_t from;

	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST)) {
		size_t n = np_tray_take(own, got, 1, &from);

		if (!n)
			n = np_queue_take(&queue, got, NP_TRAY, &last);
		for (int i = 0; i < CONSUMERS && !n; i++)
			if (&tray[i] != own)
				n = np_tray_take(&tray[i], got, NP_TRAY, &from);
		if (!n) {
			np_queue_tidy(&queue);
			continue;
		}
		if (n > 1)
			np_tray_fill(own, 0, got + 1, (uint32_t)n - 1);
		note(got);
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	pthread_t thread[LANES + CONSUMERS];

	(void)state;
	reset();
	values = calloc(LANES * MANY, sizeof(*values));
	assert_non_null(values);
	left = LANES * MANY;
	for (uintptr_t i = 0; i < LANES; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, produce_many, (void *)i), 0);
	for (int i = 0; i < CONSUMERS; i++)
		assert_int_equal(
			pthread_create(&thread[LANES + i], NULL, consume_many, &tray[i]), 0);
	for (int i = 0; i < LANES + CONSUMERS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < LANES * MANY; i++)
		if (seen[i] != 1)
			fail_msg("task %d came out %d times", i, seen[i]);
	free(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out_and_full_is_full),
		cmocka_unit_test(what_is_taken_back_is_gone),
		cmocka_unit_test(a_tray_gives_half_and_the_oldest_first),
		cmocka_unit_test(bits_tell_of_lanes_and_are_tidied),
		cmocka_unit_test(lanes_are_taken_from_in_turn),
		cmocka_unit_test(every_interleaving_gives_each_task_once),
		cmocka_unit_test(threads_lose_nothing),
	};

	return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
