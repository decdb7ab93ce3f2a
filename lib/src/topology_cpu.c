// SPDX-License-Identifier: MIT
/*
 * Reading a tree: packages, cores, threads and last-level caches. Nothing here is essential, so
 * whatever is missing or contradictory leaves -1 behind. A set that one CPU's file names is
 * known for all its members: one file a core, a package, a cache, not one a CPU.
 */
#include "base.h"
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <stdio.h>

/*
 * One set under the names it had over time. Which name this kernel has is found with the first
 * CPU and kept: nothing is opened in vain for each of thousands of CPUs.
 */
struct set_file {
	const char *names[4]; /* best first, NULL at the end */
	size_t maps;	      /* names from here on are maps, not lists */
	size_t use;
};

static int read_set(struct np_tree *tree, struct set_file *file, const char *folder,
		    struct numaperf_cpuset *cpus)
{
	size_t start = file->use;

	for (size_t tried = 0; tried < ARRAY_SIZE(file->names); tried++) {
		size_t i = (start + tried) % ARRAY_SIZE(file->names);
		char path[96];
		int r;

		if (!file->names[i])
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, file->names[i]);
		r = i < file->maps ? np_tree_cpus(tree, &tree->cpu, path, cpus)
				   : np_tree_cpu_map(tree, &tree->cpu, path, cpus);
		if (r < 0)
			return r;
		if (r) {
			file->use = i;
			return 1;
		}
	}
	return 0;
}

/* A kernel's id; -1 stays for files that are missing or hold no id (arm64 prints -1 itself). */
static int read_id(struct np_tree *tree, int cpu, const char *name, bool *exists, int *id)
{
	long value = -1;
	char path[64];
	int r;

	if (!*exists)
		return 0;
	snprintf(path, sizeof(path), "cpu%d/topology/%s", cpu, name);
	r = np_tree_number(tree, &tree->cpu, path, &value);
	if (r > 0 && value >= 0 && value <= INT32_MAX)
		*id = (int)value;
	return r;
}

/*
 * The set of `cpu` by a file, cut to online CPUs; `cpu` alone when the file does not even name
 * that one. `group` points into the np_cpu of CPU 0: the group's name is put there for each
 * member that has none yet. A CPU that some other group already has stays there.
 */
static int assign_group(struct np_tree *tree, int cpu, const char *what,
			struct numaperf_cpuset *set, size_t group)
{
	struct numaperf_topology *t = tree->topo;
	bool overlaps = false;
	int first = -1;

	if (!numaperf_cpuset_test(set, cpu)) {
		int r = np_tree_warn(tree,
				     "the %s of cpu%d does not have cpu%d itself; left out",
				     what, cpu, cpu);
		return r;
	}
	numaperf_cpuset_and(set, set, &t->online_cpus);
	NUMAPERF_CPUSET_FOR_EACH (other, set) {
		short *name = (short *)((char *)&t->cpus[other] + group);

		if (*name >= 0) {
			overlaps = true;
			continue;
		}
		if (first < 0)
			first = other;
		*name = (short)first;
	}
	return overlaps ? np_tree_warn(tree,
				       "the %s of cpu%d overlaps another's; kept them apart",
				       what, cpu)
			: 0;
}

/* ---- last-level caches ---- */

/*
 * The cache of the highest level that holds data. The kernel numbers indexN without holes
 * (drivers/base/cacheinfo.c).
 */
static int last_level(struct np_tree *tree, int cpu, int *index)
{
	long highest = 0, level;
	char path[64];
	int r;

	*index = -1;
	for (int i = 0; i < 16; i++) {
		level = 0;
		snprintf(path, sizeof(path), "cpu%d/cache/index%d/level", cpu, i);
		r = np_tree_number(tree, &tree->cpu, path, &level);
		if (r < 0)
			return r;
		if (!r && i > 0)
			break;
		if (level <= highest)
			continue;
		snprintf(path, sizeof(path), "cpu%d/cache/index%d/type", cpu, i);
		r = np_tree_text(tree, &tree->cpu, path);
		if (r < 0)
			return r;
		if (r && !strncmp(tree->text, "Instruction", strlen("Instruction")))
			continue;
		highest = level;
		*index = i;
	}
	return 0;
}

static int read_llc(struct np_tree *tree, int cpu, struct set_file *file)
{
	struct numaperf_cpuset set;
	char path[64];
	int index, r = last_level(tree, cpu, &index);

	if (r < 0 || index < 0)
		return r;
	snprintf(path, sizeof(path), "cpu%d/cache/index%d", cpu, index);
	r = read_set(tree, file, path, &set);
	if (r <= 0)
		return r;
	return assign_group(tree, cpu, "last-level cache", &set, offsetof(struct np_cpu, llc));
}

