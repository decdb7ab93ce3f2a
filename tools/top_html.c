/* SPDX-License-Identifier: MIT */
/*
 * The page: HTML and SVG as text, no script and nothing from elsewhere. What comes from other
 * processes is escaped where it is written.
 */
#include "top_html.h"
#include "top_flame.h"
#include "top_model.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	WIDTH = 1000,
	CHART_HEIGHT = 160,
	MARGIN = 60,
	POINTS_MAX = 1000, /* of a line: more are put together */
	BAR = 17,	   /* height of a call in the flame graph */
	PROCESSES = 50,
};

/* A line of a chart: a value of each interval and node. */
enum line {
	LINE_CPU,
	LINE_REMOTE,
	LINE_LOCAL,
	LINE_MOVES,
	LINE_PAGES,
	LINE_FREE,
	LINES,
};

static const struct {
	const char *title, *unit;
	int metric; /* -1: on none */
} charts[LINES] = {
	[LINE_CPU] = { "CPU time that is not idle", "%", -1 },
	[LINE_REMOTE] = { "Pages its CPUs faulted in on other nodes", "/s",
			  NUMAPERF_METRIC_FAULTS },
	[LINE_LOCAL] = { "Pages its CPUs faulted in on it", "/s", NUMAPERF_METRIC_FAULTS },
	[LINE_MOVES] = { "Threads that came from other nodes", "/s",
			 NUMAPERF_METRIC_THREAD_MOVES },
	[LINE_PAGES] = { "Pages that came from other nodes", "/s", NUMAPERF_METRIC_PAGE_MOVES },
	[LINE_FREE] = { "Free memory", "GiB", -1 },
};

struct page {
	FILE *to;
	struct top_frame *last; /* as it came */
	struct top_frame *first;
	size_t intervals, room;
	double *value; /* [(interval * nodes + node) * LINES + line]; NaN: not known */
	double *when;  /* seconds since the first */
	struct top_flame flame;
	struct top_event *event;
	size_t events;
};

/* ---- reading ---- */

static double rate(uint64_t n, double seconds)
{
	return n == TOP_NONE || seconds <= 0 ? NAN : (double)n / seconds;
}

static int take_values(struct page *p, const struct top_frame *delta)
{
	double seconds = (double)delta->interval_ns / 1e9, *v;

	if (p->intervals == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		double *more = reallocarray(p->value, room * delta->nodes * LINES,
					    sizeof(*more)),
		       *when;

		if (!more)
			return -ENOMEM;
		p->value = more;
		when = reallocarray(p->when, room, sizeof(*when));
		if (!when)
			return -ENOMEM;
		p->when = when;
		p->room = room;
	}
	p->when[p->intervals] = (double)(delta->mono_ns - p->first->mono_ns) / 1e9;
	for (size_t i = 0; i < delta->nodes; i++) {
		const struct top_node *n = &delta->node[i];

		v = p->value + (p->intervals * delta->nodes + i) * LINES;
		v[LINE_CPU] = n->cpu_all == TOP_NONE || !n->cpu_all
				      ? NAN
				      : (double)n->cpu_busy / (double)n->cpu_all * 100;
		v[LINE_REMOTE] = rate(n->faults_remote, seconds);
		v[LINE_LOCAL] = rate(n->faults_local, seconds);
		v[LINE_MOVES] = rate(n->moves_in, seconds);
		v[LINE_PAGES] = rate(n->pages_in, seconds);
		v[LINE_FREE] = n->mem_free == TOP_NONE ? NAN : (double)n->mem_free / (1 << 30);
	}
	p->intervals++;
	return 0;
}

static int take_events(struct page *p, struct top_frame *delta)
{
	struct top_event *more;

	if (!delta->events)
		return 0;
	more = reallocarray(p->event, p->events + delta->events, sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->event = more;
	for (size_t i = 0; i < delta->events; i++) {
		p->event[p->events++] = delta->event[i];
		delta->event[i].label = delta->event[i].message = NULL;
	}
	return 0;
}

/* `frame` belongs to the page from now on. */
static int take(struct page *p, struct top_frame *frame)
{
	struct top_frame *delta = top_frame_delta(p->last, frame);
	int err = delta ? 0 : -ENOMEM;

	if (delta && p->last) {
		err = frame->nodes == p->first->nodes ? take_values(p, delta) : 0;
		for (size_t i = 0; i < delta->stacks && !err; i++)
			if (delta->stack[i].pages)
				err = top_flame_add(&p->flame, &delta->stack[i]);
	}
	if (!err)
		err = take_events(p, delta);
	top_frame_free(delta);
	if (!p->first)
		p->first = frame;
	if (p->last && p->last != p->first)
		top_frame_free(p->last);
	p->last = frame;
	return err;
}

/* ---- writing ---- */

static void escape(FILE *to, const char *text)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			putc(*text, to);
		}
	}
}

