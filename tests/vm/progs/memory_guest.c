// SPDX-License-Identifier: MIT
/*
 * Pools, shards and counters on a machine with several nodes, as TAP. Where a page is says
 * move_pages(2), asked here and not through the library; where a thread runs says getcpu().
 */
#include "prog.h"

#include <errno.h>
#include <numaif.h>
#include <pthread.h>

enum {
	MIB = 1 << 20,
	ADDS = 1000
};

static struct numaperf_topology *topo;
static int count, failures;

static void ok(int good, const char *format, int node)
{
	printf("%sok %d - ", good ? "" : "not ", ++count);
	printf(format, node);
	puts("");
	failures += !good;
}

static void must(int err)
{
	if (err) {
		printf("Bail out! %s\n", numaperf_last_error()->message);
		exit(1);
	}
}

/* Pages of the range that are on `node`; -1: one is elsewhere, or cannot be asked for. */
static long pages_on(void *start, size_t length, int node)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	long there = 0;

	for (size_t at = 0; at < length; at += page, there++) {
		void *p = (char *)start + at;
		int status = -1;

		if (move_pages(0, 1, &p, NULL, &status, 0) || status != node)
			return -1;
	}
	return there;
}

static void pools(enum numaperf_mode mode)
{
	struct numaperf_pool_opts opts = { .sz = sizeof(opts), .mode = mode };
	struct numaperf_nodemask nodes;

	numaperf_topology_memory_nodes(topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct numaperf_pool *p;
		char *first;
		int pieces = 1;

		must(numaperf_pool_create(&p, topo, node, 4 * MIB, &opts));
		first = numaperf_pool_alloc(p, 4096);
		memset(first, 1, 4096);
		for (char *piece; (piece = numaperf_pool_alloc(p, 4096)); pieces++)
			memset(piece, 1, 4096);
		ok(pieces == 4 * MIB / 4096 &&
			   pages_on(first, 4 * MIB, node) == 4 * MIB / sysconf(_SC_PAGESIZE),
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
	struct numaperf_nodemask nodes, memory;
	struct numaperf_sharded *s;

	numaperf_topology_cpu_nodes(topo, &nodes);
	numaperf_topology_memory_nodes(topo, &memory);
	must(numaperf_sharded_create(&s, topo, 3 * 4096, &opts));
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct visit v = visit(node, s, NULL);
		void *shard = numaperf_sharded_node(s, node);

		ok(v.was == node && v.local == shard, "node %d has its own shard", node);
		if (numaperf_nodemask_test(&memory, node))
			ok(pages_on(shard, 3 * 4096, node) == 3,
			   "and it is in node %d's memory", node);
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
	ok(numaperf_counter_sum(c) == sum, "and the sum of all is right", 0);
	numaperf_counter_destroy(c);
}

int main(void)
{
	must(numaperf_topology_discover(&topo));
	pools(NUMAPERF_SOFT);
	pools(NUMAPERF_STRICT);
	shards(NUMAPERF_SOFT);
	shards(NUMAPERF_STRICT);
	counters();
	printf("1..%d\n", count);
	numaperf_topology_unref(topo);
	return failures != 0;
}
