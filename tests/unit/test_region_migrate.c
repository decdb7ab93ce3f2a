// SPDX-License-Identifier: MIT
/*
 * Regions that go to other nodes, on a machine of three that is made up: pages are where a
 * table says, and some are stuck. What real kernels do is for the guests.
 */
#include "regions.h"
#include "sys.h"
#include "tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/mempolicy.h>
#include <unistd.h>

#define PAGES 64
#define SIZE  ((size_t)PAGES * 4096)

static char root[64];
static struct {
	const char *data; /* of the region whose pages are made up */
	int node[PAGES];
	int stuck[PAGES]; /* errno for whoever would move it */
	int patience;	  /* how often each page is busy first */
	int busy[PAGES];  /* how often it was */
	int filtered;	  /* -errno of every call */
	int calls;
} kernel;

static int made_open_root(const char *path)
{
	(void)path;
	return np_sys_real.open_root(root);
}

static int made_get_mempolicy(int *policy, uint64_t *nodes, unsigned int nwords,
			      const void *addr, unsigned int flags)
{
	(void)addr, (void)flags;
	if (policy)
		*policy = MPOL_BIND;
	memset(nodes, 0, nwords * sizeof(*nodes));
	nodes[0] = 7;
	return 0;
}

/* Which nodes of it there are is known above only; here every page may be bound anywhere. */
static int made_mbind(void *addr, size_t length, int policy, const uint64_t *nodes,
		      unsigned int nwords, unsigned int flags)
{
	size_t first = ((char *)addr - kernel.data) / 4096;

	(void)policy, (void)nwords;
	/* as the kernel does: what does not conform goes to the first of the nodes */
	if (flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL) && kernel.filtered)
		for (size_t i = first; i < first + length / 4096; i++)
			if (!(nodes[0] >> kernel.node[i] & 1) && !kernel.stuck[i])
				kernel.node[i] = __builtin_ctzl(nodes[0]);
	return 0;
}

static int made_move_pages(int pid, unsigned long count, void **pages, const int *nodes,
			   int *status, int flags)
{
	(void)pid, (void)flags;
	if (kernel.filtered)
		return kernel.filtered;
	kernel.calls++;
	for (unsigned long i = 0; i < count; i++) {
		size_t at = ((char *)pages[i] - kernel.data) / 4096;

		assert_true(at < PAGES);
		if (nodes && kernel.busy[at] < kernel.patience) {
			kernel.busy[at]++;
			status[i] = -EBUSY;
			continue;
		}
		if (nodes && kernel.stuck[at]) {
			status[i] = -kernel.stuck[at];
			continue;
		}
		if (nodes)
			kernel.node[at] = nodes[i];
		status[i] = kernel.node[at];
	}
	return 0;
}

static int on(int node)
{
	int n = 0;

	for (int i = 0; i < PAGES; i++)
		n += kernel.node[i] == node;
	return n;
}

static struct np_sys made;

