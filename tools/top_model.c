/* SPDX-License-Identifier: MIT */
#include "top_model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

/* What comes first when a screen is opened: the column, by its id. */
static const char *const first_sort[TOP_SCREENS] = {
	[TOP_OVERVIEW] = "node",    [TOP_PROCESSES] = "remote", [TOP_THREADS] = "cpu",
	[TOP_REGIONS] = "resident", [TOP_CGROUPS] = "remote",	[TOP_WHERE] = "pages",
	[TOP_EVENTS] = "time",
};

void top_model_init(struct top_model *m)
{
	memset(m, 0, sizeof(*m));
	m->node = -1;
	for (int s = 0; s < TOP_SCREENS; s++) {
		size_t n;
		const struct top_column *c = top_columns((enum top_screen)s, &n);

		for (size_t i = 0; i < n && first_sort[s]; i++)
			if (!strcmp(c[i].id, first_sort[s]))
				m->way[s].sort = (unsigned int)i;
	}
	m->way[TOP_OVERVIEW].reverse = true; /* node 0 first */
}

static void free_cgroups(struct top_process *cgroup, size_t n)
{
	for (size_t i = 0; cgroup && i < n; i++) {
		free(cgroup[i].run_ns_on);
		free(cgroup[i].resident);
	}
	free(cgroup);
}

static void free_event(struct top_event *e)
{
	free(e->label);
	free(e->message);
}

void top_model_free(struct top_model *m)
{
	if (m->delta)
		free_cgroups(m->cgroup, m->delta->cgroups);
	for (size_t i = 0; i < m->events; i++)
		free_event(&m->event[i]);
	free(m->event);
	free(m->row);
	top_frame_free(m->last);
	top_frame_free(m->delta);
}

/* ---- taking frames ---- */

/* The newest first; the oldest go. Messages are taken over from the delta. */
static int keep_events(struct top_model *m, struct top_frame *delta)
{
	size_t n = delta->events, kept = m->events;
	struct top_event *more;

	if (!n)
		return 0;
	if (n > TOP_EVENTS_KEPT)
		n = TOP_EVENTS_KEPT;
	if (kept + n > TOP_EVENTS_KEPT)
		kept = TOP_EVENTS_KEPT - n;
	more = malloc((n + kept) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct top_event *e = &delta->event[delta->events - 1 - i];

		more[i] = *e;
		e->label = e->message = NULL;
	}
	if (kept)
		memcpy(more + n, m->event, kept * sizeof(*more));
	for (size_t i = kept; i < m->events; i++)
		free_event(&m->event[i]);
	free(m->event);
	m->event = more;
	m->events = n + kept;
	return 0;
}

static void add_counts(struct top_counts *to, const struct top_counts *from)
{
	to->run_ns += from->run_ns;
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		to->moves[i] += from->moves[i];
	to->node_moves += from->node_moves;
	to->faults_local += from->faults_local;
	to->faults_remote += from->faults_remote;
	to->hinting_local += from->hinting_local;
	to->hinting_remote += from->hinting_remote;
}

/* Sums of each cgroup's processes, as a process whose number is how many they are; NULL: no
 * memory. */
static struct top_process *sum_cgroups(const struct top_frame *f)
{
	struct top_process *sum = calloc(f->cgroups ? f->cgroups : 1, sizeof(*sum));

	for (size_t i = 0; sum && i < f->cgroups; i++) {
		sum[i].cgroup = (int)i;
		sum[i].run_ns_on = calloc(f->nodes, sizeof(uint64_t));
		sum[i].resident = calloc(f->nodes, sizeof(uint64_t));
		if (!sum[i].run_ns_on || !sum[i].resident) {
			free_cgroups(sum, f->cgroups);
			return NULL;
		}
	}
	for (size_t i = 0; sum && i < f->processes; i++) {
		const struct top_process *p = &f->process[i];
		struct top_process *g;

		if (p->cgroup < 0)
			continue;
		g = &sum[p->cgroup];
		g->pid++;
		g->threads += p->threads;
		g->violations += p->violations;
		add_counts(&g->counts, &p->counts);
		for (size_t n = 0; n < f->nodes; n++) {
			g->run_ns_on[n] += p->run_ns_on[n];
			g->resident[n] += p->resident ? p->resident[n] : 0;
		}
	}
	return sum;
}

