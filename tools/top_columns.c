/* SPDX-License-Identifier: MIT */
/* The columns of all screens. To add one is to add a line here. */
#include "top_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define M const struct top_model *m, const struct top_row *row

static double pages_to(uint64_t n)
{
	return n == TOP_NONE ? NAN : (double)n;
}

/* ---- nodes ---- */

static const struct top_node *node_of(const struct top_row *row)
{
	return row->of;
}

#define NODE_VALUE(name, field)         \
 static double name(M, size_t node)     \
 {                                      \
  (void)m;                              \
  (void)node;                           \
  return pages_to(node_of(row)->field); \
 }

NODE_VALUE(node_free, mem_free)
NODE_VALUE(node_total, mem_total)
NODE_VALUE(node_file, mem_file)
NODE_VALUE(node_anon, mem_anon)
NODE_VALUE(node_huge, huge_free)
NODE_VALUE(node_local, faults_local)
NODE_VALUE(node_remote, faults_remote)
NODE_VALUE(node_hint_local, hinting_local)
NODE_VALUE(node_hint_remote, hinting_remote)
NODE_VALUE(node_in, moves_in)
NODE_VALUE(node_out, moves_out)
NODE_VALUE(node_pages_in, pages_in)
NODE_VALUE(node_pages_out, pages_out)

static double node_id(M, size_t node)
{
	(void)m;
	(void)node;
	return node_of(row)->id;
}

static double node_busy(M, size_t node)
{
	const struct top_node *n = node_of(row);

	(void)m;
	(void)node;
	return n->cpu_all == TOP_NONE || !n->cpu_all ? NAN
						     : (double)n->cpu_busy / (double)n->cpu_all;
}

/* Of all its CPUs. */
static double node_ran(M, size_t node)
{
	const struct top_node *n = node_of(row);

	(void)node;
	return m->delta->interval_ns && n->cpus
		       ? (double)n->run_ns / (double)m->delta->interval_ns / n->cpus
		       : NAN;
}

static double node_ratio(M, size_t node)
{
	const struct top_node *n = node_of(row);
	double ratio = top_fault_ratio(m->delta, n->faults_local, n->faults_remote);

	(void)node;
	return ratio < 0 ? NAN : ratio;
}

/* ---- whatever has counts: a process, a thread, a cgroup ---- */

static const struct top_process *process_of(const struct top_row *row)
{
	return row->of;
}

static const struct top_thread *thread_of(const struct top_row *row)
{
	return row->of;
}

static const struct top_counts *counts_of(M)
{
	return m->screen == TOP_THREADS ? &thread_of(row)->counts : &process_of(row)->counts;
}

#define COUNT_VALUE(name, field)           \
 static double name(M, size_t node)        \
 {                                         \
  (void)node;                              \
  return (double)counts_of(m, row)->field; \
 }

COUNT_VALUE(count_local, faults_local)
COUNT_VALUE(count_remote, faults_remote)
COUNT_VALUE(count_hint_local, hinting_local)
COUNT_VALUE(count_hint_remote, hinting_remote)
COUNT_VALUE(count_node_moves, node_moves)
COUNT_VALUE(count_wakeup, moves[NUMAPERF_MOVE_WAKEUP])
COUNT_VALUE(count_balance, moves[NUMAPERF_MOVE_LOAD_BALANCE])
COUNT_VALUE(count_affinity, moves[NUMAPERF_MOVE_AFFINITY])
COUNT_VALUE(count_cpuset, moves[NUMAPERF_MOVE_CPUSET])
COUNT_VALUE(count_numa, moves[NUMAPERF_MOVE_NUMA_BALANCING])

static double count_moves(M, size_t node)
{
	const struct top_counts *c = counts_of(m, row);
	double sum = 0;

	(void)node;
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		sum += (double)c->moves[i];
	return sum;
}

static double cpu_share(M, size_t node)
{
	(void)node;
	return m->delta->interval_ns
		       ? (double)counts_of(m, row)->run_ns / (double)m->delta->interval_ns
		       : NAN;
}

static double cpu_on(M, size_t node)
{
	const uint64_t *ran = m->screen == TOP_THREADS ? thread_of(row)->run_ns_on
						       : process_of(row)->run_ns_on;

	return m->delta->interval_ns ? (double)ran[node] / (double)m->delta->interval_ns : NAN;
}