static int make(void **state)
{
	(void)state;
	strcpy(root, "/tmp/numaperf-migrate-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	tree_put(root, "sys/devices/system/node/online", "0-2\n");
	tree_put(root, "sys/devices/system/node/has_memory", "0-2\n");
	made = np_sys_real;
	made.open_root = made_open_root;
	made.get_mempolicy = made_get_mempolicy;
	made.mbind = made_mbind;
	made.move_pages = made_move_pages;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int drop(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A region of PAGES pages, all there and on node 0. */
static struct numaperf_region *create(struct numaperf_region_opts *opts)
{
	struct numaperf_region *r;

	memset(&kernel, 0, sizeof(kernel));
	opts->thp = NUMAPERF_THP_OFF;
	opts->mode = NUMAPERF_SOFT; /* the proof of a creation is not what is tried here */
	np_sys = &made;
	assert_int_equal(numaperf_region_create(&r, SIZE, opts), 0);
	kernel.data = numaperf_region_data(r);
	return r;
}

static struct numaperf_region *strict_on(int node)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_STRICT_UNWITNESSED);
	struct numaperf_region *r;

	memset(&kernel, 0, sizeof(kernel));
	opts.thp = NUMAPERF_THP_OFF;
	opts.nodes = numaperf_nodemask_single(node);
	/* by the real kernel, with the made one's nodes; its pages are then called this node's
	 */
	np_sys = &np_sys_real;
	opts.nodes = numaperf_nodemask_single(0);
	assert_int_equal(numaperf_region_create(&r, SIZE, &opts), 0);
	kernel.data = numaperf_region_data(r);
	np_sys = &made;
	return r;
}

static void end(struct numaperf_region *r)
{
	np_sys = &np_sys_real;
	numaperf_region_unref(r);
	assert_int_equal(np_guarantee_count(), 0);
}

static struct numaperf_migration sum;

static int migrate(struct numaperf_region *r, int node, const struct numaperf_migrate_opts *o)
{
	struct numaperf_nodemask nodes = numaperf_nodemask_single(MAX(node, 0));

	sum = (struct numaperf_migration){ .sz = sizeof(sum) };
	return numaperf_region_migrate(r, node < 0 ? NULL : &nodes, o, &sum);
}

/* ---- all of them go ---- */

static void to_another_node(void **state)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *r = create(&opts);

	(void)state;
	kernel.node[3] = 1;
	assert_int_equal(migrate(r, 1, NULL), 0);
	assert_int_equal(on(1), PAGES);
	assert_int_equal(sum.pages_total, PAGES);
	assert_int_equal(sum.pages_moved, PAGES - 1);
	assert_int_equal(sum.pages_already, 1);
	assert_int_equal(sum.attempts, 1);
	assert_int_equal(sum.method, NUMAPERF_PLACEMENT_MOVE_PAGES);
	assert_true(sum.duration_ns > 0);
	assert_int_equal(numaperf_region_check(r), 0);
	assert_int_equal(numaperf_region_placement(r, &where), 0);
	assert_true(numaperf_nodemask_test(&where.requested, 1));
	assert_false(numaperf_nodemask_test(&where.requested, 0));
	/* once more: nothing to do */
	assert_int_equal(migrate(r, -1, NULL), 0);
	assert_int_equal(sum.pages_moved, 0);
	assert_int_equal(sum.pages_already, PAGES);
	end(r);
}

static void busy_pages_are_tried_again(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *r = create(&opts);

	(void)state;
	kernel.patience = 2;
	assert_int_equal(migrate(r, 2, NULL), 0);
	assert_int_equal(on(2), PAGES);
	assert_int_equal(sum.attempts, 3);
	assert_int_equal(sum.pages_moved, PAGES);
	end(r);
}

/* ---- some do not ---- */

struct told {
	int count[256];
	int nodes;
};

static void unmoved(void *ctx, const void *page, int node, int error)
{
	struct told *told = ctx;

	assert_true(page == NULL || ((const char *)page >= kernel.data &&
				     (const char *)page < kernel.data + SIZE));
	told->count[error]++;
	told->nodes += node;
}

static void each_reason_is_told(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_migrate_opts how = { .sz = sizeof(how) };
	struct told told = { .nodes = 0 };
	struct numaperf_region *r = create(&opts);

	(void)state;
	how.unmoved = unmoved;
	how.unmoved_ctx = &told;
	kernel.stuck[1] = EACCES;
	kernel.stuck[2] = kernel.stuck[3] = EBUSY;
	kernel.stuck[4] = ENOMEM;
	kernel.stuck[5] = kernel.stuck[60] = EIO;
	assert_int_equal(migrate(r, 1, &how), -ESTALE);
	assert_non_null(
		strstr(numaperf_last_error()->message, "of 64 pages 6 could not be moved"));
	assert_int_equal(sum.pages_shared, 1);
	assert_int_equal(sum.pages_busy, 2);
	assert_int_equal(sum.pages_no_room, 1);
	assert_int_equal(sum.pages_failed, 2);
	assert_int_equal(sum.error, EIO);
	assert_int_equal(sum.pages_moved, PAGES - 6);
	assert_int_equal(sum.pages_already, 0);
	assert_int_equal(told.count[EACCES], 1);
	assert_int_equal(told.count[EBUSY], 2);
	assert_int_equal(told.count[ENOMEM], 1);
	assert_int_equal(told.count[EIO], 2);
	assert_int_equal(told.nodes, 0);
	/* it belongs there all the same, and the check says so */
	assert_int_equal(numaperf_region_check(r), -ESTALE);
	memset(kernel.stuck, 0, sizeof(kernel.stuck));
	assert_int_equal(migrate(r, -1, NULL), 0);
	assert_int_equal(sum.pages_moved, 6);
	assert_int_equal(numaperf_region_check(r), 0);
	end(r);
}

