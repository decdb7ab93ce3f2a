// SPDX-License-Identifier: MIT
/* A report for people. */
#include "report.h"
#include "util.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Text into the caller's buffer: the length counts on when that is full. */
struct page {
	char *buf;
	size_t size, length;
};

static void put(struct page *p, const char *fmt, ...) NUMAPERF_PRINTF(2, 3);

static void put(struct page *p, const char *fmt, ...)
{
	size_t room = p->length < p->size ? p->size - p->length : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? p->buf + p->length : NULL, room, fmt, args);
	va_end(args);
	if (n > 0)
		p->length += (size_t)n;
}

/* Words up to column 80, further lines indented; `broken` ends a line that goes on. */
static void put_words(struct page *p, int column, int indent, const char *text,
		      const char *broken)
{
	int margin = 80 - (int)strlen(broken), first = column;

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column > first && column + 1 + word > margin) {
			put(p, "%s\n%*s", broken, indent, "");
			column = first = indent;
		} else if (column > first) {
			put(p, " ");
			column++;
		}
		put(p, "%.*s", word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	put(p, "\n");
}

static void put_wrapped(struct page *p, int indent, const char *text)
{
	put(p, "%*s", indent, "");
	put_words(p, indent, indent, text, "");
}

static const char *percent(int err, double ratio, char *buf, size_t size)
{
	if (err)
		snprintf(buf, size, "n/a");
	else
		snprintf(buf, size, "%.1f %%", ratio * 100);
	return buf;
}

/* "n/a" where the metric is not counted: never a zero that nobody measured. */
static const char *count(const struct np_snapshot *s, enum numaperf_metric metric, uint64_t n,
			 char *buf, size_t size)
{
	if (numaperf_rung_counts(metric, s->hook[metric].rung))
		snprintf(buf, size, "%" PRIu64, n);
	else
		snprintf(buf, size, "n/a");
	return buf;
}

static void head(struct page *p, const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;
	enum numaperf_verdict v = numaperf_report_verdict(r);

	put(p, "NUMA locality report: %s", numaperf_scope_name(s->scope));
	if (s->pid)
		put(p, " %d", s->pid);
	put(p, ", watched %.1f s%s\n", (double)numaperf_report_duration_ns(r) / 1e9,
	    s->sampler ? " (sampled)" : "");
	put(p, "\nGuarantees: %s", numaperf_verdict_name(v));
	put(p, v == NUMAPERF_VERDICT_NONE ? " (nothing was promised)\n" : "\n");
}

static void guarantees(struct page *p, const struct numaperf_report *r)
{
	for (size_t i = 0; i < r->s.guarantee_count; i++) {
		const struct np_judged *j = &r->judged[i];

		put(p, "  %-10s  %s%s\n", numaperf_verdict_name(j->verdict), j->label,
		    r->s.guarantee[i].ended ? " (ended)" : "");
		put_wrapped(p, 14, j->reason);
	}
}

static void health(struct page *p, const struct numaperf_report *r)
{
	int basis = numaperf_report_health_basis(r);
	char buf[32];

	put(p, "\nHealth: %s (%s)\n", numaperf_health_name(numaperf_report_health(r)),
	    basis < 0 ? "nothing was observed"
		      : numaperf_locality_name((enum numaperf_locality)basis));
	put(p, "Locality:");
	for (int l = 0; l < NUMAPERF_LOCALITY_COUNT; l++) {
		double ratio = 0;
		int err = numaperf_report_locality(r, (enum numaperf_locality)l, &ratio);

		put(p, "%s %s %s%s", l ? "," : "",
		    numaperf_locality_name((enum numaperf_locality)l),
		    percent(err, ratio, buf, sizeof(buf)),
		    l == NUMAPERF_LOCALITY_EXPOSURE && !err ? " (estimated)" : "");
	}
	put(p, "\n");
}

static void nodes(struct page *p, const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;

	put(p, "\n       tasks     stolen     run     pages landed threads moved     pages "
	       "moved\n");
	put(p, "Node at home  from    to      ms    local  remote     in    out      in     "
	       "out\n");
	for (size_t i = 0; i < s->node_count; i++) {
		const struct np_node_seen *n = &s->node[i];
		const struct numaperf_node_activity *a = &n->activity;
		char b[8][24];

		if (s->executor)
			put(p, "%4d %7" PRIu64 " %5" PRIu64 " %5" PRIu64, n->id,
			    n->local_executions, n->steals_from, n->steals_to);
		else
			put(p, "%4d %7s %5s %5s", n->id, "n/a", "n/a", "n/a");
		put(p, " %7s %8s %7s %6s %6s %7s %7s\n",
		    count(s, NUMAPERF_METRIC_RUN_TIME, a->run_time_ns / 1000000, b[0], 24),
		    count(s, NUMAPERF_METRIC_FAULTS, a->faults_local, b[1], 24),
		    count(s, NUMAPERF_METRIC_FAULTS, a->faults_remote, b[2], 24),
		    count(s, NUMAPERF_METRIC_THREAD_MOVES, a->thread_moves_in, b[3], 24),
		    count(s, NUMAPERF_METRIC_THREAD_MOVES, a->thread_moves_out, b[4], 24),
		    count(s, NUMAPERF_METRIC_PAGE_MOVES, a->pages_in, b[5], 24),
		    count(s, NUMAPERF_METRIC_PAGE_MOVES, a->pages_out, b[6], 24));
	}
}

