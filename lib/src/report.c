// SPDX-License-Identifier: MIT
/* A report: its life, the three ratios, and what it is asked. */
#include "report.h"
#include "base.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

/* ---- names ---- */

const char *numaperf_locality_name(enum numaperf_locality locality)
{
	static const char *const names[] = { "task", "fault", "exposure" };

	return (size_t)locality < ARRAY_SIZE(names) ? names[locality] : "unknown";
}

const char *numaperf_health_name(enum numaperf_health health)
{
	static const char *const names[] = { "Unknown", "Poor", "Fair", "Good", "Excellent" };

	return (size_t)health < ARRAY_SIZE(names) ? names[health] : names[0];
}

const char *numaperf_verdict_name(enum numaperf_verdict verdict)
{
	static const char *const names[] = { "none", "held", "violated", "unverified" };

	return (size_t)verdict < ARRAY_SIZE(names) ? names[verdict] : "unknown";
}

const char *numaperf_guarantee_kind_name(enum numaperf_guarantee_kind kind)
{
	static const char *const names[] = { "unknown", "cpus", "pages", "balancing" };

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : names[0];
}

/* ---- life ---- */

void np_report_clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static int alloc_parts(struct numaperf_report *r)
{
	void *p;

	if (np_sys->alloc(&p, MAX(r->s.guarantee_count, (size_t)1) * sizeof(*r->judged), 0) < 0)
		return np_fail_memory(NP_REPORT_OPERATION);
	r->judged = p;
	if (np_sys->alloc(&p, NP_FINDINGS_MAX * sizeof(*r->finding), 0) < 0)
		return np_fail_memory(NP_REPORT_OPERATION);
	r->finding = p;
	return 0;
}

int np_report_from_snapshot(struct numaperf_report **report, struct np_snapshot *taken,
			    const struct numaperf_report_opts *opts)
{
	struct numaperf_report *r;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*r), 0) < 0) {
		np_snapshot_free(taken);
		return np_fail_memory(NP_REPORT_OPERATION);
	}
	r = p;
	r->s = *taken;
	memset(taken, 0, sizeof(*taken));
	r->excellent = opts->excellent ? opts->excellent : 95;
	r->good = opts->good ? opts->good : 85;
	r->fair = opts->fair ? opts->fair : 70;
	err = alloc_parts(r);
	if (err) {
		numaperf_report_destroy(r);
		return err;
	}
	for (size_t i = 0; i < r->s.guarantee_count; i++)
		np_report_judge(&r->s, &r->s.guarantee[i], &r->judged[i]);
	np_report_advise(r);
	*report = r;
	return 0;
}

int numaperf_report_create_opts(struct numaperf_report **report, struct numaperf_monitor *mon,
				const struct numaperf_report_opts *opts)
{
	struct numaperf_report_opts ours = { 0 };
	unsigned int excellent, good, fair;
	struct np_snapshot taken;
	int err;

	if (opts && opts->sz < sizeof(size_t))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION,
			       "set sz to the struct's size", "sz is %zu", opts->sz);
	if (opts && !np_opts_read(&ours, sizeof(ours), opts, opts->sz))
		return np_fail(-E2BIG, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION, NULL,
			       "the options come from a newer version of the library");
	excellent = ours.excellent ? ours.excellent : 95;
	good = ours.good ? ours.good : 85;
	fair = ours.fair ? ours.fair : 70;
	if (excellent > 100 || good > excellent || fair > good)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION,
			       "percent: 100 >= excellent >= good >= fair",
			       "the thresholds of health are %u, %u and %u", excellent, good,
			       fair);
	err = np_monitor_snapshot(mon,
				  ours.no_flush	     ? NP_FLUSH_NONE
				  : ours.events_only ? NP_FLUSH_EVENTS
						     : NP_FLUSH_ALL,
				  &taken);
	if (err)
		return err;
	return np_report_from_snapshot(report, &taken, &ours);
}

