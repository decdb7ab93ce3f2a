// SPDX-License-Identifier: MIT
/* Discovery from small trees: what exists, what is allowed, and what contradicts itself. */
#include "fault.h"
#include "sys.h"
#include "tree.h"
#include "util.h"

#include <errno.h>
#include <ftw.h>
#include <numaperf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static struct numaperf_topology *topo;

/* A file of the tree, its folders made as needed; text NULL: removed. */
static void put(const char *path, const char *text)
{
	char full[256];

	if (text) {
		tree_put(root, path, text);
		return;
	}
	snprintf(full, sizeof(full), "%s/%s", root, path);
	assert_int_equal(unlink(full), 0);
}

#define NODE "sys/devices/system/node/"
#define CPU  "sys/devices/system/cpu/"

static void put_node(int id, const char *cpus, const char *kib, const char *distance)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), NODE "node%d/cpulist", id);
	put(path, cpus);
	snprintf(path, sizeof(path), NODE "node%d/meminfo", id);
	snprintf(text, sizeof(text), "Node %d MemTotal:  %s kB\nNode %d MemFree:  %s kB\n", id,
		 kib, id, kib);
	put(path, text);
	snprintf(path, sizeof(path), NODE "node%d/distance", id);
	put(path, distance);
}

static void put_cpu(int id, int package, int core, const char *siblings, const char *llc)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CPU "cpu%d/topology/physical_package_id", id);
	snprintf(text, sizeof(text), "%d\n", package);
	put(path, text);
	snprintf(path, sizeof(path), CPU "cpu%d/topology/core_id", id);
	snprintf(text, sizeof(text), "%d\n", core);
	put(path, text);
	snprintf(path, sizeof(path), CPU "cpu%d/topology/thread_siblings_list", id);
	put(path, siblings);
	snprintf(path, sizeof(path), CPU "cpu%d/cache/index0/level", id);
	put(path, "3\n");
	snprintf(path, sizeof(path), CPU "cpu%d/cache/index0/type", id);
	put(path, "Unified\n");
	snprintf(path, sizeof(path), CPU "cpu%d/cache/index0/shared_cpu_list", id);
	put(path, llc);
}

/*
 * Nodes 1 (CPUs 0-3, 1 GiB), 4 (CPUs 4-5, no memory), 9 (memory only, 2 GiB), 12 possible and
 * offline; CPU 6 offline, in node 4's list.
 */
