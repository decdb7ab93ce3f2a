// SPDX-License-Identifier: MIT
/* A region's memory policy: the call, in two steps of firmness; and soft placement. */
#include "base.h"
#include "budget.h"
#include "placement.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>

#ifndef MPOL_PREFERRED_MANY
# define MPOL_PREFERRED_MANY 5 /* Linux 5.15 */
#endif
#define NP_MPOL_F_NUMA_BALANCING (1 << 13) /* Linux 5.15 for mbind(2) */

/* ---- the call ---- */

struct range {
	void *addr;
	size_t length;
	const struct numaperf_nodemask *nodes;
};

static int call(const struct range *at, int mode, unsigned int flags)
{
	if (!at->nodes)
		return np_sys->mbind(at->addr, at->length, mode, NULL, 0, flags);
	return np_sys->mbind(at->addr, at->length, mode, at->nodes->bits,
			     ARRAY_SIZE(at->nodes->bits), flags);
}

/* PREFERRED of several nodes, or of the first where the kernel is too old. */
static int prefer(const struct range *at, unsigned int flags)
{
	struct numaperf_nodemask first;
	struct range one = { at->addr, at->length, &first };

	if (numaperf_nodemask_count(at->nodes) > 1) {
		int err = call(at, MPOL_PREFERRED_MANY, flags);

		if (err != -EINVAL)
			return err;
		np_log(NUMAPERF_LOG_INFO,
		       "region: this kernel prefers one node only (PREFERRED_MANY is of 5.15): "
		       "%d",
		       numaperf_nodemask_first(at->nodes));
	}
	first = numaperf_nodemask_single(numaperf_nodemask_first(at->nodes));
	return call(&one, MPOL_PREFERRED, flags);
}

static int bind(struct numaperf_region *r, const struct range *at, unsigned int flags)
{
	if (r->opts.balancing) {
		int err = call(at, MPOL_BIND | NP_MPOL_F_NUMA_BALANCING, flags);

		r->balanced = err != -EINVAL;
		if (r->balanced)
			return err;
	}
	return call(at, MPOL_BIND, flags);
}

/* By stretches: what a soft one cannot have on its node comes from elsewhere, as when the
 * kernel interleaves. */
static int set_stretches(struct numaperf_region *r, enum np_step step, unsigned int flags)
{
	bool bound = step == NP_ENFORCE && np_region_strict(r);
	int err = 0;

	for (size_t i = 0; i < r->stretch_count; i++) {
		const struct np_stretch *s = &r->stretches[i];
		struct numaperf_nodemask node = numaperf_nodemask_single(s->node);
		struct range at = { (char *)r->data + s->offset, s->length, &node };
		int one = call(&at, bound ? MPOL_BIND : MPOL_PREFERRED, flags);

		/* EIO: some pages could not be moved, and the rest are still to be */
		if (one < 0 && one != -EIO)
			return one;
		err = one < 0 ? one : err;
	}
	return err;
}

/* One node is its own home, and the kernel takes none for a single preferred one. */
static void set_home(struct numaperf_region *r)
{
	int err;

	if (numaperf_nodemask_empty(&r->opts.home))
		return;
	err = numaperf_nodemask_count(&r->nodes) == 1
		      ? 0
		      : np_sys->set_home_node(r->data, r->size,
					      numaperf_nodemask_first(&r->opts.home));
	r->homed = err >= 0;
	if (err < 0 && !np_region_strict(r))
		np_log(NUMAPERF_LOG_WARNING,
		       "region: a home node is not to be had (%s; Linux 5.17 has it): the "
		       "toucher's nearest is first",
		       strerrordesc_np(-err));
}

