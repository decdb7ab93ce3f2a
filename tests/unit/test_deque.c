// SPDX-License-Identifier: MIT
/* The split deque against a trivial model, in chosen interleavings and with real threads. */
#include "steps.h"
#define NP_STEP()     steps_yield()
#define NP_DEQUE_SIZE 8u
#include "../../lib/src/deque.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

static struct np_deque deque;

static void start_at(uint32_t index)
{
	memset(&deque, 0, sizeof(deque));
	np_deque_init(&deque, index);
}

/* ---- by hand ---- */

static void last_in_first_out(void **state)
{
	int a, b, c;

	(void)state;
	start_at(0);
	assert_null(np_deque_pop(&deque));
	assert_true(np_deque_push(&deque, &a));
	assert_true(np_deque_push(&deque, &b));
	assert_true(np_deque_push(&deque, &c));
	assert_ptr_equal(np_deque_pop(&deque), &c);
	assert_ptr_equal(np_deque_pop(&deque), &b);
	assert_ptr_equal(np_deque_pop(&deque), &a);
	assert_null(np_deque_pop(&deque));
}

static void thieves_get_what_was_published_oldest_first(void **state)
{
	int task[5];

	(void)state;
	start_at(0);
	for (int i = 0; i < 5; i++)
		assert_true(np_deque_push(&deque, &task[i]));
	assert_false(np_deque_wanted(&deque));
	assert_null(np_deque_steal(&deque, false)); /* nothing public yet: asks */
	assert_true(np_deque_wanted(&deque));
	assert_int_equal(np_deque_publish(&deque), 3);
	assert_false(np_deque_wanted(&deque));
	assert_true(np_deque_public(&deque));
	assert_int_equal(np_deque_private(&deque), 2);
	assert_ptr_equal(np_deque_steal(&deque, false), &task[0]);
	assert_ptr_equal(np_deque_pop(&deque), &task[4]);
	assert_ptr_equal(np_deque_pop(&deque), &task[3]);
	/* from here on out of the shared part */
	assert_ptr_equal(np_deque_pop(&deque), &task[2]);
	assert_ptr_equal(np_deque_pop(&deque), &task[1]);
	assert_null(np_deque_pop(&deque));
	assert_null(np_deque_steal(&deque, false));
	assert_int_equal(np_deque_stolen(&deque), 1);
}

static void full_is_refused_until_a_thief_makes_room(void **state)
{
	int task[NP_DEQUE_SIZE + 1];

	(void)state;
	start_at(UINT32_MAX - 3); /* and the indices wrap */
	for (unsigned int i = 0; i < NP_DEQUE_SIZE; i++)
		assert_true(np_deque_push(&deque, &task[i]));
	assert_false(np_deque_push(&deque, &task[NP_DEQUE_SIZE]));
	np_deque_publish(&deque);
	assert_ptr_equal(np_deque_steal(&deque, false), &task[0]);
	assert_true(np_deque_push(&deque, &task[NP_DEQUE_SIZE]));
	assert_false(np_deque_push(&deque, &task[0]));
	for (unsigned int i = NP_DEQUE_SIZE; i; i--)
		assert_ptr_equal(np_deque_pop(&deque), &task[i]);
	assert_null(np_deque_pop(&deque));
}

/* ---- against a model ---- */

/*
 * Tasks are numbered in the order of pushing. The owner keeps a plain stack of those that it
 * has pushed and not popped. What pop answers must be the top of that stack, or nothing, and
 * then all of it must have been stolen; a thief's tasks come in ascending order; and each task
 * comes out exactly once.
 */
enum {
	OPS = 60,
	TASKS = OPS
};

static unsigned char out[TASKS + 1]; /* how often each task came out; 0 is not a task */
static bool owner_ended;
static const char *wrong;

static void *as_task(uintptr_t id)
{
	return (void *)(id * 2); /* the lowest bit is the deque's */
}

static void came_out(uintptr_t task)
{
	uintptr_t id = task / 2;

	if (id > TASKS)
		wrong = "a thing that is no task came out";
	else if (out[id]++)
		wrong = "a task came out twice";
}