static int make(void **state)
{
	(void)state;
	strcpy(root, "/tmp/numaperf-tree.XXXXXX");
	assert_non_null(mkdtemp(root));
	put(CPU "online", "0-5\n");
	put(CPU "possible", "0-7\n");
	put(CPU "isolated", "3\n");
	put(NODE "online", "1,4,9\n");
	put(NODE "possible", "0-12\n");
	put(NODE "has_memory", "1,9\n");
	put(NODE "has_cpu", "1,4\n");
	put_node(1, "0-3\n", "1048576", "10 21 17\n");
	put_node(4, "4-5\n", "0", "22 10 28\n");
	put_node(9, "\n", "2097152", "17 28 10\n");
	put(NODE "node1/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
	put(NODE "node1/hugepages/hugepages-2048kB/free_hugepages", "5\n");
	put(NODE "node1/hugepages/hugepages-2048kB/surplus_hugepages", "1\n");
	for (int c = 0; c < 6; c++)
		put_cpu(c, c / 4, c / 2,
			c < 2	? "0-1\n"
			: c < 4 ? "2-3\n"
				: "4-5\n",
			c < 4 ? "0-3\n" : "4-5\n");
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int unmake(void **state)
{
	(void)state;
	numaperf_topology_unref(topo);
	topo = NULL;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void load(void)
{
	int err = numaperf_topology_load(&topo, root);

	if (err)
		print_error("%s\n", numaperf_last_error()->message);
	assert_int_equal(err, 0);
}

static void assert_cpus(const struct numaperf_cpuset *cpus, const char *want)
{
	char text[128];

	numaperf_cpuset_format(cpus, text, sizeof(text));
	assert_string_equal(text, want);
}

static void assert_nodes(void (*get)(const struct numaperf_topology *,
				     struct numaperf_nodemask *),
			 const char *want)
{
	struct numaperf_nodemask nodes;
	char text[128];

	get(topo, &nodes);
	numaperf_nodemask_format(&nodes, text, sizeof(text));
	assert_string_equal(text, want);
}

static void assert_warns(const char *word)
{
	for (size_t i = 0; i < numaperf_topology_warning_count(topo); i++)
		if (strstr(numaperf_topology_warning(topo, i), word))
			return;
	fail_msg("no warning has '%s'", word);
}

/* ---- what there is ---- */

static void how_fast_memory_is(void **state)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };

	(void)state;
	/* access1 is by CPUs, access0 by whatever is nearest; node 9 has the latter alone */
	put(NODE "node1/access0/initiators/read_latency", "1\n");
	put(NODE "node1/access0/initiators/node9/x", "");
	put(NODE "node1/access1/initiators/node1/x", "");
	put(NODE "node1/access1/initiators/read_latency", "80\n");
	put(NODE "node1/access1/initiators/write_latency", "90\n");
	put(NODE "node1/access1/initiators/read_bandwidth", "20000\n");
	put(NODE "node1/access1/initiators/write_bandwidth", "nonsense\n");
	put(NODE "node9/access0/initiators/node1/x", "");
	put(NODE "node9/access0/initiators/node4/x", "");
	put(NODE "node9/access0/initiators/read_latency", "0\n");
	put("sys/devices/virtual/memory_tiering/memory_tier4/nodelist", "1,4\n");
	put("sys/devices/virtual/memory_tiering/memory_tier22/nodelist", "9\n");
	load();
	assert_int_equal(numaperf_topology_node_info(topo, 1, &info), 0);
	assert_int_equal(info.access.read_latency_ns, 80);
	assert_int_equal(info.access.write_latency_ns, 90);
	assert_int_equal(info.access.read_mib_per_s, 20000);
	assert_int_equal(info.access.write_mib_per_s, 0);
	assert_warns("write_bandwidth");
	assert_int_equal(numaperf_nodemask_count(&info.access.initiators), 1);
	assert_true(numaperf_nodemask_test(&info.access.initiators, 1));
	assert_int_equal(info.memory_tier, 4);
	assert_int_equal(numaperf_topology_node_info(topo, 9, &info), 0);
	assert_int_equal(info.access.read_latency_ns, 0);
	assert_int_equal(numaperf_nodemask_count(&info.access.initiators), 2);
	assert_int_equal(info.memory_tier, 22);
	/* no memory, no tier */
	assert_int_equal(numaperf_topology_node_info(topo, 4, &info), 0);
	assert_int_equal(info.memory_tier, -1);
	assert_true(numaperf_nodemask_empty(&info.access.initiators));
}

/* The running machine against a snapshot of it, against a tree, and after this process may use
 * less of it. */
static void what_has_changed(void **state)
{
	struct numaperf_topology *now, *later;
	struct numaperf_cpuset allowed;
	unsigned int changes = 77;
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(numaperf_topology_discover(&now), 0);
	assert_int_equal(numaperf_topology_changed(now, &changes), 0);
	assert_int_equal(changes, 0);
	load();
	assert_true(numaperf_topology_generation(topo) > numaperf_topology_generation(now));
	assert_int_equal(numaperf_topology_changed(topo, &changes), 0);
	assert_int_equal(changes & NUMAPERF_CHANGED_NODES, NUMAPERF_CHANGED_NODES);
	assert_int_equal(changes & NUMAPERF_CHANGED_MEMORY, NUMAPERF_CHANGED_MEMORY);
	numaperf_topology_allowed_cpus(now, &allowed);
	if (numaperf_cpuset_count(&allowed) > 1) {
		CPU_ZERO(&one);
		CPU_SET((size_t)numaperf_cpuset_first(&allowed), &one);
		assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(numaperf_topology_changed(now, &changes), 0);
		assert_int_equal(changes, NUMAPERF_CHANGED_ALLOWED);
		assert_int_equal(numaperf_topology_discover(&later), 0);
		assert_int_equal(numaperf_topology_changed(later, &changes), 0);
		assert_int_equal(changes, 0);
		numaperf_topology_unref(later);
		assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	}
	assert_int_equal(numaperf_topology_changed(now, NULL), -EINVAL);
	assert_int_equal(numaperf_topology_changed(NULL, &changes), -EINVAL);
	numaperf_topology_unref(now);
}

static void nodes_of_every_kind(void **state)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset cpus;
	int near[4];

	(void)state;
	load();
	assert_int_equal(numaperf_topology_warning_count(topo), 0);
	assert_null(numaperf_topology_warning(topo, 0));
	assert_int_equal(numaperf_topology_node_count(topo), 3);
	assert_int_equal(numaperf_topology_node_id(topo, 2), 9);
	assert_int_equal(numaperf_topology_node_id(topo, 3), -1);
	assert_int_equal(numaperf_topology_node_index(topo, 4), 1);
	assert_int_equal(numaperf_topology_node_index(topo, 12), -1);
	assert_nodes(numaperf_topology_online_nodes, "1,4,9");
	assert_nodes(numaperf_topology_possible_nodes, "0-12");
	assert_nodes(numaperf_topology_cpu_nodes, "1,4");
	assert_nodes(numaperf_topology_memory_nodes, "1,9");
	assert_int_equal(numaperf_topology_node_cpus(topo, 1, &cpus), 0);
	assert_cpus(&cpus, "0-3");
	assert_int_equal(numaperf_topology_node_cpus(topo, 9, &cpus), 0);
	assert_cpus(&cpus, "");
	assert_int_equal(numaperf_topology_node_info(topo, 1, &info), 0);
	assert_int_equal(info.memory_bytes, 1ull << 30);
	assert_int_equal(info.huge[0].page_size, 2u << 20);
	assert_int_equal(info.huge[0].total, 8);
	assert_int_equal(info.huge[0].free, 5);
	assert_int_equal(info.huge[0].surplus, 1);
	assert_int_equal(info.huge[1].page_size, 0);
	assert_int_equal(info.package, 0);
	assert_int_equal(numaperf_topology_node_info(topo, 9, &info), 0);
	assert_true(info.has_memory && !info.has_cpus);
	assert_int_equal(info.package, -1);
	assert_int_equal(numaperf_topology_node_info(topo, 4, &info), 0);
	assert_true(!info.has_memory && info.has_cpus);
	/* asymmetric, and by id, not by place */
	assert_int_equal(numaperf_topology_distance(topo, 1, 4), 21);
	assert_int_equal(numaperf_topology_distance(topo, 4, 1), 22);
	assert_int_equal(numaperf_topology_distance(topo, 1, 12), -1);
	assert_int_equal(numaperf_topology_nearest(topo, 1, near, 4), 3);
	assert_int_equal(near[0], 1);
	assert_int_equal(near[1], 9);
	assert_int_equal(near[2], 4);
}

