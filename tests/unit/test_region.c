// SPDX-License-Identifier: MIT
/* Regions on this host: options, placement, refusals, and a failure of every call. */
#include "fault.h"
#include "guarantee.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <numaperf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define KIB 1024

static const int errors[] = { -ENOMEM, -EPERM, -ENOSYS, -EINVAL, -EIO };

static struct numaperf_region_opts bind_opts(enum numaperf_mode mode)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.nodes = numaperf_nodemask_single(0),
	};

	return opts;
}

static int create(const struct numaperf_region_opts *opts, size_t size)
{
	struct numaperf_region *region = NULL;
	int err = numaperf_region_create(&region, size, opts);

	if (err)
		assert_null(region);
	else
		numaperf_region_unref(region);
	return err;
}

/* ---- arguments ---- */

static void wrong_options(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct {
		struct numaperf_region_opts opts;
		size_t tail; /* as large as what comes before is aligned: no padding */
	} newer = { .opts = opts };

	(void)state;
	assert_int_equal(create(&opts, 0), -EINVAL);
	assert_int_equal(create(&opts, SIZE_MAX), -EINVAL);
	assert_int_equal(create(&opts, SIZE_MAX / 8), -ENOMEM);
	opts.policy = (enum numaperf_policy)7;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts((enum numaperf_mode)9);
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.prefault = (enum numaperf_prefault)3;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.prefault = NUMAPERF_PREFAULT_NONE;
	opts.thp = (enum numaperf_thp)3;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts.thp = NUMAPERF_THP_DEFAULT;
	numaperf_nodemask_zero(&opts.nodes);
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_SOFT);
	opts.policy = NUMAPERF_POLICY_LOCAL;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	opts.policy = NUMAPERF_POLICY_PREFERRED;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->reason, "promises nothing"));
	newer.opts.sz = sizeof(newer);
	assert_int_equal(create(&newer.opts, KIB), 0);
	newer.tail = 1;
	assert_int_equal(create(&newer.opts, KIB), -E2BIG);
	assert_int_equal(numaperf_region_create(NULL, KIB, NULL), -EINVAL);
	numaperf_region_unref(NULL);
}

static void nodes_that_are_not_there(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);

	(void)state;
	opts.nodes = numaperf_nodemask_single(NUMAPERF_NODES_MAX - 1);
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CPUSET);
	assert_non_null(strstr(numaperf_last_error()->message, "node 1023 is not online"));
	opts.mode = NUMAPERF_SOFT;
	assert_int_equal(create(&opts, KIB), -EINVAL);
	/* soft: the node that is there serves */
	numaperf_nodemask_set(&opts.nodes, 0);
	assert_int_equal(create(&opts, KIB), 0);
}

/* ---- memory ---- */

static void memory_is_zero_aligned_and_shared(void **state)
{
	struct numaperf_region *region;
	char *data;

	(void)state;
	assert_int_equal(numaperf_region_create(&region, 5000, NULL), 0);
	data = numaperf_region_data(region);
	assert_int_equal((uintptr_t)data % np_page_size(), 0);
	assert_int_equal(numaperf_region_size(region), ROUND_UP(5000, np_page_size()));
	for (size_t i = 0; i < numaperf_region_size(region); i++)
		assert_int_equal(data[i], 0);
	assert_ptr_equal(numaperf_region_ref(region), region);
	numaperf_region_unref(region);
	memset(data, 1, numaperf_region_size(region));
	assert_int_equal(numaperf_region_check(region), -ENODATA);
	numaperf_region_unref(region);
}

