// SPDX-License-Identifier: MIT
/*
 * Memory that is there: a region with parallel prefault, soft and strict, beside libnuma, hwloc
 * and mmap with memset; and a large one beside memset by as many threads, which is the best
 * that the machine does.
 */
#include "bench.h"

#include <hwloc.h>
#include <numa.h>
#include <numaperf.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE  ((size_t)256 << 20)
#define LARGE ((size_t)8 << 30)

static int node;
static size_t large;
static unsigned int threads;
static hwloc_topology_t hwloc;
static hwloc_bitmap_t nodes;

static void create(enum numaperf_mode mode, size_t size)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.prefault = NUMAPERF_PREFAULT_PARALLEL,
		.nodes = numaperf_nodemask_single(node),
	};
	struct numaperf_region *region;

	if (numaperf_region_create(&region, size, &opts)) {
		fprintf(stderr, "%s\n", numaperf_last_error()->message);
		exit(1);
	}
	numaperf_region_unref(region);
}

static void soft(unsigned int n)
{
	while (n--)
		create(NUMAPERF_SOFT, SIZE);
}

static void strict(unsigned int n)
{
	while (n--)
		create(NUMAPERF_STRICT_UNWITNESSED, SIZE);
}

static void libnuma(unsigned int n)
{
	while (n--) {
		void *p = numa_alloc_onnode(SIZE, node);

		if (!p)
			exit(1);
		memset(p, 0, SIZE);
		numa_free(p, SIZE);
	}
}

static void with_hwloc(unsigned int n)
{
	while (n--) {
		void *p = hwloc_alloc_membind(hwloc, SIZE, nodes, HWLOC_MEMBIND_BIND,
					      HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_STRICT);

		if (!p)
			exit(1);
		memset(p, 0, SIZE);
		hwloc_free(hwloc, p, SIZE);
	}
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static void plain(unsigned int n)
{
	while (n--) {
		void *p = map(SIZE);

		memset(p, 0, SIZE);
		munmap(p, SIZE);
	}
}

/* ---- the large one ---- */

struct part {
	pthread_t thread;
	char *start;
	size_t length;
};

static void *set(void *arg)
{
	struct part *part = arg;

	memset(part->start, 0, part->length);
	return NULL;
}

static void large_memset(unsigned int n)
{
	while (n--) {
		char *p = map(large);
		struct part part[256];

		for (unsigned int i = 0; i < threads; i++) {
			part[i].start = p + large / threads * i;
			part[i].length = large / threads;
			if (pthread_create(&part[i].thread, NULL, set, &part[i]))
				exit(1);
		}
		for (unsigned int i = 0; i < threads; i++)
			pthread_join(part[i].thread, NULL);
		munmap(p, large);
	}
}

static void large_region(unsigned int n)
{
	while (n--)
		create(NUMAPERF_SOFT, large);
}

/* 8 GiB, or half of what the machine can give. */
static size_t large_size(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (kib << 10) / 2 < LARGE ? (kib << 10) / 2 / threads / 4096 * threads * 4096
				       : LARGE;
}

int main(void)
{
	struct numaperf_topology *topo;
	struct numaperf_nodemask memory;
	struct numaperf_cpuset cpus;
	char what[64];

	if (numaperf_topology_discover(&topo))
		return 1;
	numaperf_topology_memory_nodes(topo, &memory);
	node = numaperf_nodemask_first(&memory);
	numaperf_topology_allowed_cpus(topo, &cpus);
	threads = numaperf_cpuset_count(&cpus) < 256 ? numaperf_cpuset_count(&cpus) : 256;
	numaperf_topology_unref(topo);
	if (hwloc_topology_init(&hwloc) || hwloc_topology_load(hwloc))
		return 1;
	nodes = hwloc_bitmap_alloc();
	hwloc_bitmap_set(nodes, (unsigned int)node);
	bench_pair("256 MiB bound and faulted, soft", 1, "numaperf", soft, "libnuma + memset",
		   libnuma);
	bench_pair("256 MiB bound and faulted, soft", 1, "numaperf", soft, "hwloc + memset",
		   with_hwloc);
	bench_pair("256 MiB bound and faulted, soft", 1, "numaperf", soft, "mmap + memset",
		   plain);
	bench_pair("256 MiB bound, faulted, proved", 1, "numaperf", strict, "libnuma + memset",
		   libnuma);
	large = large_size();
	snprintf(what, sizeof(what), "%.1f GiB by %u threads", (double)large / (1 << 30),
		 threads);
	bench_pair(what, 1, "numaperf", large_region, "memset by as many", large_memset);
	hwloc_bitmap_free(nodes);
	hwloc_topology_destroy(hwloc);
	return 0;
}