int top_model_take(struct top_model *m, struct top_frame *frame)
{
	struct top_frame *delta = top_frame_delta(m->last, frame);
	struct top_process *cgroup = delta ? sum_cgroups(delta) : NULL;

	if (!cgroup || keep_events(m, delta)) {
		if (cgroup)
			free_cgroups(cgroup, delta->cgroups);
		top_frame_free(delta);
		return -ENOMEM;
	}
	if (m->delta)
		free_cgroups(m->cgroup, m->delta->cgroups);
	top_frame_free(m->last);
	top_frame_free(m->delta);
	m->last = frame;
	m->delta = delta;
	m->cgroup = cgroup;
	m->rows = 0;
	return 0;
}

void top_model_leap(struct top_model *m)
{
	top_frame_free(m->last);
	m->last = NULL;
	for (size_t i = 0; i < m->events; i++)
		free_event(&m->event[i]);
	m->events = 0;
}

/* ---- rows ---- */

static bool has(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

static bool has_number(long n, const char *word)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", n);
	return !strcmp(text, word);
}

static bool process_fits(const struct top_model *m, const struct top_process *p)
{
	const struct top_cgroup *g = p->cgroup >= 0 ? &m->delta->cgroup[p->cgroup] : NULL;
	int at = m->node < 0 ? -1 : top_frame_node(m->delta, m->node);

	if (p->kernel && !m->kernel)
		return false;
	if (m->node >= 0 &&
	    (at < 0 || (!p->run_ns_on[at] && !(p->resident && p->resident[at]))))
		return false;
	return !m->filter[0] || has(p->comm, m->filter) || has(p->command, m->filter) ||
	       has_number(p->pid, m->filter) ||
	       (g && (has(g->path, m->filter) || has(g->container, m->filter)));
}

static int add_row(struct top_model *m, const void *of, size_t at, uint64_t id)
{
	if (m->rows == m->room) {
		size_t room = m->room ? 2 * m->room : 256;
		struct top_row *more = reallocarray(m->row, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->row = more;
		m->room = room;
	}
	m->row[m->rows++] = (struct top_row){ .of = of, .at = at, .id = id };
	return 0;
}

static int add_nodes(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->delta->nodes && !err; i++)
		if (m->node < 0 || m->delta->node[i].id == m->node)
			err = add_row(m, &m->delta->node[i], i, (uint64_t)m->delta->node[i].id);
	return err;
}

static int add_processes(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->delta->processes && !err; i++)
		if (process_fits(m, &m->delta->process[i]))
			err = add_row(m, &m->delta->process[i], i,
				      (uint64_t)m->delta->process[i].pid);
	return err;
}

static int add_threads(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->delta->threads && !err; i++) {
		const struct top_thread *t = &m->delta->thread[i];

		if (t->pid == m->pid &&
		    (!m->filter[0] || has(t->comm, m->filter) || has_number(t->tid, m->filter)))
			err = add_row(m, t, i, (uint64_t)t->tid);
	}
	return err;
}

static int add_regions(struct top_model *m)
{
	int at = m->node < 0 ? -1 : top_frame_node(m->delta, m->node), err = 0;

	for (size_t i = 0; i < m->delta->regions && !err; i++) {
		const struct top_region *r = &m->delta->region[i];

		if (m->node >= 0 && (at < 0 || !r->resident[at]))
			continue;
		if (!m->filter[0] || has(r->name, m->filter) || has(r->policy, m->filter))
			err = add_row(m, r, i, r->start);
	}
	return err;
}

static int add_cgroups(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->delta->cgroups && !err; i++) {
		const struct top_cgroup *g = &m->delta->cgroup[i];
		uint64_t id = 5381;

		if (m->filter[0] && !has(g->path, m->filter) && !has(g->container, m->filter))
			continue;
		for (const char *c = g->path; *c; c++)
			id = id * 33 + (unsigned char)*c;
		err = add_row(m, &m->cgroup[i], i, id);
	}
	return err;
}

