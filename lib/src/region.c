// SPDX-License-Identifier: MIT
/* A region's life: options, mapping, policy, references, placement. */
#include "region.h"
#include "base.h"
#include "budget.h"
#include "capability.h"
#include "guarantee.h"
#include "placement.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>

static const char operation[] = NP_REGION_OPERATION;

/* ---- options ---- */

static int fail_invalid(const char *what)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s", what);
}

static int check_opts(const struct numaperf_region_opts *o, size_t size)
{
	bool promises =
		o->policy == NUMAPERF_POLICY_BIND || o->policy == NUMAPERF_POLICY_INTERLEAVE;

	if (!size)
		return fail_invalid("size is 0");
	if (size > SIZE_MAX / 4)
		return fail_invalid("size is larger than any address space");
	if ((unsigned int)o->policy > NUMAPERF_POLICY_INTERLEAVE)
		return fail_invalid("policy is none of LOCAL, BIND, PREFERRED and INTERLEAVE");
	if ((unsigned int)o->mode > NUMAPERF_STRICT_UNWITNESSED)
		return fail_invalid("no such mode");
	if ((unsigned int)o->prefault > NUMAPERF_PREFAULT_PARALLEL)
		return fail_invalid("no such prefault");
	if ((unsigned int)o->thp > NUMAPERF_THP_OFF)
		return fail_invalid("no such choice of transparent huge pages");
	if (o->policy == NUMAPERF_POLICY_LOCAL && !numaperf_nodemask_empty(&o->nodes))
		return fail_invalid("LOCAL takes no nodes");
	if (o->policy != NUMAPERF_POLICY_LOCAL && numaperf_nodemask_empty(&o->nodes))
		return fail_invalid("the policy needs nodes");
	if (o->mode != NUMAPERF_SOFT && !promises)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "use BIND or INTERLEAVE, or soft mode",
			       "%s promises nothing that strict mode could prove",
			       numaperf_policy_name(o->policy));
	return 0;
}

/* ---- policy ---- */

int np_region_mbind(struct numaperf_region *r, int mode, const struct numaperf_nodemask *nodes,
		    unsigned int flags)
{
	if (!nodes)
		return np_sys->mbind(r->data, r->size, mode, NULL, 0, flags);
	return np_sys->mbind(r->data, r->size, mode, nodes->bits, ARRAY_SIZE(nodes->bits),
			     flags);
}

int np_region_mbind_preferred(struct numaperf_region *r, const struct numaperf_nodemask *nodes)
{
	struct numaperf_nodemask first;
	int err;

	if (numaperf_nodemask_count(nodes) > 1) {
		/* Linux 5.15; before, EINVAL */
		err = np_region_mbind(r, MPOL_PREFERRED_MANY, nodes, 0);
		if (err != -EINVAL)
			return err;
		np_log(NUMAPERF_LOG_INFO,
		       "region: this kernel prefers one node only (PREFERRED_MANY is of 5.15): "
		       "%d",
		       numaperf_nodemask_first(nodes));
	}
	first = numaperf_nodemask_single(numaperf_nodemask_first(nodes));
	return np_region_mbind(r, MPOL_PREFERRED, &first, 0);
}

/* Soft: which of the nodes there are; what is left out is said. */
static int choose_nodes(struct numaperf_region *r)
{
	struct numaperf_nodemask left_out;
	struct np_memory_nodes have;
	char text[128];
	int err;

	if (r->opts.policy == NUMAPERF_POLICY_LOCAL)
		return 0;
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
		return np_fail(-EINVAL, NUMAPERF_REASON_CPUSET, operation,
			       "name nodes with memory inside the cpuset (numaperf topology)",
			       "no node of %s has memory that this process may use", text);
	if (!numaperf_nodemask_empty(&left_out))
		np_log(NUMAPERF_LOG_WARNING,
		       "region: nodes %s have no memory that this process may use: left out",
		       text);
	return 0;
}

static int set_policy(struct numaperf_region *r)
{
	switch (r->opts.policy) {
	case NUMAPERF_POLICY_BIND:
		return np_region_mbind(r, MPOL_BIND, &r->nodes, 0);
	case NUMAPERF_POLICY_INTERLEAVE:
		return np_region_mbind(r, MPOL_INTERLEAVE, &r->nodes, 0);
	case NUMAPERF_POLICY_PREFERRED:
		return np_region_mbind_preferred(r, &r->nodes);
	default:
		return np_region_mbind(r, MPOL_LOCAL, NULL, 0);
	}
}

/*
 * Soft: what can be had. A page that is faulted in under BIND on a full node ends in a kill, so
 * that it is done while the nodes are only preferred; pages that had to go elsewhere are then
 * moved if there is room by now.
 */
static int place_soft(struct numaperf_region *r)
{
	bool bind = r->opts.policy == NUMAPERF_POLICY_BIND;
	bool gently = bind && r->opts.prefault != NUMAPERF_PREFAULT_NONE;
	int err = choose_nodes(r);

	if (err)
		return err;
	err = gently ? np_region_mbind_preferred(r, &r->nodes) : set_policy(r);
	r->policy_set = err >= 0;
	if (err < 0)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: the memory policy %s is refused (%s): memory without a policy",
		       numaperf_policy_name(r->opts.policy), strerrordesc_np(-err));
	if (r->opts.prefault == NUMAPERF_PREFAULT_NONE)
		return 0;
	err = np_region_fault(r);
	if (err || !gently || !r->policy_set)
		return err;
	err = np_region_mbind(r, MPOL_BIND, &r->nodes, MPOL_MF_MOVE);
	if (err < 0)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: binding is refused (%s): its nodes are only preferred",
		       strerrordesc_np(-err));
	return 0;
}

