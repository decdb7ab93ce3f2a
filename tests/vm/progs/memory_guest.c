// SPDX-License-Identifier: MIT
/*
 * Pools, heaps, shards and counters on a machine with several nodes, as TAP. Where a page is
 * says move_pages(2), asked here and not through the library; where a thread runs says
 * getcpu().
 */
#include "pages.h"

#include <pthread.h>

enum {
	MIB = 1 << 20,
	ADDS = 1000,
	OBJECTS = 4000,
};

static void pools(enum numaperf_mode mode)
{
	struct numaperf_pool_opts opts = { .sz = sizeof(opts), .mode = mode };
	struct numaperf_nodemask nodes;

	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_pool *p;
		char *first_piece;
		int pieces = 1;

		must(numaperf_pool_create(&p, topo, node, 4 * MIB, &opts));
		first_piece = numaperf_pool_alloc(p, 4096);
		memset(first_piece, 1, 4096);
		for (char *piece; (piece = numaperf_pool_alloc(p, 4096)); pieces++)
			memset(piece, 1, 4096);
		ok(pieces == 4 * MIB / 4096 && all_on(first_piece, 4 * MIB, node),
		   mode == NUMAPERF_SOFT ? "a pool on node %d: every page is there"
					 : "a strict pool on node %d: every page is there",
		   node);
		numaperf_pool_destroy(p);
	}
	numaperf_topology_online_nodes(topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct numaperf_node_info info = { .sz = sizeof(info) };
		struct numaperf_pool *p;

		must(numaperf_topology_node_info(topo, node, &info));
		if (!info.has_memory)
			ok(numaperf_pool_create(&p, topo, node, MIB, &opts) == -EINVAL,
			   "no pool on node %d, which has no memory", node);
	}
}

/* ---- on each node, by a thread that is put there ---- */

struct visit {
	const struct numaperf_sharded *sharded;
	struct numaperf_counter *counter;
	int node, cpu, was;
	void *local;
};

static void *go(void *arg)
{
	struct visit *v = arg;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(v->cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return NULL;
	v->was = node_here();
	if (v->sharded)
		v->local = numaperf_sharded_local(v->sharded);
	for (int i = 0; v->counter && i < ADDS; i++)
		numaperf_counter_add(v->counter, v->node + 1);
	return NULL;
}

static struct visit visit(int node, const struct numaperf_sharded *sharded,
			  struct numaperf_counter *counter)
{
	struct visit v = { .sharded = sharded, .counter = counter, .node = node, .was = -1 };
	struct numaperf_cpuset cpus;
	pthread_t t;

	must(numaperf_topology_node_cpus(topo, node, &cpus));
	v.cpu = numaperf_cpuset_last(&cpus);
	if (pthread_create(&t, NULL, go, &v) || pthread_join(t, NULL))
		exit(1);
	return v;
}

static int fill(void *ctx, int node, void *shard)
{
	(void)ctx;
	(void)node;
	memset(shard, 7, 3 * 4096);
	return 0;
}

static void shards(enum numaperf_mode mode)
{
	struct numaperf_sharded_opts opts = { .sz = sizeof(opts), .mode = mode, .init = fill };
	struct numaperf_nodemask nodes;
	struct numaperf_sharded *s;

	numaperf_topology_cpu_nodes(topo, &nodes);
	must(numaperf_sharded_create(&s, topo, 3 * 4096, &opts));
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct visit v = visit(node, s, NULL);
		void *shard = numaperf_sharded_node(s, node);

		ok(v.was == node && v.local == shard, "node %d has its own shard", node);
		if (numaperf_nodemask_test(&memory_nodes, node))
			ok(all_on(shard, 3 * 4096, node), "and it is in node %d's memory",
			   node);
		else
			ok(((char *)shard)[4096] == 7,
			   "node %d without memory has it elsewhere", node);
	}
	numaperf_sharded_destroy(s);
}

static void counters(void)
{
	struct numaperf_counter *c;
	struct numaperf_nodemask nodes;
	int64_t sum = 0;

	numaperf_topology_cpu_nodes(topo, &nodes);
	must(numaperf_counter_create(&c, topo));
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct visit v = visit(node, NULL, c);

		sum += (int64_t)(node + 1) * ADDS;
		ok(v.was == node &&
			   numaperf_counter_node_sum(c, node) == (int64_t)(node + 1) * ADDS,
		   "what was added on node %d is counted there", node);
	}
	ok(numaperf_counter_sum(c) == sum, "and the sum of all is right");
	numaperf_counter_destroy(c);
}

/* ---- heaps ---- */

static void *objects[OBJECTS];

/* On every node by a thread of another: what one allocates, the next one frees. */
static void *free_all(void *arg)
{
	for (int i = 0; i < OBJECTS; i++)
		numaperf_heap_free(arg, objects[i]);
	return NULL;
}

static void heaps(enum numaperf_mode mode)
{
	const char *kind = mode == NUMAPERF_SOFT ? "a heap" : "a strict heap";

	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		struct numaperf_heap_opts o = { .sz = sizeof(o), .mode = mode };
		struct numaperf_heap_stats stats = { .sz = sizeof(stats) };
		struct numaperf_object_pool *pool;
		struct numaperf_heap *h;
		bool here = true;
		pthread_t t;

		o.size_max = 16 * MIB;
		o.grow_bytes = MIB;
		must(numaperf_heap_create(&h, topo, node, &o));
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < OBJECTS; i++) {
				size_t size = 1 + (size_t)i * 7 % 3000;

				objects[i] = numaperf_heap_alloc(h, size);
				if (!objects[i])
					must(-1);
				memset(objects[i], 1, size);
				here = here && (i % 16 || all_on(objects[i], 1, node));
			}
			if (pthread_create(&t, NULL, free_all, h) || pthread_join(t, NULL))
				exit(1);
		}
		must(numaperf_heap_stats(h, &stats));
		ok(here && stats.grown > 2 && !stats.in_use && !stats.refused,
		   "%s on node %d: grown, used, freed by others: every object is there", kind,
		   node);
		if (mode != NUMAPERF_SOFT)
			ok(region_all_on(numaperf_heap_region(h), node) &&
				   numaperf_region_check(numaperf_heap_region(h)) == 0,
			   "%s on node %d: every page of it", kind, node);
		numaperf_heap_destroy(h);

		must(numaperf_object_pool_create(&pool, topo, node, 200, 64, &o));
		here = true;
		for (int i = 0; i < OBJECTS; i++) {
			char *object = numaperf_object_pool_alloc(pool);

			if (!object)
				must(-1);
			*object = 1;
			here = here && (i % 16 || all_on(object, 1, node));
		}
		ok(here, "an object pool, %s, on node %d: every object is there",
		   mode == NUMAPERF_SOFT ? "soft" : "strict", node);
		numaperf_object_pool_destroy(pool);
	}
}

int main(void)
{
	discover();
	pools(NUMAPERF_SOFT);
	pools(NUMAPERF_STRICT);
	shards(NUMAPERF_SOFT);
	shards(NUMAPERF_STRICT);
	counters();
	heaps(NUMAPERF_SOFT);
	heaps(NUMAPERF_STRICT);
	numaperf_topology_unref(topo);
	return tests_end();
}