static double fault_ratio(M, size_t node)
{
	const struct top_counts *c = counts_of(m, row);
	double ratio = top_fault_ratio(m->delta, c->faults_local, c->faults_remote);

	(void)node;
	return ratio < 0 ? NAN : ratio;
}

/* ---- processes and cgroups ---- */

static double process_pid(M, size_t node)
{
	(void)m;
	(void)node;
	return process_of(row)->pid;
}

static double process_uid(M, size_t node)
{
	(void)m;
	(void)node;
	return process_of(row)->uid < 0 ? NAN : process_of(row)->uid;
}

static double process_threads(M, size_t node)
{
	(void)m;
	(void)node;
	return process_of(row)->threads ? process_of(row)->threads : NAN;
}

static double process_ratio(M, size_t node)
{
	const char *basis;
	double ratio = top_process_ratio(m->delta, process_of(row), &basis);

	(void)node;
	return ratio < 0 ? NAN : ratio;
}

static const char *process_basis(M)
{
	const char *basis;

	top_process_ratio(m->delta, process_of(row), &basis);
	return basis ? basis : "-";
}

static double resident_on(M, size_t node)
{
	const struct top_process *p = process_of(row);

	(void)m;
	return p->resident ? pages_to(p->resident[node]) : NAN;
}

static double resident_all(M, size_t node)
{
	const struct top_process *p = process_of(row);
	double sum = 0;

	(void)node;
	if (!p->resident)
		return NAN;
	for (size_t i = 0; i < m->delta->nodes; i++)
		sum += (double)p->resident[i];
	return sum;
}

static double process_promised(M, size_t node)
{
	(void)m;
	(void)node;
	return process_of(row)->promised;
}

static double process_violations(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)process_of(row)->violations;
}

static const char *process_container(M)
{
	const struct top_process *p = process_of(row);
	const struct top_cgroup *g = p->cgroup >= 0 ? &m->delta->cgroup[p->cgroup] : NULL;

	return g && g->container ? g->container : "-";
}

static const char *process_command(M)
{
	const struct top_process *p = process_of(row);

	(void)m;
	return p->command ? p->command : p->comm;
}

static const char *process_comm(M)
{
	(void)m;
	return process_of(row)->comm;
}

static const char *cgroup_path(M)
{
	return m->delta->cgroup[row->at].path;
}

/* ---- threads ---- */

static double thread_tid(M, size_t node)
{
	(void)m;
	(void)node;
	return thread_of(row)->tid;
}

static const char *thread_cpus(M)
{
	(void)m;
	return thread_of(row)->cpus ? thread_of(row)->cpus : "n/a";
}

static const char *thread_comm(M)
{
	(void)m;
	return thread_of(row)->comm;
}

/* ---- regions ---- */

static const struct top_region *region_of(const struct top_row *row)
{
	return row->of;
}

static double region_start(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)region_of(row)->start;
}

static double region_size(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)(region_of(row)->end - region_of(row)->start);
}

static double region_page(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)region_of(row)->page_size;
}

static double region_on(M, size_t node)
{
	(void)m;
	return pages_to(region_of(row)->resident[node]);
}

static double region_resident(M, size_t node)
{
	double sum = 0;

	(void)node;
	for (size_t i = 0; i < m->delta->nodes; i++)
		sum += (double)region_of(row)->resident[i];
	return sum;
}

static const char *region_policy(M)
{
	(void)m;
	return region_of(row)->policy;
}

static const char *region_name(M)
{
	(void)m;
	return *region_of(row)->name ? region_of(row)->name : "anonymous";
}

/* ---- stacks ---- */

static const struct top_stack *stack_of(const struct top_row *row)
{
	return row->of;
}

static double stack_pages(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)stack_of(row)->pages;
}

static double stack_pid(M, size_t node)
{
	(void)m;
	(void)node;
	return stack_of(row)->pid;
}

static const char *stack_comm(M)
{
	(void)m;
	return stack_of(row)->comm;
}

