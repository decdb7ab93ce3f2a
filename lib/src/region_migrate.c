// SPDX-License-Identifier: MIT
/*
 * A region given to other nodes. The policy changes first, so that what comes meanwhile comes
 * right; then pages move; and what fails, or is not proved, goes back the same way.
 */
#include "base.h"
#include "capability.h"
#include "guarantee.h"
#include "placement.h"
#include "region_move.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/capability.h>

static const char operation[] = "region migration";

static int fail_invalid(const char *what)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s", what);
}

/* ---- what is asked for ---- */

static int check(const struct numaperf_region *r, const struct numaperf_nodemask *nodes,
		 const struct numaperf_migrate_opts *o, const struct numaperf_migration *result)
{
	if (result && result->sz < sizeof(*result))
		return fail_invalid("sz must be set to sizeof(struct numaperf_migration)");
	if (nodes && numaperf_nodemask_empty(nodes))
		return fail_invalid("there are no nodes to move it to");
	if (r->opts.policy == NUMAPERF_POLICY_LOCAL)
		return fail_invalid("LOCAL belongs to no node");
	if (r->policy_ignored)
		return np_fail(-EOPNOTSUPP, NUMAPERF_REASON_UNSUPPORTED, operation,
			       "map it privately, or use tmpfs, memfd_create or hugetlbfs",
			       "the kernel ignores every policy for a shared file");
	if (o->move_all && !np_capable(CAP_SYS_NICE))
		return np_fail(
			-EPERM, NUMAPERF_REASON_PERMISSION, operation,
			"give it CAP_SYS_NICE, or leave move_all",
			"permission denied (pages of other processes need CAP_SYS_NICE)");
	return 0;
}

static bool has_weights(const uint8_t *weights)
{
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
		if (weights[node])
			return true;
	return false;
}

static int take_weights(struct numaperf_region *next, const struct numaperf_migrate_opts *o)
{
	bool given = has_weights(o->weights);

	if (given && next->opts.policy != NUMAPERF_POLICY_WEIGHTED_INTERLEAVE)
		return fail_invalid("weights are for WEIGHTED_INTERLEAVE");
	if (given)
		memcpy(next->opts.weights, o->weights, sizeof(o->weights));
	if (!has_weights(next->opts.weights))
		return 0;
	NUMAPERF_NODEMASK_FOR_EACH (node, &next->opts.nodes)
		if (!next->opts.weights[node])
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
				       "give weights with the migration",
				       "the region has weights of its own and none for node %d",
				       node);
	return 0;
}

/* A home that is no node of it any more is none. */
static void keep_home(struct numaperf_region *next)
{
	numaperf_nodemask_and(&next->opts.home, &next->opts.home, &next->opts.nodes);
}

static int require_strict(struct numaperf_region *next)
{
	struct numaperf_placement *where;
	size_t *has;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*where) + sizeof(where->pages_on_node), 0) < 0)
		return np_fail_memory(operation);
	where = p;
	has = (size_t *)(where + 1);
	err = np_placement_scan(next->data, next->size, NULL, where, NULL);
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++)
		has[node] = where->pages_on_node[node] * where->page_size;
	if (!err)
		err = np_region_require(next, has);
	np_free(where);
	return err;
}

/* What the region is to become; its stretches are its own. */
static int prepare(struct numaperf_region *next, const struct numaperf_nodemask *nodes,
		   const struct numaperf_migrate_opts *o)
{
	int err;

	next->operation = operation;
	next->stretches = NULL;
	next->stretch_count = 0;
	if (nodes)
		next->opts.nodes = *nodes;
	keep_home(next);
	err = take_weights(next, o);
	if (!err && np_region_strict(next))
		next->nodes = next->opts.nodes;
	else if (!err)
		err = np_region_choose_nodes(next);
	if (!err)
		err = np_region_weigh(next);
	if (!err && np_region_strict(next))
		err = require_strict(next);
	return err;
}

/* ---- what becomes of it ---- */

