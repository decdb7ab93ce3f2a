// SPDX-License-Identifier: MIT
/* The snapshot: its life, and the answers it gives. How it is read stands in topology_read.c.
 */
#include "topology.h"
#include "base.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>

/* ---- life ---- */

static uint64_t generations;

static void destroy(struct numaperf_topology *t)
{
	np_free(t->nodes);
	np_free(t->cpus);
	np_free(t->distance);
	np_free(t->warnings);
	np_free(t);
}

int numaperf_topology_load(struct numaperf_topology **topo, const char *root)
{
	struct numaperf_error before;
	struct numaperf_topology *t;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*t), 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	t = p;
	t->refs = 1;
	t->generation = __atomic_add_fetch(&generations, 1, __ATOMIC_RELAXED);
	np_error_save(&before);
	err = np_topology_read(t, root);
	if (err < 0) {
		destroy(t);
		return err;
	}
	/* what was repaired on the way is a warning, not this thread's last failure */
	np_error_restore(&before);
	*topo = t;
	return 0;
}

int numaperf_topology_discover(struct numaperf_topology **topo)
{
	return numaperf_topology_load(topo, NULL);
}

struct numaperf_topology *numaperf_topology_ref(struct numaperf_topology *topo)
{
	/* whoever calls holds a reference, so nothing has to be ordered */
	__atomic_fetch_add(&topo->refs, 1, __ATOMIC_RELAXED);
	return topo;
}

void numaperf_topology_unref(struct numaperf_topology *topo)
{
	/* all uses by those who gave theirs back happen before the last one frees */
	if (topo && __atomic_fetch_sub(&topo->refs, 1, __ATOMIC_ACQ_REL) == 1)
		destroy(topo);
}

uint64_t numaperf_topology_generation(const struct numaperf_topology *topo)
{
	return topo->generation;
}

static bool same_memory(const struct numaperf_topology *a, const struct numaperf_topology *b)
{
	if (!numaperf_nodemask_equal(&a->memory_nodes, &b->memory_nodes))
		return false;
	NUMAPERF_NODEMASK_FOR_EACH (node, &a->memory_nodes) {
		if (a->nodes[a->node_index[node]].memory_bytes !=
		    b->nodes[b->node_index[node]].memory_bytes)
			return false;
	}
	return true;
}

static bool same_cpus(const struct numaperf_topology *a, const struct numaperf_topology *b)
{
	if (!numaperf_cpuset_equal(&a->online_cpus, &b->online_cpus))
		return false;
	NUMAPERF_CPUSET_FOR_EACH (cpu, &a->online_cpus)
		if (numaperf_topology_cpu_node(a, cpu) != numaperf_topology_cpu_node(b, cpu))
			return false;
	return true;
}

int numaperf_topology_changed(const struct numaperf_topology *topo, unsigned int *changes)
{
	struct numaperf_topology *now;
	int err;

	if (!topo || !changes)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_TOPOLOGY_OPERATION, NULL,
			       "no topology, or no place for the result");
	err = numaperf_topology_discover(&now);
	if (err)
		return err;
	*changes = 0;
	if (!same_cpus(topo, now))
		*changes |= NUMAPERF_CHANGED_CPUS;
	if (!numaperf_nodemask_equal(&topo->online_nodes, &now->online_nodes))
		*changes |= NUMAPERF_CHANGED_NODES;
	if (!same_memory(topo, now))
		*changes |= NUMAPERF_CHANGED_MEMORY;
	if (!numaperf_cpuset_equal(&topo->allowed_cpus, &now->allowed_cpus) ||
	    !numaperf_nodemask_equal(&topo->allowed_nodes, &now->allowed_nodes))
		*changes |= NUMAPERF_CHANGED_ALLOWED;
	numaperf_topology_unref(now);
	return 0;
}

size_t numaperf_topology_warning_count(const struct numaperf_topology *topo)
{
	return topo->warning_count;
}

const char *numaperf_topology_warning(const struct numaperf_topology *topo, size_t i)
{
	return i < topo->warning_count ? topo->warnings[i] : NULL;
}

/* ---- nodes ---- */

unsigned int numaperf_topology_node_count(const struct numaperf_topology *topo)
{
	return topo->node_count;
}

int numaperf_topology_node_id(const struct numaperf_topology *topo, unsigned int nth)
{
	return nth < topo->node_count ? topo->nodes[nth].id : -1;
}