static void cpus_and_what_they_share(void **state)
{
	struct numaperf_cpu_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset cpus;

	(void)state;
	load();
	numaperf_topology_online_cpus(topo, &cpus);
	assert_cpus(&cpus, "0-5");
	numaperf_topology_possible_cpus(topo, &cpus);
	assert_cpus(&cpus, "0-7");
	numaperf_topology_isolated_cpus(topo, &cpus);
	assert_cpus(&cpus, "3");
	assert_int_equal(numaperf_topology_cpu_node(topo, 5), 4);
	assert_int_equal(numaperf_topology_cpu_node(topo, 6), -1);
	assert_int_equal(numaperf_topology_cpu_info(topo, 3, &info), 0);
	assert_int_equal(info.node, 1);
	assert_int_equal(info.package, 0);
	assert_int_equal(info.core, 1);
	assert_int_equal(info.llc, 0);
	assert_int_equal(info.smt, 1);
	assert_int_equal(numaperf_topology_cpu_siblings(topo, 3, &cpus), 0);
	assert_cpus(&cpus, "2-3");
	assert_int_equal(numaperf_topology_llc_cpus(topo, 3, &cpus), 0);
	assert_cpus(&cpus, "0-3");
	assert_int_equal(numaperf_topology_package_cpus(topo, 5, &cpus), 0);
	assert_cpus(&cpus, "4-5");
}