int numaperf_report_create(struct numaperf_report **report, struct numaperf_monitor *mon)
{
	return numaperf_report_create_opts(report, mon, NULL);
}

void numaperf_report_destroy(struct numaperf_report *report)
{
	if (!report)
		return;
	np_snapshot_free(&report->s);
	np_free(report->judged);
	np_free(report->finding);
	np_free(report);
}

/* ---- ratios ---- */

static int ratio_of(uint64_t part, uint64_t all, double *ratio)
{
	if (!all)
		return -ENODATA;
	*ratio = (double)part / (double)all;
	return 0;
}

static bool seen(const struct np_snapshot *s, enum numaperf_metric metric)
{
	return s->hook[metric].rung >= NUMAPERF_RUNG_TP_BTF;
}

/* Of node `i`, or of all when it is node_count. */
static int task_ratio(const struct np_snapshot *s, size_t i, double *ratio)
{
	uint64_t home = 0, away = 0;

	for (size_t n = 0; n < s->node_count; n++) {
		if (i != s->node_count && n != i)
			continue;
		home += s->node[n].local_executions;
		away += s->node[n].steals_from;
	}
	return s->executor ? ratio_of(home, home + away, ratio) : -ENODATA;
}

static int fault_ratio(const struct np_snapshot *s, size_t i, double *ratio)
{
	uint64_t local = 0, all = 0;

	if (!seen(s, NUMAPERF_METRIC_FAULTS))
		return -ENODATA;
	for (size_t cpu = 0; cpu < s->node_count; cpu++) {
		if (i != s->node_count && cpu != i)
			continue;
		for (size_t memory = 0; memory < s->node_count; memory++) {
			const struct numaperf_cell *c = &s->cell[cpu * s->node_count + memory];
			uint64_t n =
				c->pages[NUMAPERF_PAGE_ANON] + c->pages[NUMAPERF_PAGE_HUGE];

			all += n;
			local += cpu == memory ? n : 0;
		}
	}
	return ratio_of(local, all, ratio);
}

/* Threads of node n meet what is resident there: run time times share of pages. */
static int exposure_ratio(const struct np_snapshot *s, size_t i, double *ratio)
{
	double run = 0, resident = 0, met = 0;

	for (size_t n = 0; n < s->node_count; n++) {
		run += (double)s->node[n].activity.run_time_ns;
		resident += (double)s->node[n].resident_pages;
	}
	if (run <= 0 || resident <= 0)
		return -ENODATA;
	if (i != s->node_count) {
		if (!s->node[i].activity.run_time_ns)
			return -ENODATA;
		*ratio = (double)s->node[i].resident_pages / resident;
		return 0;
	}
	for (size_t n = 0; n < s->node_count; n++)
		met += (double)s->node[n].activity.run_time_ns / run *
		       ((double)s->node[n].resident_pages / resident);
	*ratio = met;
	return 0;
}

static int locality(const struct np_snapshot *s, size_t i, enum numaperf_locality which,
		    double *ratio)
{
	switch (which) {
	case NUMAPERF_LOCALITY_TASK:
		return task_ratio(s, i, ratio);
	case NUMAPERF_LOCALITY_FAULT:
		return fault_ratio(s, i, ratio);
	case NUMAPERF_LOCALITY_EXPOSURE:
		return exposure_ratio(s, i, ratio);
	default:
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION, NULL,
			       "there is no ratio %d", (int)which);
	}
}

int numaperf_report_locality(const struct numaperf_report *report, enum numaperf_locality which,
			     double *ratio)
{
	return locality(&report->s, report->s.node_count, which, ratio);
}

/* Its position, or -ENOENT with a record. */
static int position(const struct np_snapshot *s, int node)
{
	for (size_t i = 0; i < s->node_count; i++)
		if (s->node[i].id == node)
			return (int)i;
	return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION, NULL,
		       "node %d was not online", node);
}