static void owner(void *arg)
{
	uintptr_t stack[TASKS], id = 0, got;
	int depth = 0;

	(void)arg;
	for (int i = 0; i < OPS; i++) {
		switch (steps_dice(8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			if (np_deque_push(&deque, as_task(id + 1)))
				stack[depth++] = ++id;
			break;
		case 4:
			np_deque_publish(&deque);
			break;
		default:
			got = (uintptr_t)np_deque_pop(&deque);
			if (got) {
				if (!depth || stack[depth - 1] != got / 2)
					wrong = "pop gave another than the newest";
				else
					depth--;
				came_out(got);
			} else {
				depth = 0; /* all stolen: the count at the end tells */
			}
		}
		if (deque.own.split != (uint32_t)(deque.shared >> 32))
			wrong = "the two splits differ";
		steps_yield();
	}
	while ((got = (uintptr_t)np_deque_pop(&deque)))
		came_out(got);
	for (uintptr_t i = id + 1; i <= TASKS; i++)
		out[i] = 1; /* never pushed */
	owner_ended = true;
}

static void thief(void *arg)
{
	uintptr_t got, last = 0;

	(void)arg;
	while (!owner_ended) {
		got = (uintptr_t)np_deque_steal(&deque, false);
		if (got) {
			if (got <= last)
				wrong = "a thief got an older task after a newer one";
			last = got;
			came_out(got);
		}
		steps_yield();
	}
}

static void play(void *role)
{
	if (role)
		owner(role);
	else
		thief(role);
}

static void every_interleaving_keeps_the_model(void **state)
{
	void *const role[] = { &deque, NULL, NULL, NULL };

	(void)state;
#ifdef NP_SANITIZE
	for (uint32_t seed = 1; seed <= 3000; seed++) {
#else
	for (uint32_t seed = 1; seed <= 20000; seed++) {
#endif
		memset(out, 0, sizeof(out));
		owner_ended = false;
		wrong = NULL;
		start_at(seed % 2 ? UINT32_MAX - 20 : seed);
		if (!steps_run(seed, 4, play, role))
			wrong = "somebody did not end";
		for (int i = 1; i <= TASKS && !wrong; i++)
			if (out[i] != 1)
				wrong = "a task was lost";
		if (wrong)
			fail_msg("seed %u: %s", seed, wrong);
	}
}

/* ---- real threads ---- */

enum {
	MANY = 200000
};
static unsigned char seen[MANY + 1];
static bool ended;

static void note(uintptr_t id)
{
	__atomic_fetch_add(&seen[id], 1, __ATOMIC_RELAXED);
}

static void *steal_all(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
		uintptr_t *task = np_deque_steal(&deque, false);

		if (task) {
			note(*task); /* written before it was published */
			*task = 0;
		}
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	uintptr_t *task = calloc(MANY, sizeof(*task)), *got;
	pthread_t thread[3];
	uint32_t lot = 7;

	(void)state;
	assert_non_null(task);
	start_at(UINT32_MAX - 1000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, steal_all, NULL), 0);
	for (uintptr_t i = 0; i < MANY;) {
		lot = lot * 1664525u + 1013904223u;
		if (lot >> 30 == 0) {
			got = np_deque_pop(&deque);
			if (got)
				note(*got);
		} else {
			task[i] = i + 1;
			if (np_deque_push(&deque, &task[i]))
				i++;
			else
				steps_yield();
		}
		if (np_deque_wanted(&deque))
			np_deque_publish(&deque);
	}
	while ((got = np_deque_pop(&deque)))
		note(*got);
	__atomic_store_n(&ended, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	for (int i = 1; i <= MANY; i++)
		if (seen[i] != 1)
			fail_msg("task %d came out %d times", i, seen[i]);
	free(task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(thieves_get_what_was_published_oldest_first),
		cmocka_unit_test(full_is_refused_until_a_thief_makes_room),
		cmocka_unit_test(every_interleaving_keeps_the_model),
		cmocka_unit_test(threads_lose_nothing),
	};

	return cmocka_run_group_tests_name("deque", tests, NULL, NULL);
}
