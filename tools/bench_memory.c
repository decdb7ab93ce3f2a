/* SPDX-License-Identifier: MIT */
/*
 * Memory beside libnuma, hwloc, malloc and mmap, each doing what a program would write for the
 * same end. hwloc is asked for when this runs: nothing else of the tool needs it.
 */
#include "bench.h"

#include <dlfcn.h>
#include <math.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_include)
# if __has_include(<hwloc.h>)
#  include <hwloc.h>
#  define HAVE_HWLOC 1
# endif
#endif

enum {
	REGION = 64 << 20,
	PIECE = 64,
	PIECES = 250000,
	KEPT = 1000,
	PAIRS = 200, /* of KEPT */
	CREATED = 200,
	ADDS = 1000000,
	ADDERS_MAX = 64,
};

/* A node that this process may have memory of, and the next one; -1: there is none. */
static int node_after(int node)
{
	struct numaperf_nodemask memory, allowed;

	numaperf_topology_memory_nodes(bench_topology, &memory);
	numaperf_topology_allowed_nodes(bench_topology, &allowed);
	numaperf_nodemask_and(&memory, &memory, &allowed);
	return numaperf_nodemask_next(&memory, node);
}

static int some_node(void)
{
	return node_after(-1);
}

/* ---- a region, faulted in ---- */

static double region(enum numaperf_mode mode, size_t size, enum numaperf_prefault prefault,
		     int times)
{
	struct numaperf_region_opts opts = { .sz = sizeof(opts),
					     .policy = NUMAPERF_POLICY_BIND,
					     .mode = mode,
					     .prefault = prefault,
					     .nodes = numaperf_nodemask_single(some_node()) };
	double start = bench_now_ns();

	for (int i = 0; i < times; i++) {
		struct numaperf_region *r;

		if (numaperf_region_create(&r, size, &opts))
			return -1;
		numaperf_region_unref(r);
	}
	return (bench_now_ns() - start) / times;
}

static double region_soft(void)
{
	return region(NUMAPERF_SOFT, REGION, NUMAPERF_PREFAULT_PARALLEL, 1) / 1e6;
}

static double region_strict(void)
{
	return region(NUMAPERF_STRICT_UNWITNESSED, REGION, NUMAPERF_PREFAULT_PARALLEL, 1) / 1e6;
}

static double region_small(void)
{
	return region(NUMAPERF_SOFT, 65536, NUMAPERF_PREFAULT_NONE, CREATED) / 1e3;
}

static double libnuma(size_t size, bool touch, int times)
{
	int node = some_node();
	double start = bench_now_ns();

	for (int i = 0; i < times; i++) {
		void *p = numa_alloc_onnode(size, node);

		if (!p)
			return -1;
		if (touch)
			memset(p, 1, size);
		numa_free(p, size);
	}
	return (bench_now_ns() - start) / times;
}

static double libnuma_region(void)
{
	return libnuma(REGION, true, 1) / 1e6;
}

static double libnuma_small(void)
{
	return libnuma(65536, false, CREATED) / 1e3;
}

static double plain(size_t size, bool touch, int times)
{
	double start = bench_now_ns();

	for (int i = 0; i < times; i++) {
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			return -1;
		if (touch)
			memset(p, 1, size);
		munmap(p, size);
	}
	return (bench_now_ns() - start) / times;
}

static double mmap_region(void)
{
	return plain(REGION, true, 1) / 1e6;
}

static double mmap_small(void)
{
	return plain(65536, false, CREATED) / 1e3;
}

/* ---- hwloc ---- */

#ifdef HAVE_HWLOC
static struct {
	hwloc_topology_t topology;
	hwloc_bitmap_t nodes;
	void *(*alloc)(hwloc_topology_t, size_t, hwloc_const_bitmap_t, hwloc_membind_policy_t,
		       int);
	int (*free)(hwloc_topology_t, void *, size_t);
} hwloc;