/* ---- cores and packages ---- */

struct ids {
	bool package, die, core; /* whether this tree has such files at all */
};

static int read_ids(struct np_tree *tree, int cpu, struct ids *exist)
{
	struct np_cpu *c = &tree->topo->cpus[cpu];
	int r;

	if ((r = read_id(tree, cpu, "physical_package_id", &exist->package, &c->package)) < 0 ||
	    (r = read_id(tree, cpu, "core_id", &exist->core, &c->core)) < 0)
		return r;
	r = read_id(tree, cpu, "die_id", &exist->die, &c->die);
	/* a CPU with ids but no die_id: a kernel before 5.2, which has it nowhere */
	if (!r && c->core >= 0)
		exist->die = false;
	return r;
}

static int read_groups(struct np_tree *tree, int cpu, struct set_file *threads,
		       struct set_file *packages, struct set_file *caches)
{
	struct np_cpu *c = &tree->topo->cpus[cpu];
	struct numaperf_cpuset set;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "cpu%d/topology", cpu);
	if (c->siblings < 0) {
		r = read_set(tree, threads, path, &set);
		if (r > 0)
			r = assign_group(tree, cpu, "core", &set,
					 offsetof(struct np_cpu, siblings));
		if (r < 0)
			return r;
	}
	if (c->packaged < 0) {
		r = read_set(tree, packages, path, &set);
		if (r > 0)
			r = assign_group(tree, cpu, "package", &set,
					 offsetof(struct np_cpu, packaged));
		if (r < 0)
			return r;
	}
	return c->llc < 0 ? read_llc(tree, cpu, caches) : 0;
}

/* Without a usable set, CPUs with the same package id are of the same package. */
static void packages_by_id(struct numaperf_topology *t, int cpu)
{
	struct np_cpu *c = &t->cpus[cpu];

	if (c->package < 0)
		return;
	NUMAPERF_CPUSET_FOR_EACH (other, &t->online_cpus) {
		if (t->cpus[other].package != c->package || t->cpus[other].packaged >= 0)
			continue;
		t->cpus[other].packaged = (short)cpu;
	}
}

static void rank_threads(struct numaperf_topology *t)
{
	NUMAPERF_CPUSET_FOR_EACH (cpu, &t->online_cpus) {
		struct np_cpu *c = &t->cpus[cpu];

		if (c->packaged < 0)
			packages_by_id(t, cpu);
		/* the first of a core, which comes first here, counts in its own unused rank */
		if (c->siblings >= 0 && c->siblings != cpu)
			c->smt = ++t->cpus[c->siblings].smt;
	}
	NUMAPERF_CPUSET_FOR_EACH (cpu, &t->online_cpus) {
		if (t->cpus[cpu].siblings == cpu)
			t->cpus[cpu].smt = 0;
	}
}

int np_topology_read_cpus(struct np_tree *tree)
{
	struct numaperf_topology *t = tree->topo;
	struct set_file threads = { { "core_cpus_list", "thread_siblings_list", "core_cpus",
				      "thread_siblings" },
				    2,
				    0 };
	struct set_file packages = { { "package_cpus_list", "core_siblings_list",
				       "package_cpus", "core_siblings" },
				     2,
				     0 };
	struct set_file caches = { { "shared_cpu_list", "shared_cpu_map" }, 1, 0 };
	struct ids exist = { true, true, true };
	void *p;
	int r;

	t->cpu_limit = numaperf_cpuset_last(&t->online_cpus) + 1;
	if (np_sys->alloc(&p, (size_t)t->cpu_limit * sizeof(*t->cpus), 0))
		return np_fail_memory(NP_TOPOLOGY_OPERATION);
	t->cpus = p;
	for (int cpu = 0; cpu < t->cpu_limit; cpu++)
		t->cpus[cpu] = (struct np_cpu){ -1, -1, -1, -1, 0, -1, -1, -1 };
	for (unsigned int i = 0; i < t->node_count; i++)
		NUMAPERF_CPUSET_FOR_EACH (cpu, &t->nodes[i].cpus)
			t->cpus[cpu].node = (short)i;
	NUMAPERF_CPUSET_FOR_EACH (cpu, &t->online_cpus) {
		if ((r = read_ids(tree, cpu, &exist)) < 0 ||
		    (r = read_groups(tree, cpu, &threads, &packages, &caches)) < 0)
			return r;
	}
	rank_threads(t);
	return 0;
}
