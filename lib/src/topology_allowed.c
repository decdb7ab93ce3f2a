// SPDX-License-Identifier: MIT
/*
 * Reading a tree: what this process may use of it. The kernel's own answer is in
 * proc/self/status. A saved tree that lacks it may have the cpuset that the saving process was
 * in instead.
 */
#include "base.h"
#include "cgroup.h"
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <stdio.h>

/* The value of "key:\t..." in proc/self/status, cut at the line's end; NULL: no such line. */
static const char *status_value(char *buf, size_t size, const char *text, const char *key)
{
	const char *at = strstr(text, key);
	size_t len;

	if (!at || (at != text && at[-1] != '\n'))
		return NULL;
	at += strlen(key);
	len = strcspn(at, "\n");
	if (len >= size)
		return NULL;
	memcpy(buf, at, len);
	buf[len] = '\0';
	return buf;
}

/* ---- proc/self/status ---- */

struct allowed {
	bool cpus_known, nodes_known;
	struct numaperf_cpuset cpus;
	struct numaperf_nodemask nodes;
	char value[40 << 10]; /* a list of every other CPU of 8192 has 20 KiB */
};

static int read_status(struct np_tree *tree, struct allowed *allowed)
{
	const char *text;
	int r = np_tree_text(tree, &tree->root, "proc/self/status");

	if (r <= 0)
		return r;
	text = status_value(allowed->value, sizeof(allowed->value), tree->text,
			    "Cpus_allowed_list:");
	if (text)
		allowed->cpus_known = !numaperf_cpuset_parse(&allowed->cpus, text);
	if (text && !allowed->cpus_known &&
	    (r = np_tree_warn(tree, "proc/self/status: Cpus_allowed_list: %s; left out",
			      numaperf_last_error()->reason)) < 0)
		return r;
	text = status_value(allowed->value, sizeof(allowed->value), tree->text,
			    "Mems_allowed_list:");
	if (text)
		allowed->nodes_known = !numaperf_nodemask_parse(&allowed->nodes, text);
	if (text && !allowed->nodes_known)
		return np_tree_warn(tree, "proc/self/status: Mems_allowed_list: %s; left out",
				    numaperf_last_error()->reason);
	return 0;
}

/*
 * proc/self is the main thread. The caller may be pinned elsewhere, or the main thread may be
 * pinned while the caller is not: threads of a process share its cpuset, so both are allowed.
 */
static void add_own_affinity(struct allowed *allowed)
{
	struct numaperf_cpuset own = { { 0 } };

	if (np_sys->sched_getaffinity(0, sizeof(own.bits), own.bits) < 0)
		return; /* more CPUs than we know, or forbidden: then status has to do */
	if (!allowed->cpus_known)
		numaperf_cpuset_zero(&allowed->cpus);
	numaperf_cpuset_or(&allowed->cpus, &allowed->cpus, &own);
	allowed->cpus_known = true;
}

/* ---- the cpuset of a saved process ---- */

/*
 * Where the process is: "7:cpuset:/a/b" of proc/self/cgroup (version 1), else its "0::/a/b"
 * (version 2), else proc/self/cpuset, which has the path alone. "" when it is not known.
 */
static int cpuset_path(struct np_tree *tree, char *path, size_t size)
{
	int r = np_tree_text(tree, &tree->root, "proc/self/cgroup");

	path[0] = '\0';
	if (r < 0)
		return r;
	if (r && (np_cgroup_path(tree->text, "cpuset", path, size) ||
		  np_cgroup_path(tree->text, NULL, path, size)))
		return 0;
	r = np_tree_text(tree, &tree->root, "proc/self/cpuset");
	if (r <= 0)
		return r;
	snprintf(path, size, "%.*s", (int)strcspn(tree->text, "\n"), tree->text);
	return 0;
}

/* How the two files are called below a mount of each kind. */
struct cpuset_mount {
	char where[256]; /* without the leading slash */
	const char *cpus, *nodes;
};

