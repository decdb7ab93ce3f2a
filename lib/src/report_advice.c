// SPDX-License-Identifier: MIT
/*
 * What is to be done about what was found: each finding names its cause and, where there is
 * one, the command that ends it. A finding is about now: what has been put right is none,
 * though the verdict of the epoch stays.
 */
#include "report.h"
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	NP_LIST_MAX = 128 /* of CPUs or nodes in a command */
};

static struct np_finding *begin(struct numaperf_report *r, const char *id)
{
	struct np_finding *f = &r->finding[r->findings];

	if (r->findings == NP_FINDINGS_MAX)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->id = id;
	return f;
}

/* Once: several guarantees may have suffered from one cause. */
static void end(struct numaperf_report *r, struct np_finding *f)
{
	np_report_clean(f->cause);
	np_report_clean(f->command);
	np_report_clean(f->advice);
	for (size_t i = 0; i < r->findings; i++)
		if (r->finding[i].id == f->id && !strcmp(r->finding[i].cause, f->cause) &&
		    !strcmp(r->finding[i].command, f->command))
			return;
	snprintf(f->line, sizeof(f->line), "%s%s%s%s%s%s", f->cause,
		 f->command[0] ? ": run `" : "", f->command, f->command[0] ? "`" : "",
		 f->advice[0] ? "; " : "", f->advice);
	r->findings++;
}

static void text(char *out, size_t size, const char *fmt, ...) NUMAPERF_PRINTF(3, 4);

static void text(char *out, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out, size, fmt, args);
	va_end(args);
}

#define CAUSE(f, ...)	text((f)->cause, sizeof((f)->cause), __VA_ARGS__)
#define COMMAND(f, ...) text((f)->command, sizeof((f)->command), __VA_ARGS__)
#define ADVICE(f, ...)	text((f)->advice, sizeof((f)->advice), __VA_ARGS__)

/* " by NAME (process N)" or "". */
static const char *culprit(const struct np_seen *g, char *buf, size_t size)
{
	if (g->actor[0])
		snprintf(buf, size, ", by %s (process %d)", g->actor, g->actor_pid);
	else
		buf[0] = '\0';
	return buf;
}

/* Does not hold now; of what is not watched any more that is not known. */
static bool off(const struct np_seen *g)
{
	return g->last_look == -EXDEV && !g->ended && !g->until_ns;
}

/* ---- settings ---- */

static void balancing(struct numaperf_report *r)
{
	struct np_finding *f;

	if (r->s.balancing <= 0 || r->s.node_count <= 1 || !(f = begin(r, "balancing-on")))
		return;
	CAUSE(f, "kernel.numa_balancing is %d: the kernel moves pages and threads by itself",
	      r->s.balancing);
	COMMAND(f, "sysctl -w kernel.numa_balancing=0");
	end(r, f);
}

static void ksm(struct numaperf_report *r)
{
	uint64_t merged = 0;
	struct np_finding *f;

	for (size_t i = 0; i < r->s.guarantee_count; i++)
		merged += r->s.guarantee[i].pages_by_cause[NUMAPERF_PAGE_KSM];
	if (!merged || r->s.ksm_run != 1 || r->s.ksm_across != 1 ||
	    !(f = begin(r, "ksm-across-nodes")))
		return;
	CAUSE(f, "KSM merged %" PRIu64 " pages with equal ones on other nodes", merged);
	/*
	 * 2 takes everything apart, without which the other is EBUSY. It stays off, since pages
	 * that ksmd holds just then cannot be moved back.
	 */
	COMMAND(f, "(cd /sys/kernel/mm/ksm && echo 2 >run && echo 0 >merge_across_nodes)");
	ADVICE(f,
	       "when all pages are back, `echo 1 >/sys/kernel/mm/ksm/run` merges again, within "
	       "nodes");
	end(r, f);
}

static void offline(struct numaperf_report *r)
{
	NUMAPERF_CPUSET_FOR_EACH (cpu, &r->s.offline_cpus) {
		struct np_finding *f = begin(r, "cpu-offline");

		if (!f)
			return;
		CAUSE(f, "CPU %d was promised to a thread and is offline", cpu);
		COMMAND(f, "echo 1 >/sys/devices/system/cpu/cpu%d/online", cpu);
		end(r, f);
	}
}

/* ---- threads ---- */

/*
 * Gives a task's cgroup what was promised, and leaves it what others have: a cpuset is widened,
 * never replaced. From above, since it cannot have what those over it have not; one without a
 * list of its own has theirs.
 */
static void widen(struct np_finding *f, const char *file, const char *list, int task,
		  const char *then)
{
	COMMAND(f,
		"(IFS=/; cd /sys/fs/cgroup; for d in $(sed -n 's,^0::/,,p' /proc/%d/cgroup); "
		"do "
		"cd \"$d\"; c=$(cat %s); [ -z \"$c\" ] || echo \"$c,%s\" >%s; done); %s",
		task, file, list, file, then);
}