static void what_is_not_there(void **state)
{
	struct numaperf_node_info node = { .sz = 1 };
	struct numaperf_cpu_info cpu = { .sz = 1 };
	struct numaperf_cpuset cpus;
	int near[1];

	(void)state;
	load();
	assert_int_equal(numaperf_topology_node_cpus(topo, 12, &cpus), -ENOENT);
	assert_int_equal(numaperf_topology_node_allowed_cpus(topo, -1, &cpus), -ENOENT);
	assert_int_equal(numaperf_topology_node_info(topo, 1, &node), -EINVAL);
	assert_int_equal(numaperf_topology_cpu_info(topo, 1, &cpu), -EINVAL);
	node.sz = sizeof(node);
	cpu.sz = sizeof(cpu);
	assert_int_equal(numaperf_topology_node_info(topo, 1 << 20, &node), -ENOENT);
	assert_int_equal(numaperf_topology_cpu_info(topo, 6, &cpu), -ENOENT);
	assert_int_equal(numaperf_topology_llc_cpus(topo, 6, &cpus), -ENOENT);
	assert_int_equal(numaperf_topology_nearest(topo, 12, near, 1), 0);
	assert_int_equal(numaperf_topology_nearest(topo, 1, near, 1), 3);
}

static void references_keep_it(void **state)
{
	(void)state;
	load();
	assert_ptr_equal(numaperf_topology_ref(topo), topo);
	numaperf_topology_unref(topo);
	assert_int_equal(numaperf_topology_node_count(topo), 3);
	numaperf_topology_unref(NULL);
}

/* ---- what is allowed ---- */

static void the_cpuset_is_kept_apart(void **state)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };
	struct numaperf_cpuset cpus;

	(void)state;
	put("proc/self/status", "Name:\tx\nCpus_allowed_list:\t2-4,6\nMems_allowed_list:\t9\n");
	load();
	numaperf_topology_allowed_cpus(topo, &cpus);
	assert_cpus(&cpus, "2-4");
	assert_nodes(numaperf_topology_allowed_nodes, "9");
	assert_nodes(numaperf_topology_memory_nodes, "1,9");
	assert_int_equal(numaperf_topology_node_allowed_cpus(topo, 1, &cpus), 0);
	assert_cpus(&cpus, "2-3");
	assert_int_equal(numaperf_topology_node_cpus(topo, 1, &cpus), 0);
	assert_cpus(&cpus, "0-3");
	assert_int_equal(numaperf_topology_node_info(topo, 1, &info), 0);
	assert_int_equal(info.allowed_cpus, 2);
	assert_int_equal(info.online_cpus, 4);
	assert_false(info.allowed_memory);
}

/* ---- other kernels ---- */

static void an_old_kernel_has_maps_only(void **state)
{
	struct numaperf_cpuset cpus;

	(void)state;
	put(NODE "node1/cpulist", NULL);
	put(NODE "node1/cpumap", "00000000,0000000f\n");
	put(NODE "has_memory", NULL);
	put(NODE "has_cpu", NULL);
	load();
	assert_int_equal(numaperf_topology_node_cpus(topo, 1, &cpus), 0);
	assert_cpus(&cpus, "0-3");
	assert_nodes(numaperf_topology_memory_nodes, "1,9");
}

static void no_numa_is_one_node(void **state)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" NODE, root);
	assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	put("proc/meminfo", "MemTotal:  4096 kB\nMemFree:  1024 kB\n");
	load();
	assert_int_equal(numaperf_topology_node_count(topo), 1);
	assert_nodes(numaperf_topology_online_nodes, "0");
	assert_int_equal(numaperf_topology_node_info(topo, 0, &info), 0);
	assert_int_equal(info.online_cpus, 6);
	assert_int_equal(info.memory_bytes, 4096 * 1024);
}

/* ---- contradictions ---- */