static void strict_goes_back(void **state)
{
	struct numaperf_region *r = strict_on(0);

	(void)state;
	kernel.stuck[40] = EACCES;
	assert_int_equal(migrate(r, 1, NULL), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
	assert_non_null(strstr(numaperf_last_error()->remedy, "move_all"));
	assert_int_equal(sum.pages_shared, 1);
	assert_int_equal(on(0), PAGES);
	assert_int_equal(numaperf_region_check(r), 0);
	assert_int_equal(np_guarantee_count(), 1);
	kernel.stuck[40] = 0;
	assert_int_equal(migrate(r, 1, NULL), 0);
	assert_int_equal(on(1), PAGES);
	assert_int_equal(numaperf_region_check(r), 0);
	/* and what is found later is put right */
	kernel.node[7] = 2;
	assert_int_equal(numaperf_region_check(r), -NUMAPERF_EHARDMODE);
	assert_int_equal(migrate(r, -1, NULL), 0);
	assert_int_equal(sum.pages_moved, 1);
	assert_int_equal(numaperf_region_check(r), 0);
	/* a node that is not there: before anything is touched */
	kernel.calls = 0;
	assert_int_equal(migrate(r, 9, NULL), -NUMAPERF_EHARDMODE);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_CPUSET);
	assert_int_equal(on(1), PAGES);
	end(r);
}

static int stop(void *ctx, size_t done, size_t total)
{
	(void)done, (void)total;
	return ++*(int *)ctx > 0;
}