static void cpus(struct numaperf_report *r, const struct np_seen *g)
{
	char who[64], list[NP_LIST_MAX], pin[NP_LIST_MAX + 32];
	bool cpuset = g->moves_by_cause[NUMAPERF_MOVE_CPUSET];
	struct np_finding *f;

	if (!off(g))
		return;
	f = begin(r, cpuset ? "cpuset-changed" : "affinity-changed");
	if (!f)
		return;
	if (numaperf_cpuset_format(&g->cpus, list, sizeof(list)) >= sizeof(list))
		snprintf(list, sizeof(list), "of its own"); /* too many pieces for a line */
	if (cpuset)
		CAUSE(f, "%s: the cpuset of thread %d was changed%s", g->label, g->tid,
		      culprit(g, who, sizeof(who)));
	else
		CAUSE(f, "%s: the affinity of thread %d is not CPUs %s any more%s", g->label,
		      g->tid, list, culprit(g, who, sizeof(who)));
	if (!isdigit((unsigned char)list[0])) {
		ADVICE(f, "give it its CPUs back with taskset(1)");
	} else {
		snprintf(pin, sizeof(pin), "taskset -cp %s %d", list, g->tid);
		/* nobody saw what it was: the affinity may be what a cpuset has left of it */
		if (cpuset || (g->moves_by_cause[NUMAPERF_MOVE_UNKNOWN] &&
			       !g->moves_by_cause[NUMAPERF_MOVE_AFFINITY]))
			widen(f, "cpuset.cpus", list, g->tid, pin);
		else
			COMMAND(f, "%s", pin);
	}
	if (cpuset)
		ADVICE(f, "before Linux 6.2 this resets the affinity of whatever else runs in "
			  "that cgroup: look again");
	end(r, f);
}

/* ---- pages ---- */

static enum numaperf_page_cause main_cause(const struct np_seen *g)
{
	enum numaperf_page_cause best = NUMAPERF_PAGE_UNKNOWN;

	for (int c = 1; c < NUMAPERF_PAGE_CAUSES; c++)
		if (g->pages_by_cause[c] > g->pages_by_cause[best])
			best = (enum numaperf_page_cause)c;
	return best;
}

/* Where its pages are that should not be there: by the last look, else where the first went. */
static void astray(const struct np_seen *g, struct numaperf_nodemask *nodes)
{
	numaperf_nodemask_andnot(nodes, &g->found, &g->nodes);
	if (numaperf_nodemask_empty(nodes) && g->to_node >= 0)
		numaperf_nodemask_set(nodes, g->to_node);
}

/*
 * migratepages(8) takes all that the process has on a node: what else was promised to be there
 * would go along.
 */
static const struct np_seen *belongs_there(const struct numaperf_report *r,
					   const struct np_seen *g,
					   const struct numaperf_nodemask *nodes)
{
	int home = numaperf_nodemask_first(&g->nodes);

	for (size_t i = 0; i < r->s.guarantee_count; i++) {
		const struct np_seen *o = &r->s.guarantee[i];

		if (o->kind == NUMAPERF_GUARANTEE_PAGES && !o->ended && !o->until_ns &&
		    o->pid == g->pid && numaperf_nodemask_intersects(&o->nodes, nodes) &&
		    !numaperf_nodemask_test(&o->nodes, home))
			return o;
	}
	return NULL;
}

/* What else is to be done, lest the next page goes the same way. */
static const char *lasting(enum numaperf_page_cause cause)
{
	switch (cause) {
	case NUMAPERF_PAGE_COLLAPSE:
		return "or create the region with NUMAPERF_THP_OFF";
	case NUMAPERF_PAGE_CPUSET:
		return "the kernel has rewritten the memory's policy for good: set it anew "
		       "(mbind), or create the region anew";
	case NUMAPERF_PAGE_MBIND:
	case NUMAPERF_PAGE_FAULT:
		return "and bind the memory there (mbind, numactl --membind), or what comes up "
		       "next goes the same way";
	default:
		return "";
	}
}

