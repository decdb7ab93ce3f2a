// SPDX-License-Identifier: MIT
/* Who touches a region's pages: the caller, or threads pinned to the memory's nodes. */
#include "affinity.h"
#include "base.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaperf/topology.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
# define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* What one thread is worth starting for; more than this many never pay. */
#define SHARE_MIN   ((size_t)4 << 20)
#define THREADS_MAX 64

/* 0 or -errno. */
static int populate(char *addr, size_t length)
{
	size_t page = np_page_size();
	int err;

	if (!length)
		return 0;
	err = np_sys->madvise(addr, length, MADV_POPULATE_WRITE);
	/* an older kernel, or a filter: the pages are zero, and stay so. Volatile: clang makes
	 * a mere load of an atomic operation that changes nothing, and that brings no page */
	if (err == -EINVAL || err == -EPERM || err == -ENOSYS) {
		for (size_t i = 0; i < length; i += page)
			*(volatile char *)(addr + i) = 0;
		return 0;
	}
	return err < 0 ? err : 0;
}

struct share {
	pthread_t thread;
	bool started;
	const struct numaperf_cpuset *cpus;
	char *addr;
	size_t length;
	int err;
};

static void *fault_share(void *arg)
{
	struct share *s = arg;
	struct numaperf_cpuset granted;

	/* a wish: elsewhere it is slower and the policy still decides; nothing to report */
	np_affinity_pin("region prefault", s->cpus, NUMAPERF_SOFT, true, &granted);
	s->err = populate(s->addr, s->length);
	return NULL;
}

/* The CPUs near a node's memory: its own, or those of the nearest node that has some. */
static bool cpus_near(const struct numaperf_topology *topo, int node,
		      struct numaperf_cpuset *cpus)
{
	int near[NUMAPERF_NODES_MAX];
	size_t n = numaperf_topology_nearest(topo, node, near, ARRAY_SIZE(near));

	for (size_t i = 0; i < MIN(n, ARRAY_SIZE(near)); i++)
		if (!numaperf_topology_node_allowed_cpus(topo, near[i], cpus) &&
		    !numaperf_cpuset_empty(cpus))
			return true;
	return false;
}

struct team {
	struct share share[THREADS_MAX];
	struct numaperf_cpuset cpus[THREADS_MAX]; /* by place in `nodes` */
	int nodes;
};

/* Each node of the memory has CPUs of its own in the team; none: nobody to do it in parallel.
 */
static void choose_cpus(const struct numaperf_topology *topo, const struct numaperf_region *r,
			struct team *team)
{
	struct numaperf_nodemask nodes = r->nodes;

	if (numaperf_nodemask_empty(&nodes)) {
		unsigned int cpu, node;

		if (np_sys->getcpu(&cpu, &node) < 0)
			return;
		nodes = numaperf_nodemask_single((int)node);
	}
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		if (team->nodes == THREADS_MAX)
			break;
		if (cpus_near(topo, node, &team->cpus[team->nodes]))
			team->nodes++;
	}
}

static int fault_parallel(struct numaperf_region *r, struct team *team)
{
	size_t page = np_page_size(), share, at = 0;
	unsigned int threads = 0, i = 0;
	int err = 0;

	for (int n = 0; n < team->nodes; n++)
		threads += numaperf_cpuset_count(&team->cpus[n]);
	threads = MIN(threads, THREADS_MAX);
	threads = (unsigned int)MIN(threads, MAX(r->size / SHARE_MIN, (size_t)team->nodes));
	share = ROUND_UP(r->size / threads + 1, page);
	/* a huge page is not to be touched by two */
	if (share > 4u << 20)
		share = ROUND_UP(share, 2u << 20);
	for (; i < threads && at < r->size; i++) {
		struct share *s = &team->share[i];

		/* neighbours in the region are neighbours on a node: with several nodes
		 * preferred, the kernel takes the one nearest to who touches */
		s->cpus = &team->cpus[i * (unsigned int)team->nodes / threads];
		s->addr = (char *)r->data + at;
		s->length = MIN(share, r->size - at);
		at += s->length;
		s->started = !np_sys->thread_create(&s->thread, 0, fault_share, s);
	}
	/* what no thread could be had for */
	for (unsigned int k = 0; k < i; k++)
		if (!team->share[k].started)
			team->share[k].err =
				populate(team->share[k].addr, team->share[k].length);
	for (unsigned int k = 0; k < i; k++) {
		if (team->share[k].started)
			np_sys->thread_join(team->share[k].thread);
		if (!err)
			err = team->share[k].err;
	}
	return err;
}

static int fail_fault(const struct numaperf_region *r, int err)
{
	if (np_region_strict(r))
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, NP_REGION_OPERATION,
			       "free memory, or ask for less",
			       "not enough memory: %zu KiB could not be faulted in (%s)",
			       r->size >> 10, strerrordesc_np(-err));
	return np_fail(err, NUMAPERF_REASON_SYSTEM, NP_REGION_OPERATION,
		       "free memory, or create it without prefault",
		       "%zu KiB could not be faulted in", r->size >> 10);
}

int np_region_fault(struct numaperf_region *r)
{
	struct numaperf_topology *topo;
	struct team *team = NULL;
	void *p;
	int err;

	if (r->opts.prefault == NUMAPERF_PREFAULT_PARALLEL && r->size >= 2 * SHARE_MIN &&
	    !np_sys->alloc(&p, sizeof(*team), 0)) {
		team = p;
		/* without a topology it is only slower */
		if (!numaperf_topology_discover(&topo)) {
			choose_cpus(topo, r, team);
			numaperf_topology_unref(topo);
		}
	}
	if (team && team->nodes)
		err = fault_parallel(r, team);
	else
		err = populate(r->data, r->size);
	np_free(team);
	return err ? fail_fault(r, err) : 0;
}
