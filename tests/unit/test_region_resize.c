// SPDX-License-Identifier: MIT
/* Regions that grow and shrink: content, placement and promises kept, and every failure undone.
 */
#include "regions.h"
#include "sys.h"

static int resize_ok(struct numaperf_region *r, size_t size)
{
	int err = numaperf_region_resize(r, size);

	if (err)
		print_error("%s\n", numaperf_last_error()->message);
	return err;
}

static void fill(struct numaperf_region *r)
{
	uint32_t *words = numaperf_region_data(r);

	for (size_t i = 0; i < numaperf_region_size(r) / sizeof(*words); i++)
		words[i] = (uint32_t)i * 2654435761u + 1;
}

/* `kept` bytes as fill() left them, zeroes from there on. */
static void assert_content(struct numaperf_region *r, size_t kept)
{
	uint32_t *words = numaperf_region_data(r);

	for (size_t i = 0; i < numaperf_region_size(r) / sizeof(*words); i++)
		if (words[i] != (i < kept / sizeof(*words) ? (uint32_t)i * 2654435761u + 1 : 0))
			fail_msg("word %zu is %u", i, words[i]);
}

static struct numaperf_region_opts with(enum numaperf_mode mode, int kind)
{
	struct numaperf_region_opts opts = bind_opts(mode);

	if (kind == 1)
		opts.policy = NUMAPERF_POLICY_INTERLEAVE;
	if (kind == 2) {
		opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
		opts.weights[0] = 5;
	}
	if (kind == 3)
		opts.thp = NUMAPERF_THP_ON;
	return opts;
}

static void grows_and_shrinks(void **state)
{
	static const size_t sizes[] = { 64 * KIB, 100 * KIB, 4096 * KIB,
					8 * KIB,  4 * KIB,   300 * KIB };
	size_t promised;

	(void)state;
	for (int mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode += 2)
		for (int kind = 0; kind < 4; kind++)
			for (int room = 0; room < 2; room++) {
				struct numaperf_region_opts opts =
					with((enum numaperf_mode)mode, kind);
				struct numaperf_region *r;
				size_t before = 0;
				void *data;

				opts.size_max = room ? 4096 * KIB : 0;
				assert_int_equal(numaperf_region_create(&r, 64 * KIB, &opts),
						 0);
				promised = np_guarantee_count();
				data = numaperf_region_data(r);
				for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
					assert_int_equal(resize_ok(r, sizes[i]), 0);
					assert_int_equal(numaperf_region_size(r), sizes[i]);
					assert_content(r, MIN(before, sizes[i]));
					fill(r);
					before = sizes[i];
					assert_int_equal(numaperf_region_check(r), 0);
					if (room)
						assert_ptr_equal(numaperf_region_data(r), data);
				}
				assert_int_equal(np_guarantee_count(), promised);
				numaperf_region_unref(r);
				assert_int_equal(np_guarantee_count(), 0);
			}
}

/* The old place must be gone, and nothing of it left. */
static void no_page_is_lost(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;
	int mappings = fault_mappings();

	(void)state;
	opts.name = "grown";
	opts.lock = true;
	for (int i = 0; i < 20; i++) {
		struct numaperf_region_info info = { .sz = sizeof(info) };

		assert_int_equal(numaperf_region_create(&r, 64 * KIB, &opts), 0);
		assert_int_equal(resize_ok(r, 128 * KIB), 0);
		assert_int_equal(numaperf_region_info(r, &info), 0);
		assert_int_equal(info.locked, 128 * KIB);
		assert_int_equal(numaperf_region_placement(r, &where), 0);
		assert_int_equal(where.pages_on_node[0], 128 * KIB / np_page_size());
		assert_int_equal(where.pages_total, 128 * KIB / np_page_size());
		assert_int_equal(resize_ok(r, 4 * KIB), 0);
		numaperf_region_unref(r);
	}
	assert_int_equal(fault_mappings(), mappings);
}

