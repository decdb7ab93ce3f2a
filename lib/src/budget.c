// SPDX-License-Identifier: MIT
/*
 * How much memory can still be had. The kernel answers that question with a kill when it is
 * asked by touching, so it is asked here by reading: of the nodes in /proc/zoneinfo, of the
 * cgroups in their files.
 */
#include "budget.h"
#include "capability.h"
#include "cgroup.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- nodes ---- */

/* What /proc/zoneinfo says of one zone, and of the node in the node's first zone; pages. */
struct zone {
	uint64_t free, low, high, protection;
	uint64_t file, slab, dirty; /* of the node */
};

/* a - b, not below 0 */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* As si_mem_available() in mm/page_alloc.c does for the whole machine: of the cache, half or
 * the low watermark is taken to be needed. Dirty pages cannot simply be dropped. */
static void finish_node(struct np_node_budget *node, const struct zone *sum, size_t page_size)
{
	uint64_t file = less(sum->file, sum->dirty), slab = sum->slab;

	node->usable += file - MIN(file / 2, sum->low);
	node->usable += slab - MIN(slab / 2, sum->low);
	node->free *= page_size;
	node->usable *= page_size;
}

/* The number behind `key` when the line begins with it. */
static bool value_of(const char *line, const char *key, uint64_t *value)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) || (line[len] != ' ' && line[len] != '\t'))
		return false;
	*value = strtoull(line + len, NULL, 10);
	return true;
}

/* "protection: (0, 1826, 24080)": the most that a zone keeps from allocations which could also
 * be served by a higher one. */
static uint64_t max_protection(const char *p)
{
	uint64_t max = 0, v;
	char *end;

	p += strcspn(p, "(\n");
	while (*p == '(' || *p == ',') {
		v = strtoull(p + 1, &end, 10);
		max = MAX(max, v);
		p = end;
	}
	return max;
}

static void finish_zone(struct np_node_budget *node, struct zone *zone, struct zone *sum)
{
	node->free += zone->free;
	/* totalreserve of calculate_totalreserve_pages(): high watermark and protection */
	node->usable += less(zone->free, zone->high + zone->protection);
	sum->low += zone->low;
	sum->file += zone->file;
	sum->slab += zone->slab;
	sum->dirty += zone->dirty;
	*zone = (struct zone){ 0 };
}

int np_budget_parse_zoneinfo(const char *text, size_t page_size, struct np_budget *budget)
{
	struct zone zone = { 0 }, sum = { 0 };
	int current = -1;

	memset(budget, 0, sizeof(*budget));
	while (*text) {
		const char *line = text + strspn(text, " \t"), *eol = strchrnul(text, '\n');
		uint64_t v;

		text = *eol ? eol + 1 : eol;
		if (value_of(line, "Node", &v)) {
			if (v >= NUMAPERF_NODES_MAX)
				return -EINVAL;
			if (current >= 0)
				finish_zone(&budget->node[current], &zone, &sum);
			if (current >= 0 && current != (int)v) {
				finish_node(&budget->node[current], &sum, page_size);
				sum = (struct zone){ 0 };
			}
			current = (int)v;
		} else if (value_of(line, "pages free", &v)) {
			zone.free = v;
		} else if (value_of(line, "low", &v)) {
			zone.low = v;
		} else if (value_of(line, "high", &v)) {
			zone.high = v;
		} else if (value_of(line, "nr_inactive_file", &v) ||
			   value_of(line, "nr_active_file", &v)) {
			zone.file += v;
		} else if (value_of(line, "nr_dirty", &v) ||
			   value_of(line, "nr_writeback", &v)) {
			zone.dirty += v;
		} else if (value_of(line, "nr_slab_reclaimable", &v)) {
			zone.slab = v;
		} else if (!strncmp(line, "protection:", strlen("protection:"))) {
			zone.protection = max_protection(line);
		}
	}
	if (current < 0)
		return -EINVAL;
	finish_zone(&budget->node[current], &zone, &sum);
	finish_node(&budget->node[current], &sum, page_size);
	return 0;
}

/* Opens /, reads one file of it whole. 0 or -errno. */
static int read_whole(const char *path, char **text)
{
	int root = np_sys->open_root(NULL), err;

	if (root < 0)
		return root;
	err = np_read_file(root, path, text, NULL);
	np_sys->close(root);
	return err;
}

