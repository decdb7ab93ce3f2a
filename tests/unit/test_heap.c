// SPDX-License-Identifier: MIT
/* Heaps and object pools on this machine; where they are on others is
 * tests/vm/cases/memory.sh's. */
#include "../../lib/src/slot.h"
#include "../../lib/src/util.h"
#include "machine.h"
#include "regions.h"

#include <numaperf/heap.h>
#include <pthread.h>

#define UNIT	 ((size_t)65536)
#define MAX_SIZE ((size_t)256 << 10)

static int logged;

static void count_log(void *ctx, enum numaperf_log_level level, const char *text)
{
	(void)ctx, (void)level, (void)text;
	logged++;
}

static struct numaperf_heap *create(size_t size_max)
{
	struct numaperf_heap_opts opts = { .sz = sizeof(opts), .size_max = size_max };
	struct numaperf_heap *h;

	assert_int_equal(numaperf_heap_create(&h, topo, node, &opts), 0);
	return h;
}

static struct numaperf_heap_stats stats_of(struct numaperf_heap *h)
{
	struct numaperf_heap_stats stats = { .sz = sizeof(stats) };

	assert_int_equal(numaperf_heap_stats(h, &stats), 0);
	return stats;
}

/* What an object of `size` at `p` should look like; `mark` is its own. */
static void fill(unsigned char *p, size_t size, unsigned int mark)
{
	memset(p, (int)(mark * 31 + 7) & 255, size);
}

static bool is_filled(const unsigned char *p, size_t size, unsigned int mark)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != ((mark * 31 + 7) & 255))
			return false;
	return true;
}

/* ---- sizes ---- */

static void sizes_are_rounded_by_an_eighth(void **state)
{
	struct numaperf_heap *h = create(0);

	(void)state;
	for (size_t size = 0; size <= MAX_SIZE; size += 1 + size / 97) {
		void *p = numaperf_heap_alloc(h, size);
		size_t usable = numaperf_heap_usable_size(h, p);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(usable >= MAX(size, 1));
		assert_true(usable - size <= (size <= 128 ? 16 : size / 8 + 15));
		memset(p, 0xee, usable);
		numaperf_heap_free(h, p);
	}
	for (size_t size = MAX_SIZE + 1; size < 8 << 20; size = size * 3 / 2) {
		void *p = numaperf_heap_alloc(h, size);

		assert_non_null(p);
		assert_int_equal(numaperf_heap_usable_size(h, p), ROUND_UP(size, UNIT));
		memset(p, 0xee, size);
		numaperf_heap_free(h, p);
	}
	assert_int_equal(stats_of(h).in_use, 0);
	assert_int_equal(numaperf_heap_node(h), node);
	numaperf_heap_destroy(h);
	numaperf_heap_destroy(NULL);
}

static void alignment(void **state)
{
	struct numaperf_heap *h = create(0);

	(void)state;
	for (size_t align = 1; align <= UNIT; align *= 2)
		for (size_t size = 1; size < 400000; size = size * 5 / 3 + 1) {
			void *a = numaperf_heap_alloc_aligned(h, size, align);
			void *b = numaperf_heap_alloc_aligned(h, size, align);

			assert_int_equal((uintptr_t)a % align, 0);
			assert_int_equal((uintptr_t)b % align, 0);
			assert_true(numaperf_heap_usable_size(h, a) >= size);
			fill(a, size, 1);
			fill(b, size, 2);
			assert_true(is_filled(a, size, 1));
			numaperf_heap_free(h, a);
			assert_true(is_filled(b, size, 2));
			numaperf_heap_free(h, b);
		}
	assert_null(numaperf_heap_alloc_aligned(h, 1, 0));
	assert_null(numaperf_heap_alloc_aligned(h, 1, 48));
	assert_null(numaperf_heap_alloc_aligned(h, 1, 2 * UNIT));
	assert_int_equal(numaperf_last_error()->code, -EINVAL);
	assert_int_equal(stats_of(h).in_use, 0);
	assert_int_equal(stats_of(h).bad_frees, 0);
	numaperf_heap_destroy(h);
}