static void put_time(FILE *to, uint64_t ns)
{
	time_t t = (time_t)(ns / 1000000000u);
	char text[40] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%F %T UTC", &tm);
	fputs(text, to);
}

static const char style[] =
	"<style>body{font:14px system-ui,sans-serif;margin:2em "
	"auto;max-width:1040px;color:#222;"
	"background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-"
	"collapse:collapse}td,th{padding:3px 10px;text-align:right}th{font-weight:600;border-"
	"bottom:1px solid "
	"#999}td.t,th.t{text-align:left}.bad{color:#b00020}.good{color:#1a7f37}"
	".note{color:#8a6d00}svg text{font:11px system-ui,sans-serif;fill:#333}svg "
	".axis{stroke:"
	"#bbb}code{font:12px monospace}</style>\n";

static void head(const struct page *p)
{
	const struct top_frame *f = p->last;

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
	      "charset=\"utf-8\">\n<title>numaperf-"
	      "top: ",
	      p->to);
	escape(p->to, f->host);
	fputs("</title>\n", p->to);
	fputs(style, p->to);
	fputs("</head><body>\n<h1>numaperf-top: ", p->to);
	escape(p->to, f->host);
	fputs("</h1>\n<p>", p->to);
	put_time(p->to, p->first->time_ns);
	fputs(" to ", p->to);
	put_time(p->to, f->time_ns);
	fprintf(p->to, ", %.0f s, %zu intervals; ",
		(double)(f->mono_ns - p->first->mono_ns) / 1e9, p->intervals);
	escape(p->to, f->scope);
	fputs("; kernel ", p->to);
	escape(p->to, f->kernel);
	fprintf(p->to,
		"</p>\n<p class=\"%s\">Guarantees: %s (%u held, %u violated, %u "
		"unverified)</p>\n",
		f->violated ? "bad" : "good", numaperf_verdict_name(f->verdict), f->held,
		f->violated, f->unverified);
	for (size_t i = 0; i < f->notes; i++) {
		fputs("<p class=\"note\">", p->to);
		escape(p->to, f->note[i]);
		fputs("</p>\n", p->to);
	}
}

/* ---- the heat map ---- */

static uint64_t between(const struct page *p, size_t i, size_t k)
{
	size_t at = i * p->last->nodes + k;
	uint64_t sum = 0;

	for (int kind = NUMAPERF_PAGE_ANON; kind <= NUMAPERF_PAGE_HUGE; kind++)
		sum += p->last->cell[at].pages[kind] - p->first->cell[at].pages[kind];
	return sum;
}

/* White to red; the diagonal, which is local, white to green. */
static void heat_colour(FILE *to, double heat, bool local)
{
	int fade = (int)(255 - heat * 170);

	if (local)
		fprintf(to, "rgb(%d,%d,%d)", fade, 235 - (int)(heat * 40), fade);
	else
		fprintf(to, "rgb(%d,%d,%d)", 250 - (int)(heat * 30), fade, fade);
}

