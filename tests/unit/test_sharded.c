// SPDX-License-Identifier: MIT
/* Shards and counters on this machine; where they are on others is tests/vm/cases/memory.sh's.
 */
#include "../../lib/src/util.h"
#include "fault.h"

#include <errno.h>
#include <numaperf/sharded.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants these before it */
#include <cmocka.h>

static struct numaperf_topology *topo;

static int discover(void **state)
{
	(void)state;
	return numaperf_topology_discover(&topo);
}

static int forget(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	return 0;
}

/* ---- shards ---- */

struct seen {
	int inits, finis, fail_at, last;
};

static int init(void *ctx, int node, void *shard)
{
	struct seen *s = ctx;

	assert_int_equal(((char *)shard)[0], 0);
	((char *)shard)[0] = 1;
	s->last = node;
	return s->inits++ == s->fail_at ? -EDOM : 0;
}

static void fini(void *ctx, int node, void *shard)
{
	struct seen *s = ctx;

	(void)node;
	assert_int_equal(((char *)shard)[0], 1);
	s->finis++;
}

static void a_shard_a_node(void **state)
{
	struct seen seen = { .fail_at = -1 };
	struct numaperf_sharded_opts opts = {
		.sz = sizeof(opts), .init = init, .fini = fini, .ctx = &seen
	};
	struct numaperf_nodemask nodes;
	struct numaperf_sharded *s;
	unsigned int n;
	int node = -1;
	bool found = false;

	(void)state;
	numaperf_topology_cpu_nodes(topo, &nodes);
	n = numaperf_nodemask_count(&nodes);
	assert_int_equal(numaperf_sharded_create(&s, topo, 5000, &opts), 0);
	assert_int_equal(numaperf_sharded_count(s), n);
	assert_int_equal(seen.inits, n);
	for (unsigned int i = 0; i < n; i++) {
		void *shard = numaperf_sharded_at(s, i, &node);

		assert_true(numaperf_nodemask_test(&nodes, node));
		assert_ptr_equal(shard, numaperf_sharded_node(s, node));
		assert_int_equal((uintptr_t)shard % np_page_size(), 0);
		memset((char *)shard + 1, 0xff, 4999);
		found |= shard == numaperf_sharded_local(s);
	}
	assert_true(found);
	assert_null(numaperf_sharded_at(s, n, &node));
	assert_null(numaperf_sharded_node(s, -1));
	numaperf_sharded_destroy(s);
	assert_int_equal(seen.finis, n);
	numaperf_sharded_destroy(NULL);
}

static void an_init_that_fails(void **state)
{
	struct seen seen = { .fail_at = 0 };
	struct numaperf_sharded_opts opts = {
		.sz = sizeof(opts), .init = init, .fini = fini, .ctx = &seen
	};
	struct numaperf_sharded *s = NULL;
	int mappings = fault_mappings();

	(void)state;
	assert_int_equal(numaperf_sharded_create(&s, topo, 100, &opts), -EDOM);
	assert_null(s);
	assert_int_equal(seen.finis, 0);
	assert_int_equal(fault_mappings(), mappings);
}

static void wrong_arguments(void **state)
{
	struct {
		struct numaperf_sharded_opts opts;
		size_t tail;
	} newer = { .opts = { .sz = sizeof(newer) }, .tail = 1 };
	struct numaperf_sharded *s = NULL;

	(void)state;
	assert_int_equal(numaperf_sharded_create(&s, topo, 0, NULL), -EINVAL);
	assert_int_equal(numaperf_sharded_create(NULL, topo, 1, NULL), -EINVAL);
	assert_int_equal(numaperf_sharded_create(&s, NULL, 1, NULL), -EINVAL);
	assert_int_equal(numaperf_sharded_create(&s, topo, 1, &newer.opts), -E2BIG);
	newer.opts.sz = sizeof(newer.opts);
	newer.opts.mode = (enum numaperf_mode)7;
	assert_int_equal(numaperf_sharded_create(&s, topo, 1, &newer.opts), -EINVAL);
	newer.opts.sz = 0;
	assert_int_equal(numaperf_sharded_create(&s, topo, 1, &newer.opts), -EINVAL);
	assert_null(s);
}

static void every_failure_is_clean(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM };
	int mappings = fault_mappings(), fds = fault_open_fds(), clean = 0;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct numaperf_counter *c = NULL;
		int err;

		fault_start(&plan);
		err = numaperf_counter_create(&c, topo);
		fault_stop();
		if (err)
			assert_null(c);
		else
			clean += !plan.failed;
		numaperf_counter_destroy(c);
		assert_int_equal(fault_mappings(), mappings);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

/* ---- counters ---- */

enum {
	ADDS = 20000
};

static void add_once(struct numaperf_counter *counter)
{
	for (int i = 0; i < ADDS; i++)
		numaperf_counter_add(counter, i % 3 == 0 ? -1 : 2);
}

struct adder {
	struct numaperf_counter *counter;
	unsigned int *ready, *go;
	int repeat;
};