static void moved_objects_keep_their_bytes(void **state)
{
	struct numaperf_heap *h = create(0);
	unsigned char *p = NULL;
	size_t last = 0;

	(void)state;
	for (size_t size = 1; size < 3 << 20; last = size, size = size * 7 / 4 + 1) {
		p = numaperf_heap_realloc(h, p, size);
		assert_non_null(p);
		assert_true(is_filled(p, last, 5));
		fill(p, size, 5);
	}
	for (size_t size = last; size > 10; size = size * 2 / 3) {
		p = numaperf_heap_realloc(h, p, size);
		assert_non_null(p);
		assert_true(is_filled(p, size, 5));
		/* not more than a half is kept for nothing */
		assert_true(numaperf_heap_usable_size(h, p) <= MAX(2 * size + 1, UNIT * 2));
	}
	/* what cannot be had leaves it as it was */
	assert_null(numaperf_heap_realloc(h, p, SIZE_MAX / 2));
	assert_true(is_filled(p, 10, 5));
	assert_null(numaperf_heap_realloc(h, p + 1, 100));
	assert_int_equal(numaperf_last_error()->code, -EINVAL);
	numaperf_heap_free(h, p);
	assert_int_equal(stats_of(h).in_use, 0);
	numaperf_heap_destroy(h);
}

/* ---- all of it ---- */

/* As many of `size` as there is room for, in a list; NULL ends it. */
static size_t take_all(struct numaperf_heap *h, size_t size, void ***list)
{
	size_t n = 0;
	void **p;

	*list = NULL;
	while ((p = numaperf_heap_alloc(h, size))) {
		*p = *list;
		*list = p;
		n++;
	}
	assert_int_equal(numaperf_last_error()->code, -ENOMEM);
	return n;
}

static void give_all(struct numaperf_heap *h, void **list)
{
	while (list) {
		void **next = *list;

		numaperf_heap_free(h, list);
		list = next;
	}
}

/* A heap that was full of one size can be full of any other, again and again. */
static void nothing_is_lost_between_sizes(void **state)
{
	static const size_t sizes[] = { 16, 100, 4096, 300000, 8192, 30000, 64, 262144 };
	size_t room = 8 << 20;
	struct numaperf_heap *h = create(room);
	void **list;

	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t n = take_all(h, sizes[i], &list), usable;

			usable = numaperf_heap_usable_size(h, list);
			/* but a span that each other class keeps, ends of spans, and caches */
			assert_true(n * usable <= room);
			assert_true(n * usable >= room / 8 * 7 - 2 * (1 << 20));
			assert_int_equal(stats_of(h).in_use, n * usable);
			give_all(h, list);
			assert_int_equal(stats_of(h).in_use, 0);
			/* what a program may do in between */
			if (round == 1)
				numaperf_heap_trim(h);
		}
	assert_true(stats_of(h).refused >= 3 * ARRAY_SIZE(sizes));
	assert_non_null(strstr(numaperf_last_error()->message, "size_max"));
	numaperf_heap_destroy(h);
}

static size_t resident(const void *addr, size_t size)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };

	assert_int_equal(numaperf_placement_query(addr, size, &where), 0);
	return (where.pages_total - where.pages_absent) * where.page_size;
}

static void what_is_free_goes_back(void **state)
{
	struct numaperf_heap *h = create(64 << 20);
	struct numaperf_region *r = numaperf_heap_region(h);
	size_t before = stats_of(h).size, full;
	void **list, *kept;

	(void)state;
	take_all(h, 65536, &list);
	kept = numaperf_heap_alloc(h, 100);
	assert_null(kept);
	full = stats_of(h).size;
	assert_true(full > 60 << 20);
	give_all(h, list);
	assert_true(numaperf_heap_trim(h) > 50 << 20);
	assert_true(stats_of(h).size < before);
	assert_true(resident(numaperf_region_data(r), numaperf_region_size(r)) <= 1 << 20);
	/* and can be had again */
	assert_true(take_all(h, 65536, &list) * 65536 > 60 << 20);
	give_all(h, list);
	numaperf_heap_destroy(h);
}

/* ---- mistakes ---- */