static int fail_move(const struct numaperf_region *r, int err)
{
	if (err == -ECANCELED)
		return np_fail(err, NUMAPERF_REASON_CANCELED, operation, NULL,
			       "stopped by the caller's progress callback");
	if (err == -ENOMEM)
		return np_fail_memory(operation);
	return np_region_fail_policy(r, err);
}

static int fail_left(const struct numaperf_region *r, const struct numaperf_migration *sum)
{
	return np_fail(
		np_region_strict(r) ? -NUMAPERF_EHARDMODE : -ESTALE, NUMAPERF_REASON_MEMORY,
		operation,
		sum->pages_shared ? "use move_all with CAP_SYS_NICE, or wait until the "
				    "other processes are gone"
				  : "free memory on the nodes (numastat -m), and try again",
		"memory not fully placed: of %zu pages %zu could not be moved (%zu are "
		"another process's too, %zu busy, for %zu no room, %zu for other reasons)",
		sum->pages_total, np_migration_left(sum), sum->pages_shared, sum->pages_busy,
		sum->pages_no_room, sum->pages_failed);
}

/* Policy and pages of `from` become those of r again. What does not go back is said. */
static void go_back(struct numaperf_region *r)
{
	struct numaperf_migration back = { .sz = sizeof(back) };
	int err = np_region_set_policy(r, NP_ENFORCE, 0);

	if (err >= 0)
		err = np_region_move(r, NULL, &back);
	if (err < 0 || np_migration_left(&back))
		np_log(NUMAPERF_LOG_WARNING,
		       "region: %zu pages could not go back to where they were before the "
		       "migration (%s)",
		       np_migration_left(&back), strerrordesc_np(err < 0 ? -err : EBUSY));
}

static int move_there(struct numaperf_region *next, const struct numaperf_migrate_opts *o,
		      struct numaperf_migration *sum)
{
	int err = np_region_set_policy(next, NP_ENFORCE, 0);

	/* soft, and refused: the pages can move all the same */
	next->policy_set = err >= 0;
	if (err < 0 && np_region_strict(next))
		return np_region_fail_policy(next, err);
	err = np_region_move(next, o, sum);
	if (err < 0)
		return fail_move(next, err);
	if (!np_region_strict(next))
		return 0;
	return np_migration_left(sum) ? fail_left(next, sum) : np_region_prove_placed(next);
}

/* References may come and go meanwhile. */
static void become(struct numaperf_region *r, const struct numaperf_region *next)
{
	r->opts = next->opts;
	r->nodes = next->nodes;
	memcpy(r->weights, next->weights, sizeof(r->weights));
	r->stretches = next->stretches;
	r->stretch_count = next->stretch_count;
	r->policy_set = next->policy_set;
	r->balanced = next->balanced;
	r->homed = next->homed;
}

int numaperf_region_migrate(struct numaperf_region *region,
			    const struct numaperf_nodemask *nodes,
			    const struct numaperf_migrate_opts *opts,
			    struct numaperf_migration *result)
{
	struct numaperf_migration sum = { .sz = sizeof(sum) };
	struct numaperf_region *r = region, next = *region;
	struct numaperf_migrate_opts o = { 0 };
	struct np_stretch *unused;
	uint64_t start = np_clock_ns();
	int err = np_opts_take(&o, sizeof(o), opts, operation);

	if (!err)
		err = check(r, nodes, &o, result);
	if (!err)
		err = np_hard_mode_require(r->opts.mode, operation);
	if (err)
		return err;
	err = prepare(&next, nodes, &o);
	if (err) {
		np_free(next.stretches);
		return err;
	}
	np_guarantee_suspend(r->guarantee);
	err = move_there(&next, &o, &sum);
	unused = err ? next.stretches : r->stretches;
	if (err) {
		struct numaperf_error why;

		np_error_save(&why);
		go_back(r);
		np_error_restore(&why);
	} else {
		become(r, &next);
	}
	np_free(unused);
	np_region_promise_again(r);
	sum.duration_ns = np_clock_ns() - start;
	if (result)
		np_snapshot_write(result, result->sz, &sum, sizeof(sum));
	if (!err && np_migration_left(&sum))
		return fail_left(r, &sum);
	return err;
}
