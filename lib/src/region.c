// SPDX-License-Identifier: MIT
/* A region's life: made in steps, shared by reference, asked where it is. */
#include "region.h"
#include "base.h"
#include "capability.h"
#include "guarantee.h"
#include "placement.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>

static const char operation[] = NP_REGION_OPERATION;

static void destroy(struct numaperf_region *r)
{
	np_guarantee_leave(r->guarantee);
	np_region_unmap(r);
	np_free(r);
}

static void describe(const struct numaperf_region *r, const void *owner, struct np_guarantee *g)
{
	char nodes[16];

	*g = (struct np_guarantee){
		.kind = NP_GUARANTEE_PAGES,
		.mode = r->opts.mode,
		.owner = owner,
		.addr = r->data,
		.length = r->size,
		.nodes = r->nodes,
	};
	numaperf_nodemask_format(&r->nodes, nodes, sizeof(nodes));
	if (r->name[0])
		snprintf(g->label, sizeof(g->label), "%.28s (%s)", r->name, nodes);
	else
		snprintf(g->label, sizeof(g->label), "region %zuK (%s)", r->size >> 10, nodes);
}

int np_region_promise(const struct numaperf_region *r, const void *owner, uint64_t *id)
{
	struct np_guarantee g;

	*id = 0;
	if (!np_region_strict(r))
		return 0;
	describe(r, owner, &g);
	return np_guarantee_enter(&g, id);
}

void np_region_promise_again(struct numaperf_region *r)
{
	struct np_guarantee g;

	describe(r, r, &g);
	r->guarantee = np_guarantee_resume(r->guarantee, &g);
}

/* ---- creation ---- */

static int create_strict(struct numaperf_region *r, const struct np_region_file *file)
{
	int err;

	r->nodes = r->opts.nodes;
	err = np_region_weigh(r);
	if (!err)
		err = np_region_require(r, NULL);
	if (!err)
		err = np_region_map(r, file);
	if (!err)
		err = np_region_advise(r);
	if (!err)
		err = np_region_prove(r);
	if (!err)
		err = np_region_lock(r);
	return err ? err : np_region_promise(r, r, &r->guarantee);
}

static int create_soft(struct numaperf_region *r, const struct np_region_file *file)
{
	int err = np_region_choose_nodes(r);

	if (!err)
		err = np_region_map(r, file);
	if (!err)
		err = np_region_advise(r);
	if (!err)
		err = np_region_weigh(r);
	if (!err)
		err = np_region_place_soft(r);
	return err ? err : np_region_lock(r);
}

static int create(struct numaperf_region **region, size_t size,
		  const struct numaperf_region_opts *opts, const struct np_region_file *file)
{
	struct numaperf_region *r;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*r), 0) < 0)
		return np_fail_memory(operation);
	r = p;
	r->refs = 1;
	r->operation = operation;
	r->opts = *opts;
	if (opts->name)
		memcpy(r->name, opts->name, strlen(opts->name));
	r->opts.name = NULL;
	r->page = opts->huge_page_size ? opts->huge_page_size : np_page_size();
	if (file) {
		r->file = true;
		r->shared = file->sharing == NUMAPERF_SHARED;
		r->policy_ignored = r->shared && !file->info.memory;
		r->page = file->info.huge_page ? file->info.huge_page : r->page;
	}
	r->size = ROUND_UP(size, r->page);
	err = np_region_strict(r) ? create_strict(r, file) : create_soft(r, file);
	if (err) {
		struct numaperf_error why;

		np_error_save(&why);
		destroy(r);
		return np_error_restore(&why);
	}
	*region = r;
	return 0;
}

static int take_opts(struct numaperf_region_opts *o, const struct numaperf_region_opts *opts,
		     struct numaperf_region **region)
{
	if (!region)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "region is NULL");
	return np_opts_take(o, sizeof(*o), opts, operation);
}

int numaperf_region_create(struct numaperf_region **region, size_t size,
			   const struct numaperf_region_opts *opts)
{
	struct numaperf_region_opts o = { 0 };
	int err = take_opts(&o, opts, region);

	if (!err)
		err = np_region_check_opts(&o, size);
	if (!err && o.huge_page_size)
		err = np_huge_page_require_size(o.huge_page_size);
	if (!err)
		err = np_hard_mode_require(o.mode, operation);
	return err ? err : create(region, size, &o, NULL);
}

int numaperf_region_map_file(struct numaperf_region **region, int fd, uint64_t offset,
			     size_t size, enum numaperf_sharing sharing,
			     const struct numaperf_region_opts *opts)
{
	struct np_region_file file = { .fd = fd, .offset = offset, .sharing = sharing };
	struct numaperf_region_opts o = { 0 };
	int err = take_opts(&o, opts, region);

	if (err)
		return err;
	err = np_sys->file_info(fd, &file.info);
	if (err < 0)
		return np_fail(err, NUMAPERF_REASON_INVALID, operation, NULL,
			       "what the descriptor %d is cannot be found out (%s)", fd,
			       strerrordesc_np(-err));
	err = np_region_check_file(&o, &size, &file);
	if (!err)
		err = np_region_check_opts(&o, size);
	if (!err)
		err = np_hard_mode_require(o.mode, operation);
	return err ? err : create(region, size, &o, &file);
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

int numaperf_region_info(const struct numaperf_region *region,
			 struct numaperf_region_info *info)
{
	struct numaperf_region_info now = {
		.size = region->size,
		.size_max = MAX(region->room, region->size),
		.page_size = region->page,
		.locked = region->locked,
		.policy = region->policy_set,
		.balancing = region->balanced,
		.home = region->homed,
		.split = region->stretches,
		.collapsible = !region->guarded && !np_region_huge(region),
		.file = region->file,
		.shared = region->shared,
	};

	if (!info || info->sz < sizeof(now))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "region info", NULL,
			       "sz must be set to sizeof(struct numaperf_region_info)");
	np_snapshot_write(info, info->sz, &now, sizeof(now));
	return 0;
}

/* Its policy is in as many mappings as it has stretches: theirs, if all are as they were set.
 */
static void read_stretches(const struct numaperf_region *r, struct numaperf_placement *where)
{
	enum numaperf_policy policy;
	struct numaperf_nodemask nodes;

	numaperf_nodemask_zero(&where->effective);
	for (size_t i = 0; i < r->stretch_count; i++) {
		const struct np_stretch *s = &r->stretches[i];

		if (np_policy_read((char *)r->data + s->offset, &policy, &nodes) < 0 ||
		    (policy != NUMAPERF_POLICY_BIND && policy != NUMAPERF_POLICY_PREFERRED) ||
		    numaperf_nodemask_count(&nodes) != 1 ||
		    !numaperf_nodemask_test(&nodes, s->node)) {
			where->effective_policy = NUMAPERF_POLICY_OTHER;
			return;
		}
		numaperf_nodemask_set(&where->effective, s->node);
	}
	where->effective_policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
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
	if (region->stretches && found.effective_policy != NUMAPERF_POLICY_DEFAULT)
		read_stretches(region, &found);
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
	if (region->opts.policy == NUMAPERF_POLICY_LOCAL ||
	    region->opts.policy == NUMAPERF_POLICY_PREFERRED)
		return np_fail(-ENODATA, NUMAPERF_REASON_INVALID, "region check", NULL,
			       "%s promises nothing to check",
			       numaperf_policy_name(region->opts.policy));
	return np_region_recheck(region);
}