static void heat_map(const struct page *p)
{
	const struct top_frame *f = p->last;
	uint64_t most = 0;

	fputs("<h2 id=\"heat\">Pages faulted in: node of the CPU (down), node of the memory "
	      "(across)</h2>\n",
	      p->to);
	if (!top_has(f, NUMAPERF_METRIC_FAULTS) || f->nodes != p->first->nodes) {
		fputs("<p>n/a</p>\n", p->to);
		return;
	}
	for (size_t i = 0; i < f->nodes * f->nodes; i++) {
		uint64_t n = between(p, i / f->nodes, i % f->nodes);

		most = n > most ? n : most;
	}
	fputs("<table class=\"heat\"><tr><th></th>", p->to);
	for (size_t k = 0; k < f->nodes; k++)
		fprintf(p->to, "<th>N%d</th>", f->node[k].id);
	fputs("</tr>\n", p->to);
	for (size_t i = 0; i < f->nodes; i++) {
		fprintf(p->to, "<tr><th>N%d</th>", f->node[i].id);
		for (size_t k = 0; k < f->nodes; k++) {
			uint64_t n = between(p, i, k);

			fputs("<td style=\"background:", p->to);
			heat_colour(p->to, most ? log1p((double)n) / log1p((double)most) : 0,
				    i == k);
			fprintf(p->to, "\">%" PRIu64 "</td>", n);
		}
		fputs("</tr>\n", p->to);
	}
	fputs("</table>\n", p->to);
}

/* ---- lines ---- */

static const char *node_colour(size_t i)
{
	static const char *const colours[] = { "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e",
					       "#9467bd", "#8c564b", "#17becf", "#7f7f7f" };

	return colours[i % 8];
}

/* The mean of the intervals that fall on one point. */
static double point(const struct page *p, size_t node, enum line line, size_t from, size_t to)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = from; i < to; i++) {
		double v = p->value[(i * p->last->nodes + node) * LINES + line];

		if (isnan(v))
			continue;
		sum += v;
		n++;
	}
	return n ? sum / (double)n : NAN;
}

static double most_of(const struct page *p, enum line line)
{
	double most = 0;

	for (size_t i = 0; i < p->intervals * p->last->nodes; i++) {
		double v = p->value[i * LINES + line];

		if (v > most)
			most = v;
	}
	return most;
}

static void one_line(const struct page *p, size_t node, enum line line, double most)
{
	size_t each = (p->intervals + POINTS_MAX - 1) / POINTS_MAX;
	double end = p->when[p->intervals - 1];

	fprintf(p->to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"",
		node_colour(node));
	for (size_t i = 0; i < p->intervals; i += each) {
		size_t to = i + each < p->intervals ? i + each : p->intervals;
		double v = point(p, node, line, i, to);

		if (isnan(v))
			continue;
		fprintf(p->to, "%.1f,%.1f ",
			MARGIN + (end > 0 ? p->when[i] / end : 0) * (WIDTH - MARGIN - 10),
			10 + (1 - v / most) * (CHART_HEIGHT - 30));
	}
	fprintf(p->to, "\"><title>node %d</title></polyline>\n", p->last->node[node].id);
}

static void chart(const struct page *p, enum line line)
{
	char number[24];
	double most = most_of(p, line);

	fprintf(p->to, "<h2>%s, %s</h2>\n", charts[line].title, charts[line].unit);
	if (charts[line].metric >= 0 &&
	    !top_has(p->last, (enum numaperf_metric)charts[line].metric)) {
		const struct top_hook *h = &p->last->hook[charts[line].metric];

		fputs("<p>n/a: ", p->to);
		escape(p->to, h->reason[0] ? h->reason : "not counted on this kernel");
		fputs("</p>\n", p->to);
		return;
	}
	most = most > 0 ? most : 1;
	fprintf(p->to,
		"<svg class=\"lines\" width=\"%d\" height=\"%d\"><line class=\"axis\" "
		"x1=\"%d\" "
		"y1=\"10\" x2=\"%d\" y2=\"%d\"/><line class=\"axis\" x1=\"%d\" y1=\"%d\" "
		"x2=\"%d\" "
		"y2=\"%d\"/>",
		WIDTH, CHART_HEIGHT, MARGIN, MARGIN, CHART_HEIGHT - 20, MARGIN,
		CHART_HEIGHT - 20, WIDTH - 10, CHART_HEIGHT - 20);
	fprintf(p->to,
		"<text x=\"%d\" y=\"16\" text-anchor=\"end\">%s</text><text x=\"%d\" "
		"y=\"%d\" "
		"text-anchor=\"end\">0</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f "
		"s</text>\n",
		MARGIN - 4,
		most < 100 ? (snprintf(number, sizeof(number), "%.3g", most), number)
			   : top_short(most, number, sizeof(number)),
		MARGIN - 4, CHART_HEIGHT - 18, WIDTH - 10, CHART_HEIGHT - 5,
		p->when[p->intervals - 1]);
	for (size_t i = 0; i < p->last->nodes; i++)
		one_line(p, i, line, most);
	for (size_t i = 0; i < p->last->nodes && i < 16; i++)
		fprintf(p->to, "<text x=\"%zu\" y=\"%d\" style=\"fill:%s\">node %d</text>",
			(size_t)MARGIN + i * 55, CHART_HEIGHT - 5, node_colour(i),
			p->last->node[i].id);
	fputs("</svg>\n", p->to);
}