/* ---- mapping ---- */

static size_t huge_page_size(void)
{
	int64_t size = 0;
	int root = np_sys->open_root(NULL);

	if (root >= 0) {
		if (np_read_number(root, "sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
				   &size))
			size = 0;
		np_sys->close(root);
	}
	/* a power of two, or it is not what it seems */
	return size > 0 && size <= (1 << 30) && !(size & (size - 1)) ? (size_t)size : 2u << 20;
}

static int map(struct numaperf_region *r)
{
	size_t page = np_page_size(), align = page;
	int err;

	if (r->opts.thp == NUMAPERF_THP_ON)
		align = MAX(page, huge_page_size());
	r->length = r->size + align + 2 * page;
	if (np_sys->reserve(&r->base, r->length) < 0) {
		r->base = NULL;
		return np_fail_memory(operation);
	}
	r->data = (void *)ROUND_UP((uintptr_t)r->base + page, align);
	if (np_sys->protect(r->data, r->size, PROT_READ | PROT_WRITE) < 0)
		return np_fail_memory(operation);
	if (r->opts.thp == NUMAPERF_THP_DEFAULT)
		return 0;
	err = np_sys->madvise(r->data, r->size,
			      r->opts.thp == NUMAPERF_THP_ON ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (err < 0 && r->opts.thp == NUMAPERF_THP_ON)
		np_log(NUMAPERF_LOG_WARNING,
		       "region: transparent huge pages are not to be had (%s)",
		       strerrordesc_np(-err));
	return 0;
}

static void destroy(struct numaperf_region *r)
{
	np_guarantee_leave(r->guarantee);
	if (r->base)
		np_sys->unmap(r->base, r->length);
	np_free(r);
}

static int promise(struct numaperf_region *r)
{
	struct np_guarantee g = {
		.kind = NP_GUARANTEE_PAGES,
		.mode = r->opts.mode,
		.owner = r,
		.addr = r->data,
		.length = r->size,
		.nodes = r->nodes,
	};
	char nodes[16];

	numaperf_nodemask_format(&r->nodes, nodes, sizeof(nodes));
	snprintf(g.label, sizeof(g.label), "region %zuK (%s)", r->size >> 10, nodes);
	return np_guarantee_enter(&g, &r->guarantee);
}

/* ---- public ---- */

int numaperf_region_create(struct numaperf_region **region, size_t size,
			   const struct numaperf_region_opts *opts)
{
	struct numaperf_region_opts o = { 0 };
	struct numaperf_region *r;
	void *p;
	int err;

	if (!region)
		return fail_invalid("region is NULL");
	err = np_opts_take(&o, sizeof(o), opts, operation);
	if (!err)
		err = check_opts(&o, size);
	if (!err)
		err = np_hard_mode_require(o.mode, operation);
	if (err)
		return err;
	if (np_sys->alloc(&p, sizeof(*r), 0) < 0)
		return np_fail_memory(operation);
	r = p;
	r->refs = 1;
	r->opts = o;
	r->size = ROUND_UP(size, np_page_size());
	if (np_region_strict(r)) {
		r->nodes = o.nodes;
		err = np_region_require(r);
		if (!err)
			err = map(r);
		if (!err)
			err = np_region_prove(r);
		if (!err)
			err = promise(r);
	} else {
		err = map(r);
		if (!err)
			err = place_soft(r);
	}
	if (err) {
		struct numaperf_error why;

		np_error_save(&why);
		destroy(r);
		return np_error_restore(&why);
	}
	*region = r;
	return 0;
}

struct numaperf_region *numaperf_region_ref(struct numaperf_region *region)
{
	__atomic_fetch_add(&region->refs, 1, __ATOMIC_RELAXED);
	return region;
}

void numaperf_region_unref(struct numaperf_region *region)
{
	/* acquire: what others did with the memory is before its end */
	if (region && __atomic_sub_fetch(&region->refs, 1, __ATOMIC_ACQ_REL) == 0)
		destroy(region);
}

void *numaperf_region_data(const struct numaperf_region *region)
{
	return region->data;
}

size_t numaperf_region_size(const struct numaperf_region *region)
{
	return region->size;
}

int numaperf_region_placement(const struct numaperf_region *region,
			      struct numaperf_placement *where)
{
	struct numaperf_placement found;
	int err;

	if (!where || where->sz < sizeof(found))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "placement query", NULL,
			       "sz must be set to sizeof(struct numaperf_placement)");
	err = np_placement_scan(region->data, region->size, NULL, &found, NULL);
	if (err)
		return err;
	found.requested_policy = region->opts.policy;
	found.requested = region->opts.nodes;
	if (np_region_strict(region))
		found.enforcement = NUMAPERF_ENFORCEMENT_STRICT;
	else if (!region->policy_set)
		found.enforcement = NUMAPERF_ENFORCEMENT_NONE;
	np_snapshot_write(where, where->sz, &found, sizeof(found));
	return 0;
}

int numaperf_region_check(const struct numaperf_region *region)
{
	if (region->opts.policy != NUMAPERF_POLICY_BIND &&
	    region->opts.policy != NUMAPERF_POLICY_INTERLEAVE)
		return np_fail(-ENODATA, NUMAPERF_REASON_INVALID, "region check", NULL,
			       "%s promises nothing to check",
			       numaperf_policy_name(region->opts.policy));
	return np_region_recheck(region);
}
