// SPDX-License-Identifier: MIT
/* Pools on this machine; where they are on others is tests/vm/cases/memory.sh's. */
#include "../../lib/src/util.h"
#include "fault.h"
#include "machine.h"

#include <errno.h>
#include <numaperf/pool.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants these before it */
#include <cmocka.h>

static void pieces_are_aligned_zero_and_apart(void **state)
{
	static const size_t sizes[] = { 1, 0, 64, 65, 100, 4096, 7 };
	struct numaperf_pool *p;
	char *last = NULL;
	size_t used = 0;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 100000, NULL), 0);
	assert_int_equal(numaperf_pool_node(p), node);
	assert_int_equal(numaperf_pool_size(p), ROUND_UP(100000, np_page_size()));
	assert_int_equal(numaperf_pool_remaining(p), numaperf_pool_size(p));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *piece = numaperf_pool_alloc(p, sizes[i]);

		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % NUMAPERF_POOL_ALIGN, 0);
		assert_true(!last || piece > last);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(piece[k], 0);
		memset(piece, 0xee, sizes[i]);
		used += ROUND_UP(MAX(sizes[i], 1), NUMAPERF_POOL_ALIGN);
		assert_int_equal(numaperf_pool_used(p), used);
		assert_int_equal(numaperf_pool_remaining(p), numaperf_pool_size(p) - used);
		last = piece;
	}
	for (size_t align = 1; align <= np_page_size(); align *= 2) {
		char *piece = numaperf_pool_alloc_aligned(p, 10, align);

		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % align, 0);
		assert_true(piece > last);
		memset(piece, 0xee, 10);
		last = piece;
	}
	assert_null(numaperf_pool_alloc_aligned(p, 10, 48));
	assert_int_equal(numaperf_last_error()->code, -EINVAL);
	assert_null(numaperf_pool_alloc_aligned(p, 10, 2 * np_page_size()));
	assert_null(numaperf_pool_alloc_aligned(p, 10, 0));
	numaperf_pool_destroy(p);
	numaperf_pool_destroy(NULL);
}

static void all_of_it_and_no_more(void **state)
{
	struct numaperf_pool *p;
	size_t size;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1, NULL), 0);
	size = numaperf_pool_size(p);
	assert_null(numaperf_pool_alloc(p, size + 1));
	assert_int_equal(numaperf_last_error()->code, -ENOMEM);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
	assert_null(numaperf_pool_alloc(p, SIZE_MAX));
	assert_null(numaperf_pool_alloc(p, SIZE_MAX / 2));
	assert_null(numaperf_pool_alloc_aligned(p, SIZE_MAX - 200, 4096));
	/* what was too much has cost nothing */
	assert_non_null(numaperf_pool_alloc(p, size - 64));
	assert_int_equal(numaperf_pool_remaining(p), 64);
	assert_null(numaperf_pool_alloc(p, 65));
	assert_non_null(numaperf_pool_alloc(p, 64));
	assert_int_equal(numaperf_pool_remaining(p), 0);
	assert_null(numaperf_pool_alloc(p, 0));
	numaperf_pool_reset(p);
	assert_int_equal(numaperf_pool_remaining(p), size);
	assert_non_null(numaperf_pool_alloc(p, size));
	numaperf_pool_destroy(p);
}

/* A pool that is dealt out in chunks: one thread has all of it, in order, and counts right. */
static void chunks_lose_nothing_to_one_thread(void **state)
{
	size_t size = 1 << 20, taken = 0, k = 0;
	struct numaperf_pool *p;
	char *last = NULL;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, size, NULL), 0);
	for (int round = 0; round < 3; round++) {
		for (taken = 0; taken < size; k++) {
			size_t piece = MIN(64 * (k % 5 + 1), size - taken);
			char *at = numaperf_pool_alloc(p, piece - k % 64);

			assert_non_null(at);
			assert_true(!taken || at == last);
			last = at + piece;
			taken += piece;
			assert_int_equal(numaperf_pool_used(p), taken);
		}
		assert_null(numaperf_pool_alloc(p, 1));
		assert_null(numaperf_pool_alloc(p, 0));
		numaperf_pool_reset(p);
		assert_int_equal(numaperf_pool_used(p), 0);
	}
	numaperf_pool_destroy(p);
}

static void *take_one(void *arg)
{
	return numaperf_pool_alloc(arg, 64);
}

/* What a thread has left in its chunk is not lost with it. */
static void threads_that_end_leave_their_chunks(void **state)
{
	enum {
		COUNT = 1000
	};
	struct numaperf_pool *p;
	char *first = NULL;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1 << 20, NULL), 0);
	for (size_t i = 0; i < COUNT; i++) {
		pthread_t t;
		void *piece;

		assert_int_equal(pthread_create(&t, NULL, take_one, p), 0);
		pthread_join(t, &piece);
		assert_non_null(piece);
		first = first ? first : piece;
		assert_ptr_equal(piece, first + 64 * i);
	}
	assert_int_equal(numaperf_pool_used(p), 64 * COUNT);
	numaperf_pool_destroy(p);
}