int numaperf_topology_node_index(const struct numaperf_topology *topo, int node)
{
	return node >= 0 && node < NUMAPERF_NODES_MAX ? topo->node_index[node] : -1;
}

void numaperf_topology_online_nodes(const struct numaperf_topology *topo,
				    struct numaperf_nodemask *nodes)
{
	*nodes = topo->online_nodes;
}

void numaperf_topology_possible_nodes(const struct numaperf_topology *topo,
				      struct numaperf_nodemask *nodes)
{
	*nodes = topo->possible_nodes;
}

void numaperf_topology_cpu_nodes(const struct numaperf_topology *topo,
				 struct numaperf_nodemask *nodes)
{
	*nodes = topo->cpu_nodes;
}

void numaperf_topology_memory_nodes(const struct numaperf_topology *topo,
				    struct numaperf_nodemask *nodes)
{
	*nodes = topo->memory_nodes;
}

void numaperf_topology_allowed_nodes(const struct numaperf_topology *topo,
				     struct numaperf_nodemask *nodes)
{
	*nodes = topo->allowed_nodes;
}

/* The online node, or NULL with the record filled. */
static const struct np_node *node_of(const struct numaperf_topology *topo, int node)
{
	int i = numaperf_topology_node_index(topo, node);

	if (i >= 0)
		return &topo->nodes[i];
	np_fail(-ENOENT, NUMAPERF_REASON_INVALID, "topology query", NULL,
		"node %d is not online", node);
	return NULL;
}

int numaperf_topology_node_cpus(const struct numaperf_topology *topo, int node,
				struct numaperf_cpuset *cpus)
{
	const struct np_node *n = node_of(topo, node);

	if (!n)
		return -ENOENT;
	*cpus = n->cpus;
	return 0;
}

int numaperf_topology_node_allowed_cpus(const struct numaperf_topology *topo, int node,
					struct numaperf_cpuset *cpus)
{
	const struct np_node *n = node_of(topo, node);

	if (!n)
		return -ENOENT;
	numaperf_cpuset_and(cpus, &n->cpus, &topo->allowed_cpus);
	return 0;
}

int numaperf_topology_distance(const struct numaperf_topology *topo, int from, int to)
{
	int i = numaperf_topology_node_index(topo, from);
	int j = numaperf_topology_node_index(topo, to);

	if (i < 0 || j < 0)
		return -1;
	return topo->distance[(unsigned int)i * topo->node_count + (unsigned int)j];
}

/* Sorted by these, in this order. */
struct nearness {
	bool unknown, elsewhere; /* no distance; not the same package */
	int distance, id;
};

static int compare_nearness(const void *a, const void *b)
{
	const struct nearness *x = a, *y = b;

	if (x->unknown != y->unknown)
		return x->unknown - y->unknown;
	if (x->elsewhere != y->elsewhere)
		return x->elsewhere - y->elsewhere;
	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

size_t numaperf_topology_nearest(const struct numaperf_topology *topo, int node, int *nodes,
				 size_t max)
{
	int self = numaperf_topology_node_index(topo, node), package;
	struct nearness order[NUMAPERF_NODES_MAX];
	unsigned int n = 0;

	if (self < 0)
		return 0;
	package = topo->nodes[self].package;
	for (unsigned int i = 0; i < topo->node_count; i++) {
		struct nearness *o = &order[n];

		if ((int)i == self)
			continue;
		o->id = topo->nodes[i].id;
		o->distance = numaperf_topology_distance(topo, node, o->id);
		o->unknown = o->distance < 0;
		o->elsewhere = package < 0 || topo->nodes[i].package != package;
		n++;
	}
	qsort(order, n, sizeof(*order), compare_nearness);
	if (max > 0)
		nodes[0] = node;
	for (unsigned int i = 0; i < n && i + 1 < max; i++)
		nodes[i + 1] = order[i].id;
	return n + 1;
}

/* What a caller's info must at least hold: the size and the id. */
static int check_info(size_t sz, size_t least)
{
	if (sz >= least)
		return 0;
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "topology query",
		       "set sz to the size of the structure", "sz is %zu, too small", sz);
}

int numaperf_topology_node_info(const struct numaperf_topology *topo, int node,
				struct numaperf_node_info *info)
{
	struct numaperf_node_info out = { .sz = info->sz, .id = node };
	const struct np_node *n;
	int err = check_info(info->sz, offsetof(struct numaperf_node_info, package));

