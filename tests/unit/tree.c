// SPDX-License-Identifier: MIT
/* Trees written for the occasion. See tree.h. */
#include "tree.h"
#include "../../lib/src/sys.h"
#include "../../lib/src/util.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

void tree_put(const char *base, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", base, path);
	for (char *p = strchr(full + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	f = fopen(full, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void put(const char *path, const char *fmt, ...) NUMAPERF_PRINTF(2, 3);

static void put(const char *path, const char *fmt, ...)
{
	char full[128], text[256];
	va_list ap;

	snprintf(full, sizeof(full), "sys/devices/system/%s", path);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tree_put(root, full, text);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void put_node(int id, const struct tree_node *node)
{
	char path[96], list[32] = "";

	if (node->cpus)
		snprintf(list, sizeof(list), "%d-%d", node->first_cpu,
			 node->first_cpu + node->cpus - 1);
	snprintf(path, sizeof(path), "node/node%d/cpulist", id);
	put(path, "%s\n", list);
	snprintf(path, sizeof(path), "node/node%d/distance", id);
	put(path, "%s\n", node->distance);
	snprintf(path, sizeof(path), "node/node%d/meminfo", id);
	put(path, "Node %d MemTotal: 1048576 kB\nNode %d MemFree: 1048576 kB\n", id, id);
	for (int cpu = node->first_cpu; cpu < node->first_cpu + node->cpus; cpu++) {
		snprintf(path, sizeof(path), "cpu/cpu%d/topology/physical_package_id", cpu);
		put(path, "%d\n", node->package);
		snprintf(path, sizeof(path), "cpu/cpu%d/topology/core_id", cpu);
		put(path, "%d\n", cpu);
	}
}

struct numaperf_topology *tree_topology(const struct tree_node *node, int nodes)
{
	struct numaperf_topology *topo = NULL;
	int last_cpu = 0;

	strcpy(root, "/tmp/np-tree.XXXXXX");
	if (!mkdtemp(root))
		abort();
	for (int i = 0; i < nodes; i++) {
		put_node(i, &node[i]);
		if (node[i].cpus && node[i].first_cpu + node[i].cpus - 1 > last_cpu)
			last_cpu = node[i].first_cpu + node[i].cpus - 1;
	}
	put("cpu/online", "0-%d\n", last_cpu);
	put("cpu/possible", "0-%d\n", last_cpu);
	put("node/online", "0-%d\n", nodes - 1);
	put("node/possible", "0-%d\n", nodes - 1);
	if (numaperf_topology_load(&topo, root)) {
		fprintf(stderr, "tree: %s\n", numaperf_last_error()->message);
		abort();
	}
	if (numaperf_topology_warning_count(topo)) {
		fprintf(stderr, "tree: %s\n", numaperf_topology_warning(topo, 0));
		abort();
	}
	nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
	return topo;
}

/* ---- any CPU ---- */

static struct np_sys table;
static int limit;
static __thread struct numaperf_cpuset mine;

static int set_affinity(int tid, size_t size, const void *mask)
{
	struct numaperf_cpuset all;

	if (tid)
		return -EPERM;
	numaperf_cpuset_zero(&mine);
	memcpy(&mine, mask, MIN(size, sizeof(mine)));
	if (limit) {
		numaperf_cpuset_fill_below(&all, limit);
		numaperf_cpuset_and(&mine, &mine, &all);
	}
	return numaperf_cpuset_empty(&mine) ? -EINVAL : 0;
}

static int get_affinity(int tid, size_t size, void *mask)
{
	if (tid)
		return np_sys_real.sched_getaffinity(tid, size, mask);
	memset(mask, 0, size);
	memcpy(mask, &mine, MIN(size, sizeof(mine)));
	return (int)MIN(size, sizeof(mine));
}

void tree_sys_start(int short_of)
{
	table = np_sys_real;
	table.sched_setaffinity = set_affinity;
	table.sched_getaffinity = get_affinity;
	limit = short_of;
	np_sys = &table;
}

void tree_sys_stop(void)
{
	np_sys = &np_sys_real;
}

/* ---- the crossed one ---- */

struct numaperf_topology *tree_crossed;

int tree_crossed_make(void **state)
{
	static const struct tree_node crossed[] = TREE_CROSSED;

	(void)state;
	tree_sys_start(0);
	tree_crossed = tree_topology(crossed, ARRAY_SIZE(crossed));
	return 0;
}

int tree_crossed_drop(void **state)
{
	(void)state;
	numaperf_topology_unref(tree_crossed);
	tree_sys_stop();
	return 0;
}
