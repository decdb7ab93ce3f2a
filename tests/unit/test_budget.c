// SPDX-License-Identifier: MIT
/* Budgets from saved and from broken texts: zoneinfo, and the cgroups of both hierarchies. */
#include "../../lib/src/budget.h"
#include "../../lib/src/cgroup.h"
#include "fault.h"
#include "sys.h"
#include "tree.h"
#include "util.h"

#include <errno.h>
#include <ftw.h>
#include <numaperf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- zoneinfo ---- */

static const char zoneinfo[] = "Node 0, zone      DMA\n"
			       "  per-node stats\n"
			       "      nr_inactive_file 1000\n"
			       "      nr_active_file 500\n"
			       "      nr_dirty     100\n"
			       "      nr_writeback 50\n"
			       "      nr_slab_reclaimable 80\n"
			       "  pages free     3000\n"
			       "        min      5\n"
			       "        low      10\n"
			       "        high     20\n"
			       "        protection: (0, 100, 200)\n"
			       "  pagesets\n"
			       "    cpu: 0\n"
			       "              high:  777\n"
			       "Node 0, zone   Normal\n"
			       "  pages free     10000\n"
			       "        low      90\n"
			       "        high     120\n"
			       "        protection: (0, 0, 0)\n"
			       "Node 3, zone   Normal\n"
			       "  pages free     50\n"
			       "        low      30\n"
			       "        high     60\n";

static struct np_budget budget;

static void zones_are_summed_by_node(void **state)
{
	(void)state;
	assert_int_equal(np_budget_parse_zoneinfo(zoneinfo, 4096, &budget), 0);
	assert_int_equal(budget.node[0].free, 13000 * 4096);
	/* zones 2780 + 9880; file 1350 - 100 (low watermarks); slab 80 - 40 (half) */
	assert_int_equal(budget.node[0].usable, 13950 * 4096);
	assert_int_equal(budget.node[1].free, 0);
	assert_int_equal(budget.node[3].free, 50 * 4096);
	/* below the high watermark: nothing, not a huge number */
	assert_int_equal(budget.node[3].usable, 0);
}

static void broken_zoneinfo_is_refused(void **state)
{
	(void)state;
	assert_int_equal(np_budget_parse_zoneinfo("", 4096, &budget), -EINVAL);
	assert_int_equal(np_budget_parse_zoneinfo("rubbish\n", 4096, &budget), -EINVAL);
	assert_int_equal(np_budget_parse_zoneinfo("Node 1024, zone DMA\n", 4096, &budget),
			 -EINVAL);
	/* cut off at any byte: an error or no more than the whole has */
	for (size_t n = 0; n < sizeof(zoneinfo); n++) {
		char *text = strndup(zoneinfo, n);

		assert_non_null(text);
		if (!np_budget_parse_zoneinfo(text, 4096, &budget))
			assert_true(budget.node[0].free <= 13000 * 4096);
		free(text);
	}
}

/* ---- cgroups ---- */

static char root[64];
static struct np_sys table;

static int fake_open_root(const char *path)
{
	return np_sys_real.open_root(path && *path ? path : root);
}

static void put(const char *path, const char *text)
{
	tree_put(root, path, text);
}