static uint64_t cell_pages(const struct numaperf_cell *c)
{
	uint64_t sum = 0;

	for (int k = 0; k < NUMAPERF_PAGE_KINDS; k++)
		sum += c->pages[k];
	return sum;
}

static void matrix(struct page *p, const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;
	uint64_t all = 0;

	if (s->hook[NUMAPERF_METRIC_FAULTS].rung < NUMAPERF_RUNG_TP_BTF)
		return;
	for (size_t i = 0; i < s->node_count * s->node_count; i++)
		all += cell_pages(&s->cell[i]);
	if (!all)
		return;
	put(p,
	    "\nPages that landed (rows: node of the CPU; columns: node of the memory)\n      ");
	for (size_t m = 0; m < s->node_count; m++)
		put(p, " %10d", s->node[m].id);
	put(p, "\n");
	for (size_t c = 0; c < s->node_count; c++) {
		if (!s->node[c].has_cpus)
			continue;
		put(p, "%6d", s->node[c].id);
		for (size_t m = 0; m < s->node_count; m++)
			put(p, " %10" PRIu64, cell_pages(&s->cell[c * s->node_count + m]));
		put(p, "\n");
	}
}

/* Moves between nodes with their causes, where there were any. */
static void flows(struct page *p, const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;
	bool titled = false;

	for (size_t i = 0; i < s->node_count * s->node_count; i++) {
		int from = s->node[i / s->node_count].id, to = s->node[i % s->node_count].id;

		if (from == to)
			continue;
		for (int c = 0; c < NUMAPERF_MOVE_CAUSES + NUMAPERF_PAGE_CAUSES; c++) {
			bool page = c >= NUMAPERF_MOVE_CAUSES;
			int k = page ? c - NUMAPERF_MOVE_CAUSES : c;
			uint64_t n = page ? s->flow[i].pages[k] : s->flow[i].threads[k];

			if (!n)
				continue;
			if (!titled)
				put(p, "\nMoves between nodes\n");
			titled = true;
			put(p, "  %d -> %d  %10" PRIu64 " %s: %s\n", from, to, n,
			    page ? "pages" : "threads",
			    page ? numaperf_page_cause_name((enum numaperf_page_cause)k)
				 : numaperf_move_cause_name((enum numaperf_move_cause)k));
		}
	}
}

/* The command can be copied from a terminal as it stands: what a shell takes for one line. */
static void put_finding(struct page *p, const struct np_finding *f)
{
	put_wrapped(p, 2, f->cause);
	if (f->command[0]) {
		put(p, "    run: ");
		put_words(p, 9, 9, f->command, " \\");
	}
	if (f->advice[0])
		put_wrapped(p, 4, f->advice);
}

static void findings(struct page *p, const struct numaperf_report *r)
{
	if (!r->findings)
		return;
	put(p, "\nWhat to do\n");
	for (size_t i = 0; i < r->findings; i++)
		put_finding(p, &r->finding[i]);
}

/* A hook's "HOOK: why it is refused" without the hook: the same for many. */
static const char *why(const struct numaperf_hook *h)
{
	const char *at = strstr(h->reason, ": ");

	return at ? at + 2 : h->reason;
}

static bool same_reason(const struct numaperf_hook *a, const struct numaperf_hook *b)
{
	return a->reason[0] && b->reason[0] && !strcmp(why(a), why(b));
}

/* Each reason once, with the metrics that it keeps on a lower rung. */
static void refusals(struct page *p, const struct np_snapshot *s)
{
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		char line[640];
		int first = 0, n;

		if (!s->hook[m].reason[0])
			continue;
		while (!same_reason(&s->hook[first], &s->hook[m]))
			first++;
		if (first < m)
			continue; /* said already */
		n = snprintf(line, sizeof(line),
			     "Higher rungs are refused (%s):", why(&s->hook[m]));
		for (int i = m; i < NUMAPERF_METRIC_COUNT; i++)
			if (same_reason(&s->hook[i], &s->hook[m]) && n < (int)sizeof(line))
				n += snprintf(line + n, sizeof(line) - (size_t)n, "%s %s",
					      i == m ? "" : ",",
					      numaperf_metric_name((enum numaperf_metric)i));
		put_wrapped(p, 2, line);
	}
}

static void watched(struct page *p, const struct numaperf_report *r)
{
	const struct numaperf_monitor_totals *t = &r->s.totals;
	char line[256];

	put(p, "\nHow it was watched\n");
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct numaperf_hook *h = &r->s.hook[m];

		put(p, "  %-15s %-8s %s\n", numaperf_metric_name((enum numaperf_metric)m),
		    numaperf_rung_name(h->rung), h->hook);
	}
	refusals(p, &r->s);
	snprintf(line, sizeof(line),
		 "Lost: %" PRIu64 " events, %" PRIu64 " notices, %" PRIu64
		 " threads. Moves suspected %" PRIu64 ", confirmed %" PRIu64
		 ", refuted %" PRIu64 ".",
		 t->events_lost, t->notices_lost, t->threads_lost, t->suspects,
		 t->suspects_confirmed, t->suspects_refuted);
	put_wrapped(p, 2, line);
}

int np_report_text(const struct numaperf_report *report, char *buf, size_t size)
{
	struct page p = { .buf = buf, .size = size };

	if (size)
		buf[0] = '\0';
	head(&p, report);
	guarantees(&p, report);
	health(&p, report);
	nodes(&p, report);
	matrix(&p, report);
	flows(&p, report);
	findings(&p, report);
	watched(&p, report);
	return (int)p.length;
}
