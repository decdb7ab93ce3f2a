/* SPDX-License-Identifier: MIT */
/*
 * For the programs that ask where pages are: TAP, and two oracles that the library is held
 * against, move_pages(2) page by page and the sums of /proc/self/numa_maps.
 */
#ifndef NP_VM_PAGES_H
#define NP_VM_PAGES_H

#include "prog.h"

#include <errno.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdbool.h>

#define PAGE  4096ul
#define NODES 64

static int test_count, test_failures;

static inline void ok(bool good, const char *format, ...)
{
	va_list args;

	printf("%sok %d - ", good ? "" : "not ", ++test_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	puts("");
	if (!good)
		printf("# errno %d, last error: %s\n", errno, numaperf_last_error()->message);
	test_failures += !good;
}

/* What has to work for the tests to mean anything. */
static inline void must(int err)
{
	if (err) {
		printf("Bail out! %s\n", numaperf_last_error()->message);
		exit(1);
	}
}

static inline int tests_end(void)
{
	printf("1..%d\n", test_count);
	return test_failures != 0;
}

/* ---- where pages are ---- */

struct spread {
	long on[NODES];
	long absent, total;
};

static inline struct spread spread_of(const void *start, size_t length)
{
	struct spread s = { .absent = 0 };

	for (size_t at = 0; at < length; at += PAGE) {
		void *p = (char *)start + at;
		int status = -ENOENT;

		if (move_pages(0, 1, &p, NULL, &status, 0)) {
			perror("# move_pages");
			exit(1);
		}
		if (status >= 0 && status < NODES)
			s.on[status]++;
		else
			s.absent++;
		s.total++;
	}
	return s;
}

/* By numa_maps, in base pages; mappings that begin in the range. */
static inline struct spread maps_of(const void *start, size_t length)
{
	unsigned long from = (unsigned long)start, address;
	FILE *f = fopen("/proc/self/numa_maps", "r");
	struct spread s = { .absent = 0 };
	char line[4096];

	if (!f)
		exit(1);
	while (fgets(line, sizeof(line), f)) {
		long scale = 1, kib;
		char *word = strstr(line, "kernelpagesize_kB=");

		if (sscanf(line, "%lx ", &address) != 1 || address < from ||
		    address >= from + length)
			continue;
		if (word && sscanf(word, "kernelpagesize_kB=%ld", &kib) == 1)
			scale = kib / 4;
		for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
			int node;
			long pages;

			if (sscanf(word, "N%d=%ld", &node, &pages) == 2 && node < NODES)
				s.on[node] += pages * scale;
		}
	}
	fclose(f);
	return s;
}

static inline bool same_nodes(const struct spread *a, const struct spread *b)
{
	return !memcmp(a->on, b->on, sizeof(a->on));
}

/* All on `node`. */
static inline bool all_on(const void *start, size_t length, int node)
{
	struct spread s = spread_of(start, length);

	return node >= 0 && s.on[node] == s.total;
}

static inline bool region_all_on(const struct numaperf_region *r, int node)
{
	return all_on(numaperf_region_data(r), numaperf_region_size(r), node);
}

static inline void print_spread(const char *who, const struct spread *s)
{
	printf("# %s:", who);
	for (int node = 0; node < NODES; node++)
		if (s->on[node])
			printf(" N%d=%ld", node, s->on[node]);
	printf(" absent=%ld of %ld\n", s->absent, s->total);
}

/* The library, the call and the file say the same, and its check holds. */
static inline struct spread agree(struct numaperf_region *r, const char *name)
{
	static struct numaperf_placement where = { .sz = sizeof(where) };
	void *data = numaperf_region_data(r);
	size_t size = numaperf_region_size(r);
	struct spread call = spread_of(data, size), file = maps_of(data, size), ours;

	ours = (struct spread){ .absent = 0, .total = call.total };
	must(numaperf_region_placement(r, &where));
	for (int node = 0; node < NODES; node++)
		ours.on[node] = (long)where.pages_on_node[node];
	ours.absent = (long)where.pages_absent;
	ok(same_nodes(&ours, &call) && ours.absent == call.absent && same_nodes(&file, &call) &&
		   where.pages_total == (size_t)call.total,
	   "%s: the library, move_pages and numa_maps agree", name);
	if (!same_nodes(&ours, &call) || !same_nodes(&file, &call)) {
		print_spread("library", &ours);
		print_spread("move_pages", &call);
		print_spread("numa_maps", &file);
	}
	return call;
}

/* ---- the machine ---- */

static struct numaperf_topology *topo;
static struct numaperf_nodemask memory_nodes;
static int first, second; /* nodes with memory; second: -1 when there is one only */

static inline void discover(void)
{
	must(numaperf_topology_discover(&topo));
	numaperf_topology_memory_nodes(topo, &memory_nodes);
	first = numaperf_nodemask_first(&memory_nodes);
	second = -1;
	NUMAPERF_NODEMASK_FOR_EACH (node, &memory_nodes)
		if (second < 0 && node != first)
			second = node;
}

/* This thread to a CPU of `node`; false: it has none. */
static inline bool go_to(int node)
{
	struct numaperf_cpuset cpus;
	cpu_set_t set;
	int cpu;

	if (numaperf_topology_node_cpus(topo, node, &cpus))
		return false;
	cpu = numaperf_cpuset_first(&cpus);
	if (cpu < 0)
		return false;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set) && node_here() == node;
}

static inline struct numaperf_region_opts options(enum numaperf_policy policy,
						  const struct numaperf_nodemask *nodes,
						  enum numaperf_mode mode)
{
	struct numaperf_region_opts o = { .sz = sizeof(o),
					  .policy = policy,
					  .mode = mode,
					  .prefault = NUMAPERF_PREFAULT_PARALLEL,
					  .thp = NUMAPERF_THP_OFF };

	if (nodes)
		o.nodes = *nodes;
	return o;
}

static inline struct numaperf_region *create(size_t size, struct numaperf_region_opts o)
{
	struct numaperf_region *r;

	must(numaperf_region_create(&r, size, &o));
	return r;
}

static inline struct numaperf_nodemask two(int a, int b)
{
	struct numaperf_nodemask nodes = numaperf_nodemask_single(a);

	numaperf_nodemask_set(&nodes, b);
	return nodes;
}

/* The number in a file, or -1; and a number into one. */
static inline long file_number(const char *path)
{
	FILE *f = fopen(path, "r");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static inline bool file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool good = f && fputs(text, f) >= 0;

	return f && !fclose(f) && good;
}

#endif