static int start(void **state)
{
	(void)state;
	strcpy(root, "/tmp/np-budget.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	table = np_sys_real;
	table.open_root = fake_open_root;
	np_sys = &table;
	return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int stop(void **state)
{
	(void)state;
	np_sys = &np_sys_real;
	return nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void v2_the_tightest_ancestor_counts(void **state)
{
	struct np_cgroup_budget b;

	(void)state;
	put("proc/self/cgroup", "0::/a/b\n");
	put("proc/self/mountinfo", "30 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	put("cg/a/b/memory.max", "max\n");
	put("cg/a/memory.max", "1000000\n");
	put("cg/a/memory.current", "600000\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_int_equal(b.left, 400000);
	assert_int_equal(b.limit, 1000000);
	assert_string_equal(b.path, "/cg/a");
	/* clean cache can be dropped, dirty cache cannot */
	put("cg/a/memory.stat", "inactive_file 100000\nactive_file 0\nfile_dirty 20000\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_int_equal(b.left, 480000);
	/* over its limit: nothing left, not a huge number */
	put("cg/a/memory.current", "1200000\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_int_equal(b.left, 0);
	put("cg/a/memory.max", "rubbish\n");
	assert_int_equal(np_budget_cgroup(&b), -EINVAL);
}

static void v1_has_limits_too(void **state)
{
	struct np_cgroup_budget b;

	(void)state;
	/* a container without a cgroup namespace: the mount shows /docker/x as its root */
	put("proc/self/cgroup", "5:cpu:/other\n4:hugetlb,memory:/docker/x/job\n");
	put("proc/self/mountinfo", "31 1 0:27 / /cpu rw - cgroup cgroup rw,cpu\n"
				   "32 1 0:28 /docker/x /mem rw shared:9 - cgroup cgroup "
				   "rw,memory\n");
	put("mem/job/memory.limit_in_bytes", "9223372036854771712\n"); /* unlimited */
	put("mem/memory.limit_in_bytes", "8192000\n");
	put("mem/memory.usage_in_bytes", "192000\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_int_equal(b.left, 8000000);
	assert_string_equal(b.path, "/mem");
	put("mem/job/memory.limit_in_bytes", "5000\n");
	put("mem/job/memory.usage_in_bytes", "1000\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_int_equal(b.left, 4000);
	assert_string_equal(b.path, "/mem/job");
}

static void no_controller_is_no_limit(void **state)
{
	struct np_cgroup_budget b;

	(void)state;
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_true(b.left == UINT64_MAX);
	put("proc/self/cgroup", "rubbish\n::\n0:\n");
	put("proc/self/mountinfo", "rubbish\n - cgroup2\n1 2 3\n");
	assert_int_equal(np_budget_cgroup(&b), 0);
	assert_true(b.left == UINT64_MAX);
}

/* ---- as callers ask ---- */

static int two_nodes(int *policy, uint64_t *nodes, unsigned int nwords, const void *addr,
		     unsigned int flags)
{
	(void)policy, (void)addr, (void)flags;
	memset(nodes, 0, nwords * sizeof(*nodes));
	nodes[0] = 9;
	return 0;
}

static void what_fits_is_the_smaller(void **state)
{
	struct numaperf_nodemask nodes = numaperf_nodemask_single(0);
	struct numaperf_budget b = { .sz = sizeof(b) };

	(void)state;
	table.get_mempolicy = two_nodes;
	put("sys/devices/system/node/online", "0,3\n");
	put("sys/devices/system/node/has_memory", "0,3\n");
	put("proc/zoneinfo", zoneinfo);
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), 0);
	assert_int_equal(b.free, 13000 * np_page_size());
	assert_int_equal(b.usable, 13950 * np_page_size());
	assert_int_equal(b.fits, b.usable);
	assert_true(b.cgroup_left == UINT64_MAX && b.cgroup_limit == UINT64_MAX);
	assert_string_equal(b.cgroup, "");
	assert_int_equal(numaperf_budget_require(&nodes, 0, b.fits), 0);
	assert_int_equal(numaperf_budget_require(&nodes, np_page_size(), b.fits + 1), -ENOMEM);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_MEMORY);
	numaperf_nodemask_set(&nodes, 3);
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), 0);
	assert_int_equal(b.free, 13050 * np_page_size());

	put("proc/self/cgroup", "0::/a\n");
	put("proc/self/mountinfo", "30 1 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	put("cg/a/memory.max", "1000000\n");
	put("cg/a/memory.current", "600000\n");
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), 0);
	assert_int_equal(b.fits, 400000);
	assert_int_equal(b.cgroup_limit, 1000000);
	assert_string_equal(b.cgroup, "/cg/a");
	assert_int_equal(numaperf_budget_require(&nodes, 0, 400000), 0);
	assert_int_equal(numaperf_budget_require(&nodes, 0, 400001), -ENOMEM);
	assert_non_null(strstr(numaperf_last_error()->message, "the cgroup /cg/a has 390 KiB"));

	put("sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "5\n");
	put("sys/devices/system/node/node3/hugepages/hugepages-2048kB/free_hugepages", "2\n");
	assert_int_equal(numaperf_budget_query(&nodes, 2 << 20, &b), 0);
	assert_int_equal(b.fits, 7 * (2 << 20));
	assert_int_equal(numaperf_budget_require(&nodes, 2 << 20, 7 * (2 << 20)), 0);
	assert_int_equal(numaperf_budget_require(&nodes, 2 << 20, 7 * (2 << 20) + 1), -ENOMEM);
	assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_HUGEPAGES);
	assert_non_null(strstr(numaperf_last_error()->message,
			       "7 free huge pages of 2048 KiB, 8 are wanted"));
	assert_int_equal(numaperf_budget_query(&nodes, 1 << 30, &b), -EINVAL);
	numaperf_nodemask_set(&nodes, 1);
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), -ENOENT);
	numaperf_nodemask_zero(&nodes);
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), -EINVAL);
	assert_int_equal(numaperf_budget_query(NULL, 0, &b), -EINVAL);
	nodes = numaperf_nodemask_single(0);
	b.sz = 8;
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), -EINVAL);
	b.sz = sizeof(b);
	put("proc/zoneinfo", "rubbish\n");
	assert_int_equal(numaperf_budget_query(&nodes, 0, &b), -ENODATA);
}