static bool open_hwloc(int node)
{
	void *lib = dlopen("libhwloc.so.15", RTLD_NOW | RTLD_LOCAL);
	int (*init)(hwloc_topology_t *) = lib ? dlsym(lib, "hwloc_topology_init") : NULL;
	int (*load)(hwloc_topology_t) = lib ? dlsym(lib, "hwloc_topology_load") : NULL;
	hwloc_bitmap_t (*bitmap)(void) = lib ? dlsym(lib, "hwloc_bitmap_alloc") : NULL;
	int (*set)(hwloc_bitmap_t, unsigned int) = lib ? dlsym(lib, "hwloc_bitmap_set") : NULL;

	hwloc.alloc = lib ? dlsym(lib, "hwloc_alloc_membind") : NULL;
	hwloc.free = lib ? dlsym(lib, "hwloc_free") : NULL;
	if (!init || !load || !bitmap || !set || !hwloc.alloc || !hwloc.free ||
	    init(&hwloc.topology) || load(hwloc.topology))
		return false;
	hwloc.nodes = bitmap();
	return hwloc.nodes && !set(hwloc.nodes, (unsigned int)node);
}

static double with_hwloc(size_t size, bool touch, int times)
{
	static int there = -1;
	double start;

	if (there < 0)
		there = open_hwloc(some_node());
	if (!there)
		return -1;
	start = bench_now_ns();
	for (int i = 0; i < times; i++) {
		void *p = hwloc.alloc(hwloc.topology, size, hwloc.nodes, HWLOC_MEMBIND_BIND,
				      HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_STRICT);

		if (!p)
			return -1;
		if (touch)
			memset(p, 1, size);
		hwloc.free(hwloc.topology, p, size);
	}
	return (bench_now_ns() - start) / times;
}
#else
static double with_hwloc(size_t size, bool touch, int times)
{
	(void)size, (void)touch, (void)times;
	return -1;
}
#endif

static double hwloc_region(void)
{
	return with_hwloc(REGION, true, 1) / 1e6;
}

static double hwloc_small(void)
{
	return with_hwloc(65536, false, CREATED) / 1e3;
}

/* ---- touching what is there ---- */

static double walk(volatile char *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	double start = bench_now_ns();

	for (int round = 0; round < 4; round++)
		for (size_t at = 0; at < REGION; at += page)
			p[at]++;
	return (bench_now_ns() - start) / 4 / (double)(REGION / page);
}

static struct numaperf_region *faulted_region(void)
{
	struct numaperf_region_opts opts = { .sz = sizeof(opts),
					     .policy = NUMAPERF_POLICY_BIND,
					     .prefault = NUMAPERF_PREFAULT_PARALLEL,
					     .nodes = numaperf_nodemask_single(some_node()) };
	struct numaperf_region *r;

	return numaperf_region_create(&r, REGION, &opts) ? NULL : r;
}

static double touch_region(void)
{
	struct numaperf_region *r = faulted_region();
	double took;

	if (!r)
		return -1;
	took = walk(numaperf_region_data(r));
	numaperf_region_unref(r);
	return took;
}

static double touch_mmap(void)
{
	char *p =
		mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double took;

	if (p == MAP_FAILED)
		return -1;
	memset(p, 1, REGION);
	took = walk(p);
	munmap(p, REGION);
	return took;
}

/* ---- asking and moving ---- */

static double placement(void)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	struct numaperf_region *r = faulted_region();
	double start = bench_now_ns();
	int err = r ? numaperf_region_placement(r, &where) : -1;

	start = bench_now_ns() - start;
	numaperf_region_unref(r);
	return err ? -1 : start / 1e6;
}

static double sample(void)
{
	static struct numaperf_estimate estimate = { .sz = sizeof(estimate) };
	struct numaperf_region *r = faulted_region();
	double start = bench_now_ns();
	int err =
		r ? numaperf_placement_sample(numaperf_region_data(r), REGION, 1000, &estimate)
		  : -1;

	start = bench_now_ns() - start;
	numaperf_region_unref(r);
	return err ? -1 : start / 1e6;
}

/* All pages by one call; `node` below 0: it is only asked where they are. */
static double move_pages_of(char *data, int node)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = REGION / page;
	void **pages = calloc(n, sizeof(*pages));
	int *status = calloc(n, sizeof(*status)), *nodes = calloc(n, sizeof(*nodes));
	double start = bench_now_ns();
	long err = -1;

	for (size_t i = 0; pages && nodes && i < n; i++) {
		pages[i] = data + i * page;
		nodes[i] = node;
	}
	if (pages && status && nodes)
		err = numa_move_pages(0, n, pages, node < 0 ? NULL : nodes, status,
				      MPOL_MF_MOVE);
	start = bench_now_ns() - start;
	free(pages);
	free(status);
	free(nodes);
	return err < 0 ? -1 : start / 1e6;
}

