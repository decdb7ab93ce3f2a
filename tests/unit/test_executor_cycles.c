// SPDX-License-Identifier: MIT
/* Thousands of executors, one after the other: nothing is lost, left over or hangs. */
#include "../../lib/src/guarantee.h"
#include "fault.h"
#include "pool.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

enum {
	CYCLES = 10000,
	CYCLES_LONG = 100000, /* check-long */
	WARM = 100
};

/* What the library has mapped itself: neighbours become one entry of /proc/self/maps, so that
 * counting those would not do. */
static struct np_sys table;
static size_t mapped;

static int counting_map(void **out, size_t length)
{
	int err = np_sys_real.map(out, length);

	if (!err)
		__atomic_fetch_add(&mapped, length, __ATOMIC_SEQ_CST);
	return err;
}

static int counting_unmap(void *addr, size_t length)
{
	__atomic_fetch_sub(&mapped, length, __ATOMIC_SEQ_CST);
	return np_sys_real.unmap(addr, length);
}

struct use {
	int fds, threads;
	size_t mapped, promised, heap;
};

static struct use look(void)
{
	struct use use = { .fds = fault_open_fds(),
			   .threads = fault_threads_settled(),
			   .mapped = mapped,
			   .promised = np_guarantee_count() };

#ifndef NP_SANITIZE /* they have a heap of their own, and look for leaks themselves */
	use.heap = mallinfo2().uordblks;
#endif
	return use;
}

static void cycle(struct numaperf_topology *topo, unsigned int i)
{
	static const enum numaperf_mode modes[] = { NUMAPERF_SOFT,
						    NUMAPERF_STRICT_UNWITNESSED };
	struct numaperf_executor *exec =
		pool_create(topo, (struct numaperf_executor_opts){
					  .steal_policy = (enum numaperf_steal_policy)(i % 3),
					  .mode = modes[i / 3 % 2],
					  .workers_per_node = 1 + i % 4,
					  .queue_capacity = 64,
				  });
	unsigned int n = 0, submitted = i % 40;
	size_t dropped = 0;

	for (unsigned int t = 0; t < submitted; t++)
		assert_int_equal(numaperf_executor_submit(exec, count_task, &n), 0);
	switch (i / 7 % 4) {
	case 0:
		assert_int_equal(numaperf_executor_shutdown(exec), 0);
		break;
	case 1:
		assert_int_equal(numaperf_executor_shutdown_now(exec, &dropped), 0);
		break;
	case 2:
		assert_int_equal(numaperf_executor_wait(exec), 0);
		assert_int_equal(counted(&n), submitted);
		break;
	default:
		break; /* freeing shuts down gracefully */
	}
	numaperf_executor_destroy(exec);
	assert_int_equal(counted(&n) + dropped, submitted);
}

static void cycles_leave_nothing(void **state)
{
	struct numaperf_topology *topo;
	struct use before = { 0 }, after;
	unsigned int n = getenv("NP_LONG") ? CYCLES_LONG : CYCLES;

	(void)state;
	table = np_sys_real;
	table.map = counting_map;
	table.unmap = counting_unmap;
	np_sys = &table;
	assert_int_equal(numaperf_topology_discover(&topo), 0);
	for (unsigned int i = 0; i < n; i++) {
		if (i == WARM) /* caches of the C library are filled by now */
			before = look();
		cycle(topo, i);
	}
	after = look();
	assert_int_equal(after.fds, before.fds);
	assert_true(fault_threads_are(before.threads));
	assert_int_equal(after.promised, before.promised);
	assert_int_equal(after.mapped, before.mapped);
	/* the smallest block has 32 bytes: one a cycle would be ten times as much */
	assert_true(after.heap < before.heap + (n - WARM) * 32 / 10);
	numaperf_topology_unref(topo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles_leave_nothing),
	};

	return cmocka_run_group_tests_name("executor_cycles", tests, NULL, NULL);
}