static void placement_tells_what_was_touched(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *region;
	size_t page = np_page_size();

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&region, 64 * page, &opts), 0);
	for (int i = 0; i < 2; i++) { /* asking twice changes nothing */
		assert_int_equal(numaperf_region_placement(region, &where), 0);
		assert_int_equal(where.pages_total, 64);
		assert_int_equal(where.pages_absent, 64);
	}
	memset(numaperf_region_data(region), 1, 10 * page);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	assert_int_equal(where.pages_absent, 54);
	assert_int_equal(where.pages_on_node[0], 10);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_BEST_EFFORT);
	assert_int_equal(where.requested_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(where.effective_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(numaperf_region_check(region), 0);
	where.sz = 8;
	assert_int_equal(numaperf_region_placement(region, &where), -EINVAL);
	where.sz = sizeof(where);
	numaperf_region_unref(region);
}

static void strict_is_proved_and_registered(void **state)
{
	static const enum numaperf_prefault prefaults[] = { NUMAPERF_PREFAULT_NONE,
							    NUMAPERF_PREFAULT_TOUCH,
							    NUMAPERF_PREFAULT_PARALLEL };
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region *region;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefaults); i++)
		for (int thp = NUMAPERF_THP_DEFAULT; thp <= NUMAPERF_THP_OFF; thp++) {
			struct numaperf_region_opts opts =
				bind_opts(NUMAPERF_STRICT_UNWITNESSED);

			opts.prefault = prefaults[i];
			opts.thp = (enum numaperf_thp)thp;
			opts.policy =
				i == 1 ? NUMAPERF_POLICY_INTERLEAVE : NUMAPERF_POLICY_BIND;
			assert_int_equal(numaperf_region_create(&region, 20480 * KIB, &opts),
					 0);
			assert_int_equal(np_guarantee_count(), 1);
			assert_int_equal(numaperf_region_placement(region, &where), 0);
			assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_STRICT);
			assert_int_equal(where.pages_on_node[0], 20480 / 4);
			assert_int_equal(numaperf_region_check(region), 0);
			numaperf_region_unref(region);
			assert_int_equal(np_guarantee_count(), 0);
		}
}

static void pages_given_back_are_missed(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *region;

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(madvise(numaperf_region_data(region), 8 * KIB, MADV_DONTNEED), 0);
	assert_int_equal(numaperf_region_check(region), -NUMAPERF_EHARDMODE);
	assert_non_null(strstr(numaperf_last_error()->message, "2 pages are not present"));
	numaperf_region_unref(region);
}

static void too_much_is_refused_before_it_is_touched(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);

	(void)state;
	assert_int_equal(create(&opts, (size_t)1 << 44), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
	assert_non_null(strstr(numaperf_last_error()->message, "not enough memory"));
}

/* ---- refusals ---- */

static int refused_with;
static int refuse_mbind(void *addr, size_t length, int policy, const uint64_t *nodes,
			unsigned int nwords, unsigned int flags)
{
	(void)addr, (void)length, (void)policy, (void)nodes, (void)nwords, (void)flags;
	return refused_with;
}

static int filtered(void)
{
	return 2;
}

static void no_policy_to_be_had(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	table.mbind = refuse_mbind;
	np_sys = &table;
	refused_with = -ENOSYS;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_UNSUPPORTED);
	table.seccomp_mode = filtered;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_SECCOMP);
	refused_with = -EPERM;
	assert_int_equal(create(&opts, KIB), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_SECCOMP);
	assert_non_null(strstr(numaperf_last_error()->message, "permission denied"));
	opts.mode = NUMAPERF_SOFT;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	np_sys = &np_sys_real;
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	assert_int_equal(where.pages_absent, 0);
	numaperf_region_unref(region);
}

static int refuse_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			     int *status, int flags)
{
	(void)pid, (void)count, (void)pages, (void)nodes, (void)status, (void)flags;
	return -EPERM;
}

static int refuse_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
				const void *addr, unsigned int flags)
{
	(void)policy, (void)nodes, (void)nwords, (void)addr, (void)flags;
	return -EPERM;
}

/* numa_maps shows the thread's policy for a mapping that has none: that is not the region's. */
static void the_threads_policy_is_not_the_regions(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_nodemask zero = numaperf_nodemask_single(0);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;

	(void)state;
	refused_with = -EPERM;
	table.mbind = refuse_mbind;
	table.move_pages = refuse_move_pages;
	table.get_mempolicy = refuse_get_mempolicy;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	assert_int_equal(np_sys_real.set_mempolicy(MPOL_BIND, zero.bits, ARRAY_SIZE(zero.bits)),
			 0);
	np_sys = &table;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	assert_int_equal(numaperf_region_placement(region, &where), 0);
	np_sys = &np_sys_real;
	np_sys->set_mempolicy(MPOL_DEFAULT, NULL, 0);
	assert_int_equal(where.method, NUMAPERF_PLACEMENT_NUMA_MAPS);
	assert_int_equal(where.effective_policy, NUMAPERF_POLICY_BIND);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_NONE);
	numaperf_region_unref(region);
}

/* Another node's word for pages that are here: the proof must not pass. */
static int elsewhere(int pid, unsigned long count, void **pages, const int *nodes, int *status,
		     int flags)
{
	int r = np_sys_real.move_pages(pid, count, pages, nodes, status, flags);

	status[count - 1] = 3;
	return r;
}