static double libnuma_ask(void)
{
	struct numaperf_region *r = faulted_region();
	double took = r ? move_pages_of(numaperf_region_data(r), -1) : -1;

	numaperf_region_unref(r);
	return took;
}

/* To the next node and back, half of that. */
static double migrate(void)
{
	int node = some_node(), other = node_after(node);
	struct numaperf_nodemask there = numaperf_nodemask_single(other),
				 back = numaperf_nodemask_single(node);
	struct numaperf_region *r = other < 0 ? NULL : faulted_region();
	double start = bench_now_ns();
	int err = r ? numaperf_region_migrate(r, &there, NULL, NULL) : -1;

	if (other < 0)
		return NAN;

	if (!err)
		err = numaperf_region_migrate(r, &back, NULL, NULL);
	start = bench_now_ns() - start;
	numaperf_region_unref(r);
	return err ? -1 : start / 2e6;
}

static double libnuma_migrate(void)
{
	int node = some_node(), other = node_after(node);
	struct numaperf_region *r = faulted_region();
	double there = r ? move_pages_of(numaperf_region_data(r), other) : -1;
	double back = r ? move_pages_of(numaperf_region_data(r), node) : -1;

	numaperf_region_unref(r);
	return there < 0 || back < 0 ? -1 : (there + back) / 2;
}

/* ---- pieces ---- */

static double pool(void)
{
	struct numaperf_pool_opts opts = { .sz = sizeof(opts),
					   .prefault = NUMAPERF_PREFAULT_TOUCH };
	struct numaperf_pool *p;
	double start;
	int n = 0;

	if (numaperf_pool_create(&p, bench_topology, some_node(), PIECES * PIECE, &opts))
		return -1;
	start = bench_now_ns();
	while (n < PIECES && numaperf_pool_alloc(p, PIECE))
		n++;
	start = bench_now_ns() - start;
	numaperf_pool_destroy(p);
	return n == PIECES ? start / n : -1;
}

/* The second time round, so that its pages are there, too. */
static double malloc_pieces(void)
{
	static void *piece[PIECES];
	double start = 0;

	for (int round = 0; round < 2; round++) {
		start = bench_now_ns();
		for (int i = 0; i < PIECES; i++)
			piece[i] = malloc(PIECE);
		start = bench_now_ns() - start;
		for (int i = 0; i < PIECES; i++)
			free(piece[i]);
	}
	return start / PIECES;
}

/* KEPT at a time, allocated and freed in that order. */
#define PAIRED(allocate, release)                           \
 do {                                                       \
  static void *kept[KEPT];                                  \
  double start = bench_now_ns();                            \
                                                            \
  for (int round = 0; round < PAIRS; round++) {             \
   for (int i = 0; i < KEPT; i++)                           \
    kept[i] = allocate;                                     \
   for (int i = 0; i < KEPT; i++)                           \
    release;                                                \
  }                                                         \
  took = (bench_now_ns() - start) / ((double)PAIRS * KEPT); \
 } while (0)

static double heap(void)
{
	struct numaperf_heap *h;
	double took;

	if (numaperf_heap_create(&h, bench_topology, some_node(), NULL))
		return -1;
	PAIRED(numaperf_heap_alloc(h, PIECE), numaperf_heap_free(h, kept[i]));
	numaperf_heap_destroy(h);
	return took;
}

static double objects(void)
{
	struct numaperf_object_pool *p;
	double took;

	if (numaperf_object_pool_create(&p, bench_topology, some_node(), PIECE, PIECE, NULL))
		return -1;
	PAIRED(numaperf_object_pool_alloc(p), numaperf_object_pool_free(p, kept[i]));
	numaperf_object_pool_destroy(p);
	return took;
}

static double malloc_pairs(void)
{
	double took;

	PAIRED(malloc(PIECE), free(kept[i]));
	return took;
}

/* ---- counters ---- */