/* A line "device where type options 0 0" of proc/mounts. */
static bool is_cpuset_mount(const char *line, struct cpuset_mount *mount)
{
	char type[32], options[512];

	if (sscanf(line, "%*s /%255s %31s %511s", mount->where, type, options) != 3)
		return false;
	if (!strcmp(type, "cgroup2")) {
		mount->cpus = "cpuset.cpus.effective";
		mount->nodes = "cpuset.mems.effective";
		return true;
	}
	if (!strcmp(type, "cpuset") ||
	    (!strcmp(type, "cgroup") && np_list_has(options, strlen(options), "cpuset") &&
	     np_list_has(options, strlen(options), "noprefix"))) {
		mount->cpus = "cpus";
		mount->nodes = "mems";
		return true;
	}
	if (strcmp(type, "cgroup") || !np_list_has(options, strlen(options), "cpuset"))
		return false;
	mount->cpus = "cpuset.cpus";
	mount->nodes = "cpuset.mems";
	return true;
}

/* 1: found. The version 1 hierarchy has the controller if both are mounted. */
static int find_mount(struct np_tree *tree, struct cpuset_mount *mount)
{
	struct cpuset_mount m;
	int r = np_tree_text(tree, &tree->root, "proc/mounts"), found = 0;

	if (r <= 0)
		return r;
	for (char *line = tree->text; *line;) {
		char *end = line + strcspn(line, "\n");
		bool last = !*end;

		*end = '\0';
		if (is_cpuset_mount(line, &m) &&
		    (!found || strcmp(m.cpus, "cpuset.cpus.effective"))) {
			*mount = m;
			found = 1;
		}
		line = last ? end : end + 1;
	}
	return found;
}

/* The path comes from a file: it must not lead out of the tree. */
static bool climbs(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

static int read_cpuset(struct np_tree *tree, struct allowed *allowed)
{
	struct cpuset_mount mount;
	char path[1024], file[1536];
	int r = cpuset_path(tree, path, sizeof(path));

	if (r < 0 || !path[0])
		return r;
	r = find_mount(tree, &mount);
	if (r <= 0 || climbs(path) || climbs(mount.where))
		return r < 0 ? r : 0;
	/* with version 2, a group without the controller has its parent's set */
	for (;;) {
		char *slash;

		snprintf(file, sizeof(file), "%s%s/%s", mount.where, path, mount.cpus);
		r = np_tree_cpus(tree, &tree->root, file, &allowed->cpus);
		if (r < 0)
			return r;
		allowed->cpus_known = r && !numaperf_cpuset_empty(&allowed->cpus);
		snprintf(file, sizeof(file), "%s%s/%s", mount.where, path, mount.nodes);
		r = np_tree_nodes(tree, &tree->root, file, &allowed->nodes);
		if (r < 0)
			return r;
		allowed->nodes_known = r && !numaperf_nodemask_empty(&allowed->nodes);
		slash = strrchr(path, '/');
		if (allowed->cpus_known || allowed->nodes_known || !slash)
			return 0;
		*slash = '\0';
	}
}

int np_topology_read_allowed(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct allowed *allowed;
	void *p;
	int r;

	if (np_sys->alloc(&p, sizeof(*allowed), 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	allowed = p;
	r = read_status(tree, allowed);
	if (r == 0 && tree->live)
		add_own_affinity(allowed);
	else if (r == 0 && !allowed->cpus_known && !allowed->nodes_known)
		r = read_cpuset(tree, allowed);
	t->allowed_cpus = t->online_cpus;
	t->allowed_nodes = t->online_nodes;
	if (allowed->cpus_known)
		numaperf_cpuset_and(&t->allowed_cpus, &t->online_cpus, &allowed->cpus);
	if (allowed->nodes_known)
		numaperf_nodemask_and(&t->allowed_nodes, &t->online_nodes, &allowed->nodes);
	np_free(allowed);
	if (r == 0 && numaperf_cpuset_empty(&t->allowed_cpus))
		r = np_tree_warn(tree, "none of the CPUs that the process may use is online");
	if (r == 0 && numaperf_nodemask_empty(&t->allowed_nodes))
		r = np_tree_warn(tree, "none of the nodes that the process may use is online");
	return r;
}