int np_budget_nodes(struct np_budget *budget)
{
	char *text;
	int err = read_whole("proc/zoneinfo", &text);

	if (err)
		return err;
	err = np_budget_parse_zoneinfo(text, np_page_size(), budget);
	np_free(text);
	return err;
}

bool np_memory_allowed(const struct numaperf_nodemask *nodes)
{
	struct numaperf_nodemask allowed;

	numaperf_nodemask_zero(&allowed);
	return np_sys->get_mempolicy(NULL, allowed.bits, ARRAY_SIZE(allowed.bits), NULL,
				     MPOL_F_MEMS_ALLOWED) >= 0 &&
	       numaperf_nodemask_subset(nodes, &allowed);
}

int np_memory_nodes(struct np_memory_nodes *nodes)
{
	int root = np_sys->open_root(NULL), err;

	if (root < 0)
		return root;
	err = np_nodes_from_file(root, "sys/devices/system/node/online", &nodes->online);
	if (!err)
		err = np_nodes_from_file(root, "sys/devices/system/node/has_memory",
					 &nodes->memory);
	np_sys->close(root);
	if (err == -ENOENT) {
		nodes->online = numaperf_nodemask_single(0);
		nodes->memory = nodes->online;
		err = 0;
	}
	if (err)
		return err;
	numaperf_nodemask_zero(&nodes->allowed);
	err = np_sys->get_mempolicy(NULL, nodes->allowed.bits, ARRAY_SIZE(nodes->allowed.bits),
				    NULL, MPOL_F_MEMS_ALLOWED);
	/* refused: then the first page that cannot be had says so */
	if (err < 0 || numaperf_nodemask_empty(&nodes->allowed))
		nodes->allowed = nodes->memory;
	return 0;
}

uint64_t np_budget_swap(void)
{
	uint64_t kb = 0;
	const char *p;
	char *text;

	if (read_whole("proc/meminfo", &text))
		return 0;
	p = strstr(text, "\nSwapFree:");
	if (p)
		kb = strtoull(p + strlen("\nSwapFree:"), NULL, 10);
	np_free(text);
	return kb * 1024;
}

/* ---- cgroups ---- */

/* Where a hierarchy is mounted and which part of it. Paths longer than that are given up on as
 * if they were not visible; the kernel's own limit is PATH_MAX. */
struct hierarchy {
	bool found, v2;
	char root[1024];  /* the cgroup that the mount shows */
	char mount[1024]; /* where, without the leading slash */
	char path[1024];  /* this process's cgroup */
};

/*
 * /proc/self/mountinfo (proc(5)):
 *	35 31 0:32 /root /mount/point rw,... [tags] - cgroup cgroup rw,memory
 */
static void find_mount(const char *text, struct hierarchy *h)
{
	for (const char *line = text; *line && !h->found;) {
		const char *eol = strchrnul(line, '\n'), *dash;
		size_t len = (size_t)(eol - line);
		char root[1024], mount[1024];

		dash = memmem(line, len, " - ", 3);
		if (dash && sscanf(line, "%*d %*d %*s %1023s %1023s", root, mount) == 2) {
			const char *type = dash + 3, *super = eol;
			bool ours;

			while (super > type && super[-1] != ' ')
				super--;
			ours = h->v2 ? !strncmp(type, "cgroup2 ", 8)
				     : !strncmp(type, "cgroup ", 7) &&
					       np_list_has(super, (size_t)(eol - super),
							   "memory");
			if (ours && mount[0] == '/') {
				strcpy(h->root, root);
				strcpy(h->mount, mount + 1);
				h->found = true;
			}
		}
		line = *eol ? eol + 1 : eol;
	}
}

/* The folder of this process's cgroup below the mount: "" for the mount itself. A container
 * without a cgroup namespace has a path that its mount does not show: then the mount itself is
 * its cgroup. "/../x" is outside of the namespace: likewise. */
static const char *path_in_mount(const struct hierarchy *h)
{
	size_t n = strlen(h->root);

	if (!strncmp(h->path, "/..", 3))
		return "";
	if (!strcmp(h->root, "/"))
		return h->path;
	if (!strncmp(h->path, h->root, n) && (h->path[n] == '/' || !h->path[n]))
		return h->path + n;
	return "";
}