static void pages(struct numaperf_report *r, const struct np_seen *g)
{
	int home = numaperf_nodemask_first(&g->nodes), pid = g->pid ? g->pid : r->s.pid;
	char who[64], nodes[NP_LIST_MAX], from[NP_LIST_MAX], back[2 * NP_LIST_MAX];
	enum numaperf_page_cause cause = main_cause(g);
	const struct np_seen *other;
	struct numaperf_nodemask there;
	struct np_finding *f;

	if (!off(g))
		return;
	if (cause == NUMAPERF_PAGE_COLLAPSE)
		f = begin(r, "pages-collapsed");
	else if (cause == NUMAPERF_PAGE_CPUSET)
		f = begin(r, "cpuset-mems-changed");
	else if (cause == NUMAPERF_PAGE_DEMOTION)
		f = begin(r, "pages-demoted");
	else
		f = begin(r, "pages-moved");
	if (!f)
		return;
	astray(g, &there);
	numaperf_nodemask_format(&g->nodes, nodes, sizeof(nodes));
	numaperf_nodemask_format(&there, from, sizeof(from));
	CAUSE(f, "%s: pages are not on nodes %s: %s%s", g->label, nodes,
	      numaperf_page_cause_name(cause), culprit(g, who, sizeof(who)));
	ADVICE(f, "%s", lasting(cause));
	other = belongs_there(r, g, &there);
	if (other)
		ADVICE(f,
		       "the program itself must move them back (mbind with MPOL_MF_MOVE) or "
		       "create the region anew: migratepages would take along what belongs on "
		       "nodes %s (%s)",
		       from, other->label);
	else if (!from[0] || pid <= 0)
		ADVICE(f, "move them back with migratepages(8)");
	if (other || !from[0] || pid <= 0) {
		end(r, f);
		return;
	}
	snprintf(back, sizeof(back), "migratepages %d %s %d", pid, from, home);
	if (cause == NUMAPERF_PAGE_COLLAPSE)
		COMMAND(f, "echo never >/sys/kernel/mm/transparent_hugepage/enabled; %s", back);
	else if (cause == NUMAPERF_PAGE_CPUSET)
		widen(f, "cpuset.mems", nodes, pid, back);
	else if (cause == NUMAPERF_PAGE_DEMOTION)
		COMMAND(f, "echo 0 >/sys/kernel/mm/numa/demotion_enabled; %s", back);
	else
		COMMAND(f, "%s", back);
	end(r, f);
}

/* ---- the run as a whole ---- */

static bool poor(const struct numaperf_report *r, enum numaperf_locality which, double *ratio)
{
	return !numaperf_report_locality(r, which, ratio) && *ratio * 100 < r->good;
}

static void ratios(struct numaperf_report *r)
{
	struct np_finding *f;
	double ratio;

	if (poor(r, NUMAPERF_LOCALITY_FAULT, &ratio) && (f = begin(r, "remote-faults"))) {
		CAUSE(f, "%.1f %% of the pages landed on another node than the CPU's",
		      100 - ratio * 100);
		ADVICE(f, "bind memory and threads to one node (numactl --cpunodebind=N "
			  "--membind=N, "
			  "or a region and a pin), and let the thread that works on memory "
			  "touch it "
			  "first");
		end(r, f);
	}
	if (poor(r, NUMAPERF_LOCALITY_TASK, &ratio) && (f = begin(r, "remote-tasks"))) {
		CAUSE(f, "%.1f %% of the tasks ran on another node than theirs",
		      100 - ratio * 100);
		ADVICE(f, "spread the submits, add workers to the busy node, or forbid it with "
			  "LocalOnly or numaperf_executor_submit_home()");
		end(r, f);
	}
}

static void witness(struct numaperf_report *r)
{
	const struct numaperf_hook *h = &r->s.hook[NUMAPERF_METRIC_RUN_TIME];
	struct np_finding *f;

	if (r->s.sampler && h->reason[0] && (f = begin(r, "no-witness"))) {
		CAUSE(f, "no program watches in the kernel (%s)", h->reason);
		ADVICE(f, "%s", h->remedy);
		end(r, f);
	}
	if (r->s.totals.events_lost && (f = begin(r, "events-lost"))) {
		CAUSE(f,
		      "%" PRIu64
		      " violations came faster than their evidence could be taken in",
		      r->s.totals.events_lost);
		ADVICE(f, "put an end to what violates; all of them are counted, and of some "
			  "who did it and where is not known");
		end(r, f);
	}
	if (r->s.totals.notices_lost && (f = begin(r, "notices-lost"))) {
		CAUSE(f, "%" PRIu64 " notices did not fit into the ring buffer",
		      r->s.totals.notices_lost);
		ADVICE(f, "watch anew, when fewer processes end and fewer huge pages are made: "
			  "what was to hold is not known of this time");
		end(r, f);
	}
	if (r->s.totals.threads_lost && (f = begin(r, "threads-lost"))) {
		CAUSE(f, "%" PRIu64 " threads could not be counted", r->s.totals.threads_lost);
		ADVICE(f, "raise threads_max");
		end(r, f);
	}
}

void np_report_advise(struct numaperf_report *r)
{
	balancing(r);
	ksm(r);
	offline(r);
	for (size_t i = 0; i < r->s.guarantee_count; i++) {
		const struct np_seen *g = &r->s.guarantee[i];

		if (g->kind == NUMAPERF_GUARANTEE_CPUS)
			cpus(r, g);
		else if (g->kind == NUMAPERF_GUARANTEE_PAGES)
			pages(r, g);
	}
	ratios(r);
	witness(r);
}