static bool stack_fits(const struct top_model *m, const struct top_stack *s)
{
	if (m->pid && s->pid != m->pid)
		return false;
	if (!m->filter[0] || has(s->comm, m->filter) || has_number(s->pid, m->filter))
		return true;
	for (unsigned int i = 0; i < s->depth; i++)
		if (has(s->symbol[i], m->filter))
			return true;
	return false;
}

static int add_stacks(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->delta->stacks && !err; i++)
		if (m->delta->stack[i].pages && stack_fits(m, &m->delta->stack[i]))
			err = add_row(m, &m->delta->stack[i], i, i);
	return err;
}

static int add_events(struct top_model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->events && !err; i++) {
		const struct top_event *e = &m->event[i];

		if (!m->filter[0] || has(e->message, m->filter) || has(e->actor, m->filter) ||
		    has_number(e->pid, m->filter))
			err = add_row(m, e, i, e->time_ns ^ (uint64_t)e->tid << 48);
	}
	return err;
}

/* ---- sorting ---- */

/* Of rows that are equal: who ran longer, then the smaller number. */
static int by_time(const struct top_model *m, const struct top_row *x, const struct top_row *y)
{
	uint64_t p = 0, q = 0;

	if (m->screen == TOP_PROCESSES || m->screen == TOP_CGROUPS) {
		p = ((const struct top_process *)x->of)->counts.run_ns;
		q = ((const struct top_process *)y->of)->counts.run_ns;
	} else if (m->screen == TOP_THREADS) {
		p = ((const struct top_thread *)x->of)->counts.run_ns;
		q = ((const struct top_thread *)y->of)->counts.run_ns;
	}
	return p != q ? (p < q) - (p > q) : (x->id > y->id) - (x->id < y->id);
}

/* qsort has no argument for it; the model is one thread's. */
static const struct top_model *sorting;
static const struct top_column *sort_column;

static int by_column(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	const struct top_way *way = &sorting->way[sorting->screen];
	int order;

	if (sort_column->value) {
		double p = sort_column->value(sorting, x, way->sort_node),
		       q = sort_column->value(sorting, y, way->sort_node);

		/* n/a last, whichever way round */
		if (isnan(p) || isnan(q))
			return isnan(p) != isnan(q) ? (isnan(p) ? 1 : -1)
						    : by_time(sorting, x, y);
		order = (p < q) - (p > q);
	} else {
		/* the text may stand in a place of its own: one is copied */
		char copy[256];

		snprintf(copy, sizeof(copy), "%s", sort_column->text(sorting, x));
		order = strcmp(copy, sort_column->text(sorting, y));
	}
	if (way->reverse)
		order = -order;
	return order ? order : by_time(sorting, x, y);
}

int top_model_rows(struct top_model *m)
{
	static int (*const add[TOP_SCREENS])(struct top_model *) = {
		[TOP_OVERVIEW] = add_nodes,  [TOP_PROCESSES] = add_processes,
		[TOP_THREADS] = add_threads, [TOP_REGIONS] = add_regions,
		[TOP_CGROUPS] = add_cgroups, [TOP_WHERE] = add_stacks,
		[TOP_EVENTS] = add_events,
	};
	const struct top_column *columns;
	size_t n;
	int err;

	m->rows = 0;
	if (!add[m->screen] || !m->delta)
		return 0;
	err = add[m->screen](m);
	if (err || m->rows < 2)
		return err;
	columns = top_columns(m->screen, &n);
	sorting = m;
	sort_column = &columns[m->way[m->screen].sort];
	qsort(m->row, m->rows, sizeof(*m->row), by_column);
	return m->tree && m->screen == TOP_PROCESSES ? top_tree(m->row, m->rows) : 0;
}

/* ---- cells ---- */

bool top_column_shown(const struct top_model *m, unsigned int at)
{
	const struct top_way *way = &m->way[m->screen];
	size_t n;
	const struct top_column *c = top_columns(m->screen, &n);

	if (way->hidden >> at & 1)
		return false;
	return !c[at].hidden || way->shown >> at & 1;
}

