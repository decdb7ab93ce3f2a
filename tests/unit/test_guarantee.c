// SPDX-License-Identifier: MIT
/* The registry: present and future guarantees reach a subscriber, ended ones too, once each. */
#include "../../lib/src/base.h"
#include "../../lib/src/guarantee.h"
#include "../../lib/src/util.h"
#include "fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

struct heard {
	int begun, gone;
	uint64_t last;
	int last_tid;
};

static void hear(void *ctx, const struct np_guarantee *g, bool gone)
{
	struct heard *h = ctx;

	if (gone)
		h->gone++;
	else
		h->begun++;
	h->last = g->id;
	h->last_tid = g->tid;
}

static struct np_guarantee thread_guarantee(int tid)
{
	struct np_guarantee g = { .kind = NP_GUARANTEE_CPUS,
				  .mode = NUMAPERF_STRICT,
				  .tid = tid };

	numaperf_cpuset_set(&g.cpus, 0);
	return g;
}

static void present_and_future(void **state)
{
	struct heard h = { 0 };
	struct np_guarantee_subscriber s = { .fn = hear, .ctx = &h };
	struct np_guarantee a = thread_guarantee(11), b = thread_guarantee(12);
	uint64_t ida = 0, idb = 0;

	(void)state;
	assert_int_equal(np_guarantee_count(), 0);
	assert_int_equal(np_guarantee_enter(&a, &ida), 0);
	assert_int_not_equal(ida, 0);
	np_guarantee_subscribe(&s);
	assert_int_equal(h.begun, 1);
	assert_true(h.last == ida && h.last_tid == 11);
	assert_int_equal(np_guarantee_enter(&b, &idb), 0);
	assert_true(idb != ida);
	assert_int_equal(h.begun, 2);
	assert_true(h.last == idb);
	np_guarantee_leave(ida);
	assert_int_equal(h.gone, 1);
	assert_true(h.last == ida);
	np_guarantee_leave(ida); /* once only */
	np_guarantee_leave(0);
	assert_int_equal(h.gone, 1);
	assert_int_equal(np_guarantee_count(), 1);
	np_guarantee_unsubscribe(&s);
	np_guarantee_leave(idb);
	assert_int_equal(h.gone, 1);
	assert_int_equal(np_guarantee_count(), 0);
}

static void no_memory_enters_nothing(void **state)
{
	struct fault_plan plan = { .nth = 1, .error = -ENOMEM };
	struct np_guarantee g = thread_guarantee(1);
	uint64_t id = 5;

	(void)state;
	fault_start(&plan);
	assert_int_equal(np_guarantee_enter(&g, &id), -ENOMEM);
	fault_stop();
	assert_int_equal(id, 5);
	assert_int_equal(np_guarantee_count(), 0);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_NO_MEMORY);
}

static void a_forked_child_starts_empty(void **state)
{
	struct np_guarantee g = thread_guarantee(1);
	uint64_t id, child_id = 0;
	int status, pid;

	(void)state;
	assert_int_equal(np_guarantee_enter(&g, &id), 0);
	pid = fork();
	if (!pid) {
		if (np_guarantee_count() != 0)
			_exit(1);
		np_guarantee_leave(id); /* the parent's: no effect here */
		if (np_guarantee_enter(&g, &child_id) || child_id == id)
			_exit(2);
		if (np_guarantee_count() != 1)
			_exit(3);
		np_guarantee_leave(child_id);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(np_guarantee_count(), 1);
	np_guarantee_leave(id);
}

static void *churn(void *arg)
{
	struct np_guarantee g = thread_guarantee((int)(intptr_t)arg);
	uint64_t id;

	for (int i = 0; i < 2000; i++) {
		if (np_guarantee_enter(&g, &id))
			return (void *)1;
		np_guarantee_leave(id);
	}
	return NULL;
}

static void threads_may_come_and_go(void **state)
{
	struct heard h = { 0 };
	struct np_guarantee_subscriber s = { .fn = hear, .ctx = &h };
	pthread_t thread[4];
	void *bad;

	(void)state;
	np_guarantee_subscribe(&s);
	for (intptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	np_guarantee_unsubscribe(&s);
	assert_int_equal(h.begun, 8000);
	assert_int_equal(h.gone, 8000);
	assert_int_equal(np_guarantee_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(present_and_future),
		cmocka_unit_test(no_memory_enters_nothing),
		cmocka_unit_test(a_forked_child_starts_empty),
		cmocka_unit_test(threads_may_come_and_go),
	};

	return cmocka_run_group_tests_name("guarantee", tests, NULL, NULL);
}