int numaperf_report_node_locality(const struct numaperf_report *report, int node,
				  enum numaperf_locality which, double *ratio)
{
	int i = position(&report->s, node);

	return i < 0 ? i : locality(&report->s, (size_t)i, which, ratio);
}

int numaperf_report_health_basis(const struct numaperf_report *report)
{
	static const enum numaperf_locality order[] = { NUMAPERF_LOCALITY_FAULT,
							NUMAPERF_LOCALITY_TASK,
							NUMAPERF_LOCALITY_EXPOSURE };
	double ratio;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (!numaperf_report_locality(report, order[i], &ratio))
			return (int)order[i];
	return -1;
}

enum numaperf_health numaperf_report_health(const struct numaperf_report *report)
{
	int basis = numaperf_report_health_basis(report);
	double ratio = 0, percent;

	if (basis < 0 ||
	    numaperf_report_locality(report, (enum numaperf_locality)basis, &ratio))
		return NUMAPERF_HEALTH_UNKNOWN;
	percent = ratio * 100;
	return percent >= report->excellent ? NUMAPERF_HEALTH_EXCELLENT
	       : percent >= report->good    ? NUMAPERF_HEALTH_GOOD
	       : percent >= report->fair    ? NUMAPERF_HEALTH_FAIR
					    : NUMAPERF_HEALTH_POOR;
}

/* ---- nodes ---- */

static int no_size(size_t sz)
{
	if (sz >= sizeof(size_t))
		return 0;
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION,
		       "set sz to the struct's size", "sz is %zu", sz);
}

size_t numaperf_report_node_count(const struct numaperf_report *report)
{
	return report->s.node_count;
}

static int beyond(const char *what, size_t nth, size_t count)
{
	return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION, NULL,
		       "%s %zu of %zu does not exist", what, nth, count);
}

int numaperf_report_node(const struct numaperf_report *report, size_t nth,
			 struct numaperf_report_node *node)
{
	const struct np_snapshot *s = &report->s;
	struct numaperf_report_node ours = { 0 };
	const struct numaperf_node_activity *a;
	int err = no_size(node->sz);

	if (err)
		return err;
	if (nth >= s->node_count)
		return beyond("node", nth, s->node_count);
	a = &s->node[nth].activity;
	ours.node = s->node[nth].id;
	ours.local_executions = s->node[nth].local_executions;
	ours.steals_from = s->node[nth].steals_from;
	ours.steals_to = s->node[nth].steals_to;
	ours.run_time_ns = a->run_time_ns;
	ours.faults_local = a->faults_local;
	ours.faults_remote = a->faults_remote;
	ours.remote_accesses = a->faults_remote + a->hinting_remote;
	ours.hinting_local = a->hinting_local;
	ours.hinting_remote = a->hinting_remote;
	ours.thread_moves_in = a->thread_moves_in;
	ours.thread_moves_out = a->thread_moves_out;
	ours.pages_in = a->pages_in;
	ours.pages_out = a->pages_out;
	ours.resident_pages = s->node[nth].resident_pages;
	np_snapshot_write(node, node->sz, &ours, sizeof(ours));
	return 0;
}

int numaperf_report_cell(const struct numaperf_report *report, int cpu_node, int memory_node,
			 struct numaperf_cell *cell)
{
	int cpu = position(&report->s, cpu_node), memory = position(&report->s, memory_node);
	struct numaperf_cell ours;
	int err = no_size(cell->sz);

	if (err)
		return err;
	if (cpu < 0 || memory < 0)
		return -ENOENT;
	ours = report->s.cell[(size_t)cpu * report->s.node_count + (size_t)memory];
	np_snapshot_write(cell, cell->sz, &ours, sizeof(ours));
	return 0;
}

/* ---- guarantees ---- */

enum numaperf_verdict numaperf_report_verdict(const struct numaperf_report *report)
{
	enum numaperf_verdict all = NUMAPERF_VERDICT_NONE;