static void wrong_frees_are_left_alone(void **state)
{
	struct numaperf_heap *h = create(0), *other = create(0);
	char *small = numaperf_heap_alloc(h, 100), *large = numaperf_heap_alloc(h, 1 << 20);
	char *theirs = numaperf_heap_alloc(other, 100);
	void *wrong[] = { small + 1, small + 16, large + 16, large + UNIT, (char *)&h, theirs,
			  (void *)1, (char *)0 - 4096, small + (32 << 20),
			  /* where the last of its span will be */
			  (char *)((uintptr_t)small & ~(UNIT - 1)) + 112 * 584 };
	size_t in_use = stats_of(h).in_use;

	(void)state;
	logged = 0;
	numaperf_set_log(count_log, NULL, NUMAPERF_LOG_WARNING);
	numaperf_heap_free(h, NULL);
	assert_int_equal(logged, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		numaperf_heap_free(h, wrong[i]);
		assert_int_equal(logged, i + 1);
		assert_int_equal(stats_of(h).bad_frees, i + 1);
		assert_int_equal(numaperf_heap_usable_size(h, wrong[i]), 0);
	}
	assert_int_equal(stats_of(h).in_use, in_use);
	/* twice: while it is in the cache, and when it has gone back */
	numaperf_heap_free(h, small);
	numaperf_heap_free(h, small);
	assert_int_equal(stats_of(h).bad_frees, ARRAY_SIZE(wrong) + 1);
	numaperf_heap_free(h, large);
	numaperf_heap_free(h, large);
	assert_int_equal(stats_of(h).bad_frees, ARRAY_SIZE(wrong) + 2);
	numaperf_set_log(NULL, NULL, NUMAPERF_LOG_WARNING);
	assert_int_equal(stats_of(h).in_use, 0);
	numaperf_heap_destroy(h);
	numaperf_heap_destroy(other);
}

static void wrong_arguments(void **state)
{
	struct numaperf_heap_opts opts = { .sz = sizeof(opts), .reserved = 1 };
	struct numaperf_heap_stats stats = { .sz = 0 };
	struct numaperf_object_pool *p = NULL;
	struct numaperf_heap *h = NULL;

	(void)state;
	assert_int_equal(numaperf_heap_create(&h, topo, 999, NULL), -ENOENT);
	assert_int_equal(numaperf_heap_create(&h, topo, -1, NULL), -ENOENT);
	assert_int_equal(numaperf_heap_create(NULL, topo, node, NULL), -EINVAL);
	assert_int_equal(numaperf_heap_create(&h, NULL, node, NULL), -EINVAL);
	assert_int_equal(numaperf_heap_create(&h, topo, node, &opts), -EINVAL);
	opts.reserved = 0;
	opts.mode = (enum numaperf_mode)9;
	assert_int_equal(numaperf_heap_create(&h, topo, node, &opts), -EINVAL);
	opts.mode = NUMAPERF_SOFT;
	opts.sz = 0;
	assert_int_equal(numaperf_heap_create(&h, topo, node, &opts), -EINVAL);
	assert_null(h);
	assert_int_equal(numaperf_object_pool_create(&p, topo, node, 0, 0, NULL), -EINVAL);
	assert_int_equal(numaperf_object_pool_create(&p, topo, node, 16, 24, NULL), -EINVAL);
	assert_int_equal(numaperf_object_pool_create(&p, topo, node, 16, 2 * UNIT, NULL),
			 -EINVAL);
	assert_int_equal(numaperf_object_pool_create(&p, topo, node, MAX_SIZE + 1, 0, NULL),
			 -EINVAL);
	assert_null(p);
	h = create(0);
	assert_int_equal(numaperf_heap_stats(h, &stats), -EINVAL);
	numaperf_heap_destroy(h);
}

/* ---- objects of one size ---- */