const char *top_title(const struct top_model *m, const struct top_column *c, size_t node,
		      char *buf, size_t size)
{
	if (!c->per_node)
		return c->title;
	/* "%%N%d", "MEM%d": the only two there are */
	snprintf(buf, size, c->title[0] == '%' ? "%%N%d" : "MEM%d", m->delta->node[node].id);
	return buf;
}

static const char *scaled(double n, double step, const char *units, char *buf, size_t size)
{
	int u = 0;

	while (n >= 9999.5 && units[u + 1]) {
		n /= step;
		u++;
	}
	if (!u)
		snprintf(buf, size, "%.0f", n);
	else
		snprintf(buf, size, n < 99.95 ? "%.1f%c" : "%.0f%c", n, units[u]);
	return buf;
}

const char *top_short(double n, char *buf, size_t size)
{
	if (n > 0 && n < 9.95) {
		snprintf(buf, size, "%.1f", n);
		return buf;
	}
	return scaled(n, 1000, " kMGTP", buf, size);
}

const char *top_bytes(double n, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	int u = 0;

	n /= 1024;
	while (n >= 999.5 && units[u + 1]) {
		n /= 1024;
		u++;
	}
	snprintf(buf, size, n > 0 && n < 9.95 ? "%.1f%c" : "%.0f%c", n, units[u]);
	return buf;
}

static bool metric_had(const struct top_model *m, const struct top_column *c)
{
	return c->metric < 0 || top_has(m->delta, (enum numaperf_metric)c->metric);
}

const char *top_cell_text(const struct top_model *m, const struct top_column *c,
			  const struct top_row *row, size_t node, char *buf, size_t size)
{
	double v;

	if (c->text) {
		const char *text = c->text(m, row);

		snprintf(buf, size, "%s", text ? text : "");
		return buf;
	}
	v = metric_had(m, c) ? c->value(m, row, node) : NAN;
	if (c->kind == TOP_RATE)
		v = m->delta->interval_ns ? v / ((double)m->delta->interval_ns / 1e9) : NAN;
	if (isnan(v))
		return "n/a";
	switch (c->kind) {
	case TOP_INTEGER:
		snprintf(buf, size, "%.0f", v);
		return buf;
	case TOP_RATE:
		return top_short(v, buf, size);
	case TOP_PERCENT:
		snprintf(buf, size, v >= 9.9995 ? "%.0f" : "%.1f", v * 100);
		return buf;
	case TOP_BYTES:
		return top_bytes(v, buf, size);
	case TOP_HEX:
		snprintf(buf, size, "%llx", (unsigned long long)v);
		return buf;
	default:
		return "";
	}
}

const char *top_column_reason(const struct top_model *m, const struct top_column *c, char *buf,
			      size_t size)
{
	const struct top_hook *h;

	buf[0] = '\0';
	if (c->metric < 0 || !m->delta)
		return buf;
	h = &m->delta->hook[(int)c->metric];
	if (h->rung == NUMAPERF_RUNG_FENTRY || (!h->reason[0] && h->rung))
		return buf;
	snprintf(buf, size, "%s is %s%s%s%s%s",
		 numaperf_metric_name((enum numaperf_metric)c->metric),
		 numaperf_rung_name(h->rung), h->reason[0] ? ": " : "", h->reason,
		 h->remedy[0] ? "; " : "", h->remedy);
	return buf;
}

/* ---- the matrix ---- */

static uint64_t pages_at(const struct top_frame *f, size_t i, size_t k)
{
	const struct top_cell *c = &f->cell[i * f->nodes + k];

	return c->pages[NUMAPERF_PAGE_ANON] + c->pages[NUMAPERF_PAGE_HUGE];
}

double top_heat(const struct top_model *m, size_t cpu_node, size_t memory_node, uint64_t *pages)
{
	const struct top_frame *f = m->delta;
	uint64_t most = 0;

	for (size_t i = 0; i < f->nodes; i++)
		for (size_t k = 0; k < f->nodes; k++)
			if (pages_at(f, i, k) > most)
				most = pages_at(f, i, k);
	*pages = pages_at(f, cpu_node, memory_node);
	/* a page now and then is seen beside a million */
	return most ? log1p((double)*pages) / log1p((double)most) : 0;
}
