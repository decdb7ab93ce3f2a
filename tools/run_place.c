/* SPDX-License-Identifier: MIT */
#include "run_place.h"

#include <errno.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Of Linux 6.9; the headers may be older. */
#ifndef MPOL_WEIGHTED_INTERLEAVE
# define MPOL_WEIGHTED_INTERLEAVE 6
#endif

static const struct {
	enum numaperf_policy policy;
	int mode;
} modes[] = {
	{ NUMAPERF_POLICY_BIND, MPOL_BIND },
	{ NUMAPERF_POLICY_INTERLEAVE, MPOL_INTERLEAVE },
	{ NUMAPERF_POLICY_WEIGHTED_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE },
	{ NUMAPERF_POLICY_PREFERRED, MPOL_PREFERRED },
	{ NUMAPERF_POLICY_LOCAL, MPOL_LOCAL },
};

enum {
	MODES = sizeof(modes) / sizeof(modes[0]),
	MODE_FLAGS = 7 << 13, /* what the kernel adds to a mode, uapi/linux/mempolicy.h */
};

/* ---- what is asked for ---- */

static int misused(const struct place *p, const char *option, const char *text,
		   const char *wanted)
{
	tool_error(p->cmd, "%s '%s': %s; see `numaperf help %s`", option, text, wanted,
		   p->cmd->name);
	return TOOL_MISUSE;
}

static int take_policy(struct place *p, const char *text)
{
	for (int i = 0; text && i < MODES; i++)
		if (!strcmp(text, numaperf_policy_name(modes[i].policy))) {
			p->policy = modes[i].policy;
			p->has_policy = true;
			return TOOL_OK;
		}
	return text ? misused(p, "--policy", text,
			      "bind, interleave, weighted-interleave, preferred or local is "
			      "wanted")
		    : TOOL_OK;
}

static int take_nodes(struct place *p, const struct numaperf_topology *topo, const char *text)
{
	struct numaperf_nodemask memory, unknown;
	char *known, *given;

	numaperf_topology_memory_nodes(topo, &memory);
	if (!strcmp(text, "all")) {
		numaperf_topology_allowed_nodes(topo, &p->asked);
		return TOOL_OK;
	}
	if (numaperf_nodemask_parse(&p->asked, text) || numaperf_nodemask_empty(&p->asked))
		return misused(p, "--nodes", text, "a list such as 0,2-3, or all, is wanted");
	numaperf_nodemask_andnot(&unknown, &p->asked, &memory);
	if (numaperf_nodemask_empty(&unknown))
		return TOOL_OK;
	known = tool_nodelist(&memory);
	given = tool_nodelist(&unknown);
	tool_error(p->cmd, "no memory on node %s; nodes with memory are %s",
		   given ? given : "?", known ? known : "?");
	free(known);
	free(given);
	return TOOL_FAILED;
}

/* A node without CPUs: those of the nearest that has some. */
static void add_node_cpus(const struct numaperf_topology *topo, int node,
			  struct numaperf_cpuset *cpus)
{
	int near[NUMAPERF_NODES_MAX];
	size_t n = numaperf_topology_nearest(topo, node, near, NUMAPERF_NODES_MAX);
	struct numaperf_cpuset of;

	for (size_t i = 0; i < n && i < NUMAPERF_NODES_MAX; i++)
		if (!numaperf_topology_node_cpus(topo, near[i], &of) &&
		    !numaperf_cpuset_empty(&of)) {
			numaperf_cpuset_or(cpus, cpus, &of);
			return;
		}
}

static int take_cpus(struct place *p, const struct numaperf_topology *topo, const char *text)
{
	struct numaperf_cpuset online, outside;
	char *known;

	if (!text) {
		NUMAPERF_NODEMASK_FOR_EACH (node, &p->asked)
			add_node_cpus(topo, node, &p->cpus);
		p->has_cpus = !numaperf_cpuset_empty(&p->cpus);
		return TOOL_OK;
	}
	if (!strcmp(text, "all"))
		return TOOL_OK;
	if (numaperf_cpuset_parse(&p->cpus, text) || numaperf_cpuset_empty(&p->cpus))
		return misused(p, "--cpus", text, "a list such as 0-3,8, or all, is wanted");
	p->has_cpus = true;
	numaperf_topology_online_cpus(topo, &online);
	numaperf_cpuset_andnot(&outside, &p->cpus, &online);
	if (numaperf_cpuset_empty(&outside))
		return TOOL_OK;
	known = tool_cpulist(&online);
	tool_error(p->cmd, "--cpus '%s': not all of them are online; those are %s", text,
		   known ? known : "?");
	free(known);
	return TOOL_FAILED;
}

/* ---- what of it may be ---- */

static int narrow_nodes(struct place *p, const struct numaperf_topology *topo)
{
	struct numaperf_nodemask allowed, outside;
	char *text;
	bool none;

	numaperf_topology_allowed_nodes(topo, &allowed);
	numaperf_nodemask_and(&p->nodes, &p->asked, &allowed);
	numaperf_nodemask_andnot(&outside, &p->asked, &allowed);
	if (numaperf_nodemask_empty(&outside))
		return TOOL_OK;
	text = tool_nodelist(&outside);
	none = numaperf_nodemask_empty(&p->nodes);
	tool_error(p->cmd, "%snode %s is outside the cpuset: widen cpuset.mems%s",
		   p->strict || none ? "" : "warning: ", text ? text : "?",
		   p->strict || none ? "" : "; going on with the rest");
	free(text);
	return p->strict || none ? TOOL_FAILED : TOOL_OK;
}