static void canceled_goes_back(void **state)
{
	struct numaperf_migrate_opts how = { .sz = sizeof(how), .progress = stop };
	struct numaperf_region *r = strict_on(0);
	int calls = 0;

	(void)state;
	how.progress_ctx = &calls;
	assert_int_equal(migrate(r, 1, &how), -ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_equal(on(0), PAGES);
	assert_int_equal(numaperf_region_check(r), 0);
	end(r);
}

/* ---- by shares ---- */

static void shares_are_restored(void **state)
{
	struct numaperf_migrate_opts how = { .sz = sizeof(how) };
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_region *r;
	struct numaperf_nodemask all;

	(void)state;
	numaperf_nodemask_zero(&all);
	for (int node = 0; node < 3; node++)
		numaperf_nodemask_set(&all, node);
	opts.policy = NUMAPERF_POLICY_INTERLEAVE;
	opts.nodes = all;
	r = create(&opts);
	assert_int_equal(migrate(r, -1, NULL), 0);
	assert_int_equal(on(0), 22); /* 64 / 3, and the one more stays where it is */
	assert_int_equal(on(1), 21);
	assert_int_equal(on(2), 21);
	assert_int_equal(sum.pages_moved, 42);
	/* a node less */
	numaperf_nodemask_clear(&all, 1);
	assert_int_equal(numaperf_region_migrate(r, &all, NULL, NULL), 0);
	assert_int_equal(on(1), 0);
	assert_int_equal(on(0), 32);
	end(r);

	/* one's own weights: by stretches, each on its node to the page */
	opts = bind_opts(NUMAPERF_SOFT);
	opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
	opts.weights[0] = 3;
	numaperf_nodemask_set(&opts.nodes, 1);
	opts.weights[1] = 1;
	r = create(&opts);
	assert_int_equal(migrate(r, -1, NULL), 0);
	assert_int_equal(on(0), 48);
	assert_int_equal(on(1), 16);
	numaperf_nodemask_set(&all, 1);
	assert_int_equal(numaperf_region_migrate(r, &all, NULL, NULL), -EINVAL);
	assert_non_null(strstr(numaperf_last_error()->message, "none for node 2"));
	how.weights[0] = how.weights[1] = 1;
	how.weights[2] = 2;
	assert_int_equal(numaperf_region_migrate(r, &all, &how, NULL), 0);
	assert_int_equal(on(0), 16);
	assert_int_equal(on(1), 16);
	assert_int_equal(on(2), 32);
	end(r);
}

static void a_filter_leaves_the_policy_call(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct told told = { .nodes = 0 };
	struct numaperf_migrate_opts how = { .sz = sizeof(how),
					     .unmoved = unmoved,
					     .unmoved_ctx = &told };
	struct numaperf_region *r = create(&opts);

	(void)state;
	/* numa_maps of the made-up machine is not there: then nothing is known, and said */
	kernel.filtered = -EPERM;
	assert_true(migrate(r, 1, &how) < 0);
	assert_int_equal(on(0), PAGES);
	kernel.filtered = 0;
	assert_int_equal(migrate(r, 1, NULL), 0);
	end(r);
}

static void what_cannot_be_migrated(void **state)
{
	struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
	struct numaperf_migrate_opts how = { .sz = sizeof(how) };
	struct numaperf_nodemask none = { 0 };
	struct numaperf_region *r = create(&opts);

	(void)state;
	assert_int_equal(numaperf_region_migrate(r, &none, NULL, NULL), -EINVAL);
	how.weights[0] = 1;
	assert_int_equal(migrate(r, 1, &how), -EINVAL);
	sum.sz = 4;
	assert_int_equal(numaperf_region_migrate(r, NULL, NULL, &sum), -EINVAL);
	assert_int_equal(migrate(r, 9, NULL), -EINVAL);
	end(r);
	opts.policy = NUMAPERF_POLICY_LOCAL;
	opts.nodes = none;
	r = create(&opts);
	assert_int_equal(migrate(r, 1, NULL), -EINVAL);
	end(r);
}

static void every_failure_is_undone(void **state)
{
	int fds = fault_open_fds();

	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		struct numaperf_region_opts opts = bind_opts(NUMAPERF_SOFT);
		struct fault_plan plan;
		unsigned int clean = 0;

		opts.policy = NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
		opts.weights[0] = opts.weights[1] = 1;
		numaperf_nodemask_set(&opts.nodes, 1);
		FAULT_SWEEP(plan, region_errors)
		{
			struct numaperf_region *r = strict ? strict_on(0) : create(&opts);
			int before, err;

			if (!strict)
				assert_int_equal(migrate(r, -1, NULL), 0);
			before = on(0);
			fault_start(&plan);
			err = migrate(r, strict ? 1 : -1, NULL);
			fault_stop();
			if (err) {
				assert_non_null(plan.failed);
				assert_true(numaperf_last_error()->message[0]);
				assert_int_equal(on(0), before);
			}
			clean += !plan.failed;
			assert_int_equal(np_guarantee_count(), strict);
			assert_int_equal(numaperf_region_check(r), 0);
			end(r);
			assert_int_equal(fault_open_fds(), fds);
		}
		assert_int_equal(clean, ARRAY_SIZE(region_errors));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_another_node),
		cmocka_unit_test(busy_pages_are_tried_again),
		cmocka_unit_test(each_reason_is_told),
		cmocka_unit_test(strict_goes_back),
		cmocka_unit_test(canceled_goes_back),
		cmocka_unit_test(shares_are_restored),
		cmocka_unit_test(a_filter_leaves_the_policy_call),
		cmocka_unit_test(what_cannot_be_migrated),
		cmocka_unit_test(every_failure_is_undone),
	};

	return cmocka_run_group_tests_name("region_migrate", tests, make, drop);
}