int np_region_set_policy(struct numaperf_region *r, enum np_step step, unsigned int flags)
{
	struct range all = { r->data, r->size, &r->nodes };
	int err;

	switch (r->opts.policy) {
	case NUMAPERF_POLICY_BIND:
		err = step == NP_PREFER ? prefer(&all, flags) : bind(r, &all, flags);
		break;
	case NUMAPERF_POLICY_PREFERRED:
		err = prefer(&all, flags);
		break;
	case NUMAPERF_POLICY_INTERLEAVE:
		return call(&all, MPOL_INTERLEAVE, flags);
	case NUMAPERF_POLICY_WEIGHTED_INTERLEAVE:
		if (r->stretches)
			return set_stretches(r, step, flags);
		return call(&all, NP_MPOL_WEIGHTED_INTERLEAVE, flags);
	default:
		all.nodes = NULL;
		return call(&all, MPOL_LOCAL, flags);
	}
	if (err >= 0 || err == -EIO)
		set_home(r);
	return err;
}

/* ---- soft ---- */

int np_region_choose_nodes(struct numaperf_region *r)
{
	struct numaperf_nodemask left_out;
	struct np_memory_nodes have;
	char text[128];
	int err;

	if (r->opts.policy == NUMAPERF_POLICY_LOCAL)
		return 0;
	if (np_memory_allowed(&r->opts.nodes)) {
		r->nodes = r->opts.nodes;
		return 0;
	}
	err = np_memory_nodes(&have);
	if (err) {
		np_log(NUMAPERF_LOG_WARNING,
		       "region: which nodes have memory cannot be read: the nodes are taken as "
		       "they were given");
		r->nodes = r->opts.nodes;
		return 0;
	}
	numaperf_nodemask_and(&r->nodes, &have.memory, &have.allowed);
	numaperf_nodemask_and(&r->nodes, &r->nodes, &r->opts.nodes);
	numaperf_nodemask_andnot(&left_out, &r->opts.nodes, &r->nodes);
	numaperf_nodemask_format(&left_out, text, sizeof(text));
	if (numaperf_nodemask_empty(&r->nodes))
		return np_fail(-EINVAL, NUMAPERF_REASON_CPUSET, r->operation,
			       "name nodes with memory inside the cpuset (numaperf topology)",
			       "no node of %s has memory that this process may use", text);
	if (!numaperf_nodemask_empty(&left_out))
		np_log(NUMAPERF_LOG_WARNING,
		       "region: nodes %s have no memory that this process may use: left out",
		       text);
	return 0;
}

static int ignore_policy(struct numaperf_region *r)
{
	np_log(NUMAPERF_LOG_WARNING,
	       "region: the kernel ignores the policy %s for a shared file: its pages are the "
	       "page cache's",
	       numaperf_policy_name(r->opts.policy));
	r->policy_set = false;
	return r->opts.prefault == NUMAPERF_PREFAULT_NONE ? 0 : np_region_fault(r);
}

/*
 * What can be had. A page that is faulted in under BIND on a full node ends in a kill, so that
 * it is done while the nodes are only preferred; pages that had to go elsewhere are then moved
 * if there is room by now.
 */
int np_region_place_soft(struct numaperf_region *r)
{
	bool later = r->opts.prefault == NUMAPERF_PREFAULT_NONE;
	bool gently = r->opts.policy == NUMAPERF_POLICY_BIND && (!later || np_region_huge(r));
	int err;

	if (r->policy_ignored)
		return ignore_policy(r);
	err = np_region_set_policy(r, gently ? NP_PREFER : NP_ENFORCE, 0);
	r->policy_set = err >= 0;
	if (err < 0)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: the memory policy %s is refused (%s): memory without a policy",
		       numaperf_policy_name(r->opts.policy), strerrordesc_np(-err));
	if (err >= 0 && r->opts.balancing && !gently && !r->balanced)
		np_log(NUMAPERF_LOG_WARNING, "region: this kernel does not balance inside a "
					     "bound range (5.15 does): pages stay");
	if (later)
		return 0;
	err = np_region_fault(r);
	if (err || !gently || !r->policy_set)
		return err;
	err = np_region_set_policy(r, NP_ENFORCE, MPOL_MF_MOVE);
	if (err < 0)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: binding is refused (%s): its nodes are only preferred",
		       strerrordesc_np(-err));
	return 0;
}
