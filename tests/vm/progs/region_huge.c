// SPDX-License-Identifier: MIT
/*
 * Explicit huge pages on a machine with several nodes: how many each node has reserved is set
 * and read through sysfs; what is refused, what takes their place, and that nobody dies of it.
 */
#include "pages.h"

#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define HUGE (2ul << 20)

static long reserved(int node, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s_hugepages",
		 node, what);
	return file_number(path);
}

/* So many of them on the node. */
static bool reserve(int node, int count)
{
	char path[128], text[16];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node);
	snprintf(text, sizeof(text), "%d", count);
	return file_write(path, text) && reserved(node, "nr") == count;
}

static struct numaperf_region_opts huge_options(enum numaperf_policy policy,
						const struct numaperf_nodemask *nodes,
						enum numaperf_mode mode)
{
	struct numaperf_region_opts o = options(policy, nodes, mode);

	o.thp = NUMAPERF_THP_DEFAULT;
	o.huge_page_size = HUGE;
	return o;
}

static size_t page_of(const struct numaperf_region *r)
{
	struct numaperf_region_info info = { .sz = sizeof(info) };

	must(numaperf_region_info(r, &info));
	return info.page_size;
}

static bool says(const char *text)
{
	return strstr(numaperf_last_error()->message, text);
}

static void had(void)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(second);
	struct numaperf_region *r =
		create(5 * HUGE + 1, huge_options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT));

	ok(page_of(r) == HUGE && numaperf_region_size(r) == 6 * HUGE,
	   "a size is rounded up to whole huge pages, and said");
	agree(r, "huge pages");
	ok(region_all_on(r, second) && reserved(second, "free") == 2,
	   "huge pages: six of node %d's eight", second);
	must(numaperf_region_resize(r, 7 * HUGE));
	ok(region_all_on(r, second) && reserved(second, "free") == 1, "and one more");
	ok(numaperf_region_resize(r, 10 * HUGE) == -NUMAPERF_EHARDMODE &&
		   numaperf_last_error()->reason_id == NUMAPERF_REASON_HUGEPAGES &&
		   numaperf_region_size(r) == 7 * HUGE && numaperf_region_check(r) == 0,
	   "but not three: refused, and it is as it was");
	printf("# %s\n", numaperf_last_error()->message);
	must(numaperf_region_resize(r, 2 * HUGE));
	ok(reserved(second, "free") == 6, "shrunk: they are back");
	numaperf_region_unref(r);
	ok(reserved(second, "free") == 8, "and after its end all of them");
}

static void refused_strictly(void)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(second);
	struct numaperf_region_opts o =
		huge_options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT);
	struct numaperf_region *r = NULL;
	char node[32];
	int err = numaperf_region_create(&r, 9 * HUGE, &o);

	snprintf(node, sizeof(node), "node %d", second);
	ok(err == -NUMAPERF_EHARDMODE && !r &&
		   numaperf_last_error()->reason_id == NUMAPERF_REASON_HUGEPAGES &&
		   says(node) && says("2048 KiB") && says("8") && says("9"),
	   "strict, more than there are: the error names node, size, free and wanted");
	printf("# %s\n", numaperf_last_error()->message);
	ok(reserved(second, "free") == 8, "and none is lost");
	o.huge_page_size = 1ul << 30;
	err = numaperf_region_create(&r, 1ul << 30, &o);
	ok(err && !r, "1 GiB: refused, since there are none or the CPU has none");
	printf("# %d %s\n", err, numaperf_last_error()->message);
	o.huge_page_size = 3ul << 20;
	ok(numaperf_region_create(&r, HUGE, &o) == -EINVAL && !r, "3 MiB: no such size");
	printf("# %s\n", numaperf_last_error()->message);
}

static void softly(void)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(second);
	struct numaperf_region_opts o = huge_options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_SOFT);
	struct numaperf_region *r, *rest;

	/* more than all nodes have */
	r = create(40 * HUGE, o);
	ok(page_of(r) == PAGE && spread_of(numaperf_region_data(r), 40 * HUGE).absent == 0,
	   "soft, more than there are: base pages in their place");
	numaperf_region_unref(r);

	/* mapped while there were enough, touched when somebody else has them */
	o.prefault = NUMAPERF_PREFAULT_NONE;
	r = create(6 * HUGE, o);
	rest = create(6 * HUGE, huge_options(NUMAPERF_POLICY_BIND, &one, NUMAPERF_STRICT));
	memset(numaperf_region_data(r), 1, numaperf_region_size(r));
	ok(spread_of(numaperf_region_data(r), 6 * HUGE).absent == 0,
	   "soft, touched later: no SIGBUS");
	numaperf_region_unref(rest);
	numaperf_region_unref(r);
}