static int narrow_cpus(struct place *p, const struct numaperf_topology *topo)
{
	struct numaperf_cpuset allowed, outside;
	char *text;
	bool none;

	if (!p->has_cpus)
		return TOOL_OK;
	numaperf_topology_allowed_cpus(topo, &allowed);
	numaperf_cpuset_andnot(&outside, &p->cpus, &allowed);
	if (numaperf_cpuset_empty(&outside))
		return TOOL_OK;
	text = tool_cpulist(&outside);
	none = !numaperf_cpuset_intersects(&p->cpus, &allowed);
	tool_error(p->cmd,
		   "%sCPU %s is outside the cpuset or the affinity that this was started "
		   "with: widen cpuset.cpus or use taskset%s",
		   p->strict || none ? "" : "warning: ", text ? text : "?",
		   p->strict || none ? "" : "; going on with the rest");
	free(text);
	if (p->strict || none)
		return TOOL_FAILED;
	numaperf_cpuset_and(&p->cpus, &p->cpus, &allowed);
	return TOOL_OK;
}

int place_resolve(struct place *p, const struct tool_command *cmd,
		  const struct numaperf_topology *topo, const struct place_request *request)
{
	int status;

	*p = (struct place){ .cmd = cmd, .strict = request->strict };
	p->done = mmap(NULL, sizeof(*p->done), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->done == MAP_FAILED) {
		p->done = NULL;
		tool_error(cmd, "out of memory");
		return TOOL_FAILED;
	}
	status = take_policy(p, request->policy);
	if (!status && request->nodes) {
		status = take_nodes(p, topo, request->nodes);
		if (!p->has_policy)
			p->policy = NUMAPERF_POLICY_BIND;
		p->has_policy = true;
	}
	if (!status && p->has_policy && p->policy != NUMAPERF_POLICY_LOCAL && !request->nodes)
		status = misused(p, "--policy", request->policy, "it needs --nodes");
	if (!status)
		status = take_cpus(p, topo, request->cpus);
	/* the nodes said where its CPUs are; its memory belongs to none */
	if (!status && p->policy == NUMAPERF_POLICY_LOCAL)
		numaperf_nodemask_zero(&p->asked);
	if (!status)
		status = narrow_nodes(p, topo);
	return status ? status : narrow_cpus(p, topo);
}

/* ---- doing it, and reading it back ---- */

static int mode_of(const struct place *p)
{
	for (int i = 0; i < MODES; i++)
		if (modes[i].policy == p->policy)
			return p->policy == NUMAPERF_POLICY_PREFERRED &&
					       numaperf_nodemask_count(&p->nodes) > 1
				       ? MPOL_PREFERRED_MANY
				       : modes[i].mode;
	return MPOL_DEFAULT;
}

/* Whether the thread has exactly this policy. */
static bool policy_is(int mode, const struct numaperf_nodemask *nodes)
{
	struct numaperf_nodemask has;
	int got = -1;

	numaperf_nodemask_zero(&has);
	if (get_mempolicy(&got, (unsigned long *)has.bits, NUMAPERF_NODES_MAX + 1, NULL, 0))
		return false;
	return (got & ~MODE_FLAGS) == mode &&
	       (mode == MPOL_LOCAL || numaperf_nodemask_equal(&has, nodes));
}

static bool set_policy(struct place *p, char *why, size_t size)
{
	const unsigned long *bits = (const unsigned long *)p->nodes.bits;
	int mode = mode_of(p);

	if (set_mempolicy(mode, mode == MPOL_LOCAL ? NULL : bits,
			  mode == MPOL_LOCAL ? 0 : NUMAPERF_NODES_MAX + 1)) {
		if (errno == EINVAL && mode >= MPOL_PREFERRED_MANY)
			snprintf(why, size,
				 "this kernel has no policy %s%s (Linux %s has): take another",
				 numaperf_policy_name(p->policy),
				 mode == MPOL_PREFERRED_MANY ? " of several nodes" : "",
				 mode == MPOL_PREFERRED_MANY ? "5.15" : "6.9");
		else
			snprintf(why, size, "set_mempolicy is refused (%s)%s", strerror(errno),
				 errno == EPERM || errno == ENOSYS
					 ? ": allow it in the seccomp profile (Docker's does "
					   "with --cap-add SYS_NICE)"
					 : "");
		return false;
	}
	if (policy_is(mode, &p->nodes))
		return true;
	snprintf(why, size,
		 "set_mempolicy has done something else than was asked for: read "
		 "back by get_mempolicy, it is another policy or other nodes");
	return false;
}

static bool set_cpus(struct place *p, char *why, size_t size)
{
	struct numaperf_pin pin;

	/* unwitnessed: it is read back, and what happens to it later is what is sampled */
	if (!numaperf_pin_thread(&pin, &p->cpus, NUMAPERF_STRICT_UNWITNESSED))
		return true;
	snprintf(why, size, "%s", numaperf_last_error()->message);
	return false;
}

static int not_done(struct place *p, char *why)
{
	if (p->strict)
		return TOOL_FAILED;
	tool_error(p->cmd, "warning: %s; going on without", why);
	return 0;
}

int place_apply(void *place, char *why, size_t size)
{
	struct place *p = place;
	int refused = 0;

	if (p->has_cpus) {
		p->done->cpus = set_cpus(p, why, size);
		if (!p->done->cpus)
			refused = not_done(p, why);
	}
	if (!refused && p->has_policy) {
		p->done->policy = set_policy(p, why, size);
		if (!p->done->policy)
			refused = not_done(p, why);
	}
	return refused;
}

void place_free(struct place *p)
{
	if (p->done)
		munmap(p->done, sizeof(*p->done));
	p->done = NULL;
}