/* Innermost first, until nothing more fits. */
static const char *stack_text(M)
{
	static char line[2048];
	size_t used = 0;

	(void)m;
	line[0] = '\0';
	for (unsigned int i = 0; i < stack_of(row)->depth && used < sizeof(line) - 1; i++) {
		int n = snprintf(line + used, sizeof(line) - used, "%s%s", i ? " < " : "",
				 stack_of(row)->symbol[i]);

		used += n > 0 ? (size_t)n : 0;
	}
	return line;
}

/* ---- events ---- */

static const struct top_event *event_of(const struct top_row *row)
{
	return row->of;
}

static double event_count(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)event_of(row)->count;
}

static double event_pid(M, size_t node)
{
	(void)m;
	(void)node;
	return event_of(row)->pid;
}

static double event_time(M, size_t node)
{
	(void)m;
	(void)node;
	return (double)event_of(row)->time_ns;
}

/* Local time of day. */
static const char *event_clock(M)
{
	static char text[32];
	time_t t = (time_t)(event_of(row)->time_ns / 1000000000u);
	struct tm tm;

	(void)m;
	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%H:%M:%S", &tm))
		return "n/a";
	return text;
}

static const char *event_kind(M)
{
	const char *name = numaperf_violation_kind_name(event_of(row)->kind);

	(void)m;
	return name ? name : "?";
}

static const char *event_cause(M)
{
	const struct top_event *e = event_of(row);
	const char *name = e->kind == NUMAPERF_VIOLATION_PAGE
				   ? numaperf_page_cause_name(e->page_cause)
				   : numaperf_move_cause_name(e->move_cause);

	(void)m;
	return name ? name : "?";
}

static const char *event_actor(M)
{
	(void)m;
	return event_of(row)->actor[0] ? event_of(row)->actor : "-";
}

static const char *event_message(M)
{
	(void)m;
	return event_of(row)->message;
}

/* ---- the tables ---- */

#define NUMBER(id, title, kind, width, metric, value, help)             \
 {                                                                      \
  id, title, help, TOP_##kind, width, false, false, metric, value, NULL \
 }
#define HIDDEN(id, title, kind, width, metric, value, help)            \
 {                                                                     \
  id, title, help, TOP_##kind, width, false, true, metric, value, NULL \
 }
#define BY_NODE(id, title, kind, width, metric, value, help)           \
 {                                                                     \
  id, title, help, TOP_##kind, width, true, false, metric, value, NULL \
 }
#define TEXT(id, title, width, text, help)                       \
 {                                                               \
  id, title, help, TOP_TEXT, width, false, false, -1, NULL, text \
 }

#define RUN    NUMAPERF_METRIC_RUN_TIME
#define FAULTS NUMAPERF_METRIC_FAULTS
#define HINTS  NUMAPERF_METRIC_HINTING_FAULTS
#define MOVES  NUMAPERF_METRIC_THREAD_MOVES
#define PAGES  NUMAPERF_METRIC_PAGE_MOVES

static const struct top_column of_nodes[] = {
	NUMBER("node", "NODE", INTEGER, 4, -1, node_id, "its number"),
	NUMBER("cpu", "CPU%", PERCENT, 6, -1, node_busy, "its CPUs' time that is not idle"),
	NUMBER("ran", "RUN%", PERCENT, 6, RUN, node_ran,
	       "its CPUs' time that watched threads ran"),
	NUMBER("free", "FREE", BYTES, 6, -1, node_free, "free memory"),
	NUMBER("total", "TOTAL", BYTES, 6, -1, node_total, "memory"),
	HIDDEN("file", "FILE", BYTES, 6, -1, node_file, "page cache"),
	HIDDEN("anon", "ANON", BYTES, 6, -1, node_anon, "mapped anonymous memory"),
	HIDDEN("huge", "HUGEFR", BYTES, 6, -1, node_huge, "free reserved huge pages"),
	NUMBER("local%", "LOCAL%", PERCENT, 6, FAULTS, node_ratio,
	       "faults of its CPUs whose page is on it"),
	NUMBER("local", "LOCAL/s", RATE, 7, FAULTS, node_local,
	       "pages that its CPUs faulted in on it"),
	NUMBER("remote", "REMOT/s", RATE, 7, FAULTS, node_remote,
	       "pages that its CPUs faulted in on other nodes"),
	HIDDEN("hint-local", "HINTL/s", RATE, 7, HINTS, node_hint_local,
	       "hinting faults of its CPUs on local pages"),
	NUMBER("hint-remote", "HINTR/s", RATE, 7, HINTS, node_hint_remote,
	       "hinting faults of its CPUs on remote pages"),
	NUMBER("in", "MVIN/s", RATE, 6, MOVES, node_in, "threads that came from other nodes"),
	NUMBER("out", "MVOUT/s", RATE, 7, MOVES, node_out, "threads that went to other nodes"),
	NUMBER("pages-in", "PGIN/s", RATE, 7, PAGES, node_pages_in,
	       "pages that came from other nodes"),
	NUMBER("pages-out", "PGOUT/s", RATE, 7, PAGES, node_pages_out,
	       "pages that went to other nodes"),
};