static void objects_of_one_size(void **state)
{
	static const struct {
		size_t size, align, rounded;
	} all[] = {
		{ 1, 0, 16 },	     { 24, 0, 32 },	   { 24, 8, 32 },
		{ 48, 64, 64 },	     { 100, 128, 128 },	   { 1000, 0, 1008 },
		{ 65536, 0, 65536 }, { 8192, 4096, 8192 }, { 262144, 65536, 262144 },
		{ 50000, 0, 50000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct numaperf_heap_opts opts = { .sz = sizeof(opts), .size_max = 4 << 20 };
		struct numaperf_heap_stats stats = { .sz = sizeof(stats) };
		struct numaperf_object_pool *p;
		void **list = NULL, **object;
		size_t n = 0;

		assert_int_equal(numaperf_object_pool_create(&p, topo, node, all[i].size,
							     all[i].align, &opts),
				 0);
		while ((object = numaperf_object_pool_alloc(p))) {
			assert_int_equal((uintptr_t)object % MAX(all[i].align, 16), 0);
			*object = list;
			list = object;
			n++;
		}
		/* no more is lost than a span's end */
		assert_true(n * all[i].rounded <= 4 << 20);
		assert_true(n * all[i].rounded >= (4 << 20) / 8 * 7);
		assert_int_equal(numaperf_object_pool_stats(p, &stats), 0);
		assert_int_equal(stats.in_use, n * all[i].rounded);
		while (list) {
			object = *list;
			numaperf_object_pool_free(p, list);
			list = object;
		}
		assert_int_equal(numaperf_object_pool_stats(p, &stats), 0);
		assert_int_equal(stats.in_use, 0);
		assert_int_equal(stats.bad_frees, 0);
		assert_true(numaperf_object_pool_trim(p) > 0);
		assert_int_equal(numaperf_object_pool_node(p), node);
		assert_non_null(numaperf_object_pool_region(p));
		numaperf_object_pool_destroy(p);
	}
	numaperf_object_pool_destroy(NULL);
}

/* ---- threads ---- */

enum {
	THREADS = 6,
	PLACES = 512,
	STEPS = 60000,
};

/* Where threads leave objects for each other: the first word is the size, the rest its mark. */
static void *place[PLACES];
static struct numaperf_heap *shared;
static int damaged;

static size_t random_size(unsigned int *seed)
{
	unsigned int r = *seed = *seed * 1103515245 + 12345;

	r >>= 8;
	return r % 100 ? 16 + r % (16 << r % 9) : 16 + r % 400000;
}

static void check_and_free(size_t *p)
{
	if (!p)
		return;
	if (!is_filled((unsigned char *)(p + 1), MIN(p[0] - sizeof(*p), 256),
		       (unsigned int)p[0]))
		__atomic_store_n(&damaged, 1, __ATOMIC_RELAXED);
	numaperf_heap_free(shared, p);
}

static void *exchange(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < STEPS; i++) {
		size_t size = random_size(&seed), *p = numaperf_heap_alloc(shared, size);

		if (p) {
			p[0] = size;
			fill((unsigned char *)(p + 1), MIN(size - sizeof(*p), 256),
			     (unsigned int)size);
		}
		check_and_free(
			__atomic_exchange_n(&place[(seed >> 5) % PLACES], p, __ATOMIC_ACQ_REL));
	}
	return NULL;
}

/* Each frees what others allocated. */
static void threads_free_for_each_other(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	shared = create(64 << 20);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&t[i], NULL, exchange,
							(void *)(uintptr_t)(i + 1 + round)),
					 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		for (int i = 0; i < PLACES; i++) {
			check_and_free(place[i]);
			place[i] = NULL;
		}
		assert_false(damaged);
		assert_int_equal(stats_of(shared).in_use, 0);
		assert_int_equal(stats_of(shared).bad_frees, 0);
	}
	/* six threads' caches at most, and no more than a batch and a half of each size */
	assert_true(stats_of(shared).cached < (size_t)THREADS * 96 * 2 * 32768);
	numaperf_heap_destroy(shared);
}

/* One produces, another consumes: what comes back is used again. */
static void *consume(void *arg)
{
	void **slot = arg, *p;

	for (int n = 0; n < 200000;) {
		p = __atomic_exchange_n(slot, NULL, __ATOMIC_ACQUIRE);
		if (p && ++n)
			numaperf_heap_free(shared, p);
		else
			sched_yield();
	}
	return NULL;
}

static void what_others_free_is_used_again(void **state)
{
	void *slot = NULL;
	pthread_t t;

	(void)state;
	shared = create(1 << 20);
	assert_int_equal(pthread_create(&t, NULL, consume, &slot), 0);
	for (int n = 0; n < 200000; n++) {
		void *p = numaperf_heap_alloc(shared, 1000);

		assert_non_null(p);
		while (__atomic_load_n(&slot, __ATOMIC_ACQUIRE))
			sched_yield();
		__atomic_store_n(&slot, p, __ATOMIC_RELEASE);
	}
	pthread_join(t, NULL);
	assert_int_equal(stats_of(shared).in_use, 0);
	assert_int_equal(stats_of(shared).refused, 0);
	numaperf_heap_destroy(shared);
}

static pthread_barrier_t together;

static void *hold_a_number(void *arg)
{
	void *p = numaperf_heap_alloc(arg, 64), *q;

	assert_non_null(p);
	pthread_barrier_wait(&together);
	q = numaperf_heap_alloc(arg, 64);
	assert_non_null(q);
	assert_ptr_not_equal(p, q);
	numaperf_heap_free(arg, p);
	numaperf_heap_free(arg, q);
	pthread_barrier_wait(&together);
	return NULL;
}

