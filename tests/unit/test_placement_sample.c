// SPDX-License-Identifier: MIT
/* Samples of a range against what is known of it: shares, their intervals, and refusals. */
#include "regions.h"
#include "sys.h"

#define PAGES 100000

/* A made-up range: page i is on node 0, 1 or 2, or absent, by a pattern that repeats. */
static const char *data;
static int refused;
static size_t asked;

static int node_of(size_t page)
{
	size_t k = page / 7 % 10; /* runs of 7 pages */

	return k < 6 ? 0 : k < 9 ? 1 : -ENOENT;
}

static int made_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			   int *status, int flags)
{
	(void)pid, (void)flags;
	assert_null(nodes);
	if (refused)
		return refused;
	for (unsigned long i = 0; i < count; i++)
		status[i] = node_of((size_t)((char *)pages[i] - data) / 4096);
	asked += count;
	return 0;
}

static int all_mapped(const void *addr, size_t length)
{
	(void)addr, (void)length;
	return 0;
}

static struct numaperf_estimate seen;

static int sample(size_t samples)
{
	seen = (struct numaperf_estimate){ .sz = sizeof(seen) };
	return numaperf_placement_sample(data, (size_t)PAGES * 4096, samples, &seen);
}

/* 200 estimates of known shares: 95 of 100 intervals must hold them, give or take what chance
 * gives (seed printed by cmocka's message on failure: the estimate keeps it). */
static void intervals_hold_the_truth(void **state)
{
	struct np_sys table = np_sys_real;
	int held[3] = { 0 };

	(void)state;
	table.move_pages = made_move_pages;
	table.mapped = all_mapped;
	np_sys = &table;
	data = (const char *)0x10000000;
	for (int round = 0; round < 200; round++) {
		static const double truth[] = { 0.6, 0.3, 0.1 };
		double sum = 0;

		assert_int_equal(sample(1000), 0);
		assert_int_equal(seen.pages_total, PAGES);
		assert_int_equal(seen.pages_sampled, 1000);
		assert_int_equal(seen.method, NUMAPERF_PLACEMENT_MOVE_PAGES);
		for (int i = 0; i < 3; i++) {
			struct numaperf_share share;

			assert_int_equal(
				numaperf_estimate_share(&seen, i == 2 ? -1 : i, &share), 0);
			assert_true(share.low <= share.share && share.share <= share.high);
			assert_true(share.high - share.low < 0.07);
			held[i] += share.low <= truth[i] && truth[i] <= share.high;
			sum += share.share;
		}
		assert_true(sum > 0.999 && sum < 1.001);
	}
	np_sys = &np_sys_real;
	/* 200 of 0.95: below 175 is once in 10^5 */
	for (int i = 0; i < 3; i++)
		if (held[i] < 175)
			fail_msg("interval %d held %d of 200", i, held[i]);
}

static void none_and_all(void **state)
{
	struct np_sys table = np_sys_real;
	struct numaperf_share share;

	(void)state;
	table.move_pages = made_move_pages;
	table.mapped = all_mapped;
	np_sys = &table;
	asked = 0;
	assert_int_equal(sample(2000), 0);
	assert_int_equal(asked, 2000);
	assert_int_equal(numaperf_estimate_share(&seen, 5, &share), 0);
	assert_true(share.share == 0 && share.low == 0 && share.high > 0 && share.high < 0.003);
	assert_int_equal(sample(PAGES), 0);
	assert_int_equal(seen.pages_sampled, PAGES);
	assert_int_equal(numaperf_estimate_share(&seen, 0, &share), 0);
	assert_true(share.low == share.high && share.low > 0.59 && share.low < 0.61);
	np_sys = &np_sys_real;
}

static void a_real_range(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *r;
	struct numaperf_share share;

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&r, 4096 * 4 * KIB, &opts), 0);
	data = numaperf_region_data(r);
	memset((char *)data, 1, 2048 * 4 * KIB);
	for (int filtered = 0; filtered < 2; filtered++) {
		struct np_sys table = np_sys_real;

		refused = -EPERM;
		if (filtered)
			table.move_pages = made_move_pages;
		np_sys = &table;
		seen = (struct numaperf_estimate){ .sz = sizeof(seen) };
		assert_int_equal(numaperf_placement_sample(data, 4096 * 4 * KIB, 500, &seen),
				 0);
		np_sys = &np_sys_real;
		refused = 0;
		assert_int_equal(numaperf_estimate_share(&seen, 0, &share), 0);
		/* one of each part: half of them, but for the part in the middle */
		assert_true(share.share > 0.495 && share.share < 0.505);
		assert_int_equal(numaperf_estimate_share(&seen, -1, &share), 0);
		assert_true(share.share > 0.495 && share.share < 0.505);
		assert_int_equal(seen.method, filtered ? NUMAPERF_PLACEMENT_NUMA_MAPS
						       : NUMAPERF_PLACEMENT_MOVE_PAGES);
		assert_int_equal(seen.pages_sampled, filtered ? 4096 : 500);
	}
	/* it has brought nothing in */
	{
		static struct numaperf_placement where = { .sz = sizeof(where) };

		assert_int_equal(numaperf_region_placement(r, &where), 0);
		assert_int_equal(where.pages_absent, 2048);
	}
	numaperf_region_unref(r);
}

static void wrong_arguments(void **state)
{
	struct numaperf_share share;

	(void)state;
	data = (const char *)&seen;
	seen = (struct numaperf_estimate){ .sz = sizeof(seen) };
	assert_int_equal(numaperf_placement_sample(data, 0, 5, &seen), -EINVAL);
	assert_int_equal(numaperf_placement_sample(data, 8, 0, &seen), -EINVAL);
	assert_int_equal(numaperf_placement_sample((void *)8, 8, 1, &seen), -EFAULT);
	assert_int_equal(numaperf_estimate_share(&seen, 0, &share), -EINVAL);
	seen.sz = 8;
	assert_int_equal(numaperf_placement_sample(data, 8, 1, &seen), -EINVAL);
	seen.sz = sizeof(seen);
	assert_int_equal(numaperf_placement_sample(data, 8, 1, &seen), 0);
	assert_int_equal(numaperf_estimate_share(&seen, -2, &share), -EINVAL);
	assert_int_equal(numaperf_estimate_share(&seen, NUMAPERF_NODES_MAX, &share), -EINVAL);
}

static void every_failure_is_said(void **state)
{
	struct fault_plan plan;
	unsigned int clean = 0;
	int fds = fault_open_fds();

	(void)state;
	data = malloc(4096 * 16);
	FAULT_SWEEP(plan, region_errors)
	{
		int err;

		seen = (struct numaperf_estimate){ .sz = sizeof(seen) };
		fault_start(&plan);
		err = numaperf_placement_sample(data, 4096 * 16, 3, &seen);
		fault_stop();
		if (err)
			assert_true(numaperf_last_error()->message[0]);
		clean += !plan.failed;
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(region_errors));
	free((void *)data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_hold_the_truth),
		cmocka_unit_test(none_and_all),
		cmocka_unit_test(a_real_range),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(every_failure_is_said),
	};

	return cmocka_run_group_tests_name("placement_sample", tests, NULL, NULL);
}