	for (size_t i = 0; i < report->s.guarantee_count; i++) {
		enum numaperf_verdict v = report->judged[i].verdict;

		if (v == NUMAPERF_VERDICT_VIOLATED)
			return v;
		if (v == NUMAPERF_VERDICT_UNVERIFIED || all == NUMAPERF_VERDICT_NONE)
			all = v;
	}
	return all;
}

size_t numaperf_report_guarantee_count(const struct numaperf_report *report)
{
	return report->s.guarantee_count;
}

int numaperf_report_guarantee(const struct numaperf_report *report, size_t nth,
			      struct numaperf_guarantee *guarantee)
{
	struct numaperf_guarantee ours = { 0 };
	const struct np_seen *g;
	int err = no_size(guarantee->sz);

	if (err)
		return err;
	if (nth >= report->s.guarantee_count)
		return beyond("guarantee", nth, report->s.guarantee_count);
	g = &report->s.guarantee[nth];
	ours.id = g->id;
	ours.kind = g->kind;
	ours.verdict = report->judged[nth].verdict;
	ours.ended = g->ended;
	ours.since_ns = g->since_ns;
	ours.until_ns = g->until_ns ? g->until_ns : report->s.now_ns;
	ours.violations = g->violations;
	ours.label = report->judged[nth].label;
	ours.reason = report->judged[nth].reason;
	np_snapshot_write(guarantee, guarantee->sz, &ours, sizeof(ours));
	return 0;
}

/* ---- what to do ---- */

size_t numaperf_report_recommendation_count(const struct numaperf_report *report)
{
	return report->findings;
}

const char *numaperf_report_recommendation(const struct numaperf_report *report, size_t nth)
{
	return nth < report->findings ? report->finding[nth].line : NULL;
}

int numaperf_report_finding(const struct numaperf_report *report, size_t nth,
			    struct numaperf_finding *finding)
{
	struct numaperf_finding ours = { 0 };
	int err = no_size(finding->sz);

	if (err)
		return err;
	if (nth >= report->findings)
		return beyond("finding", nth, report->findings);
	ours.id = report->finding[nth].id;
	ours.cause = report->finding[nth].cause;
	ours.command = report->finding[nth].command;
	ours.advice = report->finding[nth].advice;
	np_snapshot_write(finding, finding->sz, &ours, sizeof(ours));
	return 0;
}

/* ---- how it was watched ---- */

uint64_t numaperf_report_duration_ns(const struct numaperf_report *report)
{
	return report->s.now_ns - report->s.since_ns;
}

int numaperf_report_totals(const struct numaperf_report *report,
			   struct numaperf_monitor_totals *totals)
{
	int err = no_size(totals->sz);

	if (!err)
		np_snapshot_write(totals, totals->sz, &report->s.totals,
				  sizeof(report->s.totals));
	return err;
}

int numaperf_report_hook(const struct numaperf_report *report, enum numaperf_metric metric,
			 struct numaperf_hook *hook)
{
	int err = no_size(hook->sz);

	if (err)
		return err;
	if ((size_t)metric >= NUMAPERF_METRIC_COUNT)
		return beyond("metric", (size_t)metric, NUMAPERF_METRIC_COUNT);
	np_snapshot_write(hook, hook->sz, &report->s.hook[metric],
			  sizeof(report->s.hook[metric]));
	return 0;
}

/* ---- as text ---- */

int numaperf_report_format(const struct numaperf_report *report, enum numaperf_format format,
			   char *buf, size_t size)
{
	switch (format) {
	case NUMAPERF_FORMAT_TEXT:
		return np_report_text(report, buf, size);
	case NUMAPERF_FORMAT_JSON:
		return np_report_json(report, buf, size);
	}
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, NP_REPORT_OPERATION, NULL,
		       "there is no format %d", (int)format);
}