/* More threads than have numbers of their own. */
static void threads_without_a_number(void **state)
{
	enum {
		MANY = NP_SLOTS + 30
	};
	static pthread_t t[MANY];
	struct numaperf_heap *h = create(16 << 20);
	pthread_attr_t attr;

	(void)state;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_barrier_init(&together, NULL, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(pthread_create(&t[i], &attr, hold_a_number, h), 0);
	for (int i = 0; i < MANY; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&together);
	pthread_attr_destroy(&attr);
	assert_int_equal(stats_of(h).in_use, 0);
	assert_int_equal(stats_of(h).bad_frees, 0);
	numaperf_heap_destroy(h);
}

/* ---- where it is ---- */

static void strict_ones_are_proved_as_they_grow(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_heap_opts opts = { .sz = sizeof(opts),
					   .mode = NUMAPERF_STRICT_UNWITNESSED,
					   .size_max = 16 << 20,
					   .grow_bytes = 1 << 20,
					   .name = "numaperf heap" };
	struct numaperf_heap *h;
	void **list;

	(void)state;
	assert_int_equal(numaperf_heap_create(&h, topo, node, &opts), 0);
	assert_true(take_all(h, 1000, &list) > 15000);
	assert_true(stats_of(h).grown >= 15);
	assert_int_equal(numaperf_region_check(numaperf_heap_region(h)), 0);
	assert_int_equal(numaperf_region_placement(numaperf_heap_region(h), &where), 0);
	assert_int_equal(where.pages_on_node[node], where.pages_total);
	assert_true(where.pages_total * where.page_size >= 16 << 20);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_STRICT);
	/* nothing of it leaves, but from the end */
	give_all(h, list);
	numaperf_heap_trim(h);
	assert_int_equal(numaperf_region_check(numaperf_heap_region(h)), 0);
	numaperf_heap_destroy(h);
	assert_int_equal(np_guarantee_count(), 0);
}

static void every_failure_is_clean(void **state)
{
	int mappings = fault_mappings(), fds = fault_open_fds(), clean = 0;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, region_errors)
	{
		struct numaperf_heap_opts opts = { .sz = sizeof(opts),
						   .mode = NUMAPERF_STRICT_UNWITNESSED,
						   .size = UNIT,
						   .grow_bytes = UNIT,
						   .size_max = 1 << 20 };
		struct numaperf_heap *h = NULL;
		void *p = NULL, *q = NULL;
		int err;

		fault_start(&plan);
		err = numaperf_heap_create(&h, topo, node, &opts);
		if (!err) {
			p = numaperf_heap_alloc(h, 100);
			q = numaperf_heap_alloc(h, 200000); /* for which it must grow */
		}
		fault_stop();
		if (err) {
			assert_null(h);
			assert_true(plan.failed);
		} else {
			clean += !plan.failed;
			assert_non_null(p);
			if (!q)
				assert_true(numaperf_last_error()->code < 0);
			/* after a failure as before it */
			numaperf_heap_free(h, q);
			q = numaperf_heap_alloc(h, 200000);
			assert_non_null(q);
			memset(q, 1, 200000);
			numaperf_heap_free(h, q);
			numaperf_heap_free(h, p);
			assert_int_equal(stats_of(h).in_use, 0);
			assert_int_equal(numaperf_region_check(numaperf_heap_region(h)), 0);
		}
		numaperf_heap_destroy(h);
		assert_true(fault_mappings() <= mappings + 8); /* of ASan, some */
		assert_int_equal(fault_open_fds(), fds);
		assert_int_equal(np_guarantee_count(), 0);
	}
	assert_int_equal(clean, ARRAY_SIZE(region_errors));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_rounded_by_an_eighth),
		cmocka_unit_test(alignment),
		cmocka_unit_test(moved_objects_keep_their_bytes),
		cmocka_unit_test(nothing_is_lost_between_sizes),
		cmocka_unit_test(what_is_free_goes_back),
		cmocka_unit_test(wrong_frees_are_left_alone),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(objects_of_one_size),
		cmocka_unit_test(threads_free_for_each_other),
		cmocka_unit_test(what_others_free_is_used_again),
		cmocka_unit_test(threads_without_a_number),
		cmocka_unit_test(strict_ones_are_proved_as_they_grow),
		cmocka_unit_test(every_failure_is_clean),
	};

	return cmocka_run_group_tests_name("heap", tests, discover, forget);
}