static void a_cpu_of_two_nodes(void **state)
{
	(void)state;
	put(NODE "node4/cpulist", "3-5\n");
	load();
	assert_warns("claim");
	assert_int_equal(numaperf_topology_cpu_node(topo, 3), 1);
}

static void a_cpu_of_no_node(void **state)
{
	(void)state;
	put(NODE "node4/cpulist", "4\n");
	load();
	assert_warns("in no online node");
	assert_int_equal(numaperf_topology_cpu_node(topo, 5), -1);
}

static void offline_cpus_in_a_list(void **state)
{
	struct numaperf_cpuset cpus;

	(void)state;
	put(NODE "node4/cpulist", "4-6\n");
	load();
	assert_warns("not online: 6");
	assert_int_equal(numaperf_topology_node_cpus(topo, 4, &cpus), 0);
	assert_cpus(&cpus, "4-5");
}

static void distances_that_lie(void **state)
{
	(void)state;
	put(NODE "node1/distance", "10 9 17\n"); /* nearer than itself */
	put(NODE "node4/distance", "x\n");
	load();
	assert_true(numaperf_topology_warning_count(topo) >= 2);
	assert_warns("distance");
	assert_int_equal(numaperf_topology_distance(topo, 4, 1), -1);
}

static void garbage_is_flagged_or_refused(void **state)
{
	static const char *const files[] = { CPU "online",	   NODE "online",
					     NODE "possible",	   NODE "has_memory",
					     NODE "node1/cpulist", NODE "node1/meminfo" };
	static const char *const junk[] = { "",	  "x",	 "0-",	     "5-2",
					    "-1", "0,,", "0-999999", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		for (size_t k = 0; k < ARRAY_SIZE(junk); k++) {
			int err;

			unmake(NULL);
			make(NULL);
			put(files[i], junk[k]);
			err = numaperf_topology_load(&topo, root);
			if (err) {
				topo = NULL;
				assert_int_equal(err, -EINVAL);
				assert_int_equal(numaperf_last_error()->reason_id,
						 NUMAPERF_REASON_TOPOLOGY);
			} else if (numaperf_topology_warning_count(topo) == 0) {
				/* only where another file says the same */
				assert_int_equal(numaperf_topology_node_count(topo), 3);
			}
		}
}

static void no_tree_at_all(void **state)
{
	(void)state;
	assert_int_equal(numaperf_topology_load(&topo, "/nonexistent"), -ENOENT);
	topo = NULL;
	assert_non_null(strstr(numaperf_last_error()->message, "/nonexistent"));
}

static void every_failure_is_clean(void **state)
{
	static const int errors[] = { -ENOMEM, -EIO, -EMFILE };
	int fds = fault_open_fds(), err, clean = 0;
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		struct numaperf_topology *t = NULL;

		fault_start(&plan);
		err = numaperf_topology_load(&t, root);
		fault_stop();
		if (err) {
			assert_non_null(plan.failed);
			assert_null(t);
			assert_int_equal(numaperf_last_error()->code, err);
		} else {
			assert_int_equal(numaperf_topology_node_count(t), 3);
			clean += !plan.failed;
		}
		numaperf_topology_unref(t);
		assert_int_equal(fault_open_fds(), fds);
	}
	assert_int_equal(clean, ARRAY_SIZE(errors));
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(how_fast_memory_is),	     WITH_TREE(what_has_changed),
		WITH_TREE(nodes_of_every_kind),	     WITH_TREE(cpus_and_what_they_share),
		WITH_TREE(what_is_not_there),	     WITH_TREE(references_keep_it),
		WITH_TREE(the_cpuset_is_kept_apart), WITH_TREE(an_old_kernel_has_maps_only),
		WITH_TREE(no_numa_is_one_node),	     WITH_TREE(a_cpu_of_two_nodes),
		WITH_TREE(a_cpu_of_no_node),	     WITH_TREE(offline_cpus_in_a_list),
		WITH_TREE(distances_that_lie),	     WITH_TREE(garbage_is_flagged_or_refused),
		WITH_TREE(no_tree_at_all),	     WITH_TREE(every_failure_is_clean),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