	if (err)
		return err;
	n = node_of(topo, node);
	if (!n)
		return -ENOENT;
	out.package = n->package;
	out.has_cpus = n->online_cpus > 0;
	out.has_memory = n->has_memory;
	out.allowed_memory = numaperf_nodemask_test(&topo->allowed_nodes, node);
	out.online_cpus = n->online_cpus;
	out.allowed_cpus = n->allowed_cpus;
	out.memory_bytes = n->memory_bytes;
	out.memory_free_bytes = n->memory_free_bytes;
	memcpy(out.huge, n->huge, sizeof(out.huge));
	out.access = n->access;
	out.memory_tier = n->tier;
	np_snapshot_write(info, info->sz, &out, sizeof(out));
	return 0;
}

/* ---- CPUs ---- */

void numaperf_topology_online_cpus(const struct numaperf_topology *topo,
				   struct numaperf_cpuset *cpus)
{
	*cpus = topo->online_cpus;
}

void numaperf_topology_possible_cpus(const struct numaperf_topology *topo,
				     struct numaperf_cpuset *cpus)
{
	*cpus = topo->possible_cpus;
}

void numaperf_topology_allowed_cpus(const struct numaperf_topology *topo,
				    struct numaperf_cpuset *cpus)
{
	*cpus = topo->allowed_cpus;
}

void numaperf_topology_isolated_cpus(const struct numaperf_topology *topo,
				     struct numaperf_cpuset *cpus)
{
	*cpus = topo->isolated_cpus;
}

int numaperf_topology_cpu_node(const struct numaperf_topology *topo, int cpu)
{
	if (!numaperf_cpuset_test(&topo->online_cpus, cpu) || topo->cpus[cpu].node < 0)
		return -1;
	return topo->nodes[topo->cpus[cpu].node].id;
}

/* The online CPU, or NULL with the record filled. */
static const struct np_cpu *cpu_of(const struct numaperf_topology *topo, int cpu)
{
	if (numaperf_cpuset_test(&topo->online_cpus, cpu))
		return &topo->cpus[cpu];
	np_fail(-ENOENT, NUMAPERF_REASON_INVALID, "topology query", NULL,
		"CPU %d is not online", cpu);
	return NULL;
}

int numaperf_topology_cpu_info(const struct numaperf_topology *topo, int cpu,
			       struct numaperf_cpu_info *info)
{
	struct numaperf_cpu_info out = { .sz = info->sz, .id = cpu };
	const struct np_cpu *c;
	int err = check_info(info->sz, offsetof(struct numaperf_cpu_info, node));

	if (err)
		return err;
	c = cpu_of(topo, cpu);
	if (!c)
		return -ENOENT;
	out.node = numaperf_topology_cpu_node(topo, cpu);
	out.package = c->package;
	out.die = c->die;
	out.core = c->core;
	out.llc = c->llc;
	out.smt = c->smt;
	np_snapshot_write(info, info->sz, &out, sizeof(out));
	return 0;
}

/* All online CPUs with the same name in the group at `offset` of np_cpu; `cpu` alone without
 * one. */
static int same_group(const struct numaperf_topology *topo, int cpu, size_t offset,
		      struct numaperf_cpuset *cpus)
{
	const struct np_cpu *c = cpu_of(topo, cpu);
	short name;

	if (!c)
		return -ENOENT;
	*cpus = numaperf_cpuset_single(cpu);
	name = *(const short *)((const char *)c + offset);
	if (name < 0)
		return 0;
	NUMAPERF_CPUSET_FOR_EACH (other, &topo->online_cpus) {
		if (*(const short *)((const char *)&topo->cpus[other] + offset) == name)
			(void)numaperf_cpuset_set(cpus, other);
	}
	return 0;
}

int numaperf_topology_cpu_siblings(const struct numaperf_topology *topo, int cpu,
				   struct numaperf_cpuset *cpus)
{
	return same_group(topo, cpu, offsetof(struct np_cpu, siblings), cpus);
}

int numaperf_topology_llc_cpus(const struct numaperf_topology *topo, int cpu,
			       struct numaperf_cpuset *cpus)
{
	return same_group(topo, cpu, offsetof(struct np_cpu, llc), cpus);
}

int numaperf_topology_package_cpus(const struct numaperf_topology *topo, int cpu,
				   struct numaperf_cpuset *cpus)
{
	return same_group(topo, cpu, offsetof(struct np_cpu, packaged), cpus);
}
