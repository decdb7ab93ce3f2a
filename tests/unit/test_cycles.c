// SPDX-License-Identifier: MIT
/* Made and unmade a million times: neither memory, descriptors nor mappings grow. */
#include "machine.h"
#include "regions.h"

#include <unistd.h>

#if defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define SANITIZED 1
# endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(NP_TSAN)
# define SANITIZED 1
#endif

/* Pages that may come on top: 2 MiB, not a page for each thousand of them. A sanitizer keeps
 * what was freed, up to 256 MiB of it. */
#ifdef SANITIZED
# define CYCLES 20000
# define SLACK	80000
#elif defined(__clang__) /* the same again by another compiler */
# define CYCLES 100000
# define SLACK	512
#else
# define CYCLES 1000000
# define SLACK	512
#endif

static size_t resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long all, resident;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
	fclose(f);
	return resident;
}

/* One region; every so often it is touched, strict, grown, or moved. */
static void region(unsigned int i)
{
	struct numaperf_region_opts opts =
		bind_opts(i % 64 ? NUMAPERF_SOFT : NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;

	opts.nodes = numaperf_nodemask_single(node);
	opts.thp = (enum numaperf_thp)(i / 16 % 3);
	opts.prefault = i % 16 ? NUMAPERF_PREFAULT_NONE : NUMAPERF_PREFAULT_PARALLEL;
	opts.name = i % 8 ? NULL : "cycle";
	assert_int_equal(numaperf_region_create(&r, 4096 + i % 3 * 60000, &opts), 0);
	if (i % 128 == 0)
		assert_int_equal(numaperf_region_resize(r, 200000), 0);
	if (i % 256 == 0)
		assert_int_equal(numaperf_region_migrate(r, NULL, NULL, NULL), 0);
	if (i % 512 == 0)
		assert_int_equal(numaperf_region_check(r), 0);
	numaperf_region_unref(r);
}

static void others(unsigned int i)
{
	struct numaperf_counter *counter;
	struct numaperf_pool *pool;
	struct numaperf_heap *heap;

	switch (i / 1000 % 3) {
	case 0:
		assert_int_equal(numaperf_pool_create(&pool, topo, node, 1 << 20, NULL), 0);
		assert_non_null(numaperf_pool_alloc(pool, 100));
		numaperf_pool_destroy(pool);
		break;
	case 1:
		assert_int_equal(numaperf_heap_create(&heap, topo, node, NULL), 0);
		numaperf_heap_free(heap, numaperf_heap_alloc(heap, 100));
		numaperf_heap_destroy(heap);
		break;
	default:
		assert_int_equal(numaperf_counter_create(&counter, topo), 0);
		numaperf_counter_add(counter, 1);
		numaperf_counter_destroy(counter);
	}
}

static void cycle(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++) {
		region(i);
		if (i % 1000 == 0)
			others(i);
	}
}

static void a_million_of_them(void **state)
{
	int mappings, fds;
	size_t resident;

	(void)state;
	cycle(0, CYCLES / 10);
	mappings = fault_mappings();
	fds = fault_open_fds();
	resident = resident_pages();
	cycle(CYCLES / 10, CYCLES);
	assert_int_equal(fault_open_fds(), fds);
	assert_true(fault_mappings() <= mappings + 8);
	assert_true(resident_pages() <= resident + SLACK);
	assert_int_equal(np_guarantee_count(), 0);
	print_message("%d cycles: %zu to %zu resident pages, %d descriptors\n", CYCLES,
		      resident, resident_pages(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_of_them),
	};

	return cmocka_run_group_tests_name("cycles", tests, discover, forget);
}