#define COUNTS                                                                          \
 NUMBER("remote", "REMOT/s", RATE, 7, FAULTS, count_remote,                             \
	"pages faulted in on another node than the CPU's"),                             \
	 HIDDEN("local", "LOCAL/s", RATE, 7, FAULTS, count_local,                       \
		"pages faulted in on the CPU's node"),                                  \
	 HIDDEN("hint-local", "HINTL/s", RATE, 7, HINTS, count_hint_local,              \
		"hinting faults on local pages"),                                       \
	 NUMBER("hint-remote", "HINTR/s", RATE, 7, HINTS, count_hint_remote,            \
		"hinting faults on remote pages"),                                      \
	 NUMBER("node-moves", "NMOVE/s", RATE, 7, MOVES, count_node_moves,              \
		"threads' moves to another node"),                                      \
	 HIDDEN("moves", "MOVE/s", RATE, 7, MOVES, count_moves,                         \
		"threads' moves between CPUs"),                                         \
	 HIDDEN("wake-up", "WAKE/s", RATE, 6, MOVES, count_wakeup, "moves when woken"), \
	 HIDDEN("balance", "BAL/s", RATE, 6, MOVES, count_balance,                      \
		"moves by the load balancer"),                                          \
	 HIDDEN("affinity", "AFF/s", RATE, 6, MOVES, count_affinity,                    \
		"moves because an affinity was changed"),                               \
	 HIDDEN("cpuset", "CSET/s", RATE, 6, MOVES, count_cpuset,                       \
		"moves because a cpuset was changed"),                                  \
	 HIDDEN("numa", "NUMA/s", RATE, 6, MOVES, count_numa, "moves by NUMA balancing")

static const struct top_column of_processes[] = {
	NUMBER("pid", "PID", INTEGER, 7, -1, process_pid, "process id"),
	HIDDEN("uid", "UID", INTEGER, 6, -1, process_uid, "user id"),
	NUMBER("threads", "THR", INTEGER, 4, -1, process_threads, "threads"),
	NUMBER("cpu", "CPU%", PERCENT, 6, RUN, cpu_share, "time it ran, of one CPU"),
	NUMBER("local%", "LOCAL%", PERCENT, 6, -1, process_ratio,
	       "local share: of its faults, else the estimate from run time and memory"),
	TEXT("basis", "BASIS", 8, process_basis, "what LOCAL% stands on: fault or exposure"),
	COUNTS,
	NUMBER("memory", "MEM", BYTES, 6, -1, resident_all, "resident memory"),
	NUMBER("promised", "PROM", INTEGER, 4, -1, process_promised,
	       "its pins and bound memory that are held to their place"),
	NUMBER("violations", "VIOL", INTEGER, 5, -1, process_violations,
	       "moves and pages against them, in this interval"),
	BY_NODE("ran-on", "%%N%d", PERCENT, 6, RUN, cpu_on, "time it ran on the node's CPUs"),
	BY_NODE("on", "MEM%d", BYTES, 6, -1, resident_on, "its memory on the node"),
	{ "container", "CONTAINER", "the container's short id", TOP_TEXT, 12, false, true, -1,
	  NULL, process_container },
	{ "name", "NAME", "its name", TOP_TEXT, 15, false, true, -1, NULL, process_comm },
	TEXT("command", "COMMAND", 0, process_command, "its command line"),
};