struct adder {
	pthread_t thread;
	struct numaperf_counter *counter; /* NULL: the one atomic number */
	uint64_t *number;
	unsigned int *go;
	double ns;
};

static void *add(void *arg)
{
	struct adder *a = arg;
	double start;

	if (a->counter)
		numaperf_counter_add(a->counter, 0); /* the thread's place is found */
	while (!__atomic_load_n(a->go, __ATOMIC_ACQUIRE)) {
	}
	start = bench_now_ns();
	if (a->counter)
		for (int i = 0; i < ADDS; i++)
			numaperf_counter_add(a->counter, 1);
	else
		for (int i = 0; i < ADDS; i++)
			__atomic_fetch_add(a->number, 1, __ATOMIC_RELAXED);
	a->ns = (bench_now_ns() - start) / ADDS;
	return NULL;
}

/* The slowest of so many threads. */
static double count_with(int threads, bool ours)
{
	struct adder a[ADDERS_MAX] = { 0 };
	struct numaperf_counter *counter = NULL;
	unsigned int go = 0;
	uint64_t number = 0;
	double worst = 0;
	int started = 0;

	if (ours && numaperf_counter_create(&counter, bench_topology))
		return -1;
	for (; started < threads; started++) {
		a[started].counter = counter;
		a[started].number = &number;
		a[started].go = &go;
		if (pthread_create(&a[started].thread, NULL, add, &a[started]))
			break;
	}
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < started; i++) {
		pthread_join(a[i].thread, NULL);
		worst = a[i].ns > worst ? a[i].ns : worst;
	}
	numaperf_counter_destroy(counter);
	return worst;
}

static int all_cpus(void)
{
	struct numaperf_cpuset cpus;
	int n;

	numaperf_topology_allowed_cpus(bench_topology, &cpus);
	n = (int)numaperf_cpuset_count(&cpus);
	return n < ADDERS_MAX ? n : ADDERS_MAX;
}

static double count_alone(void)
{
	return count_with(1, true);
}

static double atomic_alone(void)
{
	return count_with(1, false);
}

static double count_all(void)
{
	return count_with(all_cpus(), true);
}

static double atomic_all(void)
{
	return count_with(all_cpus(), false);
}

#define OURS(name, unit, measure)             \
 {                                            \
  "memory", name, unit, measure, false, false \
 }
#define PEER(name, unit, measure)            \
 {                                           \
  "memory", name, unit, measure, false, true \
 }

const struct bench_figure bench_memory[] = {
	OURS("64 KiB on a node, made and unmade", "us", region_small),
	PEER("libnuma", "us", libnuma_small),
	PEER("hwloc", "us", hwloc_small),
	PEER("mmap", "us", mmap_small),
	OURS("64 MiB on a node, faulted in", "ms", region_soft),
	PEER("libnuma, memset", "ms", libnuma_region),
	PEER("hwloc, memset", "ms", hwloc_region),
	PEER("mmap, memset", "ms", mmap_region),
	OURS("64 MiB on a node, proved", "ms", region_strict),
	PEER("libnuma, memset, not proved", "ms", libnuma_region),
	OURS("touch, a page", "ns", touch_region),
	PEER("mmap", "ns", touch_mmap),
	OURS("where 64 MiB are", "ms", placement),
	PEER("libnuma", "ms", libnuma_ask),
	OURS("where 64 MiB are, 1000 samples", "ms", sample),
	PEER("libnuma, each page", "ms", libnuma_ask),
	OURS("migration of 64 MiB", "ms", migrate),
	PEER("libnuma", "ms", libnuma_migrate),
	OURS("pool, pieces of 64 bytes", "ns", pool),
	PEER("malloc", "ns", malloc_pieces),
	OURS("heap, 64 bytes, made and freed", "ns", heap),
	PEER("malloc", "ns", malloc_pairs),
	OURS("objects of 64 bytes, made and freed", "ns", objects),
	PEER("malloc", "ns", malloc_pairs),
	OURS("counter, one thread adds", "ns", count_alone),
	PEER("one atomic number", "ns", atomic_alone),
	OURS("counter, a thread a CPU", "ns", count_all),
	PEER("one atomic number", "ns", atomic_all),
};
const size_t bench_memory_count = sizeof(bench_memory) / sizeof(bench_memory[0]);