static void a_stray_page_fails_the_proof(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct np_sys table = np_sys_real;
	struct numaperf_region *region;
	int fds = fault_open_fds(), mappings;

	(void)state;
	assert_int_equal(numaperf_region_create(&region, 64 * KIB, &opts), 0);
	mappings = fault_mappings();
	table.move_pages = elsewhere;
	np_sys = &table;
	assert_int_equal(create(&opts, 64 * KIB), -NUMAPERF_EHARDMODE);
	assert_non_null(strstr(numaperf_last_error()->message,
			       "1 pages are not on nodes 0; the first is at 0x"));
	assert_int_equal(numaperf_region_check(region), -NUMAPERF_EHARDMODE);
	np_sys = &np_sys_real;
	assert_int_equal(fault_mappings(), mappings);
	assert_int_equal(fault_open_fds(), fds);
	assert_int_equal(numaperf_region_check(region), 0);
	numaperf_region_unref(region);
	assert_int_equal(np_guarantee_count(), 0);
}

static void sweep(const struct numaperf_region_opts *opts, size_t size)
{
	int fds = fault_open_fds(), mappings, err;
	struct numaperf_region *region;
	struct fault_plan plan;
	unsigned int clean = 0;

	create(opts, size); /* so that the C library has its arenas */
	mappings = fault_mappings();
	FAULT_SWEEP(plan, errors)
	{
		region = NULL;
		fault_start(&plan);
		err = numaperf_region_create(&region, size, opts);
		fault_stop();
		if (err) {
			assert_non_null(plan.failed);
			assert_null(region);
			assert_int_equal(numaperf_last_error()->code, err);
			assert_true(numaperf_last_error()->message[0]);
		} else {
			/* whatever failed: a strict one that was created holds */
			if (opts->mode != NUMAPERF_SOFT)
				assert_int_equal(numaperf_region_check(region), 0);
			memset(numaperf_region_data(region), 1, numaperf_region_size(region));
			numaperf_region_unref(region);
			clean += !plan.failed;
		}
		assert_int_equal(np_guarantee_count(), 0);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
	/* stacks of threads may be kept for later ones */
	assert_true(fault_mappings() <= mappings + 8);
}

static void every_failure_is_clean(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);

	(void)state;
	sweep(&opts, 64 * KIB);
	opts.thp = NUMAPERF_THP_ON;
	opts.prefault = NUMAPERF_PREFAULT_TOUCH;
	sweep(&opts, 64 * KIB);
	opts.mode = NUMAPERF_SOFT;
	sweep(&opts, 64 * KIB);
	opts.policy = NUMAPERF_POLICY_PREFERRED;
	opts.prefault = NUMAPERF_PREFAULT_NONE;
	sweep(&opts, 64 * KIB);
}

/* Threads and the topology's many files in it: only the memory and thread calls fail. */
static void parallel_prefault_survives_refusals(void **state)
{
	static const char *const calls[] = { "thread_create", "madvise", "mbind", "alloc",
					     "sched_setaffinity" };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	int fds = fault_open_fds(), created = 0;

	(void)state;
	opts.prefault = NUMAPERF_PREFAULT_PARALLEL;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (int forever = 0; forever < 2; forever++) {
			struct fault_plan plan = {
				.nth = 1, .error = -EPERM, .only = calls[i], .for_ever = forever
			};
			struct numaperf_region *region = NULL;
			int err;

			fault_start(&plan);
			err = numaperf_region_create(&region, 16384 * KIB, &opts);
			fault_stop();
			if (err) {
				assert_null(region);
				continue;
			}
			created++;
			assert_int_equal(numaperf_region_check(region), 0);
			numaperf_region_unref(region);
		}
	/* threads, populate and pins are not needed for the proof */
	assert_true(created >= 6);
	assert_int_equal(fault_open_fds(), fds);
	assert_int_equal(np_guarantee_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_options),
		cmocka_unit_test(nodes_that_are_not_there),
		cmocka_unit_test(memory_is_zero_aligned_and_shared),
		cmocka_unit_test(placement_tells_what_was_touched),
		cmocka_unit_test(strict_is_proved_and_registered),
		cmocka_unit_test(pages_given_back_are_missed),
		cmocka_unit_test(too_much_is_refused_before_it_is_touched),
		cmocka_unit_test(no_policy_to_be_had),
		cmocka_unit_test(the_threads_policy_is_not_the_regions),
		cmocka_unit_test(a_stray_page_fails_the_proof),
		cmocka_unit_test(every_failure_is_clean),
		cmocka_unit_test(parallel_prefault_survives_refusals),
	};

	return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