static const struct top_column of_threads[] = {
	NUMBER("tid", "TID", INTEGER, 7, -1, thread_tid, "thread id"),
	NUMBER("cpu", "CPU%", PERCENT, 6, RUN, cpu_share, "time it ran"),
	NUMBER("local%", "LOCAL%", PERCENT, 6, FAULTS, fault_ratio,
	       "local share of its faults"),
	COUNTS,
	BY_NODE("ran-on", "%%N%d", PERCENT, 6, RUN, cpu_on, "time it ran on the node's CPUs"),
	TEXT("cpus", "AFFINITY", 12, thread_cpus, "the CPUs that it may use"),
	TEXT("name", "NAME", 0, thread_comm, "its name"),
};

static const struct top_column of_regions[] = {
	NUMBER("start", "ADDRESS", HEX, 14, -1, region_start, "where it begins"),
	NUMBER("size", "SIZE", BYTES, 6, -1, region_size, "how long it is"),
	NUMBER("resident", "MEM", BYTES, 6, -1, region_resident, "resident memory"),
	NUMBER("page", "PAGE", BYTES, 6, -1, region_page, "page size"),
	TEXT("policy", "POLICY", 14, region_policy, "memory policy, as numa_maps has it"),
	BY_NODE("on", "MEM%d", BYTES, 6, -1, region_on, "memory on the node"),
	TEXT("name", "MAPPING", 0, region_name, "file, or what it is"),
};

static const struct top_column of_cgroups[] = {
	NUMBER("processes", "PROCS", INTEGER, 6, -1, process_pid, "processes"),
	TEXT("container", "CONTAINER", 12, process_container, "the container's short id"),
	NUMBER("cpu", "CPU%", PERCENT, 6, RUN, cpu_share, "time they ran, of one CPU"),
	NUMBER("local%", "LOCAL%", PERCENT, 6, FAULTS, fault_ratio,
	       "local share of the faults"),
	COUNTS,
	NUMBER("memory", "MEM", BYTES, 6, -1, resident_all,
	       "resident memory of those whose maps were read"),
	NUMBER("violations", "VIOL", INTEGER, 5, -1, process_violations,
	       "against what was promised, in this interval"),
	NUMBER("threads", "THR", INTEGER, 5, -1, process_threads, "threads"),
	BY_NODE("ran-on", "%%N%d", PERCENT, 6, RUN, cpu_on, "time they ran on the node's CPUs"),
	BY_NODE("on", "MEM%d", BYTES, 6, -1, resident_on, "their memory on the node"),
	TEXT("path", "CGROUP", 0, cgroup_path, "its path"),
};

static const struct top_column of_stacks[] = {
	NUMBER("pages", "PAGES/s", RATE, 8, FAULTS, stack_pages,
	       "pages that came from another node here"),
	NUMBER("pid", "PID", INTEGER, 7, -1, stack_pid, "process id"),
	TEXT("process", "PROCESS", 15, stack_comm, "its name"),
	TEXT("stack", "WHERE (innermost first)", 0, stack_text, "calls, the innermost first"),
};

static const struct top_column of_events[] = {
	{ "time", "TIME", "when", TOP_TEXT, 8, false, false, -1, event_time, event_clock },
	NUMBER("count", "COUNT", INTEGER, 7, -1, event_count, "pages or moves"),
	TEXT("kind", "KIND", 9, event_kind, "what was violated"),
	TEXT("cause", "CAUSE", 14, event_cause, "why"),
	NUMBER("pid", "PID", INTEGER, 7, -1, event_pid, "whose"),
	TEXT("culprit", "CULPRIT", 15, event_actor, "who did it"),
	TEXT("message", "WHAT", 0, event_message, "all of it"),
};

const struct top_column *top_columns(enum top_screen screen, size_t *count)
{
#define TABLE(of) (*count = sizeof(of) / sizeof(*(of)), of)
	switch (screen) {
	case TOP_PROCESSES:
		return TABLE(of_processes);
	case TOP_THREADS:
		return TABLE(of_threads);
	case TOP_REGIONS:
		return TABLE(of_regions);
	case TOP_CGROUPS:
		return TABLE(of_cgroups);
	case TOP_WHERE:
		return TABLE(of_stacks);
	case TOP_EVENTS:
		return TABLE(of_events);
	default:
		return TABLE(of_nodes);
	}
}