static void a_cgroup_is_found_by_its_whole_name(void **state)
{
	static const char text[] = "5:memoryless,amemory:/wrong\n"
				   "4:cpu,memory:/a/b\n"
				   "1:name=systemd:/s\n"
				   "0::/v2\n";
	char path[16];

	(void)state;
	assert_true(np_cgroup_path(text, "memory", path, sizeof(path)));
	assert_string_equal(path, "/a/b");
	assert_true(np_cgroup_path(text, NULL, path, sizeof(path)));
	assert_string_equal(path, "/v2");
	assert_false(np_cgroup_path(text, "pids", path, sizeof(path)));
	assert_false(np_cgroup_path(text, "memory", path, strlen("/a/b")));
}

/* On this machine: an answer or an error, and nothing stays open. */
static void every_failure_is_said(void **state)
{
	static const int errors[] = { -ENOMEM, -EPERM, -ENOSYS, -EINVAL, -EIO };
	struct numaperf_nodemask nodes = numaperf_nodemask_single(0);
	int fds = fault_open_fds(), clean = 0;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct numaperf_budget b = { .sz = sizeof(b) };
		int err;

		fault_start(&plan);
		err = numaperf_budget_query(&nodes, 0, &b);
		fault_stop();
		if (err) {
			assert_true(plan.failed);
			assert_int_equal(numaperf_last_error()->code, err);
		} else {
			assert_true(b.fits <= b.usable && b.fits <= b.cgroup_left);
		}
		clean += !plan.failed;
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_is_found_by_its_whole_name),
		cmocka_unit_test(zones_are_summed_by_node),
		cmocka_unit_test(broken_zoneinfo_is_refused),
		cmocka_unit_test(every_failure_is_said),
		cmocka_unit_test_setup_teardown(v2_the_tightest_ancestor_counts, start, stop),
		cmocka_unit_test_setup_teardown(v1_has_limits_too, start, stop),
		cmocka_unit_test_setup_teardown(what_fits_is_the_smaller, start, stop),
		cmocka_unit_test_setup_teardown(no_controller_is_no_limit, start, stop),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