static void interleaved(void)
{
	struct numaperf_region *r;
	long most = 0, least = 1L << 30;
	struct spread s;

	r = create(10 * HUGE,
		   huge_options(NUMAPERF_POLICY_INTERLEAVE, &memory_nodes, NUMAPERF_STRICT));
	s = agree(r, "huge pages, interleaved");
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes) {
		most = s.on[node] > most ? s.on[node] : most;
		least = s.on[node] < least ? s.on[node] : least;
	}
	ok(most - least <= 512, "huge pages, interleaved: within one of them");
	numaperf_region_unref(r);
}

static void migrated(void)
{
	struct numaperf_nodemask a = numaperf_nodemask_single(first),
				 b = numaperf_nodemask_single(second);
	struct numaperf_migration sum = { .sz = sizeof(sum) };
	struct numaperf_region *r =
		create(4 * HUGE, huge_options(NUMAPERF_POLICY_BIND, &a, NUMAPERF_STRICT));

	memset(numaperf_region_data(r), 0x42, 4 * HUGE);
	ok(numaperf_region_migrate(r, &b, NULL, &sum) == 0 && region_all_on(r, second) &&
		   sum.pages_moved == 4 * 512 &&
		   ((char *)numaperf_region_data(r))[HUGE] == 0x42,
	   "huge pages migrate to node %d", second);
	printf("# moved %zu failed %zu: %s\n", sum.pages_moved, sum.pages_failed,
	       numaperf_last_error()->message);
	numaperf_region_unref(r);
}

static void in_a_file(void)
{
	struct numaperf_nodemask b = numaperf_nodemask_single(second);
	struct numaperf_region_opts o = options(NUMAPERF_POLICY_BIND, &b, NUMAPERF_STRICT);
	int fd = memfd_create("np", MFD_HUGETLB | MFD_HUGE_2MB);
	struct numaperf_region *r = NULL;
	int err;

	if (fd < 0 || ftruncate(fd, 3 * HUGE))
		exit(1);
	o.thp = NUMAPERF_THP_DEFAULT;
	err = numaperf_region_map_file(&r, fd, 0, 3 * HUGE, NUMAPERF_SHARED, &o);
	ok(!err && region_all_on(r, second) && page_of(r) == HUGE,
	   "hugetlbfs: strict on node %d", second);
	numaperf_region_unref(err ? NULL : r);
	close(fd);
	fd = memfd_create("np", MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0 || ftruncate(fd, 30 * HUGE))
		exit(1);
	r = NULL;
	err = numaperf_region_map_file(&r, fd, 0, 30 * HUGE, NUMAPERF_SHARED, &o);
	ok(err && !r && numaperf_last_error()->reason_id == NUMAPERF_REASON_HUGEPAGES,
	   "hugetlbfs: more than there are is refused");
	printf("# %d %s\n", err, numaperf_last_error()->message);
	close(fd);
}

static void counted(void)
{
	struct numaperf_nodemask one = numaperf_nodemask_single(second);
	struct numaperf_budget b = { .sz = sizeof(b) };

	must(numaperf_budget_query(&one, HUGE, &b));
	ok(b.free == 8 * HUGE && b.fits == 8 * HUGE, "a budget in huge pages: eight");
	ok(numaperf_budget_require(&one, HUGE, 8 * HUGE) == 0 &&
		   numaperf_budget_require(&one, HUGE, 9 * HUGE) == -ENOMEM &&
		   numaperf_last_error()->reason_id == NUMAPERF_REASON_HUGEPAGES,
	   "and not nine");
}

int main(void)
{
	long surplus;

	discover();
	if (second < 0)
		return 9;
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		if (!reserve(node, 8)) {
			printf("Bail out! node %d has not 8 huge pages\n", node);
			return 1;
		}
	surplus = reserved(second, "surplus");
	had();
	refused_strictly();
	softly();
	interleaved();
	migrated();
	in_a_file();
	counted();
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		ok(reserved(node, "free") == 8, "node %d has all of its own again", node);
	ok(reserved(second, "surplus") == surplus, "and no surplus");
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		reserve(node, 0);
	numaperf_topology_unref(topo);
	return tests_end();
}