/* ---- the flame graph ---- */

static void flame_bar(const struct page *p, const struct top_flame *at, double x, double width,
		      unsigned int depth, unsigned int most)
{
	unsigned int hue = 0;

	if (width < 0.3)
		return;
	for (const char *c = at->name; *c; c++)
		hue = hue * 31 + (unsigned char)*c;
	fprintf(p->to,
		"<g><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" "
		"fill=\"hsl(%u,80%%,70%%)\" stroke=\"#fff\"/><title>",
		x, (most - depth) * BAR, width, BAR - 1, hue % 50);
	escape(p->to, at->name);
	fprintf(p->to, ": %" PRIu64 " pages (%.1f %%)</title>", at->pages,
		(double)at->pages / (double)p->flame.pages * 100);
	if (width > 30) {
		char text[128];

		/* cut to what fits; between characters, not inside one */
		snprintf(text, sizeof(text), "%.*s", (int)(width / 6.5), at->name);
		for (size_t n = strlen(text); n && (text[n - 1] & 0x80); n--)
			text[n - 1] = '\0';
		fprintf(p->to, "<text x=\"%.1f\" y=\"%u\">", x + 3,
			(most - depth) * BAR + BAR - 5);
		escape(p->to, text);
		fputs("</text>", p->to);
	}
	fputs("</g>\n", p->to);
	for (const struct top_flame *c = at->child; c; c = c->next) {
		double part = width * (double)c->pages / (double)at->pages;

		flame_bar(p, c, x, part, depth + 1, most);
		x += part;
	}
}

static void flame_graph(struct page *p)
{
	unsigned int depth = top_flame_depth(&p->flame);
	static char name[] = "all";

	fputs("<h2 id=\"flame\">Where pages came from another node: calls, the outermost below"
	      "</h2>\n",
	      p->to);
	if (!p->flame.pages) {
		fputs("<p>", p->to);
		escape(p->to, p->last->stacks_error ? p->last->stacks_error
						    : "No page came from another node.");
		fputs("</p>\n", p->to);
		return;
	}
	top_flame_sort(&p->flame);
	fprintf(p->to, "<svg class=\"flame\" width=\"%d\" height=\"%u\">\n", WIDTH,
		(depth + 1) * BAR);
	p->flame.name = name;
	flame_bar(p, &p->flame, 0, WIDTH, 0, depth);
	fputs("</svg>\n", p->to);
}

/* ---- tables ---- */

static void violations(const struct page *p)
{
	fprintf(p->to, "<h2>Violations (%zu)</h2>\n", p->events);
	if (!p->events)
		return;
	fputs("<table><tr><th class=\"t\">when</th><th class=\"t\">what</th></tr>\n", p->to);
	for (size_t i = 0; i < p->events; i++) {
		fputs("<tr><td class=\"t\">", p->to);
		put_time(p->to, p->event[i].time_ns);
		fputs("</td><td class=\"t bad\">", p->to);
		escape(p->to, p->event[i].message);
		fputs("</td></tr>\n", p->to);
	}
	fputs("</table>\n", p->to);
}

static int by_remote(const void *a, const void *b)
{
	const struct top_process *x = a, *y = b;

	if (x->counts.faults_remote != y->counts.faults_remote)
		return x->counts.faults_remote < y->counts.faults_remote ? 1 : -1;
	return (x->counts.run_ns < y->counts.run_ns) - (x->counts.run_ns > y->counts.run_ns);
}