static void *add(void *arg)
{
	struct adder *a = arg;

	if (a->ready) {
		/* the number is taken while all live */
		numaperf_counter_add(a->counter, 0);
		__atomic_fetch_add(a->ready, 1, __ATOMIC_RELAXED);
		while (!__atomic_load_n(a->go, __ATOMIC_RELAXED))
			sched_yield();
	}
	for (int r = 0; r < a->repeat; r++)
		add_once(a->counter);
	return NULL;
}

struct racer {
	struct numaperf_counter *counter;
	unsigned int *ready;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	__atomic_fetch_add(r->ready, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(r->ready, __ATOMIC_RELAXED) < 2) {
	}
	add_once(r->counter);
	return NULL;
}

static int64_t of_one(void)
{
	int64_t sum = 0;

	for (int i = 0; i < ADDS; i++)
		sum += i % 3 == 0 ? -1 : 2;
	return sum;
}

static void sums_are_exact(void **state)
{
	enum {
		AT_ONCE = 8,
		ROUNDS = 40
	};
	struct numaperf_counter *c;
	struct numaperf_nodemask nodes;
	int64_t by_node = 0;

	(void)state;
	assert_int_equal(numaperf_counter_create(&c, topo), 0);
	assert_int_equal(numaperf_counter_sum(c), 0);
	/* numbers come back, and the slots go on from what they hold */
	for (int r = 0; r < ROUNDS; r++) {
		struct adder a = { .counter = c, .repeat = 1 };
		pthread_t t[AT_ONCE];

		for (int i = 0; i < AT_ONCE; i++)
			assert_int_equal(pthread_create(&t[i], NULL, add, &a), 0);
		for (int i = 0; i < AT_ONCE; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(numaperf_counter_sum(c), (r + 1) * AT_ONCE * of_one());
	}
	numaperf_topology_online_nodes(topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes)
		by_node += numaperf_counter_node_sum(c, node);
	assert_int_equal(by_node, numaperf_counter_sum(c));
	assert_int_equal(numaperf_counter_node_sum(c, 777), 0);
	numaperf_counter_destroy(c);
	numaperf_counter_destroy(NULL);
}

/* Two threads take their first numbers at the same moment, and then add side by side: with the
 * same number they would lose some. */
static void a_number_is_given_once(void **state)
{
	enum {
		ROUNDS = 300
	};
	struct numaperf_counter *c;

	(void)state;
	assert_int_equal(numaperf_counter_create(&c, topo), 0);
	for (int r = 0; r < ROUNDS; r++) {
		unsigned int ready = 0;
		struct racer a = { .counter = c, .ready = &ready };
		pthread_t t[2];

		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&t[i], NULL, race, &a), 0);
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(numaperf_counter_sum(c), (r + 1) * 2 * of_one());
	}
	numaperf_counter_destroy(c);
}

/* All numbers are taken, and stay so; then others add, side by side and for long. */
static void more_threads_than_numbers(void **state)
{
	enum {
		HOLDERS = 512,
		SHARERS = 8,
		REPEAT = 50
	};
	struct numaperf_counter *c;
	pthread_attr_t small;
	pthread_t t[HOLDERS + SHARERS];
	unsigned int ready = 0, go = 0;
	struct adder holder = { .ready = &ready, .go = &go, .repeat = 1 };
	struct adder sharer = { .repeat = REPEAT };

	(void)state;
	assert_int_equal(numaperf_counter_create(&c, topo), 0);
	holder.counter = sharer.counter = c;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 << 10);
	for (int i = 0; i < HOLDERS; i++)
		assert_int_equal(pthread_create(&t[i], &small, add, &holder), 0);
	while (__atomic_load_n(&ready, __ATOMIC_RELAXED) < HOLDERS)
		sched_yield();
	for (int i = 0; i < SHARERS; i++)
		assert_int_equal(pthread_create(&t[HOLDERS + i], &small, add, &sharer), 0);
	for (int i = 0; i < SHARERS; i++)
		pthread_join(t[HOLDERS + i], NULL);
	__atomic_store_n(&go, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < HOLDERS; i++)
		pthread_join(t[i], NULL);
	pthread_attr_destroy(&small);
	assert_int_equal(numaperf_counter_sum(c), (HOLDERS + SHARERS * REPEAT) * of_one());
	numaperf_counter_destroy(c);
}

static void it_wraps(void **state)
{
	struct numaperf_counter *c;

	(void)state;
	assert_int_equal(numaperf_counter_create(&c, topo), 0);
	numaperf_counter_add(c, INT64_MAX);
	numaperf_counter_add(c, 1);
	assert_int_equal(numaperf_counter_sum(c), INT64_MIN);
	numaperf_counter_destroy(c);
}

static void what_is_padded_stands_apart(void **state)
{
	struct NUMAPERF_PADDED one {
		int n;
	} many[2];

	(void)state;
	assert_int_equal((char *)&many[1] - (char *)&many[0], NUMAPERF_CACHE_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shard_a_node),
		cmocka_unit_test(an_init_that_fails),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(every_failure_is_clean),
		cmocka_unit_test(sums_are_exact),
		cmocka_unit_test(a_number_is_given_once),
		cmocka_unit_test(more_threads_than_numbers),
		cmocka_unit_test(it_wraps),
		cmocka_unit_test(what_is_padded_stands_apart),
	};

	return cmocka_run_group_tests_name("sharded", tests, discover, forget);
}