/* A number of bytes in a file; "max" and an absent file are UINT64_MAX. 0 or -errno. */
static int read_bytes(int root, const char *dir, const char *file, uint64_t *bytes)
{
	char path[2300], text[64], *end;
	int n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	*bytes = UINT64_MAX;
	n = np_read_small(root, path, text, sizeof(text));
	if (n == -ENOENT || n == -ENODEV)
		return 0;
	if (n < 0)
		return n;
	if (!strncmp(text, "max", 3))
		return 0;
	*bytes = strtoull(text, &end, 10);
	return end == text ? -EINVAL : 0;
}

/* File cache that the cgroup can drop; 0 when it cannot be read, which errs on the safe side.
 */
static uint64_t read_cache(int root, const char *dir, bool v2)
{
	static const char *const keys[2][4] = {
		{ "total_inactive_file", "total_active_file", "total_dirty",
		  "total_writeback" },
		{ "inactive_file", "active_file", "file_dirty", "file_writeback" },
	};
	uint64_t sum[4] = { 0 };
	char path[2300], *text;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (np_read_file(root, path, &text, NULL))
		return 0;
	for (const char *line = text; *line;) {
		const char *eol = strchrnul(line, '\n');

		for (int i = 0; i < 4; i++)
			value_of(line, keys[v2][i], &sum[i]);
		line = *eol ? eol + 1 : eol;
	}
	np_free(text);
	return less(sum[0] + sum[1], sum[2] + sum[3]);
}

static int check_level(int root, const char *dir, bool v2, struct np_cgroup_budget *budget)
{
	uint64_t limit, used, left;
	int err;

	err = read_bytes(root, dir, v2 ? "memory.max" : "memory.limit_in_bytes", &limit);
	/* v1 has no "max": unlimited is PAGE_COUNTER_MAX, rounded to pages */
	if (err || limit >= (uint64_t)INT64_MAX / 4096 * 4096)
		return err;
	err = read_bytes(root, dir, v2 ? "memory.current" : "memory.usage_in_bytes", &used);
	if (err)
		return err;
	left = less(limit, less(used, read_cache(root, dir, v2)));
	if (left < budget->left) {
		budget->left = left;
		budget->limit = limit;
		snprintf(budget->path, sizeof(budget->path), "/%.*s",
			 (int)sizeof(budget->path) - 2, dir);
	}
	return 0;
}

/* From the process's cgroup up to the mount. */
static int check_chain(int root, const struct hierarchy *h, struct np_cgroup_budget *budget)
{
	size_t stop = strlen(h->mount);
	char dir[2200], *slash;
	int err;

	snprintf(dir, sizeof(dir), "%s%s", h->mount, path_in_mount(h));
	while (strlen(dir) > stop && dir[strlen(dir) - 1] == '/')
		dir[strlen(dir) - 1] = '\0';
	for (;;) {
		err = check_level(root, dir, h->v2, budget);
		if (err || strlen(dir) <= stop)
			return err;
		slash = strrchr(dir, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
}

int np_budget_cgroup(struct np_cgroup_budget *budget)
{
	char *cgroup = NULL, *mounts = NULL;
	int root, err;

	*budget = (struct np_cgroup_budget){ .left = UINT64_MAX, .limit = UINT64_MAX };
	root = np_sys->open_root(NULL);
	if (root < 0)
		return root;
	err = np_read_file(root, "proc/self/cgroup", &cgroup, NULL);
	if (!err)
		err = np_read_file(root, "proc/self/mountinfo", &mounts, NULL);
	/* the memory controller is in one hierarchy or the other; asking both is asking one */
	for (int v2 = 0; v2 < 2 && !err; v2++) {
		struct hierarchy h = { .v2 = v2 };

		if (!np_cgroup_path(cgroup, v2 ? NULL : "memory", h.path, sizeof(h.path)))
			continue;
		find_mount(mounts, &h);
		if (h.found)
			err = check_chain(root, &h, budget);
	}
	np_free(cgroup);
	np_free(mounts);
	np_sys->close(root);
	/* a kernel without cgroups */
	return err == -ENOENT ? 0 : err;
}