static void processes(const struct page *p, struct top_frame *all)
{
	if (all->processes)
		qsort(all->process, all->processes, sizeof(*all->process), by_remote);
	fputs("<h2>Processes at the end, over all of the time</h2>\n<table><tr><th>pid</th><th "
	      "class=\"t\">name</th><th>CPU s</th><th>local %</th><th>remote "
	      "pages</th><th>moves "
	      "between nodes</th></tr>\n",
	      p->to);
	for (size_t i = 0; i < all->processes && i < PROCESSES; i++) {
		const struct top_process *q = &all->process[i];
		const char *basis;
		double ratio = top_process_ratio(all, q, &basis);

		if (!q->counts.run_ns)
			continue;
		fprintf(p->to, "<tr><td>%d</td><td class=\"t\">", q->pid);
		escape(p->to, q->command ? q->command : q->comm);
		fprintf(p->to, "</td><td>%.2f</td><td>", (double)q->counts.run_ns / 1e9);
		if (ratio < 0)
			fputs("n/a", p->to);
		else
			fprintf(p->to, "%.1f (%s)", ratio * 100, basis);
		if (top_has(all, NUMAPERF_METRIC_FAULTS))
			fprintf(p->to, "</td><td>%" PRIu64 "</td>", q->counts.faults_remote);
		else
			fputs("</td><td>n/a</td>", p->to);
		fprintf(p->to, "<td>%" PRIu64 "</td></tr>\n", q->counts.node_moves);
	}
	fputs("</table>\n", p->to);
}

static void hooks(const struct page *p)
{
	fputs("<h2>How it was watched</h2>\n<table><tr><th class=\"t\">metric</th><th "
	      "class=\"t\">"
	      "rung</th><th class=\"t\">by, or why not</th></tr>\n",
	      p->to);
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct top_hook *h = &p->last->hook[m];

		fprintf(p->to,
			"<tr><td class=\"t\">%s</td><td class=\"t\">%s</td><td class=\"t\">",
			numaperf_metric_name((enum numaperf_metric)m),
			numaperf_rung_name(h->rung));
		escape(p->to, h->reason[0] ? h->reason : h->hook);
		fputs("</td></tr>\n", p->to);
	}
	fprintf(p->to,
		"</table>\n<p>Lost: %" PRIu64 " events, %" PRIu64 " notices, %" PRIu64
		" threads.</p>\n",
		p->last->events_lost, p->last->notices_lost, p->last->threads_lost);
}

static int write_page(struct page *p)
{
	struct top_frame *all = top_frame_delta(p->first, p->last);

	if (!all)
		return -ENOMEM;
	head(p);
	heat_map(p);
	violations(p);
	flame_graph(p);
	for (int line = 0; line < LINES && p->intervals; line++)
		chart(p, (enum line)line);
	processes(p, all);
	hooks(p);
	fputs("</body></html>\n", p->to);
	top_frame_free(all);
	return fflush(p->to) || ferror(p->to) ? -EIO : 0;
}

/* Beside its place and renamed into it when it is whole. */
static int write_file(struct page *p, const char *path, char *error, size_t size)
{
	char *beside;
	int err = asprintf(&beside, "%s.part", path) < 0 ? -ENOMEM : 0;

	if (err)
		return err;
	p->to = fopen(beside, "we");
	if (!p->to) {
		err = -errno;
	} else {
		err = write_page(p);
		if (fclose(p->to) && !err)
			err = -errno;
		if (!err && rename(beside, path))
			err = -errno;
		if (err)
			unlink(beside);
	}
	if (err)
		snprintf(error, size, "writing %s: %s", path, strerror(-err));
	free(beside);
	return err;
}

static void free_page(struct page *p)
{
	if (p->last != p->first)
		top_frame_free(p->last);
	top_frame_free(p->first);
	for (size_t i = 0; i < p->events; i++) {
		free(p->event[i].label);
		free(p->event[i].message);
	}
	free(p->event);
	free(p->value);
	free(p->when);
	top_flame_free(&p->flame);
}

int top_html_write(const char *path, struct top_source *source, char *error, size_t size)
{
	struct page p = { 0 };
	struct top_frame *frame;
	int err;

	while (!(err = source->next(source, &frame))) {
		err = take(&p, frame);
		if (err)
			break;
	}
	if (err < 0)
		snprintf(error, size, "%s", err == -ENOMEM ? "no memory" : source->error);
	else
		err = write_file(&p, path, error, size);
	free_page(&p);
	return err;
}