/* A user's own mprotect makes several mappings of it, of which mremap takes one at a time. */
static void several_mappings_move(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;
	char *data;

	(void)state;
	opts.thp = NUMAPERF_THP_OFF;
	assert_int_equal(numaperf_region_create(&r, 64 * KIB, &opts), 0);
	fill(r);
	data = numaperf_region_data(r);
	assert_int_equal(mprotect(data + 16 * KIB, 4 * KIB, PROT_READ), 0);
	assert_int_equal(mprotect(data + 40 * KIB, 12 * KIB, PROT_READ), 0);
	assert_int_equal(resize_ok(r, 96 * KIB), 0);
	assert_content(r, 64 * KIB);
	data = numaperf_region_data(r);
	assert_int_equal(mprotect(data, 96 * KIB, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(numaperf_region_check(r), 0);
	numaperf_region_unref(r);
}

static void what_is_no_size(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;
	int err;

	(void)state;
	assert_int_equal(numaperf_region_create(&r, 64 * KIB, &opts), 0);
	assert_int_equal(numaperf_region_resize(r, 0), -EINVAL);
	assert_int_equal(numaperf_region_resize(r, SIZE_MAX), -EINVAL);
	err = numaperf_region_resize(r, (size_t)1 << 44);
#ifdef NP_TSAN /* it leaves no such address space */
	assert_true(err == -ENOMEM || err == -NUMAPERF_EHARDMODE);
#else
	assert_int_equal(err, -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
#endif
	assert_non_null(strstr(numaperf_last_error()->message, "region resizing"));
	assert_int_equal(numaperf_region_resize(r, 63 * KIB), 0);
	assert_int_equal(numaperf_region_size(r), 64 * KIB);
	assert_int_equal(numaperf_region_check(r), 0);
	numaperf_region_unref(r);
}

static void sweep(const struct numaperf_region_opts *opts, size_t to)
{
	int fds = fault_open_fds(), mappings = 0, held;
	struct fault_plan plan;
	unsigned int clean = 0;

	FAULT_SWEEP(plan, region_errors)
	{
		struct numaperf_region *r;
		void *data;
		int err;

		assert_int_equal(numaperf_region_create(&r, 64 * KIB, opts), 0);
		fill(r);
		data = numaperf_region_data(r);
		held = fault_mappings();
		fault_start(&plan);
		err = numaperf_region_resize(r, to);
		fault_stop();
		if (err) {
			assert_non_null(plan.failed);
			assert_true(numaperf_last_error()->message[0]);
			assert_int_equal(numaperf_region_size(r), 64 * KIB);
			assert_ptr_equal(numaperf_region_data(r), data);
			assert_content(r, 64 * KIB);
			/* what came back may be one mapping more or less than it was */
			assert_true(abs(fault_mappings() - held) <= 1);
		} else {
			assert_content(r, MIN(to, 64 * KIB));
			clean += !plan.failed;
		}
		if (opts->mode != NUMAPERF_SOFT)
			assert_int_equal(numaperf_region_check(r), 0);
		assert_int_equal(np_guarantee_count(), opts->mode != NUMAPERF_SOFT);
		assert_int_equal(fault_open_fds(), fds);
		numaperf_region_unref(r);
		if (!mappings)
			mappings = fault_mappings();
	}
	assert_int_equal(clean, ARRAY_SIZE(region_errors));
	assert_int_equal(fault_mappings(), mappings);
}

static void every_failure_is_undone(void **state)
{
	(void)state;
	for (int mode = NUMAPERF_SOFT; mode <= NUMAPERF_STRICT_UNWITNESSED; mode += 2)
		for (int kind = 0; kind < 3; kind++) {
			struct numaperf_region_opts opts = with((enum numaperf_mode)mode, kind);

			sweep(&opts, 32 * KIB);
			sweep(&opts, 96 * KIB);
			opts.size_max = 96 * KIB;
			opts.lock = true;
			sweep(&opts, 96 * KIB);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_shrinks),	   cmocka_unit_test(no_page_is_lost),
		cmocka_unit_test(several_mappings_move),   cmocka_unit_test(what_is_no_size),
		cmocka_unit_test(every_failure_is_undone),
	};

	return cmocka_run_group_tests_name("region_resize", tests, NULL, NULL);
}