enum {
	THREADS = 8,
	PIECE = 192
};

struct taker {
	struct numaperf_pool *pool;
	unsigned char mark;
	size_t got;
	unsigned char *piece[4096];
};

static void *take_all(void *arg)
{
	struct taker *t = arg;
	unsigned char *p;

	while (t->got < ARRAY_SIZE(t->piece) &&
	       (p = numaperf_pool_alloc(t->pool, t->got % 3 ? PIECE : PIECE - 50))) {
		memset(p, t->mark, PIECE - 50);
		t->piece[t->got++] = p;
	}
	return NULL;
}

/* To the last piece, all at once: none is given twice, and no more is lost than the end of each
 * chunk, less than an eighth, and what the threads lose that meet at the end. */
static void many_threads_share_it(void **state)
{
	static struct taker taker[THREADS];
	struct numaperf_pool *p;
	pthread_t t[THREADS];

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 2 << 20, NULL), 0);
	for (int round = 0; round < 20; round++) {
		size_t got = 0;

		for (int i = 0; i < THREADS; i++) {
			taker[i].pool = p;
			taker[i].mark = (unsigned char)(i + 1);
			taker[i].got = 0;
			assert_int_equal(pthread_create(&t[i], NULL, take_all, &taker[i]), 0);
		}
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		for (int i = 0; i < THREADS; i++) {
			got += taker[i].got;
			for (size_t k = 0; k < taker[i].got; k++)
				for (size_t b = 0; b < PIECE - 50; b++)
					assert_int_equal(taker[i].piece[k][b], taker[i].mark);
		}
		assert_true(got <= numaperf_pool_size(p) / PIECE);
		assert_true(got + 2 * THREADS >= numaperf_pool_size(p) / PIECE / 8 * 7);
		numaperf_pool_reset(p);
	}
	numaperf_pool_destroy(p);
}

static void a_strict_one_is_proved(void **state)
{
	struct numaperf_pool_opts opts = { .sz = sizeof(opts),
					   .mode = NUMAPERF_STRICT_UNWITNESSED };
	struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_pool *p;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1 << 20, &opts), 0);
	assert_int_equal(numaperf_region_check(numaperf_pool_region(p)), 0);
	assert_int_equal(numaperf_region_placement(numaperf_pool_region(p), &where), 0);
	assert_int_equal(where.pages_on_node[node], where.pages_total);
	assert_int_equal(where.enforcement, NUMAPERF_ENFORCEMENT_STRICT);
	numaperf_pool_destroy(p);
}

static void wrong_arguments(void **state)
{
	struct {
		struct numaperf_pool_opts opts;
		size_t tail;
	} newer = { .opts = { .sz = sizeof(newer) }, .tail = 1 };
	struct numaperf_pool *p = NULL;

	(void)state;
	assert_int_equal(numaperf_pool_create(&p, topo, 999, 4096, NULL), -ENOENT);
	assert_int_equal(numaperf_pool_create(&p, topo, -1, 4096, NULL), -ENOENT);
	assert_int_equal(numaperf_pool_create(&p, topo, node, 0, NULL), -EINVAL);
	assert_int_equal(numaperf_pool_create(NULL, topo, node, 1, NULL), -EINVAL);
	assert_int_equal(numaperf_pool_create(&p, NULL, node, 1, NULL), -EINVAL);
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1, &newer.opts), -E2BIG);
	newer.opts.sz = 0;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1, &newer.opts), -EINVAL);
	newer.opts.sz = sizeof(newer.opts);
	newer.opts.mode = (enum numaperf_mode)8;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1, &newer.opts), -EINVAL);
	newer.opts.mode = NUMAPERF_SOFT;
	newer.opts.reserved = 1;
	assert_int_equal(numaperf_pool_create(&p, topo, node, 1, &newer.opts), -EINVAL);
	assert_null(p);
}

static void every_failure_is_clean(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM };
	int mappings = fault_mappings(), fds = fault_open_fds(), clean = 0;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct numaperf_pool *p = NULL;
		int err;

		fault_start(&plan);
		err = numaperf_pool_create(&p, topo, node, 1 << 20, NULL);
		fault_stop();
		if (err)
			assert_null(p);
		else
			clean += !plan.failed;
		numaperf_pool_destroy(p);
		assert_int_equal(fault_mappings(), mappings);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_zero_and_apart),
		cmocka_unit_test(all_of_it_and_no_more),
		cmocka_unit_test(chunks_lose_nothing_to_one_thread),
		cmocka_unit_test(threads_that_end_leave_their_chunks),
		cmocka_unit_test(many_threads_share_it),
		cmocka_unit_test(a_strict_one_is_proved),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(every_failure_is_clean),
	};

	return cmocka_run_group_tests_name("pool", tests, discover, forget);
}
