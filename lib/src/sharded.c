// SPDX-License-Identifier: MIT
/* A shard a node: where it is, and which CPU has which. */
#include <numaperf/sharded.h>

#include "base.h"
#include "here.h"
#include "sharded.h"
#include "sys.h"

#include <errno.h>

static const char operation[] = "shard creation";

/* ---- creation ---- */

static int read_options(struct numaperf_sharded_opts *o,
			const struct numaperf_sharded_opts *theirs)
{
	int err;

	*o = (struct numaperf_sharded_opts){ .sz = sizeof(*o) };
	err = np_opts_take(o, sizeof(*o), theirs, operation);
	if (!err && ((unsigned int)o->mode > NUMAPERF_STRICT_UNWITNESSED || o->reserved))
		err = np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			      "an option is out of range");
	return err;
}

/* The node whose memory a shard of `node` has: its own if it has some. */
static int memory_near(const struct numaperf_topology *topo, int node)
{
	int near[NUMAPERF_NODES_MAX];
	size_t n = numaperf_topology_nearest(topo, node, near, NUMAPERF_NODES_MAX);
	struct numaperf_nodemask memory;

	numaperf_topology_memory_nodes(topo, &memory);
	for (size_t i = 0; i < n && i < NUMAPERF_NODES_MAX; i++)
		if (numaperf_nodemask_test(&memory, near[i]))
			return near[i];
	return node;
}

static int make_shard(struct numaperf_sharded *s, int node)
{
	struct np_shard *shard = &s->shard[s->shards];
	int err;

	shard->node = node;
	err = numaperf_region_create(
		&shard->region, s->size,
		&(struct numaperf_region_opts){
			.sz = sizeof(struct numaperf_region_opts),
			.policy = NUMAPERF_POLICY_BIND,
			.mode = s->opts.mode,
			.nodes = numaperf_nodemask_single(memory_near(s->topo, node)) });
	if (err)
		return err;
	shard->data = numaperf_region_data(shard->region);
	err = s->opts.init ? s->opts.init(s->opts.ctx, node, shard->data) : 0;
	if (err) {
		numaperf_region_unref(shard->region);
		return err;
	}
	s->shards++;
	return 0;
}

static int make_all(struct numaperf_sharded *s)
{
	struct numaperf_nodemask nodes;
	int err;

	numaperf_topology_cpu_nodes(s->topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		err = make_shard(s, node);
		if (err)
			return err;
	}
	for (int cpu = 0; cpu < (int)s->cpus; cpu++) {
		s->by_cpu[cpu] =
			numaperf_sharded_node(s, numaperf_topology_cpu_node(s->topo, cpu));
		if (!s->by_cpu[cpu]) /* offline, or of no node */
			s->by_cpu[cpu] = s->shard[0].data;
	}
	return 0;
}

int numaperf_sharded_create(struct numaperf_sharded **sharded, struct numaperf_topology *topo,
			    size_t size, const struct numaperf_sharded_opts *opts)
{
	struct numaperf_sharded_opts o;
	struct numaperf_cpuset possible;
	struct numaperf_sharded *s;
	int err = read_options(&o, opts), cpus;
	unsigned int nodes;
	void *p;

	if (err)
		return err;
	if (!sharded || !topo || !size)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no place for the result, no topology, or a size of 0");
	numaperf_topology_possible_cpus(topo, &possible);
	cpus = numaperf_cpuset_last(&possible) + 1;
	nodes = numaperf_topology_node_count(topo);
	if (np_sys->alloc(&p, sizeof(*s) + nodes * sizeof(s->shard[0]), 0) < 0)
		return np_fail_memory(operation);
	s = p;
	if (np_sys->alloc(&p, (size_t)cpus * sizeof(*s->by_cpu), NP_CACHE_LINE) < 0) {
		np_free(s);
		return np_fail_memory(operation);
	}
	s->by_cpu = p;
	s->cpus = (uint32_t)cpus;
	s->size = size;
	s->opts = o;
	s->topo = numaperf_topology_ref(topo);
	err = make_all(s);
	if (err) {
		numaperf_sharded_destroy(s);
		return err;
	}
	*sharded = s;
	return 0;
}

void numaperf_sharded_destroy(struct numaperf_sharded *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->shards; i++) {
		if (s->opts.fini)
			s->opts.fini(s->opts.ctx, s->shard[i].node, s->shard[i].data);
		numaperf_region_unref(s->shard[i].region);
	}
	numaperf_topology_unref(s->topo);
	np_free(s->by_cpu);
	np_free(s);
}

/* ---- answers ---- */

void *numaperf_sharded_local(const struct numaperf_sharded *s)
{
	return np_shard_here(s);
}

unsigned int numaperf_sharded_count(const struct numaperf_sharded *s)
{
	return s->shards;
}

void *numaperf_sharded_at(const struct numaperf_sharded *s, unsigned int nth, int *node)
{
	if (nth >= s->shards)
		return NULL;
	if (node)
		*node = s->shard[nth].node;
	return s->shard[nth].data;
}

void *numaperf_sharded_node(const struct numaperf_sharded *s, int node)
{
	for (unsigned int i = 0; i < s->shards; i++)
		if (s->shard[i].node == node)
			return s->shard[i].data;
	return NULL;
}
